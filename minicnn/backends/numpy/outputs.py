"""Output units over the elements of each image: softmax of x (D, L), and radial basis functions with centres W (units, D)."""

import numpy as np

from ...arrays import Array


def softmax(x: Array, y: Array) -> None:
    """y = e^x / Σ e^x; the largest x is taken off, so that nothing overflows."""
    powers = np.exp(x - x.max(axis=0))
    y[...] = powers / powers.sum(axis=0)


def softmax_dx(y: Array, dy: Array, dx: Array) -> None:
    """dx = y · (dy − Σ dy·y)."""
    dx[...] = y * (dy - (dy * y).sum(axis=0))


def softmax_hx(y: Array, hy: Array, hx: Array) -> None:
    """hx = y² · ((1 − 2y) · hy + Σ y²·hy)."""
    hx[...] = y**2 * ((1 - 2 * y) * hy + (y**2 * hy).sum(axis=0))


def log_softmax(x: Array, y: Array) -> None:
    """y = x − log Σ e^x."""
    below = x - x.max(axis=0)
    y[...] = below - np.log(np.exp(below).sum(axis=0))


def log_softmax_dx(y: Array, dy: Array, dx: Array) -> None:
    """dx = dy − e^y Σ dy."""
    dx[...] = dy - np.exp(y) * dy.sum(axis=0)


def log_softmax_hx(y: Array, hy: Array, hx: Array) -> None:
    """hx = (1 − 2p) · hy + p² Σ hy, p = e^y."""
    hx[...] = (1 - 2 * np.exp(y)) * hy + np.exp(2 * y) * hy.sum(axis=0)


def apart(x: Array, W: Array) -> Array:
    """x_j − W_ij of every image: (units, D, L)."""
    return x[None] - W[:, :, None]


def rbf(x: Array, W: Array, y: Array) -> None:
    """y_i = Σ_j (x_j − W_ij)²."""
    y[...] = (apart(x, W) ** 2).sum(axis=1)


def rbf_dx(dy: Array, x: Array, W: Array, dx: Array) -> None:
    """dx_j = 2 Σ_i dy_i (x_j − W_ij)."""
    dx[...] = 2 * (dy[:, None] * apart(x, W)).sum(axis=0)


def rbf_dW_add(dy: Array, x: Array, W: Array, dW: Array) -> None:
    """dW_ij += 2 Σ_l dy_i (W_ij − x_j)."""
    dW -= 2 * (dy[:, None] * apart(x, W)).sum(axis=2)


def rbf_hx(hy: Array, dy: Array, x: Array, W: Array, hx: Array) -> None:
    """hx_j = 4 Σ_i hy_i (x_j − W_ij)² + 2 max(Σ_i dy_i, 0)."""
    hx[...] = 4 * (hy[:, None] * apart(x, W) ** 2).sum(axis=0) + 2 * np.maximum(dy.sum(axis=0), 0)


def rbf_hW_add(hy: Array, dy: Array, x: Array, W: Array, hW: Array) -> None:
    """hW_ij += Σ_l (4 hy_i (x_j − W_ij)² + 2 max(dy_i, 0))."""
    hW += (4 * hy[:, None] * apart(x, W) ** 2 + 2 * np.maximum(dy, 0)[:, None]).sum(axis=2)
