"""The records and the table of perturbations as a user runs them."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from minicnn import models
from minicnn.data import Normalise, Pixels, load_mnist
from minicnn.train import checkpoint

EXAMPLES = Path(__file__).parents[2] / "examples"
DIGITS = load_mnist(source="subset", log=lambda line: None)
SMALL = ["--source", "subset", "--limit", 240, "--epochs", 1, "--threads", 1]


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(EXAMPLES))  # as for a program that is run from there
    spec.loader.exec_module(module)
    sys.path.remove(str(EXAMPLES))
    return module


@pytest.fixture
def run(monkeypatch, capsys):
    """Call an example with arguments; gives exit code, output and errors."""

    def call(name, *arguments):
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        code = load(name).main()
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.mark.parametrize("model", ["classic", "modern"])
@pytest.mark.parametrize("augment", ["--augment", "--no-augment"])
def test_records_train_average_and_read_the_test_images_once_a_seed(run, tmp_path, model, augment):
    code, out, _ = run("records", *SMALL, "--model", model, augment, "--seeds", 2, "--out", tmp_path)
    assert code == 0
    errors = []
    for seed in range(2):
        result = json.loads((tmp_path / f"seed-{seed}" / "result.json").read_text())
        assert (result["seed"], result["learned_from"], result["augment"]) == (seed, 240, augment == "--augment")
        net = models.lenet5(threads=1) if model == "classic" else models.lenet5_modern(threads=1)
        metadata = checkpoint.load_weights(tmp_path / f"seed-{seed}" / "model.safetensors", net)
        pixels = Pixels(DIGITS.test_images, Normalise(**metadata["normalise"]), metadata["size"])
        wrong = np.mean(net.predict(pixels).argmax(axis=1) != DIGITS.test_labels)
        assert result["error"] == pytest.approx(100 * wrong)
        assert f"seed {seed}: test error {result['error']:.2f} %" in out
        errors.append(result["error"])
    assert errors[0] != errors[1]
    assert f"{np.mean(errors):.2f} ± {np.std(errors, ddof=1):.2f} % over 2 seeds" in out


def test_choosing_leaves_the_test_images_alone(run, tmp_path, monkeypatch):
    module = load("records")
    digits = DIGITS.__class__(DIGITS.train_images, DIGITS.train_labels, None, None, "here", False)
    monkeypatch.setattr(module, "load_mnist", lambda *given: digits)
    monkeypatch.setattr(sys, "argv", ["records.py", *map(str, SMALL), "--choose", "--seeds", "1", "--out", str(tmp_path)])
    assert module.main() == 0
    assert json.loads((tmp_path / "seed-0" / "result.json").read_text())["learned_from"] == 220


def test_a_run_goes_on_with_resume_and_finished_seeds_are_not_run_again(run, tmp_path):
    longer = [*SMALL[:-4], "--epochs", 3, "--threads", 1, "--seeds", 1]
    run("records", *longer, "--out", tmp_path / "once")
    code, out, _ = run("records", *longer, "--out", tmp_path / "once", "--resume")
    assert code == 0
    assert "epoch" not in out
    (tmp_path / "once" / "seed-0" / "result.json").unlink()
    code, out, _ = run("records", *longer, "--out", tmp_path / "once", "--resume")
    assert "resumed from" in out


def spoil(path, text):
    path.write_text(text)
    return path


def test_what_was_made_by_other_options_is_not_taken_for_these(run, tmp_path):
    one = [*SMALL, "--seeds", 1, "--out", tmp_path]
    run("records", *one, "--model", "modern")
    result = tmp_path / "seed-0" / "result.json"
    error = json.loads(result.read_text())["error"]
    for more, words in (
        (["--model", "classic"], "run.lr 0.05, "),
        (["--model", "modern", "--no-augment"], "run.lr 0.001, "),
        (["--model", "modern", "--choose"], "run.training.index 'int64 (220,), "),
        (["--model", "modern", "--limit", 252], "run.training.index 'int64 (252,), "),
    ):
        code, out, err = run("records", *one, *more, "--resume")
        assert code == 2
        assert err.startswith(f"error: {result}: expected a run with ")
        assert words in err
        assert err.endswith("; resume with the options it was started with, or give another folder\n")
        assert "error " not in out.replace("the error on", "")
        assert json.loads(result.read_text())["error"] == error
    for text in ("", "[]", "null", '{"error": "none"}', '{"error": 101}', '{"error": true}', '{"error": NaN}', "[" * 9999):
        code, _, err = run("records", *one, "--model", "modern", "--resume") if spoil(result, text) else None
        assert code == 2
        assert re.fullmatch(
            re.escape(f"error: {result}: expected the result of a run, ")
            + "(got no JSON|whose error is of type float, got another file|whose error is from 0 to 100, got 101)"
            + "; delete it, or give another folder\n",
            err,
        )
    run("records", *one, "--model", "modern")  # without --resume it starts anew
    assert json.loads(result.read_text())["error"] == error


def test_the_error_is_that_of_these_test_images(run, tmp_path, monkeypatch):
    one = [*SMALL, "--seeds", "1", "--out", str(tmp_path)]
    run("records", *one)
    module = load("records")
    digits = DIGITS.__class__(
        *(getattr(DIGITS, name) for name in ("train_images", "train_labels")),
        255 - DIGITS.test_images,
        DIGITS.test_labels,
        "here",
        False,
    )
    monkeypatch.setattr(module, "load_mnist", lambda *given: digits)
    monkeypatch.setattr(sys, "argv", ["records.py", *map(str, one), "--resume"])
    assert module.main() == 2


def test_more_epochs_at_a_fixed_rate_go_on(run, tmp_path):
    same = [*SMALL[:-4], "--threads", 1, "--seeds", 1, "--model", "modern", "--no-augment", "--out"]
    run("records", *same, tmp_path / "once", "--epochs", 2)
    run("records", *same, tmp_path / "twice", "--epochs", 1)
    code, out, _ = run("records", *same, tmp_path / "twice", "--epochs", 2, "--resume")
    assert (code, "resumed from" in out) == (0, True)
    results = [json.loads((tmp_path / name / "seed-0" / "result.json").read_text()) for name in ("once", "twice")]
    assert results[0] == results[1]
    code, _, err = run("records", *same, tmp_path / "twice", "--epochs", 1, "--resume")
    assert code == 2
    assert "expected a run of at most 1 epochs, got one of 2; give more epochs" in err
    assert (tmp_path / "twice" / "seed-0" / "result.json").exists()


HOLD = """
import time
from minicnn.train.folder_lock import FolderLock
with FolderLock({folder!r}):
    print("held", flush=True)
    time.sleep(100)
