import errno
import json
import os
import struct
import subprocess
import sys
import zipfile
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from torch_models import LeNet5, LeNet5Modern, LeNet5s

from minicnn import MSE, SGD, Adam, AdamW, Conv2d, Dense, Dropout, Flatten, Layer, Network, ReLU, __version__, models
from minicnn.errors import CheckpointError
from minicnn.nn.base import Param, Plan
from minicnn.optim.averaging import ParameterAverage
from minicnn.train import safetensors_file
from minicnn.train.checkpoint import load_training, load_weights, read_metadata, save_training, save_weights, version

METADATA = {"model": "small", "history": [1, 2.5, None, True], "nested": {"é": "\n"}}
MODELS = {
    "lenet5": (models.lenet5, LeNet5, 60_850),
    "lenet5 sigmoid": (
        lambda **options: models.lenet5("sigmoid", **options),
        lambda: LeNet5("sigmoid"),
        60_850,
    ),
    "lenet5s": (models.lenet5s, LeNet5s, 59_719),
    "modern": (models.lenet5_modern, LeNet5Modern, 61_706),
}


def small(seed=0, dtype="float32"):
    layers = [("C1", Conv2d(2, 3)), ReLU(), Flatten(), ("drop", Dropout(0.5)), ("F1", Dense(3))]
    return Network(layers, (1, 6, 6), dtype=dtype, threads=1, seed=seed)


def train(net, optimizer, steps):
    rng = np.random.default_rng(net.steps)
    for _ in range(steps):
        net.loss_and_grads(MSE(), rng.standard_normal((5, *net.in_shape)), rng.integers(0, 3, 5))
        optimizer.step(net)


def snapshot(net, optimizer):
    moments = {name: vector.tobytes() for name, vector in optimizer.moments.items()}
    return net.params.flat.tobytes(), net.steps, optimizer.steps, moments


@dataclass
class File:
    """A good file of one kind, to be spoilt."""

    path: str
    kind: str

    def __post_init__(self):
        net, optimizer = small(), Adam()
        train(net, optimizer, 2)
        if self.kind == "training":
            save_training(self.path, net, optimizer, METADATA)
        else:
            save_weights(self.path, net, METADATA)
        self.saved = snapshot(net, optimizer)
        with open(self.path, "rb") as file:
            self.content = file.read()
        self.end = 8 + struct.unpack("<Q", self.content[:8])[0]
        self.data = self.content[self.end :]
        self.net, self.optimizer = small(seed=1), Adam()
        train(self.net, self.optimizer, 1)

    @property
    def header(self):
        return json.loads(self.content[8 : self.end])

    @property
    def document(self):
        return json.loads(self.header["__metadata__"]["minicnn"])

    def write(self, content):
        with open(self.path, "wb") as file:
            file.write(content)

    def write_header(self, header, data=None):
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        self.write(struct.pack("<Q", len(text)) + text + (self.data if data is None else data))

    def write_document(self, document):
        text = document if isinstance(document, str) else json.dumps(document)
        self.write_header(self.header | {"__metadata__": {"minicnn": text}})

    def load(self):
        if self.kind == "training":
            return load_training(self.path, self.net, self.optimizer)
        return load_weights(self.path, self.net)

    def refused(self, message):
        before = snapshot(self.net, self.optimizer)
        with pytest.raises(CheckpointError) as caught:
            self.load()
        assert snapshot(self.net, self.optimizer) == before
        assert str(caught.value) == f"{self.path}: {message}"
        assert str(caught.value).isprintable()


@pytest.fixture(params=["weights", "training"])
def file(request, tmp_path):
    return File(os.fspath(tmp_path / "net.safetensors"), request.param)


@pytest.fixture
def training(tmp_path):
    return File(os.fspath(tmp_path / "net.safetensors"), "training")


WHOLE = "give a whole file that minicnn or PyTorch saved"
SAME = "load it into a network with the same layers, names and shapes"


