"""Networks from ONNX graphs: operators and chains beyond ONNX's own tests, what is folded, and what is refused."""

import os
import re
import warnings

import numpy as np
import pytest

from minicnn.errors import DataError, OptionError
from minicnn.io.onnx import load

onnx = pytest.importorskip("onnx")
RNG = np.random.default_rng(0)
HINT = "export the model without it, or build this part in code"
WHOLE = "give a whole file that another program exported as ONNX"


def graph(text, opset=20, **arrays):
    """A model from the text of its nodes, ``inputs => outputs { nodes }``, and its initialisers."""
    model = onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["": {opset}]> g {text}')
    for name, value in arrays.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value), name))
    return model


def floats(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def same(model, *images, layers=None):
    """Compare with ONNX Runtime, on a batch of three and on one image; and check the kinds of layers, where these are given."""
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    net = load(model, threads=1)
    for batch in (images, [x[:1] for x in images]):
        expected = session.run(None, {given.name: x for given, x in zip(session.get_inputs(), batch, strict=True)})
        found = net.predict_outputs(batch[0] if len(batch) == 1 else dict(zip(net.in_shapes, batch, strict=True)))
        for y, wanted in zip(found.values(), expected, strict=True):
            assert y.shape == wanted.shape
            np.testing.assert_allclose(y, wanted, rtol=0, atol=2e-6 * max(1, np.abs(wanted).max()))
    if layers is not None:
        assert [placed.layer.label for placed in net.layers] == layers
    return net


def test_matmul_and_a_sum_with_constants_are_one_dense_layer():
    model = graph("(float[N, 5] x) => (float[N, 3] y) { z = MatMul(x, W) y = Add(b, z) }", W=floats(5, 3), b=floats(3))
    net = same(model, floats(3, 5), layers=["Dense"])
    assert list(net.params) == ["y.W", "y.b"]


def test_gemm_takes_any_alpha_beta_and_order_of_its_weights():
    for turned in (0, 1):
        text = f"(float[N, 5] x) => (float[N, 3] y) {{ y = Gemm <alpha = 0.5, beta = 2.0, transB = {turned}> (x, W, b) }}"
        same(graph(text, W=floats(*((3, 5) if turned else (5, 3))), b=floats(1, 3)), floats(3, 5), layers=["Dense"])


def test_the_chain_that_exporters_write_around_a_flattening_is_folded():
    text = """(float[N, 2, 3, 4] x) => (float[N, M] y) {
        s = Shape(x)  first = Gather<axis = 0>(s, zero)  n = Unsqueeze(first, axes)  shape = Concat<axis = 0>(n, rest)
        y = Reshape(x, shape) }"""
    ints = {"zero": np.array(0), "axes": np.array([0]), "rest": np.array([-1])}
    same(graph(text, **ints), floats(3, 2, 3, 4), layers=["Reshape"])


def test_a_mean_over_maps_is_a_global_pool():
    for axes, keep, layers in (((2, 3), 0, ["GlobalAvgPool2d"]), ((-1,), 1, None), ((1,), 0, None), ((2,), 0, None)):
        shape = "N, " * (4 - len(axes) * (1 - keep))
        text = f"(float[N, 2, 3, 4] x) => (float[{shape[:-2]}] y) {{ y = ReduceMean<keepdims = {keep}>(x, axes) }}"
        net = same(graph(text, axes=np.array(axes)), floats(3, 2, 3, 4))
        assert layers is None or layers[0] in [placed.layer.label for placed in net.layers]


def test_axes_are_put_in_any_order():
    for order in ((0, 2, 3, 1), (0, 3, 1, 2), (0, 3, 2, 1), (0, 2, 1, 3), (0, 1, 3, 2)):
        text = f"(float[N, 2, 3, 4] x) => (float[N, A, B, C] y) {{ y = Transpose<perm = {list(order)}>(x) }}"
        same(graph(text), floats(3, 2, 3, 4))


def test_an_order_that_moves_axes_of_one_pixel_alone_is_a_reshape():
    text = "(float[N, 5, 6, 1] x) => (float[N, 1, 5, 6] y) { y = Transpose<perm = [0, 3, 1, 2]>(x) }"
    same(graph(text), floats(3, 5, 6, 1), layers=["Reshape"])


def test_slices_gathers_and_splits_select_places():
    text = """(float[N, 4, 5, 6] x) => (float[N, 4, 2, 3] y, float[N, 2, 5, 6] c, float[N, 4, 6] r, float[N, 1, 5, 6] f,
        float[N, 3, 5, 6] g) {
        y = Slice(x, starts, ends, axes, steps)  c = Gather<axis = 1>(x, at)  r = Gather<axis = 2>(x, last)
        f, g = Split<axis = 1>(x, parts) }"""
    ints = {"starts": [1, -1], "ends": [4, -9], "axes": [2, 3], "steps": [2, -2], "at": [3, 0], "parts": [1, 3]}
    given = {name: np.array(value) for name, value in ints.items()}
    same(graph(text, last=np.array(-1), **given), floats(3, 4, 5, 6))


def test_channels_are_gathered_where_they_stand_before_the_batch():
    text = """(float[N, 4, 5] x) => (float[N, 2, 5] y) {
        a = Transpose<perm = [1, 0, 2]>(x)  b = GatherND(a, at)  y = Transpose<perm = [1, 0, 2]>(b) }"""
    same(graph(text, at=np.array([[3], [1]])), floats(3, 4, 5), layers=["Reshape", "IndexSelect", "Reshape"])


def test_constants_scale_and_shift_by_number_channel_and_pixel():
    text = """(float[N, 2, 3, 4] x) => (float[N, 2, 3, 4] y) {
        a = Mul(x, one)  b = Sub(a, channel)  c = Div(b, pixel)  d = Sub(one, c)  e = Pow(d, two)  f = Neg(e)
        y = Add(row, f) }"""
    arrays = {"one": np.float32(0.7), "channel": floats(1, 2, 1, 1), "pixel": 1 + floats(2, 3, 4) ** 2, "row": floats(4)}
    net = same(graph(text, two=np.float32(2), **arrays), floats(3, 2, 3, 4))
    assert net.frozen, "expected numbers that stand for no weights to stay as they are in training"


def test_values_are_added_subtracted_and_multiplied():
    text = """(float[N, 2, 3, 4] x, float[N, 2, 3, 4] z, float[N, 2, 1, 1] g) => (float[N, 2, 3, 4] y) {
        a = Add(x, z)  b = Sub(a, x)  c = Mul(b, a)  d = Sum(c, z, x)  y = Mul(g, d) }"""
    same(graph(text), floats(3, 2, 3, 4), floats(3, 2, 3, 4), floats(3, 2, 1, 1))


def test_bounds_of_any_kind_are_rectifiers():
    for low, high in ((-1.5, 0.5), (None, 0.25), (0.5, None), (0, 6), (0, None), (None, None)):
        names = ["x", *("" if low is None else "low" for _ in [0]), *([] if high is None else ["high"])]
        arrays = {name: np.float32(v) for name, v in (("low", low), ("high", high)) if v is not None}
        model = graph("(float[N, 7] x) => (float[N, 7] y) { y = Relu(x) }", **arrays)
        model.graph.node[0].CopyFrom(onnx.helper.make_node("Clip", names, ["y"]))
        same(model, 3 * floats(3, 7))


def test_products_over_the_last_axis_and_of_each_channel_with_its_own():
    for shape, W in (
        ((4, 5), (5, 3)),
        ((2, 4, 5), (5, 3)),
        ((2, 4, 5), (2, 5, 3)),
        ((1, 4, 5), (2, 5, 3)),
        ((4, 5), (1, 5, 3)),
    ):
        sizes = ", ".join(map(str, shape))
        out = ", ".join("ABC"[: max(len(shape), len(W))])
        text = f"(float[N, {sizes}] x) => (float[N, {out}] y) {{ y = MatMul(x, W) }}"
        if len(W) > len(shape):
            text = text.replace("float[N, A, B, C]", "float[N, A, B]")
        same(graph(text, W=floats(*W)), floats(3, *shape))


def test_layers_that_read_the_same_weights_are_one():
    text = """(float[N, 4] x, float[N, 4] z) => (float[N, 2] y) {
        a = Gemm(x, W, b)  c = Gemm(z, W, b)  y = Sub(a, c) }"""
    net = same(graph(text, W=floats(4, 2), b=floats(2)), floats(3, 4), floats(3, 4))
    assert sorted(net.params)[:2] == ["a.W", "a.b"]
    assert "c.W" not in net.params


def test_weights_that_are_used_otherwise_are_another_layers():
    text = """(float[N, 3] x) => (float[N, 3] y) {
        a = Gemm(x, W)  c = Gemm<transB = 1>(x, W)  d = Gemm<alpha = 2.0>(x, W)  y = Sum(a, c, d) }"""
    same(graph(text, W=floats(3, 3)), floats(3, 3), layers=["Dense", "Dense", "Dense", "Add"])


def test_numbers_are_added_to_no_layer_that_somebody_else_reads():
    text = """(float[N, 3] x) => (float[N, 2] z, float[N, 2] y) {
        z = MatMul(x, W)  again = Identity(z)  y = Add(again, b) }"""
    same(graph(text, W=floats(3, 2), b=floats(2)), floats(3, 3))


def test_a_size_beside_that_of_the_batch():
    text = """(float[N, 2, 3, 4] x) => (float[N, 2, 7, 5] y) {
        s = Shape<end = 2>(x)  sizes = Concat<axis = 0>(s, map)
        y = Resize<mode = "linear">(x, , , sizes) }"""
    same(graph(text, map=np.array([7, 5])), floats(3, 2, 3, 4), layers=["Resize"])


def test_whole_numbers_come_in_and_are_cast():
    text = """(uint8[N, 1, 4, 4] x) => (float[N, 1, 4, 4] y) { a = Cast<to = 1>(x)  y = Div(a, most) }"""
    same(graph(text, most=np.float32(255)), RNG.integers(0, 256, (3, 1, 4, 4), dtype=np.uint8))


def test_double_precision_stays():
    net = load(graph("(double[N, 3] x) => (double[N, 3] y) { y = Tanh(x) }"), threads=1)
    x = RNG.standard_normal((2, 3))
    np.testing.assert_allclose(net.predict(x), np.tanh(x), rtol=1e-14)


def test_operators_of_early_versions_keep_their_meaning():
    x = floats(2, 2, 3, 4)
    model = graph("(float[2, 2, 3, 4] x) => (float[2, 2, 3, 4] y) { y = Softmax<axis = 1>(x) }", opset=11)
    e = np.exp(x.reshape(2, -1))
    np.testing.assert_allclose(load(model, threads=1).predict(x).reshape(2, -1), e / e.sum(1, keepdims=True), rtol=1e-5)
    text = "(float[N, 2, 3, 4] x) => (float[N, 2, 5, 4] y) { y = Pad<pads = [0, 0, 1, 0, 0, 0, 1, 0], value = 2.0>(x) }"
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)), constant_values=2)
    np.testing.assert_array_equal(load(graph(text, opset=9), threads=1).predict(x), padded)


