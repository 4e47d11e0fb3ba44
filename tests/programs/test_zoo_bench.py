"""The benchmark of all models: PyTorch's forms are the same networks, and results are compared before they are timed."""

import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from minicnn.backends.cpu.compile.mode import CHECK, INTERPRET

torch = pytest.importorskip("torch")

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
harness = importlib.import_module("harness")
processes = importlib.import_module("harness.processes")
zoo = importlib.import_module("harness.zoo")
zoo_training = importlib.import_module("harness.zoo_training")
torch_zoo = importlib.import_module("peers.torch_zoo")
train_torch = importlib.import_module("peers.train_torch")
zoo_bench = importlib.import_module("zoo_bench")

pytestmark = pytest.mark.torch
measurable = pytest.mark.skipif(INTERPRET or CHECK, reason="kernels are not what they are when they are measured")
MODERN = ("--quick", "--rounds", 1, "--batch", 4, "--models", "lenet5_modern")


def main(*options):
    return harness.run("zoo_bench", zoo_bench.benchmark, list(map(str, options)))


@pytest.fixture
def only_torch(monkeypatch):
    """Leave out the peers that the tests do not install."""
    monkeypatch.setattr(harness, "peer", lambda name: torch if name == "torch" else None)


# --- the networks ---


def test_every_model_that_is_there_is_measured():
    made = {getattr(model.make, "func", model.make) for model in zoo.ZOO.values()}
    package = zoo.models
    known = {getattr(package, name) for name in package.__all__ if name not in ("C3_CONNECTIONS", "c3_table", "cyclic_table")}
    assert made == known


@pytest.mark.parametrize("name", zoo.ZOO)
def test_pytorchs_form_of_a_model_predicts_the_same(name):
    net = zoo.ZOO[name].make(backend="numpy", threads=1, seed=1)
    x, _ = zoo.ZOO[name].data(2)
    expected = net.predict(x)
    for layout in zoo_training.layouts(net):
        module = torch_zoo.module_of(net, layout == "last").eval()
        with torch.inference_mode():
            got = module(torch_zoo.images_of(net, x, layout == "last")).numpy()
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
        ours = sum(value.size for value in net.params.values())
        assert sum(parameter.numel() for parameter in module.parameters()) == ours


@pytest.mark.parametrize("name", ["lenet5_1998", "conv_autoencoder", "keyword_cnn"])
def test_pytorchs_form_of_a_model_learns_the_same(name):
    model = zoo.ZOO[name]
    net = zoo.without_dropout(model.make(threads=1, seed=1), backend="numpy", threads=1, seed=1)
    x, target = model.data(8)
    theirs = torch_zoo.training(model, net, x, target, batch=4, channels_last=True, compiled=False)
    own = zoo_training.Own(model, net, x, target, batch=4)
    losses = [own.step() for _ in range(3)]
    np.testing.assert_allclose([float(theirs.step()) for _ in range(3)], losses, rtol=1e-3)
    assert losses[2] != losses[0]


def test_only_padding_with_an_odd_zero_is_mirrored():
    found = {name for name, model in zoo.ZOO.items() if torch_zoo.mirrored(model.make(threads=1))}
    assert found == {"resnet8", "resnet20", "mobilenet_small", "mobilenet_small, 32", "keyword_cnn"}


# --- the figures ---


@measurable
@pytest.mark.usefixtures("only_torch")
def test_training_and_inference_are_measured_beside_pytorchs(tmp_path, monkeypatch, capsys):
    loop = torch_zoo.Loop
    monkeypatch.setattr(torch_zoo, "Loop", lambda *given: loop(*given[:-1], False))  # compiling takes long
    monkeypatch.setattr(torch, "compile", lambda module: module)
    assert main(*MODERN, "--compile", "--json", tmp_path / "z.json") == 0, capsys.readouterr().err
    out = capsys.readouterr().out
    assert "no ONNX without onnx, onnxscript, onnxruntime" in out
    rows = json.loads((tmp_path / "z.json").read_text())["rows"]
    assert [(row["model"], row["what"], row["batch"]) for row in rows] == [
        ("lenet5_modern", *what) for what in (("train", 4), ("infer", 4), ("infer", 1))
    ]
    peers = {f"{form} {layout}" for form in ("eager", "compiled") for layout in ("contiguous", "last")}
    for row in rows:
        assert set(row["timings"]) == {"own", "control"} | peers
        assert row["over_eager"] == pytest.approx(row["eager_ms"] / row["minicnn_ms"])
        assert row["over_best"] == pytest.approx(min(row["eager_ms"], row["compiled_ms"]) / row["minicnn_ms"])
        assert row["onnx_ms"] is None
        assert f"{row['model']:19}  {row['what']:5}" in out


