"""The reproduction of the paper as a user runs it, on a few images."""

import importlib
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from minicnn import MAP, SDLM, MinicnnError, models
from minicnn.data import Pixels, load_mnist
from minicnn.train import checkpoint

EXAMPLES = Path(__file__).parents[2] / "examples"
FEW = ["--source", "subset", "--size", 540, "--seeds", 1, "--threads", 1]
QUICK = ["--source", "subset", "--size", 60, "--batch", 20, "--seeds", 1, "--threads", 1]


@pytest.fixture
def module(monkeypatch):
    """The example's modules, by name."""
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.syspath_prepend(EXAMPLES / "lenet5_1998")
    return importlib.import_module


@pytest.fixture
def run(module, monkeypatch, capsys):
    """Call the example with arguments; gives exit code, output and errors."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["lenet5_1998/reproduce.py", *map(str, arguments)])
        code = module("reproduce").main()
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_a_run_is_judged_after_its_last_pass(run, module, tmp_path):
    code, out, _ = run(*FEW, "--passes", 2, "--out", tmp_path)
    assert code == 0
    result = json.loads((tmp_path / "540" / "seed-0" / "result.json").read_text())
    assert result["error"] == result["passes"][-1]["judged_error"]
    assert [done["number"] for done in result["passes"]] == [1, 2]
    net, digits = models.lenet5_1998(threads=1), load_mnist(source="subset", log=lambda line: None)
    checkpoint.load_weights(tmp_path / "540" / "seed-0" / "model.safetensors", net)
    penalties = net.predict(Pixels(digits.test_images, module("passes").PAPER, 32))
    assert result["error"] == pytest.approx(100 * np.mean(penalties.argmin(axis=1) != digits.test_labels))
    assert f"| 540 | – | {result['error']:.2f} (seed 0: {result['error']:.2f}) |" in out
    for name in ("figure-5.png", "figure-6.png", "misclassified.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_a_row_is_a_column_of_the_table_of_perturbations(run, module, monkeypatch, capsys, tmp_path):
    run(*FEW, "--passes", 1, "--out", tmp_path)
    monkeypatch.setattr(sys, "argv", ["robustness.py", str(tmp_path / "540"), "--source", "subset", "--threads", "1"])
    assert module("robustness").main() == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    result = json.loads((tmp_path / "540" / "seed-0" / "result.json").read_text())
    assert (cells[0], cells[2]) == (["test error (%)", "540"], ["as they are", f"{result['error']:.2f}"])


@pytest.mark.parametrize("batch", [1, 20])
def test_a_resumed_run_gives_the_same_bits(run, tmp_path, batch):
    more = [*FEW, "--distortions", "--batch", batch]
    name = "540-distorted" + ("-batch-20" if batch == 20 else "")
    run(*more, "--passes", 2, "--out", tmp_path / "once")
    run(*more, "--passes", 1, "--out", tmp_path / "twice")
    code, out, _ = run(*more, "--passes", 2, "--out", tmp_path / "twice", "--resume")
    assert code == 0
    assert "pass  1" not in out
    files = [(tmp_path / folder / name / "seed-0" / "model.safetensors").read_bytes() for folder in ("once", "twice")]
    assert files[0] == files[1]


def test_without_options_every_row_is_run_and_batches_get_a_column(run, tmp_path):
    few = ["--source", "subset", "--passes", 1, "--threads", 1, "--out", tmp_path]
    code, _, _ = run(*few, "--seeds", 1, "--batch", 50)
    assert code == 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["6000-batch-50", "6000-distorted-batch-50"]
    _, out, _ = run(*few, "--seeds", 2, "--size", 540)
    assert "| training images | published | one image a step | batches of 50 |" in out
    errors = [json.loads((tmp_path / "540" / f"seed-{seed}" / "result.json").read_text())["error"] for seed in (0, 1)]
    assert errors[0] != errors[1]
    line = f"{np.mean(errors):.2f} ± {np.std(errors, ddof=1):.2f} (seed 0: {errors[0]:.2f}, 1: {errors[1]:.2f}) | – |"
    assert f"| 540 | – | {line}" in out


def test_validation_leaves_the_test_images_alone(run, module, monkeypatch, tmp_path):
    digits = load_mnist(source="subset", log=lambda line: None)
    blind = digits.__class__(digits.train_images, digits.train_labels, None, None, "here", False)
    monkeypatch.setattr(module("reproduce"), "load_mnist", lambda *given: blind)
    code, out, _ = run(*FEW, "--passes", 1, "--validate", "--loss", "eq8", "--out", tmp_path)
    assert code == 0
    assert "MLE(); judged by the held-out images" in out
    result = json.loads((tmp_path / "540" / "seed-0" / "result.json").read_text())
    assert (result["validate"], result["learn_from"]) == (True, 5500)


def test_the_published_network_has_60_000_parameters_and_rates_of_the_published_size(module):
    passes, source = module("passes"), "auto" if os.environ.get("MINICNN_DATA") else "subset"
    digits = load_mnist(source=source, log=lambda line: None)
    net, optimizer = models.lenet5_1998(threads=1), SDLM(5e-4, passes.MU)
    optimizer.estimate(net, MAP(10.0), Pixels(digits.train_images, passes.PAPER, 32), digits.train_labels, np.arange(500))
    rates = np.concatenate([rate.reshape(-1) for rate in optimizer.rates(net).values()])
    assert rates.size == 60_000
    assert 7e-5 < rates.min() < rates.max() < 0.016


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seeds", 0], "--seeds: expected at least 1, got 0; leave it out for what is published"),
        (["--first", -1], "--first: expected at least 0, got -1; leave it out for what is published"),
        (["--batch", 0], "--batch: expected at least 1, got 0; leave it out for what is published"),
        (["--passes", 21], "--passes: expected 1 to 20, got 21; leave it out for what is published"),
        (["--size", 6001], "--size: expected a number from 1 to 6000, got 6001; leave it out to use all"),
        (["--j", 0], "MAP: expected rubbish_penalty in (0, inf), got 0.0; choose rubbish_penalty in that range"),
        (["--out", __file__], f"--out: expected a folder to write to, got {__file__}: File exists; give another folder"),
    ],
)
def test_bad_arguments_get_one_sentence_and_exit_code_2(run, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    code, _, err = run("--source", "subset", *arguments)
    assert code == 2
    assert err == f"error: {words}\n"


def test_a_run_of_other_options_is_not_gone_on_with(run, tmp_path):
    run(*FEW, "--passes", 1, "--out", tmp_path)
    code, _, err = run(*FEW, "--passes", 2, "--out", tmp_path, "--resume", "--loss", "eq8")
    assert code == 2
    assert "last.safetensors: expected a run with loss 'MLE()', got loss 'MAP(rubbish_penalty=10.0)'; " in err
    assert err.endswith("resume with the options it was started with, or give another folder\n")


def other(digits, **changes):
    names = ("train_images", "train_labels", "test_images", "test_labels", "source", "complete")
    return digits.__class__(**{name: changes.get(name, getattr(digits, name)) for name in names})


PARTS = {
    "train_images": "learned.images.images 'uint8 (6000, 28, 28), SHA-256 ",
    "train_labels": "learned.targets 'int64 (6000,), SHA-256 ",
    "test_images": "judged.images.images 'uint8 (1000, 28, 28), SHA-256 ",
}


def test_other_data_of_the_same_size_is_another_run(run, module, monkeypatch, tmp_path):
    run(*QUICK, "--passes", 1, "--out", tmp_path)
    digits = load_mnist(source="subset", log=lambda line: None)
    for part, words in PARTS.items():
        data = other(digits, **{part: getattr(digits, part)[::-1]})
        monkeypatch.setattr(module("reproduce"), "load_mnist", lambda *given, data=data: data)
        code, _, err = run(*QUICK, "--passes", 1, "--out", tmp_path, "--resume")
        assert code == 2
        assert f"last.safetensors: expected a run with {words}" in err
    code, out, _ = run(*QUICK, "--passes", 1, "--first", 1, "--out", tmp_path)
    assert code == 0
    assert "(seed 1: " in out  # the table holds nothing of the other data
    assert "seed 0" not in out


def test_fewer_passes_than_were_made_are_refused(run, tmp_path):
    run(*QUICK, "--passes", 2, "--out", tmp_path)
    code, _, err = run(*QUICK, "--passes", 1, "--out", tmp_path, "--resume")
    assert code == 2
    assert "expected a run of at most 1 passes, got one of 2; give more passes, or another folder" in err


@pytest.mark.parametrize("text", ["", "[]", "foreign", '{"error": 5}'])
def test_a_foreign_result_is_said_or_passed_by(run, tmp_path, text):
    (tmp_path / "60-batch-20" / "seed-7").mkdir(parents=True)
    (tmp_path / "60-batch-20" / "seed-7" / "result.json").write_text(text)
    code, out, err = run(*QUICK, "--passes", 1, "--out", tmp_path)
    if text == '{"error": 5}':  # of another task
        assert (code, "seed 7" in out) == (0, False)
    else:
        assert code == 2
        got = "whose error is of type float, got another file" if text == "[]" else "got no JSON"
        assert err.endswith(f"result.json: expected the result of a run, {got}; delete it, or give another folder\n")


def test_seeds_may_be_shared_out_among_processes_but_not_one_seed(run, python, tmp_path):
    code = f"""
