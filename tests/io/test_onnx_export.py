"""Networks as ONNX files: ONNX Runtime computes the same for every layer with all options and for every model."""

import json
import re
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import assume, given
from strategies import STRATEGIES, examples

import minicnn as m
from minicnn import ContractError, DataError, OptionError, OutputError, ShapeError, models, nn
from minicnn.data import Normalise
from minicnn.io.onnx import export, load
from minicnn.io.onnx.operators import OPERATORS, steps


def settled(net, seed=5):
    """A network whose parameters and state are drawn so that values neither vanish nor grow."""
    rng = np.random.default_rng(seed)
    with net.update():
        for name, array in net.params.items():
            if array.ndim > 1:
                array[...] = rng.normal(0, np.sqrt(2 / np.prod(array.shape[1:])), array.shape)
            else:
                array[...] = rng.uniform(0.5, 1.5, array.shape) if name.endswith("W") else rng.normal(0, 0.3, array.shape)
    state = {}
    for name, array in net.state.items():
        drawn = rng.normal(0, 0.3, array.shape) if name.endswith("mean") else rng.uniform(0.5, 1.5, array.shape)
        state[name] = (drawn + 3 * (array.dtype.kind == "i")).astype(array.dtype)
    net.load_params({**{name: array.copy() for name, array in net.params.items()}, **state})
    return net


def exported(tmp_path, model, **options):
    """The checked model of an export."""
    path = tmp_path / "model.onnx"
    export(model, path, **options)
    found = onnx.load(path)
    onnx.checker.check_model(found, full_check=True)
    read = {name for node in found.graph.node for name in node.input}
    assert {constant.name for constant in found.graph.initializer} <= read
    return found


def session(found):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(found.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(found, x):
    """The outputs by name of ONNX Runtime, for inputs by name."""
    running = session(found)
    names = [output.name for output in running.get_outputs()]
    return dict(zip(names, running.run(names, x), strict=True))


def images(net, count, seed=3):
    """Images for every input, of the network's dtype."""
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal((count, *shape), "float32").astype(net.dtype) for name, shape in net.in_shapes.items()}


def outputs(net, x):
    return net.predict_outputs(x if len(x) > 1 else next(iter(x.values())))


def compare(ours, theirs, tolerance=1e-5):
    """Equal but for rounding, against the largest output, which is not next to nothing."""
    assert list(ours) == list(theirs)
    for name, y in ours.items():
        assert theirs[name].shape == y.shape
        assert theirs[name].dtype == y.dtype
        assert np.abs(theirs[name] - y).max() <= tolerance * max(1, np.abs(y).max())


# --- every layer ---


def placed(kind, case, dtype="float32"):
    """A network of one layer."""
    layer, shape = case
    shapes = {f"in{n}": s for n, s in enumerate(shape)} if kind.joins else {"x": shape}
    return settled(m.Network([("the layer", layer, tuple(shapes))], shapes, dtype, backend="numpy", lanes=16, threads=1))


def comparable(layer):
    """Whether a Resize is exported, and ONNX Runtime keeps to ONNX's rule: a single pixel lies at −1/2, and not at 0."""
    single = 1 in np.broadcast_to(layer.size, 2) and layer.coordinate_transformation_mode == "pytorch_half_pixel"
    return layer.scales is None and not (single and layer.antialias)


KINDS = pytest.mark.parametrize("kind", [kind for kind in STRATEGIES if kind in OPERATORS], ids=lambda kind: kind.__name__)


@KINDS
def test_onnx_runtime_computes_what_the_layer_does_whatever_its_options(kind, tmp_path):
    @examples(40)
    @given(STRATEGIES[kind])
    def check(case):
        assume(not isinstance(case[0], nn.Resize) or comparable(case[0]))
        net = placed(kind, case)
        x = images(net, 3)
        compare(outputs(net, x), run(exported(tmp_path, net), x))

    check()


IN_DOUBLE = 1e-7
"""Options of layers are float32 in ONNX, such as ε."""


