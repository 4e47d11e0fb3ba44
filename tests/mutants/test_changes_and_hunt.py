"""The mutants of files, and that tests notice a few of them: what ``mutants.hunt`` does for hundreds."""

import ast
import os
import subprocess
import sys

import pytest

from mutants.changes import python_changes
from mutants.files import mutants_of, sample
from mutants.hunt import PARTS, SEED, TOP, listed

TEXT = '''"""A file."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    LIMIT = 1 + 1


class Box:
    def size(self, wide: int = 2, flat: bool = True) -> int:
        if flat and not wide:
            self.seen = [n for n in range(wide) if n]
        self.note(f"{wide + 1} × 1")
        return -wide if wide < 3 else wide - 1
'''

EXPECTED = """
10 negation `True` → `False`
10 number `2` → `2 + 1`
11 bound `flat and (not wide)` → `flat or not wide`
11 negation `not wide` → `wide`
12 bound `range(wide)` → `range(wide - 1)`
12 negation `n` → `not n`
12 omission `self.seen = [n for n in range(wide) if n]` → `pass`
13 omission `self.note(f'{wide + 1} × 1')` → `pass`
14 bound `wide < 3` → `wide <= 3`
14 negation `-wide` → `wide`
14 number `1` → `1 + 1`
14 number `3` → `3 + 1`
14 operator `wide - 1` → `wide + 1`
14 swap `wide - 1` → `1 - wide`
14 swap `-wide if wide < 3 else wide - 1` → `wide - 1 if wide < 3 else -wide`
"""


def test_every_mutant_of_a_file_is_one_change():
    found = mutants_of("box.py", TEXT, kernel=False)
    told = [f"{m.line} {m.kind} `{m.before}` → `{m.after}`" for m in found]
    assert told == [
        line.replace("2 + 1`", "3`").replace("1 + 1`", "2`").replace("3 + 1`", "4`") for line in EXPECTED.split("\n")[1:-1]
    ]
    assert len({mutant.key for mutant in found}) == len(found)
    for mutant in found:
        ast.parse(mutant.text)
        changed = [
            n for n, pair in enumerate(zip(TEXT.splitlines(), mutant.text.splitlines(), strict=True), 1) if pair[0] != pair[1]
        ]
        assert changed == [mutant.line]


def test_what_runs_at_import_concerns_the_whole_file_and_the_rest_its_statement():
    """A default is computed where the function is defined, whichever test happens to import the module."""
    found = mutants_of("box.py", TEXT, kernel=False)
    assert {mutant.lines for mutant in found if mutant.line == 10} == {(0, 0)}
    assert {mutant.lines for mutant in found if mutant.line > 10} == {(n, n) for n in (11, 12, 13, 14)}


def test_a_sample_is_the_beginning_of_a_larger_one():
    part = PARTS["kernels"]
    few, more = (sample(TOP, part.sources[:1], True, count, SEED) for count in (5, 20))
    assert [mutant.key for mutant in few] == [mutant.key for mutant in more[:5]]
    assert len({mutant.key for mutant in more}) == 20


def test_indices_of_kernels_are_changed_and_those_of_other_python_are_not():
    node = ast.parse("x[0, 1]").body[0].value
    assert not list(python_changes(node))
    assert {m.kind for m in mutants_of("k.py", "def f(x):\n    x[0, 1] = 2.0\n", kernel=True)} == {"offset", "swap"}


def test_tests_are_listed_once_without_those_that_are_left_out():
    for part in PARTS.values():
        found = listed(TOP, part.tests)
        assert len(found) == len(set(found))
        assert all((TOP / path).is_file() for path in found)
    assert "tests/backends/cpu/test_jit.py" not in listed(TOP, PARTS["kernels"].tests)


NOTICED = {
    ("minicnn/nn/window.py", "tests/nn/test_window.py"): 3,
    ("minicnn/engine/memory.py", "tests/engine/test_memory.py"): 2,
    ("minicnn/train/metrics.py", "minicnn/train/metrics.py"): 1,
}
"""By a file and its tests, how many mutants are tried."""


@pytest.mark.parametrize(("path", "tests"), NOTICED)
def test_tests_notice_a_change(tmp_path, path, tests):
    found = sample(TOP, [path], False, 1000, SEED)
    noticed = 0
    for mutant in found:
        place = tmp_path / "minicnn"
        if not place.exists():
            subprocess.run(["cp", "-r", str(TOP / "minicnn"), str(tmp_path)], check=True)
        (tmp_path / path).write_text(mutant.text)
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-o", "addopts=", "-p", "no:cacheprovider", str(TOP / tests)]
        if tests.startswith("minicnn/"):
            command = [*command[:-1], "--doctest-modules", str(tmp_path / tests)]
        env = os.environ | {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
        ended = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, check=False).returncode
        noticed += ended == 1
        if noticed == NOTICED[path, tests]:
            return
    pytest.fail(f"expected {NOTICED[path, tests]} mutants of {path} to be noticed, got {noticed}")