def test_layer_normalisation_over_some_axes():
    for axis, shape in ((-1, (4,)), (2, (3, 4)), (1, (2, 3, 4))):
        text = f"(float[N, 2, 3, 4] x) => (float[N, 2, 3, 4] y) {{ y = LayerNormalization<axis = {axis}>(x, W, b) }}"
        same(graph(text, W=floats(*shape), b=floats(*shape)), floats(3, 2, 3, 4))


def test_batch_normalisation_is_kept():
    text = "(float[N, 2, 3, 3] x) => (float[N, 2, 3, 3] y) { y = BatchNormalization(x, W, b, mean, var) }"
    net = same(
        graph(text, W=floats(2), b=floats(2), mean=floats(2), var=floats(2) ** 2), floats(3, 2, 3, 3), layers=["BatchNorm2d"]
    )
    assert sorted(net.state) == ["y.num_batches_tracked", "y.running_mean", "y.running_var"]


def test_outputs_have_the_names_of_the_graph():
    text = """(float[N, 3] x) => (float[N, 3] again, float[N, 3] c, float[N, 3] x2) {
        c = Relu(x)  again = Identity(c)  x2 = Identity(x) }"""
    net = load(graph(text), threads=1)
    assert net.outputs == ("again", "c", "x2")
    x = floats(2, 3)
    np.testing.assert_array_equal(net.predict_outputs(x)["x2"], x)


