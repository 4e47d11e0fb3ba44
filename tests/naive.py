"""The oracles: what every kernel means, in float64 and in the ordinary (N, C, H, W) layout, as plainly as it can be said.

Arrays hold one image after the other; ``to_lanes`` and ``from_lanes`` lead to the kernels' layout and back.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

# ---------------------------------------------------------------------------------------------------------- the layout


def to_lanes(x, L, fill=0.0, dtype=None):
    """(N, …) → (…, L), C-contiguous, with ``fill`` in the lanes past the last image."""
    xl = np.full((*x.shape[1:], L), fill, dtype or x.dtype)
    xl[..., : len(x)] = np.moveaxis(x, 0, -1)
    return xl


def from_lanes(xl, N):
    """(…, L) → (N, …): the real lanes, in float64."""
    return np.moveaxis(xl[..., :N], -1, 0).astype(np.float64)


# ------------------------------------------------------------------------------------------------- penalties, RBF units


def rbf(x, W):
    return ((x[:, None] - W) ** 2).sum(axis=2)


def rbf_dx(dy, x, W):
    return 2 * (dy[:, :, None] * (x[:, None] - W)).sum(axis=1)


def rbf_dW(dy, x, W):
    return 2 * (dy[:, :, None] * (W - x[:, None])).sum(axis=0)


def rbf_hx(hy, dy, x, W):
    """4 Σ hy (x − W)² and the unit's own second derivative, where that is not negative."""
    return 4 * (hy[:, :, None] * (x[:, None] - W) ** 2).sum(axis=1) + 2 * np.maximum(dy.sum(axis=1), 0)[:, None]


def rbf_hW(hy, dy, x, W):
    """The same by the centres, image by image."""
    return (4 * hy[:, :, None] * (x[:, None] - W) ** 2 + 2 * np.maximum(dy, 0)[:, :, None]).sum(axis=0)


def penalty(y, labels):
    return y[np.arange(len(y)), labels].sum()


def penalty_dy(y, labels):
    return np.eye(y.shape[1])[labels]


def map_shares(y, j):
    powers = np.exp(-np.c_[y, np.full(len(y), j)].astype(np.longdouble))
    return (powers / powers.sum(axis=1, keepdims=True))[:, :-1].astype(np.float64)


def map_penalty(y, labels, j):
    powers = np.exp(-np.c_[y, np.full(len(y), j)].astype(np.longdouble))
    return float(penalty(y, labels) + np.log(powers.sum(axis=1)).sum())


# ---------------------------------------------------------------------------------------------------------- activations


def sigmoid(x):
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def sigmoid_dx(x, dy):
    return dy * sigmoid(x) * sigmoid(-x)


def tanh(x):
    return np.tanh(x)


def tanh_dx(x, dy):
    return dy / np.cosh(x) ** 2


def scaled_tanh(x):
    return 1.7159 * np.tanh(2 * x / 3)


def scaled_tanh_dx(x, dy):
    return dy * 1.7159 * 2 / 3 / np.cosh(2 * x / 3) ** 2


def leaky_relu(x, slope):
    return np.where(x > 0, x, slope * x)


def leaky_relu_dx(x, slope, dy):
    return np.where(x > 0, dy, slope * dy)


def relu(x):
    return leaky_relu(x, 0.0)


def relu_dx(x, dy):
    return leaky_relu_dx(x, 0.0, dy)


def softmax(x):
    """x (N, D)."""
    return np.array([[1 / sum(math.exp(other - value) for other in image) for value in image] for image in x])


def softmax_dx(x, dy):
    """Row by row the Jacobian diag(y) − y yᵀ times dy."""
    return np.array([(np.diag(y) - np.outer(y, y)) @ d for y, d in zip(softmax(x), dy, strict=True)])


def softmax_hx(x, hy):
    """Row by row the squares of the Jacobian's elements times hy."""
    return np.array([(np.diag(y) - np.outer(y, y)).T ** 2 @ h for y, h in zip(softmax(x), hy, strict=True)])


# -------------------------------------------------------------------------------------------------------------- dropout


