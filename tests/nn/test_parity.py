"""PyTorch as the second opinion: every layer's three passes, edge cases, losses, and ten steps of the three LeNets."""

import math

import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from strategies import STRATEGIES, both, examples

import minicnn as m
from minicnn import Network, models
from minicnn.backends.cpu import CHECK, INTERPRET
from minicnn.testing.joins import items_of

torch = pytest.importorskip("torch")
F = torch.nn.functional

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")]
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])
BACKENDS = pytest.mark.parametrize("backend", ["cpu", "numpy"])
IMAGES = 33
"""Two full groups of lanes and one image over."""


def pairs_of(layer, *names):
    """Options as PyTorch takes them."""
    return {name: both(getattr(layer, name)) for name in names}


def four_sides(padding):
    """A padding as PyTorch's ``pad`` takes it: left, right, top, bottom."""
    rows, columns = map(both, both(padding))
    return (*columns, *rows)


def tensorflows(size, kernel, stride, dilation):
    """The padding of one axis that TensorFlow's documentation gives for "SAME"."""
    reach = dilation * (kernel - 1) + 1
    total = max(reach - stride, 0) if size % stride == 0 else max(reach - size % stride, 0)
    return total // 2, total - total // 2


def conv2d(layer, x, W, b=None):
    options = {"groups": layer.groups, **pairs_of(layer, "stride", "dilation")}
    if layer.padding != "same":
        return F.conv2d(F.pad(x, four_sides(layer.padding)), W, b, **options)
    if options["stride"] == (1, 1):
        return F.conv2d(x, W, b, padding="same", **options)
    axes = zip(x.shape[2:], W.shape[2:], options["stride"], options["dilation"], strict=True)
    return F.conv2d(F.pad(x, four_sides(tuple(tensorflows(*axis) for axis in axes))), W, b, **options)


def conv1d(layer, x, W, b=None):
    padding = layer.padding if layer.padding == "same" else both(layer.padding)
    if padding == "same" and layer.stride > 1:
        padding = tensorflows(x.shape[2], layer.kernel_size, layer.stride, layer.dilation)
    x, padding = (x, padding) if padding == "same" else (F.pad(x, padding), 0)
    return F.conv1d(x, W, b, layer.stride, padding, layer.dilation, layer.groups)


def conv_transpose(layer, x, W, b=None):
    function = F.conv_transpose1d if isinstance(layer, m.ConvTranspose1d) else F.conv_transpose2d
    return function(x, W, b, layer.stride, layer.padding, layer.output_padding, layer.groups, layer.dilation)


def sparse_conv2d(layer, x, W, b):
    maps, first = [], 0
    sizes = layer.group_sizes or (1,) * len(layer.table)
    rows = iter(layer.table)
    for group, size in enumerate(sizes):
        for _ in range(size):
            row = next(rows)
            maps.append(F.conv2d(x[:, list(row)], W[None, first : first + len(row)], b[group : group + 1]))
        first += len(row)
    return torch.cat(maps, 1)


def subsample(layer, x, W, b):
    window = both(layer.window)
    return F.avg_pool2d(x, window) * math.prod(window) * W[:, None, None] + b[:, None, None]


def max_unpool(layer, values, x):
    """By PyTorch's indices; where windows overlap their values are added, which PyTorch has no function for."""
    flat = isinstance(layer, m.MaxUnpool1d)
    _, at = (F.max_pool1d if flat else F.max_pool2d)(x.detach(), **vars(layer), return_indices=True)
    stride = layer.stride or layer.kernel_size
    if both(layer.dilation) == (1, 1) and all(s >= n for s, n in zip(both(stride), both(layer.kernel_size), strict=True)):
        unpool = F.max_unpool1d if flat else F.max_unpool2d
        y = unpool(values, at, layer.kernel_size, stride, layer.padding, x.shape[2:])
    else:
        y = torch.zeros_like(x).flatten(2).scatter_add(2, at.flatten(2), values.flatten(2)).reshape(x.shape)
    return y + 0 * x


def upsample(layer, x):
    corners = layer.align_corners if layer.mode == "bilinear" else None
    return torch.nn.Upsample(scale_factor=layer.scale_factor, mode=layer.mode, align_corners=corners)(x)


