"""Dense layers with weights wider than the cache: training and inference of multilayer perceptrons against PyTorch.

Random float32 images in memory, the same parameters, gradient descent with momentum 0.9. PyTorch is eager, with its fused
optimiser, and predicts under ``inference_mode``. Losses of the first steps and outputs are compared before anything is timed.
The process is limited to as many processors as there are threads.
Run: python benchmarks/mlp_bench.py [--threads N] [--batch N ...]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import harness
import numpy as np
import zoo_bench
from harness import BenchmarkError, Column, Peak, Work, say
from harness.zoo import Model
from harness.zoo_training import refuse_difference

from minicnn import Dense, Network, ReLU

SIZES = {"784-512-512-10": (784, 512, 512, 10), "3072-1024-1024-10": (3072, 1024, 1024, 10)}
BATCHES, QUICK = (32, 128, 512), (32,)

COLUMNS = (
    Column("network", 17),
    Column("what", 5),
    Column("batch", 5, "d"),
    Column("minicnn ms", 10, ".3f"),
    Column("torch ms", 8, ".3f"),
    Column("ratio", 5, ".2f"),
    Column("% peak", 6, ".0%"),
    Column("control", 7, ".2f"),
)


def network(sizes: Sequence[int], **options: Any) -> Network:
    """Dense layers of these sizes, with ReLU between them."""
    hidden = [item for units in sizes[1:-1] for item in (Dense(units), ReLU())]
    return Network([*hidden, Dense(sizes[-1])], in_shape=(sizes[0],), **options)


def train(name: str, batch: int, threads: int) -> dict[str, Work]:
    """The timed training steps, by name."""
    return zoo_bench.train(name, Model(partial(network, SIZES[name])), batch, threads, compiled=False, in_graph=False)


def infer(name: str, batch: int, threads: int) -> dict[str, Work]:
    """The timed predictions, by name."""
    net = network(SIZES[name], threads=threads, seed=1)
    x = np.random.default_rng(0).random((batch, *net.in_shape), dtype=np.float32)
    works: dict[str, Work] = {"own": lambda: net.predict(x), "control": lambda: net.predict(x)}
    if harness.peer("torch") is not None:
        works |= zoo_bench.torch_predicting(net, x, compiled=False)
    expected = np.asarray(works["own"]())
    for who, work in works.items():
        refuse_difference(f"{name}: outputs of {who}", work(), expected, 1e-4)
    return works


def measure(name: str, kind: str, batch: int, threads: int, peak: Peak, rounds: int, least: float) -> dict[str, Any]:
    """One row of the table."""
    works = (train if kind == "train" else infer)(name, batch, threads)
    found = harness.interleaved(works, rounds, least, threads)
    ms = {who: 1e3 * timing.median for who, timing in found.items()}
    torch = ms.get("eager contiguous")
    sums = batch * operations(SIZES[name], kind)
    row = {"network": name, "what": kind, "batch": batch, "minicnn_ms": ms["own"], "torch_ms": torch}
    row |= {"ratio": torch / ms["own"] if torch else None, "share_of_peak": 2e-6 * sums / ms["own"] / peak.best}
    return row | {"control": ms["control"] / ms["own"], "timings": {who: timing.figures() for who, timing in found.items()}}


def operations(sizes: Sequence[int], kind: str) -> int:
    """Multiply-adds for an image; nobody wants the input gradient of the first layer."""
    each = [first * second for first, second in pairwise(sizes)]
    return sum(each) if kind == "infer" else 3 * sum(each) - each[0]


def benchmark(given: Sequence[str]) -> None:
    """Measure, print, write."""
    parser = harness.arguments("Multilayer perceptrons: minicnn against PyTorch.")
    parser.add_argument("--networks", nargs="+", metavar="NAME", default=[*SIZES], help="these networks alone")
    parser.add_argument("--batch", type=int, nargs="+", metavar="N", help=f"images in a step (default {BATCHES})")
    options = parser.parse_args(given)
    harness.check_arguments(options)
    if unknown := [name for name in options.networks if name not in SIZES]:
        raise BenchmarkError(f"expected --networks out of {', '.join(SIZES)}, got {unknown[0]!r}")
    batches = options.batch or (QUICK if options.quick else BATCHES)
    if min(batches) < 2:
        raise BenchmarkError(f"expected --batch of at least 2, got {min(batches)}")
    harness.keep_to(options.threads)
    machine = harness.machine_info(options.threads)
    say(harness.machine_line(machine))
    rounds, least = options.repeats or (3 if options.quick else 11), 0.0 if options.quick else 0.05
    peak = Peak(options.threads)
    say(f"ms a call, float32, medians of {rounds} samples\n{harness.heading(COLUMNS)}")
    rows = []
    for name in options.networks:
        for kind in ("train", "infer"):
            for batch in batches:
                rows.append(measure(name, kind, batch, options.threads, peak, rounds, least))
                say(harness.line(COLUMNS, list(rows[-1].values())[: len(COLUMNS)]))
    say(f"peak: {peak.best:.0f} GFLOP/s; control: minicnn against itself, 1 on a quiet machine")
    if options.json is not None:
        settings = {"threads": options.threads, "quick": options.quick, "samples": rounds, "batches": batches}
        harness.write_json(options.json, {"benchmark": "mlp", "machine": machine, "settings": settings, "rows": rows})


if __name__ == "__main__":
    sys.exit(harness.run("mlp_bench", benchmark, sys.argv[1:]))
