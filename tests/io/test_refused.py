"""What no layers express, and nodes that mean nothing: refused in a sentence that names the operator and the node."""

import numpy as np
import pytest
from test_load import HINT, floats, graph

from minicnn.errors import DataError
from minicnn.io.onnx import load

ARRAYS = {
    "K": floats(4, 2, 3, 3),
    "k": floats(3),
    "wide": floats(4, 2, 9, 9),
    "ints": np.ones((4, 2, 3, 3), int),
    "W": floats(5, 5),
    "K9": floats(9, 3),
    "c": floats(2),
    "pair": np.array([1.0, 2.0]),
    "apart": np.array([1, 3]),
    "one": np.array([1]),
    "high": np.float32(2),
    "low": np.float32(1),
    "three": np.float32(3),
    "zero": np.float32(0),
    "short": np.array([1]),
    "first": np.array([1, 0, 0, 0, 0, 0, 0, 0]),
    "eight": np.zeros(8, int),
    "scales": np.array([1, 1, 2, 2], np.float32),
    "short_scales": np.array([2, 2], np.float32),
    "batch_scales": np.array([2, 1, 1, 1], np.float32),
    "channel_scales": np.array([1, 2, 1, 1], np.float32),
    "half": np.float32(0.5),
    "yes": np.array(True),
    "bad": np.array([4, -1]),
    "zero_axis": np.array([0]),
    "far": np.array([7]),
    "square": np.array([[1, 1], [0, 0]]),
    "parts": np.array([1, 2]),
}