@measurable
def test_onnx_is_measured_where_it_is_installed(tmp_path, monkeypatch, capsys):
    known = {"torch": torch} | dict.fromkeys(zoo_bench.WITH_ONNX, SimpleNamespace(__version__="1.0"))
    monkeypatch.setattr(harness, "peer", known.get)
    fake = SimpleNamespace(predicting=lambda net, x, threads: lambda: net.predict(x))
    monkeypatch.setitem(sys.modules, "peers.onnx_zoo", fake)
    monkeypatch.setattr(importlib.import_module("peers"), "onnx_zoo", fake, raising=False)
    assert main(*MODERN, "--json", tmp_path / "z.json") == 0, capsys.readouterr().err
    train, *infer = json.loads((tmp_path / "z.json").read_text())["rows"]
    assert train["onnx_ms"] is None
    assert all(row["onnx_ms"] == pytest.approx(1e3 * row["timings"]["onnx"]["median_s"]) for row in infer)
    fake.predicting = lambda net, x, threads: lambda: net.predict(x) + 1
    assert main(*MODERN) == 1
    assert "zoo_bench: lenet5_modern: outputs of onnx differ by" in capsys.readouterr().err


class InOneGraph:
    """A training loop such as TensorFlow's, by minicnn."""

    def __init__(self, model, net, x, target, batch):
        own = model.make(threads=1, seed=1)
        with own.update():
            own.params.flat[:] = net.params.flat
        self.own, self.together = zoo_training.Own(model, zoo.without_dropout(own, threads=1, seed=1), x, target, batch), []

    def step(self):
        return self.steps(1)

    def steps(self, count):
        self.together.append(count)
        return [self.own.step() for _ in range(count)][-1]

    def arrays(self):
        return {name: value.copy() for name, value in {**self.own.net.params, **self.own.net.state}.items()}


@pytest.fixture
def tensorflow(monkeypatch):
    """TensorFlow alone, by minicnn: what ``limit`` was given, and the loops that were made."""
    fake = SimpleNamespace(limited=[], loops=[])
    fake.limit = fake.limited.append
    fake.training = lambda *given: fake.loops.append(InOneGraph(*given)) or fake.loops[-1]
    monkeypatch.setattr(harness, "peer", {"tensorflow": SimpleNamespace(__version__="1.0")}.get)
    monkeypatch.setitem(sys.modules, "peers.train_tensorflow", fake)
    monkeypatch.setattr(importlib.import_module("peers"), "train_tensorflow", fake, raising=False)
    return fake


@measurable
def test_tensorflows_loop_counts_among_the_best_in_training(tmp_path, monkeypatch, tensorflow, capsys):
    monkeypatch.setattr(harness, "calls_for", lambda work, least: 3)
    assert main(*MODERN, "--json", tmp_path / "z.json") == 0, capsys.readouterr().err
    train, *infer = json.loads((tmp_path / "z.json").read_text())["rows"]
    assert tensorflow.limited == [1]
    compared, timed = tensorflow.loops
    assert compared.together == [1] * zoo_training.AGREE
    assert timed.together == [1, 3]  # one call untimed, then three steps in one
    assert train["tensorflow_ms"] == pytest.approx(1e3 * train["timings"]["tensorflow"]["median_s"])
    assert train["over_best"] == pytest.approx(train["tensorflow_ms"] / train["minicnn_ms"])
    assert all(row["tensorflow_ms"] is row["over_best"] is None for row in infer)