@KINDS
def test_a_layer_in_float64_is_the_same_in_float64(kind, tmp_path):
    """ONNX Runtime has not every operator in float64: the others have the same nodes and constants as in float32."""

    @examples(10)
    @given(STRATEGIES[kind])
    def check(case):
        assume(not isinstance(case[0], nn.Resize) or comparable(case[0]))
        net = placed(kind, case, "float64")
        x, found, single = images(net, 3), exported(tmp_path, net), exported(tmp_path, net, dtype="float32")
        assert {put.type.tensor_type.elem_type for put in (*found.graph.input, *found.graph.output)} == {
            onnx.TensorProto.DOUBLE
        }
        try:
            compare(outputs(net, x), run(found, x), IN_DOUBLE)
        except onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented:
            halved = {name: array.astype("float32") for name, array in x.items()}
            compare({n: y.astype("float32") for n, y in outputs(net, x).items()}, run(single, halved))
        assert described(found) == described(single)

    check()


LOST = {nn.MaxUnpool1d: "MaxPool", nn.MaxUnpool2d: "MaxPool", nn.RBF: "ReduceSumSquare|Sub"}
LOST |= {nn.BatchNorm1d: "ReduceMean", nn.BatchNorm2d: "ReduceMean"}
"""Layers that are not read again, at least with some options, and operators of theirs that refusals name."""


@KINDS
def test_what_was_exported_is_read_again(kind, tmp_path):
    refused = []

    @examples(30)
    @given(STRATEGIES[kind])
    def check(case):
        net = placed(kind, case)
        try:
            found = exported(tmp_path, net)
        except OptionError:  # some options of Resize
            assume(False)
        try:
            again = load(found, threads=1, backend="numpy")
        except DataError as error:
            refused.append((case, str(error)))
            return
        x = images(net, 3)
        ours, theirs = outputs(net, x), outputs(again, x)
        compare(dict(zip(theirs, ours.values(), strict=True)), theirs)

    check()
    assert bool(refused) == (kind in LOST), refused[:2]
    for case, words in refused:
        assert re.match(f"ONNX operator ({LOST[kind]}) ", words)
        assert not getattr(case[0], "track_running_stats", False), words


def described(found):
    """The nodes and constants of a model, whatever its dtype."""
    nodes = [(n.op_type, list(n.input), list(n.output), attributes(n)) for n in found.graph.node]
    arrays = {each.name: onnx.numpy_helper.to_array(each) for each in found.graph.initializer}
    return nodes, {name: a.astype("float32").tolist() if a.dtype.kind == "f" else a.tolist() for name, a in arrays.items()}


def attributes(node):
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute if a.name != "stash_type"}


def test_scales_that_are_not_those_of_the_sizes_are_refused(tmp_path):
    net = m.Network([("R", m.Resize((4, 6), scales=(2.0, 2.1)))], (1, 2, 3), threads=1, backend="numpy")
    with pytest.raises(OptionError) as caught:
        export(net, tmp_path / "net.onnx")
    assert str(caught.value) == (
        "R: expected scales as size of y over size of x, as ONNX takes one of both alone, got (2.0, 2.1); leave scales out"
    )


def test_what_is_exported_are_layers_and_the_others_are_refused():
    items = {nn.Layer, nn.Residual}  # the base of all, and what stands for other layers
    layers = {getattr(nn, name) for name in nn.__all__} - items
    assert set(OPERATORS) <= layers == set(STRATEGIES)


# --- models ---


SMALL = {
    "resnet8": {"in_shape": (3, 9, 9)},
    "resnet20": {"in_shape": (3, 9, 9)},
    "vgg_small": {"in_shape": (3, 32, 32)},
    "mobilenet_small": {"in_shape": (3, 32, 32)},
    "squeezenet_small": {"in_shape": (3, 19, 19)},
    "unet_small": {"in_shape": (3, 16, 16)},
}
"""Images as small as the networks allow, for the tests of every day."""