def test_what_no_output_depends_on_is_left_out():
    text = "(float[N, 3] x) => (float[N, 3] y) { dead = Erf(x)  y = Relu(x) }"
    same(graph(text), floats(2, 3), layers=["ReLU"])


# --- what is refused ---

REFUSED = {
    "Erf (node y)": ("y = Erf(x)", "expected operators that layers of minicnn express, got one that none does"),
    "Relu (node y)": ("y = Relu<odd = 1>(x)", "expected attributes that are known of it, got odd"),
    "Gemm (node y)": ("y = Gemm<transA = 1>(x, W)", "expected transA of 0, as the first axis is the batch, got 1"),
    "MatMul (node y)": (
        "y = MatMul(x, x)",
        "expected its weights as constants of the file, got numbers that depend on the input",
    ),
    "Softmax (node y)": (
        "y = Softmax<axis = 0>(x)",
        "expected an axis of the image, as the first one is the batch, got the first one",
    ),
    "Conv (node y)": (
        "y = Conv(x, W)",
        "expected maps (N, C, H, W) or rows (N, C, W), and weights of as many axes, got input and weights of 2 and 2 axes",
    ),
    "Transpose (node y)": (
        "a = Unsqueeze(x, first)  y = Transpose<perm = [2, 1, 0]>(a)",
        "expected an order of 3 axes that keeps the batch first, got [2, 1, 0]",
    ),
    "Relu (node z)": (
        "a = Transpose<perm = [1, 0]>(x)  z = Relu(a)  y = Transpose<perm = [1, 0]>(z)",
        "expected an input whose first axis is the batch, got one whose second axis is",
    ),
    "Div (node y)": ("y = Div(one, x)", "expected a divisor that is a constant, got one that depends on the input"),
    "Add (node y)": (
        "y = Add(x, long)",
        "expected a constant that broadcasts to an image of shape (3,), the same for all, got shape (2, 3)",
    ),
    "Mul (node y)": (
        "a = Unsqueeze(x, first)  b = MatMul(a, W)  y = Mul(b, x)",
        "expected a second value of shape (1, 3), or one number for each channel, got (3,)",
    ),
    "Clip (node y)": ("y = Clip(x, long)", "expected min as one number, got shape (2, 3)"),
    "Gemm (node c)": (
        "c = Gemm(x, W, column)  y = Relu(c)",
        "expected a bias of 3 numbers, the same for every image, got shape (3, 1)",
    ),
    "Elu (node y) as ELU": ("y = Elu<alpha = -1.0>(x)", "expected alpha in [0, inf), got -1.0"),
}