@measurable
def test_tensorflows_parameters_are_compared_before_anything_is_timed(monkeypatch, tensorflow, capsys):
    monkeypatch.setattr(harness, "interleaved", lambda *_: pytest.fail("timed before it was compared"))
    monkeypatch.setattr(InOneGraph, "arrays", lambda loop: {name: value + 0.01 for name, value in loop.own.net.params.items()})
    assert main(*MODERN) == 1
    assert "zoo_bench: lenet5_modern: tensorflow's parameters end " in capsys.readouterr().err


def test_running_statistics_are_compared_as_parameters_are():
    model = zoo.ZOO["resnet8"]
    net = model.make(backend="numpy", threads=1, seed=1)
    start, x = net.params.flat.copy(), model.data(2)
    own = zoo_training.Own(model, net, *x, batch=2)
    own.step()
    same = {name: value.copy() for name, value in {**net.params, **net.state}.items()}
    zoo_training.compare_arrays("tensorflow", same, net, start)
    same["norm.running_var"] += 0.01 * np.abs(same["norm.running_var"]).max()
    with pytest.raises(harness.BenchmarkError, match=r"^tensorflow's values of norm\.running_var differ by 1\.0e-02; nothing"):
        zoo_training.compare_arrays("tensorflow", same, net, start)


@measurable
@pytest.mark.usefixtures("only_torch")
def test_another_rate_is_found_before_anything_is_timed(monkeypatch, capsys):
    monkeypatch.setattr(zoo_training, "SGD", lambda rate, momentum: importlib.import_module("minicnn").SGD(3 * rate, momentum))
    monkeypatch.setattr(harness, "interleaved", lambda *_: pytest.fail("timed before it was compared"))
    assert main(*MODERN) == 1
    assert "zoo_bench: lenet5_modern: losses of eager contiguous differ by" in capsys.readouterr().err


@measurable
def test_without_peers_every_model_is_timed_alone(monkeypatch, capsys):
    monkeypatch.setattr(harness, "peer", lambda name: None)
    assert main(*MODERN) == 0
    assert "lenet5_modern        infer      1" in capsys.readouterr().out


# --- memory ---


@measurable
@pytest.mark.usefixtures("only_torch")
def test_memory_is_compared_over_processes_that_take_turns(monkeypatch, tmp_path, capsys):
    turns, sizes = [], iter([999, 999, 999, 20, 50, 40, 22, 48, 44])

    def python(arguments, variables):
        turns.append(arguments[4])
        return processes.Finished(0.0, 1.0, f"{next(sizes)}\n")

    monkeypatch.setattr(processes, "python", python)
    assert main("--memory", "--rounds", 2, "--models", "resnet8", "--json", tmp_path / "m.json") == 0, capsys.readouterr().err
    (row,) = json.loads((tmp_path / "m.json").read_text())["rows"]
    assert turns == ["minicnn", "contiguous", "last"] * 3
    assert (row["minicnn_mb"], row["torch_mb"], row["layout"], row["ratio"]) == (21, 42, "last", 2)


@measurable
def test_memory_is_measured_in_a_process_of_its_own(capsys):
    assert main("--memory", "--rounds", 1, "--batch", 4, "--models", "lenet5_modern") == 0, capsys.readouterr().err
    row = capsys.readouterr().out.splitlines()[-1].split()
    assert row[:2] == ["lenet5_modern", "4"]
    assert all(1 < float(value) < 2000 for value in row[2:4])


# --- the command line ---


@measurable
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--models", "vgg"], "expected --models out of lenet5; lenet5_1998; lenet5s; "),
        (["--batch", 1], "expected --batch of at least 2, got 1"),
        (["--rounds", 0], "expected --repeats of at least 1, got 0"),
    ],
)
def test_a_wrong_request_is_one_sentence(options, sentence, capsys):
    assert main(*options) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"zoo_bench: {sentence}")
    assert told.err.count("\n") == 1