REFUSED = [
    (
        "y = Conv(x, K, k)",
        "Conv (node y)",
        "expected weights of shape (4,), got (3,)",
    ),
    (
        "y = Conv<kernel_shape = [2, 2]>(x, K)",
        "Conv (node y)",
        "expected a kernel_shape of [3, 3], that of its weights, got [2, 2]",
    ),
    (
        "y = Conv<group = 2>(x, K)",
        "Conv (node y)",
        "expected weights for 2 channels in 2 groups, got for 2 a group",
    ),
    (
        "y = Conv<strides = [0, 1]>(x, K)",
        "Conv (node y)",
        "expected kernel, strides and dilations of 2 whole numbers of at least 1, got [3, 3], [0, 1], [1, 1]",
    ),
    (
        "y = Conv<pads = [1, 1]>(x, K)",
        "Conv (node y)",
        "expected the attribute pads as 4 whole numbers of at least 0, got [1, 1]",
    ),
    (
        'y = Conv<auto_pad = "LEFT">(x, K)',
        "Conv (node y)",
        "expected the attribute auto_pad as one of NOTSET, SAME_UPPER, SAME_LOWER, VALID, got LEFT",
    ),
    (
        "y = Conv(x, wide)",
        "Conv (node y)",
        "expected a map of at least 9 pixels along axis 2, the reach of its window, got 6",
    ),
    (
        "y = Conv(x, ints)",
        "Conv (node y)",
        "expected its weights as floating-point numbers, got int64",
    ),
    (
        "y = ConvTranspose<output_shape = [40, 40]>(x, K)",
        "ConvTranspose (node y)",
        "expected an output_shape of 2 sizes that its windows reach, got [40, 40]",
    ),
    (
        "y = MaxPool<kernel_shape = [9, 9]>(x)",
        "MaxPool (node y)",
        "expected a map of at least 9 pixels along axis 2, the reach of its window, got 6",
    ),
    (
        "y = MaxPool<kernel_shape = [2, 2], pads = [0, 0, 3, 3], dilations = [2, 2]>(x)",
        "MaxPool (node y)",
        "expected windows that all meet the map, and taps side by side where padding is uneven, got others",
    ),
    (
        "y = AveragePool<kernel_shape = [2, 2], pads = [5, 5, 5, 5], strides = [1, 1]>(x)",
        "AveragePool (node y)",
        "expected windows that all meet the map, got others",
    ),
    (
        "f = Flatten(x)  y = MaxPool<kernel_shape = [2]>(f)",
        "MaxPool (node y)",
        "expected kernel, strides and dilations of 0 whole numbers of at least 1, got [2], [], []",
    ),
    (
        "y = ReduceMean(x)",
        "ReduceMean (node y)",
        "expected axes, as the first axis of all is the batch, got none",
    ),
    (
        "y = ReduceMean(x, apart)",
        "ReduceMean (node y)",
        "expected neighbouring axes, got [1, 3]",
    ),
    (
        "y = ReduceMax(x, one)",
        "ReduceMax (node y)",
        "expected the last axes, got [1]",
    ),
    (
        "y = Gemm(x, W)",
        "Gemm (node y)",
        "expected an input (N, D) and weights of D rows, got shapes (2, 6, 6) and (5, 5)",
    ),
    (
        "y = MatMul(x, K9)",
        "MatMul (node y)",
        "expected weights of 6 rows that are the same for every image, got shape (9, 3)",
    ),
    (
        "y = BatchNormalization<training_mode = 1>(x, c, c, c, c)",
        "BatchNormalization (node y)",
        "expected running statistics, got training_mode 1",
    ),
    (
        "y = BatchNormalization(x, W, c, c, c)",
        "BatchNormalization (node y)",
        "expected weights of shape (2,), got (5, 5)",
    ),
    (
        "y = GroupNormalization<num_groups = 3>(x, c, c)",
        "GroupNormalization (node y)",
        "expected groups that divide the channels, got 3 and an image of shape (2, 6, 6)",
    ),
    (
        "y = LayerNormalization(x, W)",
        "LayerNormalization (node y)",
        "expected scale and bias that broadcast to (6,), got (5, 5)",
    ),
    (
        "y = Celu<alpha = 0.0>(x)",
        "Celu (node y)",
        "expected alpha above 0, got 0.0",
    ),
    (
        "y = Swish<alpha = 0.0>(x)",
        "Swish (node y)",
        "expected alpha other than 0, got 0",
    ),
    (
        "y = Clip(x, high, low)",
        "Clip (node y)",
        "expected a lower bound below the upper one, got 2.0 and 1.0",
    ),
    (
        "y = PRelu(x, W)",
        "PRelu (node y)",
        "expected slopes that broadcast to an image of shape (2, 6, 6), got (5, 5)",
    ),
    (
        "y = Pow(x, three)",
        "Pow (node y)",
        "expected the exponent 1 or 2, got 3.0",
    ),
    (
        "y = Div(x, zero)",
        "Div (node y)",
        "expected a divisor without 0, got 0",
    ),
    (
        "a = Flatten(x)  y = Add(x, a)",
        "Add (node y)",
        "expected values of one shape, (2, 6, 6), got (72,)",
    ),
    (
        "y = Concat<axis = 0>(x, x)",
        "Concat (node y)",
        "expected an axis of the image, as the first one is the batch, got the first one",
    ),
    (
        "a = Flatten(x)  y = Concat<axis = 1>(x, a)",
        "Concat (node y)",
        "expected values whose shapes differ in axis 1 alone, got [(2, 6, 6), (72,)]",
    ),
    (
        "y = Pad(x, short)",
        "Pad (node y)",
        "expected 8 pads, got 1",
    ),
    (
        "y = Pad(x, first)",
        "Pad (node y)",
        "expected a border of the image, as the first axis is the batch, got [1, 0, 0, 0, 0, 0, 0, 0]",
    ),
    (
        "y = Pad(x, eight, pair)",
        "Pad (node y)",
        "expected one finite number as value, got [1.0, 2.0]",
    ),
    (
        'y = Resize<mode = "cubic">(x, , scales)',
        "Resize (node y)",
        "expected the mode nearest or linear with all pixels, got cubic",
    ),
    (
        'y = Resize<coordinate_transformation_mode = "tf_crop_and_resize">(x, , scales)',
        "Resize (node y)",
        (
            "expected the coordinate_transformation_mode as one of half_pixel, half_pixel_symmetric, "
            "pytorch_half_pixel, align_corners, asymmetric, got tf_crop_and_resize"
        ),
    ),
    (
        "y = Resize(x, , short_scales)",
        "Resize (node y)",
        "expected 4 scales above 0, got [2.0, 2.0]",
    ),
    (
        "y = Resize(x, , batch_scales)",
        "Resize (node y)",
        "expected the first axis as it is, as it is the batch, got another size",
    ),
    (
        "y = Resize(x, , channel_scales)",
        "Resize (node y)",
        "expected other sizes of the maps alone, got [4, 6, 6]",
    ),
    (
        "y = Cast<to = 7>(x)",
        "Cast (node y)",
        "expected a cast to float32 or float64, as the network computes with those alone, got int64",
    ),
    (
        "y = Cast<to = 16>(x)",
        "Cast (node y)",
        (
            "expected numbers of one of the kinds float32, uint8, int8, uint16, int16, int32, int64, bool, "
            "float16, float64, uint32, uint64, got another kind"
        ),
    ),
    (
        "y = Dropout(x, half, yes)",
        "Dropout (node y)",
        "expected dropout that is off, or drops nothing, got one that draws random numbers",
    ),
    (
        "y = Flatten<axis = 2>(x)",
        "Flatten (node y)",
        "expected axis 1, as the first axis is the batch, got 2",
    ),
    (
        "y = Reshape(x, bad)",
        "Reshape (node y)",
        "expected a shape that keeps the batch and the 72 numbers of an image, got (4, -1)",
    ),
    (
        "y = Squeeze(x)",
        "Squeeze (node y)",
        "expected the axes that are left out, as the batch may be one image, got none",
    ),
    (
        "y = Squeeze(x, one)",
        "Squeeze (node y)",
        "expected axes of size 1, got (2, 6, 6)",
    ),
    (
        "y = Unsqueeze(x, zero_axis)",
        "Unsqueeze (node y)",
        "expected further axes behind that of the batch, got [0]",
    ),
    (
        "y = Slice(x, zero_axis, one, zero_axis)",
        "Slice (node y)",
        "expected slices of the image, as the first axis is the batch, got one of the first axis",
    ),
    (
        "y = Slice(x, zero_axis, one, one, zero_axis)",
        "Slice (node y)",
        "expected as many starts, ends, axes and steps, none of them 0, got 1, 1, 1, [0]",
    ),
    (
        "y = Gather<axis = 1>(x, far)",
        "Gather (node y)",
        "expected places from 0 to 1, got [7]",
    ),
    (
        "y = Gather<axis = 1>(x, square)",
        "Gather (node y)",
        "expected indices in one row, or a single one, got int64 of shape (2, 2)",
    ),
    (
        "y = GatherND(x, square)",
        "GatherND (node y)",
        "expected places along the first axis of an image, got indices of shape (2, 2)",
    ),
    (
        "y = Split<axis = 1>(x, parts)",
        "Split (node y)",
        "expected parts of at least 1 that are 2 together, got [1, 2]",
    ),
    (
        "y = Softmax<axis = 9>(x)",
        "Softmax (node y)",
        "expected an axis of 4, got 9",
    ),
    (
        'y = LeakyRelu<alpha = "a">(x)',
        "LeakyRelu (node y)",
        "expected the attribute alpha as a finite number, got 'a'",
    ),
    (
        "y = Constant()  z = Add(x, y)",
        "Constant (node y)",
        "expected a value of numbers, got none",
    ),
    (
        "d = Add(one, apart)  y = Gather<axis = 1>(x, d)",
        "Gather (node y)",
        "expected places from 0 to 1, got [2, 4]",
    ),
    (
        "d = Gather(one, far)  y = Gather<axis = 1>(x, d)",
        "Gather (node d)",
        "expected constants of which its result follows, got others (index 7 is out of bounds for axis 0 with size 1)",
    ),
    (
        "s = Shape(x)  d = Add(s, s)  y = Reshape(x, d)",
        "Add (node d)",
        (
            "expected constants of which its result follows, got others (unsupported operand type(s) for +: "
            "'_Batch' and '_Batch')"
        ),
    ),
    (
        "a = Transpose<perm = [1, 0, 2, 3]>(x)  s = Shape(a)  y = Reshape(x, s)",
        "Shape (node s)",
        "expected an input whose first axis is the batch, got one whose second axis is",
    ),
    (
        "y = Sqrt(x)",
        "Sqrt (node y)",
        "expected operators that layers of minicnn express, got one that none does",
    ),
    (
        "y, z = MaxPool<kernel_shape = [2, 2]>(x)",
        "MaxPool (node y)",
        "expected that only its first output is read, got its output z read too",
    ),
]
"""Nodes over an input (N, 2, 6, 6), operator and node in the message, and what it says."""


@pytest.mark.parametrize(("nodes", "who", "what"), REFUSED, ids=[nodes for nodes, _, _ in REFUSED])
def test_message_names_operator_and_node(nodes, who, what):
    last = "float[N, 2, 6, 6] z" if "  z = " in nodes else "float[N, 2, 6, 6] y"
    last += ", int64[N, 2, 5, 5] z" if nodes.startswith("y, z") else ""
    model = graph(f"(float[N, 2, 6, 6] x) => ({last}) {{ {nodes} }}", opset=24 if "Swish" in nodes else 21, **ARRAYS)
    with pytest.raises(DataError) as caught:
        load(model, threads=1)
    assert str(caught.value) == f"ONNX operator {who}: {what}; {HINT}"
