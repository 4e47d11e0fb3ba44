"""``minicnn warmup``: compile the kernels of the models, or of a model file, so that the first run does not wait for them."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from .. import backends, models
from ..arrays import Array
from ..backends.processors import usable_cpus
from ..data.pixels import Normalise, Pixels
from ..network import Network
from ..nn.cross_entropy import CrossEntropy
from ..nn.losses import MSE, Loss
from ..optim import SGD, Adam, AdamW, Optimizer
from ..train.classifier import Classifier, Regressor, load
from .command import Commands, add_command
from .console import path
from .streams import say

if TYPE_CHECKING:
    from ..engine.source import Images

ZOO: dict[str, tuple[Callable[..., Network], Loss, Callable[[float], Optimizer], int]] = {
    "lenet5": (models.lenet5, MSE(1, -1), lambda lr: SGD(lr, momentum=0.9), 32),
    "lenet5s": (models.lenet5s, MSE(), lambda lr: SGD(lr, momentum=0.9), 32),
    "lenet5_modern": (models.lenet5_modern, CrossEntropy(), Adam, 28),
}
"""Each model with a loss, an optimiser and the size of its images."""


BATCHES = (144, 64, 1)
"""Batch sizes that use different kernels: more than eight lane groups, fewer, and a single image."""

EXAMPLE = """  minicnn warmup
  minicnn warmup --model model.safetensors"""


def warmup(options: argparse.Namespace) -> int:
    """Compile the kernels of every model, or of one, for training, validation and inference."""
    log = backends.get("cpu").log
    log.reported = True  # a line for each model says that kernels are compiled, and recommends no warmup
    # Several threads use further kernels, and the cache may be used on a machine with more processors.
    threads = max(2, usable_cpus()) if options.threads is None else options.threads
    for name, work in of_zoo(threads) if options.model is None else of_file(load(options.model, threads=threads)):
        before, started = len(log.compiled), time.perf_counter()
        print(f"{name}: ", end="", flush=True)
        work()
        say(f"{len(log.compiled) - before} kernels compiled in {time.perf_counter() - started:.1f} s")
    say(f"{log.bound} kernels ready, {log.bound - len(log.compiled)} of them from the cache")
    return 0


Works = Iterator[tuple[str, Callable[[], object]]]
"""What makes kernels compile, each with its name."""


def of_zoo(threads: int) -> Works:
    """The models of the 1998 family."""
    for name in ZOO:
        yield name, lambda name=name: _model(name, threads)  # type: ignore[misc]  # mypy knows no default of a lambda


def _model(name: str, threads: int) -> None:
    model, loss, optimizer, size = ZOO[name]
    net = model(threads=threads)
    grey, labels = np.zeros((BATCHES[0], 28, 28), np.uint8), np.zeros(BATCHES[0], np.int64)
    pixels = [Pixels(grey, Normalise.between(0, 1), size, fit) for fit in ("pad", "resize")]
    sources: list[Images] = [*pixels, np.zeros((len(grey), *net.in_shape), np.float32)]
    for images in sources:
        for batch in map(np.arange, BATCHES):
            net.loss_and_grads(loss, images, labels, index=batch)
            net.evaluate(loss, images, labels, index=batch)
            net.predict(images, index=batch)
            net.forward(images, index=batch)
    for update in (optimizer, AdamW):  # AdamW is available for every model through --optimizer
        update(0.01).step(net)


def of_file(found: Network | Classifier | Regressor) -> Works:
    """What a model file holds: prediction, and training with Adam."""
    if isinstance(found, Network) or found.preprocessing is None:
        net = found if isinstance(found, Network) else found.net
        x = {name: np.zeros((BATCHES[0], *shape), net.dtype) for name, shape in net.in_shapes.items()}
        y = {name: np.zeros((BATCHES[0], *shape), net.dtype) for name, shape in net.out_shapes.items()}
        yield "prediction", lambda: [net.predict_outputs(x, index=np.arange(n)) for n in BATCHES]
        yield "training, by mean squares", lambda: _trained(net, x, y)
        return
    model = found.with_layout("NCHW")
    images = np.zeros((BATCHES[0], *model.net.in_shape), np.uint8 if found.preprocessing.uint8 else model.net.dtype)
    yield "prediction", lambda: [model.predict(images[:n]) for n in BATCHES]
    if model.loss is not None:
        yield "training", lambda: _fitted(model, images)


def _trained(net: Network, x: dict[str, Array], y: dict[str, Array]) -> None:
    losses = dict.fromkeys(y, MSE())
    for batch in map(np.arange, BATCHES[:2]):
        net.loss_and_grads(losses, x, y, index=batch)
        net.evaluate(losses, x, y, index=batch)
    Adam(0.01).step(net)


def _fitted(model: Classifier | Regressor, images: Array) -> None:
    """Train and validate with batches of different sizes."""
    targets = model.predict(images)
    for size in BATCHES[:2]:
        model.fit(images, targets, (images, targets), log=None, epochs=1, batch_size=size)


def add(commands: Commands) -> None:
    """Add the command."""
    words = "compile what models need, so that the first run does not wait for it"
    parser = add_command(commands, "warmup", words, EXAMPLE)
    parser.add_argument("--model", type=path, metavar="FILE", help="a model file, in place of the models of the LeNet-5 family")
    parser.add_argument("--threads", type=int, metavar="N", help="all usable processors unless given, but at least two")
    parser.set_defaults(run=warmup)
