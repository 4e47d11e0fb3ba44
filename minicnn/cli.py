"""The command line: ``python -m minicnn info`` says what is usable here, ``warmup`` compiles what the model zoo needs."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import backends, models
from .console import program
from .data.batches import Normalise, Pixels
from .info import info
from .losses import MSE, CrossEntropy, Loss
from .network import Network
from .optim import SGD, Adam, Optimizer

ZOO: dict[str, tuple[Callable[..., Network], Loss, Callable[[float], Optimizer], int]] = {
    "lenet5": (models.lenet5, MSE(1, -1), lambda lr: SGD(lr, momentum=0.9), 32),
    "lenet5s": (models.lenet5s, MSE(), lambda lr: SGD(lr, momentum=0.9), 32),
    "lenet5_modern": (models.lenet5_modern, CrossEntropy(), Adam, 28),
}
"""Each model with a loss, an optimiser and the size of its images."""


def warmup(options: argparse.Namespace) -> int:
    """Take one step of training and make one prediction with each model."""
    log = backends.get("cpu").LOG
    for name, (model, loss, optimizer, size) in ZOO.items():
        before, started = len(log.compiled), time.perf_counter()
        print(f"{name}: ", end="", flush=True)
        net = model(threads=options.threads)
        images = Pixels(np.zeros((64, 28, 28), np.uint8), Normalise.between(0, 1), size)
        for batch in (np.arange(64), np.arange(1)):
            net.loss_and_grads(loss, images, np.zeros(64, np.int64), index=batch)
            net.evaluate(loss, images, np.zeros(64, np.int64), index=batch)
            net.predict(images, index=batch)
            net.predict(np.zeros((len(batch), *net.in_shape), np.float32))
        optimizer(0.01).step(net)
        print(f"{len(log.compiled) - before} kernels compiled in {time.perf_counter() - started:.1f} s", flush=True)
    print(f"{log.bound} kernels ready, {log.bound - len(log.compiled)} of them from the cache")
    return 0


@program("minicnn")
def main(given: Sequence[str] | None = None) -> int:
    """Run a command."""
    parser = argparse.ArgumentParser(prog="minicnn", description="A convolutional-network engine in NumPy and Numba.")
    commands: Any = parser.add_subparsers(dest="command", required=True)
    about = commands.add_parser("info", help="say what is usable here: backends, SIMD width, threads, GPU, versions")
    about.set_defaults(run=info)
    warm = commands.add_parser("warmup", help="compile what the model zoo needs, so that the first run does not wait for it")
    warm.add_argument("--threads", type=int, help="all usable processors unless given")
    warm.set_defaults(run=warmup)
    options = parser.parse_args(given)
    return int(options.run(options))
