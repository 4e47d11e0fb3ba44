"""The training loop: exact resumption, Ctrl-C, warnings, checkpoints."""

import json
import os
import re
import signal
import struct
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest

from minicnn import (
    MSE,
    SDLM,
    SGD,
    Adam,
    BCEWithLogits,
    CheckpointError,
    Concat,
    ContractError,
    Conv2d,
    CrossEntropy,
    Dense,
    Dropout,
    MaxPool2d,
    Network,
    OptionError,
    ReLU,
    Tanh,
)
from minicnn.data import Normalise, Pixels, load_mnist
from minicnn.data.pixels import shuffled
from minicnn.optim.averaging import ParameterAverage
from minicnn.optim.plateau import ReduceOnPlateau
from minicnn.optim.schedules import ConstantRate, OneCycle, PiecewiseConstant
from minicnn.train import BEST, LAST, Dataset, Trainer, TrainingOptions, checkpoint, history, identity, safetensors_file
from minicnn.train.folder_lock import LOCK
from minicnn.train.interrupt import Terminated, end, handled

DIGITS = load_mnist(source="subset", log=lambda line: None)
PIXELS = Pixels(DIGITS.train_images, Normalise.standard(0.1307, 0.3081))
TRAIN = Dataset(PIXELS, DIGITS.train_labels, np.arange(320))
HELD_OUT = Dataset(PIXELS, DIGITS.train_labels, np.arange(320, 400))


def network():
    layers = [("C1", Conv2d(4, 5, stride=2)), ReLU(), MaxPool2d(2), Dropout(0.2), ("out", Dense(10))]
    return Network(layers, (1, 28, 28), seed=3, threads=1)


def trainer(folder=None, log=lambda line: None, lr=3e-3, epochs=3, log_every=0, seed=5):
    run = TrainingOptions(epochs, 32, seed, OneCycle(), folder, {"model": "test"}, log_every)
    return Trainer(network(), CrossEntropy(), Adam(lr), run, TRAIN, HELD_OUT, log)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    whole = trainer(tmp_path_factory.mktemp("whole"))
    rows = whole.fit()
    return whole.net.params.flat.tobytes(), [(r.epoch, r.train_loss, r.val_loss, r.val_accuracy) for r in rows]


class Crash(Exception):
    pass


@pytest.mark.parametrize("epoch", [2, 3])
def test_a_run_that_dies_goes_on_from_its_last_epoch_bit_for_bit(tmp_path, uninterrupted, epoch):
    def die(line):
        if line.startswith(f"epoch {epoch:2} "):
            raise Crash

    with pytest.raises(Crash):
        trainer(tmp_path, die).fit()
    again = trainer(tmp_path)
    rows = again.fit(resume=True)
    assert again.net.params.flat.tobytes() == uninterrupted[0]
    assert [(r.epoch, r.train_loss, r.val_loss, r.val_accuracy) for r in rows] == uninterrupted[1]


