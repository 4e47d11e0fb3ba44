"""Trains the classic network for very many steps and watches its memory, threads and open files.

``python tests/faults/soak.py [STEPS]`` trains as users do, with validation, checkpoints and a log, on one thread or as many as
``--threads`` says. Every hundredth of the steps it writes down the resident memory. It fails if that grows by more than a
megabyte in 100,000 steps, or if there are more threads or open files at the end than after the first tenth.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

import minicnn as m
from minicnn.data import Normalise, Pixels
from minicnn.train import Callback, CSVLog, Dataset, Trainer, TrainingOptions

MOST = 1 << 20
"""Bytes that may come to the resident memory in 100,000 steps."""

IMAGES, BATCH = 16_000, 16
"""So few images that the first tenth of a short run has a whole epoch, with all that is allocated once."""


class Look(NamedTuple):
    """What a process has.

    Attributes:
        step: when.
        resident: bytes of memory that are its own; pages of files that are mapped do not count.
        threads: of the system, Python's and others.
        files: open descriptors.
    """

    step: int
    resident: int
    threads: int
    files: int

    @staticmethod
    def now(step: int) -> Look:
        gc.collect()
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return Look(step, int(status["RssAnon"].split()[0]) << 10, int(status["Threads"]), len(os.listdir("/proc/self/fd")))


class Watch(Callback):
    """Looks at the process every so many steps."""

    def __init__(self, every: int) -> None:
        self.every, self.step, self.looks, self._started = every, 0, list[Look](), time.perf_counter()

    def on_step_end(self, score: object) -> None:
        self.step += 1
        if self.step % self.every == 0:
            self.looks.append(Look.now(self.step))
            if len(self.looks) % 10 == 0:
                seconds = time.perf_counter() - self._started
                print(f"{self.looks[-1]}, {seconds:,.0f} s", file=sys.stderr, flush=True)


def growth(looks: list[Look]) -> float:
    """Bytes in 100,000 steps, by the line through what was seen that lies closest to most of it (Theil and Sen).

    >>> round(growth([Look(n, 1000 + 2 * n + (500 if n == 3 else 0), 1, 1) for n in range(9)]))
    200000
    """
    steps, resident = (np.array([look[k] for look in looks], float) for k in (0, 1))
    i, j = np.triu_indices(len(looks), 1)
    return 1e5 * float(np.median((resident[j] - resident[i]) / (steps[j] - steps[i])))


def soak(steps: int, threads: int) -> list[Look]:
    """Train for so many steps; what was seen after the first tenth of them."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (IMAGES + 1000, 28, 28), dtype=np.uint8), rng.integers(0, 10, IMAGES + 1000)
    pixels, each = Pixels(images, Normalise(scale=1 / 255, shift=0.0), 32), IMAGES // BATCH
    watch = Watch(max(1, steps // 100))
    with tempfile.TemporaryDirectory() as folder:
        options = TrainingOptions(-(-steps // each), BATCH, folder=folder)
        data = (Dataset(pixels, labels, np.arange(IMAGES)), Dataset(pixels, labels, np.arange(IMAGES, len(images))))
        net = m.models.lenet5(threads=threads)
        more = [CSVLog(Path(folder, "log.csv")), watch]
        Trainer(net, m.MSE(1, -1), m.SGD(1e-4, momentum=0.9), options, *data, None, more).fit()
    return watch.looks[len(watch.looks) // 10 :]


def main() -> int:
    """Soak, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("steps", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    started, looks = time.perf_counter(), soak(given.steps, given.threads)
    grown, seconds = growth(looks), time.perf_counter() - started
    first, last = looks[0], looks[-1]
    print(
        f"{last.step:,} steps in {seconds:,.0f} s: {grown / 1e6:+.3f} MB of memory in 100,000 steps "
        f"({first.resident / 1e6:.1f} MB after {first.step:,}, {last.resident / 1e6:.1f} MB at the end); "
        f"threads {first.threads} → {last.threads}, open files {first.files} → {last.files}"
    )
    return int(grown > MOST or last.threads > first.threads or last.files > first.files)


if __name__ == "__main__":
    sys.exit(main())
