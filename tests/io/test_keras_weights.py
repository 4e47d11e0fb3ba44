"""Keras's weights against its formulas, written here in its layouts, and against a file and outputs of Keras itself."""

import io
import json
import random
import re
import sys
import warnings
import zipfile
from itertools import product
from pathlib import Path

import h5py
import numpy as np
import pytest
from damaged import refusals, snapshot

import minicnn as m
from minicnn.errors import CheckpointError, OptionError
from minicnn.io import keras_file
from minicnn.io.keras import SAME, load
from minicnn.io.keras_file import HINT
from minicnn.io.keras_layout import GIVE

HERE = Path(__file__).parent
README = HERE.parents[1] / "README.md"

# --- Keras's layers: maps (rows, columns, channels) ---


def conv(x, kernel, bias, groups=1):
    """Kernel (rows, columns, channels/groups, filters), no padding."""
    kh, kw, channels, filters = kernel.shape
    y = np.zeros((len(x), x.shape[1] - kh + 1, x.shape[2] - kw + 1, filters))
    for g, i, j in product(range(groups), range(kh), range(kw)):
        read = x[:, i : i + y.shape[1], j : j + y.shape[2], g * channels : (g + 1) * channels]
        here = slice(g * filters // groups, (g + 1) * filters // groups)
        y[..., here] += read @ kernel[i, j, :, here]
    return y + bias


def depthwise(x, kernel, bias):
    """Kernel (rows, columns, channels, filters of each)."""
    kh, kw, channels, each = kernel.shape
    y = np.zeros((len(x), x.shape[1] - kh + 1, x.shape[2] - kw + 1, channels, each))
    for i, j in product(range(kh), range(kw)):
        y += x[:, i : i + y.shape[1], j : j + y.shape[2], :, None] * kernel[i, j]
    return y.reshape(*y.shape[:3], -1) + bias


def transposed(x, kernel, bias, stride):
    """Kernel (rows, columns, filters, channels), no padding, and no smaller than the stride."""
    kh, kw, filters, _ = kernel.shape
    y = np.zeros((len(x), (x.shape[1] - 1) * stride + kh, (x.shape[2] - 1) * stride + kw, filters))
    for row, column in product(range(x.shape[1]), range(x.shape[2])):
        for i, j in product(range(kh), range(kw)):
            y[:, row * stride + i, column * stride + j] += x[:, row, column] @ kernel[i, j].T
    return y + bias


def normalised(x, gamma, beta, mean, variance, epsilon=1e-3):
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta


def dense(x, kernel, bias):
    return x.reshape(len(x), -1) @ kernel + bias


def relu(x):
    return np.maximum(x, 0)


def drawn(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.uniform(0.5, 1.5, shape) for shape in shapes]


def images(*shape):
    return np.random.default_rng(1).standard_normal((3, *shape))


def check(net, x, expected):
    """Outputs of a network for Keras's images are Keras's."""
    found = net.predict(np.moveaxis(x, -1, 1) if x.ndim > 2 else x)
    found = np.moveaxis(found, 1, -1) if found.ndim > 2 else found
    assert np.abs(found - expected).max() <= 1e-10 * np.abs(expected).max()


def network(layers, shape):
    return m.Network(layers, shape, dtype="float64", threads=1)


def test_a_network_of_all_layers():
    shapes = [
        (3, 2, 2, 4),
        (4,),
        *[(4,)] * 4,
        (2, 2, 4, 2),
        (8,),
        (3, 2, 3, 8),
        (3,),
        (216, 5),
        (5,),
        *[(5,)] * 4,
        (5, 2),
        (2,),
    ]
    given, x = drawn(*shapes), images(7, 6, 2)
    w = iter(given)
    layers = [
        *(m.Conv2d(4, (3, 2)), m.ReLU(), m.BatchNorm2d(eps=1e-3), m.Conv2d(8, 2, groups=4)),
        *(m.ConvTranspose2d(3, (3, 2), stride=2), m.Dropout(0.5), m.Flatten()),
    ]
    net = network([*layers, m.Dense(5), m.BatchNorm1d(eps=1e-3), m.ReLU(), m.Dense(2)], (2, 7, 6))
    load(net, given)
    y = normalised(relu(conv(x, next(w), next(w))), next(w), next(w), next(w), next(w))
    y = transposed(depthwise(y, next(w), next(w)), next(w), next(w), stride=2)
    y = normalised(dense(y, next(w), next(w)), next(w), next(w), next(w), next(w))
    check(net, x, dense(relu(y), next(w), next(w)))
    assert not list(w)


def test_convolutions_in_groups_and_rows():
    (kernel, bias), x = drawn((3, 2, 2, 6), (6,)), images(5, 4, 4)
    net = network([m.Conv2d(6, (3, 2), groups=2)], (4, 5, 4))
    load(net, [kernel, bias])
    check(net, x, conv(x, kernel, bias, groups=2))
    given, x = drawn((3, 2, 4), (4,), (2, 4, 1), (4,), (2, 3, 4), (3,)), images(9, 2)
    net = network([m.Conv1d(4, 3), m.Conv1d(4, 2, groups=4), m.ConvTranspose1d(3, 2, stride=2)], (2, 9))
    load(net, given)
    kernels, biases = [kernel[:, None] for kernel in given[::2]], given[1::2]  # of columns that are one pixel wide
    y = depthwise(conv(x[:, :, None], kernels[0], biases[0]), kernels[1], biases[1])
    rows = np.zeros((3, 12, 3))
    for place in range(6):
        for tap in range(2):
            rows[:, 2 * place + tap] += y[:, place, 0] @ kernels[2][tap, 0].T
    check(net, x, rows + biases[2])


@pytest.mark.parametrize("flatten", [[m.Flatten()], [m.Reshape((-1,))], []])
def test_a_dense_layer_behind_a_map_reads_its_inputs_in_another_order(flatten):
    (kernel, bias), x = drawn((12, 5), (5,)), images(2, 2, 3)
    net = network([*flatten, m.ReLU(), m.Dense(5)], (3, 2, 2))
    load(net, [kernel, bias])
    check(net, x, dense(relu(x), kernel, bias))


def test_what_stands_between_flatten_and_dense_is_in_that_order_too():
    given, x = drawn(*[(12,)] * 4, (12, 5), (5,)), images(2, 2, 3)
    net = network([m.Flatten(), m.BatchNorm1d(eps=1e-3), m.Dropout(0.5), m.Tanh(), m.Dense(5)], (3, 2, 2))
    load(net, given)
    check(net, x, dense(np.tanh(normalised(x.reshape(3, -1), *given[:4])), *given[4:]))


def test_joined_vectors_keep_their_orders():
    given, x = drawn((15, 5), (5,)), images(2, 2, 3)
    items = [("mean", m.GlobalAvgPool2d()), ("flat", m.Flatten(), "input"), ("both", m.Concat(), ("mean", "flat")), m.Dense(5)]
    net = network(items, (3, 2, 2))
    load(net, given)
    check(net, x, dense(np.concatenate([x.mean((1, 2)), x.reshape(3, -1)], 1), *given))


def test_float32_goes_into_float64_and_counts_of_batches_are_0():
    net = network([m.BatchNorm2d(eps=1e-3)], (3, 2, 2))
    net.state["0.num_batches_tracked"][...] = 5
    given = [array.astype("float32") for array in drawn(*[(3,)] * 4)]
    load(net, given)
    assert net.state["0.num_batches_tracked"] == 0
    assert np.array_equal(net.state["0.running_var"], given[3])


@pytest.mark.torch
def test_the_example_of_the_readme_runs():
    from torch import nn

    class Model:
        def get_weights(self):
            return [array.astype("float32") for array in drawn((3, 3, 3, 8), (8,), *[(8,)] * 4, (7200, 10), (10,))]

    (block,) = [b for b in re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.S) if "minicnn.io import" in b]
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, eps=1e-3), nn.ReLU(), nn.Flatten(), nn.Linear(7200, 10))
    names = {"module": module, "model": Model()}
    exec(block, names)
    assert np.array_equal(names["net"].params["head.b"], Model().get_weights()[-1])


