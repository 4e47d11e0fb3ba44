"""What every rewriting rule saves: the calls of a network's programs that it replaces, one by one and as the one it makes.

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
from minicnn.backends.cpu import fusion
from minicnn.layers import Conv2d, ReLU
from minicnn.parallel import Team
from minicnn.program import Call, Job, Program

COLUMNS = (
    Column("rule", 26),
    Column("network", 18),
    Column("calls", 62),
    Column("µs unfused", 10, ".1f"),
    Column("µs fused", 8, ".1f"),
    Column("ratio", 6, ".2f"),
    Column("control", 7, ".2f"),
)
ROUNDING = {"rtol": 1e-4, "atol": 1e-4}
"""Sums of a map, and Winograd's products, come in another order."""


@dataclass(frozen=True)
class Case:
    """Calls of a network's program that a rule replaces, and the call that it makes of them."""

    rule: str
    network: str
    calls: Sequence[Call]
    fused: Call

    @property
    def arrays(self) -> list[Array]:
        """What either way may write, each memory once."""
        found = [array for call in (*self.calls, self.fused) for array in call.arrays]
        return list({array.ctypes.data: array for array in found}.values())


def networks(one: bool) -> dict[str, Network]:
    """The networks in which the rules occur; one has maps enough for Winograd's matrices."""
    if one:
        return {"lenet5, one": models.lenet5(threads=1, lanes=1), "modern, one": models.lenet5_modern(threads=1, lanes=1)}
    many = Network([Conv2d(32, 3, padding=1), ReLU(), Conv2d(32, 3, padding=1), ReLU()], (1, 14, 14), threads=1)
    return {"lenet5": models.lenet5(threads=1), "lenet5_modern": models.lenet5_modern(threads=1), "32 maps": many}


def cases() -> Iterator[Case]:
    """The first place in each network's training program where each rule applies, and where each kernel is another one."""
    for name, net in (networks(one=False) | networks(one=True)).items():
        with mock.patch.object(Program, "fused", lambda program, backend: program):
            calls = net.program().calls
        at, seen = 0, set()
        while at < len(calls):
            count = 1
            for rule in fusion.RULES:
                if (found := rule(calls[at:])) is not None:
                    count, kernel, arrays = found
                    kind = (rule.__name__, " + ".join(call.name for call in calls[at : at + count]))
                    if kind not in seen:
                        yield Case(rule.__name__, name, calls[at : at + count], Call("fused", kind[1], kernel, arrays))
                    seen.add(kind)
                    break
            at += count


def fill(case: Case) -> None:
    """Random numbers in every array of float32, zeros in what says who won; tables of numbers stay."""
    rng = np.random.default_rng(0)
    for array in case.arrays:
        if array.dtype == np.float32:
            array[...] = rng.uniform(-1, 1, array.shape)


def work(calls: Sequence[Call]) -> Work:
    """Running calls by the driver."""
    team, job = Team(1, cpu), Job([([Program(calls)], (0, 1, 1))], np.zeros(1, np.int64))
    return lambda: team.run([job])
