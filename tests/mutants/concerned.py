"""Which tests execute which line, and how long each takes: measured once for each file of tests."""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .forks import forked

SECONDS = 1500
"""How long a file of tests may take."""

OPTIONS = ("-o", "addopts=", "-p", "no:xdist", "-p", "no:cacheprovider", "-q", "--tb=short")


@dataclass
class Known:
    """What is known of the tests.

    Attributes:
        seconds: by test.
        lines: by file and line, the tests that execute it.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    lines: dict[str, dict[int, set[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))

    def add(self, told: dict[str, Any]) -> None:
        """Take what ``measure`` wrote."""
        self.seconds |= told["seconds"]
        for path, lines in told["lines"].items():
            for line, tests in lines.items():
                self.lines[path][int(line)].update(test for test in tests if test in self.seconds)

    def of(self, path: str, lines: tuple[int, int]) -> list[str]:
        """The tests that execute some lines, the quickest first.

        Lines that run when the module is imported concern every test that executes any other.
        """
        tests = set[str]().union(*(self.lines[path].get(line, ()) for line in range(lines[0], lines[1] + 1)))
        tests = tests or set[str]().union(*self.lines[path].values())
        return sorted(tests, key=lambda test: self.seconds[test])


def known(tree: Path, folder: Path, files: Iterable[str]) -> Known:
    """What files of tests, or of doctests, execute. What was measured before is not measured again.

    Args:
        tree: the copy of the repository, where the process is.
        folder: where it is kept, with a file for each file of tests.
        files: from the top of the repository.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = Known()
    for path in files:
        kept = folder / f"{path.replace('/', '+')}.json"
        for _ in range(2):  # the second time what the first has compiled is there
            if not kept.exists():
                ended, seconds = forked(
                    lambda path=path, kept=kept: measure(tree, path, kept), kept.with_suffix(".log"), SECONDS
                )
                print(f"{path}: {ended}, {seconds:.0f} s", flush=True)
        if not kept.exists():
            kept.write_text(json.dumps({"seconds": {}, "lines": {}}))
        found.add(json.loads(kept.read_text()))
    return found


def measure(tree: Path, path: str, kept: Path) -> int:
    """Run a file of tests, and write which lines of the package each test that passes executes, and its seconds."""
    import coverage
    import pytest

    sys.dont_write_bytecode = False  # of the tests, which no mutant changes
    cover = coverage.Coverage(data_file=None, source=[str(tree / "minicnn")], config_file=False)

    class Noting:
        """Notes which tests pass, and gives each a context."""

        def __init__(self) -> None:
            self.seconds: dict[str, float] = defaultdict(float)
            self.failed: set[str] = set()
            self.end = time.monotonic() + 0.8 * SECONDS

        def pytest_sessionstart(self, session: pytest.Session) -> None:
            self.session = session

        def pytest_runtest_logstart(self, nodeid: str) -> None:
            cover.switch_context(nodeid)
            if time.monotonic() > self.end:
                self.session.shouldstop = "what takes longer is left out"

        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            self.seconds[report.nodeid] += report.duration
            if report.outcome != "passed":
                self.failed.add(report.nodeid)

    noting = Noting()
    cover.start()
    code = pytest.main([path, *OPTIONS, *doctests(path)], plugins=[noting])
    cover.stop()
    data, lines = cover.get_data(), {}
    for name in data.measured_files():
        by_line = data.contexts_by_lineno(name)
        lines[Path(name).relative_to(tree).as_posix()] = {n: [c for c in contexts if c] for n, contexts in by_line.items()}
    seconds = {test: round(took, 4) for test, took in noting.seconds.items() if test not in noting.failed}
    kept.with_suffix(".part").write_text(json.dumps({"seconds": seconds, "lines": lines}))
    kept.with_suffix(".part").rename(kept)
    print(f"{len(noting.seconds)} tests, {sorted(noting.failed)} did not pass")
    return int(code)


def doctests(path: str) -> Sequence[str]:
    """The option of a file of the package, whose tests are its examples."""
    return ("--doctest-modules",) if path.startswith("minicnn/") else ()