MODELS = sorted(set(models.__all__) - {"C3_CONNECTIONS", "c3_table", "cyclic_table"})


def classes(net, y):
    """The number of the class of every image, or place of a map."""
    return y.argmin(axis=1) if least_wins(net) else y.argmax(axis=1)


def least_wins(net):
    return net.layers[-1].layer.least_wins


def check_model(tmp_path, net, batches):
    """The outputs and classes for batches of so many images."""
    running = session(exported(tmp_path, settled(net)))
    for number, count in enumerate(batches):
        x = images(net, count, number)
        (name, ours), (theirs,) = *outputs(net, x).items(), running.run(None, x)
        assert np.abs(ours).max() > 0.01
        compare({name: ours}, {name: theirs})
        alike = classes(net, ours) == classes(net, theirs)
        ranked = np.sort(-ours if least_wins(net) else ours, axis=1)
        tie = ranked[:, -1] - ranked[:, -2] < 1e-5 if ours.shape[1] > 1 else np.zeros(alike.shape, bool)
        assert (alike | tie).all(), "expected the same classes but for ties"


@pytest.mark.parametrize("name", MODELS)
def test_a_model_predicts_the_same_in_onnx_runtime(name, tmp_path):
    check_model(tmp_path, getattr(models, name)(backend="numpy", **SMALL.get(name, {})), [3])


@pytest.mark.parametrize("name", MODELS)
def test_a_model_predicts_the_same_for_a_thousand_images(name, tmp_path):
    large = {"in_shape": (3, 64, 64)} if name in ("squeezenet_small", "unet_small") else {}
    check_model(tmp_path, getattr(models, name)(**large), [100] * 10)


def test_lenet_5_is_made_of_the_operators_that_there_are_for_its_layers(tmp_path):
    found = exported(tmp_path, models.lenet5_1998("tanh", backend="numpy"))
    body = ["Conv", "Tanh"] * 5 + ["Flatten", "Gemm", "Tanh"]
    assert [node.op_type for node in found.graph.node] == [*body, "Unsqueeze", "Sub", "ReduceSumSquare"]
    arrays = {each.name: onnx.numpy_helper.to_array(each) for each in found.graph.initializer}
    assert arrays["C3.W"].shape == (16, 6, 5, 5)
    assert (arrays["C3.W"].any(axis=(2, 3)).sum(), arrays["S2.W"].shape) == (60, (6, 1, 2, 2))


# --- graphs ---


GRAPH = [
    ("conv", m.Conv2d(3, 3, padding=1), "left"),
    ("again", "conv", "right"),
    ("norm", m.BatchNorm2d(), "again"),
    ("drop", m.Dropout(0.5), "norm"),
    ("sum", m.Add(), ("conv", "drop", "left", "conv")),
    ("gate", m.GlobalAvgPool2d(), "sum"),
    ("kept", m.Dropout(0.5), "gate"),
    ("gated", m.Multiply(), ("sum", "kept")),
    ("both", m.Concat(), ("gated", "right")),
    ("class", m.Dense(4), "both"),
]
SHAPES = {"left": (3, 6, 5), "right": (3, 6, 5)}


def test_a_graph_keeps_the_names_of_its_inputs_and_outputs_and_what_layers_share(tmp_path):
    net = settled(m.Network(GRAPH, SHAPES, backend="numpy", outputs=("class", "kept", "sum")))
    found = exported(tmp_path, net)
    assert [put.name for put in found.graph.input] == ["left", "right"]
    assert [put.name for put in found.graph.output] == ["class", "kept", "sum"]
    dims = found.graph.input[0].type.tensor_type.shape.dim
    assert [each.dim_param or each.dim_value for each in dims] == ["batch", 3, 6, 5]
    assert [name.name for name in found.graph.initializer if name.name.startswith(("conv", "again"))] == ["conv.W", "conv.b"]
    for count in (1, 5):
        x = images(net, count)
        compare(outputs(net, x), run(found, x))


