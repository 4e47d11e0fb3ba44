"""Callbacks of training: when they are called, stopping early, the best weights, log files, and resuming with them."""

import copy
import csv
import json
import os
import pickle
import re
import signal
import struct
import sys
from dataclasses import asdict

import numpy as np
import pytest

from minicnn import MSE, SGD, BatchNorm1d, CheckpointError, CrossEntropy, Dense, Network, OptionError, OutputError
from minicnn.optim.schedules import ConstantRate, PiecewiseConstant
from minicnn.train import (
    BEST,
    LAST,
    BestWeights,
    Callback,
    CSVLog,
    Dataset,
    EarlyStopping,
    ProgressBar,
    TensorBoard,
    Trainer,
    TrainingOptions,
    checkpoint,
)

RNG = np.random.default_rng(1)
X = RNG.standard_normal((48, 3))
Y = X @ [[1.0], [2.0], [-1.0]] + 0.1 * RNG.standard_normal((48, 1))
RATES = PiecewiseConstant((0.02, 0.1, 0.3, 0.3, 0.3, 0.1))  # too large from the third epoch on


def network(norm=True):
    return Network([*([("N", BatchNorm1d())] if norm else []), ("F", Dense(1))], (3,), "float64", "numpy", threads=1, seed=2)


def trainer(callbacks=(), folder=None, epochs=6, log=None, validation=True, schedule=RATES, optimizer=None, **options):
    run = TrainingOptions(epochs, 8, folder=folder, schedule=schedule, **options)
    held_out = Dataset(X, Y, np.arange(32, 48)) if validation else None
    return Trainer(network(), MSE(), optimizer or SGD(0.02, 0.5), run, Dataset(X, Y, np.arange(32)), held_out, log, callbacks)


def bits(net):
    return net.params.flat.tobytes() + b"".join(array.tobytes() for array in net.state.values())


def losses(rows):
    return [(row.train_loss, row.val_loss) for row in rows]


class Calls(Callback):
    """Remembers its calls, and may ask to stop, break, or press Ctrl-C after a step."""

    def __init__(self, stop=None, fail=None, press=None):
        self.calls, self.stop, self.fail, self.press, self.steps = [], stop, fail, press, 0

    def on_fit_start(self, trainer):
        self.calls.append(("start", len(trainer.rows)))

    def on_epoch_start(self, epoch):
        self.calls.append(("epoch", epoch))

    def on_step_end(self, score):
        self.steps += 1
        if self.steps == self.press:
            os.kill(os.getpid(), signal.SIGINT)

    def on_epoch_end(self, result):
        self.calls.append(("end of", result.epoch))
        if result.epoch == self.fail:
            raise ValueError("broken")
        return result.epoch == self.stop

    def on_fit_end(self, finished):
        self.calls.append(("end", finished))

    def state_dict(self):
        return {"steps": self.steps, "seen": np.arange(self.steps)}

    def load_state_dict(self, state, net):
        assert np.array_equal(state["seen"], np.arange(state["steps"]))
        self.steps = state["steps"]


def test_the_base_does_nothing():
    plain, with_base = trainer(), trainer([Callback()])
    assert losses(plain.fit()) == losses(with_base.fit())
    assert bits(plain.net) == bits(with_base.net)


def test_callbacks_are_called_in_order_and_all_are_told_of_an_epoch():
    first, second = Calls(stop=2), Calls()
    subject = trainer([first, second])
    assert len(subject.fit()) == 2
    assert subject.stopped
    assert not subject.interrupted
    expected = [("start", 0), ("epoch", 1), ("end of", 1), ("epoch", 2), ("end of", 2), ("end", True)]
    assert first.calls == second.calls == expected
    assert first.steps == 8
    assert subject.fit() == subject.rows
    assert len(subject.rows) == 2, "expected a stopped run to train on only by epochs="
    assert first.calls[-2:] == [("start", 2), ("end", True)]