import time
from minicnn.train.folder_lock import FolderLock
with FolderLock({str(tmp_path / "60-batch-20" / "seed-0")!r}):
    print("held", flush=True)
    time.sleep(100)
"""
    process = python.start(code)
    process.stdout.readline()
    code, _, err = run(*QUICK, "--passes", 1, "--out", tmp_path)
    assert code == 2
    assert (
        f"--out: expected a folder that no other run writes to, got {tmp_path / '60-batch-20' / 'seed-0'}, where process" in err
    )
    assert run(*QUICK, "--passes", 1, "--first", 1, "--out", tmp_path)[0] == 0
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda metadata: "", "expected the result of a run, got no JSON"),
        (lambda metadata: "[]", "expected the result of a run, whose error is of type float, got another file"),
        (lambda metadata: json.dumps(metadata | {"error": None}), "expected the result of a run, whose error is of type float"),
        (lambda metadata: json.dumps(metadata | {"passes": []}), "expected passes in what it tells of its run, got []"),
        (lambda metadata: json.dumps(metadata | {"passes": [{"number": 1}]}), "expected an object of number, loss, "),
        (
            lambda metadata: json.dumps({name: value for name, value in metadata.items() if name != "seed"}),
            "expected the result of a run, whose seed is of type int, got another file",
        ),
    ],
)
def test_a_foreign_result_among_the_others_is_refused(module, change, words, tmp_path):
    digits = load_mnist(source="subset", log=lambda line: None)
    task = module("passes").Task(digits, MAP(10.0), 1, False, 1)
    done = {"number": 1, "loss": 1.0, "train_error": 5, "judged_error": 6.5, "seconds": 0.1}
    metadata = task.common | {"size": 540, "distorted": False, "batch": 1, "seed": 0, "error": 6.5, "passes": [done]}
    path = tmp_path / "540" / "seed-0" / "result.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(metadata))
    results = module("results").results
    assert list(results(tmp_path, task).values()) == [[metadata]]
    path.write_text(change(metadata))
    with pytest.raises(MinicnnError) as caught:
        results(tmp_path, task)
    assert f"result.json: {words}" in str(caught.value)


def test_a_checkpoint_without_passes_is_refused(run, module, tmp_path):
    run(*FEW, "--passes", 1, "--out", tmp_path)
    path = tmp_path / "540" / "seed-0" / "last.safetensors"
    passes = module("passes")
    net, optimizer = models.lenet5_1998(threads=1), SDLM(5e-4, passes.MU)
    metadata = checkpoint.load_training(path, net, optimizer)
    checkpoint.save_training(path, net, optimizer, metadata | {"passes": [{"number": "one"}]})
    code, _, err = run(*FEW, "--passes", 2, "--out", tmp_path, "--resume")
    assert code == 2
    what = "expected an object of number, loss, train_error, judged_error, seconds in what it tells of its run"
    assert err == f"error: {path}: {what}, got {{'number': 'one'}}; start anew without resume\n"


def test_an_interrupted_run_says_how_to_go_on(run, module, monkeypatch, tmp_path):
    def interrupt(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(module("reproduce"), "run", interrupt)
    code, _, err = run(*FEW, "--out", tmp_path)
    assert code == 130
    assert err == "stopped; every finished pass is saved, go on with --resume\n"