def pad2d(layer, x):
    return F.pad(x, four_sides(layer.padding), mode=layer.mode.replace("zeros", "constant"))


def resize(layer, x):
    """By matrices of rows and columns, from the formula of each place by itself."""
    rows, columns = (torch.tensor(matrix, dtype=x.dtype) for matrix in resizing(layer, x.shape[2:]))
    return rows @ x @ columns.T


def resizing(layer, size):
    """What each row, and each column, of y reads of x."""
    scales = layer.scales or tuple(places / n for n, places in zip(size, both(layer.size), strict=True))
    for n, places, scale in zip(size, both(layer.size), scales, strict=True):
        matrix = np.zeros((places, n))
        for o in range(places):
            at = place(layer.coordinate_transformation_mode, o, n, places, scale)
            if layer.mode == "nearest":
                low = math.floor(at)
                up = {"floor": False, "ceil": at > low}.get(layer.nearest_mode, at - low > 0.5)
                up |= layer.nearest_mode == "round_prefer_ceil" and at - low == 0.5
                matrix[o, min(max(low + up, 0), n - 1)] = 1
                continue
            slope = min(scale, 1) if layer.antialias else 1
            taps = range(math.floor(at - 1 / slope) - 1, math.ceil(at + 1 / slope) + 2)
            weights = [max(0, 1 - slope * abs(tap - at)) for tap in taps]
            for tap, weight in zip(taps, weights, strict=True):
                matrix[o, min(max(tap, 0), n - 1)] += weight / sum(weights)
        yield matrix


def place(kind, o, n, places, scale):
    """Where pixel o lies on n pixels."""
    if kind == "align_corners":
        return 0.0 if scale * n == 1 else o * ((n - 1) / (scale * n - 1))
    if kind == "asymmetric":
        return o / scale
    if kind == "pytorch_half_pixel" and scale * n == 1:
        return -0.5
    return (n / 2 * (1 - places / (scale * n)) if kind == "half_pixel_symmetric" else 0.0) + (o + 0.5) / scale - 0.5


def index_select(layer, x):
    for axis, at in ((2, layer.rows), (3, layer.columns)):
        x = x if at is None else torch.index_select(x, axis, torch.tensor(at))
    return x


def rbf(layer, x, W=None):
    centres = torch.tensor(layer.centres, dtype=x.dtype) if W is None else W
    return (x.flatten(1)[:, None] - centres).square().sum(2)


def as_named(layer, x):
    """PyTorch's layer of that name with the same options."""
    return getattr(torch.nn, type(layer).__name__)(**vars(layer))(x)


def batch_norm(layer, x, W=None, b=None):
    return F.batch_norm(x, None, None, W, b, training=True, eps=layer.eps)


OWN = {
    m.BatchNorm1d: batch_norm,
    m.BatchNorm2d: batch_norm,
    m.GroupNorm: lambda layer, x, W=None, b=None: F.group_norm(x, layer.num_groups, W, b, layer.eps),
    m.InstanceNorm2d: lambda layer, x, W=None, b=None: F.instance_norm(x, weight=W, bias=b, eps=layer.eps),
    m.LayerNorm: lambda layer, x, W=None, b=None: F.layer_norm(x, x.shape[1:], W, b, layer.eps),
    m.Add: lambda layer, *xs: sum(xs[1:], xs[0]),
    m.Concat: lambda layer, *xs: torch.cat(xs, 1),
    m.Multiply: lambda layer, x, gate: x * gate.reshape(*gate.shape, *(1,) * (x.ndim - gate.ndim)),
    m.Conv2d: conv2d,
    m.SparseConv2d: sparse_conv2d,
    m.Conv1d: conv1d,
    m.ConvTranspose2d: conv_transpose,
    m.ConvTranspose1d: conv_transpose,
    m.Subsample: subsample,
    m.GlobalAvgPool2d: lambda layer, x: F.adaptive_avg_pool2d(x, 1).flatten(1),
    m.GlobalMaxPool2d: lambda layer, x: F.adaptive_max_pool2d(x, 1).flatten(1),
    m.MaxUnpool2d: max_unpool,
    m.MaxUnpool1d: max_unpool,
    m.Upsample: upsample,
    m.Pad2d: pad2d,
    m.Permute: lambda layer, x: x.permute(0, *(axis + 1 for axis in layer.dims)),
    m.IndexSelect: index_select,
    m.Resize: resize,
    m.Reshape: lambda layer, x: x.reshape(len(x), *layer.shape),
    m.Dense: lambda layer, x, W, b=None: F.linear(x.flatten(1), W, b),
    m.Flatten: lambda layer, x: x.flatten(1),
    m.ScaledTanh: lambda layer, x: 1.7159 * torch.tanh(2 / 3 * x),
    m.LeakyReLU: lambda layer, x: F.leaky_relu(x, float(layer.negative_slope)),
    m.Hardsigmoid: lambda layer, x: F.relu6(x + 3) / 6,  # the gradient of PyTorch's own has 1/6 in float32
    m.PReLU: lambda layer, x, W: F.prelu(x, W),
    m.Softmax: lambda layer, x: F.softmax(x, 1),
    m.LogSoftmax: lambda layer, x: F.log_softmax(x, 1),
    m.RBF: rbf,
}
"""What PyTorch has under another name, or with other options."""