# --- there and back ---


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MODELS)
def test_weights_come_back(tmp_path, name, dtype):
    make = MODELS[name][0]
    net, other = make(threads=1, seed=1, dtype=dtype), make(threads=1, seed=2, dtype=dtype)
    x = np.random.default_rng(0).standard_normal((3, *net.in_shape))
    assert not np.array_equal(net.predict(x), other.predict(x))
    save_weights(tmp_path / "net.safetensors", net, METADATA)
    assert load_weights(tmp_path / "net.safetensors", other) == METADATA
    np.testing.assert_array_equal(net.predict(x), other.predict(x))
    assert other.params.flat.tobytes() == net.params.flat.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("make", [lambda: SGD(0.1, momentum=0.9), Adam, AdamW])
def test_training_goes_on_as_if_there_had_been_no_break(tmp_path, make, dtype):
    net, optimizer = small(dtype=dtype), make()
    train(net, optimizer, 3)
    save_training(tmp_path / "last.safetensors", net, optimizer, METADATA)
    train(net, optimizer, 3)
    again, its = small(dtype=dtype), make()
    assert load_training(tmp_path / "last.safetensors", again, its) == METADATA
    assert (again.steps, its.steps) == (3, 3)
    train(again, its, 3)
    assert snapshot(again, its) == snapshot(net, optimizer)


def test_training_can_be_saved_before_the_first_step(tmp_path):
    net, optimizer, other = small(), Adam(), Adam()
    save_training(tmp_path / "last.safetensors", net, optimizer, {})
    again = small(seed=1)
    train(again, other, 1)
    load_training(tmp_path / "last.safetensors", again, other)
    assert snapshot(again, other) == snapshot(net, optimizer)


def test_weights_are_taken_from_a_training_checkpoint_too(training):
    steps = training.net.steps
    assert load_weights(training.path, training.net) == METADATA
    assert training.net.params.flat.tobytes() == training.saved[0]
    assert training.net.steps == steps


def test_metadata_and_version_need_no_network(file):
    assert read_metadata(file.path) == METADATA
    assert version(file.path) == __version__


def test_the_file_holds_one_document_and_the_names_of_pytorch(training):
    assert training.document == {
        "format": 2,
        "kind": "training",
        "minicnn": __version__,
        "metadata": METADATA,
        "optimizer": "Adam",
        "optimizer_steps": 2,
        "network_steps": 2,
        "lanes": 16,
        "slots": 8,
    }
    assert {name: array.shape for name, array in load_file(training.path).items()} == {
        "C1.weight": (2, 1, 3, 3),
        "C1.bias": (2,),
        "F1.weight": (3, 32),
        "F1.bias": (3,),
        "optimizer.m": (119,),
        "optimizer.v": (119,),
    }


def first_format(document):
    """A document as the first format had it."""
    return {"facts" if name == "metadata" else name: value for name, value in (document | {"format": 1}).items()}


def test_a_file_of_the_first_format_is_read_as_one_of_this(file):
    file.write_document(first_format(file.document))
    assert read_metadata(file.path) == METADATA
    assert file.load() == METADATA
    assert file.net.params.flat.tobytes() == file.saved[0]


@pytest.mark.parametrize("facts", [None, [1]])
def test_a_file_of_the_first_format_is_checked_as_well(file, facts):
    file.write_document(first_format(file.document) | {"facts": facts})
    file.refused(f"expected metadata in its document as a JSON object, got something else ({facts!r}); {WHOLE}")


def test_a_weights_file_has_no_optimiser(tmp_path):
    path = tmp_path / "net.safetensors"
    save_weights(path, small(), {})
    assert [name for name in load_file(path) if name.startswith("optimizer")] == []


def test_parameters_of_other_names_keep_them(tmp_path):
    class Scale(Layer):
        def plan(self, in_shape):
            return Plan(in_shape, {"gain": Param((), lambda rng, shape, fan_in, fan_out: rng.random(shape))})

        def forward(self, k, x, y, gain):
            pass

        def backward(self, k, dy, dx, dgain):
            pass

    net, other = (Network([("scale", Scale())], (2,), threads=1, seed=seed) for seed in (1, 2))
    save_weights(tmp_path / "net.safetensors", net, {})
    assert load_file(tmp_path / "net.safetensors")["scale.gain"].shape == ()
    load_weights(tmp_path / "net.safetensors", other)
    assert other.params["scale.gain"] == net.params["scale.gain"]


