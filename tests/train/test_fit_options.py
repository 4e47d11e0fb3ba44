"""Training without validation, with an average of the parameters, weights of classes, and what is refused before it."""

import argparse
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minicnn as m
from minicnn import (
    MSE,
    SGD,
    Adam,
    BatchNorm1d,
    CheckpointError,
    CrossEntropy,
    DataError,
    Dense,
    Dropout,
    Network,
    OptionError,
    models,
)
from minicnn.cli import train
from minicnn.data import Normalise, Pixels, load_mnist
from minicnn.data.pixels import shuffled
from minicnn.optim.averaging import ParameterAverage
from minicnn.optim.plateau import ReduceOnPlateau
from minicnn.train import (
    BEST,
    BestWeights,
    Callback,
    Dataset,
    EpochResult,
    Trainer,
    TrainingOptions,
    checkpoint,
    class_weights,
    plots,
)
from minicnn.train.learning_rate import FoundRate, find_learning_rate

RNG = np.random.default_rng(1)
X, LABELS = RNG.standard_normal((48, 3)), RNG.integers(0, 3, 48)
TRAIN, HELD_OUT = Dataset(X, LABELS, np.arange(32)), Dataset(X, LABELS, np.arange(32, 48))


def network(norm=True):
    layers = [*([("N", BatchNorm1d())] if norm else []), ("D", Dropout(0.2)), ("F", Dense(3))]
    return Network(layers, (3,), "float64", "numpy", threads=1, seed=2)


def trainer(folder=None, epochs=3, validation=HELD_OUT, log=None, optimizer=None, norm=True, callbacks=(), **options):
    run = TrainingOptions(epochs, 8, folder=folder, **options)
    return Trainer(network(norm), CrossEntropy(), optimizer or Adam(0.05), run, TRAIN, validation, log, callbacks)


def bits(net):
    return net.params.flat.tobytes() + b"".join(array.tobytes() for array in net.state.values())


# --- without validation ---


def test_training_without_validation_is_the_same_and_its_last_weights_are_the_best(tmp_path):
    lines = []
    subject, other = trainer(tmp_path, validation=None, log=lines.append), trainer()
    rows = subject.fit()
    assert [row.train_loss for row in rows] == [row.train_loss for row in other.fit()]
    assert bits(subject.net) == bits(other.net)
    assert {(row.val_loss, row.val_accuracy) for row in rows} == {(None, None)}
    assert lines[0].startswith("epoch  1  train loss ")
    assert "validation" not in "".join(lines)
    net = network()
    checkpoint.load_weights(tmp_path / BEST, net)
    assert bits(net) == bits(subject.net)


def test_a_run_without_validation_resumes_exactly_and_as_no_other(tmp_path):
    trainer(tmp_path, 1, None).fit()
    again, whole = trainer(tmp_path, 3, None), trainer(validation=None)
    again.fit(resume=True)
    whole.fit()
    assert bits(again.net) == bits(whole.net)
    with pytest.raises(CheckpointError, match="expected a run with validation "):
        trainer(tmp_path, 4).fit(resume=True)


def test_a_plateau_without_validation_is_refused():
    message = "TrainingOptions: expected validation images for plateau, got none; give Trainer validation images, or leave "
    with pytest.raises(OptionError, match=f"^{message}plateau out$"):
        trainer(validation=None, plateau=ReduceOnPlateau()).fit()


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (3, 10, "Trainer: expected run as a TrainingOptions, got int; write TrainingOptions(epochs=10)"),
        (4, X, "Trainer: expected train as a Dataset, got ndarray; write Dataset(images, targets)"),
        (5, (X, LABELS), "Trainer: expected validation as a Dataset, got tuple; write Dataset(images, targets)"),
    ],
)
def test_arguments_of_other_kinds_are_refused(place, value, message):
    given = [network(), CrossEntropy(), SGD(0.1), TrainingOptions(1), TRAIN, HELD_OUT]
    given[place] = value
    with pytest.raises(OptionError, match=f"^{re.escape(message)}$"):
        Trainer(*given)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("seed", -1, "expected seed as a whole number of at least 0, got -1; give seed=0 or more"),
        ("log_every", 1.5, "expected log_every as a whole number of at least 0, got 1.5; give log_every=0 or more"),
        ("metadata", [1], "expected metadata as a dict, got [1]; give for example metadata={"),
        ("schedule", 0.1, "expected schedule as a schedule, got 0.1; give for example schedule=Cosine()"),
        ("average", 1.0, "expected average in [0, 1), got 1.0; choose average in that range"),
    ],
)
def test_options_out_of_range_are_refused(option, value, message):
    with pytest.raises(OptionError) as caught:
        TrainingOptions(1, **{option: value})
    assert str(caught.value).startswith(f"TrainingOptions: {message}")


