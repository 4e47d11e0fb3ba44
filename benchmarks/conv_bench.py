"""Convolution: im2col, direct and PyTorch compared, pass by pass.

All contenders work in their own layout on the same float32 numbers, and their results are compared before timing. minicnn runs
as in a network: recorded programs over the lane groups of the batch. Weights are packed again for every pass that reads them
packed; for the weight gradient the slots are cleared before and summed after. PyTorch runs under ``inference_mode`` with
contiguous and with channels_last tensors; the table shows the faster one. There is no bias.

``direct`` is the choice of ``algorithm="auto"``: register tiles, or a matrix product if the window is the whole map. GFLOP/s
are nominal: two operations for each multiply-add of the definition, even if padding is multiplied. The peak is the best speed
of a loop of multiply-adds on registers, measured before the first row. The same loop also runs in turn with the contenders, and
the last lines show its speed then. ``±`` is the distance between the quartiles of the direct figure. ``control`` is direct over
direct: the same contender, measured twice.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Protocol

import harness
import numpy as np
from harness import Array, BenchmarkError, Column, Peak, Timing, Work, geometric_mean, gflops, interleaved, say

from minicnn import Conv2d, Network
from minicnn.backends.executor import Executor
from minicnn.backends.program import Call, Program, Task
from minicnn.engine.accumulate import SLOTS
from minicnn.engine.inputs import Arrays
from minicnn.engine.record import Recorder

FORWARD, INPUT, WEIGHT = "forward", "input", "weight"
PASSES = (FORWARD, INPUT, WEIGHT)


@dataclass(frozen=True)
class Case:
    """A convolution as in real networks: square kernels on square maps."""

    name: str
    channels: int
    filters: int
    kernel: int
    size: int
    padding: int = 0
    stride: int = 1
    dilation: int = 1
    groups: int = 1

    @property
    def layer(self) -> Conv2d:
        """The layer, with its own choice of algorithm."""
        return Conv2d(
            self.filters,
            self.kernel,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
            bias=False,
        )

    @property
    def in_shape(self) -> tuple[int, int, int]:
        """The shape of one image."""
        return self.channels, self.size, self.size

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """The shape of the weights."""
        return self.filters, self.channels // self.groups, self.kernel, self.kernel

    @property
    def out_shape(self) -> tuple[int, ...]:
        """The shape of one image's output."""
        return self.layer.plan(self.in_shape).out_shape

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds for one image, equal in all passes."""
        return prod(self.out_shape) * prod(self.weight_shape[1:])

    def reduction(self, which: str, batch: int) -> int:
        """The largest number of products in one sum of the result."""
        taps = self.kernel**2
        places = batch * prod(self.out_shape[1:])
        return {FORWARD: prod(self.weight_shape[1:]), INPUT: self.filters // self.groups * taps, WEIGHT: places}[which]

    @property
    def label(self) -> str:
        """The case as one line of text."""
        extras = (("p", self.padding, 0), ("s", self.stride, 1), ("d", self.dilation, 1), ("g", self.groups, 1))
        options = "".join(f" {letter}{value}" for letter, value, usual in extras if value != usual)
        return f"{self.name} {self.channels}→{self.filters} {self.kernel}×{self.kernel}{options} on {self.size}×{self.size}"


CASES = (
    Case("LeNet C1", 1, 6, 5, 32),
    Case("LeNet C1", 1, 6, 5, 28, padding=2),
    Case("LeNet C3", 6, 16, 5, 14),
    Case("LeNet C5", 16, 120, 5, 5),
    Case("stem", 3, 64, 7, 64, padding=3, stride=2),
    Case("3×3", 3, 32, 3, 32, padding=1),
    Case("3×3", 32, 64, 3, 16, padding=1),
    Case("3×3", 64, 128, 3, 8, padding=1),
    Case("VGG", 64, 64, 3, 32, padding=1),
    Case("ResNet", 128, 128, 3, 8, padding=1),
    Case("strided", 64, 64, 3, 16, padding=1, stride=2),
    Case("shortcut", 64, 128, 1, 16, stride=2),
    Case("bottleneck", 256, 64, 1, 8),
    Case("pointwise", 64, 128, 1, 16),
    Case("grouped", 64, 64, 3, 16, padding=1, groups=4),
    Case("dilated", 32, 32, 3, 16, padding=2, dilation=2),
    Case("5×5", 32, 32, 5, 16, padding=2),
)
QUICK = (CASES[0], CASES[2], CASES[3], CASES[7])
LOADING = CASES[5]
"""The case whose images are used to measure loading into lanes."""


@dataclass(frozen=True)
class Data:
    """The arrays that all contenders get."""

    x: Array
    weights: Array
    dy: Array

    @staticmethod
    def of(case: Case, batch: int) -> Data:
        """Random arrays for a case."""
        rng = np.random.default_rng(0)
        shapes = (batch, *case.in_shape), case.weight_shape, (batch, *case.out_shape)
        x, weights, dy = (rng.standard_normal(shape, dtype=np.float32) for shape in shapes)
        return Data(x, weights, dy)


class Contender(Protocol):
    """An implementation of the passes of a convolution."""

    def work(self, which: str) -> Work:
        """A function that computes the pass, to be called repeatedly."""

    def answer(self, which: str) -> Array:
        """The result of one call of the pass, in PyTorch's layout."""


