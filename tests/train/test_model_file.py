"""Model files: there and back for every layer and model, the same bits elsewhere, and files that are refused."""

import hashlib
import json
import os
import random
import tracemalloc
import warnings
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from spoilt import DEEP, File, classifier, mutated
from strategies import STRATEGIES, examples

import minicnn as m
from minicnn import models
from minicnn.errors import CheckpointError, OptionError
from minicnn.nn import Layer
from minicnn.nn.base import LAYERS, Plan
from minicnn.nn.init import Values
from minicnn.train import architecture, checkpoint, described, safetensors_file
from minicnn.train.described import Decoder

WHOLE = "give a whole file that minicnn or PyTorch saved"


def through_json(net, *given):
    """What is read from the architecture of a network."""
    text = json.dumps(architecture.describe(net), allow_nan=False)
    return architecture.read("file", json.loads(text), Decoder("file", given))


def there_and_back(tmp_path, net, **options):
    path = tmp_path / "net.safetensors"
    m.save(path, net)
    return m.load(path, threads=1, **options)


def unsettled(net):
    """A network whose parameters and state are all drawn."""
    rng = np.random.default_rng(5)
    with net.update():
        net.params.flat[...] = rng.normal(0, 0.1, len(net.params.flat))
        for array in net.state.values():
            array[...] = rng.integers(1, 9) if array.dtype.kind == "i" else rng.uniform(0.5, 1.5, array.shape)
    return net


# --- there and back ---


@pytest.mark.parametrize("kind", STRATEGIES, ids=lambda kind: kind.__name__)
def test_every_layer_comes_back_with_all_its_options(kind):
    @examples(150)
    @given(st.data())
    def check(data):
        layer, shape = data.draw(STRATEGIES[kind])
        shapes = {f"in{n}": s for n, s in enumerate(shape)} if kind.joins else {"x": shape}
        net = m.Network([("the layer", layer, tuple(shapes))], shapes, threads=1, lanes=1)
        found = through_json(net)
        assert (found.items, found.in_shapes) == ([("the layer", layer, tuple(shapes))], shapes)
        assert type(found.items[0][1]) is kind
        assert repr(found.items[0][1]) == repr(layer)  # which tells 1 from 1.0 and True

    check()


def test_every_layer_loss_and_initialiser_of_minicnn_may_stand_in_a_file():
    own = {kind for kind in LAYERS if kind.__module__.startswith("minicnn.") and not kind.__name__.startswith("_")}
    assert own == set(STRATEGIES) == set(described.LAYERS) - {Layer}
    assert {kind.__name__ for kind in described.LOSSES} <= set(m.__all__)
    assert {kind.__name__ for kind in described.INITS} - {"Values"} <= set(m.__all__)


@pytest.mark.parametrize("init", [m.Constant(0.5), m.FanInUniform(1.0), m.HeNormal(), Values(((1.0, 2.0), (3.0, 4.0)))])
def test_initialisers_come_back(init):
    assert through_json(m.Network([m.Dense(2, init=init)], (2,), threads=1)).items[0][1].init == init


def test_an_initialiser_of_ones_own_is_left_out():
    layer = m.Dense(2, init=lambda rng, shape, fan_in, fan_out: np.zeros(shape))
    assert through_json(m.Network([layer], (2,), threads=1)).items[0][1] == m.Dense(2)


SMALL = {
    "unet_small": {"in_shape": (3, 32, 32)},
    "mobilenet_small": {"in_shape": (3, 32, 32)},
    "squeezenet_small": {"in_shape": (3, 32, 32)},
    "conv_autoencoder": {"in_shape": (1, 12, 12)},
}
NAMES = [name for name in models.__all__ if name.islower() and not name.endswith("_table")]
LENETS = ("lenet5", "lenet5s", "lenet5_modern", "lenet5_1998")


def images(net):
    return {name: np.random.default_rng(1).standard_normal((3, *shape)) for name, shape in net.in_shapes.items()}


def bits(net):
    """A hash of what a network predicts, and of everything that it holds."""
    arrays = [*net.predict_outputs(images(net)).values(), net.params.flat, *net.state.values()]
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


