"""Convolution through Winograd's matrices: against loops, its adjoint, where a network takes that way, and what it rounds.

On small whole numbers every product is a multiple of 1/4, so that sums are exact and so is equality.
"""

import naive
import numpy as np
import pytest
import scratch_arrays
from hypothesis import given
from hypothesis import strategies as st
from packing import packed
from strategies import examples

from minicnn import CrossEntropy, Flatten, Network, ReLU, ScaledTanh, Sigmoid, Tanh
from minicnn.backends.cpu import INTERPRET
from minicnn.backends.cpu.conv import winograd
from minicnn.backends.cpu.conv.direct import pack_channels, pack_filters
from minicnn.backends.cpu.tiles.activation import NONE
from minicnn.nn import Conv2d
from minicnn.nn.window import Window
from minicnn.testing import check_adjoint

MAPS = st.integers(1, 17) if INTERPRET else st.sampled_from((3, 8, 13))  # a kernel for each has to be compiled


@st.composite
def convolutions(draw):
    """Lanes, the shapes of x and W, and the padding."""
    padding = draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
    least = [max(1, 7 - 2 * p) for p in padding]  # rows and columns of output enough for one tile of patches
    rows, columns = (draw(st.integers(n, n + 6)) for n in least)
    return draw(st.sampled_from((16, 32))), (draw(MAPS), rows, columns), draw(MAPS), padding


def run(x, weights, b, border, y_shape, turned):
    """The kernel's y, full of NaN before."""
    y = np.full((*y_shape, x.shape[-1]), np.nan, x.dtype)
    scratch_arrays.run(*winograd.rewritten(x, weights, b, border, y, NONE, turned))
    return y


def forward(x, W, b, padding):
    """y in lanes."""
    _, H, width, _ = x.shape
    shape = (len(W), H + 2 * padding[0] - 2, width + 2 * padding[1] - 2)
    return run(x, packed(pack_filters, W, len(W)), b, padding, shape, turned=False)


def backward(dy, W, padding, size):
    """dx in lanes."""
    channels, border = W.shape[1], (2 - padding[0], 2 - padding[1])
    return run(dy, packed(pack_channels, W, channels), np.zeros(channels, W.dtype), border, (channels, *size), turned=True)


@pytest.mark.interpreted
@pytest.mark.parametrize("together", [winograd.TOGETHER, 8])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@examples(12)
@given(case=convolutions(), seed=st.integers(0, 2**32 - 1))
def test_it_is_the_convolution_and_the_gradient_of_its_input(dtype, together, case, seed):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "TOGETHER", together)
        compare(dtype, case, seed)


def compare(dtype, case, seed):
    """Equality with loops."""
    lanes, (C, H, W_in), F, padding = case
    rng = np.random.default_rng(seed)
    window = Window((3, 3), padding=padding)
    OH, OW = window.out_size((H, W_in))
    shapes = (lanes, C, H, W_in), (F, C, 3, 3), (F,), (lanes, F, OH, OW)
    x, W, b, dy = (rng.integers(-3, 4, shape).astype(dtype) for shape in shapes)
    y = forward(naive.to_lanes(x, lanes), W, b, padding)
    np.testing.assert_array_equal(naive.from_lanes(y, lanes), naive.conv2d(x, W, b, window.array(), OH, OW))
    dx = backward(naive.to_lanes(dy, lanes), W, padding, (H, W_in))
    np.testing.assert_array_equal(naive.from_lanes(dx, lanes), naive.conv2d_dx(dy, W, window.array(), H, W_in))


@pytest.mark.interpreted
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan, "huge"])
def test_a_pixel_that_is_not_finite_or_huge_makes_what_the_plain_sum_makes_of_it(dtype, bad):
    """Its patch holds windows that it does not lie in; and four huge pixels have no finite sum, while their window has."""
    lanes, C, F, size, padding = 16, 3, 8, (7, 6), (1, 1)
    rng, window = np.random.default_rng(5), Window((3, 3), padding=padding)
    x, W, b = (rng.integers(1, 4, s).astype(dtype) for s in ((lanes, C, *size), (F, C, 3, 3), (F,)))
    W[:, :, 1] *= -1
    clean = forward(naive.to_lanes(x, lanes), W, b, padding)
    if bad == "huge":
        x[5, 1] = np.finfo(dtype).max / 2
        W /= 64
    else:
        x[5, 1, 2, 3] = bad
    with np.errstate(invalid="ignore", over="ignore"):
        y = forward(naive.to_lanes(x, lanes), W, b, padding)
        dx = backward(naive.to_lanes(x, lanes), W.transpose(1, 0, 2, 3).copy(), padding, size)
        expected = naive.conv2d(x, W, b, window.array(), *size)
        expected_dx = naive.conv2d_dx(x, W.transpose(1, 0, 2, 3).copy(), window.array(), *size)
    largest = np.abs(x[np.isfinite(x)]).max()
    same(naive.from_lanes(y, lanes), expected, largest, dtype)
    same(naive.from_lanes(dx, lanes), expected_dx, largest, dtype)
    if bad != "huge":
        others = np.arange(lanes) != 5
        np.testing.assert_array_equal(y[..., others], clean[..., others])


