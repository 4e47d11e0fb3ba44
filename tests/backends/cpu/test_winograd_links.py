"""Convolution over links through Winograd's matrices for rows: against loops, its adjoints, where it is taken, its rounding."""

import naive
import numpy as np
import pytest
import scratch_arrays
from hypothesis import given
from hypothesis import strategies as st
from links import by
from packing import packed
from strategies import examples

from minicnn import MSE, Conv2d, Flatten, Network, ReLU, ScaledTanh, Sigmoid, SparseConv2d, Tanh, models
from minicnn.backends import cpu
from minicnn.backends.cpu import INTERPRET
from minicnn.backends.cpu.compile.host import HOST
from minicnn.backends.cpu.conv import winograd_links
from minicnn.backends.cpu.conv.direct import pack_channels, pack_filters
from minicnn.backends.cpu.tiles.activation import NONE
from minicnn.backends.derived import Derived
from minicnn.backends.program import Program
from minicnn.backends.scratch import Scratch
from minicnn.backends.workspace import Workspace
from minicnn.engine.record import Recorder
from minicnn.nn.window import Window
from minicnn.testing import check_adjoint

WINDOW = Window((5, 5)).array()
HEIGHTS = st.integers(1, 6) if INTERPRET else st.sampled_from((1, 4, 6))  # a kernel for each has to be compiled


@st.composite
def tables(draw):
    """Lanes, links in any number and order, kernels shared at times, and the sizes of x, W and y."""
    C, F, K = draw(st.integers(1, 4)), draw(st.integers(1, 7)), draw(st.integers(1, 5))
    pairs = draw(st.lists(st.tuples(st.integers(0, F - 1), st.integers(0, C - 1)), min_size=1, max_size=14, unique=True))
    links = [(f, c, draw(st.integers(0, K - 1))) for f, c in pairs]
    OH, OW = draw(HEIGHTS), 2 * draw(st.integers(1, 3))
    return draw(st.sampled_from((16, 32))), links, (C, OH + 4, OW + 4), (K, 5, 5), (F, OH, OW)


def forward(x, W, b, links, shape):
    """y in lanes, full of NaN before."""
    y = np.full((*shape, x.shape[-1]), np.nan, x.dtype)
    scratch_arrays.run(*winograd_links.forward(x, W, b, *by(links, 0, len(b)), y, NONE))
    return y


def backward(x, dy, W, links, dW):
    """dx in lanes, full of NaN before; the other gradient is added to dW."""
    first, table = by(links, 1, len(x))
    dx = np.full(x.shape, np.nan, x.dtype)
    scratch_arrays.run(*winograd_links.backward(x, dy, W, first, table[:, 0].copy(), table[:, 2].copy(), dx, dW))
    return dx


def close(got, expected, dtype):
    """Equality up to the rounding of sums that come in another order, and of sixths."""
    np.testing.assert_allclose(got, expected, rtol=0, atol=20 * np.finfo(dtype).eps * max(1, np.abs(expected).max()))


@pytest.mark.interpreted
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@examples(12)
@given(case=tables(), seed=st.integers(0, 2**32 - 1))
def test_it_is_the_convolution_and_both_gradients(dtype, case, seed):
    L, links, x_shape, w_shape, y_shape = case
    rng = np.random.default_rng(seed)
    shapes = (L, *x_shape), w_shape, y_shape[:1], (L, *y_shape), w_shape
    x, W, b, dy, dW = (rng.uniform(-1, 1, shape).astype(dtype) for shape in shapes)
    exact = [array.astype(np.float64) for array in (x, W, b, dy, dW)]
    y = forward(naive.to_lanes(x, L), W, b, links, y_shape)
    close(naive.from_lanes(y, L), naive.sparse_conv2d(*exact[:3], links, WINDOW, *y_shape[1:]), dtype)
    dx = backward(naive.to_lanes(x, L), naive.to_lanes(dy, L), W, links, dW)
    close(naive.from_lanes(dx, L), naive.sparse_conv2d_dx(exact[3], exact[1], links, WINDOW, *x_shape), dtype)
    close(dW, exact[4] + naive.sparse_conv2d_dW(exact[0], exact[3], links, WINDOW, len(W)), dtype)


