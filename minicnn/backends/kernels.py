"""What a backend offers: the reference manual of its kernels. Those of losses, updates and data are in ``training_kernels.py``.

Every kernel takes arrays only: inputs, constants, outputs last. It returns None and allocates nothing. Images lie in the
last axis, L of them (``lanes``). Outputs are written, except where the name says ``add``.

Legend: C channels, H × W maps, F filters, OH × OW output maps, D elements of an image, N images in memory;
window int64[8] = kernel, stride, padding, dilation of a window, rows before columns (``Window.array``);
lanes int64[1] = how many of the L images are real; scale [1] = 1/N of the batch;
rng uint64[4] = seed, step, layer, first image.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..arrays import Array
from .training_kernels import TrainingKernels


class Kernels(TrainingKernels, Protocol):
    """The kernels of a backend, and ``call`` for those of a user."""

    def call(self, function: Callable[..., object], *arrays: Array) -> None:
        """Record a kernel of the user's own (``minicnn.kernel``), or any callable over arrays."""

    # --- matrix products: W (M, K), x (K, P), y (M, P) ---

    def gemm_bias(self, W: Array, x: Array, b: Array, y: Array) -> None:
        """y = W x + b."""

    def gemm_tn(self, W: Array, dy: Array, dx: Array) -> None:
        """dx = Wᵀ dy."""

    def gemm_nt_add(self, dy: Array, x: Array, dW: Array) -> None:
        """dW += dy xᵀ."""

    def outer_add(self, dy: Array, x: Array, dW: Array) -> None:
        """dW += dy xᵀ for few columns."""

    def row_sum_add(self, dy: Array, db: Array) -> None:
        """db[m] += Σ_p dy[m, p]."""

    def row_add(self, b: Array, y: Array) -> None:
        """y[m, p] += b[m]."""

    # --- convolution: x (C, H, W, L), y (F, OH, OW, L), W (F, C/groups, KH, KW): each group of filters reads its channels ---

    def conv2d(self, x: Array, W: Array, b: Array, window: Array, y: Array, *, algorithm: str = "auto") -> None:
        """y[f, oy, ox] = b[f] + Σ W[f, c, kh, kw] · x[c, s·oy + d·kh − p, s·ox + d·kw − p], zeros outside the map."""

    def conv2d_dx(self, dy: Array, W: Array, window: Array, dx: Array, *, algorithm: str = "auto") -> None:
        """dx[c, iy, ix] = Σ W[f, c, kh, kw] · dy[f, oy, ox] where s·o + d·k = i + padding."""

    def conv2d_dW_add(self, x: Array, dy: Array, window: Array, dW: Array, *, algorithm: str = "auto") -> None:
        """dW[f, c, kh, kw] += Σ dy[f, oy, ox] · x[c, s·oy + d·kh − p, s·ox + d·kw − p]."""

    def im2col(self, x: Array, window: Array, row: Array, cols: Array) -> None:
        """cols[c, kh, kw, r, ox] = x[c, s·(row + r) + d·kh − p, s·ox + d·kw − p], zero outside the map."""

    def col2im_add(self, cols: Array, window: Array, row: Array, dx: Array) -> None:
        """The adjoint of im2col, added to dx."""

    # --- sparse convolution: kernels W (K, KH, KW), links (n, 3) = map, channel, kernel ---

    def sparse_conv2d(self, x: Array, W: Array, b: Array, links: Array, y: Array) -> None:
        """y[f] = b[f] + Σ over the links of map f of W[k] ⋆ x[c]."""

    def sparse_conv2d_dx(self, dy: Array, W: Array, links: Array, dx: Array) -> None:
        """dx[c] = Σ over the links of channel c of W[k] ∗ dy[f]."""

    def sparse_conv2d_dW_add(self, x: Array, dy: Array, links: Array, dW: Array) -> None:
        """dW[k] += dy[f] ⋆ x[c] over the links."""

    def spread(self, b: Array, group: Array, bias: Array) -> None:
        """bias[f] = b[group[f]]."""

    def group_sum_add(self, dy: Array, group: Array, db: Array) -> None:
        """db[group[f]] += Σ_p dy[f, p]."""

    # --- pooling: x (C, H, W, L), y (C, OH, OW, L) ---

    def subsample(self, x: Array, coef: Array, b: Array, window: Array, y: Array) -> None:
        """y[c] = coef[c] · Σ window + b[c]."""

    def subsample_dx(self, dy: Array, coef: Array, window: Array, dx: Array) -> None:
        """dx = coef[c] · dy at every pixel of the window."""

    def subsample_dcoef_add(self, x: Array, dy: Array, window: Array, dcoef: Array) -> None:
        """dcoef[c] += Σ dy · Σ window."""

    def avg_pool(self, x: Array, window: Array, y: Array) -> None:
        """y = Σ window / (KH·KW); padding counts as zeros."""

    def avg_pool_dx(self, dy: Array, window: Array, dx: Array) -> None:
        """dx = Σ over the windows at the pixel of dy / (KH·KW)."""

    def max_pool(self, x: Array, window: Array, y: Array, argmax: Array) -> None:
        """y = max of the window, argmax = kh·KW + kw of the winner: the first of equals; NaN wins."""

    def max_pool_dx(self, dy: Array, argmax: Array, window: Array, dx: Array) -> None:
        """dx = Σ of dy over the windows that the pixel won."""

    def max_pool_take(self, x: Array, argmax: Array, window: Array, y: Array) -> None:
        """y = the pixel of x that won the window, 0 where none did."""

    # --- linear maps of rows and columns: taps and weights (OH + OW, reads), of rows, then of columns; −1 ends them ---

    def resample(self, x: Array, taps: Array, weights: Array, y: Array) -> None:
        """y[c, oh, ow] = Σ_i Σ_j weights[oh, i] · weights[OH + ow, j] · x[c, taps[oh, i], taps[OH + ow, j]]."""

    def resample_dx(self, dy: Array, taps: Array, weights: Array, dx: Array) -> None:
        """dx = Σ of weight · dy over the places that read the pixel."""

    # --- element by element; y may be x, dx may be dy ---

    def copy(self, x: Array, y: Array) -> None:
        """y = x."""

    def zero(self, x: Array) -> None:
        """x = 0."""

    def square(self, x: Array, y: Array) -> None:
        """y = x²."""

    def add(self, x: Array, y: Array) -> None:
        """y += x."""

    def sigmoid(self, x: Array, y: Array) -> None:
        """y = 1 / (1 + e^−x)."""

    def sigmoid_dx(self, y: Array, dy: Array, dx: Array) -> None:
        """dx = dy · y·(1 − y)."""

    def tanh(self, x: Array, y: Array) -> None:
        """y = tanh x."""

    def tanh_dx(self, y: Array, dy: Array, dx: Array) -> None:
        """dx = dy · (1 − y²)."""

    def scaled_tanh(self, x: Array, y: Array) -> None:
        """y = 1.7159 · tanh(2x/3)."""

    def scaled_tanh_dx(self, y: Array, dy: Array, dx: Array) -> None:
        """dx = dy · 2/3 · (1.7159 − y²/1.7159)."""

    def relu(self, x: Array, y: Array) -> None:
        """y = max(x, 0); NaN stays."""

    def relu_dx(self, y: Array, dy: Array, dx: Array) -> None:
        """dx = dy where y > 0, else 0."""

    def leaky_relu(self, x: Array, slope: Array, y: Array) -> None:
        """y = x where x > 0, else slope · x."""

    def leaky_relu_dx(self, x: Array, slope: Array, dy: Array, dx: Array) -> None:
        """dx = dy where x > 0, else slope · dy."""

    def clamp(self, x: Array, ramp: Array, y: Array) -> None:
        """y = slope · min(max(x + shift, low), high), ramp = shift, low, high, slope."""

    def clamp_dx(self, y: Array, ramp: Array, dy: Array, dx: Array) -> None:
        """dx = slope · dy where slope · low < y < slope · high, else 0."""

    def hardswish(self, x: Array, y: Array) -> None:
        """y = x · min(max(x + 3, 0), 6)/6."""

    def hardswish_dx(self, x: Array, dy: Array, dx: Array) -> None:
        """dx = dy · (x/3 + 1/2) between −3 and 3, 0 below, dy above."""

    def prelu(self, x: Array, W: Array, y: Array) -> None:
        """y[c] = x[c] where x > 0, else W[c] · x[c]; x (C, P)."""

    def prelu_dx(self, x: Array, W: Array, dy: Array, dx: Array) -> None:
        """dx[c] = dy[c] where x > 0, else W[c] · dy[c]."""

    def prelu_dW_add(self, x: Array, z: Array, dy: Array, dW: Array) -> None:
        """dW[c] += Σ_p z[c, p] · dy[c, p] where x ≤ 0; z is x, or x² for second derivatives."""

    def elu(self, x: Array, slopes: Array, y: Array) -> None:
        """y = rise · x where x > 0, else fall · (e^x − 1); slopes = rise, fall."""

    def elu_dx(self, y: Array, slopes: Array, dy: Array, dx: Array) -> None:
        """dx = dy · rise where y > 0, else dy · (y + fall)."""

    def gelu(self, x: Array, y: Array) -> None:
        """y = x · Φ(x), Φ(x) = (1 + erf(x/√2))/2."""

    def gelu_dx(self, x: Array, dy: Array, dx: Array) -> None:
        """dx = dy · (Φ(x) + x · e^(−x²/2)/√2π)."""

    def swish(self, x: Array, cubic: Array, y: Array) -> None:
        """y = x · σ(u), u = cubic[0] · x + cubic[1] · x³."""

    def swish_dx(self, x: Array, cubic: Array, dy: Array, dx: Array) -> None:
        """dx = dy · (σ(u) + x · u' · σ(u) · (1 − σ(u)))."""

    def mish(self, x: Array, y: Array) -> None:
        """y = x · tanh(log(1 + e^x))."""

    def mish_dx(self, x: Array, dy: Array, dx: Array) -> None:
        """dx = dy · (n/(n + 2) + x · 4e^x·(e^x + 1)/(n + 2)²), n = e^x · (e^x + 2)."""

    def softplus(self, x: Array, beta: Array, y: Array) -> None:
        """y = log(1 + e^βx)/β, and x itself from βx = 20 on."""

    def softplus_dx(self, x: Array, beta: Array, dy: Array, dx: Array) -> None:
        """dx = dy · σ(βx), and dy from βx = 20 on."""

    def softmax(self, x: Array, y: Array) -> None:
        """y = e^x / Σ e^x over the D elements of each image."""

    def softmax_dx(self, y: Array, dy: Array, dx: Array) -> None:
        """dx = y · (dy − Σ dy·y)."""

    def softmax_hx(self, y: Array, hy: Array, hx: Array) -> None:
        """hx = y² · ((1 − 2y) · hy + Σ y²·hy): the squared derivatives of softmax times hy; hx is not hy."""

    def log_softmax(self, x: Array, y: Array) -> None:
        """y = x − log Σ e^x over the D elements of each image; y is not x."""

    def log_softmax_dx(self, y: Array, dy: Array, dx: Array) -> None:
        """dx = dy − e^y Σ dy; dx is not dy."""

    def log_softmax_hx(self, y: Array, hy: Array, hx: Array) -> None:
        """hx = (1 − 2p) · hy + p² Σ hy, p = e^y: the squared derivatives of log_softmax times hy; hx is not hy."""

    def rbf(self, x: Array, W: Array, y: Array) -> None:
        """y = Σ_j (x_j − W_ij)²; x (D, L), W (units, D), y (units, L)."""

    def rbf_dx(self, dy: Array, x: Array, W: Array, dx: Array) -> None:
        """dx = 2 Σ_i dy_i (x − W_i)."""

    def rbf_dW_add(self, dy: Array, x: Array, W: Array, dW: Array) -> None:
        """dW += 2 Σ_l dy (W − x)."""

    def rbf_hx(self, hy: Array, dy: Array, x: Array, W: Array, hx: Array) -> None:
        """hx = 4 Σ_i hy_i (x − W_i)² + 2 max(Σ_i dy_i, 0)."""

    def rbf_hW_add(self, hy: Array, dy: Array, x: Array, W: Array, hW: Array) -> None:
        """hW += Σ_l (4 hy (x − W)² + 2 max(dy, 0))."""

    def dropout(self, x: Array, rng: Array, rate: Array, y: Array) -> None:
        """y = x · m / (1 − rate), m a hash of rng, image and element; its own adjoint."""

    def dropout_channels(self, x: Array, rng: Array, rate: Array, y: Array) -> None:
        """y[c] = x[c] · m[c] / (1 − rate), m of ``dropout`` for C elements; x (C, P, L); y is not x."""

    # --- batch statistics: x (C, P, L), row and rows (G, 3, C) as groups tell them, moments, stats and means (2, C) ---

    def channel_moments(self, x: Array, lanes: Array, row: Array) -> None:
        """row = how many numbers of real lanes a channel has, their mean, and Σ (x − mean)²."""

    def merge_moments(self, rows: Array, eps: Array, moments: Array, stats: Array) -> None:
        """moments and stats of all groups, merged in their order (Chan, Golub and LeVeque 1983)."""

    def track_moments(self, rows: Array, moments: Array, momentum: Array, mean: Array, var: Array, batches: Array) -> None:
        """mean, var += m · (those of the batch, unbiased, − mean, var); m = momentum, or 1/batches where that is negative."""

    def fixed_stats(self, mean: Array, var: Array, eps: Array, stats: Array) -> None:
        """stats = mean and 1/√(var + ε)."""

    def normalize(self, x: Array, stats: Array, W: Array, b: Array, y: Array) -> None:
        """y = W · x̂ + b."""

    def normalize_sums(self, x: Array, dy: Array, stats: Array, lanes: Array, row: Array) -> None:
        """row = how many numbers of real lanes a channel has, Σ dy, and Σ dy·x̂."""

    def add_sums(self, row: Array, dW: Array, db: Array) -> None:
        """db += Σ dy and dW += Σ dy·x̂, as ``row`` tells them."""

    def merge_sums(self, rows: Array, means: Array) -> None:
        """means = Σ dy and Σ dy·x̂ of all groups, added in their order, over how many numbers there are."""

    def normalize_dx(self, x: Array, dy: Array, stats: Array, W: Array, means: Array, lanes: Array, dx: Array) -> None:
        """dx = W/√(variance + ε) · (dy − mean dy − x̂ · mean dy·x̂), 0 in padding lanes."""

    # --- gates: x, y, dy (R, P, L), g (R, L) ---

    def gate(self, x: Array, g: Array, y: Array) -> None:
        """y = g · x."""

    def gate_sum(self, x: Array, dy: Array, dg: Array) -> None:
        """dg = Σ_p dy · x."""

    # --- statistics of one image: x (G, M, P, L), G groups of M rows of P pixels; stats (G, 4, L); W and b (G, M) ---

    def group_stats(self, x: Array, eps: Array, stats: Array) -> None:
        """stats[:, :2] = mean and 1/√(variance + ε) over a group's rows and pixels, for each image."""

    def group_normalize(self, x: Array, stats: Array, W: Array, b: Array, y: Array) -> None:
        """y = W · x̂ + b, x̂ = (x − mean)/√(variance + ε)."""

    def group_norm_dW_add(self, x: Array, dy: Array, stats: Array, dW: Array) -> None:
        """dW += Σ dy · x̂ over pixels and images."""

    def group_norm_dx(self, x: Array, dy: Array, stats: Array, W: Array, dx: Array) -> None:
        """dx = 1/√(variance + ε) · (W·dy − mean W·dy − x̂ · mean W·dy·x̂); stats[:, 2:] is room for the two means."""


NAMES = frozenset(name for name in dir(Kernels) if not name.startswith("_")) - {"call"}
"""The names of the kernels."""
