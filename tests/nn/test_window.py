"""Windows: the output-size rule against counting and against PyTorch."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

from minicnn import Conv2d, Network, OptionError, ShapeError
from minicnn.nn.window import Window, by, count, pair


def numbers(low, high):
    return st.tuples(st.integers(low, high), st.integers(low, high))


windows = st.builds(Window, numbers(1, 5), numbers(1, 4), numbers(0, 4), numbers(1, 3))


def counted(window, size):
    """How many places there are along each axis, by sliding the window until a tap leaves the framed map."""
    places = []
    for n, k, s, p, d in zip(size, window.kernel, window.stride, window.padding, window.dilation, strict=True):
        places.append(sum(start + d * (k - 1) < n + 2 * p for start in range(0, n + 2 * p, s)))
    return tuple(places)


@examples(300)
@given(window=windows, size=numbers(1, 20))
def test_out_size_is_the_number_of_places(window, size):
    places = counted(window, size)
    if min(places) > 0:
        assert window.out_size(size) == places
        assert window.places("Conv2d", size) == places
    else:
        assert min(window.out_size(size)) < 1
        with pytest.raises(ShapeError, match="the reach of its window"):
            window.places("Conv2d", size)


@examples(60)
@given(window=windows, size=numbers(1, 16))
def test_out_size_is_pytorchs(window, size):
    x, w = torch.zeros(1, 1, *size), torch.zeros(1, 1, *window.kernel)
    try:
        shape = torch.nn.functional.conv2d(x, w, None, window.stride, window.padding, window.dilation).shape
    except RuntimeError:
        assert min(window.out_size(size)) < 1
    else:
        assert window.out_size(size) == tuple(shape[2:])


@examples(60)
@given(k=st.integers(1, 4), s=st.integers(1, 4), p=st.integers(0, 2), d=st.integers(1, 3), n=st.integers(1, 12))
def test_out_size_rounded_up_is_pytorchs(k, s, p, d, n):
    places, _ = Window((k, 1), (s, 1), (p := min(p, k // 2), 0), (d, 1)).out_size((n, 1), ceil=True)
    try:
        shape = torch.nn.functional.max_pool1d(torch.zeros(1, 1, n), k, s, p, d, ceil_mode=True).shape
    except RuntimeError:
        assert places < 1
    else:
        assert places == shape[2]


@examples(60)
@given(kernel=numbers(1, 6), dilation=numbers(1, 3), stride=numbers(1, 4), size=numbers(1, 12))
def test_same_with_a_stride_is_the_least_background_with_a_place_for_every_stride(kernel, dilation, stride, size):
    window = Window.same(kernel, dilation, stride, size)
    assert window.out_size(size) == tuple(-(-n // s) for n, s in zip(size, stride, strict=True))
    for axis, total in enumerate(a + b for a, b in zip(window.padding, window.trailing, strict=True)):
        assert window.trailing[axis] - window.padding[axis] in (0, 1)
        less = Window((kernel[axis],) * 2, (stride[axis],) * 2, (0, 0), (dilation[axis],) * 2, (total - 1,) * 2)
        assert total == 0 or less.out_size((size[axis],) * 2)[0] < window.out_size(size)[axis]


@examples(100)
@given(kernel=numbers(1, 6), dilation=numbers(1, 3), size=numbers(1, 12))
def test_same_keeps_the_size_and_puts_the_odd_rest_after(kernel, dilation, size):
    window = Window.same(kernel, dilation)
    assert window.out_size(size) == size
    assert all(after - before in (0, 1) for before, after in zip(window.padding, window.trailing, strict=True))


@pytest.mark.filterwarnings("ignore:Using padding")
@pytest.mark.parametrize(("kernel", "dilation"), [((2, 2), 1), ((4, 3), 1), ((3, 4), (2, 3)), ((1, 6), 1), ((5, 5), 2)])
def test_same_padding_is_pytorchs(kernel, dilation):
    net = Network([("C", Conv2d(2, kernel, padding="same", dilation=dilation))], (3, 9, 8), dtype="float64", threads=1)
    x = np.random.default_rng(0).standard_normal((2, 3, 9, 8))
    weight, bias = torch.from_numpy(net.params["C.W"]), torch.from_numpy(net.params["C.b"])
    expected = torch.nn.functional.conv2d(torch.from_numpy(x), weight, bias, padding="same", dilation=dilation)
    np.testing.assert_allclose(net.forward(x), expected.numpy(), rtol=1e-12, atol=1e-12)


def test_a_window_knows_its_frame():
    window = Window((3, 5), (2, 1), (1, 2), (1, 2))
    assert window.padded
    assert window.padded_size((10, 11)) == (12, 15)
    assert window.array().tolist() == [3, 5, 2, 1, 1, 2, 1, 2]
    assert window.array().dtype == np.int64
    assert not Window((3, 3)).padded
    assert Window((3, 3), after=(0, 1)).padded


def test_the_message_of_a_window_that_does_not_fit():
    message = (
        "Conv2d: expected a map of at least 5×7, the reach of its window, got 6×6 with padding; "
        "choose a smaller kernel or dilation, or more padding"
    )
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        Window((5, 4), padding=(1, 1), dilation=(1, 2)).places("Conv2d", (4, 4))


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "3", None, (1,), (1, 2, 3), (1, 0), (1, 2.0), (True, 1), [1, 2]])
def test_an_option_that_is_no_pair(value):
    what = f"Conv2d: expected stride as a whole number of at least 1 or a pair of them, got {value!r}"
    with pytest.raises(OptionError, match=f"^{re.escape(what)}; give stride=1 or stride=\\(1, 1\\)$"):
        pair("Conv2d", "stride", value, least=1)


def test_options_that_are_pairs():
    assert pair("Conv2d", "padding", 0, least=0) == (0, 0)
    assert pair("Conv2d", "kernel", (3, 5), least=1) == (3, 5)


@pytest.mark.parametrize("value", [0, -3, 1.5, True, "2", None])
def test_an_option_that_is_no_count(value):
    what = f"Dense: expected units as a whole number of at least 1, got {value!r}; give units=1"
    with pytest.raises(OptionError, match=f"^{re.escape(what)}$"):
        count("Dense", "units", value)


def test_a_shape_in_words():
    assert by((28, 28, 6)) == "28×28×6"