ELSEWHERE = """
import hashlib, sys
import numpy as np
import minicnn
for name, backend in {files!r}:
    net = minicnn.load(name, threads=1, backend=backend)
    x = {{n: np.random.default_rng(1).standard_normal((3, *shape)) for n, shape in net.in_shapes.items()}}
    arrays = [*net.predict_outputs(x).values(), net.params.flat, *net.state.values()]
    print(hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest())
"""


@pytest.mark.parametrize("backend", ["numpy", "cpu"])
def test_models_predict_the_same_bits_in_another_process_and_folder(tmp_path, python, backend):
    nets = {name: getattr(models, name) for name in (NAMES if backend == "numpy" else LENETS)}
    assert set(LENETS) <= set(NAMES)
    saved_and_loaded_elsewhere(tmp_path, python, nets, backend)


def test_a_small_network_predicts_the_same_bits_in_another_process_and_folder(tmp_path, python):
    layers = [m.Conv2d(4, 3), m.BatchNorm2d(), m.ReLU(), m.MaxPool2d(2), m.Dense(3)]
    nets = {"small": lambda **options: m.Network(layers, (1, 8, 8), **options)}
    saved_and_loaded_elsewhere(tmp_path, python, nets, "cpu")


def saved_and_loaded_elsewhere(tmp_path, python, nets, backend):
    files, here = [], []
    for name, make in nets.items():
        net = unsettled(make(threads=1, backend=backend, **SMALL.get(name, {})))
        m.save(tmp_path / name, net)
        files.append((os.fspath(tmp_path / name), backend))
        here.append(bits(net))
    python.folder = tmp_path / "elsewhere"
    python.folder.mkdir()
    assert python(ELSEWHERE.format(files=files), MINICNN_CACHE=python.kept).split() == here


def test_a_graph_comes_back_with_inputs_outputs_and_shared_layers(tmp_path):
    items = [
        ("C", m.Conv2d(4, 3, padding=1), "a"),
        ("again", "C", "b"),
        ("sum", m.Add(), ("C", "again")),
        ("block", m.Residual([("conv", m.Conv2d(4, 1)), m.BatchNorm2d()], [m.Conv2d(4, 1)])),
        ("class", m.Dense(3), "block"),
        ("size", m.Dense(1), "block"),
    ]
    shapes = {"a": (2, 5, 6), "b": (2, 5, 6)}
    options = {"outputs": ("class", "size"), "dtype": "float64", "lanes": 32, "slots": 12, "seed": 7}
    net = unsettled(m.Network(items, shapes, threads=1, backend="numpy", **options))
    net.steps = 12
    net.freeze("C", "block-1")
    found = there_and_back(tmp_path, net, backend="numpy")
    assert architecture.describe(found) == architecture.describe(net)
    for name in ("in_shapes", "outputs", "dtype", "lanes", "slots", "seed", "steps", "frozen"):
        assert getattr(found, name) == getattr(net, name), name
    assert bits(found) == bits(net)
    assert str(found.summary()) == str(net.summary())
    assert found.layers[1].owner == "C"


def test_a_file_from_before_there_was_a_choice_of_slots_is_read(tmp_path):
    net = m.Network([("F", m.Dense(3))], (4,), threads=1, backend="numpy")
    m.save(tmp_path / "net", net)
    metadata, tensors = safetensors_file.read(tmp_path / "net")
    document = json.loads(metadata["minicnn"])
    assert document["network"].pop("slots") == 8
    safetensors_file.write(tmp_path / "net", tensors, metadata | {"minicnn": json.dumps(document)})
    found = m.load(tmp_path / "net", backend="numpy")
    assert architecture.describe(found) == architecture.describe(net)