def test_ctrl_c_and_errors_are_told_and_the_epoch_of_a_broken_callback_is_saved(tmp_path):
    pressed = Calls(press=6)
    assert len(trainer([pressed]).fit()) == 1
    assert pressed.calls[-1] == ("end", False)
    broken, other = Calls(fail=2), Calls()
    with pytest.raises(ValueError, match="broken"):
        trainer([broken, other], tmp_path).fit()
    assert broken.calls[-1] == other.calls[-1] == ("end", False)
    assert len(checkpoint.read_metadata(tmp_path / LAST)["rows"]) == 2


def test_an_error_at_the_end_keeps_the_others_from_nothing():
    class Broken(Callback):
        def on_fit_end(self, finished):
            raise ValueError("broken")

    other = Calls()
    with pytest.raises(ValueError, match="broken"):
        trainer([Broken(), other], epochs=1, schedule=PiecewiseConstant((1.0,))).fit()
    assert other.calls[-1] == ("end", True)


def test_states_of_callbacks_come_back(tmp_path):
    trainer([Calls(), BestWeights(), Calls(stop=2)], tmp_path).fit()
    again = Calls(), Calls()
    subject = trainer([*again, CSVLog(tmp_path / "new.csv")], tmp_path)
    subject.fit(resume=True)
    assert [each.steps for each in again] == [8, 8]
    assert subject.stopped
    for spoilt in (3, [3], [{"class": "Calls"}], [{"class": "Calls", "state": 3}]):
        path = tmp_path / LAST
        content = path.read_bytes()
        end = 8 + struct.unpack("<Q", content[:8])[0]
        header = json.loads(content[8:end])
        document = json.loads(header["__metadata__"]["minicnn"])
        document["metadata"]["callbacks"] = spoilt
        header["__metadata__"]["minicnn"] = json.dumps(document)
        words = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(words)) + words + content[end:])
        with pytest.raises(CheckpointError, match="expected states of callbacks in what it tells of its run, got "):
            trainer([Calls()], tmp_path).fit(resume=True)


# --- early stopping ---


def test_early_stopping_ends_training_and_gives_back_the_best_weights():
    lines, stopping = [], EarlyStopping(2)
    subject = trainer([stopping], log=lines.append)
    rows = subject.fit()
    best = min(rows, key=lambda row: row.val_loss)
    assert stopping.best_epoch == best.epoch == 2
    assert stopping.best == best.val_loss
    assert len(rows) == 4
    assert subject.stopped
    assert subject.net.evaluate(MSE(), X, Y, np.arange(32, 48)).loss == best.val_loss
    assert lines[-2:] == [
        "stopped after epoch 4: no better val_loss since epoch 2",
        "the network has the weights of epoch 2, the best val_loss",
    ]


def test_min_delta_and_patience():
    def length(*options, **more):
        return len(trainer([EarlyStopping(*options, **more)]).fit())

    assert length(1, monitor="train_loss") == 4
    assert length(2, min_delta=1e9) == 3
    assert length(20) == 6


@pytest.mark.parametrize("press", [None, 10, 14])
def test_a_run_that_is_stopped_early_resumes_exactly(tmp_path, press):
    whole = trainer([EarlyStopping(2)])
    rows = whole.fit()
    if press is None:  # the program died after the run had ended
        trainer([EarlyStopping(2)], tmp_path).fit()
    else:
        trainer([EarlyStopping(2), Calls(press=press)], tmp_path).fit()
    again = trainer([EarlyStopping(2)], tmp_path)
    assert losses(again.fit(resume=True)) == losses(rows)
    assert bits(again.net) == bits(whole.net)
    assert again.stopped


def test_a_run_goes_on_from_its_last_weights_and_not_from_the_best():
    whole, parts = trainer([]), trainer([BestWeights()])
    stopped = trainer([BestWeights(), Calls(press=13)])
    stopped.fit()
    assert stopped.interrupted
    stopped.fit()
    whole.fit()
    parts.fit()
    assert losses(stopped.rows) == losses(whole.rows)
    assert bits(stopped.net) == bits(parts.net) != bits(whole.net)
    stopped.fit()
    assert bits(stopped.net) == bits(parts.net)


