"""A number for each row and image, and its row: x, y, dy (R, P, L), g (R, L)."""

from ...arrays import Array


def gate(x: Array, g: Array, y: Array) -> None:
    """y = g · x."""
    y[...] = g[:, None] * x


def gate_sum(x: Array, dy: Array, dg: Array) -> None:
    """dg = Σ_p dy · x."""
    dg[...] = (dy * x).sum(axis=1)