def test_what_layers_share_may_have_another_form_in_each(tmp_path):
    items = [
        ("slopes", m.PReLU(2)),
        ("links", m.SparseConv2d(((0,), (1,)), 1)),
        ("mean", m.GlobalAvgPool2d()),
        ("slopes2", "slopes", "mean"),
        ("narrow", "links", "input"),
        ("all", m.Concat(), ("links", "input")),
        ("wide", "links", "all"),
        ("same", "slopes", "wide"),
    ]
    net = settled(m.Network(items, (2, 3, 3), backend="numpy", outputs=("slopes2", "narrow", "same")))
    x, found = images(net, 2), exported(tmp_path, net)
    compare(outputs(net, x), run(found, x))
    names = {each.name for each in found.graph.initializer}
    assert {name for name in names if name.endswith("W")} == {"slopes.W", "slopes2.W", "links.W", "wide.W"}


def test_dropout_alone_is_identity(tmp_path):
    net = m.Network([m.Dropout(0.5)], (4,), backend="numpy")
    found = exported(tmp_path, net)
    assert [node.op_type for node in found.graph.node] == ["Identity"]
    x = images(net, 2)
    compare(outputs(net, x), run(found, x))


def test_the_file_says_what_it_is_and_who_wrote_it(tmp_path):
    net = m.Network([m.Dense(2)], (1, 2, 2), backend="numpy")
    found = exported(tmp_path, net)
    assert (found.producer_name, found.producer_version) == ("minicnn", m.__version__)
    assert (found.ir_version, [(each.domain, each.version) for each in found.opset_import]) == (10, [("", 21)])
    assert metadata(found) == {"kind": "network"}
    assert metadata(exported(tmp_path, m.Classifier(net))) == {"kind": "classifier"}
    named = metadata(exported(tmp_path, m.Classifier(net, classes=["Käse", "b"])))
    assert json.loads(named["classes"]) == ["Käse", "b"]
    assert metadata(exported(tmp_path, m.Regressor(net))) == {"kind": "regressor"}


def metadata(found):
    return {each.key: each.value for each in found.metadata_props}


# --- preprocessing ---


def trained(kind, items, in_shape, given, **options):
    """A classifier of two classes, or a regressor, after a step."""
    net = m.Network(items, in_shape, backend="numpy")
    targets = np.arange(len(given)) % 2
    if kind is m.Regressor:
        targets = targets.astype(float)
    model = kind(net, **options).fit(given, targets, validation=0.5, epochs=1, log=None)
    settled(net)
    return model


def pictures(*shape, dtype="uint8"):
    drawn = np.random.default_rng(6).integers(0, 256, shape)
    return drawn.astype(dtype) if dtype == "uint8" else (drawn / 255).astype(dtype)


