"""The training loop: exact resumption, Ctrl-C, warnings, checkpoints."""

import os
import signal

import numpy as np
import pytest

from minicnn import (
    SGD,
    Adam,
    CheckpointError,
    Conv2d,
    CrossEntropy,
    Dense,
    Dropout,
    MaxPool2d,
    Network,
    OptionError,
    ReLU,
    checkpoint,
)
from minicnn.data import Normalise, Pixels, load_mnist
from minicnn.interrupt import Terminated, end, handled
from minicnn.schedules import OneCycle
from minicnn.train import BEST, LAST, Examples, Run, Trainer

DIGITS = load_mnist(source="subset", announce=lambda line: None)
PIXELS = Pixels(DIGITS.train_images, Normalise.standard(0.1307, 0.3081))
TRAIN = Examples(PIXELS, DIGITS.train_labels, np.arange(320))
HELD_OUT = Examples(PIXELS, DIGITS.train_labels, np.arange(320, 400))


def network():
    layers = [("C1", Conv2d(4, 5, stride=2)), ReLU(), MaxPool2d(2), Dropout(0.2), ("out", Dense(10))]
    return Network(layers, (1, 28, 28), seed=3, threads=1)


def trainer(folder=None, announce=lambda line: None, lr=3e-3, epochs=3, log_every=0, seed=5):
    run = Run(epochs, 32, seed, OneCycle(), folder, {"model": "test"}, log_every)
    return Trainer(network(), CrossEntropy(), Adam(lr), run, TRAIN, HELD_OUT, announce)


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
    assert lines[-1] == f"stopped in epoch 2 after step 4 of 10; saved to {tmp_path / LAST}, go on with --resume"
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
    assert [row["epoch"] for row in checkpoint.read_facts(tmp_path / LAST)["rows"]] == [1, 2]


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
    with pytest.raises(
        CheckpointError, match=r"last.safetensors: expected a run with .*'seed': 6.*, got .*'seed': 5.*; resume with"
    ):
        trainer(tmp_path, seed=6).fit(resume=True)
    with pytest.raises(CheckpointError, match="expected a folder with a checkpoint, got none"):
        trainer(None).fit(resume=True)


def test_resuming_from_nothing_is_refused(tmp_path):
    with pytest.raises(CheckpointError):
        trainer(tmp_path).fit(resume=True)


def test_the_best_weights_are_those_of_the_best_epoch_on_validation(tmp_path):
    from minicnn import checkpoint

    subject = trainer(tmp_path)
    rows = subject.fit()
    net = network()
    facts = checkpoint.load_weights(tmp_path / BEST, net)
    assert facts["model"] == "test"
    best = max(row.val_accuracy for row in rows)
    assert net.evaluate(CrossEntropy(), PIXELS, DIGITS.train_labels, HELD_OUT.index).accuracy == best


def test_compiling_before_the_first_epoch_leaves_no_trace():
    subject = trainer()
    params, steps = subject.net.params.flat.copy(), subject.net.steps
    subject._compile()
    assert np.array_equal(subject.net.params.flat, params)
    assert subject.net.steps == steps
    assert subject.optimizer.steps == 0


def test_a_loss_that_is_not_finite_stops_training_in_words():
    lines = []
    run = Run(2, 32)
    subject = Trainer(network(), CrossEntropy(), SGD(1e30), run, TRAIN, HELD_OUT, lines.append)
    assert subject.fit() == []
    assert not subject.interrupted
    assert "training stops; lower the learning rate" in lines[-1]


def test_training_that_stays_at_chance_is_said():
    lines = []
    subject = Trainer(network(), CrossEntropy(), SGD(0.0), Run(1, 32), TRAIN, HELD_OUT, lines.append)
    subject.fit()
    assert "is what guessing gives" in lines[-1]


def test_rows_say_losses_accuracies_and_speed():
    lines = []
    rows = trainer(None, lines.append, epochs=1).fit()
    assert str(rows[0]) in lines
    assert rows[0].images_per_second == pytest.approx(320 / rows[0].seconds)


@pytest.mark.parametrize(("option", "value"), [("epochs", 0), ("batch_size", -1), ("epochs", 1.5), ("batch_size", True)])
def test_bad_run_options_are_refused(option, value):
    with pytest.raises(
        OptionError, match=f"Run: expected {option} as a whole number of at least 1, got {value}; give {option}=1"
    ):
        Run(**({"epochs": 1} | {option: value}))