class Own:
    """minicnn: a network of one convolution, with its passes as programs over all lane groups of a batch.

    Args:
        case: the convolution.
        data: the arrays.
        algorithm: the algorithm of the convolution.
        threads: the number of threads that share the groups.
    """

    def __init__(self, case: Case, data: Data, algorithm: str, threads: int) -> None:
        self.net = Network([("conv", replace(case.layer, algorithm=algorithm))], case.in_shape, threads=threads)
        self.net.load_params({"conv.W": data.weights})
        self.net.forward(data.x)  # leaves x in every group, padded if the window is
        self.net.backward(data.dy)  # and dy in every group
        self.data, self.executor = data, Executor(threads, self.net.backend)
        self.groups = self.net._trace.groups
        self.slots = self.net._slots.take(len(self.groups))

    def programs(self, which: str) -> list[Program]:
        """One program for each group."""
        if which == FORWARD:
            return [group.forward for group in self.groups]
        slots = [self.slots[i % SLOTS] for i in range(len(self.groups))]
        weight = [group.backward(slot, input_grad=False) for group, slot in zip(self.groups, slots, strict=True)]
        if which == WEIGHT:
            return weight
        both = [group.backward(slot, input_grad=True) for group, slot in zip(self.groups, slots, strict=True)]
        return [rest(whole, part) for whole, part in zip(both, weight, strict=True)]

    def work(self, which: str) -> Work:
        """The pass as in a network: packing, then each slot's groups on one thread, then the sum of the slots."""
        programs, slots, sums = self.programs(which), self.slots, which == WEIGHT
        total = Program()
        for slot in slots[1:] if sums else []:
            Recorder(self.net.backend, total).add(slot.grads.flat, self.net.grads.flat)
        prepare = self.prepare(programs)
        tasks = self.tasks([programs[number::SLOTS] for number in range(len(slots))])

        def work() -> None:
            prepare.run()
            for slot in slots if sums else []:
                slot.reset.run()
            self.executor.run(tasks)
            total.run()

        return work

    def prepare(self, programs: Sequence[Program]) -> Program:
        """What packs the weights that programs read packed."""
        return self.net._preparation.of(programs)

    def tasks(self, shares: Sequence[Sequence[Program]]) -> list[Task]:
        """One task for each thread, which runs its part of the shares."""
        usable_threads = min(self.executor.threads, len(shares))
        number = np.zeros(1, np.int64)
        own = [[program for share in shares[thread::usable_threads] for program in share] for thread in range(usable_threads)]
        return [Task([(programs, (0, 1, 1))], number) for programs in own]

    def answer(self, which: str) -> Array:
        """The result of one call, with NaN in its buffers before."""
        outputs = [self.net.grads.flat] if which == WEIGHT else [g.y if which == FORWARD else g.dxs[0] for g in self.groups]
        for output in outputs:
            output[...] = np.nan
        self.work(which)()
        if which == WEIGHT:
            return self.net.grads["conv.W"].copy()
        return np.concatenate([np.moveaxis(output, -1, 0) for output in outputs])[: len(self.data.x)]

    def loading(self) -> Work:
        """Loading the batch from (N, C, H, W) into lanes."""
        images = Arrays(self.data.x)
        tasks = self.tasks([[group.load_input(0, images)] for group in self.groups])
        return lambda: self.executor.run(tasks)


def rest(whole: Program, part: Program) -> Program:
    """The calls of a program that do not belong to a part of it."""
    left = Counter(map(identity, part.calls))
    program = Program()
    for call in whole.calls:
        if left[identity(call)]:
            left[identity(call)] -= 1
        else:
            program.append(call)
    return program


