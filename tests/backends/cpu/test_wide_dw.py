"""The weight gradient by vectors of filters: against loops on whole numbers, its adjoint, and where networks take that way."""

import naive
import numpy as np
import pytest
import scratch_arrays
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

from minicnn import Conv2d, Flatten, Network
from minicnn.backends.cpu import INTERPRET
from minicnn.backends.cpu.compile.host import HOST
from minicnn.backends.cpu.conv import wide_dw
from minicnn.nn.window import Window
from minicnn.testing import check_adjoint

CHANNELS = st.integers(1, 17) if INTERPRET else st.sampled_from((3, 8, 13))  # a kernel for each tile has to be compiled


@st.composite
def windows(draw):
    """A window and the size of the map it runs over."""

    def both(least, most):
        return draw(st.tuples(*[st.integers(least, most)] * 2))

    window = Window(both(1, 4), both(1, 3), both(0, 3), both(1, 2))
    least = [max(1, (k - 1) * d + 1 - 2 * p) for k, p, d in zip(window.kernel, window.padding, window.dilation, strict=True)]
    return window, tuple(n + draw(st.integers(0, 6)) for n in least)


def run(x, dy, g, shape, start=0.0):
    """dW added to ``start``."""
    dW = np.full(shape, start, x.dtype)
    scratch_arrays.run(*wide_dw.rewritten(x, dy, g, dW))
    return dW


@pytest.mark.interpreted
@pytest.mark.parametrize("scratch", [wide_dw.SCRATCH_BYTES, 1])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@examples(8)
@given(
    case=windows(), channels=CHANNELS, vectors=st.sampled_from((2, 3)), lanes=st.sampled_from((16, 32)), seed=st.integers(0, 99)
)
def test_it_adds_the_gradient_of_the_weights(dtype, scratch, case, channels, vectors, lanes, seed):
    (window, size), filters, rng = case, vectors * HOST.width(np.dtype(dtype).itemsize), np.random.default_rng(seed)
    x = rng.integers(-3, 4, (lanes, channels, *size)).astype(dtype)
    dy = rng.integers(-3, 4, (lanes, filters, *window.out_size(size))).astype(dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wide_dw, "SCRATCH_BYTES", scratch)
        g, shape = window.array(), (filters, channels, *window.kernel)
        dW = run(naive.to_lanes(x, lanes), naive.to_lanes(dy, lanes), g, shape, start=5)
    np.testing.assert_array_equal(dW, naive.conv2d_dW(x, dy, g) + 5)


@pytest.mark.parametrize("stride", [1, 2])
def test_it_is_adjoint_to_the_convolution(stride):
    window, size, rng = Window((3, 2), (stride, 1), (1, 1)), (7, 5), np.random.default_rng(3)
    out, shape = window.out_size(size), (2 * HOST.width(8), 9, 3, 2)
    x = rng.standard_normal((16, 9, *size))

    def forward(W):
        return naive.to_lanes(naive.conv2d(x, W, np.zeros(len(W)), window.array(), *out), 16)

    def backward(dy):
        return run(naive.to_lanes(x, 16), dy, window.array(), shape)

    check_adjoint(forward, backward, shape, (shape[0], *out, 16))


def test_the_tile_divides_the_filters_and_fits_the_registers():
    for channels in (8, 9, 32, 64, 100, 256):
        for vectors in (2, 3, 4, 6, 9, 16):
            rows, cols = wide_dw.tile_size(channels, vectors)
            assert vectors % cols == 0
            assert rows <= min(channels, wide_dw.POINTERS)
            assert rows * cols + cols + 1 <= HOST.registers


def test_it_is_for_whole_vectors_of_filters_and_enough_channels():
    w = HOST.width(4)

    def applies(channels=8, filters=2 * w, lanes=16):
        return wide_dw.applies(np.zeros((channels, 3, 3, lanes), "f4"), np.zeros((filters, 3, 3, lanes), "f4"))

    assert applies()
    assert applies(filters=3 * w)
    assert not any(applies(**other) for other in ({"channels": 7}, {"filters": w}, {"filters": 2 * w + 1}, {"lanes": 1}))
    assert not applies(filters=5 * w)  # neither pairs nor threes


@pytest.mark.skipif(INTERPRET, reason="the rules are for compiled kernels")
def test_a_network_takes_that_way():
    net = Network([Conv2d(8, 3), Conv2d(2 * HOST.width(4), 3, padding=1), Flatten()], (3, 7, 6), threads=1)
    took = [call.kernel.__name__ for call in net.program().calls if call.name == "conv2d_dW_add"]
    assert sorted(took) == ["conv2d_dW_add", "conv2d_dW_wide"]