def test_layout_in_memory_does_not_matter(tmp_path):
    array = np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1)[::-1]
    safetensors_file.write(tmp_path / "a", {"a": array}, {})
    np.testing.assert_array_equal(safetensors_file.read(tmp_path / "a")[1]["a"], array)


def test_a_file_without_tensors_is_read_and_refused_with_a_byte_too_many(tmp_path):
    safetensors_file.write(tmp_path / "none", {}, {"said": "words"})
    assert safetensors_file.read(tmp_path / "none") == ({"said": "words"}, {})
    with open(tmp_path / "none", "ab") as file:
        file.write(b"0")
    with pytest.raises(
        CheckpointError, match=r"expected a whole safetensors file, got something else \(its header says another size"
    ):
        safetensors_file.read(tmp_path / "none")


# --- PyTorch ---


@pytest.mark.torch
@pytest.mark.parametrize("name", MODELS)
def test_pytorch_reads_our_weights_and_computes_the_same(tmp_path, name):
    from safetensors.torch import load_file as torch_load

    make, module, count = MODELS[name]
    net, peer = make(threads=1), module()
    net.params.flat[...] = np.random.default_rng(0).uniform(-0.2, 0.2, count)  # the paper's start gives outputs near 0
    save_weights(tmp_path / "net.safetensors", net, {})
    peer.load_state_dict(torch_load(tmp_path / "net.safetensors"))
    assert sum(p.numel() for p in peer.parameters()) == len(net.params.flat) == count
    _same_outputs(net, peer)


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MODELS)
def test_we_read_weights_of_pytorch_and_compute_the_same(tmp_path, name, dtype):
    from safetensors.torch import save_file as torch_save

    make, module, _ = MODELS[name]
    torch.manual_seed(0)
    net, peer = make(threads=1, dtype=dtype), module()
    torch_save(peer.state_dict(), tmp_path / "net.safetensors", {"format": "pt"})
    assert load_weights(tmp_path / "net.safetensors", net) == {}
    for key, tensor in peer.state_dict().items():
        ours = key.replace("weight", "W").replace("bias", "b")
        np.testing.assert_array_equal(net.params[ours], tensor.numpy(), err_msg="widening float32 is exact")
    _same_outputs(net, peer)


def _same_outputs(net, peer):
    x = np.random.default_rng(1).standard_normal((5, *net.in_shape)).astype("float32")
    with torch.no_grad():
        expected = peer(torch.from_numpy(x)).numpy()
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(net.predict(x), expected, rtol=0, atol=1e-5)


# --- what is not a file of ours ---


def _zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weights", b"1234")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(100),
        b"\x80\x04\x95\x0b\0\0\0\0\0\0\0}\x94\x8c\x01a\x94K\x01s.",
        b"PK\x03\x04" + bytes(100),
        b"\x93NUMPY\x01\0v\0{'descr': '<f4'}",
        bytes(8),
        bytes(100),
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2**64 - 1) + b"{}",
        struct.pack("<Q", 10**8 + 1) + b"{}",
        struct.pack("<Q", 3) + b"{}",
    ],
    ids=["empty", "png", "pickle", "zip", "npy", "zeros", "more zeros", "2^63", "2^64-1", "too large", "past the end"],
)
def test_another_format_is_refused(file, content):
    file.write(content)
    with pytest.raises(CheckpointError, match="expected a whole safetensors file, got something else") as caught:
        read_metadata(file.path)
    file.refused(str(caught.value).removeprefix(f"{file.path}: "))


def test_a_missing_file_is_refused(file):
    os.unlink(file.path)
    file.refused("expected a readable file, got no such file or directory; check the path and its permissions")


def test_a_directory_is_refused(file):
    os.unlink(file.path)
    os.mkdir(file.path)
    file.refused("expected a readable file, got a directory; check the path and its permissions")


def test_truncation_anywhere_is_refused(file):
    before = snapshot(file.net, file.optimizer)
    for length in range(len(file.content)):
        file.write(file.content[:length])
        for load in (file.load, lambda: read_metadata(file.path)):
            with pytest.raises(CheckpointError, match="expected a whole safetensors file, got something else"):
                load()
    assert snapshot(file.net, file.optimizer) == before


