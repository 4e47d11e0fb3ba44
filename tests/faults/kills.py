"""Kills processes that write, by SIGKILL at random moments: ``python tests/faults/kills.py [KILLS]``, so many of each kind.

A file must be whole afterwards, the last version whose writing had ended or the one that was being written. Every second kill
waits for a temporary file to appear. Kills while one lay there are counted as those that hit a write. A run of training that is
killed and resumed until it ends must give the bits of one that is left alone.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

import minicnn as m
from minicnn.data.outfile import sweep

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from faults.writers import NONE, WRITERS, Writer, litter

KILLS = 100
FEW = 4
"""After so many kills the folder is emptied, so that the first write is hit as well."""


class Killed(NamedTuple):
    """What came of it.

    Attributes:
        kills: how many.
        hits: how many of them left a temporary file.
        writes: how many writes had ended.
    """

    kills: int
    hits: int
    writes: int


def child(work: Callable[[int], None]) -> tuple[int, int]:
    """A process that works and tells what it has done through a pipe: its number, and where that is read."""
    reading, writing = os.pipe()
    number = os.fork()
    if number == 0:
        try:
            os.close(reading)
            work(writing)
        finally:
            os._exit(3)
    os.close(writing)
    return number, reading


def last_of(reading: int, default: int) -> int:
    """The last number that a child told."""
    told = b""
    while piece := os.read(reading, 1 << 16):
        told += piece
    os.close(reading)
    return struct.unpack_from("q", told, len(told) // 8 * 8 - 8)[0] if len(told) >= 8 else default


def kill_writer(name: str, kills: int, seed: int = 0) -> Killed:
    """Kill a process that writes files of a kind.

    Raises:
        AssertionError: a file is not whole, or of another version.
    """
    writer, rng, hits, writes = WRITERS[name], random.Random(f"{seed} {name}"), 0, 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        each = _seconds(writer, folder)
        last = done = NONE
        for turn in range(kills):
            if turn % FEW == 0:
                shutil.rmtree(folder)
                folder.mkdir()
                last = NONE
            first = last + 1 if last != NONE else 0

            def write(pipe: int, first: int = first) -> None:
                for n in range(first, first + 1_000_000):
                    writer.write(folder, n)
                    os.write(pipe, struct.pack("q", n))

            number, reading = child(write)
            time.sleep(rng.uniform(0, 4 * each))
            until = time.monotonic() + 2 * each
            while turn % 2 and not litter(folder) and time.monotonic() < until:
                pass
            os.kill(number, signal.SIGKILL)
            status = os.waitpid(number, 0)[1]
            assert os.WIFSIGNALED(status), f"{name}: expected a process that is killed, got one that ended by itself"
            done = last_of(reading, last)
            writes += done - last
            found = writer.read(folder)
            assert writer.holds(folder, done, done + 1), f"{name}: expected version {done} or {done + 1}, got {found}"
            hits += bool(litter(folder))
            sweep(folder)
            last = done + 1 if writer.period and not writer.holds(folder, done) else done
    return Killed(kills, hits, writes)


def _seconds(writer: Writer, folder: Path) -> float:
    """How long a write takes; what is imported or compiled for the first is there afterwards, in children too."""
    writer.write(folder, 0)
    writer.read(folder)
    started = time.perf_counter()
    for n in (1, 2, 3):
        writer.write(folder, n)
    return (time.perf_counter() - started) / 3


# --- training ---

EPOCHS = 60
X = np.random.default_rng(0).standard_normal((320, 1, 12, 12)).astype(np.float32)
LABELS = np.arange(320) % 5


def trainer(folder: Path) -> m.train.Trainer:
    """A run with everything that is written beside the weights."""
    from minicnn.train import CSVLog, Dataset, EarlyStopping, Trainer, TrainingOptions

    items = [("C", m.Conv2d(6, 3)), m.Tanh(), m.MaxPool2d(2), m.Dropout(0.2), m.Flatten(), ("F", m.Dense(5))]
    net, run = m.Network(items, (1, 12, 12), threads=1, seed=2), TrainingOptions(EPOCHS, 32, 4, folder=folder)
    train, held_out = Dataset(X[:256], LABELS[:256]), Dataset(X[256:], LABELS[256:])
    more = [CSVLog(folder / "log.csv"), EarlyStopping(10 * EPOCHS)]
    return Trainer(net, m.CrossEntropy(), m.Adam(3e-3), run, train, held_out, None, more)


def outcome(folder: Path) -> tuple[object, ...]:
    """What a run has left: weights of the last step and of the best epoch, losses, and the log without times."""
    from minicnn.train import checkpoint

    whole, adam = trainer(folder).net, m.Adam(3e-3)
    told = checkpoint.load_training(folder / "last.safetensors", whole, adam)
    rows = [{k: v for k, v in row.items() if k not in ("seconds", "images_per_second")} for row in told["rows"]]
    last = whole.params.flat.tobytes(), [moment.tobytes() for moment in adam.moments.values()], adam.steps
    checkpoint.load_weights(folder / "model.safetensors", whole)
    lines = [line.rsplit(",", 2)[0] for line in (folder / "log.csv").read_text().splitlines()]
    return last, whole.params.flat.tobytes(), rows, lines


def kill_training(kills: int, seed: int = 0) -> tuple[Killed, int]:
    """Kill runs of training, and resume them until they end: what came of it, and how many runs ended.

    Raises:
        AssertionError: a run left something else than one that is left alone.
    """
    rng, killed, hits, runs, epochs = random.Random(seed), 0, 0, 0, 0
    with tempfile.TemporaryDirectory() as place:
        trainer(Path(place, "first")).fit()  # compiles
        started = time.perf_counter()
        trainer(alone := Path(place, "alone")).fit()
        whole = time.perf_counter() - started
        expected = outcome(alone)
        while killed < kills:
            folder = Path(place, f"run{runs}")
            folder.mkdir()
            while True:

                def train(pipe: int, folder: Path = folder) -> None:
                    trainer(folder).fit(resume=(folder / "last.safetensors").exists())
                    os._exit(0)

                number, reading = child(train)
                end = time.monotonic() + rng.uniform(0, whole / 4)
                while not (ended := os.waitpid(number, os.WNOHANG))[0] and time.monotonic() < end:
                    time.sleep(0.001)
                status = ended[1]
                if not ended[0]:
                    os.kill(number, signal.SIGKILL)
                    status = os.waitpid(number, 0)[1]
                os.close(reading)
                if os.WIFEXITED(status):
                    assert os.WEXITSTATUS(status) == 0, "expected a run that resumes, got one that fails"
                    break
                killed += 1
                hits += bool(litter(folder))
            assert outcome(folder) == expected, f"expected the bits of a run that is left alone, got others in run {runs}"
            runs, epochs = runs + 1, epochs + EPOCHS
    return Killed(killed, hits, epochs), runs


def main() -> None:
    """Kill, and print a row for each kind."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else KILLS
    print("| written | kills | of which hit a write | writes between them | |\n|---|---|---|---|---|")
    total = 0
    for name in WRITERS:
        found = kill_writer(name, kills)
        total += found.kills
        print(f"| {name} | {found.kills} | {found.hits} | {found.writes:,} | every file whole |", flush=True)
    found, runs = kill_training(kills)
    total += found.kills
    print(f"| training, resumed | {found.kills} | {found.hits} | {found.writes:,} epochs | {runs} runs, each the same bits |")
    print(f"{total:,} kills, nothing lost")


if __name__ == "__main__":
    main()