# --- files ---


CLASSES = ("BatchNormalization", "Conv2D", "Dense", "DepthwiseConv2D", "SeparableConv2D", "Dropout")
KINDS = {keras_file._snake(name): name for name in CLASSES}


def written(path, model, opened=lambda file: None, epsilon=None):
    """A file as Keras writes it: for each layer its name in the file, its own, its variables; an archive where ε is given."""
    inner = io.BytesIO()
    with h5py.File(inner, "w") as file:
        for place, name, variables in model:
            group = file.create_group(f"layers/{place}/vars")
            group.attrs["name"] = name
            for number, array in enumerate(variables):
                group[str(number)] = array
        file.create_group("vars").attrs["name"] = "model"
        opened(file)
    if epsilon is None:
        path.write_bytes(inner.getvalue())
        return path
    classes = [(KINDS[re.sub(r"_\d+$", "", place)], name) for place, name, _ in model]
    layers = [{"class_name": kind, "config": {"name": name, "epsilon": epsilon}} for kind, name in classes]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"config": {"layers": layers}}))
        archive.writestr("model.weights.h5", inner.getvalue())
    return path


LAYERS = [
    *(m.Conv2d(2, 2, groups=2, bias=False), m.Conv2d(3, 2), m.BatchNorm2d(eps=1e-3), m.Conv2d(3, 2)),
    *(m.Dense(4), m.ReLU(), m.Dense(4)),
]
SHAPES = [(2, 2, 2, 1), (2, 2, 2, 3), (3,), *[(3,)] * 4, (2, 2, 3, 3), (3,), (18, 4), (4,), (4, 4), (4,)]