@pytest.mark.interpreted
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan, "huge"])
def test_a_number_that_is_not_finite_or_huge_makes_what_the_plain_sum_makes_of_it(dtype, bad):
    L, links, (C, H, width), (OH, OW) = 16, [(0, 0, 0), (1, 0, 1), (1, 2, 2), (2, 1, 1), (3, 2, 0)], (3, 8, 10), (4, 6)
    rng = np.random.default_rng(5)
    x, W, dy = (rng.uniform(0.5, 1, s).astype(dtype) for s in ((L, C, H, width), (3, 5, 5), (L, 4, OH, OW)))
    W *= np.where(np.indices((5, 5)).sum(axis=0) % 2, -1, 1).astype(dtype)
    b, dW = np.zeros(4, dtype), np.zeros_like(W)
    clean = forward(naive.to_lanes(x, L), W, b, links, (4, OH, OW))
    value, places = bad, ((x, (5, 2, 3, 4)), (dy, (7, 1, 2, 2)))
    if bad == "huge":  # sums of four such numbers have no float, but those of 25 sixty-fourths of one
        x, W, dy = x / 64, W / 64, dy / 64
        value, places = np.finfo(dtype).max / 2, ((x, (5, 2)), (dy, (7, 1)))
    with np.errstate(all="ignore"):
        for array, at in places:
            a, c = (array.copy() if array is other else other for other in (x, dy))
            (a if array is x else c)[at] = value
            dW[:] = 0
            y = forward(naive.to_lanes(a, L), W, b, links, (4, OH, OW))
            dx = backward(naive.to_lanes(a, L), naive.to_lanes(c, L), W, links, dW)
            a, c, exact = (values.astype(np.float64) for values in (a, c, W))
            same(naive.from_lanes(y, L), naive.sparse_conv2d(a, exact, b, links, WINDOW, OH, OW), a, dtype)
            same(naive.from_lanes(dx, L), naive.sparse_conv2d_dx(c, exact, links, WINDOW, C, H, width), c, dtype)
            same(dW, naive.sparse_conv2d_dW(a, c, links, WINDOW, len(W)), np.append(a.ravel(), c.ravel()), dtype)
            if array is x and bad != "huge":
                others = np.arange(L) != 5
                np.testing.assert_array_equal(y[..., others], clean[..., others])


@pytest.mark.interpreted
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bad", [np.inf, np.nan, "huge"])
def test_over_all_links_too(dtype, bad):
    L, C, F, size, padding = 16, 4, 9, (4, 6), (2, 2)
    rng, window = np.random.default_rng(6), Window((5, 5), padding=padding)
    x, W = (rng.uniform(-1, 1, s).astype(dtype) for s in ((L, C, *size), (F, C, 5, 5)))
    if bad == "huge":
        x[3, 1], W = np.finfo(dtype).max / 2, W / 64
    else:
        x[3, 1, 2, 2] = bad
    turned = W.transpose(1, 0, 2, 3).copy()
    with np.errstate(all="ignore"):
        y = dense_forward(naive.to_lanes(x, L), W, np.zeros(F, dtype), padding)
        dx = dense_backward(naive.to_lanes(x, L), turned, padding, size)
        x, W, turned = (values.astype(np.float64) for values in (x, W, turned))
        same(naive.from_lanes(y, L), naive.conv2d(x, W, np.zeros(F), window.array(), *size), x, dtype)
        same(naive.from_lanes(dx, L), naive.conv2d_dx(x, turned, window.array(), *size), x, dtype)


def same(got, expected, given, dtype):
    """Equality, infinite and NaN numbers included, up to the rounding of the largest number that was given or came out."""
    finite, largest = np.isfinite(expected), np.abs(given[np.isfinite(given)]).max()
    np.testing.assert_array_equal(got[~finite], expected[~finite])
    atol = 100 * np.finfo(dtype).eps * max(1, largest, np.abs(expected[finite]).max())
    np.testing.assert_allclose(got[finite], expected[finite], rtol=0, atol=atol)


@examples(12)
@given(case=tables(), seed=st.integers(0, 2**32 - 1))
def test_the_directions_are_adjoint(case, seed):
    L, links, x_shape, w_shape, y_shape = case
    rng = np.random.default_rng(seed)
    x, W, none = rng.standard_normal((*x_shape, L)), rng.standard_normal(w_shape), np.zeros(y_shape[0])
    check_adjoint(
        lambda x: forward(x, W, none, links, y_shape),
        lambda dy: backward(x, dy, W, links, np.zeros(w_shape)),
        x.shape,
        (*y_shape, L),
    )

    def weight_gradient(dy):
        dW = np.zeros(w_shape)
        backward(x, dy, W, links, dW)
        return dW

    check_adjoint(lambda W: forward(x, W, none, links, y_shape), weight_gradient, w_shape, (*y_shape, L))


@st.composite
def convolutions(draw):
    """Lanes, the shapes of x and W, and the padding of windows whose outputs and pixels fill patches."""
    padding = draw(st.tuples(st.integers(0, 4), st.integers(0, 2).map(lambda p: 2 * p)))
    OH, OW = draw(HEIGHTS), 2 * draw(st.integers(1, 3))
    size = [max(1, OH + 4 - 2 * padding[0]), max(2, OW + 4 - 2 * padding[1])]
    maps = st.integers(1, 9) if INTERPRET else st.sampled_from((1, 4, 9))
    return draw(st.sampled_from((16, 32))), (draw(maps), *size), draw(maps), padding


