"""Small faults put into kernels: what tests are worth shows in whether they notice.

A mutant is a kernel with one node of its syntax tree changed; ``tests/mutants/changes.py`` says how.
"""

from __future__ import annotations

import ast
import copy
import inspect
import textwrap
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from mutants.changes import Replace, changes


@dataclass(frozen=True)
class Mutant:
    """A fault in a function.

    Attributes:
        kind: operator, offset, bound, barrier, swap or number.
        line: of the function's file.
        before: the code that is changed.
        after: what it becomes.
        lines: the changed line as it then stands, and the two below it, which tell it from others like it.
        tree: the changed function.
    """

    function: str
    kind: str
    line: int
    before: str
    after: str
    lines: str
    tree: ast.FunctionDef

    def __str__(self) -> str:
        return f"{self.function}, line {self.line}: `{self.before}` → `{self.after}`"

    def build(self, original: FunctionType) -> FunctionType:
        """The changed function, with the globals and the closure of the original."""
        names = original.__code__.co_freevars
        outer = ast.parse(f"def factory({', '.join(names)}): return {self.function}")
        outer.body[0].body.insert(0, self.tree)
        space: dict[str, Any] = {}
        code = compile(ast.fix_missing_locations(outer), original.__code__.co_filename, "exec")
        exec(code, original.__globals__, space)
        made: FunctionType = space["factory"](*(cell.cell_contents for cell in original.__closure__ or ()))
        return made


def tree_of(function: FunctionType) -> ast.FunctionDef:
    """The syntax tree of a function, at its lines of the file, without decorators and docstring."""
    lines, first = inspect.getsourcelines(function)
    (tree,) = ast.parse(textwrap.dedent("".join(lines))).body
    assert isinstance(tree, ast.FunctionDef)
    ast.increment_lineno(tree, first - 1)
    tree.decorator_list = []
    if ast.get_docstring(tree):
        tree.body = tree.body[1:] or [ast.Pass()]
    return tree


def mutants_of(function: FunctionType) -> list[Mutant]:
    """All its mutants, from the first line to the last."""
    tree = tree_of(function)
    text, found = ast.unparse(tree), []
    for place, node in enumerate(ast.walk(tree)):
        for kind, change in changes(node):
            changed = copy.deepcopy(tree)
            copied = next(other for n, other in enumerate(ast.walk(changed)) if n == place)
            before, line = ast.unparse(node), getattr(node, "lineno", 0)
            replacement = change(copied)
            after = ast.unparse(replacement)
            if replacement is not copied:
                Replace(copied, replacement).visit(changed)
            if after != before:
                lines = changed_lines(text, ast.unparse(changed))
                found.append(Mutant(function.__name__, kind, line, before, after, lines, changed))
    return sorted(found, key=lambda mutant: mutant.line)


def changed_lines(before: str, after: str) -> str:
    """The first line that differs, as it is afterwards, and the two below it.

    >>> changed_lines("for i in x:\\n    a\\n    b", "for i in y:\\n    a\\n    b")
    'for i in y: a b'
    """
    lines = after.splitlines()
    n = next((n for n, pair in enumerate(zip(before.splitlines(), lines, strict=True)) if pair[0] != pair[1]), len(lines))
    return " ".join(line.strip() for line in lines[n : n + 3])
