"""Convolution from gathered pixels: against loops on whole numbers, and where a network takes that way."""

from dataclasses import replace

import naive
import numpy as np
import pytest
import scratch_arrays
from hypothesis import given
from hypothesis import strategies as st
from packing import packed
from strategies import examples

from minicnn import Conv2d, Network, ReLU, ScaledTanh, Sigmoid, Tanh
from minicnn.backends.cpu import INTERPRET
from minicnn.backends.cpu.compile.host import VectorUnit
from minicnn.backends.cpu.conv import gathered, gathered_dx
from minicnn.backends.cpu.conv.direct import pack_channels, pack_filters
from minicnn.backends.cpu.tiles.activation import NONE
from minicnn.nn.window import Window

FILTERS = st.integers(1, 17) if INTERPRET else st.sampled_from((3, 8, 13))  # a kernel for each has to be compiled


@st.composite
def convolutions(draw):
    """A window, the shape of x and the number of filters."""
    taps, stride, padding, dilation = (draw(st.tuples(*[st.integers(low, high)] * 2)) for low, high in
                                       ((1, 3), (1, 3), (0, 2), (1, 2)))  # fmt: skip
    window = Window(taps, stride=stride, padding=padding, dilation=dilation)
    least = [
        max(1, d * (k - 1) + 1 - 2 * p) + 4 * s
        for k, s, p, d in zip(taps, stride, padding, dilation, strict=True)  # enough for one tile
    ]
    rows, columns = (draw(st.integers(n, n + 4)) for n in least)
    return window, (draw(st.integers(1, 5)), rows, columns), draw(FILTERS)


def run(x, weights, b, window, y_shape):
    """The kernel's y, full of NaN before."""
    y = np.full((*y_shape, x.shape[-1]), np.nan, x.dtype)
    scratch_arrays.run(*gathered.rewritten(x, weights, b, window, y, NONE))
    return y


@pytest.mark.interpreted
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@examples(20)
@given(case=convolutions(), lanes=st.sampled_from((16, 32)), seed=st.integers(0, 2**32 - 1))
def test_it_is_the_convolution(dtype, case, lanes, seed):
    (window, shape, F), rng = case, np.random.default_rng(seed)
    OH, OW = window.out_size(shape[1:])
    taps = window.array()[:2]
    x, W, b = (rng.integers(-3, 4, s).astype(dtype) for s in ((lanes, *shape), (F, shape[0], *taps), (F,)))
    y = run(naive.to_lanes(x, lanes), packed(pack_filters, W, F), b, window.array(), (F, OH, OW))
    np.testing.assert_array_equal(naive.from_lanes(y, lanes), naive.conv2d(x, W, b, window.array(), OH, OW))


def arrays(channels=32, filters=16, size=14, kernel=3, lanes=16, dtype="float32", **options):
    """x, y and the window of a convolution."""
    window = Window((kernel, kernel), **({"stride": (2, 2)} | options))
    out = window.out_size((size, size))
    return np.zeros((channels, size, size, lanes), dtype), np.zeros((filters, *out, lanes), dtype), window.array()


@pytest.mark.interpreted
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@examples(20)
@given(case=convolutions(), seed=st.integers(0, 2**32 - 1))
def test_with_the_window_turned_it_is_the_input_gradient(dtype, case, seed):
    (window, (F, H, W), C), rng = case, np.random.default_rng(seed)
    window = replace(window, stride=(1, 1))
    out, taps = window.out_size((H, W)), window.array()[:2]
    dy, weights = (rng.integers(-3, 4, s).astype(dtype) for s in ((16, F, *out), (F, C, *taps)))
    dx = run(
        naive.to_lanes(dy, 16),
        packed(pack_channels, weights, C),
        np.zeros(C, dtype),
        gathered.turned(window.array()),
        (C, H, W),
    )
    np.testing.assert_array_equal(naive.from_lanes(dx, 16), naive.conv2d_dx(dy, weights, window.array(), H, W))