@pytest.mark.parametrize("who", REFUSED)
def test_what_layers_do_not_express_is_refused_naming_operator_and_node(who):
    node, what = REFUSED[who]
    arrays = {"W": floats(3, 3), "one": np.float32(1), "long": floats(2, 3), "first": np.array([1])}
    arrays["column"] = floats(3, 1)
    with pytest.raises(DataError) as caught:
        load(graph(f"(float[N, 3] x) => (float[N, 3] y) {{ {node} }}", **arrays), threads=1)
    assert str(caught.value) == f"ONNX operator {who}: {what}; {HINT}"


IN, OUT = "(float[N, 3] x)", "(float[N, 3] y)"

GRAPHS = [
    (
        "(float[N, M] x) => (float[N, M] y) { y = Relu(x) }",
        "the input x with fixed sizes from 1 to 2^24 but for the batch, got axis 1 of size unknown",
    ),
    (
        "(string[N] x) => (string[N] y) { y = Identity(x) }",
        "the input x as float32, float64 or whole numbers, got kind 8",
    ),
    (
        "(float x) => (float y) { y = Relu(x) }",
        "the input x with axes, of which the first is the batch, got a single number",
    ),
    (
        f"(float[2, 3] x, float[3, 3] z) => {OUT} {{ y = Add(x, z) }}",
        "one size of the batch, of at least 1, got 3 for z",
    ),
    (
        f"(float[N, 3] x, float[N, 3] z) => {OUT} {{ y = Relu(x) }}",
        "inputs that the outputs depend on, got z, which they do not",
    ),
    (f"{IN} => {OUT} {{ y = Relu(z) }}", "nodes in an order in which each reads what is before it, got z from nowhere"),
    (f"{IN} => {OUT} {{ y = Relu(x)  y = Tanh(x) }}", "every name once, got y again"),
    (
        f"{IN} => (float[3] y, float[N, 3] z) {{ z = Relu(x)  y = Constant<value_floats = [1.0, 2.0]>() }}",
        "outputs that depend on the input, got y, which is constant",
    ),
]


