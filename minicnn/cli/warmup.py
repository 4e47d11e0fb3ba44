"""``minicnn warmup``: compile the kernels of the models, so that the first run does not wait for them."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from .. import backends, models
from ..backends.processors import usable_cpus
from ..data.pixels import Normalise, Pixels
from ..network import Network
from ..nn.cross_entropy import CrossEntropy
from ..nn.losses import MSE, Loss
from ..optim import SGD, Adam, AdamW, Optimizer
from .command import Commands

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


def warmup(options: argparse.Namespace) -> int:
    """Compile the kernels of every model for training, validation and inference."""
    log = backends.get("cpu").log
    # Several threads use further kernels, and the cache may be used on a machine with more processors.
    threads = max(2, usable_cpus()) if options.threads is None else options.threads
    for name, (model, loss, optimizer, size) in ZOO.items():
        before, started = len(log.compiled), time.perf_counter()
        print(f"{name}: ", end="", flush=True)
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
        print(f"{len(log.compiled) - before} kernels compiled in {time.perf_counter() - started:.1f} s", flush=True)
    print(f"{log.bound} kernels ready, {log.bound - len(log.compiled)} of them from the cache")
    return 0


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("warmup", help="compile what the model zoo needs, so that the first run does not wait for it")
    parser.add_argument("--threads", type=int, help="all usable processors unless given, but at least two")
    parser.set_defaults(run=warmup)
