"""The commands, from a folder of pictures to a model in use; every bad input is a sentence and exit code 2."""

import io
import json
import re

import numpy as np
import onnxruntime
import pytest
from PIL import Image

import minicnn
from minicnn import cli
from minicnn.data.idx import write_idx

COLOURS = {"blue": (20, 40, 220), "red": (220, 40, 20)}


def paint(folder, each, seed):
    """Pictures of one colour with noise, in a subfolder for each."""
    rng = np.random.default_rng(seed)
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for number in range(each):
            noisy = np.array(colour) + rng.normal(0, 20, (12, 12, 3))
            Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / name / f"{number}.png")


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """Folders of pictures to train on and to test with, and a model."""
    folder = tmp_path_factory.mktemp("commands")
    paint(folder / "train", 16, 0)
    paint(folder / "test", 6, 1)
    given = ["train", folder / "train", "--model", "mnist_convnet", "--epochs", "6", "--batch-size", "8", "--threads", "1"]
    assert cli.main([*map(str, given), "--out", str(folder / "model.safetensors")]) == 0
    return folder


def run(capsys, *given):
    """The exit code and what a command prints on both streams."""
    capsys.readouterr()
    code = cli.main([*map(str, given)])
    return (code, *capsys.readouterr())


def test_a_model_is_trained_and_names_classes(here, capsys):
    code, out, err = run(capsys, "evaluate", here / "model.safetensors", here / "test")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "accuracy 100.00 % of 12 pictures"
    code, out, _ = run(capsys, "evaluate", here / "model.safetensors", here / "test", "--json")
    assert json.loads(out) == {"pictures": 12, "accuracy": 1.0, "classes": ["blue", "red"], "confusion": [[6, 0], [0, 6]]}


def test_pictures_of_any_size_are_predicted_from_files_folders_and_standard_input(here, capsys, monkeypatch, tmp_path):
    model = here / "model.safetensors"
    Image.new("RGB", (300, 90), COLOURS["red"]).save(tmp_path / "large.jpg")
    code, out, _ = run(capsys, "predict", model, tmp_path / "large.jpg", here / "test" / "blue")
    assert code == 0
    assert [re.sub(r" \d.*", "", line).split(": ")[1] for line in out.splitlines()] == ["red"] + ["blue"] * 6
    content = (tmp_path / "large.jpg").read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    code, out, _ = run(capsys, "predict", model, "-", "--json", "--top", 1)
    said = json.loads(out)
    assert said["file"] == "standard input"
    assert [each["name"] for each in said["classes"]] == ["red"]
    assert 0.5 < said["classes"][0]["probability"] <= 1


def test_inverted_pictures_are_turned_back(here, capsys, tmp_path):
    Image.new("RGB", (12, 12), tuple(255 - part for part in COLOURS["red"])).save(tmp_path / "negative.png")
    code, out, _ = run(capsys, "predict", here / "model.safetensors", tmp_path / "negative.png", "--invert")
    assert code == 0
    assert ": red " in out


def test_the_file_alone_says_what_it_holds(here, capsys):
    code, out, _ = run(capsys, "summary", here / "model.safetensors")
    assert code == 0
    assert "classes: blue, red" in out
    assert re.search(r"preprocessing: x = 0\.\d+ · grey level \+ -\d", out)
    assert "training: 6 epochs" in out
    assert minicnn.load(here / "model.safetensors").classes.tolist() == ["blue", "red"]