@pytest.mark.parametrize(("text", "what"), GRAPHS, ids=[what for _, what in GRAPHS])
def test_a_graph_that_is_no_networks_is_refused(text, what):
    with pytest.raises(DataError) as caught:
        load(graph(text), threads=1)
    assert str(caught.value) == f"ONNX model: expected {what}; {WHOLE}"


def relu():
    return graph("(float[N, 3] x) => (float[N, 3] y) { y = Gemm(x, W) }", W=floats(3, 3))


def test_versions_functions_and_other_things_are_refused():
    model = relu()
    model.opset_import[0].version = 99
    with pytest.raises(DataError, match=r"expected operators of one version from 7 to 28, got versions \[99\]"):
        load(model)
    model = relu()
    model.functions.add(name="own")
    with pytest.raises(DataError, match="expected a graph of ONNX's own operators, got functions of its own"):
        load(model)
    with pytest.raises(DataError, match=r"io\.onnx\.load: expected the path of an ONNX file or a ModelProto, got int"):
        load(3)
    with pytest.raises(OptionError, match="threads"):
        load(relu(), threads=-1)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(DataError, match="expected the package onnx, got none installed; run pip install onnx"):
        load("model.onnx")


def tensor(model):
    return model.graph.initializer[0]


def damaged(change):
    model = relu()
    change(tensor(model))
    return model


