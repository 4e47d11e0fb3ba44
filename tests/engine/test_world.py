"""Ranks that share batches: the same bits as one process, whatever the ranks, threads and batch; here as threads."""

import hashlib
import re
from functools import cache

import numpy as np
import pytest

from minicnn import (
    MSE,
    SGD,
    BackendError,
    BatchNorm2d,
    Conv2d,
    CrossEntropy,
    Dense,
    Dropout,
    GlobalAvgPool2d,
    MaxPool2d,
    Network,
    OptionError,
    ReLU,
    ScaledTanh,
)
from minicnn.engine.accumulate import SLOTS
from minicnn.engine.exchange import check
from minicnn.engine.lots import lots
from minicnn.engine.world import Alone, cut
from minicnn.testing.ranks import run_ranks

RNG = np.random.default_rng(0)
X = RNG.standard_normal((400, 1, 12, 12)).astype("float32")
LABELS = RNG.integers(0, 5, 400)

PLAIN = [("C", Conv2d(4, 3)), ScaledTanh(), MaxPool2d(2), ("F", Dense(5))]
NORMALISED = [
    *[("C1", Conv2d(4, 3, bias=False)), ("N1", BatchNorm2d()), ReLU(), MaxPool2d(2)],
    *[("C2", Conv2d(6, 3)), ("N2", BatchNorm2d()), ReLU(), Dropout(0.3), GlobalAvgPool2d(), ("F", Dense(5))],
]
NETWORKS = {"plain": PLAIN, "batch norm": NORMALISED}


def trained(name, batch, threads, world=None, steps=3, backend="cpu", part=None):
    """The bits of parameters and statistics after some steps, the last of a smaller batch, and the scores."""
    net = Network(NETWORKS[name], (1, 12, 12), threads=threads, seed=1, backend=backend)
    optimizer, order, scores = SGD(0.05, momentum=0.9), np.random.default_rng(2).permutation(400), []
    for step in range(steps):
        index = order[step * batch : (step + 1) * batch] if step < steps - 1 else order[:21]
        scores.append(net.score_and_grads(CrossEntropy(), X, LABELS, index % 400, part=part, world=world))
        optimizer.step(net)
    scores.append(net.evaluate(CrossEntropy(), X, LABELS, np.arange(100), world=world))
    found = [net.params.flat, *net.state.values(), *optimizer.moments.values()]
    return hashlib.sha256(b"".join(each.tobytes() for each in found)).hexdigest(), scores


@cache
def alone(name, batch, part=None):
    return trained(name, batch, 1, part=part)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("batch", [32, 128, 200])
@pytest.mark.parametrize(("ranks", "threads"), [(2, 1), (3, 1), (3, 2), (4, 1), (8, 1)])
def test_ranks_give_the_bits_of_one_process(name, batch, ranks, threads):
    for found in run_ranks(ranks, lambda world: trained(name, batch, threads, world)):
        assert found == alone(name, batch)


def test_a_world_of_one_is_one_process():
    assert trained("batch norm", 32, 1, Alone()) == alone("batch norm", 32)
    assert run_ranks(1, lambda world: trained("plain", 32, 1, world)) == [alone("plain", 32)]


def test_the_order_of_the_slots_matters_to_the_bits():
    """Else the tests above could not fail: with each rank's own sums first the bits are others, and the numbers the same."""
    exact, found = alone("plain", 200), run_ranks(2, lambda world: trained("plain", 200, 1, world), exact=False)
    assert found[0] == found[1]
    assert found[0][0] != exact[0]
    for ours, theirs in zip(found[0][1], exact[1], strict=True):
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-5)
        assert ours[1:] == theirs[1:]


@pytest.mark.parametrize("ranks", [3, 10])
@pytest.mark.parametrize("name", NETWORKS)
def test_any_number_of_ranks_may_add_in_any_order(name, ranks):
    """Also more than there are slots or groups: those without a group add zeros."""
    found = run_ranks(ranks, lambda world: trained(name, 128, 1, world), exact=False)
    assert len({digest for digest, _ in found}) == 1
    for ours, theirs in zip(found[-1][1], alone(name, 128)[1], strict=True):
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-4)
        assert ours.images == theirs.images


