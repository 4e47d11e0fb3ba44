"""The example programs as a user runs them: what they print and write, and what they say about bad input."""

import gzip
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minicnn
from minicnn.data import Pixels, load_mnist, write_idx
from minicnn.train import checkpoint

EXAMPLES = Path(__file__).parents[2] / "examples"
SUBSET = Path(minicnn.__file__).parent / "data" / "subset"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("train_mnist", EXAMPLES / "train_mnist.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["train_mnist"] = module
    sys.path.insert(0, str(EXAMPLES))  # as for a program that is run from there
    spec.loader.exec_module(module)
    sys.path.remove(str(EXAMPLES))
    return module


@pytest.fixture
def run(example, monkeypatch, capsys):
    """Call the example with arguments; gives exit code, output and errors."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["train_mnist.py", *map(str, arguments)])
        try:
            code = example.main()
        except SystemExit as stop:  # argparse
            code = stop.code
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.mark.parametrize(("model", "parameters"), [("classic", 60850), ("lenet5s", 59719), ("modern", 61706)])
def test_each_system_trains_saves_reloads_and_reports_the_same_accuracy(run, example, tmp_path, model, parameters):
    code, out, _ = run(
        "--model", model, "--source", "subset", "--limit", 1200, "--epochs", 2, "--out", tmp_path, "--threads", 1
    )
    assert code == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["parameters"] == parameters
    keys = {"epoch", "train_loss", "val_loss", "val_accuracy", "seconds", "images_per_second"}
    assert [row["epoch"] for row in metrics["epochs"]] == [1, 2]
    assert all(keys <= set(row) for row in metrics["epochs"])
    assert metrics["settings"]["training_images"] == 1100
    assert f"test accuracy {100 * metrics['test_accuracy']:.2f} %" in out
    assert "a subset of MNIST" in out or "subset" in out
    for name in ("curves.png", "kernels.png", "confused.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    recipe = example.RECIPES[model]
    net = getattr(minicnn.models, recipe.model)(threads=1, seed=99)
    checkpoint.load_weights(tmp_path / "model.safetensors", net)
    digits = load_mnist(source="subset", log=lambda line: None)
    images = Pixels(digits.test_images, recipe.normalise, recipe.size, recipe.fit)
    assert net.evaluate(recipe.loss, images, digits.test_labels).accuracy == metrics["test_accuracy"]


def test_training_on_the_numpy_backend(run, monkeypatch, tmp_path):
    made, make, digits = [], minicnn.models.lenet5_modern, load_mnist(source="subset", log=lambda line: None)
    monkeypatch.setattr(minicnn.models, "lenet5_modern", lambda **options: made.append(make(**options)) or made[-1])
    files = {"train": (digits.train_images, digits.train_labels), "t10k": (digits.test_images, digits.test_labels)}
    for part, (images, labels) in files.items():
        write_idx(tmp_path / f"{part}-images-idx3-ubyte", images[:120])
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte", labels[:120])
    options = ("--model", "modern", "--backend", "numpy", "--data", tmp_path, "--epochs", 1)
    code, out, _ = run(*options, "--out", tmp_path)
    assert code == 0
    assert "1 threads" in out
    assert made[0].backend.name == "numpy"
    assert json.loads((tmp_path / "metrics.json").read_text())["parameters"] == 61706


def test_a_backend_that_there_is_not_is_refused_with_the_usage(run):
    code, _, err = run("--backend", "gpu")
    assert code == 2
    assert "argument --backend: invalid choice: 'gpu'" in err


def test_lenet5s_says_its_loss_every_hundred_steps(run, tmp_path):
    code, out, _ = run("--model", "lenet5s", "--source", "subset", "--epochs", 1, "--out", tmp_path)
    assert code == 0
    assert "epoch 1 step 100/172 loss" in out


def test_a_run_goes_on_with_resume(run, tmp_path):
    common = ["--source", "subset", "--limit", 600, "--threads", 1, "--out"]
    run(*common, tmp_path / "once", "--epochs", 2)
    run(*common, tmp_path / "twice", "--epochs", 1)
    code, out, _ = run(*common, tmp_path / "twice", "--epochs", 2, "--resume")
    assert code == 0
    assert "resumed from" in out
    once, twice = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("once", "twice"))
    assert once["test_accuracy"] == twice["test_accuracy"]
    assert [row["val_loss"] for row in once["epochs"]] == [row["val_loss"] for row in twice["epochs"]]


def test_a_run_of_other_options_or_data_is_not_gone_on_with(run, tmp_path):
    common = ["--source", "subset", "--limit", 120, "--threads", 1, "--epochs", 1, "--out", tmp_path, "--resume"]
    run(*common[:-1])
    for more, words in (
        (["--optimizer", "adam", "--lr", 0.1], "optimizer Adam(betas=[0.9, 0.999], "),
        (["--lr", 0.2], "lr 0.2, got lr 0.1; "),
        (["--seed", 1], "seed 1, "),
        (["--model", "lenet5s"], "network.layers"),
    ):
        code, _, err = run(*common, *more)
        assert code == 2
        assert err.startswith(f"error: {tmp_path / 'last.safetensors'}: expected a run with ")
        assert words in err
    (tmp_path / "model.safetensors").unlink()
    code, _, err = run(*common)
    assert code == 2
    assert err.startswith(f"error: {tmp_path / 'model.safetensors'}: expected a readable file, got no such file")


@pytest.mark.parametrize("fast", [[], ["--fast"]])
def test_a_folder_that_another_process_writes_to(run, python, tmp_path, fast):
    code = f"""
import time
from minicnn.train.folder_lock import FolderLock
with FolderLock({str(tmp_path / "out")!r}):
    print("held", flush=True)
    time.sleep(100)
"""
    process = python.start(code)
    process.stdout.readline()
    code, _, err = run("--source", "subset", *fast, "--out", tmp_path / "out")
    assert code == 2
    assert (
        f"--out: expected a folder that no other run writes to, got {tmp_path / 'out'}, where process {process.pid} on" in err
    )
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".lock"]


@pytest.mark.parametrize("model", ["classic", "lenet5s", "modern", "fast"])
def test_the_readmes_example_uses_the_weights_that_are_written(run, example, tmp_path, python, model):
    how = ["--fast"] if model == "fast" else ["--model", model, "--limit", 240, "--epochs", 1]
    code, out, _ = run("--source", "subset", "--threads", 1, *how, "--out", tmp_path)
    assert code == 0
    readme = (EXAMPLES.parent / "README.md").read_text()
    (block,) = [b for b in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "load_weights" in b]
    network = "lenet5_modern" if model == "fast" else example.RECIPES[model].model
    for old, new in (
        ("examples/lenet5_modern.safetensors", str(tmp_path / "model.safetensors")),
        ("models.lenet5_modern", f"models.{network}"),
        ("load_mnist()", 'load_mnist(source="subset")'),
    ):
        assert old in block
        block = block.replace(old, new)
    stated = float(python(block, MINICNN_CACHE=python.kept).splitlines()[-1])
    assert f"test accuracy {100 * stated:.2f} %" in out


def damaged(folder: Path, name: str, change) -> Path:
    """A copy of the subset with one file changed."""
    shutil.copytree(SUBSET, folder)
    path = folder / name
    path.write_bytes(change(path.read_bytes()))
    return folder


def test_the_fast_recipe_trains_tells_its_accuracy_and_keeps_the_weights(run, tmp_path):
    code, out, _ = run("--fast", "--source", "subset", "--out", tmp_path, "--threads", 1)
    assert code == 0
    assert re.findall(r"^epoch \d+  train loss \d\.\d{4}$", out, re.MULTILINE) == out.splitlines()[-4:-1]
    stated = float(out.splitlines()[-1].removeprefix("test accuracy ").removesuffix(" %"))
    assert stated > 95
    net = minicnn.models.lenet5_modern(threads=1, seed=99)
    metadata = checkpoint.load_weights(tmp_path / "model.safetensors", net)
    assert metadata["recipe"] == "fast"
    assert round(100 * metadata["test_accuracy"], 2) == stated


BAD = {
    "fast with options of its recipe": (
        ["--fast", "--model", "modern", "--limit", "0", "--batch-size", "3", "--resume"],
        "--fast: expected no option that its recipe settles, got --model, --batch-size, --limit, --resume; leave it out",
    ),
    "no such folder": (["--data", "nowhere"], "nowhere"),
    "zero epochs": (["--epochs", "0"], "TrainingOptions: expected epochs"),
    "negative batch": (["--batch-size", "-3"], "TrainingOptions: expected batch_size"),
    "negative rate": (["--lr", "-1"], "SGD: expected lr"),
    "rate that is no number": (["--lr", "nan"], "SGD: expected lr"),
    "limit too large": (["--limit", "999999"], "--limit: expected a number from 12 to 6000, got 999999"),
    "limit zero": (["--limit", "0"], "--limit: expected"),
    "threads zero": (["--threads", "0"], "threads: expected"),
    "negative seed": (["--seed", "-1"], "Network: expected seed"),
    "unknown source": (["--source", "moon"], "moon"),
    "resume from nothing": (["--resume"], "last.safetensors"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments_get_one_sentence_and_exit_code_2(run, tmp_path, case):
    extra, words = BAD[case]
    arguments = ["--source", "subset", "--out", tmp_path / "out"]
    arguments = ["--out", tmp_path / "out"] if "--data" in extra else arguments
    code, _, err = run(*arguments, *extra)
    assert code == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert words in err


@pytest.mark.parametrize("arguments", [["--model", "lenet9"], ["--epochs", "many"], ["--optimizer", "magic"], ["--nonsense"]])
def test_words_that_argparse_refuses_exit_with_code_2(run, arguments):
    code, _, err = run(*arguments)
    assert code == 2
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("train-images-idx3-ubyte.gz", lambda raw: raw[:1000], "train-images-idx3-ubyte.gz"),
        ("train-labels-idx1-ubyte.gz", lambda raw: b"not a file", "train-labels-idx1-ubyte.gz"),
        ("t10k-images-idx3-ubyte.gz", lambda raw: gzip.compress(gzip.decompress(raw) + b"x"), "t10k-images-idx3-ubyte.gz"),
        ("t10k-labels-idx1-ubyte.gz", lambda raw: gzip.compress(b"\x00\x00\x08\x01\x00\x00\x00\x02\x01\x02"), "t10k"),
        (
            "train-labels-idx1-ubyte.gz",
            lambda raw: gzip.compress(gzip.decompress(raw)[:8] + bytes([77]) * 6000),
            "labels from 0 to 9",
        ),
    ],
)
def test_damaged_data_gets_one_sentence(run, tmp_path, name, change, words):
    code, _, err = run("--data", damaged(tmp_path / "data", name, change), "--out", tmp_path / "out", "--epochs", 1)
    assert code == 2
    assert words in err
    assert err.count("\n") == 1


def test_an_output_that_is_a_file_gets_one_sentence(run, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = run("--source", "subset", "--out", tmp_path / "file" / "runs")
    assert code == 2
    assert "error: --out: expected a folder to write to" in err


@pytest.mark.parametrize("name", ["metrics.json", "curves.png"])
def test_a_folder_in_the_way_of_a_result_gets_one_sentence(run, tmp_path, name):
    (tmp_path / name).mkdir()
    code, _, err = run("--source", "subset", "--limit", 120, "--epochs", 1, "--out", tmp_path, "--threads", 1)
    assert code == 2
    assert err.startswith(
        f"error: {tmp_path / name}: expected to write a {'result' if name == 'metrics.json' else 'picture'}, "
    )
    assert err.count("\n") == 1
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("arguments", [["--out", ""], ["--data", ""], ["--out", "a\0b"]])
def test_a_path_that_is_none_exits_with_code_2(run, arguments):
    code, _, err = run(*arguments)
    assert code == 2
    assert f"argument {arguments[0]}: expected a path, got {arguments[1]!r}" in err


def test_a_home_folder_is_found(run, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    run("--source", "subset", "--limit", 1, "--out", "~/runs/a")
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    monkeypatch.setenv("MINICNN_DATA", "~/nowhere")
    _, _, err = run("--out", "~/runs/a")
    assert err.startswith(f"error: {tmp_path}/nowhere: expected a folder of data files, got no such file or directory")


def test_a_damaged_checkpoint_gets_one_sentence(run, tmp_path):
    run("--source", "subset", "--limit", 120, "--epochs", 1, "--out", tmp_path)
    (tmp_path / "last.safetensors").write_bytes((tmp_path / "last.safetensors").read_bytes()[:5000])
    code, _, err = run("--source", "subset", "--limit", 120, "--epochs", 2, "--out", tmp_path, "--resume")
    assert code == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_images_of_another_size_get_one_sentence(run, tmp_path):
    for part in ("train", "t10k"):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte", np.zeros((24, 29, 29), np.uint8))
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte", np.zeros(24, np.uint8))
    code, _, err = run("--model", "modern", "--data", tmp_path, "--out", tmp_path / "out", "--limit", 24)
    assert code == 2
    assert "Pixels: expected a size above (29, 29)" in err
    assert err.count("\n") == 1


def test_custom_layer_example_runs():
    done = subprocess.run(
        [sys.executable, EXAMPLES / "custom_layer.py"], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "keeps the layer contract" in done.stdout
