"""From a folder of made pictures to a model in use, by the commands and in Python as README has it."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from minicnn import cli
from minicnn.data import ImageFolder

ROOT = Path(__file__).parents[2]


def load(name):
    """A script of examples/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make(folder, count, test, monkeypatch):
    """Write pictures below a folder."""
    arguments = ["--out", folder / "pictures", "--held-out", folder / "heldout", "--count", count, "--test", test]
    monkeypatch.setattr(sys, "argv", ["make_pictures", *map(str, arguments)])
    assert load("make_pictures").main() == 0


def test_the_pictures_are_repeatable_differ_and_their_colours_tell_nothing(tmp_path, monkeypatch, capsys):
    make(tmp_path, 250, 100, monkeypatch)
    assert capsys.readouterr().out.startswith("wrote 250 pictures to ")
    train, test = ImageFolder(tmp_path / "pictures"), ImageFolder(tmp_path / "heldout")
    assert train.images.shape == (250, 3, 48, 48)
    assert train.classes == test.classes == ("bar", "cross", "disc", "ring", "triangle")
    assert np.bincount(test.labels).tolist() == [20] * 5
    assert not any((image == train.images).all(axis=(1, 2, 3)).any() for image in test.images)
    make(tmp_path / "again", 5, 5, monkeypatch)
    assert np.array_equal(ImageFolder(tmp_path / "again" / "heldout").images[0], test.images[0])
    near, far = (np.concatenate([own.images.max(axis=(2, 3)), own.images.min(axis=(2, 3))], 1) / 255 for own in (train, test))
    distances = ((far[:, None] - near) ** 2).sum(axis=2)
    assert (train.labels[distances.argmin(axis=1)] == test.labels).mean() < 0.4, "expected colours not to tell shapes"


@pytest.fixture
def few(tmp_path, monkeypatch):
    """A folder with a few pictures, which is the current one."""
    make(tmp_path, 40, 10, monkeypatch)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("recipe", [["--augment"], ["--augment", "none"]])
def test_a_model_is_trained_with_augmentations_or_without(few, capsys, recipe):
    small = ["--model", "mnist_convnet", "--size", "16", "--epochs", "1"]
    assert cli.main(["train", "pictures", *recipe, *small, "--threads", "1"]) == 0
    assert cli.main(["evaluate", "model.safetensors", "heldout"]) == 0
    assert "% of 10 pictures" in capsys.readouterr().out


def test_another_recipe_is_refused(few, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["train", "--augment", "pictures"])
    assert stop.value.code == 2
    assert "argument --augment: invalid choice: 'pictures' (choose from" in capsys.readouterr().err


def test_the_readmes_python_for_pictures_runs(few, capsys):
    """With a smaller network, for one pass over smaller pictures."""
    readme = (ROOT / "README.md").read_text()
    (block,) = [b for b in re.findall(r"```python\n(.*?)```", readme, re.S) if "ImageFolder(" in b]
    assert len(block.splitlines()) <= 12
    shorter = re.sub(r"epochs=\d+", "epochs=1", block).replace("models.resnet8(", "models.mnist_convnet(threads=1, ")
    shorter = re.sub(r'ImageFolder\("(\w+)"\)', r'ImageFolder("\1", (16, 16))', shorter)
    exec(shorter, {})
    assert 0 <= float(capsys.readouterr().out.splitlines()[-1]) <= 1
    assert Path("model.safetensors").exists()


def test_the_command_recognises_held_out_pictures(tmp_path, monkeypatch, capsys):
    """With all options of ``minicnn train`` as they are."""
    make(tmp_path, 500, 100, monkeypatch)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["train", "pictures", "--augment", "--out", "m.safetensors"]) == 0
    capsys.readouterr()
    assert cli.main(["evaluate", "m.safetensors", "heldout", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] >= 0.95