def test_bytes_behind_the_end_are_refused(file):
    file.write(file.content + b"\0")
    with pytest.raises(CheckpointError, match="expected a whole safetensors file, got something else"):
        file.load()


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"{",
        b"[1]",
        b"7",
        b"null",
        b"\xff\xfe{}",
        '{"é'.encode("latin-1"),
        b'{"a": 1}',
        b'{"C1.weight": NaN}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], "more": ' + b"[" * 100_000,
        b'{"__metadata__": {"minicnn": 3}}',
        b'{"__metadata__": {"minicnn": "\\ud800"}}',
        b'{"__metadata__": []}',
    ],
)
def test_a_header_that_is_not_json_of_the_format_is_refused(file, header):
    file.write_header(header)
    before = snapshot(file.net, file.optimizer)
    with pytest.raises(
        CheckpointError, match=r"expected a whole safetensors file, got something else \(.+\); give a whole file"
    ):
        file.load()
    assert snapshot(file.net, file.optimizer) == before


@pytest.mark.parametrize("name", ["C1.weight", "optimizer.m", "__metadata__"])
def test_a_key_that_occurs_twice_is_refused(training, name):
    header = training.header
    text = f'{{"{name}": {json.dumps(header[name])}, {json.dumps(header)[1:]}'
    training.write_header(text.encode())
    message = "expected a whole safetensors file" if name == "__metadata__" else f"the key '{name}' twice"
    with pytest.raises(CheckpointError, match=message):
        training.load()
    if name != "__metadata__":
        training.refused(f"expected JSON in its header, got something else (the key '{name}' twice); {WHOLE}")


@pytest.mark.parametrize(
    "change",
    [
        {"data_offsets": [0, 10**9]},
        {"data_offsets": [10**9, 10**9 + 8]},
        {"data_offsets": [2**64, 2**64 + 8]},
        {"data_offsets": [8, 0]},
        {"data_offsets": [-8, 0]},
        {"data_offsets": [0.0, 8.0]},
        {"data_offsets": [0]},
        {"data_offsets": "0 8"},
        {"data_offsets": None},
        {"shape": [3]},
        {"shape": [-2]},
        {"shape": [2**40, 2**40]},
        {"shape": [2**64]},
        {"shape": 2},
        {"dtype": "F64"},
        {"dtype": "F99"},
        {"dtype": 32},
    ],
    ids=str,
)
def test_places_that_do_not_fit_are_refused(file, change):
    header = file.header
    header["C1.bias"] |= change
    file.write_header(header)
    with pytest.raises(CheckpointError, match="expected a whole safetensors file, got something else") as caught:
        read_metadata(file.path)
    file.refused(str(caught.value).removeprefix(f"{file.path}: "))


def test_overlapping_tensors_are_refused(file):
    header = file.header
    header["C1.bias"]["data_offsets"] = header["F1.bias"]["data_offsets"]
    header["C1.bias"]["shape"] = header["F1.bias"]["shape"]
    file.write_header(header)
    with pytest.raises(CheckpointError, match=r"expected a whole safetensors file, got something else"):
        file.load()


@pytest.mark.parametrize("shape", [[0, 2**63], [0] + [1] * 70], ids=["large", "deep"])
def test_empty_tensors_that_numpy_cannot_hold_are_refused(file, shape):
    file.write_header(file.header | {"empty": {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}})
    with pytest.raises(CheckpointError, match="expected tensors that NumPy can hold, got something else") as caught:
        read_metadata(file.path)
    file.refused(str(caught.value).removeprefix(f"{file.path}: "))


def test_a_dtype_that_numpy_does_not_have_is_refused(file):
    header = file.header
    for name in header.keys() - {"__metadata__"}:
        header[name] |= {"dtype": "BF16", "shape": [*header[name]["shape"], 2]}
    file.write_header(header)
    file.refused(f"expected tensors that NumPy can hold, got something else ('BF16'); {WHOLE}")


def test_names_in_a_file_cannot_write_lines_of_their_own(file):
    file.write_header({"\x1b[2J\n" + "x" * 10_000 + "é ": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}})
    with pytest.raises(CheckpointError, match="expected a whole safetensors file, got something else") as caught:
        file.load()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < len(file.path) + 300
    name = "\x1b[2J\n" + "x" * 10_000
    file.write_header(file.header | {name: {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}})
    file.refused(f"expected the network's tensors only, got '\\x1b[2J\\nxxx...xxxxxxxxxxxxx' too; {SAME}")