def test_a_picture_that_cannot_be_read_does_not_stop_the_others(here, capsys, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    code, out, err = run(
        capsys, "predict", here / "model.safetensors", tmp_path / "broken.png", here / "test" / "red" / "0.png"
    )
    assert code == 2
    assert len(out.splitlines()) == 1
    words = "expected a picture as PNG, JPEG, BMP, GIF, got something else; save it again as PNG or JPEG, or leave it out"
    assert err == f"minicnn: {tmp_path / 'broken.png'}: {words}\n"


def test_pictures_that_cannot_be_read_are_passed_over_in_training(here, capsys, tmp_path):
    paint(tmp_path / "train", 12, 2)
    (tmp_path / "train" / "red" / "broken.png").write_bytes(b"no picture")
    given = ["train", tmp_path / "train", "--model", "mnist_convnet", "--epochs", 1, "--threads", 1, "--skip-corrupt"]
    code, out, err = run(capsys, *given, "--out", tmp_path / "m.safetensors")
    assert code == 0
    assert out.startswith("24 pictures (3, 12, 12), 2 classes, mnist_convnet of ")
    assert re.search(r"^passed over .*broken\.png: expected a picture", err, re.MULTILINE)


def test_npz_files_are_data_too(here, capsys, tmp_path):
    rng = np.random.default_rng(3)
    images, labels = rng.integers(0, 60, (20, 12, 12), dtype=np.uint8), np.arange(20) % 2
    images[labels == 1] += 150
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    given = ["train", tmp_path / "data.npz", "--model", "mnist_convnet", "--epochs", 5, "--batch-size", 6, "--threads", 1]
    assert run(capsys, *given, "--out", tmp_path / "m.safetensors")[0] == 0
    code, out, _ = run(capsys, "evaluate", tmp_path / "m.safetensors", tmp_path / "data.npz", "--threads", 1)
    assert (code, out.splitlines()[0]) == (0, "accuracy 100.00 % of 20 pictures")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["train", "{}/nowhere"], "{}/nowhere: expected a folder, got no such file or directory; "),
        (
            ["train", "{}/test/red"],
            "{}/test/red: expected two subfolders of pictures or more, one for each class, got 0 of them, ",
        ),
        (["train", "{}/train", "--out", "{}"], "--out: expected a file, got the folder {}; name a file in it"),
        (
            ["train", "{}/train", "--out", "{}/none/m.safetensors"],
            "--out: expected a file in a folder that can be written to, got no such file or directory for {}/none; make",
        ),
        (
            ["train", "{}/train", "--out", "/proc/m.safetensors"],
            "--out: expected a file in a folder that can be written to, got ",
        ),
        (["train", "{}/nothing.npz"], "{}/nothing.npz: expected a readable NPZ file, got no such file or directory; "),
        (["evaluate", "{}/nothing", "{}/test"], "{}/nothing: expected "),
        (
            ["evaluate", "{}/model.safetensors", "{}"],
            "{}: expected subfolders out of the model's classes blue, red, got test; ",
        ),
        (["predict", "{}/train/red/0.png", "x"], "{}/train/red/0.png: expected "),
        (["predict", "{}/model.safetensors", "{}/empty"], "{}/empty: expected a folder with pictures, got none in it; "),
    ],
)
def test_bad_inputs_are_one_sentence_and_exit_code_2(here, capsys, given, words):
    (here / "empty").mkdir(exist_ok=True)
    code, _, err = run(capsys, *(part.format(here) for part in given))
    assert code == 2
    assert err.startswith(f"minicnn: {words.format(here)}"), err
    assert err.count("\n") == 1


def test_a_model_goes_to_onnx_and_back(here, capsys, tmp_path):
    model = here / "model.safetensors"
    code, out, _ = run(capsys, "export", model, "--out", tmp_path / "m.onnx")
    assert (code, out) == (0, f"wrote {tmp_path / 'm.onnx'}: pictures in, outputs and probabilities out\n")
    pictures = np.stack([np.asarray(Image.open(here / "test" / "red" / f"{n}.png")) for n in range(3)]).transpose(0, 3, 1, 2)
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    found = session.run(["probabilities"], {session.get_inputs()[0].name: np.ascontiguousarray(pictures)})[0]
    assert np.allclose(found, minicnn.load(model).predict_proba(pictures), atol=1e-5)
    assert (
        run(capsys, "export", model, "--raw", "--out", tmp_path / "raw.onnx")[1]
        == f"wrote {tmp_path / 'raw.onnx'}: outputs out\n"
    )
    code, out, _ = run(capsys, "import", tmp_path / "raw.onnx", "--out", tmp_path / "again.safetensors")
    assert code == 0
    assert out.startswith(f"wrote {tmp_path / 'again.safetensors'}: ")
    x = np.random.default_rng(0).standard_normal((5, 3, 12, 12)).astype(np.float32)
    assert np.allclose(minicnn.load(tmp_path / "again.safetensors").predict(x), minicnn.load(model).net.predict(x), atol=1e-5)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["export", "{}/model.safetensors", "--out", "{}"], "--out: expected a file, got the folder {}; name a file in it"),
        (["import", "{}/nothing.onnx", "--out", "{}"], "--out: expected a file, got the folder {}; name a file in it"),
        (
            ["import", "{}/nothing.onnx", "--out", "{}/none/m"],
            "--out: expected a file in a folder that can be written to, got no ",
        ),
        (
            ["export", "{}/nothing", "--out", "{}/none/m"],
            "--out: expected a file in a folder that can be written to, got no such ",
        ),
        (
            ["plot", "{}/nothing", "--out", "{}/none/m"],
            "--out: expected a file in a folder that can be written to, got no such ",
        ),
        (["plot", "{}/nothing", "--out", "{}"], "--out: expected a file, got the folder {}; name a file in it"),
        (["import", "{}/model.safetensors"], "{}/model.safetensors: expected "),
        (["export", "{}/nothing", "--out", "{}/m.onnx"], "{}/nothing: expected "),
    ],
)
def test_what_cannot_be_converted_is_refused(here, capsys, given, words):
    code, _, err = run(capsys, *(part.format(here) for part in given))
    assert code == 2
    assert err.startswith(f"minicnn: {words.format(here)}"), err
    assert err.count("\n") == 1