def small(layers=LAYERS, dtype="float32"):
    return m.Network(layers, (2, 6, 5), threads=1, dtype=dtype)


def of_keras():
    """The variables of the network above, and its layers as in a file, which has them by class and name."""
    w = [array.astype("float32") for array in drawn(*SHAPES)]
    layers = [
        *(("batch_normalization", "norm", w[3:7]), ("conv2d", "c", w[1:3]), ("conv2d_1", "d", w[7:9])),
        *(("dense", "e", w[9:11]), ("dense_1", "f", w[11:]), ("depthwise_conv2d", "a", w[:1]), ("dropout", "g", [])),
    ]
    return w, layers


@pytest.mark.parametrize("epsilon", [None, 0.001])
def test_files_hold_what_the_list_holds(tmp_path, epsilon):
    weights, layers = of_keras()
    net, other = small(), small()
    load(net, weights)
    load(other, written(tmp_path / "net", layers, epsilon=epsilon))
    assert snapshot(net) == snapshot(other)


def test_names_go_before_order(tmp_path):
    _, layers = of_keras()
    net, other = small(), small([("a", m.Conv2d(2, 2, groups=2, bias=False)), ("d", LAYERS[1]), *LAYERS[2:]])
    rename = {"c": "1", "d": "3", "norm": "2", "a": "0", "e": "4", "f": "6"}
    exchanged = rename | {"e": "6", "f": "4"}
    named = [(place, rename.get(name, name), variables) for place, name, variables in layers]
    load(net, written(tmp_path / "net", named, epsilon=0.001))
    assert np.array_equal(net.params["6.b"], layers[4][2][1])
    named = [(place, exchanged.get(name, name), variables) for place, name, variables in layers]
    with pytest.raises(CheckpointError, match=r"expected the kernel of layer '4' as \(18, 4\), got dense_1/0 as \(4, 4\)"):
        load(net, written(tmp_path / "net", named, epsilon=0.001))
    with pytest.raises(CheckpointError) as caught:
        load(other, written(tmp_path / "net", layers, epsilon=0.001))
    what = f"expected 'd' where the layer of that name stands, got it where '3' stands; {SAME}"
    assert str(caught.value) == f"{tmp_path / 'net'}: {what}"


def test_a_layer_of_two_parts_is_not_taken_for_one_by_its_name(tmp_path):
    net = network([("s", m.Conv2d(2, 2, groups=2, bias=False))], (2, 4, 4))
    path = written(tmp_path / "net", [("separable_conv2d", "s", drawn((2, 2, 2, 1), (1, 1, 2, 3), (3,)))], epsilon=0.001)
    assert refused(path, net) == f"expected layers for those of the network only, got separable_conv2d too; {SAME}"