def test_a_warning_is_said_once():
    lines = []
    trainer(optimizer=SGD(0.0), log=lines.append, epochs=3).fit()
    assert len([line for line in lines if "is not clearly above guessing" in line]) == 1


def test_no_message_of_the_library_names_an_option_of_a_program():
    """Those of pip and npm are commands of theirs."""
    root = Path(m.__file__).parent
    found = [
        f"{path.relative_to(root)}: {line.strip()}"
        for path in sorted(root.rglob("*.py"))
        if "cli" not in path.relative_to(root).parts
        for line in path.read_text().splitlines()
        if re.search(r"(^|[\s\"'(`])--[a-z]", line) and not re.search(r"pip install --force-reinstall|npm, \"pack\"", line)
    ]
    assert found == []


# --- an average of the parameters ---


@pytest.mark.parametrize("norm", [True, False])
def test_epochs_are_judged_by_the_average_and_the_network_has_it_at_the_end(tmp_path, norm):
    subject, plain = trainer(tmp_path, average=0.8, norm=norm), network(norm)
    rows, averaged = subject.fit(), ParameterAverage(Adam(0.05), 0.8)
    for epoch in (1, 2, 3):
        order = shuffled(np.arange(32), 0, epoch)
        for first in range(0, 32, 8):
            plain.loss_and_grads(CrossEntropy(), X, LABELS, order[first : first + 8])
            averaged.step(plain)
        last = {**{name: a.copy() for name, a in plain.params.items()}, **{name: a.copy() for name, a in plain.state.items()}}
        averaged.copy_to(plain, X, np.arange(32), 8)
        score = plain.evaluate(CrossEntropy(), X, LABELS, np.arange(32, 48))
        assert (rows[epoch - 1].val_loss, rows[epoch - 1].val_accuracy) == (score.loss, score.accuracy)
        shown = bits(plain)
        plain.load_params(last)
    assert bits(subject.net) == shown
    best, net = max(rows, key=lambda row: row.val_accuracy), network(norm)
    checkpoint.load_weights(tmp_path / BEST, net)
    assert net.evaluate(CrossEntropy(), X, LABELS, np.arange(32, 48)).accuracy == best.val_accuracy
    assert subject.fit(epochs=1)[3].train_loss == trainer(average=0.8, norm=norm, epochs=4).fit()[3].train_loss


def test_a_run_with_an_average_resumes_exactly(tmp_path):
    whole = trainer(average=0.8, callbacks=[BestWeights("val_loss")], epochs=4)
    whole.fit()
    trainer(tmp_path, 2, average=0.8, callbacks=[BestWeights("val_loss")]).fit()
    again = trainer(tmp_path, 4, average=0.8, callbacks=[BestWeights("val_loss")])
    again.fit(resume=True)
    assert [row.val_loss for row in again.rows] == [row.val_loss for row in whole.rows]
    assert bits(again.net) == bits(whole.net)
    with pytest.raises(CheckpointError, match=r"expected a run with optimizer Adam"):
        trainer(tmp_path, 4).fit(resume=True)


def test_a_run_that_breaks_off_has_the_weights_that_training_came_to_and_not_their_average():
    class Broken(Callback):
        def on_epoch_end(self, result):
            if result.epoch == 2:
                raise ValueError("broken")

    subject, plain = trainer(average=0.8, callbacks=[Broken()], norm=False), trainer(epochs=2, norm=False)
    with pytest.raises(ValueError, match="broken"):
        subject.fit()
    plain.fit()
    assert bits(subject.net) == bits(plain.net)


def test_a_run_has_the_options_that_the_command_has_unless_it_is_given_others():
    parser = argparse.ArgumentParser()
    train.add(parser.add_subparsers())
    given, run = parser.parse_args(["train", "pictures"]), TrainingOptions(1)
    assert (run.batch_size, run.seed, run.local_steps) == (given.batch_size, given.seed, given.local_steps) == (32, 0, 1)


def test_the_users_optimiser_has_all_steps():
    optimizer, plain = Adam(0.05), Adam(0.05)
    trainer(optimizer=optimizer, average=0.8).fit()
    trainer(optimizer=plain).fit()
    assert (optimizer.steps, optimizer.lr) == (plain.steps, 0.05) == (12, 0.05)
    for name, moment in plain.moments.items():
        np.testing.assert_array_equal(optimizer.moments[name], moment)
    subject = trainer(optimizer=optimizer, average=0.8, epochs=1)
    subject.fit()
    assert optimizer.steps == subject.optimizer.steps == 16
    message = (
        "TrainingOptions: expected an optimiser without an average for average, got a ParameterAverage; give the optimiser "
    )
    with pytest.raises(OptionError, match=f"^{message}"):
        trainer(optimizer=ParameterAverage(SGD(0.1), 0.9), average=0.8)