def mix(h):
    """MurmurHash3's finaliser on a Python integer of 32 bits."""
    h ^= h >> 16
    h = h * 0x85EBCA6B % 2**32
    h ^= h >> 13
    h = h * 0xC2B2AE35 % 2**32
    return h ^ h >> 16


def hash_keys(*words):
    """Two keys of 32 bits from numbers of 64."""
    u, v = 0x9E3779B9, 0x7F4A7C15
    for word in words:
        u, v = (mix(mix(key ^ word % 2**32) ^ word >> 32) for key in (u, v))
    return u, v


def dropout_keeps(seed, step, layer, image, element, rate):
    """Whether an element of an image survives."""
    u, v = hash_keys(seed, step, layer)
    return (mix(mix(image ^ mix(u ^ element)) ^ mix(v ^ element)) >> 8) / 2**24 >= rate


def dropout(x, seed, step, layer, first, rate):
    """x (N, elements), image numbers from ``first``."""
    N, E = x.shape
    mask = np.array([[dropout_keeps(seed, step, layer, first + n, e, rate) for e in range(E)] for n in range(N)])
    return x * mask / (1 - rate)


# ---------------------------------------------------------------------------------------------------------------- pools


def windows(g, H, W, OH, OW):
    """((oh, ow), (i, j), (h, w)) for every tap that lies inside the map."""
    kh, kw, sh, sw, ph, pw, dh, dw = (int(v) for v in g)
    for oh, ow, i, j in np.ndindex(OH, OW, kh, kw):
        h, w = oh * sh - ph + i * dh, ow * sw - pw + j * dw
        if 0 <= h < H and 0 <= w < W:
            yield (oh, ow), (i, j), (h, w)


def window_sums(x, g, OH, OW):
    y = np.zeros((*x.shape[:2], OH, OW))
    for (oh, ow), _, (h, w) in windows(g, *x.shape[2:], OH, OW):
        y[:, :, oh, ow] += x[:, :, h, w]
    return y


def window_spread(dy, g, H, W):
    dx = np.zeros((*dy.shape[:2], H, W))
    for (oh, ow), _, (h, w) in windows(g, H, W, *dy.shape[2:]):
        dx[:, :, h, w] += dy[:, :, oh, ow]
    return dx


def avg_pool(x, g, OH, OW):
    return window_sums(x, g, OH, OW) / (g[0] * g[1])


def avg_pool_dx(dy, g, H, W):
    return window_spread(dy, g, H, W) / (g[0] * g[1])


def max_pool(x, g, OH, OW):
    """y and tap; a window without a tap inside the map gives −∞ and −1."""
    y = np.full((*x.shape[:2], OH, OW), -np.inf)
    tap = np.full(y.shape, -1)
    for (oh, ow), (i, j), (h, w) in windows(g, *x.shape[2:], OH, OW):
        for n, c in np.ndindex(x.shape[:2]):
            value = x[n, c, h, w]
            if tap[n, c, oh, ow] < 0 or value > y[n, c, oh, ow] or np.isnan(value):
                y[n, c, oh, ow], tap[n, c, oh, ow] = value, i * g[1] + j
    return y, tap


def max_pool_dx(dy, tap, g, H, W):
    dx = np.zeros((*dy.shape[:2], H, W))
    for (oh, ow), (i, j), (h, w) in windows(g, H, W, *dy.shape[2:]):
        dx[:, :, h, w] += dy[:, :, oh, ow] * (tap[:, :, oh, ow] == i * g[1] + j)
    return dx


def subsample(x, coef, b, g, OH, OW):
    return coef[:, None, None] * window_sums(x, g, OH, OW) + b[:, None, None]


def subsample_dx(dy, coef, g, H, W):
    return coef[:, None, None] * window_spread(dy, g, H, W)


def subsample_dcoef(x, dy, g):
    return (dy * window_sums(x, g, *dy.shape[2:])).sum((0, 2, 3))


# --------------------------------------------------------------------------------------------------------------- losses


def mse(y, target):
    """y, target (N, D): Σ over the images of the mean over D."""
    return sum(np.mean((a - b) ** 2) for a, b in zip(y, target, strict=True))


def mse_dy(y, target):
    return 2 * (y - target) / y.shape[1]


def mse_hy(y):
    return np.full(y.shape, 2 / y.shape[1])


