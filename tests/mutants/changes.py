"""The faults that can be put into a node of a syntax tree.

- operator: + for −, × and so on, and the other way round;
- offset: an index one further;
- bound: < for ≤ and so on, *and* for *or*, a loop one turn shorter;
- barrier: one taken out;
- swap: the operands of −, / and %, the branches of a choice, two indices of an array;
- number: a constant one larger;

and, in Python that is not a kernel,

- negation: a condition the other way round, *in* for *not in*, True for False, no minus;
- omission: a statement left out.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
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

MEMBERS: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In}

Change = Callable[[Any], ast.AST]
"""Changes a copy of a node, and returns what takes its place."""


def changes(node: ast.AST) -> Iterator[tuple[str, Change]]:
    """The faults that can be put into a node of a kernel, with their kinds."""
    if isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in OPERATORS:
        yield "operator", lambda n: with_fields(n, op=OPERATORS[type(n.op)]())
    if isinstance(node, ast.BinOp) and isinstance(node.op, ONE_WAY):
        yield "swap", lambda n: with_fields(n, left=n.right, right=n.left)
    if isinstance(node, ast.IfExp):
        yield "swap", lambda n: with_fields(n, body=n.orelse, orelse=n.body)
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in BOUNDS:
        yield "bound", lambda n: with_fields(n, ops=[BOUNDS[type(n.ops[0])]()])
    if isinstance(node, ast.BoolOp):
        yield "bound", lambda n: with_fields(n, op=ast.Or() if isinstance(n.op, ast.And) else ast.And())
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
            yield "swap", lambda n: with_fields(n, slice=with_fields(n.slice, elts=[*n.slice.elts[1::-1], *n.slice.elts[2:]]))
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".type") and isinstance(node.args[0], ast.Constant):
        yield "number", lambda n: with_fields(n, args=[_plus_one(n.args[0])])


def python_changes(node: ast.AST, condition: bool = False) -> Iterator[tuple[str, Change]]:
    """The faults that can be put into a node of other Python: no indices, which are names there as often as numbers.

    Args:
        node: the node.
        condition: whether it is what an *if*, a loop or a choice asks.
    """
    yield from ((kind, change) for kind, change in changes(node) if not isinstance(node, ast.Subscript))
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield "number", lambda n: ast.Constant(n.value + 1)
    if isinstance(node, ast.Constant) and type(node.value) is bool:
        yield "negation", lambda n: ast.Constant(not n.value)
    if condition and isinstance(node, ast.Name | ast.Attribute | ast.Call):
        yield "negation", lambda n: ast.UnaryOp(ast.Not(), n)
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in MEMBERS:
        yield "negation", lambda n: with_fields(n, ops=[MEMBERS[type(n.ops[0])]()])
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not):
        yield "negation", lambda n: n.operand
    if isinstance(node, ast.AugAssign) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        yield "omission", lambda n: ast.Pass()
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute | ast.Subscript):
        yield "omission", lambda n: ast.Pass()


def with_fields(node: Any, **fields: Any) -> Any:
    """The node itself, with other fields."""
    for name, value in fields.items():
        setattr(node, name, value)
    return node


class Replace(ast.NodeTransformer):
    """Puts one node in the place of another."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return ast.copy_location(self.new, node) if node is self.old else self.generic_visit(node)


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