# --- what is not the network's ---


def _renamed(header, old, new):
    return {new if name == old else name: entry for name, entry in header.items()}


@pytest.mark.parametrize("new", ["C1.W", "c1.weight", "C2.weight"])
def test_another_name_is_refused(file, new):
    file.write_header(_renamed(file.header, "C1.weight", new))
    file.refused(f"expected a tensor 'C1.weight', got none of that name; {SAME}")


def test_a_missing_vector_is_refused(training):
    training.write_header(_renamed(training.header, "optimizer.v", "optimizer.w"))
    training.refused(f"expected a tensor 'optimizer.v', got none of that name; {SAME}")


@pytest.mark.parametrize("name", ["C2.weight", "optimizer.w"])
def test_one_tensor_more_is_refused(training, name):
    training.write_header(training.header | {name: {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}})
    training.refused(f"expected the network's tensors only, got '{name}' too; {SAME}")


def test_vectors_without_steps_are_refused(training):
    training.write_document(training.document | {"optimizer_steps": 0})
    training.refused(f"expected the network's tensors only, got 'optimizer.m' too; {SAME}")


def test_vectors_in_a_weights_file_are_refused(tmp_path):
    file = File(os.fspath(tmp_path / "net.safetensors"), "weights")
    file.write_header(file.header | {"optimizer.m": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}})
    file.refused(f"expected the network's tensors only, got 'optimizer.m' too; {SAME}")


def test_another_shape_is_refused(file):
    header = file.header
    header["C1.weight"]["shape"] = [2, 9]
    file.write_header(header)
    file.refused(f"expected 'C1.weight' of shape (2, 1, 3, 3), got (2, 9); {SAME}")


def test_a_vector_of_another_length_is_refused(training):
    header = training.header
    header["optimizer.m"]["shape"] = [7, 17]
    training.write_header(header)
    training.refused(f"expected 'optimizer.m' of shape (119,), got (7, 17); {SAME}")


@pytest.mark.parametrize("dtype", ["float16", "int32", "float64"])
def test_another_dtype_is_refused(file, dtype):
    tensors = load_file(file.path) | {"C1.bias": np.zeros(2, dtype)}
    save_file(tensors, file.path, file.header["__metadata__"])
    hint = 'make the network with dtype="float64"' if dtype == "float64" else "save its tensors as float32"
    file.refused(f"expected 'C1.bias' as float32, got {dtype}; {hint}")


def test_our_float32_does_not_go_into_a_float64_network(file):
    file.net = small(dtype="float64")
    file.refused("expected 'C1.weight' as float64, got float32; make the network with dtype=\"float32\"")


def test_a_foreign_file_may_be_widened_but_not_narrowed(file):
    save_file({name: t.astype("float64") for name, t in load_file(file.path).items() if "optim" not in name}, file.path)
    with pytest.raises(CheckpointError, match=r"expected 'C1\.weight' as float32, got float64; make the network with"):
        load_weights(file.path, file.net)
    assert load_weights(file.path, small(dtype="float64")) == {}


def test_another_optimiser_is_refused(training):
    training.optimizer = AdamW()
    training.refused("expected the vectors of AdamW, got those of 'Adam'; resume with the optimiser that was saved")


def test_another_optimiser_inside_an_average_is_refused(training):
    training.optimizer = ParameterAverage(Adam(), 0.9)
    train(training.net, training.optimizer, 1)
    save_training(training.path, training.net, training.optimizer, METADATA)
    training.optimizer = ParameterAverage(AdamW(), 0.9)
    got = "expected the vectors of ParameterAverage(AdamW), got those of 'ParameterAverage(Adam)'"
    training.refused(f"{got}; resume with the optimiser that was saved")