def test_a_model_file_is_a_weights_file_too(tmp_path):
    net = unsettled(m.Network([("C", m.Conv2d(2, 3)), m.BatchNorm2d(), ("F", m.Dense(3))], (1, 6, 6), threads=1))
    m.save(tmp_path / "net", net, {"epochs": 3})
    other = m.Network([("C", m.Conv2d(2, 3)), m.BatchNorm2d(), ("F", m.Dense(3))], (1, 6, 6), threads=1, seed=1)
    assert checkpoint.load_weights(tmp_path / "net", other) == {"epochs": 3} == checkpoint.read_metadata(tmp_path / "net")
    assert other.params.flat.tobytes() == net.params.flat.tobytes()


# --- layers of one's own ---


@dataclass(frozen=True)
class Swirl(Layer):
    """y = x, with options of every kind."""

    table: np.ndarray = field(default_factory=lambda: np.arange(6, dtype=np.int16).reshape(2, 3), compare=False)
    inside: Layer = m.LeakyReLU(0.5)
    steps: list = field(default_factory=lambda: [1, (2.5, None)], compare=False)
    seed: int = 2**40
    name: str = "é"

    def plan(self, in_shape):
        return Plan(in_shape, view=True)

    def forward(self, k):
        pass

    def backward(self, k):
        pass


SAVED = Swirl(np.array([[1.5], [-0.0]]), m.ELU(2.5), [True, ("a", [])], 3, "x")


def own(layer=SAVED):
    return m.Network([("F", m.Dense(3)), ("own", layer)], (4,), threads=1)


def test_a_layer_of_ones_own_is_loaded_if_its_class_is_given(tmp_path):
    found = there_and_back(tmp_path, own(), layers=[Swirl]).layers[1].layer
    assert type(found) is Swirl
    assert (found, repr(found)) == (SAVED, repr(SAVED))
    assert found.table.dtype == SAVED.table.dtype
    assert type(there_and_back(tmp_path, own(Swirl()), layers=[Swirl]).layers[1].layer.steps) is list


@dataclass(frozen=True)
class Inner(m.Sigmoid):
    """A layer among the options of another one."""


def test_layers_of_ones_own_inside_others(tmp_path):
    layer = Swirl(inside=Inner(), steps=[(Inner(),)])
    assert repr(there_and_back(tmp_path, own(layer), layers=[Swirl, Inner]).layers[1].layer) == repr(layer)
    with pytest.raises(CheckpointError, match=r"got .*\.Inner; load it with layers=\[Inner\], if you trust that class"):
        m.load(tmp_path / "net.safetensors", layers=[Swirl])


def test_a_layer_of_ones_own_is_refused_if_its_class_is_not_given(tmp_path):
    path = f"{__name__}.Swirl"
    message = (
        f"expected layers of minicnn or ones that are given, got {path}; load it with layers=[Swirl], if you trust that class"
    )
    with pytest.raises(CheckpointError) as caught:
        there_and_back(tmp_path, own())
    assert str(caught.value) == f"{tmp_path / 'net.safetensors'}: {message}"


def test_a_class_that_moved_is_found_by_its_name(tmp_path, monkeypatch):
    """As one of a script, which is __main__ where it is run."""
    monkeypatch.setattr(Swirl, "__module__", "__main__")
    m.save(tmp_path / "net", own())
    monkeypatch.undo()
    assert m.load(tmp_path / "net", layers=[Swirl], threads=1).layers[1].layer == SAVED


def test_a_given_class_does_not_stand_in_for_one_of_minicnn(tmp_path):
    class Dense(Swirl):
        pass

    m.save(tmp_path / "net", m.Network([m.Dense(3)], (4,), threads=1))
    assert type(m.load(tmp_path / "net", layers=[Dense], threads=1).layers[0].layer) is m.Dense


@dataclass(frozen=True)
class Counter(Swirl):
    """A layer that its options do not make again."""

    def __post_init__(self):
        object.__setattr__(self, "seed", self.seed + 1)


@pytest.mark.parametrize(("one", "other"), [(3, [1]), ([1], 3), (3, m.Tanh()), (m.Tanh(), 3), (3, (1,)), ((1,), 3)])
def test_an_option_that_becomes_one_of_another_kind_is_refused(tmp_path, one, other):
    @dataclass(frozen=True)
    class Turning(Swirl):
        def __post_init__(self):
            object.__setattr__(self, "seed", other if self.seed == one else one)

    with pytest.raises(CheckpointError, match="expected a layer that its options make again, got one that they change"):
        m.save(tmp_path / "net", own(Turning(seed=one)))