def constant(callbacks=(), epochs=3, rate=0.1, **options):
    return trainer(callbacks, epochs=epochs, schedule=ConstantRate(), optimizer=SGD(rate, 0.5), **options)


def test_more_epochs_go_on_as_if_there_had_been_no_end(tmp_path):
    whole, parts = constant(epochs=5), constant([BestWeights("train_loss")])
    whole.fit()
    parts.fit()
    assert parts.callbacks[0].best_epoch == 2
    assert [row.epoch for row in parts.fit(epochs=2)] == [1, 2, 3, 4, 5]
    assert losses(parts.rows) == losses(whole.rows)
    constant(folder=tmp_path).fit()
    resumed = constant(folder=tmp_path)
    resumed.fit(resume=True, epochs=2)
    assert losses(resumed.rows) == losses(whole.rows)
    assert bits(resumed.net) == bits(whole.net)
    with pytest.raises(OptionError, match="TrainingOptions: expected epochs as a whole number of at least 1, got 0"):
        parts.fit(epochs=0)


def test_a_stopped_run_gets_its_patience_again_when_it_is_trained_further():
    subject = constant([EarlyStopping(2, min_delta=1e9)], epochs=9)
    assert len(subject.fit()) == 3
    assert len(subject.fit(epochs=9)) == 5
    assert len(subject.fit(epochs=1)) == 6
    assert not subject.stopped


def test_more_epochs_than_a_schedule_is_spread_over_are_refused():
    subject = trainer()
    assert len(subject.fit(epochs=2)) == 2
    message = (
        "Trainer.fit: expected 2 epochs, over which the schedule is spread, got 3; train on by a new Trainer with the same "
        "network and optimiser"
    )
    with pytest.raises(OptionError, match=f"^{re.escape(message)}$"):
        subject.fit(epochs=1)


def test_a_callback_forgets_another_run():
    stopping = EarlyStopping(2)
    trainer([stopping]).fit()
    again = trainer([stopping])
    again.fit()
    assert (len(again.rows), stopping.best_epoch) == (4, 2)


@pytest.mark.parametrize(
    ("make", "validation", "message"),
    [
        (lambda: EarlyStopping(0), True, "EarlyStopping: expected patience as a whole number of at least 1, got 0; "),
        (lambda: EarlyStopping(min_delta=-1), True, "EarlyStopping: expected min_delta in [0, inf), got -1; choose min_delta"),
        (
            lambda: BestWeights("loss"),
            True,
            "BestWeights: expected monitor as one of val_loss, val_accuracy, train_loss, train_accuracy, got 'loss'; give "
            'monitor="val_loss"',
        ),
        (
            EarlyStopping,
            False,
            'EarlyStopping: expected validation images for val_loss, got none; give validation, or monitor="train_loss"',
        ),
        (
            lambda: BestWeights("val_accuracy"),
            True,
            'BestWeights: expected targets that are class numbers for val_accuracy, got others; give monitor="val_loss"',
        ),
        (lambda: 3, True, "Trainer: expected callbacks as a list of Callback, got 3; write for example "),
        (lambda: EarlyStopping, True, "Trainer: expected callbacks as a list of Callback, got <class 'minic"),
        (lambda: CSVLog(""), True, "CSVLog: expected a path, got ''; write CSVLog('log.csv')"),
        (lambda: CSVLog(3), True, "CSVLog: expected a path, got 3; write CSVLog('log.csv')"),
    ],
)
def test_options_are_checked_before_the_first_epoch(make, validation, message):
    with pytest.raises(OptionError) as caught:
        trainer([make()], validation=validation).fit()
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("epoch", -1, "EarlyStopping: expected epoch as a whole number in what it kept, got -1; start anew without resume"),
        ("waited", None, "EarlyStopping: expected waited as a whole number in what it kept, got None; start anew"),
        ("best", "1", "EarlyStopping: expected best as a finite number in what it kept, got '1'; start anew"),
        (
            "params",
            np.zeros(3),
            "EarlyStopping: expected params of float64 (10,) in what it kept, got another array or none; start anew",
        ),
        ("state.N.running_mean", None, "EarlyStopping: expected state.N.running_mean of float"),
    ],
)
def test_a_state_that_is_none_is_refused(name, value, message):
    subject = trainer([EarlyStopping(2)])
    subject.fit()
    (stopping,) = subject.callbacks
    state = dict(stopping.state_dict())
    again = EarlyStopping(2)
    again.load_state_dict(state, subject.net)
    assert (again.best_epoch, again.best) == (stopping.best_epoch, stopping.best)
    with pytest.raises(CheckpointError) as caught:
        again.load_state_dict(state | {name: value}, subject.net)
    assert str(caught.value).startswith(message)