@pytest.mark.parametrize("options", [{"lanes": 8}, {"slots": 12}, {"lanes": 4, "slots": 1}], ids=str)
def test_training_does_not_go_on_where_sums_have_another_order(training, options):
    """It would reach other bits than the run that was saved; the weights alone may go anywhere."""
    other = Network([(placed.name, placed.layer) for placed in small().layers], (1, 6, 6), threads=1, seed=1, **options)
    before = snapshot(other, Adam(0.01))
    with pytest.raises(CheckpointError) as caught:
        load_training(training.path, other, Adam(0.01))
    lanes, slots = options.get("lanes", 16), options.get("slots", 8)
    what = f"expected a run with lanes={lanes}, slots={slots}, got one with lanes=16, slots=8, whose sums have another order"
    hint = "make the network with lanes=16, slots=8, or load the weights alone"
    assert str(caught.value) == f"{training.path}: {what}; {hint}"
    assert snapshot(other, Adam(0.01)) == before
    load_weights(training.path, other)


def test_training_does_not_go_on_from_weights(file):
    save_weights(file.path, file.net, {})
    with pytest.raises(CheckpointError, match="expected a training checkpoint, got weights only; read it with load_weights"):
        load_training(file.path, file.net, file.optimizer)


def test_a_file_of_another_program_has_no_facts(file):
    save_file({"C1.weight": np.zeros(3, "float32")}, file.path)
    message = "expected a checkpoint of minicnn, got a file of another program; make the network yourself and give both to"
    with pytest.raises(CheckpointError, match=message):
        read_metadata(file.path)
    with pytest.raises(CheckpointError, match=message):
        load_training(file.path, file.net, file.optimizer)


# --- the JSON document ---


@pytest.mark.parametrize("version", [0, 3, "2", True, 1.0, None, [2], 1.5])
def test_another_format_version_is_refused(file, version):
    file.write_document(file.document | {"format": version})
    file.refused(f"expected checkpoint format 2, got {version!r}; read it with the minicnn that wrote it")


@pytest.mark.parametrize(
    ("text", "expected", "got"),
    [
        ("", "JSON in its header", "Expecting value: line 1 column 1 (char 0)"),
        ("{", "JSON in its header", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ('{"format": 1, "format": 1}', "JSON in its header", "the key 'format' twice"),
        ('{"format": NaN}', "JSON in its header", "the number NaN"),
        ('{"format": 1e999}', "JSON in its header", "the number 1e999"),
        ('{"metadata": [-1e999]}', "JSON in its header", "the number -1e999"),
        ('{"format": -Infinity}', "JSON in its header", "the number -Infinity"),
        ("[" * 100_000, "JSON in its header", None),
        ('{"metadata":' * 100_000, "JSON in its header", None),
        ("9" * 5000, "JSON in its header", None),
        ("[1]", "its metadata as a JSON object", "[1]"),
        ("null", "its metadata as a JSON object", "None"),
        ('"text"', "its metadata as a JSON object", "'text'"),
    ],
)
def test_metadata_that_is_no_json_object_is_refused(file, text, expected, got):
    file.write_document(text)
    if got is None:  # Python's own words, which change
        with pytest.raises(CheckpointError) as caught:
            read_metadata(file.path)
        got = str(caught.value).partition("something else (")[2].rpartition(");")[0]
    file.refused(f"expected {expected}, got something else ({got}); {WHOLE}")


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("format", 2.0, "format in its document as a whole number from 0 to 2^63 − 1"),
        ("kind", "network", "weights, training or model as its kind"),
        ("kind", ["weights"], "weights, training or model as its kind"),
        ("kind", None, "weights, training or model as its kind"),
        ("minicnn", 1, "minicnn in its document as text"),
        ("metadata", [1], "metadata in its document as a JSON object"),
        ("metadata", None, "metadata in its document as a JSON object"),
    ],
)
def test_a_field_of_another_type_is_refused(file, field, value, expected):
    file.write_document(file.document | {field: value})
    file.refused(f"expected {expected}, got something else ({value!r}); {WHOLE}")


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("optimizer", None, "text"),
        *(
            (field, value, "a whole number from 0 to 2^63 − 1")
            for field in ("optimizer_steps", "network_steps")
            for value in (-1, 2**63, True, 2.0, "2", None)
        ),
    ],
)
def test_a_training_field_of_another_type_is_refused(training, field, value, expected):
    training.write_document(training.document | {field: value})
    training.refused(f"expected {field} in its document as {expected}, got something else ({value!r}); {WHOLE}")


