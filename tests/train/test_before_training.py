"""A faulty data set is refused before training, whichever set it is; and examples find their neighbours wherever they start."""

import gzip
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minicnn
from minicnn import SGD, CrossEntropy, DataError, Dense, Network, ShapeError
from minicnn.data import Normalise, Pixels, write_idx
from minicnn.train import Dataset, Trainer, TrainingOptions

EXAMPLES = Path(__file__).parents[2] / "examples"
SUBSET = Path(minicnn.__file__).parent / "data" / "subset"


@pytest.fixture
def run(monkeypatch, capsys):
    """Call an example with arguments; gives exit code, output and errors."""

    def call(name, *arguments):
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        monkeypatch.setattr(sys, "path", list(sys.path))
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        code = module.main()
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def digits(tmp_path):
    """The subset, with one label that is no digit among those of the test images."""
    folder = tmp_path / "data"
    shutil.copytree(SUBSET, folder)
    path = folder / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-1] + bytes([10])))
    return folder


PROGRAMS = {
    "train_mnist": ["--epochs", 1, "--limit", 120],
    "fast": ["--fast"],
    "records": ["--epochs", 1, "--limit", 120, "--seeds", 1],
    "lenet5_1998/reproduce": ["--size", 20, "--passes", 1, "--seeds", 1],
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_label_of_the_test_images_out_of_range_is_said_before_training(run, tmp_path, digits, name):
    program = "train_mnist" if name == "fast" else name
    out = tmp_path / "out"
    code, printed, err = run(program, *PROGRAMS[name], "--data", digits, "--out", out, "--threads", 1)
    assert code == 2
    assert "target: expected labels from 0 to 9, got 0 to 10; check the labels or the width of the last layer\n" in err
    assert "epoch" not in printed
    assert "pass 1" not in printed
    assert not list(out.rglob("*.safetensors"))


@pytest.mark.parametrize("part", ["training", "validation"])
def test_the_trainer_checks_both_sets_before_it_begins(part):
    x, labels = np.zeros((8, 3), np.float32), np.arange(8) % 2
    wrong = labels.copy()
    wrong[7] = 2
    sets = {"training": Dataset(x, labels), "validation": Dataset(x, labels)} | {part: Dataset(x, wrong)}
    net, lines = Network([Dense(2)], (3,), threads=1), []
    before = net.params.flat.copy()
    trainer = Trainer(net, CrossEntropy(), SGD(0.1), TrainingOptions(1, 2), sets["training"], sets["validation"], lines.append)
    with pytest.raises(DataError, match=r"^target: expected labels from 0 to 1, got 0 to 2; check the labels"):
        trainer.fit()
    assert lines == []
    np.testing.assert_array_equal(net.params.flat, before)
    other = Dataset(np.zeros((8, 4)), labels)
    trainer = Trainer(net, CrossEntropy(), SGD(0.1), TrainingOptions(1, 2), Dataset(x, labels), other, lines.append)
    with pytest.raises(ShapeError, match=r"^x: expected an array \(N, 3\), got \(8, 4\)"):
        trainer.fit()
    trainer = Trainer(
        net, CrossEntropy(), SGD(0.1), TrainingOptions(1, 2), Dataset(x, labels, [0, 1]), Dataset(x, wrong, [0, 1])
    )
    assert len(trainer.fit()) == 1, "expected labels that do not count to be left alone"


@pytest.mark.parametrize("fit", ["pad", "resize"])
def test_images_without_pixels_are_refused(run, tmp_path, fit):
    for shape in ((24, 0, 0), (24, 4, 0)):
        with pytest.raises(DataError, match=rf"^Pixels: expected images of at least one pixel, got {shape[1]} × 0; "):
            Pixels(np.zeros(shape, np.uint8), Normalise(scale=1.0, shift=0.0), 32, fit)
    for part in ("train", "t10k"):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte", np.zeros((24, 0, 0), np.uint8))
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte", np.zeros(24, np.uint8))
    code, _, err = run("train_mnist", "--data", tmp_path, "--out", tmp_path / "out", "--limit", 24)
    assert code == 2
    assert err == (
        f"error: {tmp_path / 'train-images-idx3-ubyte'}: expected images of at least one pixel, got 0 × 0; "
        "give files that hold data\n"
    )


def test_examples_find_their_neighbours_where_python_leaves_out_their_folder(tmp_path):
    names = sorted(path.stem for path in EXAMPLES.glob("*.py") if 'if __name__ == "__main__":' in path.read_text())
    assert "train_mnist" in names
    code = (
        "import runpy, sys\n"
        "path = list(sys.path)\n"
        "for name in sys.argv[2:]:\n"
        "    runpy.run_path(f'{sys.argv[1]}/{name}.py')\n"
        "    for other, module in list(sys.modules.items()):\n"
        "        if (getattr(module, '__file__', None) or '').startswith(sys.argv[1]): del sys.modules[other]\n"
        "    sys.path[:] = path\n"
        "    print(name)"
    )
    env = os.environ | {"PYTHONPATH": str(EXAMPLES.parent)}
    command = [sys.executable, "-P", "-c", code, str(EXAMPLES), *names]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == names


def test_mnist_is_loaded_for_a_user_without_a_home(tmp_path):
    """A user id that the system does not know, as containers have, and no variable that says where home is."""
    code = (
        "import pwd; pwd.getpwuid = lambda uid: {}[uid]\n"
        "from minicnn.data import load_mnist; print(load_mnist().source)\n"
        "from minicnn.backends.cpu.compile.cache import kernel_directory; print(kernel_directory())"
    )
    kept = {name: value for name, value in os.environ.items() if name not in {"HOME", "XDG_CACHE_HOME", "MINICNN_CACHE"}}
    env = kept | {"PYTHONPATH": str(EXAMPLES.parent), "PATH": str(tmp_path), "https_proxy": "http://127.0.0.1:9"}
    env.pop("MINICNN_DATA", None)
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "the cache cannot be used: cache: expected a home folder, got none"
    assert lines[-3].startswith("using the subset of MNIST that minicnn ships")
    assert lines[-2:] == ["the subset that minicnn ships", "None"]