def test_ctrl_c_takes_effect_after_the_step_and_the_run_goes_on_bit_for_bit(tmp_path, uninterrupted):
    lines = []

    def press(line):
        lines.append(line)
        if line.startswith("epoch 2 step 4/10"):
            os.kill(os.getpid(), signal.SIGINT)

    stopped = trainer(tmp_path, press, log_every=2)
    assert len(stopped.fit()) == 1
    assert stopped.interrupted
    assert lines[-1] == f"stopped in epoch 2 after step 4 of 10; saved to {tmp_path / LAST}, go on with fit(resume=True)"
    again = trainer(tmp_path)
    rows = again.fit(resume=True)
    assert again.net.params.flat.tobytes() == uninterrupted[0]
    assert [(r.epoch, r.train_loss, r.val_loss, r.val_accuracy) for r in rows] == uninterrupted[1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_is_ctrl_c_to_a_run_and_ends_the_program_when_all_is_saved(tmp_path, uninterrupted, number):
    def tell(line):
        if line.startswith("epoch 2 step 4/10"):
            os.kill(os.getpid(), number)

    with pytest.raises(Terminated), handled([number], end):
        trainer(tmp_path, tell, log_every=2).fit()
    again = trainer(tmp_path)
    rows = again.fit(resume=True)
    assert again.net.params.flat.tobytes() == uninterrupted[0]
    assert [(r.epoch, r.train_loss, r.val_loss, r.val_accuracy) for r in rows] == uninterrupted[1]


def test_a_run_whose_reader_has_gone_keeps_the_epoch_that_it_could_not_tell(tmp_path):
    def gone(line):
        if line.startswith("epoch  2 "):
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        trainer(tmp_path, gone).fit()
    assert [row["epoch"] for row in checkpoint.read_metadata(tmp_path / LAST)["rows"]] == [1, 2]


def test_ctrl_c_without_a_folder_says_that_nothing_was_saved():
    lines = []

    def press(line):
        lines.append(line)
        if len(lines) == 1:
            os.kill(os.getpid(), signal.SIGINT)

    trainer(None, press, log_every=3).fit()
    assert lines[-1].startswith("stopped in epoch 1")
    assert lines[-1].endswith("nothing was saved, because no folder was given")


def test_resuming_with_other_settings_is_refused(tmp_path):
    trainer(tmp_path, epochs=1).fit()
    hint = "resume with the settings it was started with"
    message = f"{tmp_path / LAST}: expected a run with seed 6, epochs 3, got seed 5, epochs 1; {hint}"
    with pytest.raises(CheckpointError, match=f"^{re.escape(message)}$"):
        trainer(tmp_path, seed=6).fit(resume=True)
    with pytest.raises(CheckpointError, match="expected a folder with a checkpoint, got none"):
        trainer(None).fit(resume=True)


def test_a_run_shuffled_in_blocks_resumes_and_is_another_run(tmp_path):
    def blocks(folder, epochs, block=20):
        run = TrainingOptions(epochs, 32, folder=folder, shuffle_block=block)
        return Trainer(network(), CrossEntropy(), Adam(3e-3), run, TRAIN, HELD_OUT, None)

    whole = blocks(None, 2).fit()
    blocks(tmp_path, 1).fit()
    assert [row.train_loss for row in blocks(tmp_path, 2).fit(resume=True)] == [row.train_loss for row in whole]
    assert whole[0].train_loss != blocks(None, 1, None).fit()[0].train_loss
    with pytest.raises(CheckpointError, match=re.escape("expected a run with no shuffle_block, got shuffle_block 20")):
        blocks(tmp_path, 2, None).fit(resume=True)


def test_resuming_from_nothing_is_refused(tmp_path):
    with pytest.raises(CheckpointError):
        trainer(tmp_path).fit(resume=True)


def test_the_best_weights_are_those_of_the_best_epoch_on_validation(tmp_path):
    subject = trainer(tmp_path)
    rows = subject.fit()
    net = network()
    metadata = checkpoint.load_weights(tmp_path / BEST, net)
    assert metadata["model"] == "test"
    best = max(row.val_accuracy for row in rows)
    assert net.evaluate(CrossEntropy(), PIXELS, DIGITS.train_labels, HELD_OUT.index).accuracy == best


def regression(folder=None, log=lambda line: None, epochs=4, lr=1.0, **options):
    """A line through points of which the last epochs' rate is too large, so that the lowest loss is not the last."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((48, 1))
    y = 3 * x + 0.1 * rng.standard_normal((48, 1))
    net = Network([("F", Dense(1))], (1,), seed=3, threads=1)
    run = TrainingOptions(epochs, 16, 5, folder=folder, **options)
    return Trainer(net, MSE(), SGD(lr), run, Dataset(x, y, np.arange(32)), Dataset(x, y, np.arange(32, 48)), log)


def test_the_best_weights_of_a_regression_are_those_of_the_lowest_loss(tmp_path):
    lines = []
    subject = regression(tmp_path, lines.append, lr=0.1, schedule=PiecewiseConstant((0.1, 0.3, 0.3, 3.0)))
    rows = subject.fit()
    losses = [row.val_loss for row in rows]
    assert losses.index(min(losses)) not in (0, len(losses) - 1)
    assert history.best(rows).val_loss == min(losses)
    net = regression().net
    checkpoint.load_weights(tmp_path / BEST, net)
    assert net.evaluate(MSE(), subject.validation.images, subject.validation.targets, np.arange(32, 48)).loss == min(losses)
    assert {(row.train_accuracy, row.val_accuracy) for row in rows} == {(None, None)}
    assert not [line for line in lines if "accuracy" in line]


def test_a_regression_resumes_exactly(tmp_path):
    regression(tmp_path, epochs=2, lr=0.1).fit()
    again, whole = regression(tmp_path, lr=0.1), regression(lr=0.1)
    losses = [row.val_loss for row in again.fit(resume=True)]
    assert losses == [row.val_loss for row in whole.fit()]


def test_a_plateau_of_an_accuracy_that_there_is_not_is_refused():
    message = 'TrainingOptions: expected plateau with mode="min" for targets that are not class numbers, got mode="max"; '
    with pytest.raises(OptionError, match=f"^{re.escape(message)}watch the loss: there is no accuracy$"):
        regression(plateau=ReduceOnPlateau(mode="max")).fit()
    assert len(regression(plateau=ReduceOnPlateau(), lr=0.1).fit()) == 4


def test_the_best_weights_over_maps_are_those_of_the_most_right_places(tmp_path):
    maps = np.random.default_rng(0).standard_normal((24, 1, 6, 6)).astype(np.float32)
    marks = (maps[:, 0] > 0).astype(np.uint8)
    marks[:, 0] = 255
    net = Network([("C", Conv2d(2, 1))], (1, 6, 6), seed=3, threads=1)
    run, loss, lines = TrainingOptions(3, 8, folder=tmp_path), CrossEntropy(ignore_index=255), []
    learned, held_out = Dataset(maps, marks, np.arange(16)), Dataset(maps, marks, np.arange(16, 24))
    rows = Trainer(net, loss, SGD(1.0), run, learned, held_out, lines.append).fit()
    for row in rows:
        assert 0 < row.train_accuracy <= 1
        assert 0.5 < row.val_accuracy <= 1
    assert len({row.val_accuracy for row in rows}) > 1
    checkpoint.load_weights(tmp_path / BEST, net)
    right = ((net.predict(maps[16:]).argmax(axis=1) == marks[16:]) & (marks[16:] != 255)).sum()
    assert right / (8 * 30) == max(row.val_accuracy for row in rows)
    assert not [line for line in lines if "warning" in line]


def test_compiling_before_the_first_epoch_leaves_no_trace():
    subject = trainer()
    params, steps = subject.net.params.flat.copy(), subject.net.steps
    subject._compile()
    assert np.array_equal(subject.net.params.flat, params)
    assert subject.net.steps == steps
    assert subject.optimizer.steps == 0


def test_that_kernels_are_compiled_is_said_in_the_log_of_the_training():
    lines = []
    subject = Trainer(network(), CrossEntropy(), SGD(0.1), TrainingOptions(1, 32), TRAIN, HELD_OUT, lines.append)
    log = subject.net.backend.log

    def missing(*arguments, **options):
        with log.binding("kernel") as binding:
            binding.missed()

    subject.net.score_and_grads = missing
    with mock.patch.dict(vars(log), compiled=[]):
        subject._compile()
        assert lines == [log.words()]
        assert log.on_compile is None


def test_a_loss_that_is_not_finite_stops_training_in_words():
    lines = []
    run = TrainingOptions(2, 32)
    subject = Trainer(network(), CrossEntropy(), SGD(1e30), run, TRAIN, HELD_OUT, lines.append)
    assert subject.fit() == []
    assert not subject.interrupted
    assert "training stops; lower the learning rate" in lines[-1]


def test_training_that_stays_at_chance_is_said():
    lines = []
    subject = Trainer(network(), CrossEntropy(), SGD(0.0), TrainingOptions(1, 32), TRAIN, HELD_OUT, lines.append)
    subject.fit()
    assert "is not clearly above guessing" in lines[-1]


def test_rows_say_losses_accuracies_and_speed():
    lines = []
    rows = trainer(None, lines.append, epochs=1).fit()
    assert str(rows[0]) in lines
    assert rows[0].images_per_second == pytest.approx(320 / rows[0].seconds)


@pytest.mark.parametrize(
    ("option", "value"), [("epochs", 0), ("batch_size", -1), ("epochs", 1.5), ("batch_size", True), ("shuffle_block", 0)]
)
def test_bad_run_options_are_refused(option, value):
    with pytest.raises(
        OptionError, match=f"TrainingOptions: expected {option} as a whole number of at least 1, got {value}; give {option}=1"
    ):
        TrainingOptions(**({"epochs": 1} | {option: value}))


# --- whose checkpoint it is ---


def settings(folder, **changes):
    """A trainer of one epoch over few images, some of whose parts are others."""
    parts = {
        "net": network(),
        "loss": CrossEntropy(),
        "optimizer": SGD(0.01, momentum=0.9),
        "run": TrainingOptions(1, 32, 5, folder=folder),
        "train": Dataset(PIXELS, DIGITS.train_labels, np.arange(64)),
        "validation": Dataset(PIXELS, DIGITS.train_labels, np.arange(64, 96)),
    }
    return Trainer(**parts | changes, log=lambda line: None)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    settings(folder).fit()
    return folder


def other_images():
    images = DIGITS.train_images.copy()
    images[7, 14, 14] ^= 1
    return Pixels(images, PIXELS.normalise)


def other_labels():
    labels = DIGITS.train_labels.copy()
    labels[7] = (labels[7] + 1) % 10
    return labels


LABELS = DIGITS.train_labels
OTHERS = {
    "momentum": ({"optimizer": SGD(0.01)}, "optimizer.momentum 0.0, got optimizer.momentum 0.9"),
    "weight decay": (
        {"optimizer": SGD(0.01, momentum=0.9, weight_decay=0.1)},
        "optimizer.weight_decay 0.1, got optimizer.weight_decay 0.0",
    ),
    "rate": ({"optimizer": SGD(0.02, momentum=0.9)}, "lr 0.02, got lr 0.01"),
    "optimiser": ({"optimizer": Adam(0.01)}, "optimizer Adam(betas="),
    "loss": (
        {"loss": MSE()},
        "loss MSE(on=1.0, off=0.0), got loss CrossEntropy(label_smoothing=0.0, weight=None, ignore_index=None)",
    ),
    "loss's state": ({"loss": CrossEntropy(0.1)}, "loss.label_smoothing 0.1, got loss.label_smoothing 0.0"),
    "images": ({"train": Dataset(other_images(), LABELS, np.arange(64))}, "training.images.images 'uint8 (6000, 28, 28), SHA"),
    "labels": ({"train": Dataset(PIXELS, other_labels(), np.arange(64))}, "training.targets 'int64 (6000,), SHA-256 "),
    "which images": ({"train": Dataset(PIXELS, LABELS, np.arange(1, 65))}, "training.index 'int64 (64,), SHA-256 "),
    "held out": ({"validation": Dataset(PIXELS, LABELS, np.arange(96, 128))}, "validation.index 'int64 (32,), SHA-256 "),
    "normalisation": (
        {"train": Dataset(replace(PIXELS, normalise=Normalise(scale=1, shift=0)), LABELS, np.arange(64))},
        "training.images.normalise.scale 1, training.images.normalise.shift 0, got training.images.normalise.scale 0.0127",
    ),
    "network": (
        {"net": Network([("C1", Conv2d(4, 5, stride=2)), ReLU(), ("out", Dense(10))], (1, 28, 28), threads=1)},
        "network_seed 0, network.layers [",
    ),
    "dropout's seed": (
        {"net": Network([(b.name, b.layer) for b in network().layers], (1, 28, 28), seed=4, threads=1)},
        "network_seed 4, got network_seed 3",
    ),
    "dropout": (
        {
            "net": Network(
                [(b.name, Dropout(0.3) if isinstance(b.layer, Dropout) else b.layer) for b in network().layers],
                (1, 28, 28),
                seed=3,
                threads=1,
            )
        },
        "network.layers[3].layer.rate 0.3, got network.layers[3].layer.rate 0.2",
    ),
    "lanes": (
        {"net": Network([(b.name, b.layer) for b in network().layers], (1, 28, 28), seed=3, threads=1, lanes=32)},
        "network.lanes 32, got network.lanes 16",
    ),
    "slots": (
        {"net": Network([(b.name, b.layer) for b in network().layers], (1, 28, 28), seed=3, threads=1, slots=12)},
        "network.slots 12, got network.slots 8",
    ),
    "schedule": ({"run": ("schedule", OneCycle())}, "epochs 1, schedule OneCycle(pct_start=0.3, "),
    "decay": ({"run": ("decay", 0.9)}, "decay 0.9, got decay 1.0"),
    "batch": ({"run": ("batch_size", 16)}, "batch_size 16, got batch_size 32"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_a_run_with_one_other_setting_is_refused_by_its_name(saved, case):
    changes, words = OTHERS[case]
    run = TrainingOptions(1, 32, 5, folder=saved)
    run = replace(run, **dict([changes["run"]])) if "run" in changes else run
    subject = settings(saved, **changes | {"run": run})
    before = subject.net.params.flat.tobytes()
    with pytest.raises(CheckpointError) as caught:
        subject.fit(resume=True)
    assert str(caught.value).startswith(f"{saved / LAST}: expected a run with {words}")
    assert str(caught.value).endswith("; resume with the settings it was started with")
    assert subject.net.params.flat.tobytes() == before


def test_a_run_that_was_saved_before_there_was_a_choice_of_slots_goes_on_with_eight(saved):
    metadata, tensors = safetensors_file.read(saved / LAST)
    document = json.loads(metadata["minicnn"])
    del document["metadata"]["run"]["network"]["slots"], document["slots"], document["lanes"]
    safetensors_file.write(saved / LAST, tensors, metadata | {"minicnn": json.dumps(document)})
    assert len(settings(saved).fit(resume=True)) == 1


def test_a_run_goes_on_at_any_number_of_threads_and_with_equal_data_elsewhere_in_memory(saved):
    net = Network([(b.name, b.layer) for b in network().layers], (1, 28, 28), seed=3, threads=2)
    again = Pixels(DIGITS.train_images.copy(), PIXELS.normalise)
    subject = settings(saved, net=net, train=Dataset(again, DIGITS.train_labels.tolist(), np.arange(64)))
    assert len(subject.fit(resume=True)) == 1


def test_a_checkpoint_of_another_version_is_gone_on_with_and_that_is_said(saved, monkeypatch):
    lines = []
    subject = settings(saved)
    subject.log = lines.append
    monkeypatch.setattr(checkpoint, "version", lambda path: "0.0\n")
    subject.fit(resume=True)
    assert lines[-1].startswith(r"warning: '0.0\n' is the minicnn that saved it, and '0.1.0' this one: results may round")


def test_fewer_epochs_than_were_done_are_refused(tmp_path):
    settings(tmp_path, run=TrainingOptions(2, 32, 5, folder=tmp_path)).fit()
    with pytest.raises(CheckpointError, match="expected a run of at most 1 epochs, got one of 2; give more epochs"):
        settings(tmp_path).fit(resume=True)


@pytest.mark.parametrize("content", [None, b"12345678"])
def test_the_best_weights_are_looked_for_before_going_on(tmp_path, content):
    settings(tmp_path).fit()
    (tmp_path / BEST).unlink()
    if content:
        (tmp_path / BEST).write_bytes(content)
    subject = settings(tmp_path, run=TrainingOptions(2, 32, 5, folder=tmp_path))
    subject._compile = lambda: pytest.fail("expected a refusal before training")
    words = "a whole safetensors file" if content else "a readable file, got no such file or directory"
    with pytest.raises(CheckpointError, match=f"^{re.escape(str(tmp_path / BEST))}: expected {words}"):
        subject.fit(resume=True)


def rewrite(path, change):
    """Change the metadata in a checkpoint."""
    content = path.read_bytes()
    end = 8 + struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:end])
    document = json.loads(header["__metadata__"]["minicnn"])
    change(document["metadata"])
    header["__metadata__"]["minicnn"] = json.dumps(document).replace('"1e999"', "1e999")
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[end:])


def in_row(name, value):
    return lambda metadata: metadata["rows"][0].update({name: value})


def in_tally(**values):
    return lambda metadata: metadata["tally"].update(values)


ROWS = "an object of epoch, train_loss, train_accuracy, val_loss, val_accuracy, seconds, images_per_second"
SPOILT = {
    "no rows": (lambda metadata: metadata.pop("rows"), f"a list of objects of {ROWS[13:]}", None),
    "rows null": (lambda metadata: metadata.update(rows=None), f"a list of objects of {ROWS[13:]}", None),
    "a row null": (lambda metadata: metadata.update(rows=[None]), ROWS, None),
    "a row of other names": (lambda metadata: metadata.update(rows=[{"a": 1}]), ROWS, {"a": 1}),
    "epoch 2 first": (in_row("epoch", 2), "epoch 1", 2),
    "epoch 10**30": (in_row("epoch", 10**30), "epoch as a whole number from 0", 10**30),
    "epoch true": (in_row("epoch", True), "epoch as a whole number from 0", True),
    "loss null": (in_row("train_loss", None), "train_loss as a finite number", None),
    "loss text": (in_row("val_loss", "1"), "val_loss as a finite number", "1"),
    "loss 10**400": (in_row("val_loss", 10**400), "val_loss as a finite number", 10**400),
    "accuracy -1": (in_row("val_accuracy", -1), "val_accuracy from 0 to 1", -1),
    "accuracy text": (in_row("val_accuracy", "1"), "val_accuracy as a finite number or null", "1"),
    "accuracy 10**30": (in_row("train_accuracy", 10**30), "train_accuracy from 0 to 1", 10**30),
    "no tally": (lambda metadata: metadata.pop("tally"), "an object of steps, loss, correct, counted, images, seconds", None),
    "steps 10**30": (in_tally(steps=10**30), "steps as a whole number from 0", 10**30),
    "steps -1": (in_tally(steps=-1), "steps as a whole number from 0", -1),
    "steps null": (in_tally(steps=None), "steps as a whole number from 0", None),
    "steps 3 of 2": (in_tally(steps=3), "steps up to 2", 3),
    "images of other steps": (in_tally(steps=2, images=63), "images as 64 after 2 steps", 63),
    "more right than there are": (in_tally(steps=1, images=32, counted=32, correct=33), "correct up to 32", 33),
    "no time for a step": (in_tally(steps=1, images=32), "seconds above 0 after 1 steps", 0.0),
    "time that runs back": (in_tally(seconds=-1), "seconds above 0 after 0 steps", -1),
}


@pytest.mark.parametrize("case", SPOILT)
def test_rows_and_tally_are_checked(saved, tmp_path, case):
    change, expected, found = SPOILT[case]
    for name in (LAST, BEST):
        (tmp_path / name).write_bytes((saved / name).read_bytes())
    rewrite(tmp_path / LAST, change)
    with pytest.raises(CheckpointError) as caught:
        settings(tmp_path).fit(resume=True)
    message = f"{tmp_path / LAST}: expected {expected} in what it tells of its run, got "
    assert str(caught.value).startswith(message)
    assert str(caught.value).endswith("; start anew without resume")
    assert repr(found)[:9] in str(caught.value)


def test_a_number_too_large_for_a_float_is_not_finite(saved, tmp_path):
    (tmp_path / LAST).write_bytes((saved / LAST).read_bytes())
    rewrite(tmp_path / LAST, in_row("val_loss", "1e999"))
    message = r"expected JSON in its header, got something else \(the number 1e999\)"
    with pytest.raises(CheckpointError, match=message):
        settings(tmp_path).fit(resume=True)
    (tmp_path / LAST).write_bytes((saved / LAST).read_bytes())
    rewrite(tmp_path / LAST, lambda metadata: metadata.update(run=[1]))
    with pytest.raises(CheckpointError, match="expected a run with "):
        settings(tmp_path).fit(resume=True)


# --- the folder ---


def test_the_folder_is_made_and_may_be_text(tmp_path):
    subject = settings(None, run=TrainingOptions(1, 32, folder=str(tmp_path / "a" / "b")))
    subject.fit()
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == [LAST, BEST]


@pytest.mark.parametrize("folder", ["", 7, b"runs", True])
def test_a_folder_that_is_no_path(folder):
    message = f"TrainingOptions: expected folder as a path, got {folder!r}; give folder='runs' or leave it out"
    with pytest.raises(OptionError, match=f"^{re.escape(message)}$"):
        TrainingOptions(1, folder=folder)


def untrained(subject):
    """A trainer that must refuse before its first step."""
    subject._compile = lambda: pytest.fail("expected a refusal before training")
    return subject


def test_what_would_be_refused_after_an_epoch_is_refused_before(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        OptionError, match=r"^TrainingOptions: expected a folder to write to, got .*/file: File exists; give another folder"
    ):
        untrained(settings(tmp_path / "file")).fit()
    with pytest.raises(CheckpointError, match="expected metadata that JSON gives back as it is, got others"):
        untrained(settings(tmp_path, run=TrainingOptions(1, folder=tmp_path, metadata={"a": (1, 2)}))).fit()
    net = Network([("optimizer", Dense(10))], (1, 28, 28), threads=1)
    with pytest.raises(CheckpointError, match=r"do not start with 'optimizer\.'"):
        untrained(settings(tmp_path, net=net)).fit()
    for name in (LAST, BEST):
        (tmp_path / name).mkdir()
        message = f"{name}: expected to write a checkpoint, got a directory; move it away, or save elsewhere"
        with pytest.raises(CheckpointError, match=message):
            untrained(settings(tmp_path)).fit()
        (tmp_path / name).rmdir()


def test_another_process_in_the_folder_is_named(python, tmp_path):
    code = f"""
import time
from minicnn.train.folder_lock import FolderLock
with FolderLock({str(tmp_path)!r}):
    print("held", flush=True)
    time.sleep(100)
"""
    process = python.start(code)
    process.stdout.readline()
    with pytest.raises(
        OptionError, match=f"TrainingOptions: expected a folder that no other run writes to, .* process {process.pid} on"
    ):
        untrained(settings(tmp_path)).fit()
    process.kill()
    process.wait()
    (tmp_path / ".0123456789abcdef.part").touch()
    assert (tmp_path / LOCK).exists()
    settings(tmp_path).fit()
    assert {LAST, BEST} <= {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert not list(tmp_path.glob(".*.part")) + list(tmp_path.glob(LOCK))


# --- again, and with an optimiser that is not new ---


def test_a_second_fit_goes_on(tmp_path, uninterrupted):
    def press(line):
        if line.startswith("epoch 2 step 4/10"):
            os.kill(os.getpid(), signal.SIGINT)

    subject = trainer(None, press, log_every=4)
    assert len(subject.fit()) == 1
    rows = subject.fit()
    assert subject.net.params.flat.tobytes() == uninterrupted[0]
    assert [(r.epoch, r.train_loss, r.val_loss, r.val_accuracy) for r in rows] == uninterrupted[1]
    assert subject.fit() == rows
    assert subject.net.params.flat.tobytes() == uninterrupted[0]


OPTIMISERS = [
    lambda: SGD(0.01, momentum=0.9),
    lambda: Adam(3e-3),
    lambda: ParameterAverage(SGD(0.01, momentum=0.9), 0.9),
]


@pytest.mark.parametrize("make", OPTIMISERS)
def test_an_optimiser_that_has_stepped_goes_on_with_its_moments(make):
    """As the same steps by hand: compiling before the first epoch leaves no trace in it."""
    index = np.arange(64)
    ours, theirs = (network(), make()), (network(), make())
    for net, optimizer in (ours, theirs):
        for _ in range(2):
            net.loss_and_grads(CrossEntropy(), PIXELS, LABELS, index[:32])
            optimizer.step(net)
    settings(None, net=ours[0], optimizer=ours[1], run=TrainingOptions(1, 32, 5)).fit()
    order = shuffled(index, 5, 1)
    for first in (0, 32):
        theirs[0].loss_and_grads(CrossEntropy(), PIXELS, LABELS, order[first : first + 32])
        theirs[1].step(theirs[0])
    assert ours[1].steps == theirs[1].steps == 4
    assert ours[0].params.flat.tobytes() == theirs[0].params.flat.tobytes()
    for name, moment in theirs[1].moments.items():
        assert np.array_equal(ours[1].moments[name], moment)


def test_an_estimate_before_the_first_step_is_kept():
    layers = [("F", Dense(10))]
    net, optimizer = Network(layers, (1, 28, 28), threads=1), SDLM(1e-3)
    with pytest.raises(ContractError, match="SDLM: expected an estimate of the curvature before the first step"):
        settings(None, net=net, optimizer=optimizer).fit()
    optimizer.estimate(net, CrossEntropy(), PIXELS, LABELS, np.arange(64))
    inverse = optimizer._moments["inverse"].copy()
    settings(None, net=net, optimizer=optimizer).fit()
    assert np.array_equal(optimizer.moments["inverse"], inverse)


@pytest.mark.parametrize("make", OPTIMISERS)
def test_rates_are_factors_on_the_optimisers_own_which_it_keeps(make, monkeypatch):
    optimizer, net = make(), network()
    unit, rates = optimizer.lr, []
    real = type(optimizer).step
    monkeypatch.setattr(type(optimizer), "step", lambda self, net: (rates.append(self.lr), real(self, net))[1])
    run = TrainingOptions(3, 32, decay=0.5)
    settings(None, net=net, optimizer=optimizer, run=run).fit()
    assert optimizer.lr == unit
    assert getattr(optimizer, "inner", optimizer).lr == unit
    assert rates[1:] == [unit, unit, unit / 2, unit / 2, unit / 4, unit / 4]  # the first one compiles
    rates.clear()
    settings(None, net=net, optimizer=optimizer, run=run).fit()
    assert rates[1:3] == [unit, unit]


def test_the_rate_is_the_optimisers_own_again_where_training_breaks_off():
    optimizer = SGD(0.01)
    subject = settings(None, optimizer=optimizer, run=TrainingOptions(2, 32, decay=0.5))

    def die(line):
        if line.startswith("epoch  2"):
            raise Crash

    subject.log = die
    with pytest.raises(Crash):
        subject.fit()
    assert optimizer.lr == 0.01
    optimizer.lr = 0.02  # a new unit from now on
    subject.log = lambda line: None
    assert subject.fit()
    assert subject.identity["lr"] == optimizer.lr == 0.02


def test_nothing_of_the_data_is_hashed_where_nothing_is_saved(monkeypatch):
    monkeypatch.setattr(identity, "describe", lambda value: pytest.fail("expected no description"))
    settings(None).fit()
    assert settings(None, run=TrainingOptions(1, schedule=ConstantRate())).run.folder is None


def test_several_inputs_and_outputs_are_trained_saved_and_resumed(tmp_path):
    """Pairs of digits: which is the first, and whether both are the same."""
    rng = np.random.default_rng(0)
    pictures = rng.standard_normal((3, 1, 6, 6))
    classes = rng.integers(0, 3, (2, 120))
    noisy = [pictures[own] + 0.3 * rng.standard_normal((120, 1, 6, 6)) for own in classes]
    same = (classes[0] == classes[1]).astype(np.float32)[:, None]
    data = {"left": noisy[0], "right": noisy[1]}, {"class": classes[0], "same": same}
    items = [("conv", Conv2d(4, 3), "left"), ("once more", "conv", "right"), ("both", Concat(), ("conv", "once more"))]
    items += [("act", Tanh()), ("wide", Dense(12)), ("act2", Tanh()), ("class", Dense(3)), ("same", Dense(1), "act2")]
    losses = {"class": CrossEntropy(), "same": (BCEWithLogits(), 0.5)}
    train, held_out = Dataset(*data, np.arange(90)), Dataset(*data, np.arange(90, 120))

    def trainer(epochs, folder, loss=losses, lr=0.02):
        shapes = {"left": (1, 6, 6), "right": (1, 6, 6)}
        net = Network(items, shapes, outputs=("class", "same"), threads=1)
        return Trainer(net, loss, Adam(lr), TrainingOptions(epochs, folder=folder), train, held_out, log=lambda line: None)

    whole = trainer(4, tmp_path / "whole")
    rows = whole.fit()
    assert rows[-1].val_accuracy > 0.9
    score = whole.net.evaluate(losses, *data, held_out.chosen)
    assert rows[-1].val_accuracy == score.accuracy == score.outputs["class"].accuracy
    assert rows[-1].val_loss == pytest.approx(score.outputs["class"].loss + 0.5 * score.outputs["same"].loss)
    trainer(2, tmp_path / "parts").fit()
    again = trainer(4, tmp_path / "parts")
    again.fit(resume=True)
    np.testing.assert_array_equal(again.net.params.flat, whole.net.params.flat)
    other = trainer(4, tmp_path / "parts", {"class": CrossEntropy(), "same": BCEWithLogits()})
    with pytest.raises(CheckpointError, match=r"expected a run with loss\.same BCEWithLogits"):
        other.fit(resume=True)
    assert Dataset(*data).chosen.tolist() == list(range(120))