@pytest.mark.parametrize("name", NETWORKS)
def test_parts_of_a_batch_are_shared_too(name):
    for found in run_ranks(3, lambda world: trained(name, 128, 1, world, part=48)):
        assert found == alone(name, 128, 48)


def test_the_numpy_backend_shares_batches():
    expected = trained("batch norm", 32, 1, backend="numpy")
    for found in run_ranks(2, lambda world: trained("batch norm", 32, 1, world, backend="numpy")):
        assert found == expected


def test_every_group_is_done_once():
    for groups in range(1, 40):
        for size in range(1, SLOTS + 3):
            for exact in (True, False):
                if exact and size > SLOTS:
                    continue
                worlds = run_ranks(size, lambda world: world, exact)
                done = [
                    n for world in worlds for lot in lots(groups, world, SLOTS) for n in range(lot.first, groups, lot.stride)
                ]
                assert sorted(done) == list(range(groups))
                assert all(lot.slot < min(SLOTS, groups) for world in worlds for lot in lots(groups, world, SLOTS))


class Counting:
    """Images that note which of them a rank's kernels load."""

    fixed = False
    shape = X.shape

    def __init__(self):
        self.seen = []

    def load(self, k, index, lanes, x):
        def note(index, lanes, x):
            self.seen += index[: lanes[0]].tolist()
            x[..., : lanes[0]] = np.moveaxis(X[index[: lanes[0]]], 0, -1)
            x[..., lanes[0] :] = 0

        k.call(note, index, lanes, x)


def test_an_image_of_a_batch_is_loaded_by_one_rank():
    def work(world):
        images = Counting()
        net = Network(PLAIN, (1, 12, 12), threads=1, backend="numpy")
        net.score_and_grads(CrossEntropy(), images, LABELS, np.arange(100, 300), world=world)
        return images.seen

    found = run_ranks(3, work)
    assert all(found)
    assert sorted(image for seen in found for image in seen) == list(range(100, 300))


def test_an_image_alone_has_the_bits_of_one_process_on_every_rank():
    def grads(world):
        net = Network(PLAIN, (1, 12, 12), threads=1, seed=1)
        net.score_and_grads(CrossEntropy(), X, LABELS, [7], world=world)
        return net.grads.flat.tobytes()

    assert set(run_ranks(3, grads)) == {grads(None)}


def test_outputs_weights_and_vectors_are_shared():
    def grads(world):
        items = [("C", Conv2d(4, 3)), ("r", ReLU()), ("a", Dense(5), "r"), ("b", Dense(2), "r")]
        net = Network(items, (1, 12, 12), outputs=("a", "b"), threads=1, seed=1)
        target = {"a": LABELS, "b": X.reshape(400, -1)[:, :2].copy()}
        score = net.score_and_grads({"a": CrossEntropy(), "b": MSE()}, X, target, weight=np.arange(400) % 3, world=world)
        return net.grads.flat.tobytes(), score

    assert run_ranks(2, grads) == [grads(None)] * 2


def test_more_ranks_than_slots_are_refused_in_words():
    message = "world: expected at most 8 ranks, as many as there are gradient slots, got 9; "
    message += "start fewer ranks, give more slots, or let plain Allreduce add, by exact=False"
    with pytest.raises(OptionError, match=f"^{re.escape(message)}$"):
        run_ranks(9, lambda world: trained("plain", 32, 1, world))


def test_a_backend_on_a_device_is_refused_in_words():
    message = "world: expected a backend whose kernels work in the memory of the host, got one on a device; "
    message += 'give backend="cpu"'
    with pytest.raises(BackendError, match=f"^{re.escape(message)}$"):
        check(Alone(), SLOTS, object())


def test_the_error_of_a_rank_ends_all():
    def work(world):
        if world.rank == 2:
            raise ValueError("rank two")
        return trained("plain", 32, 1, world)

    with pytest.raises(ValueError, match="rank two"):
        run_ranks(3, work)


def test_parts_of_a_vector_cover_it():
    for world in run_ranks(3, lambda world: world):
        assert cut(10, world) == [slice(0, 3), slice(3, 6), slice(6, 10)]
    calls = Alone().link([], []), Alone().total(np.ones(3))
    assert [call() for call in calls] == [None, None]
