"""What is measured on two ranks of this machine: steps together and alone, one rank with two threads, and exchanges.

``mpiexec -n 2 python -m scaling.measured OUT.json SECONDS``, which ``scale_bench.py`` starts.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minicnn import Adam, CrossEntropy, Network, models
from minicnn.backends.processors import share_processors
from minicnn.data import Normalise, Pixels
from minicnn.engine.world import World
from minicnn.train.distributed import mpi_world
from minicnn.train.ranks import digest

if TYPE_CHECKING:
    from mpi4py import MPI

BATCHES = (32, 64, 128, 256)
SIZES = (8, 60_000, 240_000, 1_000_000, 4_000_000)
IMAGES = 4096


class Steps:
    """Training steps of the modern LeNet-5.

    Args:
        batch: images in a step.
        threads: of this rank.
        world: the ranks; None for this one alone.
    """

    def __init__(self, batch: int, threads: int, world: World | None) -> None:
        rng = np.random.default_rng(0)
        self._images = Pixels(rng.integers(0, 256, (IMAGES, 28, 28)).astype("u1"), Normalise.between(0, 1))
        self._labels, self._order = rng.integers(0, 10, IMAGES), rng.permutation(IMAGES)
        share_processors(threads)
        self.net: Network = models.lenet5_modern(threads=threads, seed=1)
        self._optimizer, self._batch, self._world, self._at = Adam(), batch, world, 0

    def __call__(self) -> None:
        """Make a step."""
        first = self._at * self._batch % (IMAGES - self._batch + 1)
        self._at += 1
        index = self._order[first : first + self._batch]
        self.net.score_and_grads(CrossEntropy(), self._images, self._labels, index, world=self._world)
        self._optimizer.step(self.net)


def seconds(work: Callable[[], object], calls: int) -> float:
    """Mean seconds of a call."""
    started = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - started) / calls


def compare(comm: MPI.Intracomm, together: dict[int, Steps], alone: dict[int, Steps]) -> None:
    """Make a few steps in both ways; nothing is timed where the parameters differ in a bit."""
    for batch, steps in together.items():
        for _ in range(3):
            steps()
        expected = None
        if alone:
            for _ in range(3):
                alone[batch]()
            expected = digest(alone[batch].net)
        if comm.bcast(expected) != digest(steps.net):
            raise SystemExit(f"scale_bench: batch {batch}: two ranks give other parameters than one; nothing was timed")


def main(out: Path, limit: float) -> None:
    """Measure, and let rank 0 write."""
    from mpi4py import MPI

    comm, world, end = MPI.COMM_WORLD, mpi_world(), time.monotonic() + limit
    together = {batch: Steps(batch, 1, world) for batch in BATCHES}
    doubled = {batch: Steps(2 * batch, 1, world) for batch in BATCHES}
    lead = world.rank == 0
    alone = {batch: Steps(batch, 1, None) for batch in BATCHES} if lead else {}
    control = {batch: Steps(batch, 1, None) for batch in BATCHES} if lead else {}
    threaded = {batch: Steps(batch, 2, None) for batch in BATCHES} if lead else {}
    vectors = {size: np.zeros(size // 4, np.float32) for size in SIZES}
    halves = {size: np.zeros(max(2, size // 4), np.float32) for size in SIZES}
    other = 1 - world.rank
    links = {
        size: world.link([(other, v[: len(v) // 2])], [(other, v[len(v) // 2 :][: len(v) // 2])]) for size, v in halves.items()
    }
    adds = {size: world.total(vector) for size, vector in vectors.items()}
    compare(comm, together, alone)
    samples: dict[str, list[float]] = {}
    rounds = 0
    while comm.bcast(time.monotonic() < end or rounds < 4):
        for kinds, works in (("together", together), ("doubled", doubled)):
            for batch, work in works.items():
                work()  # the ranks meet: one that slept begins later
                _note(samples, rounds, f"{kinds} {batch}", seconds(work, max(2, 512 // batch)))
        for size in SIZES:
            _note(samples, rounds, f"link {size}", seconds(links[size], 10))
            _note(samples, rounds, f"allreduce {size}", seconds(adds[size], 10))
        if lead:
            for kinds, works in (("alone", alone), ("threads", threaded), ("control", control)):
                for batch, work in works.items():
                    work()  # helpers wake, caches are filled
                    _note(samples, rounds, f"{kinds} {batch}", seconds(work, max(2, 512 // batch)))
            comm.send(None, 1)
        else:
            while not comm.iprobe(source=0):
                time.sleep(0.005)  # leaves the processor to rank 0, which a wait in MPI would not
            comm.recv(source=0)
        rounds += 1
    if lead:
        found: dict[str, Any] = {name: statistics.median(own) for name, own in samples.items()}
        spread = {name: statistics.pstdev(own) / statistics.mean(own) for name, own in samples.items()}
        own = alone[BATCHES[0]].net
        update = seconds(lambda: alone[BATCHES[0]]._optimizer.step(own), 200)
        best = {name: min(own) for name, own in samples.items()}
        out.write_text(json.dumps({"seconds": found, "best": best, "spread": spread, "rounds": rounds - 1, "update_s": update}))


def _note(samples: dict[str, list[float]], number: int, name: str, found: float) -> None:
    if number:  # the first round compiles and records
        samples.setdefault(name, []).append(found)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
