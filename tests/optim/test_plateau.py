"""ReduceOnPlateau against PyTorch's scheduler, and in the trainer."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

from minicnn import SGD, CheckpointError, CrossEntropy, Dense, Network, OptionError
from minicnn.optim.plateau import ReduceOnPlateau
from minicnn.optim.schedules import StepDecay
from minicnn.train.run import Dataset, TrainingOptions
from minicnn.train.trainer import Trainer

options = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(["min", "max"]),
        "factor": st.sampled_from([0.0, 0.1, 0.5]),
        "patience": st.integers(0, 3),
        "threshold": st.sampled_from([0.0, 1e-4, 0.3]),
        "threshold_mode": st.sampled_from(["rel", "abs"]),
        "cooldown": st.integers(0, 3),
        "min_lr": st.sampled_from([0.0, 0.02]),
        "eps": st.sampled_from([1e-8, 0.04]),
    }
)


@examples(200)
@given(options=options, values=st.lists(st.sampled_from([0.5, 0.9, 1.0, 1.05, 2.0, float("nan")]), max_size=25))
def test_the_rate_is_pytorchs_after_every_epoch(options, values):
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
    ours = ReduceOnPlateau(**options)
    for count, value in enumerate(values):
        assert ours.rate(0.1, values[:count]) == optimizer.param_groups[0]["lr"]
        scheduler.step(value)
    assert ours.rate(0.1, values) == optimizer.param_groups[0]["lr"]


def trainer(epochs, lr=0.5, folder=None, **run):
    """A validation loss that gets worse with every epoch, as its targets are the opposite."""
    x = np.random.default_rng(0).standard_normal((16, 4))
    y = x.argmax(axis=1) % 3
    net = Network([Dense(3)], (4,), threads=1, backend="numpy", seed=1)
    options = TrainingOptions(epochs, batch_size=8, folder=folder, **run)
    held_out = Dataset(x, (y + 1) % 3)
    return Trainer(net, CrossEntropy(), SGD(lr), options, Dataset(x, y), held_out, log=lambda line: None)


def rates_of(one, monkeypatch):
    """The rate of every step."""
    rates, step = [], SGD.step
    monkeypatch.setattr(SGD, "step", lambda self, net: (rates.append(self.lr), step(self, net))[1])
    one.fit()
    monkeypatch.undo()
    return rates[1:]  # the first step warms up, on a copy


def test_the_trainer_lowers_the_rate(monkeypatch):
    one = trainer(5, plateau=ReduceOnPlateau(patience=1, factor=0.5))
    assert rates_of(one, monkeypatch) == [0.5, 0.5] * 3 + [0.25, 0.25] * 2
    assert [row.val_loss for row in one.rows] == sorted(row.val_loss for row in one.rows)
    assert one.optimizer.lr == 0.5


def test_schedule_and_decay_multiply_it(monkeypatch):
    plateau = ReduceOnPlateau(patience=0, factor=0.5)
    found = rates_of(trainer(3, plateau=plateau, decay=0.9, schedule=StepDecay(times=3, factor=0.1)), monkeypatch)
    np.testing.assert_allclose(found, np.repeat([0.5, 0.5 * 0.9 * 0.1, 0.25 * 0.81 * 0.01], 2))


def test_a_resumed_run_goes_on_with_the_rate(monkeypatch, tmp_path):
    plateau = ReduceOnPlateau(patience=1, factor=0.5)
    rates_of(trainer(4, plateau=plateau, folder=tmp_path), monkeypatch)
    other = trainer(5, plateau=ReduceOnPlateau(patience=2, factor=0.5), folder=tmp_path)
    with pytest.raises(CheckpointError, match=r"plateau\.patience"):
        other.fit(resume=True)
    again, whole = trainer(5, plateau=plateau, folder=tmp_path), trainer(5, plateau=plateau)
    again.fit(resume=True)
    whole.fit()
    np.testing.assert_array_equal(again.net.params.flat, whole.net.params.flat)


def test_accuracies_are_watched_for_the_largest(monkeypatch):
    one = trainer(4, plateau=ReduceOnPlateau(mode="max", patience=0, factor=0.5))
    rates = rates_of(one, monkeypatch)
    accuracies = [row.val_accuracy for row in one.rows]
    assert rates[::2] == [one.run.plateau.rate(0.5, accuracies[:epoch]) for epoch in range(4)]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"mode": "least"}, 'expected mode "min" or "max", got \'least\'; give mode="min" or leave it out'),
        ({"threshold_mode": 1}, 'expected threshold_mode "rel" or "abs", got 1; give threshold_mode="rel" or leave it out'),
        ({"factor": 1.0}, "expected factor in [0, 1), got 1.0; choose factor in that range"),
        ({"patience": -1}, "expected patience as a whole number of at least 0, got -1; give patience=0 or more"),
        ({"cooldown": True}, "expected cooldown as a whole number of at least 0, got True; give cooldown=0 or more"),
        ({"threshold": -1}, "expected threshold in [0, inf), got -1; choose threshold in that range"),
        ({"min_lr": None}, "expected min_lr in [0, inf), got None; choose min_lr in that range"),
        ({"eps": -1}, "expected eps in [0, inf), got -1; choose eps in that range"),
    ],
)
def test_an_option_outside_its_range(wrong, message):
    with pytest.raises(OptionError, match=f"^ReduceOnPlateau: {re.escape(message)}$"):
        ReduceOnPlateau(**wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"plateau": 3}, "expected plateau as a ReduceOnPlateau, got 3; give plateau=ReduceOnPlateau(), or leave it out"),
        (
            {"schedule": ReduceOnPlateau()},
            "expected schedule as a factor for each step, got a ReduceOnPlateau, which follows validation; give it as plateau=",
        ),
    ],
)
def test_an_option_of_training_that_is_none(wrong, message):
    with pytest.raises(OptionError, match=f"^TrainingOptions: {re.escape(message)}$"):
        TrainingOptions(1, **wrong)
