"""Arguments for every kernel of the manual, drawn from a seed: what backends are compared on."""

import numpy as np

from minicnn.data import Elastic
from minicnn.nn.window import Window

JUNK = 1e3
"""What padding lanes hold where a kernel may not look."""


class Draw:
    """Random arguments in one dtype.

    Args:
        seed: of everything that is drawn.
        dtype: of the arrays of numbers.
        lanes: images in memory.
    """

    def __init__(self, seed, dtype, lanes):
        self.rng, self.dtype, self.L = np.random.default_rng(seed), dtype, lanes
        self.real = int(self.rng.integers(1, lanes + 1))

    def size(self, least=1, most=5):
        """A small whole number."""
        return int(self.rng.integers(least, most + 1))

    def normal(self, *shape):
        """Standard normal numbers."""
        return self.rng.standard_normal(shape).astype(self.dtype)

    def whole(self, below, *shape):
        """Whole numbers from 0."""
        return self.rng.integers(0, below, shape)

    def room(self, *shape, dtype=None):
        """An array to be written, full of what nobody may read."""
        return np.full(shape, np.nan if dtype is None else 77, dtype or self.dtype)

    @property
    def lanes(self):
        """How many of the lanes are real, as kernels take it."""
        return np.array([self.real])

    @property
    def scale(self):
        """One over a number of images."""
        return np.array([0.5 / self.real], self.dtype)

    def few(self, *numbers):
        """Numbers as a kernel takes them."""
        return np.array(numbers, self.dtype)

    def with_junk(self, array):
        """The same with junk in padding lanes."""
        array[..., self.real :] = JUNK
        return array

    def labels(self, classes):
        """A class for every lane."""
        return self.whole(classes, self.L)

    def window(self, taps=3):
        """A window, a map that it fits, and how many places it has there."""
        kernel, stride = (self.size(1, taps), self.size(1, taps)), (self.size(1, 3), self.size(1, 3))
        padding, dilation = tuple(int(self.rng.integers(0, k // 2 + 1)) for k in kernel), (self.size(1, 2), self.size(1, 2))
        window = Window(kernel, stride, padding, dilation)
        least = [max(1, d * (k - 1) + 1 - 2 * p) for k, d, p in zip(kernel, dilation, padding, strict=True)]
        size = tuple(n + self.size(0, 4) for n in least)
        return window, size, window.out_size(size)


# --- products and sums ---


def product(d):
    M, K = d.size(1, 9), d.size(1, 40)
    return d.normal(M, K), d.normal(K, d.L), d.normal(M), d.normal(M, d.L)


def gemm_bias(d):
    W, x, b, y = product(d)
    return [W, x, b, d.room(*y.shape)], [3]


def gemm_tn(d):
    W, x, _, dy = product(d)
    return [W, dy, d.room(*x.shape)], [2]


def gemm_nt_add(d):
    W, x, _, dy = product(d)
    return [dy, x, W], [2]


def outer_add(d):
    W, x, _, dy = product(d)
    return [dy, x, W], [2]


def row_sum_add(d):
    M = d.size()
    return [d.normal(M, 3 * d.L), d.normal(M)], [1]


def spread(d):
    group = d.whole(3, d.size(1, 9))
    return [d.normal(3), group, d.room(len(group))], [2]


def group_sum_add(d):
    group = d.whole(3, d.size(1, 9))
    return [d.normal(len(group), 2 * d.L), group, d.normal(3)], [2]


def zero(d):
    return [d.normal(3, d.L)], [0]


def add(d):
    n = d.size(1, 99)
    return [d.normal(n), d.normal(n)], [1]


def of_x(d):
    x = d.normal(d.size(), d.size(), d.L)
    return [3 * x, d.room(*x.shape)], [1]


def of_y_and_dy(d):
    y = d.normal(d.size(), d.size(), d.L)
    return [np.tanh(y), d.normal(*y.shape), d.room(*y.shape)], [2]


def leaky_relu(d):
    (x, y), _ = of_x(d)
    return [x, d.few(0.3), y], [2]


def leaky_relu_dx(d):
    (x, dy, dx), _ = of_y_and_dy(d)
    return [x, d.few(0.3), dy, dx], [3]


# --- convolutions ---


def convolution(d):
    """A window, and arrays of a convolution in groups."""
    window, size, out = d.window()
    C, F = d.rng.choice([1, 3], 2)  # for other numbers other kernels have to be compiled
    groups = d.rng.choice([1, 2])
    x, y = d.normal(groups * C, *size, d.L), d.normal(groups * F, *out, d.L)
    return window.array(), x, d.normal(groups * F, C, *window.kernel), d.normal(groups * F), y


def conv2d(d):
    g, x, W, b, y = convolution(d)
    return [x, W, b, g, d.room(*y.shape)], [4]


def conv2d_dx(d):
    g, x, W, _, dy = convolution(d)
    return [dy, W, g, d.room(*x.shape)], [3]


def conv2d_dW_add(d):
    g, x, W, _, dy = convolution(d)
    return [x, dy, g, W], [3]


def columns(d):
    g, x, W, _, y = convolution(d)
    rows = int(d.rng.integers(y.shape[1]))
    return x, g, np.array([rows]), (len(x), *W.shape[2:], d.size(1, y.shape[1] - rows), *y.shape[2:])


def im2col(d):
    x, g, row, shape = columns(d)
    return [x, g, row, d.room(*shape)], [3]


def col2im_add(d):
    x, g, row, shape = columns(d)
    return [d.normal(*shape), g, row, x], [3]


def links(d):
    C, F, K = d.size(1, 4), d.size(1, 4), d.size(1, 4)
    pairs = d.rng.permutation(C * F)[: d.size(1, C * F)]
    window = (d.size(1, 3), d.size(1, 3))
    out = (d.size(1, 3), d.size(1, 4))
    size = [o + k - 1 for o, k in zip(out, window, strict=True)]
    table = np.array([(int(p) // C, int(p) % C, int(d.rng.integers(K))) for p in pairs])
    return table, d.normal(C, *size, d.L), d.normal(K, *window), d.normal(F), d.normal(F, *out, d.L)


def sparse_conv2d(d):
    table, x, W, b, y = links(d)
    return [x, W, b, table, d.room(*y.shape)], [4]


def sparse_conv2d_dx(d):
    table, x, W, _, dy = links(d)
    return [dy, W, table, d.room(*x.shape)], [3]


def sparse_conv2d_dW_add(d):
    table, x, W, _, dy = links(d)
    return [x, dy, table, W], [3]


# --- pools ---


def pooled(d):
    window, size, out = d.window()
    C = d.size(1, 3)
    return window.array(), d.normal(C, *size, d.L), d.normal(C, *out, d.L)


def tiled(d):
    """A window that tiles the map, with a factor and a bias for each map."""
    kernel, out, C = (d.size(1, 3), d.size(1, 3)), (d.size(1, 4), d.size(1, 4)), d.size(1, 3)
    size = [o * k for o, k in zip(out, kernel, strict=True)]
    g = np.array([*kernel, *kernel, 0, 0, 1, 1])
    return g, d.normal(C, *size, d.L), d.normal(C), d.normal(C), d.normal(C, *out, d.L)


def subsample(d):
    g, x, coef, b, y = tiled(d)
    return [x, coef, b, g, d.room(*y.shape)], [4]


def subsample_dx(d):
    g, x, coef, _, dy = tiled(d)
    return [dy, coef, g, d.room(*x.shape)], [3]


def subsample_dcoef_add(d):
    g, x, coef, _, dy = tiled(d)
    return [x, dy, g, coef], [3]


def avg_pool(d):
    g, x, y = pooled(d)
    return [x, g, d.room(*y.shape)], [2]


def avg_pool_dx(d):
    g, x, dy = pooled(d)
    return [dy, g, d.room(*x.shape)], [2]


def max_pool(d):
    g, x, y = pooled(d)
    x = np.round(x)  # so that some are equal
    x[d.normal(*x.shape) > 2] = np.nan
    return [x, g, d.room(*y.shape), d.room(*y.shape, dtype=np.int32)], [2, 3]


def max_pool_dx(d):
    g, x, dy = pooled(d)
    return [dy, d.whole(g[0] * g[1] + 1, *dy.shape).astype(np.int32) - 1, g, d.room(*x.shape)], [3]


# --- output units, dropout ---


def softmax(d):
    x = d.normal(d.size(1, 9), d.L)
    return [20 * x, d.room(*x.shape)], [1]


def softmax_dx(d):
    x = d.normal(d.size(1, 9), d.L)
    y = np.exp(x) / np.exp(x).sum(axis=0)
    return [y, d.normal(*x.shape), d.room(*x.shape)], [2]


def units(d):
    count, D = d.size(1, 5), d.size(1, 9)
    return d.normal(D, d.L), d.normal(count, D), d.normal(count, d.L), d.normal(count, d.L)


def rbf(d):
    x, W, y, _ = units(d)
    return [x, W, d.room(*y.shape)], [2]


def rbf_dx(d):
    x, W, dy, _ = units(d)
    return [dy, x, W, d.room(*x.shape)], [3]


def rbf_dW_add(d):
    x, W, dy, _ = units(d)
    return [dy, x, W, d.normal(*W.shape)], [3]


def rbf_hx(d):
    x, W, dy, hy = units(d)
    return [np.abs(hy), dy, x, W, d.room(*x.shape)], [4]


def rbf_hW_add(d):
    x, W, dy, hy = units(d)
    return [np.abs(hy), dy, x, W, d.normal(*W.shape)], [4]


def words(d):
    """Four numbers of 64 bits."""
    return d.rng.integers(0, 2**64, 4, np.uint64)


def dropout(d):
    x = d.normal(d.size(1, 40), d.L)
    return [x, words(d), d.few(d.rng.choice([0, 0.1, 0.5, 0.8])), d.room(*x.shape)], [3]


# --- losses ---


def outputs(d, positive=False):
    D = d.size(1, 9)
    y = 5 * d.normal(D, d.L)
    return d.with_junk(np.abs(y) if positive else y), d.labels(D), d.room(D, d.L)


def value(d):
    """A loss to add to."""
    return np.array([7.0])


def one_hot(d):
    _, labels, target = outputs(d)
    return [labels, d.lanes, d.few(1, -1), target], [3]


def count(d):
    y, labels, _ = outputs(d)
    return [np.round(y), labels, d.lanes, np.array([5])], [3]


def penalty(d):
    y, labels, _ = outputs(d, positive=True)
    return [y, labels, d.lanes, d.scale, value(d)], [4]


def penalty_dy(d):
    _, labels, dy = outputs(d)
    return [labels, d.lanes, d.scale, dy], [3]


def map_penalty(d):
    y, labels, _ = outputs(d, positive=True)
    return [y, labels, d.few(2.5), d.lanes, d.scale, value(d)], [5]


def map_shares(d):
    y, _, p = outputs(d, positive=True)
    return [y, d.few(2.5), p], [2]


def map_penalty_dy(d):
    _, labels, p = outputs(d)
    return [labels, d.lanes, d.scale, d.rng.random(p.shape).astype(d.dtype)], [3]


def map_penalty_hy(d):
    _, _, p = outputs(d)
    return [d.lanes, d.scale, d.rng.random(p.shape).astype(d.dtype)], [2]


def mse(d):
    y, _, _ = outputs(d)
    return [y, d.normal(*y.shape), d.lanes, d.scale, value(d)], [4]


def mse_dy(d):
    y, _, dy = outputs(d)
    return [y, d.normal(*y.shape), d.lanes, d.scale, dy], [4]


def mse_hy(d):
    _, _, hy = outputs(d)
    return [d.lanes, d.scale, hy], [2]


def smoothing(d):
    return d.few(d.rng.choice([0, 0.1, 1]))


def cross_entropy(d):
    y, labels, _ = outputs(d)
    return [y, labels, smoothing(d), d.lanes, d.scale, value(d)], [5]


def cross_entropy_dy(d):
    y, labels, dy = outputs(d)
    return [y, labels, smoothing(d), d.lanes, d.scale, dy], [5]


def cross_entropy_hy(d):
    y, _, hy = outputs(d)
    return [y, d.lanes, d.scale, hy], [3]


# --- updates ---


def vectors(d, count):
    n = d.size(1, 60)
    return [d.normal(n) for _ in range(count)]


def sgd(d):
    momentum, nesterov = d.rng.choice([0, 0.9]), d.rng.integers(2)
    return [*vectors(d, 3), np.array([0.1, momentum, nesterov, d.rng.choice([0, 0.01]), d.rng.integers(2)])], [0, 2]


def sdlm(d):
    return [*vectors(d, 3), np.array([0.1])], [0]


def adam(d):
    p, dp, first, second = vectors(d, 4)
    return [p, dp, first, np.abs(second), np.array([0.01, 0.9, 0.999, 1e-6, d.rng.choice([0, 0.1]), 0.19, 0.002])], [0, 2, 3]


# --- lanes ---


def choose_group(d):
    total = d.size(1, 70)
    number = d.rng.integers(-(-total // d.L))
    own = [d.room(n, dtype=np.int64) for n in (d.L, d.L, d.L, 1)]
    sizes = [d.whole(1000, 80), d.whole(10, 80), np.array([total]), np.array([5], np.uint64), np.array([number])]
    return [*sizes, *own, np.full((3, 4), 7, np.uint64)], [5, 6, 7, 8, 9]


def index(d, images=40):
    return d.rng.permutation(images)[: d.L]


def gather(d):
    D = d.size(1, 40)
    return [d.normal(40, D), index(d), d.lanes, d.room(D, d.L)], [3]


def scatter(d):
    D = d.size(1, 40)
    return [d.normal(D, d.L), index(d), d.lanes, d.normal(40, D)], [3]


def grey(d):
    return d.whole(256, 40, d.size(1, 9), d.size(1, 20)).astype(np.uint8)


def gather_pixels(d):
    images, pads = grey(d), d.whole(4, 2)
    sides = [n + 2 * int(p) for n, p in zip(images.shape[1:], pads, strict=True)]
    return [images, d.few(0.01, -0.4), index(d), pads, d.room(1, *sides, d.L)], [4]


def gather_resized(d):
    return [grey(d), d.few(0.01, -0.4), index(d), d.lanes, d.room(1, d.size(1, 12), d.size(1, 12), d.L)], [4]


# --- distortions ---


def draw_uniform(d):
    elements = d.size(1, 9)
    return [words(d)[:2], words(d), d.whole(2**32, d.L), np.abs(d.normal(elements)), d.room(elements, d.L)], [4]


def affine_inverse(d):
    return [d.normal(6 + 2 * d.size(0, 2) ** 2, d.L), d.room(6, d.L)], [1]  # the knots of a spline may follow


def pack_quads(d):
    images, (rows, columns) = grey(d), d.whole(4, 2)
    sides = (images.shape[1] + 2 * rows + 1, images.shape[2] + 2 * columns + 1)
    return [images, index(d), d.room(d.L, *sides, dtype=np.uint32)], [2]


def splines(d, size):
    """Knots, and for the pixels of the longer side of a map the first of four and their weights."""
    at, taps = Elastic(1, float(d.rng.choice([1, 2.5, 20]))).spline(max(size))
    side = int(at[-1]) + 4
    return side, d.normal(2, side, side, d.L), at, taps.astype(d.dtype)


def spline_along(d):
    size = (d.size(1, 9), d.size(1, 9))
    side, knots, at, taps = splines(d, size)
    return [knots, at, taps, d.room(2, side, size[1], d.L)], [3]


def warp(d):
    (H, W), L = (d.size(1, 9), d.size(1, 9)), d.L
    side, _, at, taps = splines(d, (H, W))
    bent = d.normal(2, side if d.rng.integers(2) else 0, W, L)
    quads = d.rng.integers(0, 2**32, (L, H + 1, W + 1), np.uint32)
    quads[:, 0], quads[:, -1], quads[..., 0], quads[..., -1] = 0, 0, 0, 0
    maps = np.array([0, 0, 1, 0, 0, 1], d.dtype)[:, None] + d.normal(6, L) / 4
    rooms = [d.room(2, W, L), d.room(W, L, dtype=np.uint32)]
    return [quads, d.few(0.01, -0.4), maps, bent, at, taps, *rooms, d.room(1, H, W, L)], [8]


SHARED = {
    of_x: ("copy", "square", "sigmoid", "tanh", "scaled_tanh", "relu"),
    of_y_and_dy: ("sigmoid_dx", "tanh_dx", "scaled_tanh_dx", "relu_dx"),
    softmax_dx: ("softmax_hx",),
    count: ("count_hits", "count_least"),
    adam: ("adamw",),
}
"""Kernels that take the same."""


def cases(names):
    """For each kernel what draws its arguments: a function of a ``Draw`` that gives them and the numbers of those it writes."""
    made = {name: draw for draw, several in SHARED.items() for name in several}
    return {name: made.get(name) or globals()[name] for name in sorted(names)}
