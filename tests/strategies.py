"""Hypothesis strategies for the layers: what the contract suite and the comparison with PyTorch draw from.

``STRATEGIES`` gives for every layer class a strategy of (layer, in_shape) that reaches every option. Sizes are small.
"""

from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st

import minicnn as m

SHARE = 1.0
"""Of the examples asked for: fewer without ``--full``, and for kernels that take longer to execute."""


def examples(count):
    """So many examples, the same in every run, however long they take and wherever they run."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(
        max_examples=max(2, round(SHARE * count)), derandomize=True, deadline=None, database=None, suppress_health_check=slow
    )


def option(least, most):
    """An option as layers take it: one number for both axes, or (rows, columns)."""
    number = st.integers(least, most)
    return number | st.tuples(number, number)


def both(value):
    """An option as (rows, columns)."""
    return value if isinstance(value, tuple) else (value, value)


def sides(draw, least, extra=4):
    """A map of at least that size."""
    return (least[0] + draw(st.integers(0, extra)), least[1] + draw(st.integers(0, extra)))


def meets(window, size):
    """Whether any tap of any window falls on the map: with padding and dilation all may miss it."""
    axes = zip(window.out_size(size), window.kernel, window.stride, window.dilation, window.padding, size, strict=True)
    return all(any(0 <= s * o + d * k - p < n for o in range(places) for k in range(taps)) for places, taps, s, d, p, n in axes)


inits = st.sampled_from(
    (m.TorchDefault(), m.FanInUniform(), m.FanInUniform(1.0), m.LeCunNormal(), m.GlorotUniform(), m.HeNormal())
)
widths = st.sampled_from((1, 4, 11))
"""Output maps of sparse convolutions, which have kernels of their own for widths: a tile, four, and what no tile divides."""

bias_inits = st.sampled_from((m.Constant(0.0), m.Constant(0.5), m.TorchDefault()))
any_shape = st.tuples(st.integers(2, 9)) | st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(2, 5))


@st.composite
def conv2d(draw):
    """Strides, dilations, groups, paddings, filters past a block of 8, and at times a window that is the whole map."""
    groups = draw(st.sampled_from((1, 2, 3)))
    channels, filters = groups * draw(st.integers(1, 3)), groups * draw(st.sampled_from((1, 2, 3, 9)))
    kernel = draw(option(1, 4) | st.tuples(st.integers(1, 2), st.integers(5, 6)))
    whole = draw(st.sampled_from((False, False, True)))
    same = not whole and draw(st.booleans())
    padding = "same" if same else 0 if whole else draw(option(0, 2))
    stride = 1 if same else draw(option(1, 3))
    dilation = 1 if whole else draw(option(1, 3))
    frame = (0, 0) if same else both(padding)
    taps = zip(both(kernel), both(dilation), frame, strict=True)
    least = (1, 1) if same else tuple(max(1, d * (k - 1) + 1 - 2 * p) for k, d, p in taps)
    size = both(kernel) if whole else sides(draw, least)
    algorithm = draw(st.sampled_from(("auto", "im2col", "direct")))
    options = {"bias": draw(st.booleans()), "algorithm": algorithm, "init": draw(inits), "bias_init": draw(bias_inits)}
    layer = m.Conv2d(filters, kernel, stride=stride, padding=padding, dilation=dilation, groups=groups, **options)
    assume(meets(layer.window, size))
    return layer, (channels, *size)


@st.composite
def sparse_conv2d(draw):
    """Rows of any length in any order; tied groups of maps with equally many channels, and maps on their own."""
    channels = draw(st.integers(1, 6))
    rows = st.permutations(range(channels))
    tied = draw(st.none() | st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple))
    table = []
    for maps in tied or draw(st.sampled_from(((1,), (1, 1, 1), (1,) * 6))):
        width = draw(st.integers(1, channels))
        table += [tuple(draw(rows)[:width]) for _ in range(maps)]
    kernel = draw(option(1, 5) | st.just((2, 6)))
    size = (both(kernel)[0] + draw(st.integers(0, 3)), both(kernel)[1] + draw(widths) - 1)
    spare = draw(st.integers(0, 1))  # a channel that no map reads
    layer = m.SparseConv2d(tuple(table), kernel, group_sizes=tied, init=draw(inits), bias_init=draw(bias_inits))
    return layer, (1 + max(map(max, table)) + spare, *size)


@st.composite
def subsample(draw):
    """Windows that tile the map."""
    window = draw(option(1, 3))
    size = (both(window)[0] * draw(st.integers(1, 3)), both(window)[1] * draw(st.integers(1, 3)))
    layer = m.Subsample(window, init=draw(inits), bias_init=draw(bias_inits))
    return layer, (draw(st.integers(1, 4)), *size)


@st.composite
def pool(draw, kind):
    """Windows that overlap, tile, or leave gaps; padding up to half of the window; the common 2 × 2 half the time."""
    channels = draw(st.integers(1, 3))
    if draw(st.booleans()):
        return kind(2), (channels, *sides(draw, (2, 2)))
    kernel = draw(option(1, 4))
    stride = draw(st.none() | option(1, 3))
    half = tuple(n // 2 for n in both(kernel))
    padding = draw(st.integers(0, min(half)) | st.tuples(st.integers(0, half[0]), st.integers(0, half[1])))
    least = tuple(max(1, n - 2 * p) for n, p in zip(both(kernel), both(padding), strict=True))
    return kind(kernel, stride, padding), (channels, *sides(draw, least))


@st.composite
def rbf(draw):
    """The digits' codes, or a few centres of any length."""
    trainable = draw(st.booleans())
    if draw(st.booleans()):
        return m.RBF(trainable=trainable), (84,)
    units, size = draw(st.integers(1, 5)), draw(st.integers(1, 9))
    numbers = st.sampled_from((-1.0, 0.25, 2.0))
    centres = tuple(tuple(draw(numbers) for _ in range(size)) for _ in range(units))
    return m.RBF(centres, trainable=trainable), (size,)


def layers(kind, shape=any_shape, **options):
    """A layer with these options on an input of that shape."""
    return st.tuples(st.builds(kind, **options), shape)


STRATEGIES = {
    m.Conv2d: conv2d(),
    m.SparseConv2d: sparse_conv2d(),
    m.Subsample: subsample(),
    m.AvgPool2d: pool(m.AvgPool2d),
    m.MaxPool2d: pool(m.MaxPool2d),
    m.Dense: layers(m.Dense, units=st.integers(1, 9), bias=st.booleans(), init=inits, bias_init=bias_inits),
    m.Flatten: layers(m.Flatten),
    m.Dropout: layers(m.Dropout, rate=st.sampled_from((0.0, 0, 0.1, 0.5, 0.8))),
    m.Sigmoid: layers(m.Sigmoid),
    m.Tanh: layers(m.Tanh),
    m.ScaledTanh: layers(m.ScaledTanh),
    m.ReLU: layers(m.ReLU),
    m.LeakyReLU: layers(m.LeakyReLU, negative_slope=st.sampled_from((0.01, 0.3, 0, 1, -0.5, 2.0))),
    m.Softplus: layers(m.Softplus, beta=st.sampled_from((1, 0.5, 3.0, 40.0))),
    m.RBF: rbf(),
    m.Softmax: layers(m.Softmax, shape=st.tuples(st.integers(2, 9))),
}