RANDOM = {m.Dropout, m.Dropout2d}
"""Their random numbers are another generator's."""

TORCH = {kind: OWN.get(kind, as_named) for kind in STRATEGIES if kind not in RANDOM}

ACTIVATIONS = [m.Sigmoid, m.Tanh, m.ScaledTanh, m.LeakyReLU, m.ReLU6, m.Hardsigmoid, m.Hardswish, m.PReLU, m.ELU, m.SELU]
ACTIVATIONS += [m.GELU, lambda: m.GELU("tanh"), m.SiLU, m.Mish, m.Softmax, m.LogSoftmax]


def tensor(array):
    """A leaf of PyTorch's graph with these values."""
    return torch.tensor(np.array(array), requires_grad=True)


def close(got, expected, terms, what):
    """Equal up to a few roundings, and one for each term of a sum of numbers near 1."""
    eps = torch.finfo(expected.dtype).eps
    name = f"{what}: {{}}".format
    torch.testing.assert_close(torch.from_numpy(np.array(got)), expected, rtol=10 * eps, atol=4 * eps * terms, msg=name)


def parts_of(x, shapes):
    """A matrix of images cut into parts, each in a shape of its own."""
    parts = torch.split(x, [math.prod(shape) for shape in shapes], 1)
    return [part.reshape(-1, *shape) for part, shape in zip(parts, shapes, strict=True)]


def passes(backend, layer, in_shape, dtype, x, dy_of):
    """Forward, dx and the gradients of the parameters, ours and PyTorch's, by name."""
    items, whole = items_of(layer, in_shape if layer.joins else (in_shape,))
    net = Network(items, whole, dtype=dtype, backend=backend, threads=1)
    x = np.asarray(x, dtype)
    y = net.forward(x, train=True)
    dy = np.asarray(dy_of(y.shape), dtype)
    got = {"y": y, "dx": net.backward(dy), **net.grads}
    leaves = [tensor(x), *map(tensor, net.params.values())]
    expected = TORCH[type(layer)](layer, *(parts_of(leaves[0], in_shape) if layer.joins else leaves[:1]), *leaves[1:])
    expected.backward(torch.from_numpy(dy))
    return net, got, dict(zip(got, [expected.detach(), *(leaf.grad for leaf in leaves)], strict=True))


# --- layers ---


def test_every_layer_but_dropout_is_compared():
    assert set(STRATEGIES) - set(TORCH) == RANDOM


CONVOLUTIONS = {m.Conv2d, m.SparseConv2d, m.Conv1d, m.ConvTranspose2d, m.ConvTranspose1d}


def configurations(kind, backend):
    """How many examples: with ``--full`` a hundred of every convolution, on each backend."""
    if kind not in CONVOLUTIONS:
        return 10 if backend == "cpu" else 2
    return 100 if strategies.SHARE == 1 else 25


