"""The weight gradient of few channels by taps: against loops on whole numbers, its adjoint, and where networks take it."""

import naive
import numpy as np
import pytest
import scratch_arrays
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

from minicnn import Conv2d, Flatten, Network
from minicnn.backends.cpu import INTERPRET
from minicnn.backends.cpu.compile.host import HOST, VectorUnit
from minicnn.backends.cpu.conv import tap_dw
from minicnn.nn.window import Window
from minicnn.testing import check_adjoint


@st.composite
def windows(draw):
    """A window without padding and the size of the map it runs over."""

    def both(least, most):
        return draw(st.tuples(*[st.integers(least, most)] * 2))

    window = Window(both(1, 4), both(1, 3), (0, 0), both(1, 2))
    least = [(k - 1) * d + 1 for k, d in zip(window.kernel, window.dilation, strict=True)]
    return window, tuple(n + draw(st.integers(0, 6)) for n in least)


def run(x, dy, g, shape, start=0.0):
    """dW added to ``start``."""
    dW = np.full(shape, start, x.dtype)
    scratch_arrays.run(*tap_dw.rewritten(x, dy, g, dW))
    return dW


@pytest.mark.interpreted
@pytest.mark.parametrize("scratch", [tap_dw.SCRATCH_BYTES, 1])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@examples(8)
@given(case=windows(), channels=st.integers(1, 4), blocks=st.integers(1, 2), seed=st.integers(0, 99))
def test_it_adds_the_gradient_of_the_weights(dtype, scratch, case, channels, blocks, seed):
    (window, size), rng = case, np.random.default_rng(seed)
    filters = blocks * tap_dw.VECTORS * HOST.width(np.dtype(dtype).itemsize)
    x = rng.integers(-3, 4, (16, channels, *size)).astype(dtype)
    dy = rng.integers(-3, 4, (16, filters, *window.out_size(size))).astype(dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tap_dw, "SCRATCH_BYTES", scratch)
        g, shape = window.array(), (filters, channels, *window.kernel)
        dW = run(naive.to_lanes(x, 16), naive.to_lanes(dy, 16), g, shape, start=5)
    np.testing.assert_array_equal(dW, naive.conv2d_dW(x, dy, g) + 5)


@pytest.mark.parametrize("stride", [1, 2])
def test_it_is_adjoint_to_the_convolution(stride):
    window, size, rng = Window((3, 2), (stride, 1)), (7, 5), np.random.default_rng(3)
    out, shape = window.out_size(size), (tap_dw.VECTORS * HOST.width(8), 3, 3, 2)
    x = rng.standard_normal((16, 3, *size))

    def forward(W):
        return naive.to_lanes(naive.conv2d(x, W, np.zeros(len(W)), window.array(), *out), 16)

    def backward(dy):
        return run(naive.to_lanes(x, 16), dy, window.array(), shape)

    check_adjoint(forward, backward, shape, (shape[0], *out, 16))


def applies(channels=3, filters=32, size=9, taps=3, lanes=16, dtype="float32", **options):
    """Whether a weight gradient is made so."""
    window = Window((taps, taps), **options)
    x, dy = (np.zeros((maps, *sides, lanes), dtype) for maps, sides in
             ((channels, (size, size)), (filters, window.out_size((size, size)))))  # fmt: skip
    return tap_dw.applies(x, dy, window.array(), np.zeros((filters, channels, taps, taps), dtype))


def test_it_is_for_few_channels_in_a_frame_and_few_registers(monkeypatch):
    monkeypatch.setattr(tap_dw, "HOST", VectorUnit(32, 16, True, "AVX2"))
    assert all(applies(**option) for option in ({}, {"channels": 7}, {"channels": 1, "filters": 16}, {"stride": (2, 2)}))
    others = [{"channels": 8}, {"filters": 24}, {"padding": (1, 1)}, {"lanes": 4}, {"dtype": "float64"}]
    assert not any(applies(**option) for option in (*others, {"channels": 1, "taps": 1}))
    monkeypatch.setattr(tap_dw, "HOST", VectorUnit(64, 32, True, "AVX-512"))
    assert not applies()


def test_a_tile_has_the_taps_that_leave_least_of_it_empty():
    assert [tap_dw.taps_of_tile(taps) for taps in (2, 6, 9, 25, 27, 147)] == [2, 6, 5, 5, 4, 6]


@pytest.mark.skipif(INTERPRET or HOST.registers >= 32, reason="the rule is for compiled kernels, 16 registers")
def test_a_network_takes_that_way():
    network = Network([("C1", Conv2d(2 * HOST.width(4), 3, padding=1)), Flatten()], (3, 8, 8), threads=1)
    assert "conv2d_dW_taps" in [call.kernel.__name__ for call in network.program().calls]
