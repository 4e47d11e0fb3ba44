"""Arguments of the kernels that layers call."""

from __future__ import annotations

import numpy as np

from ...arrays import Array, Shape
from .draw import Case, Draw

# --- products and sums ---


def product(d: Draw) -> tuple[Array, ...]:
    M, K = d.size(1, 9), d.size(1, 40)
    return d.normal(M, K), d.normal(K, d.L), d.normal(M), d.normal(M, d.L)


def gemm_bias(d: Draw) -> Case:
    W, x, b, y = product(d)
    return [W, x, b, d.empty(*y.shape)], [3]


def gemm_tn(d: Draw) -> Case:
    W, x, _, dy = product(d)
    return [W, dy, d.empty(*x.shape)], [2]


def gemm_nt_add(d: Draw) -> Case:
    W, x, _, dy = product(d)
    return [dy, x, W], [2]


def outer_add(d: Draw) -> Case:
    W, x, _, dy = product(d)
    return [dy, x, W], [2]


def row_sum_add(d: Draw) -> Case:
    M = d.size()
    return [d.normal(M, 3 * d.L), d.normal(M)], [1]


def row_add(d: Draw) -> Case:
    M = d.size()
    return [d.normal(M), d.normal(M, 3 * d.L)], [1]


def spread(d: Draw) -> Case:
    group = d.whole(3, d.size(1, 9))
    return [d.normal(3), group, d.empty(len(group))], [2]


def group_sum_add(d: Draw) -> Case:
    group = d.whole(3, d.size(1, 9))
    return [d.normal(len(group), 2 * d.L), group, d.normal(3)], [2]


def zero(d: Draw) -> Case:
    return [d.normal(3, d.L)], [0]


def add(d: Draw) -> Case:
    n = d.size(1, 99)
    return [d.normal(n), d.normal(n)], [1]


# --- convolutions ---


def convolution(d: Draw) -> tuple[Array, Array, Array, Array, Array]:
    """A window, and arrays of a convolution in groups, of which each may be one channel."""
    window, size, out = d.window()
    C, F = d.rng.choice([1, 3], 2)  # for other numbers other kernels have to be compiled
    groups = d.rng.choice([1, 2])
    C = 1 if groups == 2 and d.rng.random() < 0.5 else C
    x, y = d.normal(groups * C, *size, d.L), d.normal(groups * F, *out, d.L)
    return window.array(), x, d.normal(groups * F, C, *window.kernel), d.normal(groups * F), y


def conv2d(d: Draw) -> Case:
    g, x, W, b, y = convolution(d)
    return [x, W, b, g, d.empty(*y.shape)], [4]


def conv2d_dx(d: Draw) -> Case:
    g, x, W, _, dy = convolution(d)
    return [dy, W, g, d.empty(*x.shape)], [3]


def conv2d_dW_add(d: Draw) -> Case:
    g, x, W, _, dy = convolution(d)
    return [x, dy, g, W], [3]


def columns(d: Draw) -> tuple[Array, Array, Array, Shape]:
    g, x, W, _, y = convolution(d)
    rows = int(d.rng.integers(y.shape[1]))
    return x, g, np.array([rows]), (len(x), *W.shape[2:], d.size(1, y.shape[1] - rows), *y.shape[2:])


def im2col(d: Draw) -> Case:
    x, g, row, shape = columns(d)
    return [x, g, row, d.empty(*shape)], [3]


def col2im_add(d: Draw) -> Case:
    x, g, row, shape = columns(d)
    return [d.normal(*shape), g, row, x], [3]