DAMAGED = {
    "expected 36 bytes of W, got 35": lambda t: setattr(t, "raw_data", t.raw_data[:-1]),
    "expected a shape of W of at most 2^31 numbers and 32 axes, got (4294967296, 3)": lambda t: t.dims.__setitem__(0, 2**32),
    "expected a shape of W of at most 2^31 numbers and 32 axes, got (-1, 3)": lambda t: t.dims.__setitem__(0, -1),
    "expected numbers of W of one of the kinds float32, uint8": lambda t: setattr(t, "data_type", 8),
    "expected 9 numbers of W, got 0": lambda t: t.ClearField("raw_data"),
    "expected the numbers of W within the model, got a model in memory": lambda t: setattr(t, "data_location", 1),
    "expected finite weights, got others of y.W": lambda t: setattr(t, "raw_data", np.full(9, np.nan, np.float32).tobytes()),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_damaged_weights_are_refused(what):
    with pytest.raises(DataError) as caught:
        load(damaged(DAMAGED[what]), threads=1)
    assert what in str(caught.value)


def test_grey_levels_are_warned_of_where_the_graph_does_not_scale_them():
    x = np.full((2, 4, 4), 200, np.uint8)
    nodes = "a = Cast<to = 1>(x)  {scale}  y = Flatten(b)"
    for scale, warned in (("b = Mul(a, s)", False), ("c = Unsqueeze(a, one)  b = Div(c, s)", False), ("b = Relu(a)", True)):
        net = load(
            graph(f"(uint8[N, 4, 4] x) => (float[N, 16] y) {{ {nodes.format(scale=scale)} }}", s=np.float32(0.01), one=[1]),
            threads=1,
        )
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            net.predict(x)
        assert [str(each.message)[:44] for each in caught] == ["Network: expected numbers of about 1, got an "[:44]] * warned


# --- files ---


def outside(folder, location, **more):
    """A model in a folder whose weights lie elsewhere."""
    model = relu()
    own = tensor(model)
    own.ClearField("raw_data")
    own.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": location, **more}.items():
        own.external_data.add(key=key, value=str(value))
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    return folder / "model.onnx"


def test_weights_in_a_file_of_the_same_folder_are_read(tmp_path):
    W = floats(3, 3)
    (tmp_path / "weights.bin").write_bytes(b"head" + W.tobytes() + b"rest")
    net = load(outside(tmp_path, "weights.bin", offset=4, length=36), threads=1)
    np.testing.assert_array_equal(net.params["y.W"], W.T)


def test_no_file_outside_the_folder_is_read(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(36))
    (inside / "link.bin").symlink_to(tmp_path / "secret.bin")
    for location in ("../secret.bin", str(tmp_path / "secret.bin"), "link.bin", "", ".", "a\0b"):
        with pytest.raises(DataError, match="expected the numbers of W in a file of the model's own folder"):
            load(outside(inside, location), threads=1)


def test_wrong_sizes_and_kinds_of_further_files_are_refused(tmp_path):
    (tmp_path / "short.bin").write_bytes(bytes(20))
    os.mkfifo(tmp_path / "pipe")
    for location, more, what in (
        ("short.bin", {}, "expected short.bin with 36 bytes from 0 on"),
        ("short.bin", {"length": 10**15}, "expected 36 bytes of W, got offset 0, 1000000000000000"),
        ("short.bin", {"offset": "-4"}, "expected 36 bytes of W, got offset -4"),
        ("short.bin", {"offset": "x"}, "expected 36 bytes of W"),
        ("none.bin", {}, "expected a readable file, got no such file"),
        ("pipe", {}, "expected a readable file, got a pipe"),
    ):
        with pytest.raises(DataError, match=what):
            load(outside(tmp_path, location, **more), threads=1)


def test_a_file_that_is_none_is_refused(tmp_path):
    for name, content in (("text", b"no model"), ("empty", b""), ("zip", b"PK\x03\x04" + bytes(99))):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            load(path)
        assert str(caught.value).startswith(f"{path}: expected ")
    with pytest.raises(DataError, match="expected a readable file, got no such file or directory"):
        load(tmp_path / "none")


def test_sizes_are_checked_before_memory_is_taken():
    for text, what in {
        "a = Expand(W, huge)  y = Add(x, a)": "expected at most 16,777,216 numbers that follow from others",
        "c = ConstantOfShape(huge)  y = MatMul(x, c)": "expected a shape of at most 16,777,216 numbers",
        "y = Pad(x, far)": "expected its pads as a few whole numbers of at most 2^24",
        'a = Unsqueeze(x, two)  y = Upsample<mode = "nearest">(a, scales)': "expected",
        "a = Mul(long, wide)  y = Add(x, a)": "expected constants that broadcast, to at most 16,777,216 numbers",
    }.items():
        model = graph(
            f"(float[N, 3] x) => (float[N, 3] y) {{ {text} }}",
            opset=9 if "Upsample" in text else 20,
            **{"W": floats(1, 1), "huge": np.array([2**20, 2**20]), "far": np.array([0, 0, 0, 2**40]), "two": np.array([1, 2])},
            **{"scales": np.array([1, 1, 1, 2.0**40], np.float32), "long": floats(2**13, 1), "wide": floats(1, 2**13)},
        )
        with pytest.raises(DataError, match=re.escape(what)):
            load(model, threads=1)