def identity(call: Call) -> tuple[str, tuple[tuple[int, ...], ...]]:
    """A call's kernel and the shapes of its arrays."""
    return call.name, tuple(array.shape for array in call.arrays)


class Torch:
    """PyTorch, with its tensors in one memory format; only the requested gradient is computed.

    Args:
        torch: the module.
        case: the convolution.
        data: the arrays.
        layout: the name of the memory format.
    """

    def __init__(self, torch: Any, case: Case, data: Data, layout: str) -> None:
        self.torch, self.case = torch, case
        form = getattr(torch, f"{layout}_format" if layout == "contiguous" else layout)
        tensors = (torch.from_numpy(a).contiguous(memory_format=form) for a in (data.x, data.weights, data.dy))
        self.x, self.weights, self.dy = tensors

    def work(self, which: str) -> Work:
        """The pass."""
        x, weights, dy, c = self.x, self.weights, self.dy, self.case
        stride, padding, dilation = [c.stride] * 2, [c.padding] * 2, [c.dilation] * 2
        if which == FORWARD:
            conv2d = self.torch.conv2d
            return lambda: conv2d(x, weights, None, stride, padding, dilation, c.groups)
        backward = self.torch.ops.aten.convolution_backward
        wanted = [which == INPUT, which == WEIGHT, False]
        return lambda: backward(dy, x, weights, None, stride, padding, dilation, False, [0, 0], c.groups, wanted)

    def answer(self, which: str) -> Array:
        """The result of one call of the pass."""
        result: Any = self.work(which)()
        tensor = {FORWARD: lambda: result, INPUT: lambda: result[0], WEIGHT: lambda: result[1]}[which]()
        return np.ascontiguousarray(tensor.numpy())


IM2COL, DIRECT, CONTROL, PEAK = "im2col", "direct", "direct again", "peak"
LAYOUTS = ("contiguous", "channels_last")


def contenders(case: Case, batch: int, threads: int, torch: Any | None) -> dict[str, Contender]:
    """All contenders for a case, by name."""
    data = Data.of(case, batch)
    own: dict[str, Contender] = {name: Own(case, data, way, threads) for name, way in ((IM2COL, "im2col"), (DIRECT, "auto"))}
    peers = {f"torch {layout}": Torch(torch, case, data, layout) for layout in LAYOUTS} if torch else {}
    return own | peers


def compare(case: Case, batch: int, which: str, found: Mapping[str, Contender]) -> None:
    """Compare every contender's result with the last one's.

    Sums of n products of normally distributed numbers in another order differ by at most about ε·n.

    Raises:
        BenchmarkError: two results differ.
    """
    tolerance = 8 * float(np.finfo(np.float32).eps) * case.reduction(which, batch)
    answers = {name: contender.answer(which) for name, contender in found.items()}
    last, expected = list(answers.items())[-1]
    for name, answer in answers.items():
        worst = float(np.abs(answer - expected).max()) if answer.shape == expected.shape else np.inf
        if not worst <= tolerance:  # also if it is NaN
            what = f"{case.label}, {which}: {name} and {last} differ by {worst:.2g}, more than {tolerance:.2g}"
            raise BenchmarkError(what, code=1)


@dataclass(frozen=True)
class Row:
    """One measured pass of one case.

    Attributes:
        case: the convolution.
        which: the pass.
        batch: the number of images.
        timings: the timings of the contenders, by name.
        peak: GFLOP/s of the peak loop before the first row.
        peak_meanwhile: GFLOP/s of the peak loop when run in turn with the contenders.
    """

    case: Case
    which: str
    batch: int
    timings: Mapping[str, Timing]
    peak: float
    peak_meanwhile: float

    @property
    def share(self) -> float:
        """The share of the peak that direct reaches."""
        return self.gflops(DIRECT) / self.peak

    def gflops(self, name: str) -> float:
        """GFLOP/s of a contender."""
        return gflops(self.batch * self.case.multiply_adds, self.timings[name])

    @property
    def torch(self) -> str | None:
        """The faster of PyTorch's layouts, or None if PyTorch is not installed."""
        names = [f"torch {layout}" for layout in LAYOUTS if f"torch {layout}" in self.timings]
        return max(names, key=self.gflops, default=None)

    def over(self, name: str | None) -> float | None:
        """The speed of direct relative to another contender."""
        return None if name is None else self.gflops(DIRECT) / self.gflops(name)

    def cells(self) -> tuple[object, ...]:
        """The row's cells in the table."""
        torch = self.torch and self.gflops(self.torch)
        layout = self.torch and self.torch.removeprefix("torch ").removeprefix("channels_")
        figures = (self.gflops(IM2COL), self.gflops(DIRECT), torch, layout, self.over(IM2COL), self.over(self.torch))
        return self.case.label, self.which, *figures, self.share, self.timings[DIRECT].spread, self.over(CONTROL)

    def figures(self) -> dict[str, Any]:
        """The row for JSON."""
        figures: dict[str, Any] = {"case": self.case.label, "pass": self.which, "batch": self.batch}
        figures["multiply_adds"] = self.batch * self.case.multiply_adds
        figures["contenders"] = {name: {"gflops": self.gflops(name), **t.figures()} for name, t in self.timings.items()}
        figures |= {"torch": self.torch, "direct_over_im2col": self.over(IM2COL), "direct_over_torch": self.over(self.torch)}
        figures |= {"direct_over_direct": self.over(CONTROL), "direct_share_of_peak": self.share}
        return figures | {"peak_gflops": self.peak, "peak_meanwhile_gflops": self.peak_meanwhile}


