"""What a network launches: a device that only writes down, and the steps of networks as it sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import minicnn as m
from minicnn.backends.cuda.device import mirror
from minicnn.backends.cuda.device.operation import Launch
from minicnn.data import Normalise, Pixels

from .registers import Array


@dataclass
class Recorder:
    """A device without memory.

    Attributes:
        launches: what was launched, in order.
        uploaded: bytes that came from the host.
        downloaded: bytes that went there.
    """

    launches: list[Launch] = field(default_factory=list)
    uploaded: int = 0
    downloaded: int = 0

    def pinned(self, size: int) -> Array:
        return np.zeros(size, np.uint8)

    def allocate(self, size: int) -> Any:
        return None

    def upload(self, block: Any, start: int, data: Array) -> None:
        self.uploaded += data.size

    def download(self, block: Any, start: int, data: Array) -> None:
        self.downloaded += data.size

    def upload_async(self, block: Any, start: int, data: Array) -> None:
        self.upload(block, start, data)

    def join(self) -> None:
        pass

    def view(self, block: Any, start: int, like: Array) -> Any:
        return like

    def prepare(self, kernel: Any, shape: Any, arguments: Sequence[Any], like: Sequence[Any]) -> Callable[..., None]:
        launch = Launch(kernel, shape, tuple(like))
        return lambda *numbers: self.launches.append(launch)


@contextmanager
def recorded() -> Iterator[Recorder]:
    """Everything that is launched meanwhile."""
    before = mirror._current
    recorder = Recorder()
    mirror.use(recorder)
    try:
        yield recorder
    finally:
        mirror._current = before


def training_step(name: str, batch: int) -> Recorder:
    """One step of training of a network of the zoo, as its recipe has it, with 60,000 images on the device."""
    with recorded() as recorder:
        net = getattr(m.models, name)(backend="cuda", seed=0)
        modern = name == "lenet5_modern"
        loss = m.CrossEntropy() if modern else m.MSE(1, -1)
        optimizer = m.Adam(1e-3) if modern else m.SGD(0.1, momentum=0.9)
        images, labels = np.zeros((60_000, 28, 28), np.uint8), np.zeros(60_000, np.int64)
        source = Pixels(images, Normalise.standard(0.1307, 0.3081), 28 if modern else 32)
        for index in np.arange(2 * batch).reshape(2, batch):
            recorder.launches.clear()
            recorder.uploaded = recorder.downloaded = 0
            net.loss_and_grads(loss, source, labels, index)
            optimizer.step(net)
    return recorder