@pytest.mark.interpreted
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@examples(20)
@given(case=convolutions(), seed=st.integers(0, 2**32 - 1))
def test_it_is_the_input_gradient_whatever_the_stride(dtype, case, seed):
    (window, (F, H, W), C), rng = case, np.random.default_rng(seed)
    out, taps = window.out_size((H, W)), window.array()[:2]
    dy, weights = (rng.integers(-3, 4, s).astype(dtype) for s in ((16, F, *out), (F, C, *taps)))
    dx = np.full((C, H, W, 16), np.nan, dtype)
    scratch_arrays.run(*gathered_dx.rewritten(naive.to_lanes(dy, 16), packed(pack_channels, weights, C), window.array(), dx))
    np.testing.assert_array_equal(naive.from_lanes(dx, 16), naive.conv2d_dx(dy, weights, window.array(), H, W))


def applies(channels=32, filters=16, size=14, kernel=3, lanes=16, dtype="float32", turned=False, **options):
    """Whether a convolution, or its input gradient, is made so."""
    window = Window((kernel, kernel), **({"stride": (2, 2)} | options))
    rule = gathered.applies_turned if turned else gathered.applies
    return rule(np.zeros((channels, size, size, lanes), dtype), filters, window.array())


def applies_strided(filters=8, channels=32, size=14, stride=(2, 2), kernel=3):
    """Whether the input gradient of a convolution with a stride is made so."""
    window = Window((kernel, kernel), stride)
    dy, dx = (np.zeros((maps, *sides, 16), np.float32) for maps, sides in
              ((filters, window.out_size((size, size))), (channels, (size, size))))  # fmt: skip
    return gathered_dx.applies(dy, dx, window.array())


WHOLE_PAGES = {"size": 16}
NEVER = [{"kernel": 1, "stride": (1, 1)}, {"lanes": 1}, {"dtype": "float64"}]


def test_with_many_registers_it_is_for_windows_with_steps_or_gaps_over_many_maps(monkeypatch):
    monkeypatch.setattr(gathered, "HOST", VectorUnit(64, 32, True, "AVX-512"))
    ways = [{}, {"stride": (1, 1), "dilation": (2, 2)}, {"stride": (1, 3), "kernel": 2}, {"channels": 16} | WHOLE_PAGES]
    assert all(applies(**option) for option in ways)
    others = [{"channels": 31}, {"channels": 15} | WHOLE_PAGES, {"filters": 15}, {"stride": (1, 1)}, {"kernel": 1}, *NEVER]
    assert not any(applies(**option) for option in others)
    assert not applies(filters=64, stride=(1, 1), dilation=(2, 2), turned=True)
    monkeypatch.setattr(gathered_dx, "HOST", gathered.HOST)
    assert not applies_strided()


def test_with_few_registers_it_is_for_all_windows_over_some_maps(monkeypatch):
    monkeypatch.setattr(gathered, "HOST", VectorUnit(32, 16, True, "AVX2"))
    ways = [{"filters": 32}, {"channels": 8, "filters": 32, "stride": (1, 1)}, WHOLE_PAGES]
    ways.append({"filters": 32, "kernel": 1})
    assert all(applies(**option) for option in ways)
    others = [{"channels": 7, "filters": 32}, {"filters": 31}, {"filters": 15} | WHOLE_PAGES]
    assert not any(applies(**option) for option in (*others, *({"filters": 32} | option for option in NEVER)))
    assert applies(filters=32, stride=(1, 1), turned=True)
    assert not applies(filters=32, turned=True)
    monkeypatch.setattr(gathered_dx, "HOST", gathered.HOST)
    assert applies_strided()
    assert not any(
        applies_strided(**option) for option in ({"stride": (1, 1)}, {"kernel": 1}, {"filters": 7}, {"channels": 31})
    )


@pytest.mark.skipif(INTERPRET, reason="the rules are for compiled kernels")
@pytest.mark.parametrize("activation", [ReLU, ScaledTanh, Tanh, Sigmoid])
def test_a_network_takes_that_way_and_an_activation_function_in_its_store_gives_the_same_bits(activation):
    shape = (16, 8, 8)
    layer = Conv2d(17, 3, stride=2, padding=1)
    both = Network([("C1", layer), activation()], shape, threads=1)
    alone, after = Network([("C1", layer)], shape, threads=1), Network([activation()], (17, 4, 4), threads=1)
    alone.load_params(both.params)
    x = np.random.default_rng(2).standard_normal((20, *shape)).astype(np.float32)
    np.testing.assert_array_equal(both.predict(x), after.predict(alone.predict(x)))
    taken = [call.kernel.__name__ for call in both.program().calls if call.name.startswith("conv2d +")]
    assert taken == ["conv2d_gathered"]