# --- weights of classes ---


@pytest.mark.parametrize(
    ("classes", "weight", "expected"),
    [
        (3, "balanced", [0.5, 1.0, 0.0]),
        (["a", "b", "c"], "balanced", [0.5, 1.0, 0.0]),
        (["a", "b", "c"], {"b": 3}, [1.0, 3.0, 1.0]),
        ([-1, 5, 7], {7: 0.5, -1: 0}, [0.0, 1.0, 0.5]),
        (3, [1, 2, 0.5], [1.0, 2.0, 0.5]),
        (3, np.array([1, 2, 3]), [1.0, 2.0, 3.0]),
    ],
)
def test_weights_of_classes(classes, weight, expected):
    np.testing.assert_allclose(class_weights([0, 0, 1, 0, 0, 1], classes, weight), expected)


@pytest.mark.parametrize(
    ("labels", "weight", "message"),
    [
        ([0, 1], "even", "class_weight: expected \"balanced\", a dict, or 2 numbers, one for each class, got 'even'; give "),
        (
            [0, 1],
            [1.0],
            'class_weight: expected "balanced", a dict, or 2 numbers, one for each class, got [1.0]; give class_weigh',
        ),
        (
            [0, 1],
            {"c": 1},
            "class_weight: expected weights by the names of classes, ['a', 'b'], got 'c'; use the names of the labels",
        ),
        (
            [0, 1],
            {"a": -1},
            "class_weight: expected the weight of 'a' in [0, inf), got -1; choose the weight of 'a' in that range",
        ),
        (
            [0, 2],
            "balanced",
            "class_weights: expected class numbers (N,) from 0 to 1, got int64 of shape (2,); give one class number",
        ),
        ([0.0, 1.0], "balanced", "class_weights: expected class numbers (N,) from 0 to 1, got float64 of shape (2,); give one"),
    ],
)
def test_weights_that_are_none_are_refused(labels, weight, message):
    with pytest.raises((OptionError, DataError)) as caught:
        class_weights(labels, ["a", "b"], weight)
    assert str(caught.value).startswith(message)


def rare():
    """Two classes that overlap, one of them rare."""
    labels = (np.arange(120) % 10 == 0).astype(int)
    images = np.clip(labels[:, None, None] * 40 + np.random.default_rng(0).normal(100, 40, (120, 4, 4)), 0, 255)
    return images.astype(np.uint8), np.array(["often", "rare"])[labels]


def of_images(outputs=2):
    return Network([("F", Dense(outputs))], (1, 4, 4), threads=1, backend="numpy")


def test_a_classifier_with_balanced_classes_finds_rare_ones():
    images, labels = rare()
    found, sums = [], []
    for weight in (None, "balanced", {"often": 0.5}):
        made = m.Classifier(of_images(), optimizer=SGD(0.01))
        made.fit(images, labels, validation=None, epochs=1, class_weight=weight, log=None)
        found.append((made.predict(images) == "rare").sum())
        sums.append(made.history[0].train_loss)
        assert made.history[0].val_loss is None
    assert found[1] > found[0]
    assert len(set(sums)) == 3
    message = "Regressor.fit: expected class_weight for classes, got 'balanced' for numbers; leave class_weight out"
    with pytest.raises(OptionError, match=f"^{message}$"):
        m.Regressor(of_images(1)).fit(images, np.zeros(120), class_weight="balanced")


def test_a_classifier_takes_callbacks_and_an_average():
    images, labels = rare()
    best = BestWeights()
    made = m.Classifier(of_images(), optimizer=SGD(0.3)).fit(images, labels, epochs=3, log=None, callbacks=[best], average=0.5)
    assert best.best == max(row.val_accuracy for row in made.history)
    assert made.optimizer.steps == 3 * 4


# --- a learning rate ---


def test_rates_are_tried_without_a_trace():
    net, optimizer = network(), Adam(0.05)
    net.loss_and_grads(CrossEntropy(), X, LABELS)
    optimizer.step(net)
    before, steps = bits(net), net.steps
    moments = {name: moment.copy() for name, moment in optimizer.moments.items()}
    found = find_learning_rate(net, CrossEntropy(), optimizer, TRAIN, 1e-4, 1.0, steps=21, batch_size=8)
    assert bits(net) == before
    assert (net.steps, optimizer.steps, optimizer.lr) == (steps, 1, 0.05)
    for name, moment in moments.items():
        np.testing.assert_array_equal(optimizer.moments[name], moment)
    np.testing.assert_allclose(found.rates[1:] / found.rates[:-1], 10 ** (4 / 20))
    assert found.rates[0] == 1e-4
    again = find_learning_rate(net, CrossEntropy(), optimizer, TRAIN, 1e-4, 1.0, steps=21, batch_size=8)
    np.testing.assert_array_equal(found.losses, again.losses)