COLUMNS = (
    Column("shape", 33),
    Column("pass", 7),
    Column("im2col", 6, ".1f"),
    Column("direct", 6, ".1f"),
    Column("torch", 6, ".1f"),
    Column("layout", 10),
    Column("dir/im2", 7, ".2f"),
    Column("dir/torch", 9, ".2f"),
    Column("% peak", 6, ".0%"),
    Column("±", 4, ".0%"),
    Column("control", 7, ".2f"),
)


@dataclass(frozen=True)
class Effort:
    """Duration of the measurement: samples for each figure, and the least seconds of a sample."""

    rounds: int
    least: float


def measure(found: Mapping[str, Contender], case: Case, batch: int, which: str, peak: Peak, effort: Effort) -> Row:
    """Compare the contenders' results, then time them in turn."""
    compare(case, batch, which, found)
    works: dict[str, Work] = {name: contender.work(which) for name, contender in found.items()}
    timings = interleaved(works | {CONTROL: works[DIRECT], PEAK: peak}, effort.rounds, effort.least)
    meanwhile = gflops(peak.multiply_adds, timings.pop(PEAK))
    return Row(case, which, batch, timings, peak.best, meanwhile)


def loading_row(batch: int, threads: int, effort: Effort) -> dict[str, Any]:
    """The time of loading a batch from (N, C, H, W) into lanes, compared with its forward pass."""
    own = Own(LOADING, Data.of(LOADING, batch), "auto", threads)
    timings = interleaved({"lanes": own.loading(), FORWARD: own.work(FORWARD)}, effort.rounds, effort.least, threads)
    lanes, forward = timings["lanes"], timings[FORWARD]
    share = lanes.median / forward.median
    return {"case": LOADING.label, "batch": batch, **lanes.figures(), "forward_s": forward.median, "share_of_forward": share}