@pytest.mark.parametrize("field", ["format", "kind", "minicnn", "metadata", "optimizer", "optimizer_steps", "network_steps"])
def test_every_field_is_needed(training, field):
    training.write_document({name: value for name, value in training.document.items() if name != field})
    with pytest.raises(CheckpointError, match=r"got None|something else \(None\)"):
        training.load()


# --- bytes at random ---


@pytest.fixture(scope="module", params=["weights", "training"])
def flipped(request, tmp_path_factory):
    return File(os.fspath(tmp_path_factory.mktemp("flip") / "net.safetensors"), request.param)


@given(data=st.data())
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_flipped_bits_in_the_header_are_found_or_harmless(flipped, data):
    place = st.integers(0, flipped.end - 1)
    content = bytearray(flipped.content)
    for at, bits in data.draw(st.lists(st.tuples(place, st.integers(1, 255)), min_size=1, max_size=3)):
        content[at] ^= bits
    flipped.write(content)
    flipped.net.params.flat[...] = 7
    before = snapshot(flipped.net, flipped.optimizer)
    try:
        metadata = flipped.load()
    except CheckpointError:
        assert snapshot(flipped.net, flipped.optimizer) == before
        return
    assert isinstance(metadata, dict)
    assert flipped.net.params.flat.tobytes() == flipped.saved[0]
    assert flipped.net.steps >= 0
    assert flipped.optimizer.steps >= 0


@given(header=st.binary(max_size=60), length=st.none() | st.integers(0, 2**64 - 1))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_refused(flipped, header, length):
    flipped.write(struct.pack("<Q", len(header) if length is None else length) + header)
    with pytest.raises(CheckpointError):
        flipped.load()