# --- copies ---


@pytest.mark.parametrize("way", [copy.deepcopy, lambda given: pickle.loads(pickle.dumps(given))], ids=["deepcopy", "pickle"])
def test_a_trainer_with_callbacks_goes_on_as_a_copy(way, tmp_path):
    callbacks = [EarlyStopping(2), CSVLog(tmp_path / "log.csv"), ProgressBar()]
    whole, subject = trainer([EarlyStopping(2)]), trainer([*callbacks, Calls(press=10)])
    whole.fit()
    subject.fit()
    other = way(subject)
    other.fit()
    assert losses(other.rows) == losses(whole.rows)
    assert bits(other.net) == bits(whole.net)
    assert way(callbacks[0]).best == callbacks[0].best
    assert len(pickle.dumps(callbacks[0])) < 3000, "expected no trainer with its data in a callback"


# --- files ---


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def as_text(rows):
    return [{name: "" if value is None else str(value) for name, value in asdict(row).items()} for row in rows]


def test_the_csv_file_has_a_line_for_each_epoch_also_after_resuming(tmp_path):
    path = tmp_path / "logs" / "log.csv"
    first = trainer([CSVLog(path), Calls(press=10)], tmp_path)
    assert read_after(first, path) == as_text(first.rows)
    with open(path, "a") as file:
        file.write("9,half a li")  # as of a process that was killed
    again = trainer([CSVLog(str(path))], tmp_path)
    again.fit(resume=True)
    assert read(path) == as_text(again.rows)
    assert len(again.rows) == 6
    plain = trainer([CSVLog(path)], validation=False, epochs=1, schedule=PiecewiseConstant((1.0,)))
    plain.fit()
    assert read(path) == as_text(plain.rows)
    assert read(path)[0]["val_loss"] == ""


def read_after(subject, path):
    subject.fit()
    return read(path)


def test_a_csv_file_that_cannot_be_written_is_refused_before_training(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "log.csv", tmp_path):
        subject = trainer([CSVLog(path)])
        with pytest.raises(OutputError, match="expected to write a log of epochs, got "):
            subject.fit()
        assert subject.net.steps == 0


FAKE = """
class SummaryWriter:
    made = []
    def __init__(self, folder, purge_step):
        self.folder, self.purge_step, self.scalars, self.closed = folder, purge_step, [], False
        self.made.append(self)
    def add_scalar(self, tag, value, step):
        self.scalars.append((tag, value, step))
    def flush(self):
        pass
    def close(self):
        self.closed = True
"""


