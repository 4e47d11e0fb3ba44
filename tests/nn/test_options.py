"""Arguments in another library's order, and sizes that no memory holds: what is said of them."""

import copy
import pickle
import re

import numpy as np
import pytest

import minicnn as m
from minicnn.data.distortions import Affine
from minicnn.data.pixels import Normalise
from minicnn.engine import required_memory
from minicnn.errors import BackendError, OptionError, ShapeError
from minicnn.nn.base import check_size
from minicnn.optim import schedules

NAMES = vars(m) | vars(schedules) | {"Affine": Affine, "Normalise": Normalise}
FLAT = "whether y is written over x is the network's matter: "
AXIS = "it runs over the first axis of an image, so there is no axis to choose: leave it out"
REFUSED = {
    "Conv2d(1, 6, 5)": "expected filters, kernel_size by position, got 3 arguments, 1, 6, 5; the first argument is the number "
    "of filters, and channels are inferred: give stride, padding and the rest by name",
    "Conv2d(6, kernel=5)": "expected filters, kernel_size, stride, padding, dilation, groups, bias, algorithm, init, "
    "bias_init, got kernel; use one of these names",
    "Conv2d(6)": "expected kernel_size too, got none; give kernel_size",
    "Conv2d(6, 5, filters=6)": "expected filters once, got it by position and by name; leave one of them out",
    "SparseConv2d(((0,),), 5, (1,))": "expected table, kernel_size by position, got 3 arguments, ((0,),), 5, (1,); the first "
    "argument is the table of channels, whose rows are the maps: give the rest by name",
    "Dense(120, 84)": "expected units by position, got 2 arguments, 120, 84; the first argument is the number of outputs, "
    "and inputs are inferred: give the rest by name",
    "Subsample(2, 2)": "expected window by position, got 2 arguments, 2, 2; the windows lie side by side, so there is no "
    "stride and no padding: give init by name",
    "MaxPool2d(2, 2, 0, 1)": "expected kernel_size, stride, padding by position, got 4 arguments, 2, 2, 0, 1; give "
    "dilation and ceil_mode by name",
    "AvgPool2d(2, 2, 0, True)": "expected kernel_size, stride, padding by position, got 4 arguments, 2, 2, 0, True; give "
    "ceil_mode and count_include_pad by name",
    "Upsample(None, 2)": "expected scale_factor by position, got 2 arguments, None, 2; the first argument is the scale "
    "factor, not the size: give mode and align_corners by name",
    "Reshape(16, 5, 5)": "expected shape by position, got 3 arguments, 16, 5, 5; give the shape of one image as one tuple",
    "GlobalAvgPool2d(1)": "expected nothing by position, got 1 arguments, 1; its window is the whole map, and its output a "
    "vector: leave it out",
    "ReLU(True)": f"expected nothing by position, got 1 arguments, True; {FLAT}leave it out",
    "Dropout(0.5, True)": f"expected rate by position, got 2 arguments, 0.5, True; {FLAT}give rate alone",
    "Softmax(1)": f"expected nothing by position, got 1 arguments, 1; {AXIS}",
    "LogSoftmax(1)": f"expected nothing by position, got 1 arguments, 1; {AXIS}",
    "ELU(1.0, True)": f"expected alpha by position, got 2 arguments, 1.0, True; {FLAT}leave it out",
    "PReLU(6, 0.2, 1)": "expected num_parameters, init by position, got 3 arguments, 6, 0.2, 1; give num_parameters and init",
    "Dropout2d(0.5, True)": f"expected p by position, got 2 arguments, 0.5, True; {FLAT}give p alone",
    "Flatten(1)": "expected nothing by position, got 1 arguments, 1; it takes all axes of an image: leave them out",
    "RBF(((1.0,),), True)": "expected centres by position, got 2 arguments, ((1.0,),), True; the first argument is the "
    "centres, whose lengths are the inputs: give trainable by name",
    "SGD(0.1, 0.9, 0)": "expected lr, momentum by position, got 3 arguments, 0.1, 0.9, 0; the network is given to step: give "
    "the options behind lr by name",
    "StepDecay(30, 0.1)": "expected nothing by position, got 2 arguments, 30, 0.1; give times, how many parts the run has and "
    "not how long one is, and factor by name",
    "OneCycle(0.1, 1000)": "expected nothing by position, got 2 arguments, 0.1, 1000; the peak is the optimiser's rate, and "
    "the run knows its steps: give pct_start, div_factor and final_div_factor by name",
    "Affine(10)": "expected nothing by position, got 1 arguments, 10; give shift, scale, squeeze, shear and rotation by name",
    "Normalise(0.1307, 0.3081)": "expected nothing by position, got 2 arguments, 0.1307, 0.3081; give scale and shift by name, "
    "or a mean and a deviation to Normalise.standard",
}


@pytest.mark.parametrize("call", REFUSED)
def test_another_order_is_refused_in_words(call):
    with pytest.raises(OptionError) as caught:
        eval(call, NAMES)
    assert str(caught.value) == f"{call.split('(')[0]}: {REFUSED[call]}"