def cross_entropy_hy(y):
    """The diagonal of diag(p) − p pᵀ, whatever the target."""
    return np.array([np.diag(np.diag(p) - np.outer(p, p)) for p in softmax(y)])


def cross_entropy(y, labels, smoothing):
    """y (N, D) logits: Σ over the images of −Σ_d t[d] log p[d], t the smoothed target."""
    return sum(-(t * np.log(p)).sum() for t, p in zip(smoothed(labels, y.shape[1], smoothing), softmax(y), strict=True))


def cross_entropy_dy(y, labels, smoothing):
    return softmax(y) - smoothed(labels, y.shape[1], smoothing)


def smoothed(labels, D, smoothing):
    return (1 - smoothing) * np.eye(D)[labels] + smoothing / D


def count_hits(y, labels):
    return sum(int(np.argmax(image) == label) for image, label in zip(y, labels, strict=True))


def one_hot(labels, D, on, off):
    return np.where(np.arange(D) == labels[:, None], on, off)


# -------------------------------------------------------------------------------------------------------------- updates


def sgd(p, dp, v, lr, momentum, nesterov, weight_decay, first):
    """The new p and v."""
    g = dp + weight_decay * p
    if momentum == 0:
        return p - lr * g, v
    v = g if first else momentum * v + g
    return p - lr * (g + momentum * v if nesterov else v), v


def sdlm(p, dp, curvature, lr, mu):
    """The new p, each with a rate of its own."""
    return p - lr / (mu + curvature) * dp


def adam(p, dp, m, v, lr, beta1, beta2, eps, weight_decay, t, decoupled):
    """The new p, m and v of Adam, or of AdamW where the weight decay is decoupled."""
    if decoupled:
        p, g = p - lr * weight_decay * p, dp
    else:
        g = dp + weight_decay * p
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    return p - lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps), m, v


# ------------------------------------------------------------------------------------------------------------- loading


def pixels(images, table, rows, columns):
    """(N, H, W) grey levels → (N, 1, H + 2 rows, W + 2 columns)."""
    return table[np.pad(images, ((0, 0), (rows, rows), (columns, columns)))][:, None]


def resized(images, H, W):
    """(N, h, w) grey levels → (N, 1, H, W), bilinear with half-pixel centres."""
    out = np.zeros((len(images), 1, H, W))
    for ho, wo in np.ndindex(H, W):
        for h, a in hat(ho, H, images.shape[1]):
            for w, b in hat(wo, W, images.shape[2]):
                out[:, 0, ho, wo] += a * b * images[:, h, w]
    return out


def hat(o, outs, ins):
    """(index, weight) of the input pixels that output pixel o interpolates."""
    centre = min(max((o + 0.5) * ins / outs - 0.5, 0), ins - 1)
    return [(i, 1 - abs(i - centre)) for i in range(ins) if abs(i - centre) < 1]


# --------------------------------------------------------------------------------------------------------- convolutions


def pad(x, g, rows, columns):
    """x in the middle of maps of rows × columns zeros."""
    framed = np.zeros((*x.shape[:2], rows, columns))
    for h, w in np.ndindex(x.shape[2:]):
        framed[:, :, h + g[4], w + g[5]] = x[:, :, h, w]
    return framed


def conv2d(x, W, b, g, OH, OW):
    """W (F, C, KH, KW)."""
    y = np.zeros((len(x), len(W), OH, OW)) + b[:, None, None]
    for (oh, ow), (i, j), (h, w) in windows(g, *x.shape[2:], OH, OW):
        y[:, :, oh, ow] += x[:, :, h, w].astype(np.float64) @ W[:, :, i, j].T
    return y


def conv2d_dx(dy, W, g, H, W_in):
    dx = np.zeros((len(dy), W.shape[1], H, W_in))
    for (oh, ow), (i, j), (h, w) in windows(g, H, W_in, *dy.shape[2:]):
        dx[:, :, h, w] += dy[:, :, oh, ow].astype(np.float64) @ W[:, :, i, j]
    return dx