WEIGHTS_ALONE = "save the weights alone with train.checkpoint.save_weights, and make the network in code"


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            Swirl(steps=[{1}]),
            "own steps: expected options of numbers, text, tuples, arrays, layers and initialisers of minicnn, got {1}",
        ),
        (
            Swirl(steps=[float("nan")]),
            "own steps: expected options of numbers, text, tuples, arrays, layers and initialisers of minicnn, got nan",
        ),
        (Counter(), "own: expected a layer that its options make again, got one that they change"),
    ],
    ids=["a set", "no number", "changed"],
)
def test_a_layer_that_a_file_cannot_hold_is_refused_and_nothing_is_written(tmp_path, layer, message):
    with pytest.raises(CheckpointError) as caught:
        m.save(tmp_path / "net", own(layer))
    who = 'layer 1 "own" '
    assert str(caught.value).endswith(f"{message.partition(': ')[2]}; {WEIGHTS_ALONE}")
    assert who in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("layers", [[Swirl()], [int], ["Swirl"], int, "Swirl"])
def test_only_classes_of_layers_can_be_given(tmp_path, layers):
    m.save(tmp_path / "net", own(m.ReLU()))
    message = "load: expected layers as classes of layers, got .*; write for example layers="
    with pytest.raises(OptionError, match=message):
        m.load(tmp_path / "net", layers=layers)


def test_only_models_can_be_saved(tmp_path):
    with pytest.raises(OptionError) as caught:
        m.save(tmp_path / "net", [m.ReLU()])
    assert str(caught.value) == ("save: expected a Network, Classifier or Regressor, got [ReLU()]; write save(path, model)")


@pytest.mark.parametrize("save", [checkpoint.save_weights, lambda *args: checkpoint.save_training(*args[:2], m.SGD(1), {})])
def test_a_file_without_an_architecture_is_refused(tmp_path, save):
    save(tmp_path / "net", own(m.ReLU()), {})
    kind = "weights" if save is checkpoint.save_weights else "training"
    with pytest.raises(CheckpointError) as caught:
        m.load(tmp_path / "net")
    what = f"expected a model file with the network's architecture, got {kind} only"
    assert str(caught.value) == (
        f"{tmp_path / 'net'}: {what}; make the network yourself and give both to train.checkpoint.load_weights"
    )


# --- hostile files ---


@pytest.fixture
def file(tmp_path):
    return File(tmp_path / "net.safetensors")


