"""Depthwise convolutions: against loops on whole numbers, their adjoint identities, and where they are taken.

A dense convolution whose weights are zeros but for one channel a filter is the oracle.
"""

from unittest import mock

import naive
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import examples

import minicnn as m
from minicnn import Conv2d, Network
from minicnn.backends.cpu import INTERPRET, lowering
from minicnn.backends.cpu.compile.host import HOST
from minicnn.backends.cpu.conv import depthwise
from minicnn.nn.window import Window
from minicnn.testing import check_adjoint
from minicnn.testing.cases import Draw

NAMES = ["conv2d", "conv2d_dW_add", "conv2d_dx"]
same = np.testing.assert_array_equal


def dense(W, channels):
    """Weights of all filters and channels, zeros where a filter does not read a channel."""
    F, several = len(W), len(W) // channels
    full = np.zeros((F, channels, *W.shape[2:]), W.dtype)
    full[np.arange(F), np.arange(F) // several] = W[:, 0]
    return full


def check(window, size, channels=2, several=1, lanes=16, dtype="float32", seed=0):
    """The three passes against their oracles, over memory full of NaN; False where others would do them."""
    rng, g, out = np.random.default_rng(seed), window.array(), window.out_size(size)
    C, F = channels, channels * several
    shapes = (lanes, C, *size), (F, 1, *window.kernel), (F,), (lanes, F, *out), (F, 1, *window.kernel)
    x, W, b, dy, dW = (rng.integers(-3, 4, shape).astype(dtype) for shape in shapes)
    xl, dyl = naive.to_lanes(x, lanes), naive.to_lanes(dy, lanes)
    if not depthwise.applies(xl, W, g, dyl):
        return False
    y, dx = np.full_like(dyl, np.nan), np.full_like(xl, np.nan)
    depthwise.depthwise_conv2d(xl, W, b, g, y)
    same(naive.from_lanes(y, lanes), naive.conv2d(x, dense(W, C), b, g, *out))
    depthwise.depthwise_conv2d_dx(dyl, W, g, dx)
    same(naive.from_lanes(dx, lanes), naive.conv2d_dx(dy, dense(W, C), g, *size))
    before, each = dW.copy(), np.arange(F)
    depthwise.depthwise_conv2d_dW_add(xl, dyl, g, dW)
    same(dW, before + naive.conv2d_dW(x, dy, g)[each, each // several, None])
    return True


PLACES = [
    (Window((3, 3), padding=(1, 1)), (4, 16)),  # a first and a last tile
    (Window((3, 3), padding=(1, 1)), (3, 19)),  # tiles that overlap, some in the middle
    (Window((3, 3), padding=(1, 1)), (1, 1)),  # one tap of nine on the map
    (Window((3, 3), padding=(1, 1)), (5, 2)),  # narrower than a tile
    (Window((3, 3), (2, 2), after=(1, 1)), (6, 32)),  # "same" of an even map
    (Window((3, 3), (2, 2), (1, 1)), (5, 21)),  # and of an odd one
    (Window((3, 3), (2, 2), (1, 1)), (1, 1)),
    (Window((3, 3), (2, 1), (2, 0), after=(0, 2)), (4, 9)),  # strides and sides of their own
    (Window((3, 3), (1, 2), (0, 2), after=(1, 0)), (4, 18)),
    (Window((5, 5), padding=(2, 2)), (6, 11)),
    (Window((5, 5), (2, 2), (1, 1), after=(2, 2)), (6, 18)),
    (Window((1, 4), padding=(0, 1), after=(0, 2)), (1, 17)),  # a row
]


@pytest.mark.interpreted
@pytest.mark.parametrize(("window", "size"), PLACES)
def test_the_three_passes_are_their_sums(window, size):
    assert check(window, size)


@pytest.mark.interpreted
@pytest.mark.parametrize(("window", "size"), PLACES[1:7:4])
def test_in_float64_with_two_groups_of_lanes_and_several_filters_a_channel(window, size):
    assert check(window, size, lanes=32, dtype="float64")
    assert check(window, size, channels=3, several=2)


taps = st.integers(1, 3)


@pytest.mark.interpreted
@examples(60 if INTERPRET else 6)
@given(
    kernel=st.tuples(taps, taps),
    stride=st.tuples(*[st.integers(1, 2)] * 2),
    padding=st.tuples(*[st.integers(0, 2)] * 4),
    size=st.tuples(st.integers(1, 4), st.integers(1, 21)),
    several=st.integers(1, 2),
)
@example(kernel=(3, 3), stride=(1, 1), padding=(2, 2, 2, 2), size=(2, 9), several=1)
def test_any_window(kernel, stride, padding, size, several):
    before, after = padding[:2], padding[2:]
    if all(n + p + q >= k for n, p, q, k in zip(size, before, after, kernel, strict=True)):
        check(Window(kernel, stride, before, after=after), size, several=several)


@pytest.mark.parametrize("registers", [16, 32])
def test_windows_as_networks_have_them_are_covered_on_maps_of_up_to_sixty_pixels(registers):
    """Taps 1 to 5, strides 1 and 2, padding "same", at both sides, or none."""
    with mock.patch.object(depthwise, "HOST", mock.Mock(registers=registers)):
        for k in range(1, 6):
            for stride in (1, 2):
                for size in range(k, 61):
                    half = k // 2
                    own = [Window((k, k), (stride,) * 2), Window((k, k), (stride,) * 2, (half, half))]
                    for window in [*own, Window.same((k, k), (1, 1), (stride,) * 2, (size, size))]:
                        x, y = (np.broadcast_to(np.float32(0), (2, n, n, 16)) for n in (size, window.out_size((size, size))[0]))
                        W = np.zeros((2, 1, k, k), np.float32)
                        assert depthwise.applies(x, W, window.array(), y), (window, size)


@pytest.mark.parametrize(
    ("window", "W", "lanes"),
    [
        (Window((3, 3), dilation=(2, 2)), (4, 1, 3, 3), 16),
        (Window((3, 3), (3, 3)), (4, 1, 3, 3), 16),
        (Window((3, 3), (1, 3)), (4, 1, 3, 3), 16),
        (Window((7, 3)), (4, 1, 7, 3), 16),
        (Window((3, 3)), (4, 1, 3, 3), 1),
        (Window((3, 3)), (4, 2, 3, 3), 16),
        (Window((3, 3), padding=(9, 9)), (4, 1, 3, 3), 16),
    ],
)
def test_other_convolutions_go_other_ways(window, W, lanes):
    x, out = np.zeros((4, 9, 9, lanes), np.float32), window.out_size((9, 9))
    assert not depthwise.applies(x, np.zeros(W, np.float32), window.array(), np.zeros((4, *out, lanes), np.float32))


@pytest.mark.parametrize(("window", "size"), [PLACES[1], PLACES[5]])
def test_the_passes_are_adjoint(window, size):
    W, g, out = np.random.default_rng(1).standard_normal((3, 1, 3, 3)), window.array(), window.out_size(size)
    x = np.random.default_rng(2).standard_normal((3, *size, 16))

    def forward(x, W):
        y = np.full((3, *out, 16), np.nan)
        depthwise.depthwise_conv2d(x, W, np.zeros(3), g, y)
        return y

    def input_gradient(dy):
        dx = np.full_like(x, np.nan)
        depthwise.depthwise_conv2d_dx(dy, W, g, dx)
        return dx

    def weight_gradient(dy):
        dW = np.zeros_like(W)
        depthwise.depthwise_conv2d_dW_add(x, dy, g, dW)
        return dW

    check_adjoint(lambda x: forward(x, W), input_gradient, x.shape, (3, *out, 16))
    check_adjoint(lambda W: forward(x, W), weight_gradient, W.shape, (3, *out, 16))


# --- in networks ---


def names(net, train=True):
    return [call.name for call in net.program(train=train).calls]


@pytest.mark.parametrize("filters", [6, 12])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_layer_is_one_call_a_pass(filters, stride):
    net = Network([Conv2d(6, 3), Conv2d(filters, 3, stride=stride, padding="same", groups=6)], (2, 9, 11), threads=1)
    found = names(net)
    assert [found.count(f"depthwise_{name}") for name in NAMES] == [1, 1, 1]
    assert f"depthwise_{NAMES[0]}" in str(net.program())


@pytest.mark.parametrize(
    "options", [{"groups": 3}, {"groups": 6, "dilation": 2}, {"groups": 6, "stride": 3}, {"groups": 6, "algorithm": "im2col"}]
)
def test_others_are_as_many_calls_as_there_are_groups(options):
    net = Network([Conv2d(6, 3, **options)], (6, 9, 11), threads=1)
    kernel = "gemm_bias" if "algorithm" in options else "conv2d"
    assert names(net, train=False).count(kernel) == options["groups"]


@pytest.mark.skipif(INTERPRET, reason="the rules are for compiled kernels")
def test_another_backend_keeps_its_way():
    elsewhere = lowering.Convolutions(lowering.CONVOLUTIONS._kernels)
    with mock.patch.object(lowering.LOWERING, "convolutions", elsewhere):
        assert names(Network([Conv2d(4, 3, groups=4)], (4, 9, 11), threads=1), train=False).count("conv2d") == 4


def outcome(rules, images=21):
    """What a network of depthwise layers makes of images whose last group is incomplete."""
    layers = [Conv2d(5, 3, stride=2, padding="same", groups=5), m.ReLU(), Conv2d(10, 3, padding=1, groups=5), m.ReLU()]
    d = Draw(4, "float32", images)
    with mock.patch.object(lowering.LOWERING, "convolutions", rules):
        net = Network(layers, (5, 12, 13), threads=1, seed=1)
        found = {"y": net.forward(d.normal(images, 5, 12, 13)), "dx": net.backward(d.normal(images, *net.out_shape))}
        return found | {name: grad.copy() for name, grad in net.grads.items()}


def test_networks_compute_what_they_do_one_channel_at_a_time():
    plain = outcome(lowering.Convolutions(lowering.CONVOLUTIONS._kernels))
    for name, found in outcome(lowering.CONVOLUTIONS).items():
        np.testing.assert_allclose(found, plain[name], err_msg=name, rtol=0, atol=400 * np.finfo(np.float32).eps)


def test_tiles_of_the_weight_gradient_keep_their_sums_in_registers():
    for k in range(1, 6):
        W = np.zeros((2, 1, k, k), np.float32)
        window, x = Window((k, k), padding=(k // 2, k // 2)).array(), np.zeros((2, 20, 20, 16), np.float32)
        y = x if k % 2 else np.zeros((2, 21, 21, 16), np.float32)
        found = depthwise.dW_row(window, x, y, W)
        assert 1 < found.columns < HOST.registers - depthwise.taps_at_once(W) * k
