"""Training with weights of images: the steps, what a run is known by, and what is refused before it."""

import re

import numpy as np
import pytest

from minicnn import MSE, SGD, BatchNorm1d, CheckpointError, CrossEntropy, DataError, Dense, Network, Tanh
from minicnn.data.pixels import shuffled
from minicnn.train import Dataset, Trainer, TrainingOptions

RNG = np.random.default_rng(5)
X, LABELS, NUMBERS = RNG.standard_normal((40, 4)), RNG.integers(0, 3, 40), RNG.standard_normal((40, 3))
WEIGHTS = RNG.choice([0.5, 1.0, 3.0], 40)
WEIGHTS[:9] = 0  # the first batch, as long as nothing is shuffled


def network(norm=False):
    norms = [("N", BatchNorm1d())] if norm else []
    return Network([("A", Dense(5)), *norms, Tanh(), ("F", Dense(3))], (4,), "float64", "numpy", threads=1, seed=1)


def trainer(weight, validation=None, folder=None, epochs=2, norm=False, loss=None, target=LABELS, **options):
    train, held_out = Dataset(X, target, weight=weight), Dataset(X, target, np.arange(30, 40), weight=validation)
    run = TrainingOptions(epochs, 8, folder=folder, **options)
    return Trainer(network(norm), loss or CrossEntropy(), SGD(0.1), run, train, held_out, log=str)


@pytest.mark.parametrize("options", [{}, {"accumulate": 2, "norm": True}], ids=["plain", "accumulated"])
def test_steps_are_those_of_weighted_batches(options):
    ours, net, sgd = trainer(WEIGHTS, WEIGHTS[::-1], **options), network("norm" in options), SGD(0.1)
    rows = ours.fit()
    size = 8 * options.get("accumulate", 1)
    for epoch in (1, 2):
        order, losses = shuffled(np.arange(40), 0, epoch), []
        for first in range(0, 40, size):
            batch = order[first : first + size]
            losses += [net.loss_and_grads(CrossEntropy(), X, LABELS, batch, part=8, weight=WEIGHTS)] * len(batch)
            sgd.step(net)
        assert rows[epoch - 1].train_loss == pytest.approx(np.mean(losses), rel=1e-13)
        score = net.evaluate(CrossEntropy(), X, LABELS, np.arange(30, 40), weight=WEIGHTS[::-1])
        assert (rows[epoch - 1].val_loss, rows[epoch - 1].val_accuracy) == (score.loss, score.accuracy)
    assert ours.net.params.flat.tobytes() == net.params.flat.tobytes()


def test_weights_of_1_are_none():
    plain, ones = trainer(None), trainer(np.ones(40), np.ones(40))
    assert [row.train_loss for row in plain.fit()] == [row.train_loss for row in ones.fit()]
    assert plain.net.params.flat.tobytes() == ones.net.params.flat.tobytes()


def test_a_run_is_known_by_its_weights(tmp_path):
    """By their values, whatever their dtype; without weights it is known as before there were any."""
    trainer(WEIGHTS, folder=tmp_path, epochs=1).fit()
    for other in (None, WEIGHTS + 1):
        with pytest.raises(CheckpointError, match="training_weight"):
            trainer(other, folder=tmp_path).fit(resume=True)
    with pytest.raises(CheckpointError, match="validation_weight"):
        trainer(WEIGHTS, np.ones(40), folder=tmp_path).fit(resume=True)
    again, whole = trainer(list(WEIGHTS), folder=tmp_path), trainer(WEIGHTS)
    again.fit(resume=True)
    whole.fit()
    assert again.net.params.flat.tobytes() == whole.net.params.flat.tobytes()
    assert not {name for name in trainer(None).identity if "weight" in name}
    assert trainer({"F": WEIGHTS}).identity["training_weight"].keys() == {"F"}


@pytest.mark.parametrize("which", [0, 1], ids=["training", "validation"])
def test_weights_are_refused_before_training(which):
    bad = [None, None]
    bad[which] = np.full(40, -1.0)
    run = trainer(*bad)
    with pytest.raises(DataError, match=re.escape("weight: expected finite numbers of at least 0, got -1; give 0 to an image")):
        run.fit()
    assert run.net.steps == 0
    assert not run.rows


def test_a_batch_that_counts_nothing_ends_a_run_in_words():
    weights = np.zeros(40)
    weights[12] = 1
    with pytest.raises(
        DataError, match="expected a weight above 0 in every batch, got only 0; leave these images out, or give"
    ):
        trainer(weights, loss=MSE(), target=NUMBERS).fit()