def test_channels_may_have_a_normalisation_each(tmp_path):
    x = pictures(8, 3, 6, 5)
    steps = Normalise.standard((0.2, 0.5, 0.7), (0.1, 0.2, 0.3))
    model = trained(m.Classifier, [("C", m.Conv2d(2, 3)), m.Dense(2)], (3, 6, 5), x, normalise=steps)
    theirs = run(exported(tmp_path, model, preprocessing=True, probabilities=True), {"input": x})
    np.testing.assert_allclose(theirs["probabilities"], model.predict_proba(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize(("layout", "shape"), [("NHW", (6, 5)), ("NHWC", (6, 5, 3)), ("NCHW", (3, 6, 5)), (None, (3, 6, 5))])
def test_a_graph_takes_pictures_as_they_were_in_training(layout, shape, dtype, tmp_path):
    channels = 1 if layout == "NHW" else 3
    x = pictures(8, *shape, dtype=dtype)
    model = trained(m.Classifier, [("C", m.Conv2d(2, 3)), m.Dense(2)], (channels, 6, 5), x, layout=layout)
    found = exported(tmp_path, model, preprocessing=True, probabilities=True)
    theirs = run(found, {"input": x})
    assert list(theirs) == ["1", "probabilities"]
    np.testing.assert_allclose(theirs["probabilities"], model.predict_proba(x), rtol=0, atol=1e-5)
    assert theirs["probabilities"].argmax(axis=1).tolist() == model.predict(x).tolist()
    turned = exported(tmp_path, model, preprocessing=True, layout=layout or "NHWC")
    again = x if layout else x.transpose(0, 2, 3, 1)
    np.testing.assert_allclose(run(turned, {"input": again})["1"], theirs["1"], rtol=0, atol=1e-5)


@pytest.mark.parametrize(("fit_size", "size"), [("pad", (6, 4)), ("resize", (7, 5)), ("resize", (13, 3))])
def test_a_graph_pads_or_resizes_pictures_of_another_size(fit_size, size, tmp_path):
    x = pictures(6, *size)
    normalise = Normalise.between(-0.1, 1.175)
    model = trained(m.Classifier, [m.Dense(2)], (1, 8, 8), x, fit_size=fit_size, normalise=normalise)
    found = exported(tmp_path, model, preprocessing=True, layout="NHW", size=size, probabilities=True)
    np.testing.assert_allclose(run(found, {"input": x})["probabilities"], model.predict_proba(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_that_are_no_pictures_are_normalised(dtype, tmp_path):
    x = pictures(8, 4, dtype=dtype)
    model = trained(m.Regressor, [m.Dense(1)], (4,), x)
    theirs = run(exported(tmp_path, model, preprocessing=True, dtype=dtype), {"input": x})
    np.testing.assert_allclose(theirs["0"][:, 0], model.predict(x), rtol=0, atol=1e-5)


def test_a_normalisation_that_changes_nothing_has_no_nodes(tmp_path):
    model = trained(m.Regressor, [m.Dense(1)], (4,), pictures(8, 4, dtype="float32"), normalise=Normalise(scale=1.0, shift=0.0))
    assert [node.op_type for node in exported(tmp_path, model, preprocessing=True).graph.node] == ["Gemm"]


@pytest.mark.parametrize("end", [m.Softmax(), m.LogSoftmax(), m.RBF(((1.0, 0.5), (-1.0, 2.0)))])
def test_probabilities_are_those_of_the_classifier_whatever_its_last_layer(end, tmp_path):
    x = pictures(6, 4, 4)
    model = trained(m.Classifier, [m.Dense(2), ("end", end)], (1, 4, 4), x, loss=m.MSE(1, -1))
    theirs = run(exported(tmp_path, model, preprocessing=True, layout="NHW", probabilities=True), {"input": x})
    assert list(theirs) == ["end", "probabilities"]
    np.testing.assert_allclose(theirs["probabilities"], model.predict_proba(x), rtol=0, atol=1e-5)


# --- what is refused ---


class Own(m.ReLU):
    """A layer of the user's own, whose passes may be others than those of what it is made from."""


NET = m.Network([("F", m.Dense(2))], (1, 4, 4), backend="numpy")
VECTOR = m.Network([("F", m.Dense(2))], (4,), backend="numpy")


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (
            m.Network([m.Dense(2), ("own", Own())], (4,), backend="numpy"),
            {},
            'layer 1 "own" Own(): expected a layer of minicnn, for which there are operators, got Own, one of your own; '
            "build it of minicnn's layers, or export a network without it",
        ),
        (
            m.Dense(2),
            {},
            "export: expected a Network, Classifier or Regressor, got Dense(units=2...nt(value=0.0)); "
            "write export(model, path)",
        ),
        (NET, {"dtype": "float16"}, "export: expected dtype float32 or float64, got 'float16'; give dtype=\"float32\""),
        (
            NET,
            {"preprocessing": 1},
            "export: expected preprocessing as True or False, got 1; give preprocessing=True or preprocessing=False",
        ),
        (
            NET,
            {"layout": "NHWC"},
            "export: expected layout and size with preprocessing=True, got them without; leave them out",
        ),
        (
            NET,
            {"preprocessing": True},
            "export: expected a Classifier or Regressor for preprocessing=True, got a Network, which has none; "
            "leave it out, and give the network's input to the graph",
        ),
        (
            NET,
            {"probabilities": True},
            "export: expected a Classifier for probabilities=True, got a Network; "
            "leave it out, or end the network with Softmax()",
        ),
        (
            m.Classifier(m.Network([("probabilities", m.Dense(2))], (4,), backend="numpy")),
            {"probabilities": True},
            "export: expected a network in which nothing is called probabilities, as the second output is, got one; "
            "rename the layer or the input, or leave out probabilities",
        ),
        (
            m.Classifier(NET),
            {"preprocessing": True},
            "export: expected a Classifier that was trained, as its preprocessing is found then, got one that is not; "
            "call fit first, or leave out preprocessing",
        ),
    ],
)
def test_what_cannot_be_exported_is_refused_and_leaves_the_older_file(model, options, message, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_text("older")
    with pytest.raises((OptionError, ContractError)) as caught:
        export(model, path, **options)
    assert str(caught.value) == message
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("model.onnx", "older")]


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        (
            {"size": 28},
            OptionError,
            "export: expected size as rows and columns of a picture, each from 1 to 8192, got 28; give for example ",
        ),
        ({"size": (2**31 - 1, 2**31 - 1)}, OptionError, "each from 1 to 8192, got (2147483647, 2147483647); give for example"),
        ({"layout": "HW"}, OptionError, "expected layout as one of NHW, NHWC, NCHW, got 'HW'"),
        ({"size": (5, 4)}, OptionError, "expected a size above (5, 4) by an even number, got 8"),
    ],
)
def test_pictures_that_the_classifier_would_refuse_are_refused(options, kind, message, tmp_path):
    model = trained(m.Classifier, [m.Dense(2)], (1, 8, 8), pictures(6, 8, 8))
    with pytest.raises(kind) as caught:
        export(model, tmp_path / "model.onnx", preprocessing=True, **options)
    assert message in str(caught.value)