@BACKENDS
@DTYPES
@pytest.mark.parametrize("kind", TORCH, ids=lambda kind: kind.__name__)
def test_layer_gives_what_pytorch_gives(kind, dtype, backend):
    @examples(configurations(kind, backend))
    @given(STRATEGIES[kind], st.integers(0, 2**32 - 1))
    def gives_the_same(case, seed):
        layer, in_shape = case
        rng = np.random.default_rng(seed)
        sizes = [math.prod(shape) for shape in (in_shape if layer.joins else (in_shape,))]
        x = rng.standard_normal((IMAGES, sum(sizes)) if layer.joins else (IMAGES, *in_shape))
        net, got, expected = passes(backend, layer, in_shape, dtype, x, rng.standard_normal)
        one_image = sum(sizes) + math.prod(net.out_shape)
        for name, array in got.items():
            terms = one_image if name in ("y", "dx") else IMAGES * math.prod(net.out_shape[1:])
            close(array, expected[name], terms, f"{name} of {layer} on {in_shape}")

    gives_the_same()


@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize("size", [(3, 4), (9, 13)])
def test_resized_maps_are_those_that_pytorch_interpolates(size, corners):
    x = np.random.default_rng(0).standard_normal((3, 2, 6, 7))
    where = "align_corners" if corners else "half_pixel"
    layer = m.Resize(size, mode="linear", coordinate_transformation_mode=where)
    y = Network([layer], x.shape[1:], dtype="float64", threads=1).predict(x)
    expected = F.interpolate(torch.tensor(x), size, mode="bilinear", align_corners=corners)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-12)


def test_of_a_single_place_pytorch_half_pixel_reads_the_first_pixel_and_of_two_the_middles_of_halves():
    x = np.random.default_rng(0).standard_normal((3, 2, 7, 6))
    layer = m.Resize((1, 2), mode="linear", coordinate_transformation_mode="pytorch_half_pixel")
    y = Network([layer], x.shape[1:], dtype="float64", backend="numpy").predict(x)
    np.testing.assert_allclose(y, x[:, :, :1, [1, 4]], rtol=0, atol=1e-12)


@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_half_pixel_symmetric_gives_the_mirror_image_of_a_mirror_image(mode):
    """Also where the size was rounded, so that places over pixels is not the scale."""
    x = np.random.default_rng(0).standard_normal((3, 2, 7, 6))
    options = {"scales": (1.37, 0.71), "coordinate_transformation_mode": "half_pixel_symmetric"}
    net = Network([m.Resize((9, 4), mode=mode, **options)], x.shape[1:], dtype="float64", backend="numpy")
    np.testing.assert_allclose(net.predict(x[:, :, ::-1, ::-1]), net.predict(x)[:, :, ::-1, ::-1], rtol=0, atol=1e-12)


EACH = [
    *(m.Pad2d(((2, 1), (3, 0)), mode) for mode in ("zeros", "reflect", "replicate")),
    *(m.Upsample((2, 3), mode="bilinear", align_corners=corners) for corners in (False, True)),
    *(m.AvgPool2d(3, 2, 1, ceil_mode=up, count_include_pad=zeros) for up in (False, True) for zeros in (False, True)),
    *(m.MaxPool2d(2, ceil_mode=up) for up in (False, True)),
    *(m.MaxPool2d(3, 2, 1, dilation=2, ceil_mode=up) for up in (False, True)),
    m.AdaptiveAvgPool2d((3, 7)),
    m.Conv2d(2, (3, 4), stride=(2, 3), padding="same"),
    m.Conv2d(2, (3, 2), stride=2, padding=((0, 2), (3, 1))),
    m.Conv2d(2, 3, padding="same", groups=2),
    m.Conv2d(2, 3, stride=2, padding="same", groups=2),
    m.Conv2d(4, 5, stride=(1, 2), padding=((0, 2), (2, 1)), groups=2),
]


@BACKENDS
@pytest.mark.parametrize("layer", EACH, ids=repr)
def test_each_rule_at_the_border_is_pytorchs(layer, backend):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 2, 6, 7))
    _, got, expected = passes(backend, layer, x.shape[1:], "float64", x, rng.standard_normal)
    for name, array in got.items():
        close(array, expected[name], 100, f"{name} of {layer}")


