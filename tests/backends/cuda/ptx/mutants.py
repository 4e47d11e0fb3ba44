"""Small faults put into kernels: what tests are worth shows in whether they notice.

A mutant is a kernel with one node of its syntax tree changed:

- operator: + for −, × and so on, and the other way round;
- offset: an index one further;
- bound: < for ≤ and so on, *and* for *or*, a loop one turn shorter;
- barrier: one taken out;
- swap: the operands of −, / and %, the branches of a choice, two indices of an array;
- number: a constant one larger.
"""

from __future__ import annotations

import ast
import copy
import inspect
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FunctionType
from typing import Any

KINDS = ("operator", "offset", "bound", "barrier", "swap", "number")

OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mod,
    ast.Mod: ast.FloorDiv,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitXor: ast.BitAnd,
}
BOUNDS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}
ONE_WAY = (ast.Sub, ast.Div, ast.FloorDiv, ast.Mod)
"""Operators whose operands may not be swapped."""


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


class Replace(ast.NodeTransformer):
    """Puts one node in the place of another."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return ast.copy_location(self.new, node) if node is self.old else self.generic_visit(node)


Change = Callable[[Any], ast.AST]


def changes(node: ast.AST) -> Iterator[tuple[str, Change]]:
    """The faults that can be put into a node: kind, and what changes a copy of it and returns what takes its place."""
    if isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in OPERATORS:
        yield "operator", lambda n: _set(n, op=OPERATORS[type(n.op)]())
    if isinstance(node, ast.BinOp) and isinstance(node.op, ONE_WAY):
        yield "swap", lambda n: _set(n, left=n.right, right=n.left)
    if isinstance(node, ast.IfExp):
        yield "swap", lambda n: _set(n, body=n.orelse, orelse=n.body)
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in BOUNDS:
        yield "bound", lambda n: _set(n, ops=[BOUNDS[type(n.ops[0])]()])
    if isinstance(node, ast.BoolOp):
        yield "bound", lambda n: _set(n, op=ast.Or() if isinstance(n.op, ast.And) else ast.And())
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range":
        yield "bound", _shorter
    if isinstance(node, ast.Expr) and ast.unparse(node).endswith("syncthreads()"):
        yield "barrier", lambda n: ast.Pass()
    if isinstance(node, ast.Subscript) and not ast.unparse(node.value).endswith(".shape"):
        indices = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        for k, index in enumerate(indices):
            if not isinstance(index, ast.Slice):
                yield "offset", lambda n, k=k: _further(n, k)
        if len(indices) > 1:
            yield "swap", lambda n: _set(n, slice=_set(n.slice, elts=[*n.slice.elts[1::-1], *n.slice.elts[2:]]))
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".type") and isinstance(node.args[0], ast.Constant):
        yield "number", lambda n: _set(n, args=[_plus_one(n.args[0])])


def _set(node: Any, **fields: Any) -> Any:
    for name, value in fields.items():
        setattr(node, name, value)
    return node


def _plus_one(node: ast.expr) -> ast.expr:
    return ast.BinOp(node, ast.Add(), ast.Constant(1))


def _shorter(node: ast.Call) -> ast.Call:
    """range with an end one lower."""
    end = 0 if len(node.args) == 1 else 1
    node.args[end] = ast.BinOp(node.args[end], ast.Sub(), ast.Constant(1))
    return node


def _further(node: ast.Subscript, k: int) -> ast.Subscript:
    """An index one further."""
    if isinstance(node.slice, ast.Tuple):
        node.slice.elts[k] = _plus_one(node.slice.elts[k])
    else:
        node.slice = _plus_one(node.slice)
    return node
