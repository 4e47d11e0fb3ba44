"""Two checkouts on one machine: do they compute the same bits, and which is faster?

Run: python benchmarks/same_bits.py OTHER [--time] [--steps 100], where OTHER is the folder of another checkout. Each checkout
trains the networks of its own ``harness/workloads.py`` in a process of its own. Without --time the hashes of parameters,
losses, predictions and curvature are compared; with --time the speeds are, in pairs of processes, A B A B ….
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
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
SERVED = 4000
"""Number of timed predictions of one image."""


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


def times(threads: str) -> dict[str, float]:
    """Seconds by name, and the peak memory in MB, after everything has run once untimed."""
    import numpy as np
    from harness.workloads import WORKLOADS, train

    found: dict[str, float] = {}
    for name, steps in (("classic", 900), ("modern", 450), ("cifar", 24), ("1998", 1500)):
        work = WORKLOADS[name]
        images = max(steps * work.batch, 100)
        net, source, optimizer = work.make(threads=int(threads), seed=3), work.source(images), work.optimizer()
        train(work, net, optimizer, source, 8, images)
        started = time.perf_counter()
        train(work, net, optimizer, source, steps, images)
        found[f"{name}: training"] = time.perf_counter() - started
        chosen = np.arange(min(images, 6000))
        net.predict(source, chosen)
        started = time.perf_counter()
        for _ in range(3):
            net.predict(source, chosen)
        found[f"{name}: inference"] = time.perf_counter() - started
        x, served = np.ones((1, *net.in_shape), np.float32), SERVED // (20 if name == "cifar" else 1)
        for repeat in (served // 10, served):
            started = time.perf_counter()
            for _ in range(repeat):
                net.predict(x)
            found[f"{name}: one image"] = time.perf_counter() - started
    found["memory, MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def start() -> dict[str, float]:
    """Seconds from the first import to the end of the first step, and the peak memory in MB."""
    started = time.perf_counter()
    from harness.workloads import WORKLOADS, train

    work = WORKLOADS["classic"]
    train(work, work.make(threads=1), work.optimizer(), work.source(100), 1, 100)
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


def compare_times(other: Path, pairs: int) -> int:
    """Print the ratios of the other checkout's figures to this one's; above 1 means that this one takes less."""
    samples: dict[str, list[tuple[float, float]]] = {}

    def pair(what: str, *question: str, **variables: str) -> None:
        there, here = (ask(checkout, *question, **variables) for checkout in (other, HERE))
        for key in here:
            samples.setdefault(f"{key}{what}", []).append((there[key], here[key]))

    for number in range(pairs):
        for threads in ("1", "2"):
            pair(f", threads={threads}", "times", threads)
        pair(", warm", "start")
        if number < max(1, pairs // 3):
            with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
                cold = [ask(c, "start", MINICNN_CACHE=f) for c, f in ((other, first), (HERE, second))]
            for key in cold[1]:
                samples.setdefault(f"{key}, cold", []).append((cold[0][key], cold[1][key]))
    print(f"{'what':40} {'there':>9} {'here':>9} {'there/here':>10} {'least':>6} {'most':>6}")
    for key, found in samples.items():
        there, here = (statistics.median(side) for side in zip(*found, strict=True))
        ratios = [a / b for a, b in found]
        print(f"{key:40} {there:9.3f} {here:9.3f} {statistics.median(ratios):10.3f} {min(ratios):6.2f} {max(ratios):6.2f}")
    return 0


def answer(question: Sequence[str]) -> int:
    """Print the answer to another process as JSON."""
    what, *arguments = question
    answers: dict[str, Callable[..., Any]] = {"bits": bits, "times": times, "start": start}
    found = answers[what](*arguments)
    print(json.dumps(found))
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
    parser.add_argument("--pairs", type=int, default=5, help="pairs of processes that are timed")
    options = parser.parse_args(given)
    if not (options.other / "benchmarks" / Path(__file__).name).is_file():
        parser.error(f"expected a checkout with benchmarks/{Path(__file__).name}, got {options.other}")
    if options.time:
        return compare_times(options.other.resolve(), options.pairs)
    return compare_bits(options.other.resolve(), options.steps, options.only)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
