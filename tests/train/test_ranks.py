"""Trainers of several ranks: one run, one folder, one log, the bits of one process; here ranks are threads."""

import re
from dataclasses import replace

import numpy as np
import pytest

from minicnn import (
    SGD,
    Adam,
    BatchNorm2d,
    CheckpointError,
    Classifier,
    ContractError,
    Conv2d,
    CrossEntropy,
    Dense,
    Dropout,
    Network,
    ReLU,
)
from minicnn.data import Normalise, Pixels, load_mnist
from minicnn.engine.world import Alone
from minicnn.testing.ranks import run_ranks
from minicnn.train import Callback, CSVLog, Dataset, EarlyStopping, Trainer, TrainingOptions
from minicnn.train.local_sgd import LocalSteps, Mean
from minicnn.train.ranks import Ranks, digest

DIGITS = load_mnist(source="subset", log=lambda line: None)
PIXELS = Pixels(DIGITS.train_images, Normalise.standard(0.1307, 0.3081))
TRAIN = Dataset(PIXELS, DIGITS.train_labels, np.arange(330))
HELD_OUT = Dataset(PIXELS, DIGITS.train_labels, np.arange(330, 430))


def network(norm=True):
    norms = [("N1", BatchNorm2d())] if norm else []
    return Network(
        [("C1", Conv2d(4, 5, stride=3)), *norms, ReLU(), Dropout(0.2), ("out", Dense(10))], (1, 28, 28), seed=3, threads=1
    )


def trainer(world, folder=None, lines=None, epochs=3, norm=True, **options):
    callbacks = options.pop("callbacks", ())
    run = TrainingOptions(epochs, 64, seed=5, folder=folder, **options)
    log = None if lines is None else lines.append
    return Trainer(network(norm), CrossEntropy(), Adam(3e-3), run, TRAIN, HELD_OUT, log, callbacks, world)


def figures(rows):
    return [(row.epoch, row.train_loss, row.train_accuracy, row.val_loss, row.val_accuracy) for row in rows]


def trained(world, *given, resume=False, **named):
    made = trainer(world, *given, **named)
    return figures(made.fit(resume)), digest(made.net)


@pytest.mark.parametrize("options", [{}, {"average": 0.9}, {"accumulate": 2, "clip_norm": 0.5}], ids=str)
def test_ranks_train_to_the_bits_and_figures_of_one_process(options):
    assert run_ranks(3, lambda world: trained(world, **options)) == [trained(None, **options)] * 3


def test_rank_0_alone_writes_and_reports(tmp_path):
    lines = [[], [], []]
    run_ranks(3, lambda world: trained(world, tmp_path / f"{world.rank}", lines[world.rank]))
    assert [path.name for path in tmp_path.iterdir()] == ["0"]
    assert [len(own) for own in lines] == [3, 0, 0]


def test_a_run_goes_on_with_another_number_of_ranks_to_the_same_bits(tmp_path):
    run_ranks(2, lambda world: trained(world, tmp_path, epochs=1))
    expected = trained(None)
    assert (
        run_ranks(4, lambda world: trained(world, tmp_path if world.rank == 0 else "/nowhere", resume=True)) == [expected] * 4
    )


def test_what_only_reports_has_work_on_rank_0_alone(tmp_path):
    given = [[CSVLog(tmp_path / f"{rank}.csv"), EarlyStopping(1)] for rank in range(2)]
    made = run_ranks(2, lambda world: trainer(world, callbacks=given[world.rank], epochs=8))
    assert [[type(each).__name__ for each in one.callbacks] for one in made] == [["CSVLog", "EarlyStopping"], ["EarlyStopping"]]


def test_all_ranks_stop_when_the_callback_of_one_asks():
    class Ask(Callback):
        def __init__(self, rank):
            self.rank = rank

        def on_epoch_end(self, result):
            return self.rank == 1 and result.epoch == 2

    def work(world):
        made = trainer(world, callbacks=[Ask(world.rank)], epochs=6)
        return len(made.fit()), made.stopped

    assert run_ranks(3, work) == [(2, True)] * 3


def test_ranks_of_different_runs_are_refused_in_words():
    def work(world):
        return trained(world, epochs=2, decay=0.5 if world.rank == 1 else 1.0)

    message = "rank 1: expected the run of rank 0, got others; start every rank with the same data and options"
    with pytest.raises(ContractError, match=f"^{re.escape(message)}$"):
        run_ranks(3, work)


def test_parameters_that_drift_apart_are_refused_in_words():
    class Drift(Callback):
        def on_fit_start(self, trainer):
            self.net = trainer.net

        def on_step_end(self, score):
            self.net.params.flat[0] += 1e-3

    message = "rank 2: expected the parameters after epoch 1 of rank 0, got others; "
    message += "run all ranks on processors of one kind, with one version of minicnn"
    with pytest.raises(ContractError, match=f"^{re.escape(message)}$"):
        run_ranks(3, lambda world: trained(world, callbacks=[Drift()] if world.rank == 2 else []))


def test_a_checkpoint_that_is_missing_ends_all_ranks_in_words(tmp_path):
    with pytest.raises(CheckpointError, match=r"last\.safetensors"):
        run_ranks(2, lambda world: trained(world, tmp_path, resume=True))


def test_a_classifier_trains_on_ranks():
    def fitted(world):
        net = network()
        classifier = Classifier(net, optimizer=SGD(0.05))
        classifier.fit(DIGITS.train_images[:200], DIGITS.train_labels[:200], epochs=2, log=None, world=world)
        return digest(net)

    assert run_ranks(2, fitted) == [fitted(None)] * 2


