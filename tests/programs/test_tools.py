"""The commands that look at a model or at this machine: bench, check, plot, doctor, cache."""

import os
import re

import numpy as np
import pytest

import minicnn as m
from minicnn import cli
from minicnn.backends.cpu.compile.host import VectorUnit
from minicnn.backends.cpu.compile.mode import CHECK, INTERPRET
from minicnn.cli import doctor
from minicnn.data import mnist

SMALL = [("C1", m.Conv2d(3, kernel_size=3)), ("N", m.BatchNorm2d()), m.ReLU(), m.MaxPool2d(2), m.Flatten(), ("F", m.Dense(2))]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A classifier with a history of training."""
    path = tmp_path_factory.mktemp("tools") / "model.safetensors"
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    net = m.Network(SMALL, (1, 8, 8), threads=1)
    m.Classifier(net).fit(images, np.arange(20) % 2, epochs=2, log=None).save(path)
    return path


def run(capsys, *given):
    """The exit code and what a command prints on both streams."""
    capsys.readouterr()
    code = cli.main([*map(str, given)])
    return (code, *capsys.readouterr())


# --- bench ---


def test_bench_lists_every_layer_and_whole_batches(model, capsys):
    code, out, _ = run(capsys, "bench", model, "--batch", 5, "--threads", 1)
    lines = out.splitlines()
    assert code == 0
    assert [line.split()[0] for line in lines[2:-1]] == ["C1", "N", "2", "3", "4", "F"]
    first = lines[2].split()
    assert float(first[1]) > 0
    assert float(first[2]) > 0
    assert (float(first[4]), float(first[5])) == (pytest.approx(16 * 3 * 36 * 4 / 1000, abs=0.06), 0.1)
    assert sum(float(line.split()[3].rstrip("%")) for line in lines[2:-1]) == pytest.approx(100, abs=1)
    assert re.fullmatch(
        r"5 images, 1 threads: loss and gradients [\d.]+ ms, prediction [\d.]+ ms, [\d,]+ images a second", lines[-1]
    )


def test_bench_takes_a_name_of_the_zoo(capsys):
    code, out, _ = run(capsys, "bench", "lenet5_modern", "--batch", 2, "--threads", 1)
    assert code == 0
    assert "C1 " in out


def test_bench_takes_a_network_of_several_outputs(tmp_path, capsys):
    net = m.Network([("F", m.Dense(2)), ("p", m.Softmax())], (3,), threads=1, outputs=("F", "p"))
    m.save(tmp_path / "net.safetensors", net)
    code, out, _ = run(capsys, "bench", tmp_path / "net.safetensors", "--batch", 2, "--threads", 1)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[2:-1]] == ["F", "p"]


# --- check ---


def test_right_gradients_pass(model, capsys):
    code, out, _ = run(capsys, "check", model, "--threads", 1)
    assert (code, out) == (0, "right: gradients of x and of 6 arrays, 92 parameters, to 1e-6 of differences\n")


def test_a_wrong_gradient_is_named(model, capsys, monkeypatch):
    plain = m.Network.backward

    def wrong(self, dy, input_grad=True):
        found = plain(self, dy, input_grad)
        self.grads["F.W"][0, 0] *= 1.001
        return found

    monkeypatch.setattr(m.Network, "backward", wrong)
    code, _, err = run(capsys, "check", model, "--threads", 1)
    assert code == 2
    assert err.startswith(f"minicnn: {model}: gradient of F.W: expected ")
    assert " by differences along a random direction, got " in err
    assert err.endswith("; look at that layer with minicnn.testing.check_layer\n")


def test_a_network_of_two_inputs_is_refused(tmp_path, capsys):
    net = m.Network([("both", m.Concat(), ("a", "b"))], {"a": (2,), "b": (2,)}, threads=1)
    m.save(tmp_path / "two.safetensors", net)
    code, _, err = run(capsys, "check", tmp_path / "two.safetensors")
    assert code == 2
    assert err.startswith("minicnn: check: expected a network of one input and one output, got 2 and 1; check its layers with")


def test_a_model_that_is_none_is_refused(tmp_path, capsys):
    code, _, err = run(capsys, "check", tmp_path / "nothing")
    assert code == 2
    assert err.count("\n") == 1


# --- plot ---


def files_of(tmp_path):
    """A picture, and labelled ones."""
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    for name in ("0", "1"):
        (tmp_path / "held" / name).mkdir(parents=True)
        for number in range(3):
            image.fromarray(rng.integers(0, 256, (8, 8)).astype(np.uint8)).save(tmp_path / "held" / name / f"{number}.png")
    return tmp_path / "held" / "0" / "0.png", tmp_path / "held"


KINDS = ["training", "network", "kernels", "histograms", "field", "maps", "saliency", "occlusion"]
KINDS += ["confusion", "pairs", "misclassified", "calibration"]


@pytest.mark.parametrize("what", KINDS)
def test_plots_are_pictures(model, capsys, tmp_path, what):
    pytest.importorskip("matplotlib")
    picture, data = files_of(tmp_path)
    more = ["--picture", picture] if what in KINDS[5:8] else ["--data", data] if what in KINDS[8:] else []
    code, out, err = run(capsys, "plot", model, "--what", what, *more, "--out", tmp_path / "p.png")
    assert (code, out, err) == (0, f"wrote {tmp_path / 'p.png'}\n", "")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("what", ["connections", "codes", "kernels"])
def test_the_tables_of_lenet5_are_drawn(capsys, tmp_path, what):
    m.save(tmp_path / "old.safetensors", m.models.lenet5_1998(threads=1))
    more = ["--layer", "C3"] if what == "kernels" else []
    code, _, err = run(capsys, "plot", tmp_path / "old.safetensors", "--what", what, *more, "--out", tmp_path / "p.svg")
    assert (code, err) == (0, "")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--what", "maps"], "--what: expected --picture with maps, got none; give --picture too"),
        (["--what", "pairs"], "--what: expected --data with pairs, got none; give --data too"),
        (["--layer", "C"], "--layer: expected --what as one of kernels, field with it, got training; leave it out"),
        (
            ["--data", "x"],
            "--data: expected --what as one of confusion, pairs, misclassified, calibration with it, got training",
        ),
        (["--what", "kernels", "--layer", "X"], "--layer: expected one of "),
        (["--what", "codes"], "expected a network with a layer RBF, got one without; draw another one, such as lenet5_1998"),
        (["--what", "connections"], "expected a network with a layer SparseConv2d, got one without; draw another one"),
        (["--what", "network", "--out", "p.xyz"], "p.xyz: expected a picture as "),
    ],
)
def test_options_of_plots_are_checked(model, capsys, tmp_path, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, "plot", model, "--out", tmp_path / "p.png", *options)
    assert code == 2
    assert words in err
    assert err.count("\n") == 1
    assert not list(tmp_path.glob("p.*"))


def test_what_cannot_be_drawn_is_refused(capsys, tmp_path):
    m.save(tmp_path / "m.safetensors", m.Network([("F", m.Dense(2))], (3,), threads=1))
    code, _, err = run(capsys, "plot", tmp_path / "m.safetensors", "--out", tmp_path / "p.png")
    words = "expected a model with a history of training, got one without; train it by minicnn train or Classifier.fit"
    assert (code, err) == (2, f"minicnn: {tmp_path / 'm.safetensors'}: {words}\n")
    code, _, err = run(capsys, "plot", tmp_path / "m.safetensors", "--what", "kernels", "--out", tmp_path / "p.png")
    words = "expected a network with a convolution of pictures, got one without; draw its training instead"
    assert (code, err) == (2, f"minicnn: {tmp_path / 'm.safetensors'}: {words}\n")


# --- doctor ---


@pytest.mark.skipif(INTERPRET or CHECK, reason="that is what would be found")
def test_a_healthy_machine_is_found_healthy(capsys):
    code, out, _ = run(capsys, "doctor")
    assert code == 0
    assert {line.split()[0] for line in out.splitlines()} <= {"ok", "slow"}
    assert "calculation: gradients on cpu are those of NumPy" in out
    assert [line.split()[1] for line in out.splitlines()] == [
        *("vector", "cache:", "processors:", "load:", "training", "calculation:")
    ]


def test_wrong_gradients_are_found(capsys, monkeypatch):
    plain = m.Network.loss_and_grads

    def wrong(self, *given, **named):
        found = plain(self, *given, **named)
        self.grads.flat[0] += 1e-6 * (self.backend.name == "cpu")
        return found

    monkeypatch.setattr(m.Network, "loss_and_grads", wrong)
    code, out, _ = run(capsys, "doctor")
    assert code == 2
    assert "broken  calculation: gradients on 1 threads are not those of NumPy; report this\n" in out


def test_what_is_slow_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor.os, "getloadavg", lambda: (7.5, 0, 0))
    monkeypatch.setattr(doctor.os, "cpu_count", lambda: 64)
    monkeypatch.setattr(doctor, "usable_cpus", lambda: 64)
    words = "load: 7.5 processors were busy in the last minute; end other programs, or give fewer threads"
    assert list(doctor.processors()) == [("ok", "processors: 64 usable of 64"), ("slow", words)]
    monkeypatch.setattr(doctor, "usable_cpus", lambda: 3)
    words = "processors: 3 usable of 64; an affinity or a container limits this process"
    assert next(doctor.processors()) == ("slow", words)
    assert doctor.simd("SSE, 128 bits") == ("slow", "vector unit: SSE, 128 bits; AVX2 is faster")


def test_lanes_and_slots_that_keep_more_processors_busy_are_recommended(monkeypatch, capsys):
    monkeypatch.setattr("minicnn.backends.cpu.compile.host.HOST", VectorUnit(32, 16, True, "AVX2"))
    default = "lanes=16, slots=8 keep 2 of 2 processors busy"
    assert doctor.split(32, 2) == ("ok", f"training in batches of 32: {default}")
    better = "lanes=16, slots=8 keep 2 of 16 processors busy, lanes=8, slots=8 keep 4 of 16 processors busy"
    assert doctor.split(32, 16) == ("slow", f"training in batches of 32: {better}; give them to Network or to minicnn train")
    better = "lanes=16, slots=8 keep 8 of 64 processors busy, lanes=16, slots=64 keep 64 of 64 processors busy"
    assert doctor.split(1024, 64)[1].startswith(f"training in batches of 1024: {better};")
    monkeypatch.setattr(doctor, "usable_cpus", lambda: 1)
    _, out, _ = run(capsys, "doctor", "--batch-size", 200)
    assert "ok      training in batches of 200: lanes=16, slots=8 keep 1 of 1 processors busy\n" in out


def test_settings_that_slow_kernels_are_named(monkeypatch):
    mode = "minicnn.backends.cpu.compile.mode"
    for name, value in (("INTERPRET", True), ("CHECK", True), ("CPU_NAME", "generic")):
        monkeypatch.setattr(f"{mode}.{name}", value)
    found = [what for state, what in doctor.modes() if state == "slow"]
    assert [what.split(" is set")[0] for what in found] == ["NUMBA_DISABLE_JIT", "MINICNN_CHECK", "NUMBA_CPU_NAME"]
    assert found[2] == "NUMBA_CPU_NAME is set: kernels are compiled for generic, not for this processor; unset it"


def test_a_cache_that_is_none_is_said(monkeypatch, tmp_path):
    module = "minicnn.backends.cpu.compile.cache"
    monkeypatch.setattr(f"{module}.kept", lambda: False)
    monkeypatch.setattr(f"{module}.kernel_directory", lambda: tmp_path)
    hint = "is compiled in every run; set MINICNN_CACHE to a folder that can be written"
    words = f"cache: {tmp_path}, which can only be read: what it lacks {hint}"
    assert list(doctor.cache()) == [("slow", words)]
    monkeypatch.setattr(f"{module}.kernel_directory", lambda: None)
    words = f"cache: none: every kernel {hint}"
    assert list(doctor.cache()) == [("slow", words)]


# --- cache ---


FOLDERS = ("kernels-0123456789abcde0", "kernels-0123456789abcde1")


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A cache with kernels of two versions, digits, and a file of somebody else's."""
    monkeypatch.setenv("MINICNN_CACHE", str(tmp_path / "kernels"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    for folder in FOLDERS:
        (tmp_path / "kernels" / folder).mkdir(parents=True)
        (tmp_path / "kernels" / folder / "a.1.machine").write_bytes(bytes(1_000_000))
        (tmp_path / "kernels" / folder / "a.2.machine.tmp.0123456789abcdef").write_bytes(bytes(500_000))
        (tmp_path / "kernels" / folder / "used").touch()
    mnist.cache_folder().mkdir(parents=True)
    (mnist.cache_folder() / "train-images-idx3-ubyte").write_bytes(bytes(500_000))
    return tmp_path


def test_what_is_kept_is_listed(kept, capsys):
    code, out, _ = run(capsys, "cache")
    old = "1.5 MB, 3 files, kernels of other sources or versions"
    lines = [f"{kept / 'kernels' / name}  {old}" for name in FOLDERS]
    lines += [f"{kept / 'home' / 'minicnn' / 'mnist'}  0.5 MB, 1 files, MNIST as it was downloaded", "in all 3.5 MB"]
    assert (code, out.splitlines()) == (0, lines)


def test_clearing_leaves_nothing_of_ours_and_all_of_others(kept, capsys):
    (kept / "kernels" / "mine.txt").write_text("not minicnn's")
    code, out, _ = run(capsys, "cache", "--clear")
    assert (code, out.splitlines()[-1]) == (0, "removed 3.5 MB")
    assert [path.name for path in (kept / "kernels").iterdir()] == ["mine.txt"]
    assert list((kept / "home").iterdir()) == []
    (kept / "kernels" / "mine.txt").unlink()
    assert run(capsys, "cache", "--clear")[1] == "removed 0.0 MB\n"


def test_what_cannot_be_removed_is_named(kept, capsys, monkeypatch):
    def refused(file, missing_ok):
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr("pathlib.Path.unlink", refused)
    code, _, err = run(capsys, "cache", "--clear")
    words = "expected a folder that can be removed, got permission denied; check its permissions"
    assert (code, err) == (2, f"minicnn: {kept / 'kernels' / FOLDERS[0]}: {words}\n")


def others(kept):
    """Files of others in the caches, folders that look like minicnn's and are not, and links."""
    root, away = kept / "kernels", kept / "away"
    for folder in ("kernels-mine", "kernels-0123456789abcde2", "kernels-0123456789abcdef0"):
        (root / folder).mkdir()
        (root / folder / "thesis.txt").write_text("mine")
    (root / "kernels-mine" / "used").touch()
    (root / "kernels-0123456789abcdef0" / "used").touch()
    (root / FOLDERS[0] / "thesis.txt").write_text("mine")
    (root / FOLDERS[0] / "folder.machine").mkdir()
    (mnist.cache_folder() / "notes").write_text("mine")
    away.mkdir()
    for name in ("used", "a.machine"):
        (away / name).write_text("mine")
    (root / "kernels-0123456789abcde3").symlink_to(away)
    (root / FOLDERS[1] / "b.machine").symlink_to(away / "a.machine")
    return {path for path in kept.rglob("*") if path.is_file() and path.read_bytes()[:1] == b"m"} - {
        root / FOLDERS[1] / "b.machine"
    }


def test_clearing_removes_nothing_of_others_and_follows_no_links(kept, capsys):
    there = others(kept)
    code, out, _ = run(capsys, "cache", "--clear")
    assert code == 0
    assert [line.split("  ")[0] for line in out.splitlines()[:-1]] == [
        *(str(kept / "kernels" / name) for name in FOLDERS), str(mnist.cache_folder())
    ]  # fmt: skip
    assert all(path.is_file() for path in there)
    assert (kept / "kernels" / FOLDERS[0] / "folder.machine").is_dir()
    assert not (kept / "kernels" / FOLDERS[1]).exists()
    assert not (mnist.cache_folder() / "train-images-idx3-ubyte").exists()


def test_old_kernels_are_removed_by_the_same_rule(kept, monkeypatch):
    from minicnn.backends.cpu.compile import cache

    there, root = others(kept), kept / "kernels"
    for path in kept.rglob("*"):
        os.utime(path, (0, 0))
    cache._prune(root, keep=root / FOLDERS[1])
    assert all(path.is_file() for path in there)
    assert (root / FOLDERS[1] / "a.1.machine").exists()
    assert not (root / FOLDERS[0] / "a.1.machine").exists()