@BACKENDS
def test_dropout_keeps_the_share_and_the_mean_that_pytorch_keeps(backend):
    x = np.ones((IMAGES, 4000))
    net = Network([m.Dropout(0.3)], (4000,), dtype="float64", backend=backend, threads=1)
    y, dx = net.forward(x, train=True), net.backward(x)
    torch.manual_seed(0)
    theirs = F.dropout(torch.from_numpy(x), 0.3).numpy()
    np.testing.assert_array_equal(np.unique(y), np.unique(theirs))
    deviation = math.sqrt(0.3 * 0.7 / x.size)
    assert abs((y == 0).mean() - 0.3) < 4 * deviation
    np.testing.assert_array_equal(dx, y)
    np.testing.assert_array_equal(net.predict(x), x)


@BACKENDS
def test_dropout_of_channels_keeps_whole_ones_and_the_share(backend):
    x = np.ones((IMAGES, 400, 2, 3))
    net = Network([m.Dropout2d(0.3)], x.shape[1:], dtype="float64", backend=backend, threads=1)
    y, dx = net.forward(x, train=True), net.backward(x)
    torch.manual_seed(0)
    np.testing.assert_array_equal(np.unique(y), np.unique(F.dropout2d(torch.from_numpy(x), 0.3).numpy()))
    np.testing.assert_array_equal(y, np.broadcast_to(y[..., :1, :1], y.shape))
    deviation = math.sqrt(0.3 * 0.7 / (IMAGES * 400))
    assert abs((y == 0).mean() - 0.3) < 4 * deviation
    np.testing.assert_array_equal(dx, y)
    np.testing.assert_array_equal(net.predict(x), x)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (m.Conv2d(6, (3, 2), groups=2), torch.nn.Conv2d(4, 6, (3, 2), groups=2)),
        (m.Conv1d(6, 3, groups=2), torch.nn.Conv1d(4, 6, 3, groups=2)),
        (m.ConvTranspose2d(6, (3, 2), groups=2), torch.nn.ConvTranspose2d(4, 6, (3, 2), groups=2)),
        (m.ConvTranspose1d(6, 3, groups=2), torch.nn.ConvTranspose1d(4, 6, 3, groups=2)),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_weights_of_convolutions_have_pytorchs_shape_and_fan_in(ours, theirs):
    plan = ours.plan((4, 5, 5)[: theirs.weight.ndim - 1])
    fan_in, _ = torch.nn.init._calculate_fan_in_and_fan_out(theirs.weight)
    for param, tensor in ((plan.params["W"], theirs.weight), (plan.params["b"], theirs.bias)):
        assert param.shape == tensor.shape
        assert param.fan_in == fan_in


# --- edges ---

INF, NAN = math.inf, math.nan


@BACKENDS
@DTYPES
@pytest.mark.parametrize("values", [(0, 1), (-1, 0, NAN), (-INF, 1, INF), (-INF,), (NAN,)], ids=str)
@examples(12)
@given(case=STRATEGIES[m.MaxPool2d], seed=st.integers(0, 2**32 - 1))
def test_max_pool_agrees_about_ties_nan_and_infinity(backend, dtype, values, case, seed):
    agrees_bit_for_bit(backend, dtype, values, case, seed)


@BACKENDS
@pytest.mark.parametrize("values", [(0, 1), (-1, 0, NAN), (-INF,)], ids=str)
@pytest.mark.parametrize("kind", [m.MaxPool1d, m.GlobalMaxPool2d], ids=lambda kind: kind.__name__)
def test_other_pools_of_maxima_do_too(kind, values, backend):
    @examples(5)
    @given(case=STRATEGIES[kind], seed=st.integers(0, 2**32 - 1))
    def do(case, seed):
        agrees_bit_for_bit(backend, "float32", values, case, seed)

    do()


def agrees_bit_for_bit(backend, dtype, values, case, seed):
    """A pool of maxima over a few values, so that many are equal, gives PyTorch's maxima and gradients."""
    layer, in_shape = case
    rng = np.random.default_rng(seed)
    x = rng.choice(values, (IMAGES, *in_shape))
    _, got, expected = passes(backend, layer, in_shape, dtype, x, lambda shape: rng.integers(1, 9, shape))
    for name in ("y", "dx"):
        np.testing.assert_array_equal(got[name], expected[name].numpy(), err_msg=f"{name} of {layer} on {in_shape}")


