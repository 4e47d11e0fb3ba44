"""``minicnn doctor``: what is slow or broken on this machine, and what to do about it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .. import backends
from ..backends.processors import usable_cpus
from ..engine.balance import DEFAULT, Split, loads, recommended
from ..engine.graph import Item
from ..errors import BackendError, MinicnnError
from ..network import Network
from ..nn import Conv2d, Dense, Flatten, ReLU
from ..nn.cross_entropy import CrossEntropy
from .command import Commands, add_command, count
from .streams import say

EXAMPLE = "  minicnn doctor"
OK, SLOW, BROKEN = "ok", "slow", "broken"
BUSY = 0.5
"""So much of a processor others may use before it shows."""


class Finding(NamedTuple):
    """One thing that was looked at: ok, slow or broken, and in words."""

    state: str
    what: str


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands, "doctor", "say what is slow or broken here; the exit code is 2 if anything is broken", EXAMPLE
    )
    words = "pictures in a step, for which lanes and slots are recommended (default 32)"
    parser.add_argument("--batch-size", type=count, default=32, metavar="N", help=words)
    parser.set_defaults(run=doctor)


def doctor(options: argparse.Namespace) -> int:
    """Look at everything, and print a line for each."""
    found = list(findings(options.batch_size))
    for state, what in found:
        say(f"{state:6}  {what}")
    return 2 if any(each.state == BROKEN for each in found) else 0


def findings(images: int) -> Iterator[Finding]:
    """Everything that is looked at, for batches of so many images."""
    try:
        cpu = backends.get("cpu")
    except BackendError as error:
        yield Finding(SLOW, f'compiled kernels: none here, networks need backend="numpy" ({error.what}); {error.hint}')
        yield from calculation("numpy")
        return
    yield simd(cpu.describe())
    yield from modes()
    yield from cache()
    yield from processors()
    yield split(images, usable_cpus())
    yield from calculation("cpu")


def simd(words: str) -> Finding:
    """Whether vectors are as wide as the engine uses them."""
    wide = any(name in words for name in ("AVX-512", "AVX2", "NEON"))
    return Finding(OK, f"vector unit: {words}") if wide else Finding(SLOW, f"vector unit: {words}; AVX2 is faster")


def modes() -> Iterator[Finding]:
    """Settings that make kernels slow."""
    from ..backends.cpu.compile.mode import CHECK, CPU_NAME, INTERPRET

    if INTERPRET:
        yield Finding(SLOW, "NUMBA_DISABLE_JIT is set: kernels run as Python, a thousand times slower; unset it")
    if CHECK:
        yield Finding(SLOW, "MINICNN_CHECK is set: kernels check their bounds; unset it")
    if CPU_NAME:
        yield Finding(SLOW, f"NUMBA_CPU_NAME is set: kernels are compiled for {CPU_NAME}, not for this processor; unset it")


def cache() -> Iterator[Finding]:
    """Whether compiled kernels are kept."""
    from ..backends.cpu.compile.cache import described

    stored, words = described()
    yield Finding(OK if stored else SLOW, f"cache: {words}")


def processors() -> Iterator[Finding]:
    """Whether processors are free."""
    usable, there = usable_cpus(), os.cpu_count() or 1
    words = f"processors: {usable} usable of {there}"
    yield Finding(OK, words) if usable == there else Finding(SLOW, f"{words}; an affinity or a container limits this process")
    if hasattr(os, "getloadavg"):
        busy = os.getloadavg()[0]
        state = OK if busy <= BUSY + there - usable else SLOW
        hint = "" if state == OK else "; end other programs, or give fewer threads"
        yield Finding(state, f"load: {busy:.1f} processors were busy in the last minute{hint}")


def split(images: int, processors: int) -> Finding:
    """Whether training with the default lanes and slots keeps the processors busy, and which would keep more of them busy."""
    from ..backends.cpu.compile.host import HOST

    def busy(given: Split) -> str:
        threads = len(loads(images, given, processors))
        return f"lanes={given.lanes}, slots={given.slots} keep {threads} of {processors} processors busy"

    better = recommended(images, processors, HOST.width(4))
    words = f"training in batches of {images}: {busy(DEFAULT)}"
    if better == DEFAULT:
        return Finding(OK, words)
    return Finding(SLOW, f"{words}, {busy(better)}; give them to Network or to minicnn train")


def calculation(backend: str) -> Iterator[Finding]:
    """Whether a small network computes the same as its formulas in NumPy, on one thread and on all."""
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((20, 1, 8, 8)), np.arange(20) % 3
    layers: list[Item] = [("C1", Conv2d(4, kernel_size=3)), ReLU(), Flatten(), ("F1", Dense(3))]
    try:
        wanted = Network(layers, (1, 8, 8), "float64", "numpy", threads=1)
        wanted.loss_and_grads(CrossEntropy(), x, labels)
        for threads in (1, usable_cpus()):
            net = Network(layers, (1, 8, 8), "float64", backend, threads=threads)
            net.loss_and_grads(CrossEntropy(), x, labels)
            if not np.allclose(net.grads.flat, wanted.grads.flat, rtol=1e-10, atol=1e-12):
                yield Finding(BROKEN, f"calculation: gradients on {threads} threads are not those of NumPy; report this")
                return
    except MinicnnError as error:
        yield Finding(BROKEN, f"calculation: {error}")
        return
    yield Finding(OK, f"calculation: gradients on {backend} are those of NumPy")
