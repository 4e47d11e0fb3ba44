"""The programs that train networks of the zoo: on CIFAR-10, on pictures that are made, on Fashion-MNIST; and the benchmark."""

import importlib
import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import minicnn
from minicnn.backends.cpu.compile.mode import CHECK, INTERPRET
from minicnn.data import write_idx
from minicnn.data.cifar import TEST, TRAINING
from minicnn.train import checkpoint

ROOT = Path(__file__).parents[2]
for place in ("benchmarks", "examples"):
    sys.path.insert(0, str(ROOT / place))
training = importlib.import_module("training")
cifar, fashion = importlib.import_module("train_cifar"), importlib.import_module("train_fashion")
harness, bench = importlib.import_module("harness"), importlib.import_module("fashion_bench")
measurable = pytest.mark.skipif(INTERPRET or CHECK, reason="kernels are not what they are when they are measured")


@pytest.fixture
def run(monkeypatch, capsys):
    """Call a program with arguments; gives exit code, output and errors."""

    def call(program, *arguments):
        monkeypatch.setattr(sys, "argv", [program.__name__, *map(str, arguments)])
        try:
            code = program.main()
        except SystemExit as stop:  # argparse
            code = stop.code
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def clothes(tmp_path):
    """A folder of four small IDX files, whose classes are told by where there is ink."""
    rng, folder = np.random.default_rng(0), tmp_path / "clothes"
    folder.mkdir()
    for part, count in (("train", 120), ("t10k", 30)):
        labels = np.arange(count, dtype=np.uint8) % 10
        images = rng.integers(0, 60, (count, 28, 28), np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[2 * label + 2 : 2 * label + 6] += 190
        write_idx(folder / f"{part}-images-idx3-ubyte", images)
        write_idx(folder / f"{part}-labels-idx1-ubyte", labels)
    return folder


def test_cifar_by_a_folder(run, tmp_path):
    rng = np.random.default_rng(0)
    for name in (*TRAINING, TEST):
        rows = rng.integers(0, 256, (12, 3073), np.uint8)
        rows[:, 0] %= 10
        (tmp_path / f"{name}.bin").write_bytes(rows.tobytes())
    given = ["--data", tmp_path, "--epochs", 1, "--batch-size", 32, "--threads", 1, "--out", tmp_path / "out"]
    code, out, err = run(cifar, *given)
    assert (code, err.count("error")) == (0, 0)
    assert f"resnet8: the folder {tmp_path}" in out
    assert "training on 55 images, validating on 5; adam at 0.01, batches of 32, 1 threads, seed 0" in out
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["parameters"] == 78186
    assert metrics["settings"]["schedule"].startswith("OneCycle(")
    assert f"test accuracy {100 * metrics['test_accuracy']:.2f} % with the weights of epoch 1" in out
    checkpoint.load_weights(tmp_path / "out" / "model.safetensors", minicnn.models.resnet8(threads=1))
    for name in ("curves.png", "confused.png"):
        assert (tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG")
    assert out.endswith(f"wrote metrics.json, model.safetensors, curves.png and confused.png to {tmp_path / 'out'}\n")
    (tmp_path / f"{TEST}.bin").write_bytes(b"x")
    code, _, err = run(cifar, *given)
    assert code == 2
    assert err.startswith(f"error: {tmp_path / TEST}.bin: expected 1 to 100,000 records of 3,073 bytes")
    assert err.count("\n") == 1


def test_without_data_pictures_are_made_and_that_is_said(run, tmp_path, monkeypatch):
    make = cifar.coloured_shapes
    monkeypatch.setattr(cifar, "coloured_shapes", lambda: make(96, 20))
    code, out, _ = run(cifar, "--epochs", 1, "--batch-size", 32, "--threads", 1, "--out", tmp_path)
    assert code == 0
    words = "no --data: making a small set of coloured shapes in place of CIFAR-10; its accuracies say nothing about CIFAR-10\n"
    assert out.startswith(words + "resnet8: 116 pictures of coloured shapes that were made\n")


@pytest.mark.parametrize("model", cifar.RECIPES)
def test_every_model_of_a_recipe_takes_the_images(model):
    net = getattr(minicnn.models, model)(num_classes=10, in_shape=(3, 32, 32), threads=1, backend="numpy")
    assert net.out_shape == (10,)


def test_fashion_trains_resumes_and_repeats(run, clothes, tmp_path):
    common = ["--data", clothes, "--epochs", 2, "--batch-size", 32, "--threads", 1, "--out", tmp_path / "out"]
    code, out, _ = run(fashion, *common)
    assert code == 0
    first = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert first["parameters"] == 34826
    assert first["test_accuracy"] > 0.5
    code, out, _ = run(fashion, *common, "--resume")
    assert code == 0
    assert "resumed from" in out
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["test_loss"] == first["test_loss"]
    assert f"mnist_convnet: the folder {clothes}" in out


def test_choosing_reads_no_test_image(run, clothes, monkeypatch):
    load = fashion.load_mnist

    class Kept:
        """A data set of which the test part is not touched."""

        def __init__(self, data):
            whole = load(data)
            self.train_images, self.train_labels = whole.train_images, whole.train_labels

    monkeypatch.setattr(fashion, "load_mnist", Kept)
    given = ["--data", clothes, "--choose", "--batch-size", 32, "--threads", 1]
    code, out, _ = run(fashion, *given, "--epochs", 1)
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "mnist_convnet: training on 110 images, validating on 10; no test image is looked at"
    told = [re.fullmatch(r"epochs   1  rate (\S+) +validation accuracy (\S+) %", line) for line in lines[1:-1]]
    assert [float(found[1]) for found in told] == [0.001, 0.002, 0.004, 0.008, 0.016]
    best = max(told, key=lambda found: float(found[2]))
    assert lines[-1] == f"best: --epochs 1 --lr {best[1]}, {best[2]} %"
    assert not Path("runs", "fashion-mnist_convnet").exists()


BAD = {
    "no data": ([], "the following arguments are required: --data"),
    "no folder": (["--data", "nowhere"], "error: nowhere: expected a folder of data files, got no such file or directory"),
    "rate": (["--data", "nowhere", "--lr", "-1"], "error: Adam: expected lr"),
    "epochs": (["--data", "nowhere", "--epochs", "0"], "error: TrainingOptions: expected epochs"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_options_get_one_sentence_before_data_is_read(run, tmp_path, case):
    arguments, words = BAD[case]
    code, _, err = run(fashion, *arguments, "--out", tmp_path)
    assert code == 2
    assert words in err


# --- beside PyTorch ---


@pytest.mark.torch
@measurable
def test_the_benchmark_tells_both_and_their_spread(clothes, tmp_path, capsys):
    before = os.sched_getaffinity(0)
    given = ["--data", str(clothes), "--epochs", "1", "--seeds", "2", "--json", str(tmp_path / "f.json")]
    try:
        assert harness.run("fashion_bench", bench.benchmark, given) == 0, capsys.readouterr().err
    finally:
        os.sched_setaffinity(0, before)
    out = capsys.readouterr().out
    found = json.loads((tmp_path / "f.json").read_text())["networks"]
    assert set(found) == set(fashion.RECIPES) == {"mnist_convnet", "resnet8"}
    for name, figures in found.items():
        assert [len(figures[key]) for key in bench.FIGURES] == [2] * 4
        assert figures["form"] in ("channels_first", "channels_last")
        assert f"{name}: minicnn {bench.spread(figures['accuracy'])} %" in out
        assert f"{name}: PyTorch {bench.spread(figures['torch_accuracy'])} %" in out


def data_of(folder):
    return bench.load_mnist(folder)


@pytest.mark.torch
def test_both_train_alike(clothes):
    """Three steps of the whole loop, where no dropout is drawn: the same outputs afterwards."""
    pytest.importorskip("torch")
    zoo = importlib.import_module("peers.torch_fashion")
    data, recipe = data_of(clothes), bench.replace(fashion.RECIPES["resnet8"], epochs=1, batch_size=40, lr=1e-3)
    pixels, learn = recipe.pixels(data.train_images), np.arange(120)
    net = bench.network(recipe, data, 0, 1)
    images = data.train_images[:, None].astype(np.float32) * np.float32(recipe.normalise.scale)
    images += np.float32(recipe.normalise.shift)
    theirs = zoo.Training("resnet8", net, zoo.Data(images, data.train_labels, "channels_last"), "channels_last", recipe)
    optimizer, start = training.OPTIMIZERS["adam"](recipe.lr), net.predict(pixels)
    for number in range(3):
        optimizer.lr = recipe.lr * recipe.schedule(number, 3)
        order = bench.shuffled(learn, 0, 1)
        net.loss_and_grads(recipe.loss, pixels, data.train_labels, order[40 * number : 40 * number + 40])
        optimizer.step(net)
    theirs.epochs(learn, 0)
    mine, other = net.predict(pixels), theirs.outputs(theirs.data.images)
    assert np.abs(mine - start).max() > 0.01
    np.testing.assert_allclose(mine, other, rtol=0, atol=2e-3 * np.abs(other).max())


@measurable
def test_another_network_is_not_timed(clothes, monkeypatch, capsys):
    zoo = pytest.importorskip("peers.torch_fashion")
    made = zoo.module_of

    def other(*given):
        module = made(*given)
        module[0].bias.data += 1
        return module

    monkeypatch.setattr(zoo, "module_of", other)
    before = os.sched_getaffinity(0)
    try:
        assert harness.run("fashion_bench", bench.benchmark, ["--data", str(clothes), "--quick", "--limit", "60"]) == 1
    finally:
        os.sched_setaffinity(0, before)
    assert "mnist_convnet: outputs before training differ by" in capsys.readouterr().err


@measurable
@pytest.mark.parametrize(("option", "value"), [("--seeds", "0"), ("--epochs", "-1")])
def test_numbers_below_one_are_refused(option, value, capsys):
    assert harness.run("fashion_bench", bench.benchmark, ["--data", "x", option, value]) == 2
    assert capsys.readouterr().err == f"fashion_bench: expected {option} of at least 1, got {value}\n"
