"""Time from process start to 99 % on MNIST's test set: ``examples/train_mnist.py --fast`` and the same recipe in PyTorch.

Measures whole processes, in turn, with kernels cached and files read before. Run: python benchmarks/fast_bench.py [--threads N]
[--seeds N]
"""

from __future__ import annotations

import re
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import harness
from harness import BenchmarkError, Column, processes, say

HERE = Path(__file__).parent
COLUMNS = (
    Column("seed", 6),
    Column("minicnn s", 9, ".2f"),
    Column("accuracy %", 10, ".2f"),
    Column("torch s", 7, ".2f"),
    Column("accuracy %", 10, ".2f"),
    Column("ratio", 6, ".2f"),
)


def run(arguments: Sequence[str], threads: int) -> tuple[float, float]:
    """Seconds and test accuracy of a training process."""
    variables = {"OMP_NUM_THREADS": str(threads)}
    finished = processes.python([*arguments, "--threads", str(threads)], variables)
    found = re.search(r"test accuracy (\S+) %", finished.output)
    if found is None:
        raise BenchmarkError(f"expected {arguments[0]} to tell its test accuracy, got {finished.output!r}", code=1)
    return finished.seconds, float(found[1])


def benchmark(given: Sequence[str]) -> None:
    """Measure, print, write."""
    parser = harness.arguments("From the start of a process to 99 % on MNIST.")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="runs of each, with seeds 0 … N − 1 (default 5)")
    parser.add_argument("--source", default="auto", help="where MNIST comes from, as for the example")
    options = parser.parse_args(given)
    harness.check_arguments(options)
    harness.keep_to(options.threads)
    machine = harness.machine_info(options.threads)
    say(f"{harness.machine_line(machine)}\n{harness.heading(COLUMNS)}")
    torch, rows = harness.peer("torch") is not None, []
    with tempfile.TemporaryDirectory() as folder:
        example = [str(HERE.parent / "examples" / "train_mnist.py"), "--fast", "--out", folder, "--source", options.source]
        for seed in range(-1, 1 if options.quick else options.seeds):
            own = run([*example, "--seed", str(max(seed, 0))], options.threads)
            theirs = run([str(HERE / "peers/torch_fast.py"), "--seed", str(max(seed, 0))], options.threads) if torch else None
            if seed >= 0:  # the first run of each only warms the caches
                rows.append((seed, *own, *(theirs or (None, None)), theirs and theirs[0] / own[0]))
                say(harness.line(COLUMNS, [str(seed), *rows[-1][1:]]))
    medians: list[Any] = [
        statistics.median(known) if (known := [row[i] for row in rows if row[i] is not None]) else None for i in range(1, 6)
    ]
    say(harness.line(COLUMNS, ["median", *medians]))
    if options.json is not None:
        names = ("seed", "minicnn_s", "accuracy", "torch_s", "torch_accuracy", "ratio")
        report = {"rows": [dict(zip(names, row, strict=True)) for row in rows], "medians": medians}
        harness.write_json(options.json, {"benchmark": "fast", "machine": machine, **report})


if __name__ == "__main__":
    sys.exit(harness.run("fast_bench", benchmark, sys.argv[1:]))
