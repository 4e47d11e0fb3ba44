"""The roofline of a training step of LeNet-5: every kernel of the recorded program, timed alone on one thread.

A kernel runs many times over the same arrays, which lie in the second-level cache, as in a training step. Its multiply-adds are
those of the definition; its bytes are those of all its arrays, each counted once. The roofs are the multiply-add loop and a
copy of 256 KiB, limited by reads and writes of the second-level cache. Run: python benchmarks/roofline.py [--model NAME]
[--plot FILE]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import harness
import numpy as np
from harness import BenchmarkError, Column, Peak, say
from harness.cases import CASES, Case, data_of

from minicnn import Network
from minicnn.backends.executor import Executor
from minicnn.backends.program import Call, Program, Task
from minicnn.cli.console import path
from minicnn.engine.record import Recorder
from minicnn.errors import need
from minicnn.train import plots

COLUMNS = (
    Column("layer", 16),
    Column("kernel", 46),
    Column("µs", 7, ".2f"),
    Column("% time", 6, ".1%"),
    Column("GFLOP/s", 7, ".0f"),
    Column("% peak", 6, ".0%"),
    Column("GB/s", 6, ".0f"),
    Column("flop/byte", 9, ".1f"),
)
CALLS = 200
COPIED = 256 << 10


@dataclass(frozen=True)
class Row:
    """One kernel of the program: seconds, multiply-adds and bytes of a call."""

    where: str
    name: str
    seconds: float
    multiply_adds: int
    bytes: int

    @property
    def gflops(self) -> float:
        """Billions of operations per second."""
        return 2e-9 * self.multiply_adds / self.seconds

    @property
    def intensity(self) -> float:
        """Operations per byte."""
        return 2 * self.multiply_adds / self.bytes


def over_links(name: str, shapes: Sequence[tuple[int, ...]]) -> int:
    """Multiply-adds of a convolution over links, or of both its gradients in one call, by the shapes of the arrays."""
    if name.endswith("dW_add + sparse_conv2d_dx"):
        links, maps, weights, times = shapes[4], shapes[1], shapes[2], 2
    elif name == "sparse_conv2d_dW_add":
        links, maps, weights, times = shapes[3], shapes[1], shapes[5], 1
    elif name == "sparse_conv2d_dx":
        links, maps, weights, times = shapes[3], shapes[0], shapes[1], 1
    else:
        links, maps, weights, times = shapes[4], shapes[-1], shapes[1], 1
    return times * links[0] * prod(weights[1:]) * prod(maps[1:])


def multiply_adds(call: Call) -> int:
    """Multiply-adds by weights in a call, by the definition; 0 for kernels that memory limits."""
    kind = call.name.split(" + ")[0]
    shapes: list[tuple[int, ...]] = [array.shape for array in call.arrays]
    if "sparse_conv2d" in call.name:
        return over_links(call.name, shapes)
    if kind == "conv2d":
        return prod(shapes[-1]) * prod(shapes[1][1:4])
    if kind == "conv2d_dx":
        return prod(shapes[0]) * shapes[-1][0] * prod(shapes[1][2:4])
    if kind == "conv2d_dW_add":
        return prod(shapes[1]) * prod(shapes[3][1:])
    if kind in ("gemm_bias", "gemm_tn"):
        return prod(shapes[0]) * shapes[1][1]
    return prod(shapes[3]) * shapes[0][1] if kind == "outer_add" else 0


def seconds_of(executor: Executor, call: Call) -> float:
    """The least mean time over about a hundred calls."""
    task = Task([([Program([call])], (0, CALLS, 1))], np.zeros(1, np.int64))
    executor.run([task])
    return min(harness.seconds(lambda: executor.run([task]), 3) for _ in range(7)) / CALLS


def rows_of(net: Network, case: Case) -> list[Row]:
    """Every call of a training step for one group, in order."""
    data = data_of(case, net.in_shape[1])
    for _ in range(3):  # so that buffers hold the same values as in training
        net.loss_and_grads(case.loss, data.source, data.labels, np.arange(case.batch))
    executor, group = Executor(1, net.backend), net._runner.group(0, train=True, lanes=net.lanes)
    calls = [call for load in group._loads.values() for call in load[1].calls] + net.program().calls
    found = []
    for call in calls:
        size = sum(min(array.nbytes, 1 << 24) for array in call.arrays if array.ndim < 3 or len(array) < 1000)
        found.append(Row(call.where, call.name, seconds_of(executor, call), multiply_adds(call), max(1, size)))
    return found


def copy_rate(net: Network) -> float:
    """Bytes per second of a copy, reads and writes counted."""
    x, y = (np.zeros(COPIED // 4, np.float32) for _ in range(2))
    program = Program()
    Recorder(net.backend, program).copy(x, y)
    return 2 * COPIED / seconds_of(Executor(1, net.backend), program.calls[0])


def draw(rows: Sequence[Row], peak: float, rate: float, picture: Path) -> None:
    """Plot the kernels under the two roofs."""
    figure = plots.blank(8, 5)
    axes = figure.subplots()
    reach = np.array([0.1, peak / rate * 1e9, 300.0])
    axes.plot(reach, np.minimum(peak, rate * 1e-9 * reach), color="black", linewidth=1)
    axes.annotate(f"{peak:.0f} GFLOP/s", (30, peak), textcoords="offset points", xytext=(0, 4), fontsize=8)
    axes.annotate(f"{rate * 1e-9:.0f} GB/s", (0.5, rate * 0.5e-9), textcoords="offset points", xytext=(8, -4), fontsize=8)
    largest = sorted((row for row in rows if row.multiply_adds), key=lambda row: -row.seconds)[:12]
    for number, row in enumerate(largest):
        label = f"{row.where.split()[0]} {row.name.split(' + ')[0]}: {1e6 * row.seconds:.1f} µs"
        axes.scatter(row.intensity, row.gflops, s=3e7 * row.seconds, alpha=0.5, color=f"C{number % 10}", label=label)
    handles: list[Any] = axes.legend(loc="lower right", fontsize=7).legend_handles
    for handle in handles:
        handle.set_sizes([40])
    axes.set(xscale="log", yscale="log", xlabel="operations a byte", ylabel="GFLOP/s", xlim=(0.3, 100), ylim=(20, 500))
    axes.set_title("Kernels of a training step, area by time", fontsize=10)
    plots.save(figure, picture, 110)


def benchmark(given: Sequence[str]) -> None:
    """Measure, print, draw, write."""
    parser = harness.arguments("The roofline of a training step, kernel by kernel.")
    parser.add_argument("--model", default="lenet5", help="a network of train_bench (default lenet5)")
    parser.add_argument("--plot", type=path, metavar="FILE", help="draw it into a file")
    options = parser.parse_args(given)
    harness.check_arguments(options)
    if options.plot is not None:
        need("matplotlib")
        harness.probe(options.plot, "--plot")
    case = {case.name: case for case in CASES}.get(options.model)
    if case is None:
        names = ", ".join(case.name for case in CASES)
        raise BenchmarkError(f"expected --model as one of {names}, got {options.model!r}")
    harness.keep_to(1)
    net, machine, peak = case.make(threads=1, seed=1), harness.machine_info(1, ()), Peak(1)
    rows, rate = rows_of(net, case), copy_rate(net)
    total = sum(row.seconds for row in rows)
    say(f"{harness.machine_line(machine)}\n{case.name}, one group of {net.lanes} images\n{harness.heading(COLUMNS)}")
    for row in rows:
        flops = (row.gflops, row.gflops / peak.best) if row.multiply_adds else (None, None)
        bandwidth, intensity = 1e-9 * row.bytes / row.seconds, row.intensity if row.multiply_adds else None
        name = row.name if len(row.name) <= 46 else f"{row.name[:43]}..."
        cells = (row.where, name, 1e6 * row.seconds, row.seconds / total, *flops, bandwidth, intensity)
        say(harness.line(COLUMNS, cells))
    work = sum(row.multiply_adds for row in rows)
    say(f"in all {1e6 * total:.1f} µs, {2e-9 * work / total:.0f} GFLOP/s, {2e-9 * work / total / peak.best:.0%} of the peak")
    say(f"roofs: {peak.best:.0f} GFLOP/s of multiply-adds, {rate * 1e-9:.0f} GB/s of a copy in the second cache")
    if options.plot is not None:
        draw(rows, peak.best, rate, options.plot)
    if options.json is not None:
        rows_json: list[dict[str, Any]] = [vars(row) | {"gflops": row.gflops} for row in rows]
        harness.write_json(options.json, {"benchmark": "roofline", "machine": machine, "rows": rows_json, "bytes_per_s": rate})


if __name__ == "__main__":
    sys.exit(harness.run("roofline", benchmark, sys.argv[1:]))