"""


@pytest.mark.parametrize("place", [".", "seed-0"])
def test_a_folder_that_another_process_writes_to(run, python, tmp_path, place):
    process = python.start(HOLD.format(folder=str(tmp_path / "out" / place)))
    process.stdout.readline()
    code, _, err = run("records", *SMALL, "--seeds", 1, "--out", tmp_path / "out")
    assert code == 2
    assert err.startswith("error: --out: expected a folder that no other run writes to, got ")
    assert f"where process {process.pid} on" in err
    assert not (tmp_path / "out" / "seed-0" / "result.json").exists()


def test_a_column_is_of_one_recipe(run, tmp_path):
    run("records", *SMALL, "--seeds", 2, "--out", tmp_path)
    run("records", *SMALL, "--no-augment", "--seeds", 1, "--out", tmp_path)
    code, _, err = run("robustness", tmp_path, "--source", "subset")
    assert code == 2
    assert "seed-1/model.safetensors: expected a run with augment False, got augment True; give a folder whose runs" in err


@pytest.mark.parametrize("normalise", [None, {"scale": 1.0}, {"scale": None, "shift": 0.0}, [1, 2]])
def test_robustness_refuses_weights_that_do_not_say_how_images_come_in(run, tmp_path, normalise):
    (tmp_path / "seed-0").mkdir()
    metadata = {"model": "modern", "normalise": normalise}
    checkpoint.save_weights(tmp_path / "seed-0" / "model.safetensors", models.lenet5_modern(threads=1), metadata)
    code, _, err = run("robustness", tmp_path, "--source", "subset")
    assert code == 2
    assert "model.safetensors: expected " in err
    assert err.count("\n") == 1


def test_the_table_of_perturbations_has_a_column_for_each_folder(run, tmp_path):
    run("records", *SMALL, "--model", "modern", "--seeds", 2, "--out", tmp_path / "with")
    run("records", *SMALL, "--model", "classic", "--no-augment", "--seeds", 1, "--out", tmp_path / "without")
    code, out, _ = run("robustness", tmp_path / "with", tmp_path / "without", "--source", "subset")
    lines = [line.split("|")[1:-1] for line in out.splitlines() if line.startswith("|")]
    assert code == 0
    assert [cell.strip() for cell in lines[0]] == ["test error (%)", "with", "without"]
    means = [
        np.mean([json.loads(path.read_text())["error"] for path in (tmp_path / name).glob("*/result.json")])
        for name in ("with", "without")
    ]
    assert [float(cell) for cell in lines[2][1:]] == [pytest.approx(mean, abs=0.006) for mean in means]
    assert len(lines) == 2 + 14


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("records", ["--source", "subset", "--limit", 5], "--limit: expected a number from 12 to 6000, got 5; leave it out"),
        ("records", ["--source", "subset", "--limit", 0], "--limit: expected a number from 12 to 6000, got 0; leave it out"),
        (
            "records",
            ["--source", "subset", "--epochs", 0],
            "TrainingOptions: expected epochs as a whole number of at least 1, got 0",
        ),
        ("records", ["--source", "subset", "--seeds", 0], "--seeds: expected at least 1, got 0; leave it out"),
        (
            "records",
            ["--source", "subset", "--out", __file__],
            f"--out: expected a folder to write to, got {__file__}: File exists;",
        ),
        (
            "distortions",
            ["--out", f"{__file__}/a"],
            f"--out: expected a folder to write to, got {__file__}/a: Not a directory;",
        ),
        ("robustness", ["nowhere", "--source", "subset"], "nowhere: expected seed-0/model.safetensors and so on, got none"),
    ],
)
def test_bad_arguments_get_one_sentence_and_exit_code_2(run, tmp_path, monkeypatch, name, arguments, words):
    monkeypatch.chdir(tmp_path)
    code, _, err = run(name, *arguments)
    assert code == 2
    assert err.startswith(f"error: {words}")
    assert err.count("\n") == 1


@pytest.mark.parametrize("found", ["", "{}", '{"error": "1"}'])
def test_records_refuse_a_result_that_is_none(run, tmp_path, found):
    (tmp_path / "seed-0").mkdir()
    (tmp_path / "seed-0" / "result.json").write_text(found)
    code, _, err = run("records", *SMALL, "--seeds", 1, "--out", tmp_path, "--resume")
    assert code == 2
    assert err.startswith(f"error: {tmp_path}/seed-0/result.json: expected the result of a run, ")
    assert err.count("\n") == 1


def test_ctrl_c_stops_the_seeds_that_were_to_come(run, tmp_path, monkeypatch):
    from minicnn.train import Trainer

    def stopped(trainer, resume):
        trainer.interrupted = True
        return [None]

    monkeypatch.setattr(Trainer, "fit", stopped)
    code, _, err = run("records", *SMALL, "--seeds", 2, "--out", tmp_path)
    assert (code, err) == (130, "stopped; finished seeds are kept, go on with --resume\n")
    assert [path.name for path in tmp_path.iterdir()] == ["seed-0"]


@pytest.mark.parametrize(
    ("package", "name", "arguments"),
    [
        ("safetensors", "train_mnist", []),
        ("matplotlib", "train_mnist", []),
        ("safetensors", "train_mnist", ["--fast"]),
        ("safetensors", "records", []),
        ("safetensors", "robustness", ["somewhere"]),
        ("safetensors", "lenet5_1998/reproduce", []),
        ("matplotlib", "lenet5_1998/reproduce", []),
        ("matplotlib", "distortions", []),
    ],
)
def test_a_package_that_is_missing_is_said_before_anything_is_done(run, monkeypatch, tmp_path, package, name, arguments):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, package, None)
    code, out, err = run(name, *arguments, "--source", "subset")
    words = f"error: program: expected the package {package}, got none installed; run pip install {package}\n"
    assert (code, out, err) == (2, "", words)
    assert list(tmp_path.iterdir()) == []


def test_robustness_refuses_weights_of_another_network(run, tmp_path):
    (tmp_path / "seed-0").mkdir()
    checkpoint.save_weights(tmp_path / "seed-0" / "model.safetensors", models.lenet5s(threads=1), {"model": "lenet5s"})
    code, _, err = run("robustness", tmp_path, "--source", "subset")
    assert code == 2
    assert "expected weights of classic or modern or 1998, got 'lenet5s'; give folders of examples/records.py or" in err
