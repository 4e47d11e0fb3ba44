"""Products, sums, squares and copies of whole arrays: W (M, K), x (K, P), y (M, P)."""

import numpy as np

from ...arrays import Array


def gemm_bias(W: Array, x: Array, b: Array, y: Array) -> None:
    """y = W x + b."""
    y[...] = W @ x + b[:, None]


def gemm_tn(W: Array, dy: Array, dx: Array) -> None:
    """dx = Wᵀ dy."""
    dx[...] = W.T @ dy


def gemm_nt_add(dy: Array, x: Array, dW: Array) -> None:
    """dW += dy xᵀ."""
    dW += dy @ x.T


def outer_add(dy: Array, x: Array, dW: Array) -> None:
    """dW += dy xᵀ."""
    dW += dy @ x.T


def row_sum_add(dy: Array, db: Array) -> None:
    """db[m] += Σ_p dy[m, p]."""
    db += dy.sum(axis=1)


def row_add(b: Array, y: Array) -> None:
    """y[m, p] += b[m]."""
    y += b[:, None]


def group_sum_add(dy: Array, group: Array, db: Array) -> None:
    """db[group[f]] += Σ_p dy[f, p]."""
    np.add.at(db, group, dy.sum(axis=1))


def spread(b: Array, group: Array, bias: Array) -> None:
    """bias[f] = b[group[f]]."""
    bias[...] = b[group]


def copy(x: Array, y: Array) -> None:
    """y = x."""
    y[...] = x


def zero(x: Array) -> None:
    """x = 0."""
    x[...] = 0


def square(x: Array, y: Array) -> None:
    """y = x²."""
    y[...] = x * x


def add(x: Array, y: Array) -> None:
    """y += x."""
    y += x