def test_ten_and_more_layers_of_a_class_are_in_the_order_of_their_numbers(tmp_path):
    layers = [(f"dense_{n}" if n else "dense", "", drawn((2, 2), (2,), seed=n)) for n in range(12)]
    net = network([m.Dense(2) for _ in range(12)], (2,))
    load(net, written(tmp_path / "net", layers))
    assert all(np.array_equal(net.params[f"{n}.b"], layers[n][2][1]) for n in range(12))


def test_a_file_and_outputs_of_keras():
    """Of Keras 3.15.1 with PyTorch, in float32."""
    layers = [
        *(m.Conv2d(3, 3), m.ReLU(), m.BatchNorm2d(eps=1e-3), m.Conv2d(6, 2, groups=3)),
        *(m.Conv2d(6, 2, groups=6, padding="same", bias=False), m.Conv2d(4, 1)),  # its SeparableConv2D
        *(m.ConvTranspose2d(3, 2, stride=2), m.MaxPool2d(2), m.Dropout(0.3), m.Flatten(), m.Dense(5), m.Tanh(), m.Dense(2)),
    ]
    net, stored = network(layers, (2, 7, 6)), np.load(HERE / "keras_3_15.npz")
    load(net, HERE / "keras_3_15.keras")
    assert np.abs(net.predict(np.moveaxis(stored["x"], -1, 1)) - stored["y"]).max() <= 1e-6 * np.abs(stored["y"]).max()


# --- another ε ---


def test_another_epsilon_than_the_files_is_refused(tmp_path):
    path = written(tmp_path / "net", of_keras()[1], epsilon=0.01)
    assert refused(path) == "expected eps=0.001 as layer '2' has, got epsilon=0.01; make the layer as BatchNorm2d(eps=0.01)"


def test_another_epsilon_than_keras_default_is_warned_of():
    weights, _ = of_keras()
    net = small([*LAYERS[:2], m.BatchNorm2d(), *LAYERS[3:]])
    with pytest.warns(UserWarning, match="eps") as caught:
        load(net, weights)
    text = "layer '2' has eps=1e-05, and the weights do not say Keras's, which is 0.001 by default: "
    assert [str(each.message) for each in caught] == [
        text + "make it as BatchNorm2d(eps=0.001), or load a .keras file, which says it"
    ]
    assert np.array_equal(net.params["2.W"], weights[3])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(small(), weights)


# --- what is refused ---


def refused(weights, net=None):
    net = net or small()
    before = snapshot(net)
    with pytest.raises(CheckpointError) as caught:
        load(net, weights)
    assert snapshot(net) == before
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{weights}: ")


def test_lists_that_do_not_fit_are_refused():
    weights, _ = of_keras()
    message = f"weights: expected 13 arrays for the layers 0, 1, 2, 3, 4, 6, got 12; {SAME}"
    assert refused(weights[:-1]) == message
    message = (
        "weights: expected the kernel of layer '0' as (2, 2, 1, 2) or (2, 2, 2, 1), got weights[0] as (2, 2, 1, 1); " + SAME
    )
    assert refused([weights[0][:, :, :1], *weights[1:]]) == message
    message = "weights: expected 'weights[12]' as float32 or what it holds exactly, got float64; make the network with "
    assert refused([*weights[:-1], weights[-1].astype("float64")]) == message + 'dtype="float64"'
    for given, name in ((3, "int"), ([[1.0]], "list")):
        with pytest.raises(OptionError) as caught:
            load(small(), given)
        what = f"expected a list of arrays or the path of a file, got {name}"
        assert str(caught.value) == f"weights: {what}; give model.get_weights()"


