"""Gradients of several batches in one step: against PyTorch, and against the step of one batch."""

import re

import numpy as np
import pytest
import torch

from minicnn import MSE, SGD, BatchNorm1d, CrossEntropy, DataError, Dense, Dropout, Network, OptionError, Tanh
from minicnn.engine.parts import score_in_parts
from minicnn.train import Dataset, Trainer, TrainingOptions, checkpoint

WEIGHTS = (0.5, 2.0, 1.0)


def network(norm=True, dropout=False, backend="numpy", threads=1):
    layers = [("A", Dense(5)), *([("N", BatchNorm1d())] if norm else []), Tanh(), *([Dropout(0.5)] if dropout else [])]
    return Network([*layers, ("F", Dense(3))], (4,), threads=threads, dtype="float64", backend=backend, seed=1)


def data(count=37):
    rng = np.random.default_rng(3)
    return rng.standard_normal((count, 4)), rng.integers(0, 3, count)


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("loss", [CrossEntropy(), CrossEntropy(weight=WEIGHTS), MSE()], ids=["plain", "weights", "vectors"])
def test_parts_of_a_normalised_batch_are_pytorchs(backend, loss):
    """In PyTorch: backward of each part's share of the loss, one after another, before the step."""
    net, (x, labels) = network(backend=backend), data()
    order = np.random.default_rng(1).permutation(37)[:34]
    target = np.eye(3)[labels] if isinstance(loss, MSE) else labels
    parts = [torch.nn.Linear(4, 5), torch.nn.BatchNorm1d(5), torch.nn.Tanh(), torch.nn.Linear(5, 3)]
    twin = torch.nn.Sequential(*parts).double()
    for parameter, value in zip(twin.parameters(), net.params.values(), strict=True):
        parameter.data[...] = torch.from_numpy(value.copy())
    ours = net.loss_and_grads(loss, x, target, order, part=8)
    theirs, weight = (
        0.0,
        torch.tensor(WEIGHTS, dtype=torch.float64) if getattr(loss, "weight", None) else torch.ones(3).double(),
    )
    for first in range(0, 34, 8):
        chosen = order[first : first + 8]
        y, t = twin(torch.from_numpy(x[chosen])), torch.from_numpy(target[chosen])
        if isinstance(loss, MSE):
            share = ((y - t) ** 2).sum() / (34 * 3)
        else:
            share = (
                torch.nn.functional.cross_entropy(y, t, weight, reduction="sum") / weight[torch.from_numpy(labels[order])].sum()
            )
        share.backward()
        theirs += share.item()
    assert ours == pytest.approx(theirs, rel=1e-13)
    for (name, grad), parameter in zip(net.grads.items(), twin.parameters(), strict=True):
        np.testing.assert_allclose(grad, parameter.grad.numpy(), rtol=0, atol=1e-14, err_msg=name)
    np.testing.assert_allclose(net.state["N.running_mean"], twin[1].running_mean.numpy(), rtol=0, atol=1e-14)
    np.testing.assert_allclose(net.state["N.running_var"], twin[1].running_var.numpy(), rtol=0, atol=1e-14)
    assert net.state["N.num_batches_tracked"] == net.steps == 5


def test_bits_of_parts_do_not_depend_on_threads():
    nets = [network(backend="cpu", threads=threads) for threads in (1, 2)]
    for net in nets:
        net.score_and_grads(CrossEntropy(), *data(), part=17)
    np.testing.assert_array_equal(nets[0].grads.flat, nets[1].grads.flat)


