"""The cost of distortions compared with a training step, for a group of 16 images on one thread.

Run: python benchmarks/augment_bench.py [--quick] [--json FILE]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import harness
import numpy as np
from harness import Column, Work, say

from minicnn import SGD, CrossEntropy, models
from minicnn.backends.program import Program
from minicnn.data import Affine, Distorted, Elastic, Normalise, Pixels, load_mnist
from minicnn.engine.record import Recorder

LANES, BATCH = 16, 64
AFFINE, ELASTIC = Affine(shift=2, scale=0.1, squeeze=0.1, shear=0.1, rotation=10), Elastic(alpha=20, sigma=4)
COLUMNS = (
    Column("network", 14),
    Column("step µs", 8, ".0f"),
    Column("pixels", 7, ".1f"),
    Column("affine", 7, ".1f"),
    Column("elastic", 7, ".1f"),
    Column("both", 7, ".1f"),
    Column("both more than pixels, of the step", 34, ".1%"),
)


def loading(source: Any, backend: Any) -> Work:
    """Load one group into lanes as a training step does, as a new step at every call."""
    program = Program()
    x, rng, index = np.empty((*source.shape[1:], LANES), np.float32), np.zeros(4, np.uint64), np.arange(LANES)
    names = {"rng": rng} if isinstance(source, Distorted) else {}
    source.load(Recorder(backend, program), index=index, lanes=np.array([LANES]), x=x, **names)

    def work() -> None:
        rng[1] += np.uint64(1)
        program.run()

    return work


def measure(name: str, normalise: Normalise, size: int, digits: Any, rounds: int) -> dict[str, Any]:
    """One row of the table, in microseconds for a group."""
    net, optimizer, loss = getattr(models, name)(threads=1), SGD(0.01, momentum=0.9), CrossEntropy()
    pixels = Pixels(digits.train_images, normalise, size)

    def step() -> None:
        net.loss_and_grads(loss, pixels, digits.train_labels, np.arange(BATCH))
        optimizer.step(net)

    sources = {"pixels": pixels, "affine": Distorted(pixels, AFFINE), "elastic": Distorted(pixels, elastic=ELASTIC)}
    sources |= {"both": Distorted(pixels, AFFINE, ELASTIC)}
    works = {"step": step} | {kind: loading(source, net.backend) for kind, source in sources.items()}
    found = harness.interleaved(works, rounds, 0.005)
    row: dict[str, Any] = {kind: 1e6 * timing.median for kind, timing in found.items()}
    row["step"] *= LANES / BATCH
    return {"network": name, **row, "share": (row["both"] - row["pixels"]) / row["step"]}


def benchmark(given: Sequence[str]) -> None:
    """Measure, print, write."""
    options = harness.arguments("Distortions: what they cost beside the training step.").parse_args(given)
    harness.check_arguments(options)
    harness.check_one_thread(options, "a group")
    machine = harness.machine_info(1, peers=())
    rounds = options.repeats or (3 if options.quick else 25)
    say(f"{harness.machine_line(machine)}\nmicroseconds a group of {LANES} images, medians of {rounds} samples")
    say(harness.heading(COLUMNS))
    digits = load_mnist(source="subset", log=lambda line: None)
    paper, torch = Normalise.between(-0.1, 1.175), Normalise.standard(0.1307, 0.3081)
    rows = [measure("lenet5", paper, 32, digits, rounds), measure("lenet5_modern", torch, 28, digits, rounds)]
    for row in rows:
        say(harness.line(COLUMNS, list(row.values())))
    if options.json is not None:
        settings = {"quick": options.quick, "samples": rounds}
        harness.write_json(options.json, {"benchmark": "augment", "machine": machine, "settings": settings, "rows": rows})


if __name__ == "__main__":
    sys.exit(harness.run("augment_bench", benchmark, sys.argv[1:]))