@pytest.mark.parametrize("text", ["0", "4x", "x", "9000", "1x2x3"])
def test_a_size_that_is_none_is_refused(here, capsys, text):
    with pytest.raises(SystemExit) as caught:
        cli.main(["train", str(here / "train"), "--size", text])
    assert caught.value.code == 2
    assert f"expected rows and columns as 48 or 48x64, got {text!r}" in capsys.readouterr().err


LOOKING = ("summary", "plot", "bench", "check", "doctor", "cache")


@pytest.mark.parametrize("command", ["train", "evaluate", "predict", "serve", "export", "import", *LOOKING])
def test_help_has_an_example(capsys, command):
    with pytest.raises(SystemExit) as caught:
        cli.main([command, "--help"])
    assert caught.value.code == 0
    assert "example:\n  minicnn " in capsys.readouterr().out


@pytest.mark.parametrize("text", ["-0.1", "0.95", "nan", "inf", "x", "1e400"])
def test_a_share_that_is_none_is_refused(here, capsys, text):
    with pytest.raises(SystemExit) as caught:
        cli.main(["train", str(here / "train"), f"--validation={text}"])
    assert caught.value.code == 2
    assert f"expected a share from 0, for none, to 0.9, got {text!r}" in capsys.readouterr().err


def test_a_share_of_0_is_no_validation(here, capsys, tmp_path):
    given = ["train", here / "train", "--model", "mnist_convnet", "--epochs", 1, "--threads", 1, "--validation", 0]
    assert run(capsys, *given, "--out", tmp_path / "m.safetensors")[0] == 0
    assert minicnn.load(tmp_path / "m.safetensors").history[0].val_loss is None


ESCAPE = "re\x1b[2Jd\r\x9b\u202e"


def test_control_characters_of_names_are_escaped(here, capsys, tmp_path, monkeypatch):
    """In what every command prints, on both streams, of names of classes, layers and files."""
    shown = r"re\x1b[2Jd\r\x9b\u202e"
    odd = tmp_path / ESCAPE
    paint(odd / "train", 8, 0)
    (odd / "train" / "red").rename(odd / "train" / ESCAPE)
    (odd / "train" / "blue" / f"{ESCAPE}.png").write_bytes(b"no picture")
    model = odd / f"{ESCAPE}.safetensors"
    train = [
        "train",
        odd / "train",
        "--model",
        "mnist_convnet",
        "--epochs",
        2,
        "--threads",
        1,
        "--skip-corrupt",
        "--out",
        model,
    ]
    commands = [
        train,
        ["evaluate", model, odd / "train", "--skip-corrupt"],
        ["predict", model, odd / "train"],
        ["summary", model],
    ]
    commands += [["export", model, "--out", odd / "m.onnx"], ["plot", model, "--out", odd / "m.png"]]
    commands += [["export", model, "--raw", "--out", odd / "raw.onnx"], ["import", odd / "raw.onnx", "--out", odd / "n"]]
    commands += [["train", odd / "nowhere"], ["evaluate", odd / "nothing", odd], ["predict", odd / "nothing", "x"]]
    commands += [
        ["import", odd / "nothing"],
        ["summary", odd / "nothing"],
        ["bench", odd / "nothing"],
        ["check", odd / "nothing"],
    ]
    commands += [["serve", odd / "nothing"]]
    for command in commands:
        _, out, err = run(capsys, *command)
        assert shown in out + err, command
        assert all(c.isprintable() or c == "\n" for c in out + re.sub(r"\r.*it/s[^\n]*", "", err)), (command, out, err)
    from minicnn import Dense, Flatten, Network

    minicnn.save(tmp_path / "net", Network([Flatten(), (ESCAPE, Dense(2))], (1, 4, 4), threads=1))
    for command in (["summary", tmp_path / "net"], ["bench", tmp_path / "net", "--threads", 1]):
        _, out, err = run(capsys, *command)
        assert shown[:20] in out, command
        assert all(c.isprintable() or c == "\n" for c in out + err), command


@pytest.mark.parametrize("place", ["MNIST/raw", "FashionMNIST/raw", "raw", "."])
def test_torchvisions_folders_are_data_too(capsys, tmp_path, place):
    rng = np.random.default_rng(4)
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    for part, count in (("train", 20), ("t10k", 10)):
        labels = (np.arange(count) % 2).astype(np.uint8)
        write_idx(
            tmp_path / place / f"{part}-images-idx3-ubyte",
            rng.integers(0, 60, (count, 12, 12), np.uint8) + 150 * labels[:, None, None],
        )
        write_idx(tmp_path / place / f"{part}-labels-idx1-ubyte", labels)
    given = ["train", tmp_path, "--model", "mnist_convnet", "--epochs", 1, "--threads", 1, "--out", tmp_path / "m.safetensors"]
    code, out, err = run(capsys, *given)
    assert (code, out.split(", ")[0]) == (0, "20 pictures (1"), err
    code, out, _ = run(capsys, "evaluate", tmp_path / "m.safetensors", tmp_path, "--threads", 1)
    assert out.splitlines()[0].endswith("of 10 pictures")