def conv2d_dW(x, dy, g):
    dW = np.zeros((dy.shape[1], x.shape[1], g[0], g[1]))
    for (oh, ow), (i, j), (h, w) in windows(g, *x.shape[2:], *dy.shape[2:]):
        dW[:, :, i, j] += dy[:, :, oh, ow].astype(np.float64).T @ x[:, :, h, w]
    return dW


def im2col(x, g, OH, OW):
    """cols (N, C, KH, KW, OH, OW)."""
    cols = np.zeros((*x.shape[:2], g[0], g[1], OH, OW))
    for (oh, ow), (i, j), (h, w) in windows(g, *x.shape[2:], OH, OW):
        cols[:, :, i, j, oh, ow] = x[:, :, h, w]
    return cols


def col2im(cols, g, H, W):
    dx = np.zeros((*cols.shape[:2], H, W))
    for (oh, ow), (i, j), (h, w) in windows(g, H, W, *cols.shape[4:]):
        dx[:, :, h, w] += cols[:, :, i, j, oh, ow]
    return dx


def sparse_conv2d(x, W, b, links, g, OH, OW):
    """W (K, KH, KW), links (map, channel, kernel)."""
    y = np.zeros((len(x), len(b), OH, OW)) + b[:, None, None]
    for f, c, k in links:
        y[:, f] += conv2d(x[:, [c]], W[None, [k]], np.zeros(1), g, OH, OW)[:, 0]
    return y


def sparse_conv2d_dx(dy, W, links, g, C, H, W_in):
    dx = np.zeros((len(dy), C, H, W_in))
    for f, c, k in links:
        dx[:, c] += conv2d_dx(dy[:, [f]], W[None, [k]], g, H, W_in)[:, 0]
    return dx


def sparse_conv2d_dW(x, dy, links, g, K):
    dW = np.zeros((K, g[0], g[1]))
    for f, c, k in links:
        dW[k] += conv2d_dW(x[:, [c]], dy[:, [f]], g)[0, 0]
    return dW


# ---------------------------------------------------------------------------------------------------------- distortions


def uniform(seed, stream, step, image, element):
    """One of 2²⁴ numbers from −1 up to but not including 1."""
    u, v = hash_keys(seed, step, stream)
    return (mix(mix(image ^ mix(u ^ element)) ^ mix(v ^ element)) >> 8) / 2**23 - 1


def affine(down, right, log_scale, log_squeeze, shear, angle):
    """Matrix and shift of the distortion source → target, points being (row, column)."""
    s, q = math.exp(log_scale), math.exp(log_squeeze)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return turn @ np.array([[1, 0], [shear, 1]]) @ np.diag([s / q, s * q]), np.array([down, right])


def places(matrix, shift, H, W):
    """(2, H, W): the source of every target pixel, counted from the corner."""
    centre = np.array([(H - 1) / 2, (W - 1) / 2])
    target = np.moveaxis(np.indices((H, W)), 0, -1) - centre
    return np.moveaxis(np.linalg.solve(matrix, (target - shift)[..., None])[..., 0] + centre, -1, 0)


def cubic_spline(t):
    """The cubic B-spline over |t| < 2, as a cube of differences."""
    return sum((-1) ** k * math.comb(4, k) * max(t + 2 - k, 0) ** 3 for k in range(5)) / 6


def field(knots, spacing, H, W):
    """(2, H, W) from knots (2, G, G), the first of which lies one spacing before the first pixel."""
    out = np.zeros((2, H, W))
    for (h, w), (i, j) in itertools.product(np.ndindex(H, W), np.ndindex(knots.shape[1:])):
        out[:, h, w] += cubic_spline(h / spacing - i + 1) * cubic_spline(w / spacing - j + 1) * knots[:, i, j]
    return out


def warped(image, where, background):
    """image (H, W), read bilinearly at places (2, H, W), with background around it."""
    out = np.zeros(where.shape[1:])
    for h, w in np.ndindex(out.shape):
        r, c = where[:, h, w]
        for i, j in itertools.product((math.floor(r), math.floor(r) + 1), (math.floor(c), math.floor(c) + 1)):
            inside = 0 <= i < image.shape[0] and 0 <= j < image.shape[1]
            out[h, w] += (1 - abs(r - i)) * (1 - abs(c - j)) * (image[i, j] if inside else background)
    return out