def same(got, expected, largest, dtype):
    """Equality, infinite and NaN numbers included, up to the rounding of products so large."""
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(got[~finite], expected[~finite])
    np.testing.assert_allclose(got[finite], expected[finite], rtol=0, atol=8 * np.finfo(dtype).eps * largest)


@pytest.mark.parametrize("padding", [(0, 0), (1, 1), (2, 1)])
def test_both_directions_are_adjoint(padding):
    W = np.random.default_rng(1).standard_normal((9, 5, 3, 3))
    none, size = np.zeros(9), (9, 8)
    shape = (9, size[0] + 2 * padding[0] - 2, size[1] + 2 * padding[1] - 2, 16)
    check_adjoint(lambda x: forward(x, W, none, padding), lambda dy: backward(dy, W, padding, size), (5, *size, 16), shape)


def arrays(channels=32, filters=32, size=8, kernel=3, lanes=16, dtype="float32", **options):
    """x, y and g of a convolution."""
    window = Window((kernel, kernel), **options)
    out = window.out_size((size, size))
    return np.zeros((channels, size, size, lanes), dtype), np.zeros((filters, *out, lanes), dtype), window.array()


def test_it_is_for_plain_windows_of_three_and_many_maps():
    assert winograd.applies(*arrays())
    assert winograd.applies(*arrays(padding=(2, 2)))
    assert winograd.applies(*arrays(winograd.FEWEST, winograd.FEWEST))
    few = winograd.FEWEST - 1
    others = [{"channels": few}, {"filters": few}, {"size": 5}, {"kernel": 5}, {"lanes": 1}, {"dtype": "float64"}]
    others += [{"stride": (2, 2)}, {"dilation": (2, 2)}, {"padding": (3, 3)}]
    assert not any(winograd.applies(*arrays(**option)) for option in others)


def kernels(net):
    """Which function every call of the training program is."""
    return {str(call): call.kernel.__name__ for call in net.program().calls if call.name.startswith("conv2d")}


@pytest.mark.skipif(INTERPRET, reason="the rules are for compiled kernels")
def test_a_network_takes_that_way_forward_and_back():
    net = Network([Conv2d(32, 3, padding=1), ReLU(), Conv2d(40, 3, padding=1), ReLU(), Flatten()], (32, 8, 8), threads=1)
    took = kernels(net)
    assert list(took.values()).count("conv2d_winograd") == 3, took  # C1 has no gradient of its input


@pytest.mark.skipif(INTERPRET, reason="the rules are for compiled kernels")
@pytest.mark.parametrize("activation", [ReLU, ScaledTanh, Tanh, Sigmoid])
def test_an_activation_function_in_its_store_gives_the_same_bits(activation):
    shape = (32, 9, 9)
    both = Network([("C1", Conv2d(33, 3, padding=1)), activation()], shape, threads=1)
    alone = Network([("C1", Conv2d(33, 3, padding=1))], shape, threads=1)
    alone.load_params(both.params)
    after = Network([activation()], alone.out_shape, threads=1)
    x = np.random.default_rng(2).standard_normal((20, *shape)).astype(np.float32)
    np.testing.assert_array_equal(both.predict(x), after.predict(alone.predict(x)))


@pytest.mark.skipif(INTERPRET, reason="float32 is rounded by compiled kernels")
def test_it_rounds_little_more_than_the_direct_sum():
    rng = np.random.default_rng(3)
    x, target = rng.standard_normal((16, 64, 12, 12)), rng.integers(0, 10, 16)
    layers = [("C1", Conv2d(64, 3, padding=1)), ("C2", Conv2d(64, 3)), Flatten()]
    exact, single = (Network(layers, (64, 12, 12), threads=1, dtype=dtype, seed=4) for dtype in ("float64", "float32"))
    single.load_params(exact.params)
    exact.load_params(single.params)
    scale = np.abs(exact.predict(x)).max()
    x = x.astype(np.float32)
    assert np.abs(single.predict(x) - exact.predict(x.astype(np.float64))).max() < 4e-6 * scale
    for net in (exact, single):
        net.loss_and_grads(CrossEntropy(), x.astype(net.dtype), target)
    for name, expected in exact.grads.items():
        assert np.abs(single.grads[name] - expected).max() < 4e-6 * np.abs(expected).max(), name
