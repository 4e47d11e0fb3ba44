"""The cost model: what a step must move and multiply at the least, and how long the fastest card of its class takes for that.

Bytes are those of every array that a launch reads or writes, once each: what no cache can save. Multiply-adds are those of the
formula, without what tiles waste at edges. Nothing here is measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from math import prod

from minicnn.backends.cuda.device.operation import Launch

from .flow import registers
from .known import parameters_behind
from .launch import code_of, parameters
from .source import to_ptx
from .syntax import Address

BANDWIDTH = 3.35e12
"""Bytes a second of an H100 SXM's HBM3: NVIDIA H100 data sheet."""

MULTIPLY_ADDS_A_SECOND = 66.9e12 / 2
"""Of float32 outside tensor cores, likewise."""


FORMULAS: dict[str, Callable[..., int]] = {
    "conv2d_kernel": lambda x, packed, b, KH, KW, sh, sw, ph, pw, dh, dw, y: y.size * len(x) * KH * KW,
    "conv2d_dx_kernel": lambda dy, packed, KH, KW, ph, pw, dh, dw, dx: dy.size * len(dx) * KH * KW,
    "conv2d_dW_kernel": lambda x, dy, *a: dy.size * prod(a[-1].shape[2:]),
    "sparse_conv2d_kernel": lambda x, W, b, first, links, y: y[0].size * len(links) * W[0].size,
    "sparse_conv2d_dx_kernel": lambda dy, W, first, links, dx: dy[0].size * len(links) * W[0].size,
    "sparse_conv2d_dW_kernel": lambda x, dy, *a: dy[0].size * prod(a[-1].shape[1:]),
    "gemm_bias_kernel": lambda *a: prod(a[-3:]),
    "gemm_tn_kernel": lambda *a: prod(a[-3:]),
    "gemm_nt_kernel": lambda dy, dy_row, x, x_row, share, partials, P: prod(partials.shape[1:]) * P,
}
"""Multiply-adds of the kernels that are made of them, from their arguments; the others are bound by what they move."""


@dataclass(frozen=True)
class Cost:
    """Of one or more launches; ``seconds`` is the floor: of every launch what takes longer, to move or to multiply."""

    launches: int = 0
    bytes: int = 0
    multiply_adds: int = 0
    seconds: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


def cost_of(launch: Launch) -> Cost:
    """The cost of a launch."""
    formula = FORMULAS.get(launch.kernel.__name__)
    moved, multiplied = traffic(launch), formula(*launch.arguments) if formula else 0
    return Cost(1, moved, multiplied, max(moved / BANDWIDTH, multiplied / MULTIPLY_ADDS_A_SECOND))


def traffic(launch: Launch) -> int:
    """The bytes of the arrays that a launch reads, and of those that it writes; of pixels gathered only as many as go in."""
    code = code_of(to_ptx(launch.kernel, *launch.arguments))
    behind = parameters_behind(code.entry)
    moved: dict[str, set[str]] = {"ld": set(), "st": set()}
    for instruction in code.entry.code:
        move = instruction.op.split(".")[0]
        if move in moved and ".param." not in instruction.op:
            address = next(o for o in instruction.operands if isinstance(o, Address))
            moved[move] = moved[move].union(*(behind[name] for name in registers([address])))
    _, arrays = parameters(code, launch.arguments)
    written = sum(a.array.size for a in arrays if a.parameter in moved["st"])
    total = 0
    for a in arrays:
        read = min(a.array.size, written) if launch.kernel.__name__.startswith("gather") else a.array.size
        total += a.array.itemsize * (read * (a.parameter in moved["ld"]) + a.array.size * (a.parameter in moved["st"]))
    return total


def by_kernel(launches: list[Launch]) -> dict[str, Cost]:
    """The costs of launches by the kernel's name, the longest first."""
    costs: dict[str, Cost] = {}
    for launch in launches:
        name, cost = launch.kernel.__name__.removesuffix("_kernel"), cost_of(launch)
        costs[name] = costs.get(name, Cost()) + cost
    return dict(sorted(costs.items(), key=lambda item: -item[1].seconds))