@BACKENDS
@DTYPES
def test_relu_at_zero_nan_and_infinity(dtype, backend):
    x = [[0.0, -0.0, NAN, INF, -INF, 1e-40, -1e-40, 1]]
    _, got, expected = passes(backend, m.ReLU(), (8,), dtype, x, np.ones)
    wanted, slopes = expected["y"].numpy().copy(), expected["dx"].numpy().copy()
    if dtype == "float32" and backend == "cpu" and not (INTERPRET or CHECK):
        wanted[0, 5] = slopes[0, 5] = 0  # 1e-40 is denormal there, and zero in a program; see test_denormals.py
    np.testing.assert_array_equal(got["y"], wanted)
    known = np.arange(8) != 2  # PyTorch lets the gradient through at NaN; here y > 0 does not hold
    np.testing.assert_array_equal(got["dx"][:, known], slopes[:, known])


@BACKENDS
@DTYPES
@pytest.mark.parametrize("kind", ACTIVATIONS, ids=lambda kind: str(kind()))
def test_activation_agrees_far_out(kind, dtype, backend):
    x = np.array([[0.0, -0.0, 1e-30, 20, -20, 88, -88, 200, -200, 1000, -1000]])
    _, got, expected = passes(backend, kind(), x.shape[1:], dtype, x, np.ones)
    for name in ("y", "dx"):
        close(got[name], expected[name], 1, f"{name} of {kind()}")


@BACKENDS
@DTYPES
@pytest.mark.parametrize("kind", ACTIVATIONS[4:-2], ids=lambda kind: str(kind()))
def test_activation_of_what_is_not_finite(kind, dtype, backend):
    """And at the corners, where what PyTorch takes for the slope counts.

    Its float64 is the reference: with AVX-512, its GELU of ∞ in float32 is NaN.
    """
    x = np.array([[INF, -INF, NAN, 0, -3, 3, 6]])
    with np.errstate(invalid="ignore"):
        _, got, _ = passes(backend, kind(), x.shape[1:], dtype, x, np.ones)
        _, _, double = passes(backend, kind(), x.shape[1:], "float64", x, np.ones)
    expected = {name: double[name].to(getattr(torch, dtype)) for name in ("y", "dx")}
    np.testing.assert_allclose(got["y"][:, :3], expected["y"].numpy()[:, :3], rtol=1e-6)
    for name in ("y", "dx"):
        close(got[name][:, 3:], expected[name][:, 3:], 1, f"{name} of {kind()}")


# --- losses ---


def loss_and_dy(loss, y, target, dtype, backend):
    """The loss at outputs y, and its gradient: where the images are the unit vectors, outputs are weights."""
    net = Network([("it", m.Dense(y.shape[1], bias=False))], (len(y),), dtype=dtype, backend=backend, threads=1)
    net.params["it.W"][...] = y.T
    return net.loss_and_grads(loss, np.eye(len(y)), target), net.grads["it.W"].T


@BACKENDS
@DTYPES
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
@pytest.mark.parametrize("scale", [1, 200], ids=["logits near 0", "logits far out"])
def test_cross_entropy_with_label_smoothing(dtype, smoothing, scale, backend):
    rng = np.random.default_rng(0)
    y, labels = (scale * rng.standard_normal((13, 7))).astype(dtype), rng.integers(0, 7, 13)
    value, dy = loss_and_dy(m.CrossEntropy(label_smoothing=smoothing), y, labels, dtype, backend)
    logits = tensor(y)
    expected = F.cross_entropy(logits, torch.from_numpy(labels), label_smoothing=smoothing)
    expected.backward()
    close(np.array(value, dtype), expected.detach(), 7 * scale, "loss")
    close(dy, logits.grad, 7, "dy")