# --- saving ---


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"a": (1, 2)}, "tuples come back as lists, and keys as text"),
        ({1: 2}, "tuples come back as lists, and keys as text"),
        ({"a": float("nan")}, "Out of range float values are not JSON compliant"),
        ({"a": np.float32(1)}, "Object of type float32 is not JSON serializable"),
        ({"a": np.zeros(2)}, "Object of type ndarray is not JSON serializable"),
        (7, "'int' object is not iterable"),
    ],
)
def test_facts_that_json_does_not_keep_are_refused(tmp_path, metadata, reason):
    with pytest.raises(CheckpointError) as caught:
        save_weights(tmp_path / "net", small(), metadata)
    hint = "give dicts with text keys, lists, text, finite numbers, booleans and None"
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'net'}: expected metadata that JSON gives back as it is, got others ({reason}")
    assert message.endswith(f"); {hint}")
    assert list(tmp_path.iterdir()) == []


def test_facts_nested_too_deeply_are_refused(tmp_path):
    metadata = {}
    for _ in range(100_000):
        metadata = {"a": metadata}
    with pytest.raises(CheckpointError, match="expected metadata that JSON gives back as it is, got others"):
        save_weights(tmp_path / "net", small(), metadata)


def test_names_that_would_collide_are_refused(tmp_path):
    net = Network([("optimizer", Dense(2))], (3,), threads=1)
    message = (
        "expected names that differ in the file and do not start with 'optimizer.', got 'optimizer.weight' for 'optimizer.W'"
        "; rename the layer or the parameter"
    )
    with pytest.raises(CheckpointError) as caught:
        save_weights(tmp_path / "net", net, {})
    assert str(caught.value) == f"{tmp_path / 'net'}: {message}"


def test_two_parameters_of_one_name_are_refused(tmp_path):
    class Twice(Layer):
        def plan(self, in_shape):
            zeros = Param((1,), lambda rng, shape, fan_in, fan_out: np.zeros(shape))
            return Plan(in_shape, {"W": zeros, "weight": zeros})

        def forward(self, k, x, y, W, weight):
            pass

        def backward(self, k, dy, dx, dW, dweight):
            pass

    with pytest.raises(CheckpointError, match=r"got 'T\.weight' for 'T\.weight'; rename the layer or the parameter"):
        save_weights(tmp_path / "net", Network([("T", Twice())], (2,), threads=1), {})


@pytest.mark.parametrize("other", [Network([Dense(2)], (3,), threads=1), small(dtype="float64")], ids=["length", "dtype"])
def test_an_optimiser_of_another_network_is_refused(tmp_path, other):
    optimizer = SGD(0.1)
    optimizer.step(other)
    got = f"{other.params.flat.size} {other.dtype}"
    message = f"expected optimiser vectors of 119 float32, got {got}; save the optimiser with the network that it trains"
    with pytest.raises(CheckpointError, match=message):
        save_training(tmp_path / "net", small(), optimizer, {})
    assert list(tmp_path.iterdir()) == []


def _fails(code):
    def fail(*_):
        raise OSError(code, os.strerror(code))

    return fail


HINT = "; check the folder, its permissions and its free space"


@pytest.mark.parametrize("function", ["replace", "fsync"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EIO])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(file, monkeypatch, function, code):
    monkeypatch.setattr(os, function, _fails(code))
    with pytest.raises(CheckpointError) as caught:
        save_training(file.path, file.net, file.optimizer, {})
    assert str(caught.value) == f"{file.path}: expected to write a checkpoint, got {os.strerror(code).lower()}{HINT}"
    with open(file.path, "rb") as old:
        assert old.read() == file.content
    assert os.listdir(os.path.dirname(file.path)) == ["net.safetensors"]


def test_an_interrupt_while_writing_leaves_the_old_file_and_nothing_else(file, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_weights(file.path, file.net, {})
    with open(file.path, "rb") as old:
        assert old.read() == file.content
    assert os.listdir(os.path.dirname(file.path)) == ["net.safetensors"]


def test_the_bytes_are_on_the_disk_before_the_name_is_given(file, monkeypatch):
    calls = []
    real = {name: getattr(os, name) for name in ("fsync", "replace")}

    def fsync(number):
        calls.append(("fsync", os.fstat(number).st_size))
        real["fsync"](number)

    def replace(part, path):
        calls.append(("replace", os.path.getsize(part)))
        assert os.path.dirname(part) == os.path.dirname(path)
        real["replace"](part, path)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    save_weights(file.path, file.net, {})
    size = os.path.getsize(file.path)
    assert calls == [("fsync", size), ("replace", size)]
    assert os.listdir(os.path.dirname(file.path)) == ["net.safetensors"]


def test_a_missing_folder_is_said_so(tmp_path):
    with pytest.raises(CheckpointError, match=f"expected to write a checkpoint, got no such file or directory{HINT}"):
        save_weights(tmp_path / "none" / "net", small(), {})


def test_a_directory_in_the_way_is_said_so(tmp_path):
    (tmp_path / "net").mkdir()
    with pytest.raises(CheckpointError, match=f"expected to write a checkpoint, got a directory{HINT}"):
        save_weights(tmp_path / "net", small(), {})
    assert [path.name for path in tmp_path.iterdir()] == ["net"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder_is_said_so(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(CheckpointError, match=f"expected to write a checkpoint, got permission denied{HINT}"):
        save_weights(tmp_path / "net", small(), {})


# --- the package ---


def test_a_missing_package_is_said_so_where_it_is_used(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    for use in (lambda: safetensors_file.read(tmp_path / "net"), lambda: safetensors_file.write(tmp_path / "net", {}, {})):
        with pytest.raises(CheckpointError) as caught:
            use()
        assert (
            str(caught.value) == "checkpoint: expected the package safetensors, got none installed; run pip install safetensors"
        )


@pytest.mark.parametrize("wrong", ["", "a\0b"])
def test_what_is_no_name_of_a_file_is_said_so(wrong):
    ends = "got no name of a file; give the path of a file"
    with pytest.raises(CheckpointError) as caught:
        save_weights(wrong, small(), {})
    assert str(caught.value) == f"{wrong!r}: expected to write a checkpoint, {ends}"
    if wrong:
        with pytest.raises(CheckpointError) as caught:
            read_metadata(wrong)
        what = "expected a readable file, got a name with a null character; check the path and its permissions"
        assert str(caught.value) == f"{wrong!r}: {what}"


def test_minicnn_alone_does_not_need_the_package():
    subprocess.run([sys.executable, "-c", "import minicnn, sys; sys.exit('safetensors' in sys.modules)"], check=True)