def test_flags_are_agreed():
    assert run_ranks(3, lambda world: [Ranks(world).agreed(asked) for asked in (world.rank == 2, False)]) == [[True, False]] * 3
    assert [Ranks(Alone()).agreed(asked) for asked in (True, False)] == [True, False]


# --- local SGD ---


def test_local_steps_of_one_are_none():
    assert trainer(None, local_steps=4)._local is None
    assert run_ranks(2, lambda world: trainer(world)._local) == [None, None]


@pytest.mark.parametrize("every", [2, 4, 100])
def test_ranks_of_local_sgd_agree_after_every_epoch(every):
    """Else the check after the epoch would refuse them; and they learn."""
    found = run_ranks(3, lambda world: trained(world, local_steps=every, norm=False))
    assert found[0] == found[1] == found[2]
    assert found[0][0][-1][1] < found[0][0][0][1]
    assert found[0] != trained(None, norm=False)


def test_local_sgd_is_steps_of_its_own_and_a_mean():
    """By hand: two networks, each on every second image of a batch, and the mean of parameters and moments after two steps."""

    def work(world):
        net, optimizer = network(norm=False), SGD(0.1, momentum=0.9)
        local = LocalSteps(world, 2)
        for step in range(1, 5):
            index = local.mine(np.arange(64 * step, 64 * step + 64))
            net.score_and_grads(CrossEntropy(), PIXELS, DIGITS.train_labels, index)
            optimizer.step(net)
            if local.due(step, last=False):
                local.average(net, optimizer)
        return net.params.flat.copy(), optimizer.moments["velocity"].copy()

    nets, optimizers = [network(norm=False) for _ in range(2)], [SGD(0.1, momentum=0.9) for _ in range(2)]
    for step in range(1, 5):
        for rank in range(2):
            index = np.arange(64 * step + rank, 64 * step + 64, 2)
            nets[rank].score_and_grads(CrossEntropy(), PIXELS, DIGITS.train_labels, index)
            optimizers[rank].step(nets[rank])
        if step % 2 == 0:
            for arrays in ([net.params.flat for net in nets], [each.moments["velocity"] for each in optimizers]):
                mean = (arrays[0] + arrays[1]) / np.float32(2)
                for array in arrays:
                    array[...] = mean
    for params, velocity in run_ranks(2, work):
        assert np.array_equal(params, nets[0].params.flat)
        assert np.array_equal(velocity, optimizers[0].moments["velocity"])


def test_batch_norm_of_local_sgd_goes_by_the_part_and_averages_running_statistics():
    """Shared steps go by the whole batch: the statistics are those of one process."""

    def work(world, shared):
        net, local = network(), LocalSteps(world, 1)
        batch = np.arange(64)
        index = batch if shared else local.mine(batch)
        net.score_and_grads(CrossEntropy(), PIXELS, DIGITS.train_labels, index, world=world if shared else None)
        before = net.state["N1.running_var"].copy()
        if not shared:
            optimizer = SGD(0.1)
            local.average(net, optimizer)
        return before, net.state["N1.running_var"].copy()

    whole = network()
    whole.score_and_grads(CrossEntropy(), PIXELS, DIGITS.train_labels, np.arange(64))
    for before, after in run_ranks(2, lambda world: work(world, True)):
        assert np.array_equal(before, whole.state["N1.running_var"])
        assert np.array_equal(after, before)
    (first, mean), (second, same) = run_ranks(2, lambda world: work(world, False))
    assert not np.array_equal(first, second)
    assert np.array_equal(mean, same)
    assert np.array_equal(mean, (first + second) / np.float32(2))
    parts = [network() for _ in range(2)]
    for rank, net in enumerate(parts):
        net.score_and_grads(CrossEntropy(), PIXELS, DIGITS.train_labels, np.arange(rank, 64, 2))
    assert np.array_equal(first, parts[0].state["N1.running_var"])


def test_figures_of_local_sgd_count_every_image_once():
    rows = run_ranks(3, lambda world: trainer(world, local_steps=4).fit())
    assert figures(rows[0]) == figures(rows[1]) == figures(rows[2])
    correct = [row.train_accuracy * 330 for row in rows[0]]
    assert all(abs(each - round(each)) < 1e-6 for each in correct)


def test_a_run_of_local_sgd_resumes_with_as_many_ranks_only(tmp_path):
    run_ranks(2, lambda world: trained(world, tmp_path, epochs=1, local_steps=4))
    expected = run_ranks(2, lambda world: trained(world, local_steps=4))
    assert run_ranks(2, lambda world: trained(world, tmp_path, resume=True, local_steps=4)) == expected
    with pytest.raises(CheckpointError, match="expected a run with ranks 3, got ranks 2"):
        run_ranks(3, lambda world: trained(world, tmp_path, resume=True, local_steps=4))


def test_more_ranks_than_images_share_an_image():
    found = run_ranks(4, lambda world: LocalSteps(world, 2).mine(np.array([7, 8, 9])).tolist())
    assert found == [[7], [8], [9], [7]]


def test_a_mean_is_that_of_all_ranks_in_their_order():
    def work(world):
        vector = np.random.default_rng(world.rank).standard_normal(11).astype("float32")
        Mean(world, vector)()
        return vector

    each = [np.random.default_rng(rank).standard_normal(11).astype("float32") for rank in range(3)]
    for found in run_ranks(3, work):
        assert np.array_equal(found, (each[0] + each[1] + each[2]) / np.float32(3))


def test_options_are_checked():
    with pytest.raises(ValueError, match="expected local_steps as a whole number of at least 1, got 0"):
        replace(TrainingOptions(1), local_steps=0)