def test_pools_take_pytorchs_order_which_is_theirs():
    assert m.MaxPool2d(3, 2, 1) == m.MaxPool2d(3, stride=2, padding=1)
    assert m.AvgPool2d(3, 2, 1) == m.AvgPool2d(3, stride=2, padding=1)


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copies_are_made_without_arguments(make):
    layer = m.Conv2d(6, 5, padding=2)
    assert make(layer) == layer
    assert make(m.SGD(0.1, 0.9)).options() == m.SGD(0.1, 0.9).options()


GIGABYTES = 24 << 30


@pytest.mark.parametrize(
    ("layer", "in_shape", "lanes", "what"),
    [
        ("Dense(10**9)", (1000,), 16, "7,517.6 GiB or more; make it smaller, or lanes fewer: most of it is for layer 0 Dense("),
        (
            "Dense(10)",
            (4,),
            2**80,
            "63,050,394,783,186,944.0 GiB or more; make it smaller, or lanes fewer: most of it is for ",
        ),
        (
            "Conv2d(2**31 - 1, 3)",
            (1, 8, 8),
            16,
            "4,768.0 GiB or more; make it smaller, or lanes fewer: most of it is for layer",
        ),
        ("Flatten()", (2**34,), 16, "2,048.0 GiB or more; make it smaller, or lanes fewer: most of it is for "),
    ],
)
def test_a_network_larger_than_memory_is_refused_before_it_takes_any(layer, in_shape, lanes, what, monkeypatch):
    monkeypatch.setattr(required_memory, "installed", lambda: GIGABYTES)
    start = "Network: expected a network that fits into the 24.0 GiB of this machine, got one that needs "
    with pytest.raises(OptionError, match=f"^{re.escape(start + what)}"):
        m.Network([eval(layer, NAMES)], in_shape, lanes=lanes, threads=1)


@pytest.mark.parametrize(
    ("layer", "in_shape", "shape"),
    [
        ("Dense(2**31 - 1)", (2**12,), "2147483647×4096"),
        ("Conv2d(1, 3, padding=2**30)", (1, 8, 8), "1×2147483654×2147483654"),
        ("Conv2d(1, 3, padding=2**30)", (8, 8, 8), "1×2147483654×2147483654"),
        ("Conv2d(2**31 - 1, 5)", (2**20, 8, 8), "2147483647×1048576×5×5"),
    ],
)
def test_an_array_that_no_memory_holds_is_refused_in_words(layer, in_shape, shape):
    with pytest.raises(ShapeError) as caught:
        m.Network([eval(layer, NAMES)], in_shape, threads=1)
    assert caught.value.who.startswith("layer 0 ")
    assert caught.value.what == f"expected arrays of at most 2^40 numbers, got one of shape {shape}"
    assert caught.value.hint == "make the layer or its input smaller"


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (m.Upsample(2**20), "1×8388608×8388608"),
        (m.Upsample(2**31 - 1, mode="bilinear"), "1×17179869176×17179869176"),
        (m.Resize((2**21, 2**21)), "1×2097152×2097152"),
        (m.Pad2d(2**21), "1×4194312×4194312"),
    ],
)
def test_a_layer_alone_refuses_a_map_that_no_memory_holds(layer, shape):
    with pytest.raises(ShapeError) as caught:
        layer.plan((1, 8, 8))
    assert caught.value.what == f"expected arrays of at most 2^40 numbers, got one of shape {shape}"


def test_an_array_may_have_2_to_the_40_numbers():
    check_size((2**20, 2**20))
    with pytest.raises(ShapeError):
        check_size((2**40 + 1,))


def test_an_image_that_no_memory_holds_is_refused_in_words():
    sizes = (2**31 - 1,) * 3
    message = f"Network: expected in_shape of at most 2^40 numbers in all, got {sizes}; give smaller images"
    with pytest.raises(OptionError, match=f"^{re.escape(message)}$"):
        m.Network([m.Flatten()], sizes)


def test_memory_that_is_not_there_is_said_in_words():
    message = "memory: expected 1,073,741,824.0 GiB of memory to be free, got less; make layers, images or lanes smaller"
    with pytest.raises(BackendError, match=f"^{re.escape(message)}$"):
        m.network.ParameterVector({"W": (2**60,)}, np.dtype(np.uint8))


def test_constants_that_do_not_fit_are_said_in_words():
    class Large(m.Layer):
        def plan(self, in_shape):
            raise MemoryError

    with pytest.raises(ShapeError, match="layer 0 Large\\(\\): expected constants that fit into memory, got larger ones"):
        m.Network([Large()], (3,))


@pytest.mark.parametrize("lanes", [1, 2])
def test_a_stride_beyond_the_map_has_one_place(lanes):
    """Code for one image grows with the stride, up to some; then numbers are loaded one by one."""
    x = np.random.default_rng(0).standard_normal((lanes, 1, 3, 70)).astype(np.float32)
    for stride, places in ((17, 4), (2**31 - 1, 1)):
        net = m.Network([m.Conv2d(1, 3, stride=stride)], (1, 3, 70), threads=1)
        W, b = net.params["0.W"][0, 0], net.params["0.b"][0]
        expected = [[(x[n, 0, :, stride * j : stride * j + 3] * W).sum() + b for j in range(places)] for n in range(lanes)]
        np.testing.assert_allclose(net.predict(x)[:, 0, 0], expected, rtol=1e-5, atol=1e-6)