def links(d: Draw) -> tuple[Array, Array, Array, Array, Array]:
    C, F, K = d.size(1, 4), d.size(1, 4), d.size(1, 4)
    pairs = d.rng.permutation(C * F)[: d.size(1, C * F)]
    window = (d.size(1, 3), d.size(1, 3))
    out = (d.size(1, 3), d.size(1, 4))
    size = [o + k - 1 for o, k in zip(out, window, strict=True)]
    table = np.array([(int(p) // C, int(p) % C, int(d.rng.integers(K))) for p in pairs])
    return table, d.normal(C, *size, d.L), d.normal(K, *window), d.normal(F), d.normal(F, *out, d.L)


def sparse_conv2d(d: Draw) -> Case:
    table, x, W, b, y = links(d)
    return [x, W, b, table, d.empty(*y.shape)], [4]


def sparse_conv2d_dx(d: Draw) -> Case:
    table, x, W, _, dy = links(d)
    return [dy, W, table, d.empty(*x.shape)], [3]


def sparse_conv2d_dW_add(d: Draw) -> Case:
    table, x, W, _, dy = links(d)
    return [x, dy, table, W], [3]


# --- pools ---


def pooled(d: Draw) -> tuple[Array, Array, Array]:
    window, size, out = d.window()
    C = d.size(1, 3)
    return window.array(), d.normal(C, *size, d.L), d.normal(C, *out, d.L)


def tiled(d: Draw) -> tuple[Array, Array, Array, Array, Array]:
    """A window that tiles the map, with a factor and a bias for each map."""
    kernel, out, C = (d.size(1, 3), d.size(1, 3)), (d.size(1, 4), d.size(1, 4)), d.size(1, 3)
    size = [o * k for o, k in zip(out, kernel, strict=True)]
    g = np.array([*kernel, *kernel, 0, 0, 1, 1])
    return g, d.normal(C, *size, d.L), d.normal(C), d.normal(C), d.normal(C, *out, d.L)


def subsample(d: Draw) -> Case:
    g, x, coef, b, y = tiled(d)
    return [x, coef, b, g, d.empty(*y.shape)], [4]


def subsample_dx(d: Draw) -> Case:
    g, x, coef, _, dy = tiled(d)
    return [dy, coef, g, d.empty(*x.shape)], [3]


def subsample_dcoef_add(d: Draw) -> Case:
    g, x, coef, _, dy = tiled(d)
    return [x, dy, g, coef], [3]


def avg_pool(d: Draw) -> Case:
    g, x, y = pooled(d)
    return [x, g, d.empty(*y.shape)], [2]


def avg_pool_dx(d: Draw) -> Case:
    g, x, dy = pooled(d)
    return [dy, g, d.empty(*x.shape)], [2]


def max_pool(d: Draw) -> Case:
    g, x, y = pooled(d)
    x = np.round(x)  # so that some are equal
    x[d.normal(*x.shape) > 2] = np.nan
    return [x, g, d.empty(*y.shape), d.empty(*y.shape, dtype=np.int32)], [2, 3]


def max_pool_dx(d: Draw) -> Case:
    g, x, dy = pooled(d)
    return [dy, d.whole(g[0] * g[1] + 1, *dy.shape).astype(np.int32) - 1, g, d.empty(*x.shape)], [3]


def max_pool_take(d: Draw) -> Case:
    g, x, y = pooled(d)
    return [x, d.whole(g[0] * g[1] + 1, *y.shape).astype(np.int32) - 1, g, d.empty(*y.shape)], [3]


def resampled(d: Draw) -> tuple[Array, Array, Array, Array]:
    """Maps of any sizes, and tables with up to three taps for every place, in any order."""
    C, size, out = d.size(1, 3), (d.size(1, 5), d.size(1, 5)), (d.size(1, 5), d.size(1, 5))
    taps = np.concatenate([d.whole(n, o, 3) for n, o in zip(size, out, strict=True)])
    taps[np.arange(3) >= d.whole(4, len(taps), 1)] = -1
    return taps, d.normal(len(taps), 3), d.normal(C, *size, d.L), d.normal(C, *out, d.L)


def resample(d: Draw) -> Case:
    taps, weights, x, y = resampled(d)
    return [x, taps, weights, d.empty(*y.shape)], [3]


def resample_dx(d: Draw) -> Case:
    taps, weights, x, dy = resampled(d)
    return [dy, taps, weights, d.empty(*x.shape)], [3]


# --- output units ---


def units(d: Draw) -> tuple[Array, Array, Array, Array]:
    count, D = d.size(1, 5), d.size(1, 9)
    return d.normal(D, d.L), d.normal(count, D), d.normal(count, d.L), d.normal(count, d.L)


def rbf(d: Draw) -> Case:
    x, W, y, _ = units(d)
    return [x, W, d.empty(*y.shape)], [2]


def rbf_dx(d: Draw) -> Case:
    x, W, dy, _ = units(d)
    return [dy, x, W, d.empty(*x.shape)], [3]


def rbf_dW_add(d: Draw) -> Case:
    x, W, dy, _ = units(d)
    return [dy, x, W, d.normal(*W.shape)], [3]


def rbf_hx(d: Draw) -> Case:
    x, W, dy, hy = units(d)
    return [np.abs(hy), dy, x, W, d.empty(*x.shape)], [4]


def rbf_hW_add(d: Draw) -> Case:
    x, W, dy, hy = units(d)
    return [np.abs(hy), dy, x, W, d.normal(*W.shape)], [4]