@pytest.mark.parametrize("part", [1, 8, 36])
@pytest.mark.parametrize("loss", [CrossEntropy(weight=WEIGHTS), MSE()], ids=["classes", "vectors"])
def test_parts_without_a_normalisation_are_the_batch_to_rounding(part, loss):
    net, (x, labels) = network(norm=False), data()
    target = np.eye(3)[labels] if isinstance(loss, MSE) else labels
    whole = net.score_and_grads(loss, x, target)
    grads = net.grads.flat.copy()
    source, chosen, given = net._checked(loss, x, target, None)
    score, parts = score_in_parts(net._runner, net.grads, source, given, chosen, 0, part)
    assert parts == -(-37 // part)
    assert score.loss == pytest.approx(whole.loss, rel=1e-14)
    assert score[1:] == whole[1:]
    np.testing.assert_allclose(net.grads.flat, grads, rtol=0, atol=1e-15)


@pytest.mark.parametrize("make", [lambda: network(False), lambda: network(False, True)], ids=["plain", "dropout"])
def test_a_network_that_measures_nothing_runs_as_a_whole(make):
    """With the same bits, the random numbers of dropout among them."""
    nets = [make(), make()]
    scores = [net.score_and_grads(CrossEntropy(), *data(), part=part) for net, part in zip(nets, (None, 8), strict=True)]
    assert scores[0] == scores[1]
    np.testing.assert_array_equal(nets[0].grads.flat, nets[1].grads.flat)
    assert [net.steps for net in nets] == [1, 1]


def test_each_part_draws_dropout_anew():
    net = network(dropout=True)
    x, t = np.ones((4, 4)), np.ones((4, 3))
    net.freeze("A", "N")
    net.unfreeze("N")  # so that the parts are real ones
    losses = []
    for part in (2, None):
        net.params.flat[...] = 1
        net.params["N.W"][...] = 0
        net.steps = 0
        losses.append(net.loss_and_grads(MSE(), x, t, [0, 1] if part is None else None, part=part))
    assert losses[0] != losses[1]


def test_a_part_that_is_too_small_is_refused_before_anything_is_measured():
    net, (x, labels) = network(), data()
    with pytest.raises(DataError, match="expected a training batch of at least 2 images, got 1"):
        net.loss_and_grads(CrossEntropy(), x, labels, part=18)
    assert net.state["N.num_batches_tracked"] == net.steps == 0
    for wrong in (0, 1.5, True):
        words = f"Network: expected part as a whole number of at least 1, got {wrong!r}"
        with pytest.raises(OptionError, match=f"^{re.escape(words)}"):
            net.loss_and_grads(CrossEntropy(), x, labels, part=wrong)


def run(net, folder=None, epochs=2, optimizer=None, **options):
    x, labels = data(60)
    parts = Dataset(x, labels, np.arange(45)), Dataset(x, labels, np.arange(45, 60))
    settings = TrainingOptions(epochs, seed=3, folder=folder, **options)
    return Trainer(net, CrossEntropy(), optimizer or SGD(0.1, 0.9), settings, *parts, log=lambda line: None)


def test_a_run_of_accumulated_batches_is_that_of_large_ones_where_nothing_is_measured():
    runs = [run(network(False), batch_size=16), run(network(False), batch_size=8, accumulate=2)]
    for one in runs:
        one.fit()
        assert one.steps_per_epoch == 3
        assert one.optimizer.steps == 6
    np.testing.assert_array_equal(runs[0].net.params.flat, runs[1].net.params.flat)


def test_a_run_that_accumulates_measures_every_part_and_goes_on_with_the_same_bits(tmp_path):
    """Compiling before the first epoch, and after resuming, leaves no trace in the running statistics."""
    whole = run(network(), batch_size=8, accumulate=2)
    whole.fit()
    assert whole.net.state["N.num_batches_tracked"] == whole.net.steps == 2 * 6
    run(network(), tmp_path, epochs=1, batch_size=8, accumulate=2).fit()
    again = run(network(), tmp_path, batch_size=8, accumulate=2)
    again.fit(resume=True)
    np.testing.assert_array_equal(again.net.params.flat, whole.net.params.flat)
    for name, array in again.net.state.items():
        np.testing.assert_array_equal(array, whole.net.state[name])
    with pytest.raises(checkpoint.CheckpointError, match="expected a run with accumulate 3, got accumulate 2; "):
        run(network(), tmp_path, batch_size=8, accumulate=3).fit(resume=True)
    with pytest.raises(checkpoint.CheckpointError, match="expected a run with no accumulate, got accumulate 2; "):
        run(network(), tmp_path, batch_size=8).fit(resume=True)


def test_a_run_with_other_frozen_layers_is_refused(tmp_path):
    first = run(network(), tmp_path, epochs=1)
    first.net.freeze("A")
    first.fit()
    words = r"expected a run with no network\.layers\[0\]\.frozen, got network\.layers\[0\]\.frozen True;"
    with pytest.raises(checkpoint.CheckpointError, match=words):
        run(network(), tmp_path).fit(resume=True)
    subject = run(network(), tmp_path)
    subject.identity  # noqa: B018 — known before the layer is frozen
    subject.net.freeze("A")
    assert len(subject.fit(resume=True)) == 2


def test_the_option():
    assert TrainingOptions(1, 8, accumulate=3).step_size == 24
    for wrong in (0, True, 1.5):
        words = (
            f"TrainingOptions: expected accumulate as a whole number of at least 1, got {wrong!r}; give accumulate=1 or more"
        )
        with pytest.raises(OptionError, match=f"^{re.escape(words)}$"):
            TrainingOptions(1, accumulate=wrong)