def test_colour_pictures_of_another_size_or_layout_are_refused(tmp_path):
    model = trained(m.Classifier, [m.Dense(2)], (3, 8, 8), pictures(6, 3, 8, 8))
    with pytest.raises(ShapeError, match="export: expected images of 8 × 8 pixels, as the network takes, got 6 × 6"):
        export(model, tmp_path / "model.onnx", preprocessing=True, size=(6, 6))
    with pytest.raises(DataError, match="expected images of 3 channels, got 1 channel"):
        export(model, tmp_path / "model.onnx", preprocessing=True, layout="NHW")


def test_numbers_that_are_no_pictures_have_no_layout(tmp_path):
    model = trained(m.Regressor, [m.Dense(1)], (4,), pictures(8, 4, dtype="float32"))
    with pytest.raises(OptionError) as caught:
        export(model, tmp_path / "model.onnx", preprocessing=True, layout="NHWC")
    assert str(caught.value) == (
        "export: expected neither layout nor size, as the network takes no pictures (C, H, W) but (4,), got them; "
        "leave them out"
    )


def test_a_network_that_no_file_holds_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(steps, "LARGEST", 4 * (2 * 4 + 2) - 1)
    with pytest.raises(OptionError) as caught:
        export(VECTOR, tmp_path / "model.onnx")
    assert str(caught.value) == (
        "export: expected a network of at most 2 GB, as a file of ONNX holds, got a larger one; "
        'give dtype="float32" if it is float64, or make it smaller'
    )
    monkeypatch.setattr(steps, "LARGEST", 4 * (2 * 4 + 2))
    export(VECTOR, tmp_path / "model.onnx")


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(OutputError) as caught:
        export(VECTOR, tmp_path / "model.onnx")
    assert str(caught.value) == "export: expected the package onnx, got none installed; run pip install onnx"


def test_a_file_that_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(OutputError, match="expected to write an ONNX model, got no such file or directory"):
        export(VECTOR, tmp_path / "missing" / "model.onnx")
