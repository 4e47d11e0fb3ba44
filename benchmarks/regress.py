"""A commit against this checkout: which speeds moved beyond noise?

Run: python benchmarks/regress.py [COMMIT] [--quick], where COMMIT is the parent of the last commit unless given. Processes of
both train, predict and recognise single images in turns, as ``same_bits.py --time`` does. A row has moved where the interval
of its ratio, of 99 % by resampling turns, does not hold 1, and where the ratio is further from 1 than that of the other commit
to itself. The exit code is 0 whatever moved: only a person can tell what a change is worth.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any

import harness
import numpy as np
from harness import BenchmarkError, Column, say
from same_bits import COUNTS, HERE, taken_in_turns

QUICK = ("classic", "modern")
RESAMPLES = 2000

COLUMNS = (
    Column("what", 32),
    Column("there ms", 9, ".3f"),
    Column("here ms", 9, ".3f"),
    Column("there / here", 12, ".3f"),
    Column("from", 6, ".3f"),
    Column("to", 6, ".3f"),
    Column("control", 7, ".3f"),
    Column("moved", 8),
)


def unpacked(commit: str, folder: Path) -> str:
    """Write the files of a commit to a folder; returns its short name.

    Raises:
        BenchmarkError: there is no such commit here.
    """
    name = git("rev-parse", "--short", "--verify", "--quiet", f"{commit}^{{commit}}")
    archive = git("archive", "--format=tar", commit)
    if name is None or archive is None:
        raise BenchmarkError(f"expected a commit of this repository, got {commit}; fetch it, or name another")
    with tarfile.open(fileobj=BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return name.decode().strip()


def git(*arguments: str) -> bytes | None:
    """What git prints; None where it fails or is not there."""
    try:
        done = subprocess.run(["git", "-C", str(HERE), *arguments], capture_output=True, check=False)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def ratio(there: Sequence[float], here: Sequence[float], rng: np.random.Generator) -> tuple[float, float, float]:
    """The ratio of the medians, and the ends of its interval of 99 %."""
    pairs = np.array([there, here])
    draws = rng.integers(0, pairs.shape[1], (2, RESAMPLES, pairs.shape[1]))
    medians = np.median(np.take_along_axis(pairs[:, None], draws, axis=2), axis=2)
    low, high = np.percentile(medians[0] / medians[1], [0.5, 99.5])
    return float(np.median(there) / np.median(here)), float(low), float(high)


def row(what: str, samples: Sequence[Sequence[float]], count: int) -> dict[str, Any]:
    """One row of the table, from the seconds of all turns there, here and there again."""
    there, here, again = samples
    found, low, high = ratio(there, here, np.random.default_rng(0))
    control = float(np.median(there) / np.median(again))
    beyond = not low <= 1 <= high and abs(np.log(found)) > abs(np.log(control))
    word = ("faster" if found > 1 else "slower") if beyond else ""
    ms = [1e3 * float(np.median(each)) / count for each in (there, here)]
    return dict(zip(("what", "there_ms", "here_ms", "ratio", "low", "high"), (what, *ms, found, low, high), strict=True)) | {
        "control": control,
        "moved": word,
    }


def benchmark(given: Sequence[str]) -> None:
    """Measure, print, write."""
    parser = harness.arguments("Which speeds moved between a commit and this checkout?")
    parser.add_argument("commit", nargs="?", default="HEAD^", help="the other commit (default: the parent of the last one)")
    options = parser.parse_args(given)
    harness.check_arguments(options)
    rounds = options.repeats or (12 if options.quick else 40)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder)
        name = unpacked(options.commit, other)
        machine = harness.machine_info(options.threads, ())
        say(f"{harness.machine_line(machine)}\nthere: {name}; medians of {2 * rounds} turns")
        say(harness.heading(COLUMNS))
        for workload, threads in product(QUICK if options.quick else COUNTS, range(1, options.threads + 1)):
            for what, samples in taken_in_turns((other, HERE, other), workload, threads, rounds).items():
                suffix = f", {threads} threads" if threads > 1 else ""
                rows.append(row(f"{workload}: {what}{suffix}", samples, COUNTS[workload][what]))
                say(harness.line(COLUMNS, list(rows[-1].values())))
    moved = [each["what"] for each in rows if each["moved"]]
    say(f"{len(moved)} of {len(rows)} rows moved beyond noise" + (f": {'; '.join(moved)}" if moved else ""))
    if options.json is not None:
        harness.write_json(options.json, {"benchmark": "regress", "machine": machine, "commit": name, "rows": rows})


if __name__ == "__main__":
    sys.exit(harness.run("regress", benchmark, sys.argv[1:]))
