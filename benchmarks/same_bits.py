"""Two checkouts on one machine: do they compute the same bits, and which is faster?

Run: python benchmarks/same_bits.py OTHER [--time] [--steps 100], where OTHER is the folder of another checkout. Each checkout
trains the networks of its own ``harness/workloads.py`` in a process of its own. Without --time the hashes of parameters,
losses, predictions and curvature are compared; with --time the speeds are, of processes that take turns.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.workloads import Workload

HERE = Path(__file__).resolve().parents[1]
STEPS, ONE_BY_ONE = 100, 50


# --- what runs inside a checkout ---


def hashed(array: Any) -> str:
    """A hash of the bytes of an array."""
    return hashlib.sha256(array.tobytes()).hexdigest()[:16]


def bits(steps: str, only: str) -> dict[str, str]:
    """Hashes by name: every workload, both dtypes, one and two threads, groups of 1 and 16 images."""
    from harness.workloads import WORKLOADS

    found: dict[str, str] = {}
    for name, dtype, threads, lanes in product(WORKLOADS, ("float32", "float64"), (1, 2), (1, 16)):
        if only in ("", name):
            options = {"dtype": dtype, "threads": threads, "lanes": lanes}
            hashes = trained_bits(WORKLOADS[name], int(steps), options, differentiable=name != "every layer")
            found |= {f"{name}, {dtype}, threads={threads}, lanes={lanes}: {what}": h for what, h in hashes.items()}
    return found


def trained_bits(work: Workload, steps: int, options: dict[str, Any], differentiable: bool) -> dict[str, str]:
    """Hashes of a network after some steps, and of its results then.

    Args:
        work: the network and its training.
        steps: the number of steps, at most 50 if it takes images one by one.
        options: options of ``Network``.
        differentiable: whether it has a curvature, which softmax lacks.
    """
    import numpy as np
    from harness.workloads import IMAGES, classes, train

    net, source, labels = work.make(**options, seed=3), work.source(IMAGES), classes(IMAGES)
    total = train(work, net, work.optimizer(), source, min(steps, ONE_BY_ONE) if work.one_by_one else steps)
    score = net.evaluate(work.loss, source, labels, np.arange(45))
    found = {
        "parameters": hashed(net.params.flat),
        "losses": f"{total!r} {score.loss!r} {score.correct}",
        "predictions": hashed(net.predict(source, np.arange(45))),
        "one image": hashed(net.predict(source, np.arange(1))),
    }
    if differentiable:
        dy = net.forward(source, np.arange(20))
        found["forward and backward"] = f"{hashed(dy)} {hashed(net.backward(dy))}"
        found["curvature"] = hashed(net.curvature(work.loss, source, labels, np.arange(20)).flat)
    return found


def turns(name: str, threads: str) -> None:
    """Do what is asked for on standard input, one line at a time, and print the seconds that it took."""
    import numpy as np
    from harness.workloads import WORKLOADS, batches, classes, train

    work, images = WORKLOADS[name], 4000
    net, source, optimizer = work.make(threads=int(threads), seed=3), work.source(images), work.optimizer()
    x, labels = np.ones((1, *net.in_shape), np.float32), classes(images)
    train(work, net, optimizer, source, 8, images)

    def steps(count: int) -> None:
        for chosen in batches(work, count, images):
            net.loss_and_grads(work.loss, source, labels, chosen)
            optimizer.step(net)

    works: dict[str, Callable[[int], object]] = {
        "training": steps,
        "inference": lambda count: [net.predict(source, np.arange(256)) for _ in range(count)],
        "one image": lambda count: [net.predict(x) for _ in range(count)],
    }
    for run in works.values():
        run(8)
    print("ready", flush=True)
    for line in sys.stdin:
        what, _, count = line.rpartition(" ")
        started = time.perf_counter()
        works[what](int(count))
        print(time.perf_counter() - started, flush=True)


def start() -> dict[str, float]:
    """Seconds from the import, NumPy's apart, to the end of the first step, and the peak memory in MB."""
    import numpy as np

    images, labels = np.zeros((32, 1, 32, 32), np.float32), np.zeros(32, np.int64)
    started = time.perf_counter()
    import minicnn

    net = minicnn.models.lenet5(threads=1)
    net.loss_and_grads(minicnn.MSE(1.0, -1.0), images, labels)
    minicnn.SGD(0.1).step(net)
    return {
        "to the first step": time.perf_counter() - started,
        "its memory, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


# --- comparing two checkouts ---


def ask(checkout: Path, *question: str, **variables: str) -> dict[str, Any]:
    """The answer of the checkout's own copy of this script.

    Raises:
        SystemExit: that process failed.
    """
    script = checkout / "benchmarks" / Path(__file__).name
    environment = {**os.environ, "PYTHONPATH": str(checkout), **variables}
    command = [sys.executable, str(script), "--answer", *question]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=False)
    if done.returncode != 0:
        sys.exit(f"same_bits: expected {script} to end with 0, got {done.returncode}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def compare_bits(other: Path, steps: int, only: str) -> int:
    """Print the names of hashes that differ; returns 1 if any does, else 0."""
    old, new = (ask(checkout, "bits", str(steps), only) for checkout in (other, HERE))
    differ = [key for key in old | new if old.get(key) != new.get(key)]
    for key in differ:
        print(f"{key}: {old.get(key, 'absent')} there, {new.get(key, 'absent')} here")
    print(f"{len(old | new) - len(differ)} of {len(old | new)} equal")
    return 1 if differ else 0


COUNTS = {
    "classic": {"training": 60, "inference": 24, "one image": 1600},
    "modern": {"training": 25, "inference": 16, "one image": 800},
    "cifar": {"training": 3, "inference": 2, "one image": 60},
    "1998": {"training": 150, "inference": 10, "one image": 800},
}
"""How often a process does a thing in one turn: about 80 ms."""

EACH = 2
"""Processes of a checkout that take turns."""


def taken_in_turns(checkouts: Sequence[Path], name: str, threads: int, rounds: int) -> dict[str, list[list[float]]]:
    """The seconds of every turn for every thing that a workload does, for each of some checkouts.

    Processes of all checkouts are there at once and take turns of a fraction of a second, in random order. What slows the
    machine down for a second or a minute meets all of them.
    """
    processes = [start_turns(checkout, name, threads) for _ in range(EACH) for checkout in checkouts]
    seconds: dict[str, list[list[float]]] = {what: [[] for _ in checkouts] for what in COUNTS[name]}
    order, numbers = random.Random(0), list(range(len(processes)))
    for _ in range(rounds):
        for what, count in COUNTS[name].items():
            order.shuffle(numbers)
            for number in numbers:
                seconds[what][number % len(checkouts)].append(taken(processes[number], f"{what} {count}"))
    for process in processes:
        process.communicate()
    return seconds


def start_turns(checkout: Path, name: str, threads: int) -> subprocess.Popen[str]:
    """A process of a checkout that waits for its turn.

    Raises:
        SystemExit: that process failed.
    """
    script = checkout / "benchmarks" / Path(__file__).name
    command = [sys.executable, str(script), "--answer", "turns", name, str(threads)]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    if process.stdout is None or process.stdout.readline() != "ready\n":
        sys.exit(f"same_bits: expected {script} to be ready, got {process.wait()}")
    return process


def taken(process: subprocess.Popen[str], what: str) -> float:
    """The seconds that a process takes for something."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{what}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def compare_times(other: Path, rounds: int) -> int:
    """Print the ratios of the other checkout's figures to this one's; above 1 means that this one takes less.

    The control is the other checkout against itself.
    """
    print(f"{'what':40} {'there':>9} {'here':>9} {'there/here':>10} {'control':>8}", flush=True)
    for name, threads in product(COUNTS, (1, 2)):
        for what, samples in taken_in_turns((other, HERE, other), name, threads, rounds).items():
            there, here, again = map(statistics.median, samples)
            row(f"{name}: {what}, {threads} threads" if threads > 1 else f"{name}: {what}, one thread", there, here, again)
    starts: dict[str, list[list[float]]] = {}
    for number in range(max(1, rounds // 2)):
        with tempfile.TemporaryDirectory() as folder:
            for i, checkout in enumerate((other, HERE, other)):
                caches = {"warm": {}, "cold": {"MINICNN_CACHE": f"{folder}/{i}"}} if number < 2 else {"warm": {}}
                for state, variables in caches.items():
                    for key, value in ask(checkout, "start", **variables).items():
                        starts.setdefault(f"{key}, {state}", [[], [], []])[i].append(value)
    for key, found in starts.items():
        row(key, *(statistics.median(own) for own in found))
    return 0


def row(what: str, there: float, here: float, again: float) -> None:
    """Print a row of the table."""
    print(f"{what:40} {there:9.4f} {here:9.4f} {there / here:10.3f} {there / again:8.3f}", flush=True)


def answer(question: Sequence[str]) -> int:
    """Print the answer to another process as JSON."""
    what, *arguments = question
    if what == "turns":
        turns(*arguments)
        return 0
    answers: dict[str, Callable[..., Any]] = {"bits": bits, "start": start}
    print(json.dumps(answers[what](*arguments)))
    return 0


def main(given: Sequence[str]) -> int:
    """Compare two checkouts, or answer a process that does."""
    if given[:1] == ["--answer"]:
        return answer(given[1:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="folder of the other checkout")
    parser.add_argument("--time", action="store_true", help="compare speeds, not bits")
    parser.add_argument("--steps", type=int, default=STEPS, help="training steps before the hashes are taken")
    parser.add_argument("--only", default="", help="one of the workloads by name; all unless given")
    parser.add_argument("--rounds", type=int, default=15, help="turns of each process that is timed")
    options = parser.parse_args(given)
    if not (options.other / "benchmarks" / Path(__file__).name).is_file():
        parser.error(f"expected a checkout with benchmarks/{Path(__file__).name}, got {options.other}")
    if options.time:
        return compare_times(options.other.resolve(), options.rounds)
    return compare_bits(options.other.resolve(), options.steps, options.only)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
