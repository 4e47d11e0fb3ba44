"""Convolution by kernels of one tap: against matrix products on whole numbers, and where a network takes that way."""

import numpy as np
import pytest
import scratch_arrays
from hypothesis import given
from hypothesis import strategies as st
from packing import packed
from strategies import examples

from minicnn import Conv2d, Flatten, Network, ReLU, ScaledTanh, Sigmoid, Tanh
from minicnn.backends.cpu import INTERPRET
from minicnn.backends.cpu.conv import pointwise
from minicnn.backends.cpu.conv.direct import pack_channels, pack_filters
from minicnn.backends.cpu.tiles.activation import NONE
from minicnn.nn.window import Window

MAPS = st.integers(1, 17) if INTERPRET else st.sampled_from((3, 8, 13))  # a kernel for each has to be compiled


def run(x, weights, b, maps):
    """The kernel's y, full of NaN before."""
    y = np.full((maps, *x.shape[1:]), np.nan, x.dtype)
    scratch_arrays.run(*pointwise.rewritten(x, weights, b, y, NONE))
    return y


@pytest.mark.interpreted
@pytest.mark.parametrize("scratch", [pointwise.SCRATCH_BYTES, 1 << 12])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@examples(8)
@given(
    maps=st.tuples(MAPS, MAPS),
    size=st.tuples(*[st.integers(1, 9)] * 2),
    lanes=st.sampled_from((16, 32)),
    seed=st.integers(0, 99),
)
def test_it_is_a_product_over_all_pixels_and_so_is_its_adjoint(dtype, scratch, maps, size, lanes, seed):
    (C, F), rng = maps, np.random.default_rng(seed)
    W, b = rng.integers(-3, 4, (F, C, 1, 1)).astype(dtype), rng.integers(-3, 4, F).astype(dtype)
    x, dy = (rng.integers(-3, 4, (n, *size, lanes)).astype(dtype) for n in (C, F))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pointwise, "SCRATCH_BYTES", scratch)
        y, dx = run(x, packed(pack_filters, W, F), b, F), run(dy, packed(pack_channels, W, C), np.zeros(C, dtype), C)
    np.testing.assert_array_equal(y, np.tensordot(W[:, :, 0, 0], x, 1) + b[:, None, None, None])
    np.testing.assert_array_equal(dx, np.tensordot(W[:, :, 0, 0].T, dy, 1))


def test_it_is_for_single_taps_without_steps_and_border():
    def applies(kernel=1, lanes=16, dtype="float32", **options):
        window = Window((kernel, kernel), **options)
        x = np.zeros((3, 6, 6, lanes), dtype)
        return pointwise.applies(x, np.zeros((4, *window.out_size((6, 6)), lanes), dtype), window.array())

    assert applies()
    others = [{"kernel": 3}, {"stride": (2, 2)}, {"padding": (1, 1)}, {"lanes": 1}, {"dtype": "float64"}]
    assert not any(applies(**option) for option in others)


@pytest.mark.skipif(INTERPRET, reason="the rules are for compiled kernels")
@pytest.mark.parametrize("activation", [ReLU, ScaledTanh, Tanh, Sigmoid])
def test_a_network_takes_that_way_and_an_activation_function_in_its_store_gives_the_same_bits(activation):
    shape = (5, 7, 6)
    both = Network([("C1", Conv2d(9, 1)), activation()], shape, threads=1)
    alone, after = Network([("C1", Conv2d(9, 1))], shape, threads=1), Network([activation()], (9, 7, 6), threads=1)
    alone.load_params(both.params)
    x = np.random.default_rng(2).standard_normal((20, *shape)).astype(np.float32)
    np.testing.assert_array_equal(both.predict(x), after.predict(alone.predict(x)))
    deep = Network([Conv2d(4, 1), Conv2d(3, 1), Flatten()], shape, threads=1)
    names = [call.kernel.__name__ for call in deep.program().calls]
    assert names.count("conv2d_pointwise") == 3  # the first has no gradient of its input