LAYER = ("network", "layers", 0, 1)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("network",), {}, "a network as an object of inputs, layers, outputs, dtype, lanes, slots, seed, steps, frozen, got "),
        (("network", "inputs"), {}, "a network that can be made, got something else (Network: expected in_shape as a shape"),
        (("network", "inputs"), [], "inputs of the network as dict, got something else ([])"),
        (("network", "seed"), -1, "seed of the network as int, got something else (-1)"),
        (("network", "lanes"), True, "lanes of the network as int, got something else (True)"),
        (("network", "lanes"), 17, "a dtype and lanes of a network, got something else (('float32', 17))"),
        (("network", "lanes"), 2**30, "a dtype and lanes of a network, got something else (('float32', 1073741824))"),
        (("network", "lanes"), 24, "a dtype and lanes of a network, got something else (('float32', 24))"),
        (("network", "slots"), 0, "slots of the network from 1 to 64, got something else (0)"),
        (("network", "slots"), 65, "slots of the network from 1 to 64, got something else (65)"),
        (("network", "slots"), True, "slots of the network as int, got something else (True)"),
        (("network", "dtype"), "int8", "a dtype and lanes of a network, got something else (('int8', 16))"),
        (("network", "outputs"), [1], "outputs of the network as names, got something else ([1])"),
        (("network", "outputs"), ["G"], "a network that can be made, got something else (Network: expected outputs as names"),
        (("network", "frozen"), ["up"], "names of layers that are frozen, got something else ('up')"),
        (("network", "layers"), [], "1 to 10,000 layers, got something else (0)"),
        (("network", "layers"), [[]] * 10_001, "1 to 10,000 layers, got something else (10001)"),
        (("network", "layers", 0), ["C", {}], "a name, a layer and the names that it reads, got something else (['C', {}])"),
        (("network", "layers", 0, 2), [], "a name, a layer and the names that it reads, got "),
        (("network", "inputs", "input"), [1, 6, 2**25], "shapes of inputs as whole numbers from 1 to 2^24, got "),
        (("network", "inputs", "input"), [1, 6.0, 6], "shapes of inputs as whole numbers from 1 to 2^24, got "),
        (("network", "inputs", "input"), [], "shapes of inputs as whole numbers from 1 to 2^24, got something else ([])"),
        (("network", "inputs", "input"), [1, 2, 2], "a network that can be made, got something else ("),
        (LAYER, [], "a layer as a class with its options, got something else ([])"),
        ((*LAYER, "more"), 1, "a layer as a class with its options, got something else ("),
        ((*LAYER, "class"), 3, "the name of a class, got something else (3)"),
        ((*LAYER, "class"), "MSE", "options of MSE, got something else ("),
        (LAYER, {"class": "MSE", "options": {}}, "a layer, got something else ('MSE')"),
        ((*LAYER, "options"), [], "options of Conv2d, got something else ([])"),
        ((*LAYER, "options", "colour"), 1, "options of Conv2d, got something else (['colour'])"),
        ((*LAYER, "options"), {"filters": 2}, "the option kernel_size of Conv2d, got something else (none)"),
        (
            (*LAYER, "options", "filters"),
            0,
            "options that Conv2d takes, got something else (Conv2d: expected filters as a whole",
        ),
        ((*LAYER, "options", "filters"), 2**24 + 1, "options of at most 2^24, got something else (16777217)"),
        ((*LAYER, "options", "filters"), {"x": 1}, "an option, got something else ({'x': 1})"),
        (
            (*LAYER, "options", "filters"),
            {"array": [1], "dtype": "O", "shape": [1]},
            "an array of numbers, got something else (",
        ),
        ((*LAYER, "options", "filters"), 3, "tensors of the 149 parameters of its network, got something else (142 numbers)"),
        ((*LAYER, "options", "filters"), 1, "a network that can be made, got something else ("),
        (
            (*LAYER, "options", "kernel_size"),
            2,
            "tensors of the 181 parameters of its network, got something else (142 numbers)",
        ),
        ((*LAYER, "options", "bias"), False, "the network's tensors only, got 'C.bias' too"),
        ((*LAYER, "options", "init"), 3, "a network that can be made, got something else ('int' object is not callable)"),
        (("network", "outputs"), ["norm", "norm"], "a network that can be made, got something else ("),
        ((*LAYER, "options", "filters"), 2**20, "tensors of the 12,"),
        (
            ("network", "layers", 1, 1, "options", "scale_factor"),
            2**24,
            "a network that can be made, got something else (Upsample:",
        ),
        ((*LAYER, "options", "init"), DEEP, "values in at most 16 others, got something else (deeper ones)"),
        (("kind",), "network", "weights, training or model as its kind, got something else ('network')"),
        (("task",), [1], "its task as an object, got something else ([1])"),
        (
            ("task",),
            {"kind": "x"},
            "a task as a classifier or regressor with what belongs to it, got something else ({'kind': 'x'})",
        ),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_a_document_that_is_not_that_of_a_network_is_refused(file, path, value, message):
    file.write(file.changed(*path, value=value))
    refused(file, message)


def refused(file, message):
    with pytest.raises(CheckpointError) as caught:
        m.load(file.path, threads=1)
    expected = message if message.startswith("expected") else f"expected {message}"
    assert str(caught.value).startswith(f"{file.path}: {expected}")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


