"""A number for each row and image, and its row: x, y, dy (R, P, L), g (R, L)."""

from __future__ import annotations

from ....arrays import Array
from ..compile.jit import kernel


@kernel
def gate(x: Array, g: Array, y: Array) -> None:
    """y = g · x."""
    R, P, L = x.shape
    for r in range(R):
        for p in range(P):
            for lane in range(L):
                y[r, p, lane] = g[r, lane] * x[r, p, lane]


@kernel
def gate_sum(x: Array, dy: Array, dg: Array) -> None:
    """dg = Σ_p dy · x."""
    R, P, L = x.shape
    for r in range(R):
        for lane in range(L):
            dg[r, lane] = x.dtype.type(0)
        for p in range(P):
            for lane in range(L):
                dg[r, lane] += dy[r, p, lane] * x[r, p, lane]