def test_tensorboard_gets_every_epoch(tmp_path, monkeypatch):
    """A package of the same interface stands for it."""
    monkeypatch.setattr("minicnn.train.loggers.find_spec", lambda name: True if name == "tensorboardX" else None)
    (tmp_path / "tensorboardX.py").write_text(FAKE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorboardX", raising=False)
    subject = trainer([TensorBoard(tmp_path / "runs")], tmp_path / "run", schedule=PiecewiseConstant((1.0,)))
    rows = subject.fit()
    (writer,) = sys.modules["tensorboardX"].SummaryWriter.made
    assert (writer.folder, writer.purge_step, writer.closed) == (str(tmp_path / "runs"), 1, True)
    speed = "images per second"
    values = [[("loss/train", r.train_loss), ("loss/validation", r.val_loss), (speed, r.images_per_second)] for r in rows]
    assert writer.scalars == [(tag, value, epoch) for epoch, row in enumerate(values, 1) for tag, value in row]
    trainer([TensorBoard(tmp_path / "runs")], tmp_path / "run", schedule=PiecewiseConstant((1.0,))).fit(resume=True)
    assert sys.modules["tensorboardX"].SummaryWriter.made[-1].purge_step == 7


def test_tensorboard_without_its_package(monkeypatch):
    monkeypatch.setattr("minicnn.train.loggers.find_spec", lambda name: None)
    message = "TensorBoard: expected the package tensorboardX, got none installed; run pip install tensorboardX"
    with pytest.raises(OutputError, match=f"^{message}$"):
        TensorBoard("runs")
    with pytest.raises(OptionError, match=r"TensorBoard: expected a path, got 3; write TensorBoard\('runs'\)"):
        TensorBoard(3)


# --- the bar ---


class Screen:
    def __init__(self):
        self.text = ""

    def isatty(self):
        return True

    def write(self, text):
        self.text += text

    def flush(self):
        pass


@pytest.mark.parametrize(
    ("log", "callbacks", "bars"),
    [(None, [], 0), (lambda line: None, [], 1), (None, [ProgressBar()], 1), (str, [ProgressBar()], 1)],
)
def test_there_is_a_bar_with_a_log_or_by_its_callback(monkeypatch, log, callbacks, bars):
    pytest.importorskip("tqdm")
    made = []
    from minicnn.train import callbacks as module

    class Bar(module.Bar):
        def __init__(self, *given):
            made.append(given)
            super().__init__(*given)

    monkeypatch.setattr(module, "Bar", Bar)
    monkeypatch.setattr(sys, "stderr", Screen())
    subject = trainer([*callbacks, Calls(press=2)], log=log)
    subject.fit()
    subject.fit()
    assert made == ([("epoch 1/6", 32, 0), ("epoch 1/6", 32, 16)] + [(f"epoch {n}/6", 32, 0) for n in range(2, 7)]) * bars


def test_a_bar_moves_by_the_images_of_every_step_and_ends_once_with_its_epoch(monkeypatch):
    from minicnn.train import callbacks as module

    told = []

    class Bar:
        def __init__(self, title, images, done):
            told.append(title)

        def advance(self, images, loss):
            told.append((images, loss > 0))

        def close(self):
            told.append("closed")

    monkeypatch.setattr(module, "Bar", Bar)
    trainer([ProgressBar()], epochs=2, schedule=ConstantRate()).fit()
    assert told == ["epoch 1/2", *[(8, True)] * 4, "closed", "epoch 2/2", *[(8, True)] * 4, "closed"]


def test_the_best_weights_are_those_that_the_folder_has(tmp_path):
    labels = (Y[:, 0] > 0).astype(int)
    net = Network([("F", Dense(2))], (3,), "float64", "numpy", threads=1, seed=2)
    parts = Dataset(X, labels, np.arange(32)), Dataset(X, labels, np.arange(32, 48))
    subject = Trainer(net, CrossEntropy(), SGD(0.05), TrainingOptions(4, 8, folder=tmp_path), *parts, None, [BestWeights()])
    rows = subject.fit()
    best = max(rows, key=lambda row: row.val_accuracy)
    assert net.evaluate(CrossEntropy(), X, labels, np.arange(32, 48)).accuracy == best.val_accuracy
    kept = net.params.flat.copy()
    checkpoint.load_weights(tmp_path / BEST, net)
    np.testing.assert_array_equal(net.params.flat, kept)
