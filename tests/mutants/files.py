"""The mutants of a file: its text with one place changed, and a sample of all that there are."""

from __future__ import annotations

import ast
import copy
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .changes import Change, changes, python_changes


@dataclass(frozen=True)
class FileMutant:
    """A fault in a file.

    Attributes:
        path: the file, from the top of the repository.
        kind: one of those that ``changes`` names.
        lines: from the first line to the last of the statement that is changed, or of its head if it has a body; (0, 0) for
            what runs when the module is imported, which concerns all that is in it.
        before: the code that is changed.
        after: what it becomes.
        text: the changed file.
    """

    path: str
    kind: str
    lines: tuple[int, int]
    line: int
    before: str
    after: str
    text: str

    @property
    def key(self) -> str:
        """What tells it from all others, also where lines above it come or go."""
        near = self.text.splitlines()[max(0, self.line - 2) : self.line + 1]
        return hashlib.sha256("\n".join([self.path, self.kind, self.before, self.after, *near]).encode()).hexdigest()[:12]

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.kind} `{self.before}` → `{self.after}`"


def mutants_of(path: str, text: str, kernel: bool) -> list[FileMutant]:
    """All mutants of a file, from the first line to the last.

    Args:
        path: its name, from the top of the repository.
        text: the file.
        kernel: whether indices are numbers there, as in loop nests.
    """
    tree, found, lines = ast.parse(text), [], text.split("\n")
    conditions = {id(test) for node in ast.walk(tree) for test in _tests(node)}
    called = {id(node) for body in map(_called, ast.walk(tree)) for each in body for node in ast.walk(each)}
    for node, statement in _nodes(tree, None):
        faults = changes(node) if kernel else python_changes(node, id(node) in conditions)
        for kind, change in faults:
            before, after = ast.unparse(node), _changed(node, change)
            if after == before:
                continue
            wrapped = f"({after})" if isinstance(node, ast.expr) and not isinstance(node, ast.Subscript | ast.Call) else after
            changed = _with(lines, node, wrapped)
            extent = _extent(statement) if id(node) in called else (0, 0)
            found.append(FileMutant(path, kind, extent, node.lineno, before, after, changed))
    return sorted(found, key=lambda mutant: (mutant.line, mutant.kind, mutant.after))


def sample(top: Path, patterns: Sequence[str], kernel: bool, count: int, seed: int) -> list[FileMutant]:
    """So many of all mutants of some files. A change of a file leaves the choice among others as it is.

    Args:
        top: the repository.
        patterns: of the files, from there.
        kernel: as of ``mutants_of``.
        count: how many.
        seed: which.
    """
    paths = sorted(path.relative_to(top).as_posix() for pattern in patterns for path in top.glob(pattern))
    every = {mutant.key: mutant for path in paths for mutant in mutants_of(path, (top / path).read_text(), kernel)}
    order = sorted(every, key=lambda key: hashlib.sha256(f"{seed} {key}".encode()).digest())
    return [every[key] for key in order[:count]]


def _nodes(node: ast.AST, statement: ast.stmt | None) -> Iterator[tuple[ast.expr | ast.stmt, ast.stmt]]:
    """The nodes of a tree that have a place in the text and mean something when it runs, with their statements."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.JoinedStr) or _for_types(child) or _asserts(child):
                continue
            inner = child if isinstance(child, ast.stmt) else statement
            if isinstance(child, ast.expr | ast.stmt) and inner is not None:
                yield child, inner
            yield from _nodes(child, inner)


def _asserts(node: ast.AST) -> bool:
    """Whether it says what is so anyway: ``strict=True`` of ``zip``, whose arguments have one length here."""
    return isinstance(node, ast.keyword) and node.arg == "strict"


def _for_types(node: ast.AST) -> bool:
    """Whether only the type checker reads it."""
    if isinstance(node, ast.If):
        return ast.unparse(node.test) == "TYPE_CHECKING"
    if isinstance(node, ast.FunctionDef):
        return any(ast.unparse(decorator) == "overload" for decorator in node.decorator_list)
    return isinstance(node, ast.ClassDef) and any(ast.unparse(base).startswith("Protocol") for base in node.bases)


def _tests(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        return [node.test]
    return node.ifs if isinstance(node, ast.comprehension) else []


def _called(node: ast.AST) -> list[ast.AST]:
    """What runs not where it stands, but where it is called."""
    if isinstance(node, ast.Lambda):
        return [node.body]
    return [*node.body] if isinstance(node, ast.FunctionDef) else []


def _changed(node: ast.AST, change: Change) -> str:
    return ast.unparse(ast.fix_missing_locations(change(copy.deepcopy(node))))


def _extent(statement: ast.stmt) -> tuple[int, int]:
    body = getattr(statement, "body", None)
    end = body[0].lineno - 1 if body else statement.end_lineno
    return statement.lineno, max(statement.lineno, end or 0)


def _with(lines: Sequence[str], node: ast.expr | ast.stmt, after: str) -> str:
    """The text with other code in the place of a node; columns count bytes."""
    first, last = lines[node.lineno - 1].encode(), lines[(node.end_lineno or 0) - 1].encode()
    middle = first[: node.col_offset].decode() + after + last[node.end_col_offset :].decode()
    return "\n".join([*lines[: node.lineno - 1], middle, *lines[node.end_lineno :]])
