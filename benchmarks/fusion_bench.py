"""The gain of every rewriting rule: the calls that it replaces, one by one, against the one call that it makes.

Run: python benchmarks/fusion_bench.py [--quick] [--json FILE]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from unittest import mock

import harness
import numpy as np
from harness import Array, BenchmarkError, Column, Work, say

from minicnn import Network, models
from minicnn.backends import cpu
from minicnn.backends.cpu import lowering
from minicnn.backends.derived import Derived
from minicnn.backends.executor import Executor
from minicnn.backends.program import Call, Program, Task
from minicnn.backends.scratch import Scratch
from minicnn.backends.workspace import Workspace
from minicnn.nn import Conv2d, ReLU, Residual

COLUMNS = (
    Column("rule", 36),
    Column("network", 18),
    Column("calls", 104),
    Column("µs unfused", 10, ".1f"),
    Column("µs fused", 8, ".1f"),
    Column("ratio", 6, ".2f"),
    Column("control", 7, ".2f"),
)
ROUNDING = 1e-4
"""Tolerance: sums over a map, and Winograd's products, are computed in another order."""


@dataclass(frozen=True)
class Case:
    """Calls of a network's program that a rule replaces, the call that replaces them, and those that derive its weights."""

    rule: str
    network: str
    calls: Sequence[Call]
    fused: Call
    derive: Sequence[Call]

    @property
    def arrays(self) -> list[Array]:
        """The arrays that the calls read and write, each memory once; other arrays of the fused call are scratch."""
        found = [array for call in self.calls for array in call.arrays]
        return list({array.ctypes.data: array for array in found}.values())


def networks(one: bool) -> dict[str, Network]:
    """The networks in which the rules apply; others have many maps, batch normalisation, a shortcut."""
    if one:
        return {"lenet5, one": models.lenet5(threads=1, lanes=1), "modern, one": models.lenet5_modern(threads=1, lanes=1)}
    many = Network([Conv2d(32, 3, padding=1), ReLU(), Conv2d(32, 3, padding=1), ReLU()], (1, 14, 14), threads=1)
    lenets = {"lenet5": models.lenet5(threads=1), "lenet5_modern": models.lenet5_modern(threads=1)}
    plain = Network([Conv2d(8, 3, padding=1), ReLU(), Residual([Conv2d(8, 3, padding=1)]), ReLU()], (1, 14, 14), threads=1)
    return lenets | {"32 maps": many, "resnet8": models.resnet8(threads=1), "shortcut": plain}


def cases() -> Iterator[Case]:
    """The first place in each network's training program where each rule applies, for each different kernel."""
    for name, net in (networks(one=False) | networks(one=True)).items():
        with mock.patch.object(lowering.LOWERING, "lower", unfused):
            calls = net.program().calls
        at, seen = 0, set()
        while at < len(calls):
            count = 1
            for rule in lowering.RULES if calls[at].arrays else ():  # a barrier has none
                if (found := rule(calls[at:])) is not None:
                    count = found.replaced
                    kind = (rule.__name__, " + ".join(call.name for call in calls[at : at + count]))
                    if kind not in seen:
                        arrays, derive = Workspace(Derived(np.empty(0)), Scratch()).filled("fused", found.arrays)
                        fused = Call("fused", kind[1], found.kernel, arrays)
                        yield Case(rule.__name__, name, calls[at : at + count], fused, derive)
                    seen.add(kind)
                    break
            at += count


LOWER = lowering.LOWERING.lower


def unfused(program: Program, workspace: Workspace, *_: object) -> Program:
    """The program in kernels of which none stands for several calls."""
    return LOWER(program, workspace, fuse=False)


def fill(case: Case) -> None:
    """Random numbers in every float32 array, zeros in arrays of winners; integer tables are left alone."""
    rng = np.random.default_rng(0)
    for array in case.arrays:
        if array.dtype == np.float32:
            array[...] = rng.uniform(-1, 1, array.shape)


def work(calls: Sequence[Call]) -> Work:
    """A function that runs the calls through the driver."""
    executor, task = Executor(1, cpu.BACKEND), Task([([Program(calls)], (0, 1, 1))], np.zeros(1, np.int64))
    return lambda: executor.run([task])


def compare(case: Case) -> None:
    """Run both ways on the same numbers.

    Raises:
        BenchmarkError: an output of the fused call differs.
    """
    fill(case)
    Program(list(case.derive)).run()
    before = [array.copy() for array in case.fused.arrays]
    work([case.fused])()
    results = [array.copy() for array in case.fused.arrays]
    fill(case)
    work(case.calls)()
    given = {array.ctypes.data for call in case.calls for array in call.arrays}
    for old, new, array in zip(before, results, case.fused.arrays, strict=True):
        written = array.ctypes.data in given and not np.array_equal(old, new, equal_nan=True)
        if written and not np.allclose(new, array, rtol=ROUNDING, atol=ROUNDING):
            what = f"{case.network}: {case.fused.name} gives something else than its calls; nothing was timed"
            raise BenchmarkError(what, code=1)


def measure(case: Case, rounds: int) -> dict[str, object]:
    """One row of the table."""
    compare(case)
    works = {"unfused": work(case.calls), "fused": work([case.fused]), "control": work([case.fused])}
    found = {name: timing.median for name, timing in harness.interleaved(works, rounds, 0.003).items()}
    row: dict[str, object] = {"rule": case.rule, "network": case.network, "calls": case.fused.name}
    row |= {"unfused_us": 1e6 * found["unfused"], "fused_us": 1e6 * found["fused"]}
    return row | {"ratio": found["unfused"] / found["fused"], "control": found["control"] / found["fused"]}


def benchmark(given: Sequence[str]) -> None:
    """Measure, print, write."""
    options = harness.arguments("What every rewriting rule saves.").parse_args(given)
    harness.check_arguments(options)
    harness.check_one_thread(options, "a call")
    machine = harness.machine_info(1, peers=())
    rounds = options.repeats or (3 if options.quick else 15)
    say(f"{harness.machine_line(machine)}\nmicroseconds for a group of 16 images, or for one; medians of {rounds} samples")
    say(harness.heading(COLUMNS))
    rows = []
    for case in cases():
        rows.append(measure(case, rounds))
        say(harness.line(COLUMNS, list(rows[-1].values())))
    if options.json is not None:
        settings = {"quick": options.quick, "samples": rounds}
        harness.write_json(options.json, {"benchmark": "fusion", "machine": machine, "settings": settings, "rows": rows})


if __name__ == "__main__":
    sys.exit(harness.run("fusion_bench", benchmark, sys.argv[1:]))