@BACKENDS
@DTYPES
@pytest.mark.parametrize("on_off", [(1.0, 0.0), (1.0, -1.0), None], ids=["one-hot", "±1", "vectors"])
def test_mse_of_classes_and_of_vectors(dtype, on_off, backend):
    rng = np.random.default_rng(1)
    y, labels = rng.standard_normal((13, 7)).astype(dtype), rng.integers(0, 7, 13)
    on, off = on_off or (0, 0)
    target = np.where(np.arange(7) == labels[:, None], on, off) if on_off else rng.standard_normal((13, 7))
    loss = m.MSE(on, off) if on_off else m.MSE()
    value, dy = loss_and_dy(loss, y, labels if on_off else target, dtype, backend)
    outputs = tensor(y)
    expected = F.mse_loss(outputs, torch.from_numpy(target.astype(dtype)))
    expected.backward()
    close(np.array(value, dtype), expected.detach(), 7, "loss")
    close(dy, outputs.grad, 7, "dy")


# --- ten steps of the three LeNets ---


@pytest.fixture
def one_thread():
    """PyTorch on one thread: on shared processors its teams wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


STEPS = 10


def recipes():
    """Name → our network, loss and optimiser; PyTorch's network, loss and optimiser."""
    import torch_models as theirs

    def one_hot(y, labels):
        return F.mse_loss(y, F.one_hot(labels, 10).to(y.dtype))

    def signs(y, labels):
        return F.mse_loss(y, 2 * F.one_hot(labels, 10).to(y.dtype) - 1)

    sgd = lambda p: torch.optim.SGD(p, 0.01, 0.9)  # noqa: E731
    adam = lambda p: torch.optim.Adam(p, 1e-3)  # noqa: E731
    return {
        "classic": (models.lenet5, m.MSE(1.0, -1.0), m.SGD(0.01, 0.9), theirs.LeNet5, signs, sgd),
        "shared": (models.lenet5s, m.MSE(), m.SGD(0.01, 0.9), theirs.LeNet5s, one_hot, sgd),
        "modern": (models.lenet5_modern, m.CrossEntropy(), m.Adam(1e-3), theirs.LeNet5Modern, F.cross_entropy, adam),
    }


def apart(got, expected):
    """The distance of two arrays as a part of the length of the second."""
    return float(np.linalg.norm(got - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize(
    ("dtype", "tolerance", "backend"), [("float64", 1e-12, "cpu"), ("float32", 5e-5, "cpu"), ("float64", 1e-12, "numpy")]
)
@pytest.mark.parametrize("name", ["classic", "shared", "modern"])
@pytest.mark.usefixtures("one_thread")
def test_ten_steps_of_training_follow_pytorchs(name, dtype, tolerance, backend):
    """Every step's loss and gradients, and in the end the way that every parameter went, from PyTorch's starting values.

    In float32 one step rounds to about 1e-6 of a gradient, and Adam, whose first steps are the gradients' signs, amplifies
    what happens to the smallest.
    """
    make, loss, optimizer, their_model, their_loss, their_optimizer = recipes()[name]
    torch.manual_seed(0)
    net, model = make(dtype=dtype, backend=backend, threads=1), their_model().to(getattr(torch, dtype))
    theirs = {n.replace("weight", "W").replace("bias", "b"): p for n, p in model.named_parameters()}
    start = {n: p.detach().numpy().copy() for n, p in theirs.items()}
    net.load_params(start)
    stepper = their_optimizer(model.parameters())

    rng = np.random.default_rng(0)
    for step in range(STEPS):
        x, labels = rng.standard_normal((IMAGES, *net.in_shape)).astype(dtype), rng.integers(0, 10, IMAGES)
        value = net.loss_and_grads(loss, x, labels)
        stepper.zero_grad()
        expected = their_loss(model(torch.from_numpy(x)), torch.from_numpy(labels))
        expected.backward()
        assert value == pytest.approx(expected.item(), rel=tolerance)
        for n, p in theirs.items():
            assert apart(net.grads[n], p.grad.numpy()) <= tolerance, f"gradient of {n} in step {step}"
        optimizer.step(net)
        stepper.step()
    for n, p in theirs.items():
        assert apart(net.params[n] - start[n], p.detach().numpy() - start[n]) <= 10 * tolerance, f"the way of {n}"
