"""Fuzz readers for long, led by the code that inputs reach: ``python tests/fuzz/run.py [TARGET ...]``.

Each target runs in a process of its own, tries as many inputs as it promises, and adds a row to a table. Atheris (libFuzzer)
finds the inputs. One that breaks a promise ends the run and is kept as ``build/fuzz/TARGET/crash-…``; ``--try FILE`` tries it
again. ``--keep`` writes a corpus that reaches the same code with few inputs.
"""

import argparse
import atexit
import hashlib
import os
import resource
import subprocess
import sys
import time
import tracemalloc
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from fuzz import corpus  # noqa: E402 (of the path above)
from fuzz.judged import Bounds  # noqa: E402
from fuzz.targets import NAMES  # noqa: E402

FOLDER = ROOT / "build" / "fuzz"
TRACED = 50
"""Memory is traced for one input in so many: tracing takes as long as many a reader."""

ROW = "| {:18} | {:>9,} | {:>7,} | {:>8.0f} | {:>7.0f} | {:>5.2f} | {:>10.1f} | {:>6.0f} |"
HEAD = (
    "| target | inputs | accepted | seconds | inputs a second | slowest, s | most memory, MiB | process, MiB |\n"
    + "|---" * 8
    + "|"
)
CORPUS_BYTES = 40_000
"""So large a committed corpus of a target may be, before base 64."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(NAMES)}; all for none")
    parser.add_argument("--inputs", type=int, metavar="N", help="so many for each, in place of those that it promises")
    parser.add_argument("--keep", action="store_true", help="write the corpus anew, with what was found")
    parser.add_argument("--try", dest="tried", type=Path, metavar="FILE", help="try one input of one target")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the search (default 1)")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := set(options.targets) - set(NAMES):
        parser.error(f"expected targets of {', '.join(NAMES)}, got {', '.join(sorted(unknown))}")
    if options.tried:
        Bounds(import_module(f"fuzz.targets.{options.targets[0]}")).check(options.tried.read_bytes())
        return 0
    if options.inside:
        return search(options.targets[0], options)
    print(HEAD, flush=True)
    failed = [name for name in options.targets or NAMES if not started(name, options)]
    print(f"{len(options.targets or NAMES) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def started(name, options):
    """Run a target in a process of its own; its row is printed. Whether it kept its promises."""
    command = [sys.executable, __file__, name, "--inside", "--seed", str(options.seed)]
    command += ["--inputs", str(options.inputs)] if options.inputs else []
    (FOLDER / name).mkdir(parents=True, exist_ok=True)
    with open(FOLDER / name / "log", "wb") as log:
        code = subprocess.run(command, stderr=log, check=False).returncode
    if code:
        print(f"{name}: a promise is broken, see {FOLDER / name / 'log'}", flush=True)
    elif options.keep:
        keep(name)
    return not code


def search(name, options):
    """Fuzz a target in this process."""
    import atheris

    with atheris.instrument_imports(include=list(_reads(name))):
        target = import_module(f"fuzz.targets.{name}")
        for package in target.READS:
            import_module(package)
    for number, data in enumerate({*target.seeds(), *corpus.inputs(name)}):
        place = FOLDER / name / "inputs"
        place.mkdir(exist_ok=True)
        (place / f"seed-{number}").write_bytes(data)
        target.check(data)  # what is made once is made before memory is measured
    bounds, count = Bounds(target), options.inputs or target.INPUTS
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def try_one(data):
        sampled = (bounds.accepted + bounds.refused) % TRACED == 0
        if sampled:
            tracemalloc.start(1)
        try:
            bounds.check(data)
        finally:
            if sampled:
                tracemalloc.stop()

    def report():
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        seconds, tried = time.perf_counter() - began, bounds.accepted + bounds.refused
        share = (tried, bounds.accepted, seconds, tried / seconds, bounds.seconds, bounds.bytes / 2**20, grown)
        print(ROW.format(name, *share), flush=True)

    atexit.register(report)
    flags = [
        f"-atheris_runs={count}",
        f"-max_len={target.LONGEST}",
        f"-seed={options.seed}",
        "-timeout=600",
        "-rss_limit_mb=4096",
    ]
    atheris.Setup([sys.argv[0], *flags, f"-artifact_prefix={FOLDER / name}/", str(FOLDER / name / "inputs")], try_one)
    atheris.Fuzz()
    return 0


def _reads(name):
    """The packages that lead the search of a target; read from its text, as importing it would import them."""
    text = (ROOT / "tests" / "fuzz" / "targets" / f"{name}.py").read_text()
    line = next(line for line in text.splitlines() if line.startswith("READS = "))
    return eval(line.partition("=")[2], {})  # a tuple of names in a file of this folder


def keep(name):
    """Write a corpus that reaches all code that the inputs found reach, smallest inputs first."""
    target = import_module(f"fuzz.targets.{name}")
    found = {path.read_bytes() for path in (FOLDER / name / "inputs").iterdir()} | set(corpus.inputs(name))
    files = tuple(str(ROOT / package.replace(".", os.sep)) for package in target.READS)
    known, kept, size = set(), [], 0
    for data in target.seeds():
        known |= reached(target, data, files)
    for data in sorted(found, key=lambda each: (len(each), hashlib.sha256(each).digest())):
        new = reached(target, data, files) - known
        if new and size + len(data) <= CORPUS_BYTES:
            known |= new
            kept.append(data)
            size += len(data)
    corpus.write(name, kept)


def reached(target, data, files):
    """The pairs of lines, one behind the other, that an input runs in the reader's files."""
    found = set()

    def trace(frame, event, _):
        if not frame.f_code.co_filename.startswith(files):
            return None
        before = frame.f_lineno

        def line(frame, event, _):
            nonlocal before
            found.add((frame.f_code.co_filename, before, frame.f_lineno))
            before = frame.f_lineno
            return line

        return line

    sys.settrace(trace)
    try:
        target.check(data)
    finally:
        sys.settrace(None)
    return found


if __name__ == "__main__":
    sys.exit(main())