def summaries(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Geometric means over the rows of each pass, and over all."""
    found = []
    for which in (*PASSES, "all"):
        chosen = [row for row in rows if which in (row.which, "all")]
        means: dict[str, Any] = {"pass": which, "rows": len(chosen)}
        for name in (IM2COL, DIRECT):
            means[name] = geometric_mean(row.gflops(name) for row in chosen)
        means["torch"] = geometric_mean(row.gflops(row.torch) for row in chosen if row.torch)
        means["direct_over_im2col"] = geometric_mean(row.over(IM2COL) or 0 for row in chosen)
        means["direct_over_torch"] = geometric_mean(row.over(row.torch) or 0 for row in chosen if row.torch)
        means["direct_share_of_peak"] = geometric_mean(row.share for row in chosen)
        controls = [row.over(CONTROL) or 0 for row in chosen]
        means |= {"direct_over_direct": geometric_mean(controls), "control_low": min(controls), "control_high": max(controls)}
        found.append(means)
    return found


def say_summary(means: Mapping[str, Any]) -> None:
    """Print a line of geometric means under the table."""
    figures = (means[IM2COL], means[DIRECT], means["torch"], "", means["direct_over_im2col"], means["direct_over_torch"])
    ends = (means["direct_share_of_peak"], "", means["direct_over_direct"])
    say(harness.line(COLUMNS, ("geometric mean", means["pass"], *figures, *ends)))


def say_control(rows: Sequence[Row], means: Mapping[str, Any]) -> None:
    """Print the range of the control: smaller differences mean nothing."""
    low, high = means["control_low"], means["control_high"]
    say(f"control: direct over direct lies between {low:.2f} and {high:.2f}; smaller differences in a row mean nothing")
    before, meanwhile = rows[0].peak, [row.peak_meanwhile for row in rows]
    turns = f"in turn with the contenders between {min(meanwhile):.0f} and {max(meanwhile):.0f}"
    say(f"peak: {before:.0f} GFLOP/s of multiply-adds on registers; {turns}, where less tells of a busy machine")


WELL = 0.6
"""PyTorch runs a row well if it reaches this share of the peak."""


def against_torch(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The mean and worst ratio of direct to PyTorch, for rows that PyTorch runs well and for the others."""
    found = []
    for well in (False, True):
        ratios = [row.over(row.torch) or 0 for row in rows if row.torch and (row.gflops(row.torch) >= WELL * row.peak) == well]
        figures = {"torch_runs_well": well, "rows": len(ratios), "geometric_mean": geometric_mean(ratios)}
        found.append({**figures, "least": min(ratios, default=None)})
    return found


def say_against_torch(found: Mapping[str, Any]) -> None:
    """Print the result for one group of rows."""
    where = f"{'at least' if found['torch_runs_well'] else 'less than'} {WELL:.0%} of the peak"
    if found["rows"]:
        figures = f"{found['geometric_mean']:.2f} times as fast in the geometric mean, {found['least']:.2f} in the worst row"
        say(f"where torch reaches {where} ({found['rows']} rows): {figures}")


def say_loading(loading: Mapping[str, Any]) -> None:
    """Print the time of loading."""
    what = f"(N, C, H, W) to lanes: {1e6 * loading['median_s']:.1f} µs for a batch of {loading['batch']} on {loading['case']}"
    say(f"{what}, {loading['share_of_forward']:.1%} of its direct forward pass; not in the table")


def parse(given: Sequence[str]) -> argparse.Namespace:
    """Parse and check the options.

    Raises:
        BenchmarkError: an option that cannot be measured.
    """
    parser = harness.arguments("Convolution: im2col against direct against PyTorch.")
    parser.add_argument(
        "--batch", type=int, nargs="+", default=[32], metavar="N", help="images in a batch (default 32); 32 128 for both tables"
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="only shapes whose name contains this")
    options = parser.parse_args(given)
    harness.check_arguments(options)
    if min(options.batch) < 1:
        raise BenchmarkError(f"expected --batch of at least 1, got {min(options.batch)}")
    options.cases = [case for case in (QUICK if options.quick else CASES) if options.only.lower() in case.label.lower()]
    if not options.cases:
        raise BenchmarkError(f"expected --only as a part of a shape's name, got {options.only!r}")
    return options


def benchmark(given: Sequence[str]) -> None:
    """Measure, print, write."""
    options = parse(given)
    effort = Effort(options.repeats or (5 if options.quick else 15), 0.002 if options.quick else 0.01)
    harness.keep_to(options.threads)
    machine = harness.machine_info(options.threads)
    say(harness.machine_line(machine))
    torch = harness.peer("torch")
    peak = Peak(options.threads)
    with torch.inference_mode() if torch else nullcontext():
        batches = [one_batch(options.cases, batch, peak, torch, effort) for batch in options.batch]
    say(harness.compile_line())
    if options.json is not None:
        settings = {"threads": options.threads, "quick": options.quick, "samples": effort.rounds, "least_s": effort.least}
        report = {"benchmark": "conv", "machine": machine, "settings": settings, "compile": harness.compile_info()}
        harness.write_json(options.json, report | {"batches": batches})


def one_batch(cases: Sequence[Case], batch: int, peak: Peak, torch: Any | None, effort: Effort) -> dict[str, Any]:
    """The table for one batch size, and its figures."""
    say(f"\nbatch {batch}, float32, GFLOP/s\n{harness.heading(COLUMNS)}")
    rows = []
    for case in cases:
        found = contenders(case, batch, peak.threads, torch)
        for which in PASSES:
            rows.append(measure(found, case, batch, which, peak, effort))
            say(harness.line(COLUMNS, rows[-1].cells()))
    means = summaries(rows)
    for mean in means:
        say_summary(mean)
    say_control(rows, means[-1])
    groups = against_torch(rows)
    for group in groups:
        say_against_torch(group)
    loading = loading_row(batch, peak.threads, effort)
    say_loading(loading)
    return {
        "batch": batch,
        "rows": [row.figures() for row in rows],
        "geometric_means": means,
        "against_torch": groups,
        "loading": loading,
    }


if __name__ == "__main__":
    sys.exit(harness.run("conv_bench", benchmark, sys.argv[1:]))
