"""Hypothesis strategies for the layers: what the contract suite and the comparison with PyTorch draw from.

``STRATEGIES`` gives for every layer class a strategy of (layer, in_shape) that reaches every option. Sizes are small.
"""

import math

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


def sided(most):
    """Padding for each side: ((top, bottom), (left, right)), or one number for an axis."""
    number = st.integers(0, most)
    return st.tuples(st.tuples(number, number), st.tuples(number, number) | number)


def both(value):
    """An option as (rows, columns)."""
    return value if isinstance(value, tuple) else (value, value)


def sides(draw, least, extra=4):
    """A map of at least that size."""
    return (least[0] + draw(st.integers(0, extra)), least[1] + draw(st.integers(0, extra)))


def meets(window, size, places=None):
    """Whether any tap of any of the windows, as many as there are places, falls on the map: padding may keep all off it."""
    places = places or window.out_size(size)
    axes = zip(places, window.kernel, window.stride, window.dilation, window.padding, size, strict=True)
    return all(any(0 <= s * o + d * k - p < n for o in range(places) for k in range(taps)) for places, taps, s, d, p, n in axes)


inits = st.sampled_from(
    (m.TorchDefault(), m.FanInUniform(), m.FanInUniform(1.0), m.LeCunNormal(), m.GlorotUniform(), m.HeNormal())
)
widths = st.sampled_from((1, 4, 11))
"""Output maps of sparse convolutions, which have kernels of their own for widths: a tile, four, and what no tile divides."""

bias_inits = st.sampled_from((m.Constant(0.0), m.Constant(0.5), m.TorchDefault()))
several_channels = st.tuples(st.integers(2, 9)) | st.tuples(st.integers(2, 4), st.integers(1, 3), st.integers(1, 4))
maps = st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6))
any_shape = st.tuples(st.integers(2, 9)) | st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(2, 5))


@st.composite
def conv2d(draw):
    """Strides, dilations, groups, paddings, filters past a block of 8, and at times a window that is the whole map."""
    groups = draw(st.sampled_from((1, 2, 3)))
    channels, filters = groups * draw(st.integers(1, 3)), groups * draw(st.sampled_from((1, 2, 3, 9)))
    kernel = draw(option(1, 4) | st.tuples(st.integers(1, 2), st.integers(5, 6)))
    whole = draw(st.sampled_from((False, False, True)))
    same = not whole and draw(st.booleans())
    padding = "same" if same else 0 if whole else draw(option(0, 2) | sided(2))
    stride = draw(option(1, 3))
    dilation = 1 if whole else draw(option(1, 3))
    frame = (0, 0) if same else tuple(sum(both(p)) for p in both(padding))
    taps = zip(both(kernel), both(dilation), frame, strict=True)
    least = (1, 1) if same else tuple(max(1, d * (k - 1) + 1 - p) for k, d, p in taps)
    size = both(kernel) if whole else sides(draw, least)
    algorithm = draw(st.sampled_from(("auto", "im2col", "direct")))
    options = {"bias": draw(st.booleans()), "algorithm": algorithm, "init": draw(inits), "bias_init": draw(bias_inits)}
    layer = m.Conv2d(filters, kernel, stride=stride, padding=padding, dilation=dilation, groups=groups, **options)
    assume(meets(layer.window(size), size))
    return layer, (channels, *size)


@st.composite
def conv1d(draw):
    """The options of ``conv2d`` along rows; a window that is the whole row at times."""
    groups = draw(st.sampled_from((1, 2, 3)))
    channels, filters = groups * draw(st.integers(1, 3)), groups * draw(st.sampled_from((1, 2, 3, 9)))
    kernel, dilation, number = draw(st.integers(1, 6)), draw(st.integers(1, 3)), st.integers(0, 2)
    padding = draw(number | st.tuples(number, number) | st.just("same"))
    least = 1 if padding == "same" else max(1, dilation * (kernel - 1) + 1 - sum(both(padding)))
    size = least + draw(st.integers(0, 5))
    layer = m.Conv1d(filters, kernel, padding=padding, dilation=dilation, groups=groups, **draw(shared(st.integers(1, 3))))
    window = layer.window((1, size))
    assume(meets(window, (1, size)))
    return layer, (channels, size)


