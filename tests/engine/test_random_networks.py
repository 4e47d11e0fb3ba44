"""Networks drawn at random, of what small networks are made of: one image and a few are predicted as among many."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

import minicnn as m
from minicnn.backends.cpu import INTERPRET
from minicnn.errors import MinicnnError

FILTERS = st.sampled_from((3, 8, 16, 20, 24))
ACTIVATIONS = (m.ReLU(), m.ReLU(), m.Tanh(), m.Sigmoid(), m.LeakyReLU(0.1), m.GELU(), m.Hardswish(), m.PReLU(), m.SiLU())
OTHERS = (m.BatchNorm2d(), m.GroupNorm(1), m.Dropout(0.5), m.Upsample(2), m.Pad2d(1), m.InstanceNorm2d())
pairs = st.sampled_from((1, 1, 1, 2, (2, 1)))


@st.composite
def convolutions(draw, channels):
    """A convolution, its activation function perhaps, and its filters."""
    alone = draw(st.integers(0, 4)) == 0
    filters = channels if alone else draw(FILTERS)
    layer = m.Conv2d(
        filters,
        draw(st.sampled_from((1, 1, 3, 3, 3, 5, (3, 1)))),
        stride=draw(pairs),
        padding=draw(st.integers(0, 2)),
        dilation=draw(st.sampled_from((1, 1, 1, 2))),
        groups=channels if alone else 1,
        bias=draw(st.booleans()),
    )
    return [layer, *([draw(st.sampled_from(ACTIVATIONS))] if draw(st.booleans()) else [])], filters


@st.composite
def pools(draw):
    """A pool."""
    if draw(st.booleans()):
        return m.AvgPool2d(2, ceil_mode=draw(st.booleans()))
    kernel = draw(st.sampled_from((2, 2, 3)))
    return m.MaxPool2d(kernel, draw(st.sampled_from((2, 2, 1))), padding=draw(st.integers(0, 1)), ceil_mode=draw(st.booleans()))


@st.composite
def networks(draw):
    """Items of a network and its input; some have branches that are added or put side by side."""
    channels, items, last = draw(st.sampled_from((1, 3, 6, 16))), [], "in"
    in_shape = (channels, draw(st.integers(7, 14)), draw(st.integers(7, 14)))

    def append(layers, source):
        for layer in layers:
            items.append((f"n{len(items)}", layer, source))
            source = items[-1][0]
        return source

    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(("conv", "conv", "conv", "pool", "other", "add", "concat")))
        if kind == "pool":
            last = append([draw(pools())], last)
        elif kind == "other":
            last = append([draw(st.sampled_from(OTHERS))], last)
        elif kind == "conv":
            layers, channels = draw(convolutions(channels))
            last = append(layers, last)
        elif kind == "add":
            layers = [m.Conv2d(channels, 3, padding=1), draw(st.sampled_from(ACTIVATIONS)), m.Conv2d(channels, 1)]
            last = append([m.Add(), m.ReLU()], (append(layers, last), last))
        else:
            widths = draw(st.lists(FILTERS, min_size=2, max_size=3))
            parts = [
                append([m.Conv2d(width, draw(st.sampled_from((1, 3))), padding="same"), m.ReLU()], last) for width in widths
            ]
            last, channels = append([m.Concat()], tuple(parts)), sum(widths)
    return [*items, ("flat", m.Flatten(), last), ("out", m.Dense(3), "flat")], in_shape


@pytest.mark.skipif(INTERPRET, reason="without compilation lowering takes other kernels")
@examples(60)
@given(network=networks(), seed=st.integers(0, 99))
def test_one_image_and_a_few_are_predicted_as_among_many(network, seed):
    items, in_shape = network
    try:
        net = m.Network(items, {"in": in_shape}, threads=1, seed=seed)
    except MinicnnError:  # a map became too small
        return
    rng = np.random.default_rng(seed)
    with net.update():
        for array in net.state.values():
            array[...] = rng.uniform(0.5, 2, array.shape)
    x = rng.standard_normal((17, *in_shape)).astype(np.float32)
    expected = net.forward(x)
    scale = np.abs(expected).max() + 1
    for n in (1, 3):
        np.testing.assert_allclose(net.predict(x[:n]) / scale, expected[:n] / scale, rtol=0, atol=2e-5)
    with net.inference_mode():
        for n in (1, 1, 3, 3):
            np.testing.assert_allclose(net.predict(x[:n]) / scale, expected[:n] / scale, rtol=0, atol=2e-5)