def dense_forward(x, W, b, padding):
    """y in lanes, full of NaN before."""
    out = Window((5, 5), padding=padding).out_size(x.shape[1:3])
    y = np.full((len(W), *out, x.shape[-1]), np.nan, x.dtype)
    scratch_arrays.run(*winograd_links.dense(x, packed(pack_filters, W, len(W)), b, padding, y, NONE, turned=False))
    return y


def dense_backward(dy, W, padding, size):
    """dx in lanes, full of NaN before."""
    channels, border = W.shape[1], (4 - padding[0], 4 - padding[1])
    dx, none = np.full((channels, *size, dy.shape[-1]), np.nan, dy.dtype), np.zeros(channels, dy.dtype)
    scratch_arrays.run(*winograd_links.dense(dy, packed(pack_channels, W, channels), none, border, dx, NONE, turned=True))
    return dx


@pytest.mark.interpreted
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@examples(12)
@given(case=convolutions(), seed=st.integers(0, 2**32 - 1))
def test_over_all_links_it_is_the_convolution_and_the_gradient_of_its_input(dtype, case, seed):
    L, (C, *size), F, padding = case
    rng, window = np.random.default_rng(seed), Window((5, 5), padding=padding)
    OH, OW = window.out_size(size)
    x, W, b, dy = (rng.uniform(-1, 1, s).astype(dtype) for s in ((L, C, *size), (F, C, 5, 5), (F,), (L, F, OH, OW)))
    exact = [array.astype(np.float64) for array in (x, W, b, dy)]
    y = dense_forward(naive.to_lanes(x, L), W, b, padding)
    close(naive.from_lanes(y, L), naive.conv2d(*exact[:3], window.array(), OH, OW), dtype)
    dx = dense_backward(naive.to_lanes(dy, L), W, padding, size)
    close(naive.from_lanes(dx, L), naive.conv2d_dx(exact[3], exact[1], window.array(), *size), dtype)


@pytest.mark.parametrize("padding", [(0, 0), (2, 2), (3, 4)])
def test_over_all_links_both_directions_are_adjoint(padding):
    W, size = np.random.default_rng(1).standard_normal((9, 5, 5, 5)), (6, 8)
    shape = (9, *Window((5, 5), padding=padding).out_size(size), 16)
    forth, back = (lambda x: dense_forward(x, W, np.zeros(9), padding)), (lambda dy: dense_backward(dy, W, padding, size))
    check_adjoint(forth, back, (5, *size, 16), shape)


def arrays(channels=6, filters=16, height=10, width=10, kernel=5, links=60, lanes=16, dtype="float32"):
    """x, the kernels' size, the number of links and y of a convolution."""
    x = np.zeros((channels, height + kernel - 1, width + kernel - 1, lanes), dtype)
    return x, (kernel, kernel), links, np.zeros((filters, height, width, lanes), dtype)


def test_it_is_for_kernels_of_five_and_links_enough():
    fits = HOST.registers >= 32
    assert winograd_links.applies(*arrays()) == fits
    assert winograd_links.applies(*arrays(height=22, width=8, links=44)) == fits
    others = [{"height": 23}, {"width": 9}, {"kernel": 3}, {"links": 43}, {"lanes": 1}, {"dtype": "float64"}]
    assert not any(winograd_links.applies(*arrays(**option)) for option in others)


needs_the_rule = pytest.mark.skipif(INTERPRET or HOST.registers < 32, reason="the rule is for compiled kernels, 32 registers")


@needs_the_rule
def test_lenet5_takes_that_way_forward_and_back():
    names = [call.kernel.__name__ for call in models.lenet5(threads=1).program().calls]
    assert names.count("winograd_links") == names.count("winograd_links_backward") == 1
    assert "sparse_conv2d_dx" not in names