FLAT = [m.Flatten()]
ORDER = "no numbers that stand in another order in Keras"
UNEQUAL = [("f", m.Flatten()), ("d", m.Dense(12)), ("r", m.ReLU()), ("s", m.Add(), ("r", "f"))]
REFUSED = {
    "transposed in groups": (
        [m.ConvTranspose2d(4, 2, groups=2)],
        "groups=1, as transposed convolutions have in Keras, got layer 0 ConvTranspose2d(filters=4, kernel_size=2, groups=2)",
    ),
    "another layer": (
        [m.PReLU()],
        "a convolution, a dense layer or a batch normalisation with all its options, got layer 0 PReLU()",
    ),
    "without statistics": (
        [m.BatchNorm2d(track_running_stats=False)],
        "a convolution, a dense layer or a batch normalisation with all its options, "
        "got layer 0 BatchNorm2d(track_running_stats=False)",
    ),
    "maps of a vector": ([m.Dense(12), m.Reshape((3, 2, 2))], f"{ORDER}, got layer 1 Reshape(shape=(3, 2, 2))"),
    "maps of maps": ([m.Reshape((1, 6, 2))], f"{ORDER}, got layer 0 Reshape(shape=(1, 6, 2))"),
    "a flattened map as a map": ([*FLAT, m.Reshape((1, 6, 2))], f"{ORDER}, got layer 1 Reshape(shape=(1, 6, 2))"),
    "groups": (
        [*FLAT, m.GroupNorm(2, affine=False)],
        "no flattened map, which stands in another order in Keras, got layer 1 GroupNorm(num_groups=2, affine=False)",
    ),
    "a sum in two orders": (UNEQUAL, 'numbers in one order in all that is joined, got layer 3 "s" Add()'),
    "read in two orders": (
        [("d", m.Dense(12)), ("e", "d")],
        "the numbers in the order in which 'd' reads them, got layer 1 \"e\" Dense(units=12)",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_layers_without_a_counterpart_are_refused(name):
    layers, message = REFUSED[name]
    shape = (4, 6, 2) if "groups" in name else (3, 2, 2)
    assert refused([], m.Network(layers, shape, threads=1)) == f"weights: expected {message}; {GIVE}"


def test_reshaped_vectors_that_are_in_one_order_are_not_refused():
    (kernel, bias), x = drawn((4, 6), (6,)), images(4)
    net = network([m.Dense(6), m.Reshape((1, 2, 3))], (4,))
    load(net, [kernel, bias])
    check(net, x, dense(x, kernel, bias).reshape(3, 2, 3, 1))


def changed(place, **more):
    """The layers of the file, one of them replaced; with options, some added."""
    _, layers = of_keras()
    return [each for each in layers if each[0] != place] + [(name, name, given) for name, given in more.items()]


def test_files_of_other_layers_are_refused(tmp_path):
    path = tmp_path / "net"
    message = "expected a layer dense for '6', got none; " + SAME
    assert refused(written(path, changed("dense_1"))) == message
    message = "expected layers for those of the network only, got gru too; " + SAME
    assert refused(written(path, changed("", gru=[np.ones(3)]))) == message
    message = "expected kernel, bias for layer '6', got 1 variables, dense_1/0; " + SAME
    assert refused(written(path, changed("dense_1", dense_1=[np.ones((4, 4))]))) == message
    message = "expected the kernel of layer '6' as (4, 4), got dense_1/0 as (5, 4); " + SAME
    assert refused(written(path, changed("dense_1", dense_1=[np.ones((5, 4)), np.ones(4)]))) == message
    message = "expected one layer that fits '0', got depthwise_conv2d, separable_conv2d, whose order the file does not say; "
    both = changed("", separable_conv2d=[np.ones((2, 2, 2, 1)), np.ones((1, 1, 2, 3)), np.ones(3)])
    assert refused(written(path, both)) == message + "give model.get_weights()"


def spoilt(change):
    """A file after a change of its HDF5 content."""
    return lambda path: written(path, of_keras()[1], change)


def replaced(make):
    """The bias of the last layer replaced."""

    def change(file):
        group = file["layers/dense_1/vars"]
        del group["1"]
        make(group)

    return spoilt(change)


def filled(group):
    space = h5py.h5s.create_simple((1 << 40,))
    h5py.h5d.create(group.id, b"1", h5py.h5t.IEEE_F32LE, space)


def of_another_file(group):
    group.create_dataset("1", (4,), "float32", external=[("/etc/passwd", 0, 16)])


def virtual(group):
    layout = h5py.VirtualLayout((4,), "float32")
    layout[:] = h5py.VirtualSource(group["0"])[0]
    group.create_virtual_dataset("1", layout)


def packed(group):
    group.create_dataset("1", data=np.zeros(4, "float32"), compression="gzip", chunks=(4,))


ELSEWHERE = "the numbers of /layers/dense_1/vars/1 in the file, as they are, got something else ({} bytes elsewhere or packed)"
HOSTILE = {
    "no numbers": (replaced(filled), ELSEWHERE.format("4,398,046,511,104")),
    "external": (replaced(of_another_file), ELSEWHERE.format(16)),
    "virtual": (replaced(virtual), ELSEWHERE.format(16)),
    "compressed": (replaced(packed), ELSEWHERE.format(16)),
    "external link": (
        replaced(lambda group: group.__setitem__("1", h5py.ExternalLink("other.h5", "/x"))),
        "an array '1' in /layers/dense_1/vars, got something else (none, or a link)",
    ),
    "soft link": (
        replaced(lambda group: group.__setitem__("1", h5py.SoftLink("/layers"))),
        "an array '1' in /layers/dense_1/vars, got something else (none, or a link)",
    ),
    "another number": (
        replaced(lambda group: group.__setitem__("7", np.ones(4))),
        "an array '1' in /layers/dense_1/vars, got something else (none, or a link)",
    ),
    "text": (
        replaced(lambda group: group.__setitem__("1", np.array([b"abcd"] * 4))),
        "numbers in /layers/dense_1/vars/1, got something else (dtype |S4)",
    ),
    "a model in it": (
        spoilt(lambda file: file.create_group("layers/dense/layers")),
        "a model whose layers are no models, got something else (layers in dense)",
    ),
    "own variables": (
        spoilt(lambda file: file["vars"].__setitem__("0", np.ones(3))),
        "variables in layers only, got something else (variables of the model itself)",
    ),
    "a link for a group": (
        spoilt(lambda file: file["layers"].__setitem__("more", h5py.SoftLink("/layers"))),
        "a group 'more' in /layers, got something else (none, or a link)",
    ),
    "no layers": (
        lambda path: written(path, []),
        "a group 'layers' in /, got something else (none, or a link)",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(tmp_path, name):
    make, message = HOSTILE[name]
    assert refused(make(tmp_path / "net")) == f"expected {message}; {HINT}"


def test_one_place_of_a_file_named_many_times_is_refused(tmp_path):
    def change(file):
        file["layers/dense/vars/0"].file.create_dataset("large", data=np.zeros(100_000, "float32"))
        for n in range(1000):
            file[f"layers/more_{n}/vars/0"] = file["large"]

    assert "in the file, as they are, got something else (400,000 bytes" in refused(
        written(tmp_path / "net", of_keras()[1], change)
    )


def test_archives_without_weights_or_compressed_are_refused(tmp_path):
    path = written(tmp_path / "net.keras", of_keras()[1], epsilon=0.001)
    for name, compression in (("config.json", zipfile.ZIP_STORED), ("model.weights.h5", zipfile.ZIP_DEFLATED)):
        with zipfile.ZipFile(path) as given, zipfile.ZipFile(tmp_path / "other.keras", "w", compression) as made:
            for entry in given.namelist():
                if entry != name or compression == zipfile.ZIP_DEFLATED:
                    made.writestr(entry, given.read(entry))
        message = refused(tmp_path / "other.keras")
        first = name if compression == zipfile.ZIP_DEFLATED else "config.json"
        assert message.startswith(
            f"expected {first} in the archive, without compression, as Keras writes, got something else ("
        )


def test_damaged_files_are_refused_or_hold_other_numbers(tmp_path):
    rng, said, path = random.Random(0), [], tmp_path / "net"
    for epsilon in (None, 0.001):
        content = written(path, of_keras()[1], epsilon=epsilon).read_bytes()
        said += refusals(path, content, 100, rng, small, load)
    assert len(said) > 50
    assert not [text for text in said if "\n" in text]


def test_missing_files_and_packages(tmp_path, monkeypatch):
    assert refused(tmp_path / "none") == "expected a readable file, got no such file or directory; check the path"
    (tmp_path / "text").write_text("no weights")
    assert refused(tmp_path / "text").startswith("expected a whole file of weights, got something else (")
    monkeypatch.setitem(sys.modules, "h5py", None)
    message = "expected the package h5py, got none installed; run pip install h5py"
    assert refused(tmp_path / "text") == message
