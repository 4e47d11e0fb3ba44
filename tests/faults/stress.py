"""Eight threads call one network and its handles in every way, again and again: ``python tests/faults/stress.py [SECONDS]``.

The calls are those of ``tests/engine/test_threads.py``: each result is compared, bit for bit, with what the call gives without
other threads after some whole number of updates.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))

import numpy as np
from test_threads import STEPS, Mixed, network, together

THREADS, TURNS = 8, 1300


def main() -> None:
    """Call for so many seconds, and print how many calls there were."""
    end, calls, runs = time.monotonic() + float(sys.argv[1] if len(sys.argv) > 1 else 300), 0, 0
    while not runs or time.monotonic() < end:
        mixed, net = Mixed(), network(threads=2)
        works = (lambda n=n: mixed.work(net, THREADS * runs + n, TURNS) for n in range(THREADS))  # noqa: B023 – called at once
        together(*works)
        assert mixed.sgd.steps == STEPS
        assert np.array_equal(net.params.flat, mixed.seen[STEPS][7])
        calls, runs = calls + THREADS * TURNS, runs + 1
    words = f"{calls:,} calls of {THREADS} threads on {runs} networks, {runs * STEPS:,} updates meanwhile"
    print(f"{words}: every result has the bits of one thread")


if __name__ == "__main__":
    main()
