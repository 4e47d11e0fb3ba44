"""Start-up time: importing minicnn, and from process start to the end of the first step on MNIST, cold and warm.

Every measurement is a process of its own, that of an import until its end; a cold one has an empty kernel cache.
Run: python benchmarks/startup_bench.py [--source S]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

import harness
from harness import Column, processes, say

PEAK = """
with open("/proc/self/status") as status:  # not ru_maxrss, in which the process that started this one counts
    print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""
IMPORT = f"import minicnn\n{PEAK}"
STEP = """
import sys, time
import numpy as np
from minicnn import MSE, SGD, models
from minicnn.backends.cpu import LOG
from minicnn.data import Normalise, Pixels, load_mnist
digits = load_mnist(source=sys.argv[1], log=lambda line: None)
net, optimizer = models.lenet5(), SGD(0.1, momentum=0.9)
pixels = Pixels(digits.train_images, Normalise.between(-0.1, 1.175), 32)
net.loss_and_grads(MSE(1, -1), pixels, digits.train_labels, index=np.arange(32))
optimizer.step(net)
print(time.time(), LOG.bound, len(LOG.compiled), LOG.seconds)
"""
STEP += PEAK
COLUMNS = (
    Column("what", 38),
    Column("seconds", 7, ".2f"),
    Column("least", 6, ".2f"),
    Column("most", 6, ".2f"),
    Column("MB", 5, ".0f"),
    Column("kernels", 7, "d"),
    Column("compiled", 8, "d"),
    Column("compiling s", 11, ".2f"),
)


def row(what: str, runs: Sequence[processes.Finished]) -> dict[str, Any]:
    """The figures of several runs of one kind: of imports, or of steps, which say when they are done and what was compiled."""
    seconds = [run.seconds for run in runs]
    figures: dict[str, float | None] = {"kernels": None, "compiled": None, "compile_seconds": None}
    for n, run in enumerate(runs):
        *told, _ = run.output.split()
        if told:
            ended, kernels, compiled, compiling = map(float, told)
            seconds[n] = ended - run.started
            figures = {"kernels": int(kernels), "compiled": int(compiled), "compile_seconds": compiling}
    spread: dict[str, Any] = {"seconds": statistics.median(seconds), "least": min(seconds), "most": max(seconds)}
    megabytes = statistics.median(int(run.output.split()[-1]) / 1024 for run in runs)
    return {"what": what, **spread, "megabytes": megabytes, **figures}


def benchmark(given: Sequence[str]) -> None:
    """Measure, print, write."""
    parser = harness.arguments("Starting: import, first step cold, first step warm.")
    parser.add_argument("--source", default="auto", help="where MNIST comes from, as for the example")
    options = parser.parse_args(given)
    harness.check_arguments(options)
    machine = harness.machine_info(options.threads, ())
    say(f"{harness.machine_line(machine)}\n{harness.heading(COLUMNS)}")
    repeats = options.repeats or (1 if options.quick else 5)
    rows = []

    def tell(what: str, runs: Sequence[processes.Finished]) -> None:
        rows.append(row(what, runs))
        say(harness.line(COLUMNS, list(rows[-1].values())))

    cold, warm = [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            step = ["-c", STEP, options.source]
            cold.append(processes.python(step, {"MINICNN_CACHE": folder}))
            warm.append(processes.python(step, {"MINICNN_CACHE": folder}))
    tell("import", [processes.python(["-c", IMPORT], {}) for _ in range(repeats)])
    tell("first step of LeNet-5, kernels cached", warm)
    tell("first step of LeNet-5, nothing cached", cold)
    if options.json is not None:
        harness.write_json(options.json, {"benchmark": "startup", "machine": machine, "rows": rows})


if __name__ == "__main__":
    sys.exit(harness.run("startup_bench", benchmark, sys.argv[1:]))
