"""The input gradient of strided kernels of one tap: against loops on whole numbers, its adjoint, and where it is taken."""

import naive
import numpy as np
import pytest
import scratch_arrays
from hypothesis import given
from hypothesis import strategies as st
from packing import packed
from strategies import examples

from minicnn import Conv2d, Flatten, Network
from minicnn.backends.cpu import INTERPRET
from minicnn.backends.cpu.conv import strided_pointwise
from minicnn.backends.cpu.conv.direct import pack_channels
from minicnn.nn.window import Window
from minicnn.testing import check_adjoint

MAPS = st.integers(1, 17) if INTERPRET else st.sampled_from((3, 8, 13))  # a kernel for each has to be compiled


def run(dy, W, g, size):
    """dx, full of NaN before."""
    dx = np.full((W.shape[1], *size, dy.shape[3]), np.nan, dy.dtype)
    scratch_arrays.run(*strided_pointwise.rewritten(dy, packed(pack_channels, W, len(dx)), g, dx))
    return dx


@pytest.mark.interpreted
@pytest.mark.parametrize("scratch", [strided_pointwise.SCRATCH_BYTES, 1])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@examples(8)
@given(
    maps=st.tuples(MAPS, MAPS),
    size=st.tuples(*[st.integers(1, 11)] * 2),
    stride=st.tuples(*[st.integers(1, 3)] * 2),
    lanes=st.sampled_from((16, 32)),
    seed=st.integers(0, 99),
)
def test_it_is_the_gradient_of_the_input(dtype, scratch, maps, size, stride, lanes, seed):
    (C, F), rng, window = maps, np.random.default_rng(seed), Window((1, 1), stride)
    W = rng.integers(-3, 4, (F, C, 1, 1)).astype(dtype)
    dy = rng.integers(-3, 4, (lanes, F, *window.out_size(size))).astype(dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strided_pointwise, "SCRATCH_BYTES", scratch)
        dx = run(naive.to_lanes(dy, lanes), W, window.array(), size)
    np.testing.assert_array_equal(naive.from_lanes(dx, lanes), naive.conv2d_dx(dy, W, window.array(), *size))


def test_it_is_adjoint_to_the_convolution():
    window, size = Window((1, 1), (2, 3)), (7, 9)
    W = np.random.default_rng(1).standard_normal((9, 5, 1, 1))
    out = window.out_size(size)

    def forward(x):
        return naive.to_lanes(naive.conv2d(naive.from_lanes(x, 16), W, np.zeros(9), window.array(), *out), 16)

    check_adjoint(forward, lambda dy: run(dy, W, window.array(), size), (5, *size, 16), (9, *out, 16))


def test_it_is_for_single_taps_with_steps_and_without_border():
    def applies(kernel=1, stride=2, lanes=16, dtype="float32", **options):
        window = Window((kernel, kernel), (stride, 1), **options)
        return strided_pointwise.applies(np.zeros((3, 4, 4, lanes), dtype), window.array())

    assert applies()
    others = [{"kernel": 3}, {"stride": 1}, {"padding": (1, 1)}, {"lanes": 1}, {"dtype": "float64"}]
    assert not any(applies(**option) for option in others)


@pytest.mark.skipif(INTERPRET, reason="the rules are for compiled kernels")
def test_a_network_takes_that_way():
    net = Network([Conv2d(4, 1), Conv2d(3, 1, stride=2), Flatten()], (5, 7, 6), threads=1)
    assert [call.kernel.__name__ for call in net.program().calls].count("conv2d_dx_strided") == 1