def test_a_name_of_a_class_is_shown_in_one_line(file):
    file.write(file.changed(*LAYER, "class", value="os.system\n\x1b[2J" + "x" * 10_000))
    refused(file, "layers of minicnn or ones that are given, got os.system  [2Jxxx")


def test_a_document_that_is_too_long_is_refused(file, monkeypatch):
    monkeypatch.setattr(checkpoint, "MOST_DOCUMENT", 1000)
    refused(file, f"a document of at most 1,000 characters, got something else ({len(json.dumps(file.document)):,})")
    with pytest.raises(CheckpointError, match="and 1,000 at most"):
        m.save(file.path, own(m.ReLU()), {"x": "y" * 2000})


HOSTILE = """
import json, resource, time
import minicnn
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
started = time.perf_counter()
for path in {paths!r}:
    try:
        minicnn.load(path, threads=1)
    except minicnn.CheckpointError as error:
        print(str(error)[len(path) + 2:][:90])
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_huge_sizes_are_refused_before_memory_is_taken(tmp_path, python):
    nets = {
        "dense": [m.Dense(3)],
        "upsample": [m.Upsample(2, mode="bilinear")],
        "wide": [m.Upsample(2, mode="bilinear")],
        "adaptive": [m.AdaptiveAvgPool2d(4)],
        "pool": [m.AvgPool2d(2, padding=1, count_include_pad=False)],
        "lanes": [m.ReLU()],
        "maps": [m.ReLU()],
        "pad": [m.Pad2d(1)],
        "resize": [m.Resize(2, mode="linear")],
    }
    n = 2**24
    changes = {
        "dense": [(("layers", 0, 1, "options", "units"), n)],
        "upsample": [(("layers", 0, 1, "options", "scale_factor"), n), (("inputs", "input"), [1, 32, 32])],
        "wide": [(("inputs", "input"), [1, 6, n])],
        "adaptive": [(("layers", 0, 1, "options", "output_size"), n), (("inputs", "input"), [1, n, n])],
        "pool": [(("layers", 0, 1, "options", "kernel_size"), 2**15), (("inputs", "input"), [1, n, n])],
        "lanes": [(("lanes",), n), (("inputs", "input"), [n, 2, 2])],
        "maps": [(("inputs", "input"), [n, 512, 512])],
        "pad": [(("layers", 0, 1, "options", "padding"), n)],
        "resize": [(("layers", 0, 1, "options", "size"), n)],
    }
    paths = []
    for name, layers in nets.items():
        file = File(tmp_path / name, m.Network(layers, (1, 6, 6), threads=1))
        for path, value in changes[name]:
            file.document = file.changed("network", *path, value=value)
        file.write()
        paths.append(file.path)
    *messages, megabytes = python(HOSTILE.format(paths=paths)).splitlines()
    assert len(messages) == len(paths)
    assert int(megabytes) < 60, messages


def attacked(files, count, seed=0):
    """How many of so many mutated files were loaded; all others must be refused in a sentence."""
    rng, loaded = random.Random(seed), 0
    for number in range(count):
        file = files[number % len(files)]
        mutated(rng, file)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                m.load(file.path, threads=1)
        except CheckpointError as error:
            text = str(error)
            assert text.startswith(f"{file.path}: expected "), text
            assert text.isprintable(), text
            assert len(text) < 600
        else:
            loaded += 1
    return loaded


MOST_BYTES = 300 << 20
"""The bound of what loading a small file takes."""


def test_mutated_files_take_little_memory(tmp_path):
    files = [File(tmp_path / "net"), File(tmp_path / "classifier", model=classifier())]
    tracemalloc.start(1)
    try:
        attacked(files, 300, seed=1)
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()


def test_mutated_files_are_loaded_or_refused_in_a_sentence(tmp_path, request):
    files = [File(tmp_path / "net"), File(tmp_path / "classifier", model=classifier())]
    count = 100_000 if request.config.getoption("full") else 2_000
    loaded = attacked(files, count)
    assert 0.02 * count < loaded < 0.8 * count, "expected most mutations to matter, and some to be harmless"