def shared(stride):
    """The options that all convolutions have and whose values do not hang together."""
    algorithms = st.sampled_from(("auto", "im2col", "direct"))
    options = {"stride": stride, "bias": st.booleans(), "algorithm": algorithms, "init": inits, "bias_init": bias_inits}
    return st.fixed_dictionaries(options)


@st.composite
def conv_transpose(draw, kind):
    """Strides, dilations, groups and paddings with as much output_padding as they allow; maps of one pixel at times.

    Padding may cut off whole windows, as long as anything of x is left.
    """
    flat = kind is m.ConvTranspose1d
    numbers = st.integers if flat else option
    groups = draw(st.sampled_from((1, 2, 3)))
    channels, filters = groups * draw(st.sampled_from((1, 2, 9))), groups * draw(st.integers(1, 3))
    kernel, dilation, padding = draw(numbers(1, 5)), draw(numbers(1, 3)), draw(numbers(0, 3))
    options = draw(shared(numbers(1, 3)))
    most = [max(axis) - 1 for axis in zip(both(options["stride"]), both(dilation), strict=True)]
    extra = tuple(draw(st.integers(0, n)) for n in most)
    size = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    grown = zip(size, both(options["stride"]), both(dilation), both(kernel), both(padding), extra, strict=True)
    out = [(n - 1) * s + d * (k - 1) + 1 + e - 2 * p for n, s, d, k, p, e in grown]
    assume(min(out) > 0)
    options |= {"padding": padding, "dilation": dilation, "groups": groups, "output_padding": extra[1] if flat else extra}
    layer = kind(filters, kernel, **options)
    assume(meets(layer.window, out, size))
    return layer, (channels, *size[flat:])


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
    """Windows that overlap, tile, or leave gaps; padding up to half of the window; the common 2 × 2 half the time.

    Maps are as small as the window lets them be; those of a dilated one have two pixels, or a window may miss them.
    """
    channels, flat, mean = draw(st.integers(1, 3)), kind in (m.AvgPool1d, m.MaxPool1d), kind in (m.AvgPool1d, m.AvgPool2d)
    if draw(st.booleans()):
        return kind(2, ceil_mode=draw(st.booleans())), (channels, *sides(draw, (2, 2))[flat:])
    numbers = st.integers if flat else option
    kernel = draw(numbers(1, 4))
    stride = draw(st.none() | numbers(1, 3))
    half = tuple(n // 2 for n in both(kernel))
    padding = draw(st.integers(0, min(half)))
    padding = padding if flat else draw(st.just(padding) | st.tuples(st.integers(0, half[0]), st.integers(0, half[1])))
    options = {"ceil_mode": draw(st.booleans())}
    options |= {"count_include_pad": draw(st.booleans())} if mean else {"dilation": draw(numbers(1, 3))}
    dilation = both(options.get("dilation", 1))
    axes = zip(both(kernel), both(padding), both(stride or kernel), dilation, strict=True)
    ceil = options["ceil_mode"]
    least = tuple(max(1 if mean else d, d * (n - 1) + 1 - 2 * p - (s - 1) * ceil) for n, p, s, d in axes)
    return kind(kernel, stride, padding, **options), (channels, *sides(draw, least)[flat:])


@st.composite
def adaptive(draw):
    """Places that divide the map and that do not, more than it has pixels, and as many as it has."""
    number = st.integers(1, 7)
    return m.AdaptiveAvgPool2d(draw(number | st.tuples(number | st.none(), number | st.none()))), draw(maps)


@st.composite
def upsample(draw):
    """Both modes, with corners aligned and not."""
    linear = {"mode": "bilinear", "align_corners": draw(st.booleans())}
    return m.Upsample(draw(option(1, 3)), **draw(st.sampled_from(({}, linear)))), draw(maps)


@st.composite
def pad2d(draw):
    """Every side by itself, and maps that are large enough to be reflected."""
    padding, mode = draw(option(0, 3) | sided(3)), draw(st.sampled_from(("zeros", "reflect", "replicate")))
    least = tuple(1 + max(both(p)) if mode == "reflect" else 1 for p in both(padding))
    return m.Pad2d(padding, mode), (draw(st.integers(1, 3)), *sides(draw, least, extra=3))


@st.composite
def reshape(draw):
    """The axes in another order, all as one, and one that follows from the rest."""
    in_shape = draw(any_shape)
    shape = draw(st.permutations(in_shape) | st.just([1, -1]) | st.just([-1, *in_shape[1:]]))
    return m.Reshape(tuple(shape)), in_shape


@st.composite
def permute(draw):
    """Every exchange of two neighbouring runs of one to four axes, and the order as it is."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple))
    first, middle, end = sorted(draw(st.integers(0, len(shape))) for _ in range(3))
    own = range(len(shape))
    return m.Permute((*own[:first], *own[middle:end], *own[first:middle], *own[end:])), shape


@st.composite
def index_select(draw):
    """Rows and columns in any order and several times, or all of them."""
    shape = draw(maps)
    rows, columns = (st.none() | st.lists(st.integers(0, n - 1), min_size=1, max_size=6).map(tuple) for n in shape[1:])
    return m.IndexSelect(draw(rows), draw(columns)), shape


@st.composite
def resize(draw):
    """All rules over sizes of any ratio, with scales of their own at times."""
    options = {name: draw(st.sampled_from(choices)) for name, choices in m.nn.resize.CHOICES.items()}
    scales = st.sampled_from((0.4, 0.6, 1.0, 1.7, 2.3))
    given = draw(st.none() | st.tuples(scales, scales))
    return m.Resize(draw(option(1, 7)), scales=given, antialias=draw(st.booleans()), **options), draw(maps)


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


@st.composite
def prelu(draw):
    """One slope, or one for each channel."""
    shape = draw(any_shape)
    return m.PReLU(draw(st.sampled_from((1, shape[0]))), draw(st.sampled_from((0.25, 0, -0.5, 2.0)))), shape


def layers(kind, shape=any_shape, **options):
    """A layer with these options on an input of that shape."""
    return st.tuples(st.builds(kind, **options), shape)


some_maps = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(2, 5))
wide = st.tuples(st.integers(1, 3), st.integers(2, 4), st.integers(3, 5))
epsilons = st.sampled_from((1e-5, 1e-3, 0.1))


@st.composite
def joined(draw, kind):
    """Two or three inputs: of one shape, of different channels, or a value and its gate."""
    shape, several = draw(any_shape), draw(st.integers(2, 3))
    if kind is m.Add:
        return kind(), (shape,) * several
    if kind is m.Concat:
        return kind(), tuple((draw(st.integers(1, 4)), *shape[1:]) for _ in range(several))
    return kind(), (shape, draw(st.sampled_from((shape, shape[:1], (shape[0], *(1 for _ in shape[1:]))))))


@st.composite
def unpool(draw, kind, of):
    """The options of a pool, the values that it would give, and its map."""
    layer, in_shape = draw(pool(of))
    return kind(**vars(layer)), (layer.plan(in_shape).out_shape, in_shape)


@st.composite
def group_norm(draw):
    """Groups of one channel, of several, and of all."""
    groups, own = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    shape = (groups * own, *draw(st.sampled_from(((), (6,), (2, 3)))))
    assume(own * math.prod(shape[1:]) > 5)  # of fewer numbers the deviation may be so small that rounding counts
    return m.GroupNorm(groups, eps=draw(epsilons), affine=draw(st.booleans())), shape


def batch_norm(kind, shape):
    """Every option."""
    flags = {name: st.booleans() for name in ("affine", "track_running_stats")}
    return layers(kind, shape, eps=epsilons, momentum=st.sampled_from((0.1, 0.5, 1, None)), **flags)


layer_norm = layers(
    m.LayerNorm, wide | st.tuples(st.integers(6, 9)), eps=epsilons, elementwise_affine=st.booleans(), bias=st.booleans()
)

STRATEGIES = {
    m.Conv2d: conv2d(),
    m.SparseConv2d: sparse_conv2d(),
    m.Conv1d: conv1d(),
    m.ConvTranspose2d: conv_transpose(m.ConvTranspose2d),
    m.ConvTranspose1d: conv_transpose(m.ConvTranspose1d),
    m.Subsample: subsample(),
    m.AvgPool2d: pool(m.AvgPool2d),
    m.MaxPool2d: pool(m.MaxPool2d),
    m.AvgPool1d: pool(m.AvgPool1d),
    m.MaxPool1d: pool(m.MaxPool1d),
    m.MaxUnpool2d: unpool(m.MaxUnpool2d, m.MaxPool2d),
    m.MaxUnpool1d: unpool(m.MaxUnpool1d, m.MaxPool1d),
    m.GlobalAvgPool2d: layers(m.GlobalAvgPool2d, shape=maps),
    m.GlobalMaxPool2d: layers(m.GlobalMaxPool2d, shape=maps),
    m.AdaptiveAvgPool2d: adaptive(),
    m.Upsample: upsample(),
    m.Pad2d: pad2d(),
    m.Reshape: reshape(),
    m.Permute: permute(),
    m.IndexSelect: index_select(),
    m.Resize: resize(),
    m.Dense: layers(m.Dense, units=st.integers(1, 9), bias=st.booleans(), init=inits, bias_init=bias_inits),
    m.Flatten: layers(m.Flatten),
    m.Dropout: layers(m.Dropout, rate=st.sampled_from((0.0, 0, 0.1, 0.5, 0.8))),
    m.Dropout2d: layers(
        m.Dropout2d, shape=st.tuples(*map(st.integers, (1, 1, 1), (5, 4, 4))), p=st.sampled_from((0, 0.1, 0.5))
    ),
    m.Sigmoid: layers(m.Sigmoid),
    m.Tanh: layers(m.Tanh),
    m.ScaledTanh: layers(m.ScaledTanh),
    m.ReLU: layers(m.ReLU),
    m.PReLU: prelu(),
    **{kind: layers(kind) for kind in (m.ReLU6, m.Hardsigmoid, m.Hardswish, m.SELU, m.SiLU, m.Mish)},
    m.ELU: layers(m.ELU, alpha=st.sampled_from((1, 0.3, 0, 2.5))),
    m.GELU: layers(m.GELU, approximate=st.sampled_from(("none", "tanh"))),
    m.LeakyReLU: layers(m.LeakyReLU, negative_slope=st.sampled_from((0.01, 0.3, 0, 1, -0.5, 2.0))),
    m.Softplus: layers(m.Softplus, beta=st.sampled_from((1, 0.5, 3.0, 40.0))),
    m.RBF: rbf(),
    m.BatchNorm2d: batch_norm(m.BatchNorm2d, some_maps),
    m.BatchNorm1d: batch_norm(m.BatchNorm1d, st.tuples(st.integers(1, 5)) | st.tuples(st.integers(1, 3), st.integers(1, 5))),
    m.GroupNorm: group_norm(),
    m.InstanceNorm2d: layers(m.InstanceNorm2d, wide, eps=epsilons, affine=st.booleans()),
    m.LayerNorm: layers(
        m.LayerNorm, wide | st.tuples(st.integers(6, 9)), eps=epsilons, elementwise_affine=st.booleans(), bias=st.booleans()
    ),
    m.Add: joined(m.Add),
    m.Concat: joined(m.Concat),
    m.Multiply: joined(m.Multiply),
    m.Softmax: layers(m.Softmax, shape=several_channels),
    m.LogSoftmax: layers(m.LogSoftmax, shape=several_channels),
}
