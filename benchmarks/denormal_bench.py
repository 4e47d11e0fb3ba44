"""Denormal numbers and saturated units: their cost in a single kernel, and in a program, which flushes denormals to zero.

Run: python benchmarks/denormal_bench.py [--quick] [--json FILE]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import harness
import numpy as np
from harness import Array, Column, Work, say

from minicnn.backends import cpu
from minicnn.backends.executor import Executor
from minicnn.backends.program import Call, Program, Task
from minicnn.engine.record import Recorder

COLUMNS = (
    Column("kernel", 14),
    Column("what is small", 26),
    Column("µs ordinary", 11, ".1f"),
    Column("small, kernel alone", 19, ".1f"),
    Column("small, in a program", 19, ".1f"),
)
LANES, PARAMETERS = 16, 60_000
DENORMAL = 1e-40


def normal(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> Array:
    """Random numbers of about this size."""
    return (scale * rng.normal(size=shape)).astype(np.float32)


def cases(rng: np.random.Generator, small: float) -> list[tuple[str, str, tuple[Array, ...]]]:
    """Kernels of LeNet-5 with their arguments; one argument is ``small`` if that can happen in training."""
    W, x, b, y = normal(rng, 84, 120), normal(rng, 120, LANES, scale=small), normal(rng, 84), normal(rng, 84, LANES)
    p, dp, v = normal(rng, PARAMETERS), np.zeros(PARAMETERS, np.float32), normal(rng, PARAMETERS, scale=small)
    moments = normal(rng, PARAMETERS), np.abs(normal(rng, PARAMETERS, scale=small))
    held, rates = np.array([0.01, 1 - 1e-9, 0, 0, 0]), np.array([1e-3, 1 - 1e-9, 1 - 1e-9, 1e-8, 0, 1, 1])
    a = normal(rng, 6, 28, 28, LANES, scale=1 if small == 1 else 1e3)
    return [
        ("gemm_bias", "activations", (W, x, b, y)),
        ("gemm_tn", "gradients", (W, normal(rng, 84, LANES, scale=small), normal(rng, 120, LANES))),
        ("sgd", "momentum of a silent unit", (p, dp, v, held)),
        ("adam", "second moment", (p, dp, *moments, rates)),
        ("scaled_tanh", "nothing: units saturated", (a, np.empty_like(a))),
    ]


def alone(name: str, arrays: tuple[Array, ...]) -> Work:
    """The kernel called by the interpreter."""
    return Call("", name, cpu.BACKEND.kernels[name], arrays).bound.run


def in_a_program(name: str, arrays: tuple[Array, ...]) -> Work:
    """The kernel called by the driver."""
    program, executor = Program(), Executor(1, cpu.BACKEND)
    getattr(Recorder(cpu.BACKEND, program), name)(*arrays)
    task = Task([([program], (0, 1, 1))], np.zeros(1, np.int64))
    return lambda: executor.run([task])


def measure(number: int, rounds: int) -> list[Any]:
    """One row of the table. Every contender has its own arrays, because flushing overwrites denormals with zeros."""

    def fresh(small: float) -> tuple[str, str, tuple[Array, ...]]:
        return cases(np.random.default_rng(0), small)[number]

    name, what, ordinary = fresh(1)
    works = {"ordinary": alone(name, ordinary), "alone": alone(name, fresh(DENORMAL)[2])}
    works["program"] = in_a_program(name, fresh(DENORMAL)[2])
    found = harness.interleaved(works, rounds, 0.005)
    return [name, what, *(1e6 * found[kind].median for kind in works)]


def benchmark(given: Sequence[str]) -> None:
    """Measure, print, write."""
    options = harness.arguments("What denormal numbers cost, and what they cost in a program.").parse_args(given)
    harness.check_arguments(options)
    harness.check_one_thread(options, "a kernel")
    machine = harness.machine_info(1, peers=())
    rounds = options.repeats or (3 if options.quick else 25)
    say(f"{harness.machine_line(machine)}\nmicroseconds a call, float32, medians of {rounds} samples")
    say(harness.heading(COLUMNS))
    rows = [measure(number, rounds) for number in range(len(cases(np.random.default_rng(0), 1)))]
    for row in rows:
        say(harness.line(COLUMNS, row))
    if options.json is not None:
        settings = {"quick": options.quick, "samples": rounds}
        harness.write_json(options.json, {"benchmark": "denormal", "machine": machine, "settings": settings, "rows": rows})


if __name__ == "__main__":
    sys.exit(harness.run("denormal_bench", benchmark, sys.argv[1:]))
