"""Tries mutants against the tests that concern them: ``cd tests && python -m mutants.hunt FOLDER [--count 500]``.

It may be stopped at any time and goes on where it was; FOLDER must not be inside the repository. What changed in the repository
meanwhile is tried, and the tests that changed are measured again; ``--again`` tries survivors again. ``--report`` only counts
what is there. Mutants of kernels run interpreted, so that nothing is compiled.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

TOP = Path(__file__).parents[2]
SEED = 19
FIRST, ALL = 10.0, 60.0
"""Seconds of tests: of those that are tried first, which catch most, and of all that are tried."""


class Part(NamedTuple):
    """A part of the package, with its tests.

    Attributes:
        share: of all mutants.
        sources: files that are changed.
        tests: files that run; ``!`` for those that do not.
        interpreted: whether kernels run as plain Python.
    """

    share: float
    sources: tuple[str, ...]
    tests: tuple[str, ...]
    interpreted: bool


PARTS = {
    "package": Part(
        0.8,
        ("minicnn/nn/*.py", "minicnn/engine/*.py", "minicnn/train/**/*.py"),
        (
            *(
                "minicnn/nn/*.py",
                "minicnn/engine/*.py",
                "minicnn/train/**/*.py",
                "tests/nn/test_*.py",
                "tests/engine/test_*.py",
            ),
            *("tests/train/**/test_*.py", "tests/backends/test_numpy_backend.py", "tests/optim/test_groups.py"),
        ),
        interpreted=False,
    ),
    "kernels": Part(
        0.2,
        ("minicnn/backends/cpu/kernels/*.py", "minicnn/backends/cpu/conv/*.py", "minicnn/backends/cpu/single_image/*.py"),
        (
            *("tests/backends/cpu/test_*.py", *(f"!tests/backends/cpu/test_{name}.py" for name in ("jit", "cache", "narrow"))),
            *("tests/backends/test_numpy_kernels.py", "tests/nn/test_losses.py", "tests/engine/test_single.py"),
            *("tests/optim/test_adaptive.py", "tests/nn/test_layers.py"),
        ),
        interpreted=True,
    ),
}


def listed(top: Path, patterns: Sequence[str]) -> list[str]:
    """The files of some patterns without those of others, which begin with ``!``, in order."""
    without = {path for pattern in patterns if pattern[0] == "!" for path in top.glob(pattern[1:])}
    found = [path for pattern in patterns if pattern[0] != "!" for path in sorted(top.glob(pattern)) if path not in without]
    return list(dict.fromkeys(path.relative_to(top).as_posix() for path in found if path.name != "__init__.py"))


def hunt(name: str, folder: Path, count: int, again: bool = False) -> None:
    """Try so many mutants of a part, but not those of which the result is known; survivors ``again`` where it is asked for."""
    from .concerned import known
    from .files import sample
    from .forks import copied, preload

    part, tree, results = PARTS[name], folder / name / "tree", folder / f"{name}.jsonl"
    new = copied(TOP, tree)
    for kept in (folder / name).glob("*.json"):
        path = kept.stem.replace("+", "/")
        if path in new or any(each.startswith("minicnn/") for each in new):  # of which the lines have other numbers
            kept.unlink()
    preload(tree)
    tests = known(tree, folder / name, listed(tree, part.tests))
    told = {line["key"] for line in read(results) if line["by"] or not again}
    for mutant in sample(tree, part.sources, part.interpreted, round(part.share * count), SEED):
        if mutant.key not in told:
            ended = tried(tree, mutant, tests, folder / f"{name}.log")
            about = {"key": mutant.key, "path": mutant.path, "line": mutant.line, "kind": mutant.kind, "what": str(mutant)}
            with results.open("a") as file:
                file.write(json.dumps(about | ended) + "\n")
            print(f"{ended['by'] or 'SURVIVED':24.24} {mutant}", flush=True)


def tried(tree: Path, mutant: Any, tests: Any, log: Path) -> dict[str, Any]:
    """What became of a mutant: ``by`` says what noticed it, in words, or nothing."""
    from .forks import forked

    order = tests.of(mutant.path, mutant.lines)
    quick, all_of_them, took = [], [], 0.0
    for test in order:
        took += tests.seconds[test]
        if took <= FIRST and len(quick) < 60:
            quick.append(test)
        elif took <= ALL:
            all_of_them.append(test)
    if not quick + all_of_them and order:
        all_of_them = order[:1]
    path, spent = tree / mutant.path, 0.0
    original, stat = path.read_text(), path.stat()
    try:
        path.write_text(mutant.text)
        os.utime(path, (stat.st_mtime + 10, stat.st_mtime + 10))  # what was compiled of the original is of another time
        for chosen in (quick, all_of_them):
            if not chosen:
                continue
            limit = 60 + 5 * sum(tests.seconds[test] for test in chosen)
            ended, seconds = forked(lambda chosen=chosen: run(chosen), log, limit)
            spent += seconds
            if ended != "0":
                names = {"1": "test", "time": "time", "2": "import", "4": "import"}
                return {"by": names.get(ended, ended), "test": failed(log), "seconds": round(spent, 1), "tests": len(order)}
    finally:
        path.write_text(original)
        os.utime(path, (stat.st_mtime, stat.st_mtime))
    return {"by": "", "test": "", "seconds": round(spent, 1), "tests": len(order), "tried": len(quick) + len(all_of_them)}


def run(tests: Sequence[str]) -> int:
    """Run tests in this order until one fails."""
    import pytest

    from .concerned import OPTIONS, doctests

    class Ordered:
        """Sorts tests as they are given, and asks for no smaller examples of one that fails."""

        @pytest.hookimpl(trylast=True)
        def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
            from hypothesis import Phase, settings

            place = {test: n for n, test in enumerate(tests)}
            items.sort(key=lambda item: place.get(item.nodeid, len(place)))
            for item in items:
                function = getattr(item, "function", None)
                given = getattr(function, "_hypothesis_internal_use_settings", None)
                if given is not None:
                    function._hypothesis_internal_use_settings = settings(given, phases=[Phase.explicit, Phase.generate])

    more = {option for test in tests for option in doctests(test)}
    return int(pytest.main([*tests, *OPTIONS, *more, "-x"], plugins=[Ordered()]))


def failed(log: Path) -> str:
    """The first test that failed, from what pytest printed."""
    lines = log.read_text(errors="replace").splitlines()
    return next((line.split(" - ")[0] for line in lines if line.startswith(("FAILED ", "ERROR "))), lines[-1] if lines else "")


def read(results: Path) -> list[dict[str, Any]]:
    """What is known, of each mutant the last; a line that was cut off is left out."""
    if not results.exists():
        return []
    lines = [json.loads(line) for line in results.read_text().splitlines() if line.endswith("}")]
    return list({line["key"]: line for line in lines}.values())


def report(folder: Path, count: int) -> int:
    """Print how many mutants of each part were noticed, and the survivors; how many of them nobody has explained.

    Those of files that have changed since, which are in the sample no more, do not count.
    """
    from .files import sample
    from .survivors import REASONS

    unexplained = 0
    for name, part in PARTS.items():
        chosen = sample(folder / name / "tree", part.sources, part.interpreted, round(part.share * count), SEED)
        keys = {mutant.key for mutant in chosen}
        results = [result for result in read(folder / f"{name}.jsonl") if result["key"] in keys]
        left = [result for result in results if not result["by"]]
        by = ", ".join(f"{words} {n}" for words, n in Counter(r["by"] for r in results if r["by"]).most_common())
        share = 100 * (1 - len(left) / len(results)) if results else 0
        print(f"{name}: {len(results)} mutants, {share:.1f} % noticed (by {by}), {len(left)} survived")
        for result in left:
            reason = REASONS.get(result["key"])
            unexplained += reason is None
            print(f"  {result['key']} {result['what']}: {reason or 'not explained'}")
    print(f"{unexplained} not explained")
    return unexplained


def main() -> int:
    """Hunt in every part, each in a process of its own, whose kernels are compiled or interpreted."""
    parser = argparse.ArgumentParser(prog="python -m mutants.hunt", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--report", action="store_true")
    given = parser.parse_args()
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if given.report:
        return report(folder, given.count)
    if given.part:
        hunt(given.part, folder, given.count, given.again)
        return 0
    for name, part in PARTS.items():
        env = os.environ | {"NUMBA_DISABLE_JIT": str(int(part.interpreted))}
        command = [sys.executable, "-m", "mutants.hunt", str(folder), "--part", name, "--count", str(given.count)]
        subprocess.run([*command, *(["--again"] if given.again else [])], env=env, cwd=TOP / "tests", check=True)
    return report(folder, given.count)


if __name__ == "__main__":
    sys.exit(main())