def test_rates_are_tried_on_the_batches_of_a_training_and_their_losses_smoothed():
    """At rates that change nothing, the loss of each step is that of its batch; a loss counts 0.98 times the one after it."""
    net, chosen = Network([("F", Dense(3))], (3,), "float64", "numpy", threads=1), np.arange(32)
    found = find_learning_rate(net, CrossEntropy(), SGD(), TRAIN, 1e-300, 1e-290, steps=10, batch_size=8, seed=5)
    batches = [batch for epoch in (1, 2, 3) for batch in np.split(shuffled(chosen, 5, epoch), 4)]
    losses = [net.evaluate(CrossEntropy(), X, LABELS, batch).loss for batch in batches]
    for step in range(10):
        weights = 0.98 ** np.arange(step, -1, -1)
        assert found.losses[step] == pytest.approx(weights @ losses[: step + 1] / weights.sum())


def test_the_suggestion_is_where_losses_fall_and_the_run_ends_where_they_explode():
    """A quadratic of curvature 2, which gradient descent solves below a rate of 1 and which explodes above it."""
    net = Network([("F", Dense(1, bias=False))], (1,), "float64", "numpy", threads=1)
    found = find_learning_rate(net, MSE(), SGD(), Dataset(np.ones((32, 1)), np.full((32, 1), 5.0)), 1e-4, 1e3, steps=100)
    assert 0.005 < found.suggestion < 1
    assert found.rates[-1] < 100
    assert found.losses[-1] < 4 * found.losses.min()
    assert found.suggestion == pytest.approx(found.rates[10 + found.losses[10:].argmin()] / 10)


@pytest.mark.parametrize(("make", "lowest"), [(lambda rate: SGD(rate, momentum=0.9), 1e-5), (Adam, 1e-6)])
def test_a_network_learns_at_the_suggestion(make, lowest):
    """Where losses fall the most steeply, or are lowest, this one is spoilt by an epoch."""
    digits = load_mnist(source="subset", log=lambda line: None)
    train = Dataset(Pixels(digits.train_images, Normalise.between(0, 1)), digits.train_labels, np.arange(4000))
    net = models.lenet5_modern(seed=1, threads=1)
    rate = find_learning_rate(net, CrossEntropy(), make(1.0), train, lowest).suggestion
    Trainer(net, CrossEntropy(), make(rate), TrainingOptions(2, 32), train, log=None).fit()
    assert net.evaluate(CrossEntropy(), train.images, train.targets, np.arange(4000, 6000)).accuracy > 0.85


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lowest": 0}, "find_learning_rate: expected lowest in (0, inf), got 0; "),
        ({"lowest": 1, "highest": 0.5}, "find_learning_rate: expected highest in (1, inf), got 0.5; "),
        ({"steps": 9}, "find_learning_rate: expected steps of at least 10, got 9; give steps=100"),
        ({"batch_size": 0}, "find_learning_rate: expected batch_size as a whole number of at least 1, got 0; "),
    ],
)
def test_options_of_the_search_are_checked(options, message):
    with pytest.raises(OptionError) as caught:
        find_learning_rate(network(), CrossEntropy(), SGD(), TRAIN, **options)
    assert str(caught.value).startswith(message)


def test_a_search_that_explodes_at_once_is_said():
    net = network(norm=False)
    net.params.flat[...] = np.nan
    with pytest.raises(
        DataError, match="find_learning_rate: expected a finite loss at rates from 1e-06, got nan in step 1; give a"
    ):
        find_learning_rate(net, CrossEntropy(), SGD(), TRAIN)


def test_the_curves_are_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    rates = np.geomspace(1e-4, 1, 20)
    for suggestion in (0.01, None):
        plots.learning_rates(FoundRate(rates, (np.log10(rates) + 2) ** 2 + 1, suggestion), tmp_path / f"{suggestion}.png")
    rows = [EpochResult(1, 0.5, 0.7, None, None, 1.0, 10.0), EpochResult(2, 0.4, 0.8, 0.45, 0.75, 1.0, 10.0)]
    plots.learning_curves(rows, tmp_path / "both.png")
    plots.learning_curves(rows[:1], tmp_path / "none.png")
    plots.learning_curves([EpochResult(1, 0.5, None, None, None, 1.0, 10.0)], tmp_path / "numbers.png")
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in tmp_path.iterdir())
    assert len(list(tmp_path.iterdir())) == 5


def test_training_needs_no_packages_for_its_callbacks():
    code = "import sys, minicnn.train; print([n for n in ('torch', 'tensorboardX', 'matplotlib', 'tqdm') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=True)
    assert done.stdout == "[]\n"