@needs_the_rule
@pytest.mark.parametrize(
    ("layer", "forward", "backward"),
    [
        (Conv2d(16, 5), "winograd_links", "winograd_links_backward"),
        (Conv2d(16, 5, padding=2), "winograd_links", "winograd_links"),
        (Conv2d(16, 5, padding=2, groups=2), "winograd_links", "winograd_links"),
        (Conv2d(16, 5, groups=2), "winograd_links", "conv2d_dx"),  # dx is too large for dy
        (Conv2d(16, 5, padding=(2, 1)), "conv2d", "conv2d_dx"),  # an odd number of columns
        (Conv2d(16, 5, padding=2, stride=2), "conv2d", "conv2d_dx"),
        (Conv2d(16, 5, padding=4, dilation=2), "conv2d", "conv2d_dx"),
        (Conv2d(16, (5, 3), padding=(2, 1)), "conv2d", "conv2d_dx"),
    ],
)
def test_a_dense_convolution_of_five_takes_that_way(layer, forward, backward):
    width = 13 if layer.padding == (2, 1) and layer.kernel_size == 5 else 14
    net = Network([("C1", Conv2d(16, 1)), ("C3", layer), Flatten()], (2, 14, width), threads=1)
    took = [(call.where, call.kernel.__name__) for call in net.program().calls]
    assert {name for where, name in took if where == "C3 forward"} == {forward}
    assert backward in {name for where, name in took if where == "C3 backward"}


def gradients(kind, dy, other, links, window=(5, 5, 1, 1, 0, 0, 1, 1)):
    """The calls of both gradients of a convolution of 4 channels and 12 maps, dW's as a dense or a sparse one's."""
    links = np.array(links)
    others = links if kind == "sparse" else np.column_stack([links[:, :2], links[::-1, 2]])
    x, W, dx = np.zeros((4, 10, 10, 16), np.float32), np.zeros((48, 5, 5), np.float32), np.zeros((4, 10, 10, 16), np.float32)
    program = Program()
    k = Recorder(cpu.BACKEND, program)
    if kind == "dense":
        k.conv2d_dW_add(x, dy, np.array(window), np.zeros((12, 4, 5, 5), np.float32))
    else:
        k.sparse_conv2d_dW_add(x, dy, others, W.copy())
    k.sparse_conv2d_dx(other, W, links, dx)
    return [call.name for call in cpu.BACKEND.lowering.lower(program, Workspace(Derived(np.empty(0)), Scratch())).calls]


@needs_the_rule
def test_only_both_gradients_of_one_convolution_become_one_call():
    dy, other = (np.zeros((12, 6, 6, 16), np.float32) for _ in range(2))
    links = [(f, c, 4 * f + c) for f in range(12) for c in range(4)]
    turned = [(f, c, 47 - k) for f, c, k in links]
    assert len(gradients("dense", dy, dy, links)) == len(gradients("sparse", dy, dy, links)) == 1
    assert len(gradients("sparse", dy, dy, turned)) == 1
    assert len(gradients("dense", dy, other, links)) == len(gradients("sparse", dy, other, links)) == 2
    assert len(gradients("dense", dy, dy, turned)) == len(gradients("sparse, other kernels", dy, dy, links)) == 2
    strided = gradients("dense", dy, dy, links, window=(5, 5, 2, 2, 0, 0, 1, 1))
    assert strided[-2:] == ["conv2d_dW_add", "sparse_conv2d_dx"]


TABLE = tuple(tuple((f + i) % 4 for i in range(3)) for f in range(12))


@needs_the_rule
@pytest.mark.parametrize("activation", [ReLU, ScaledTanh, Tanh, Sigmoid])
def test_an_activation_function_in_its_store_gives_the_same_bits(activation):
    both = Network([("C3", SparseConv2d(TABLE, 5)), activation()], (4, 9, 10), threads=1)
    alone = Network([("C3", SparseConv2d(TABLE, 5))], (4, 9, 10), threads=1)
    alone.load_params(both.params)
    after = Network([activation()], alone.out_shape, threads=1)
    x = np.random.default_rng(2).standard_normal((20, 4, 9, 10)).astype(np.float32)
    assert winograd_links.applies(*arrays(4, 12, 5, 6, links=36))
    np.testing.assert_array_equal(both.predict(x), after.predict(alone.predict(x)))


@needs_the_rule
def test_it_rounds_little_more_than_the_direct_sum():
    rng = np.random.default_rng(3)
    layers = [("C3", SparseConv2d(TABLE, 5)), ("C5", SparseConv2d(tuple(tuple(range(12)) for _ in range(12)), 5)), Flatten()]
    exact, single = (Network(layers, (4, 14, 14), threads=1, dtype=dtype, seed=4) for dtype in ("float64", "float32"))
    single.load_params(exact.params)
    exact.load_params(single.params)
    x = rng.standard_normal((16, 4, 14, 14)).astype(np.float32)
    target = rng.standard_normal((16, *exact.out_shape)).astype(np.float32)
    expected = exact.predict(x.astype(np.float64))
    assert np.abs(single.predict(x) - expected).max() < 2e-6 * np.abs(expected).max()
    for net in (exact, single):
        net.loss_and_grads(MSE(), x.astype(net.dtype), target.astype(net.dtype))
    for name, gradient in exact.grads.items():
        assert np.abs(single.grads[name] - gradient).max() < 4e-6 * np.abs(gradient).max(), name
