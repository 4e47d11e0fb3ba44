"""Convolution over links through Winograd's matrices for rows: against loops, its adjoints, where it is taken, its rounding."""

import naive
import numpy as np
import pytest
import rooms
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

from minicnn import MSE, Flatten, Network, ReLU, ScaledTanh, Sigmoid, SparseConv2d, Tanh, models
from minicnn.backends.cpu import INTERPRET, winograd_sparse
from minicnn.backends.cpu.host import HOST
from minicnn.backends.cpu.squash import NONE
from minicnn.geometry import Window
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


def by(links, column, count):
    """Where the links of each map (0) or channel (1) begin, and the links sorted so."""
    table = np.array(sorted(links, key=lambda link: link[column]))
    return np.searchsorted(table[:, column], np.arange(count + 1)), table


def forward(x, W, b, links, shape):
    """y in lanes, full of NaN before."""
    y = np.full((*shape, x.shape[-1]), np.nan, x.dtype)
    rooms.run(*winograd_sparse.forward(x, W, b, *by(links, 0, len(b)), y, NONE))
    return y


def backward(x, dy, W, links, dW):
    """dx in lanes, full of NaN before; the other gradient is added to dW."""
    first, table = by(links, 1, len(x))
    dx = np.full(x.shape, np.nan, x.dtype)
    rooms.run(*winograd_sparse.backward(x, dy, W, first, table[:, 0].copy(), table[:, 2].copy(), dx, dW))
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


def arrays(channels=6, filters=16, height=10, width=10, kernel=5, links=60, lanes=16, dtype="float32"):
    """x, W, the links and y of a convolution."""
    x = np.zeros((channels, height + kernel - 1, width + kernel - 1, lanes), dtype)
    return x, np.zeros((links, kernel, kernel), dtype), np.zeros(links), np.zeros((filters, height, width, lanes), dtype)


def test_it_is_for_kernels_of_five_and_links_enough():
    fits = HOST.registers >= 32
    assert winograd_sparse.applies(*arrays()) == fits
    assert winograd_sparse.applies(*arrays(height=22, width=8, links=44)) == fits
    others = [{"height": 23}, {"width": 9}, {"kernel": 3}, {"links": 43}, {"lanes": 1}, {"dtype": "float64"}]
    assert not any(winograd_sparse.applies(*arrays(**option)) for option in others)


needs_the_rule = pytest.mark.skipif(INTERPRET or HOST.registers < 32, reason="the rule is for compiled kernels, 32 registers")


@needs_the_rule
def test_lenet5_takes_that_way_forward_and_back():
    names = [call.kernel.__name__ for call in models.lenet5(threads=1).program().calls]
    assert names.count("sparse_conv2d_winograd") == names.count("sparse_conv2d_winograd_backward") == 1
    assert "sparse_conv2d_dx" not in names


TABLE = tuple(tuple((f + i) % 4 for i in range(3)) for f in range(12))


@needs_the_rule
@pytest.mark.parametrize("squash", [ReLU, ScaledTanh, Tanh, Sigmoid])
def test_a_squashing_function_in_its_store_gives_the_same_bits(squash):
    both = Network([("C3", SparseConv2d(TABLE, 5)), squash()], (4, 9, 10), threads=1)
    alone = Network([("C3", SparseConv2d(TABLE, 5))], (4, 9, 10), threads=1)
    alone.load_params(both.params)
    after = Network([squash()], alone.out_shape, threads=1)
    x = np.random.default_rng(2).standard_normal((20, 4, 9, 10)).astype(np.float32)
    assert winograd_sparse.applies(*arrays(4, 12, 5, 6, links=36))
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
