"""Many cores on one machine: lanes and slots say how many threads have work, and results follow from them alone."""

import numpy as np
import pytest

import minicnn as m
from minicnn.engine.balance import DEFAULT, Split, loads, recommended

BATCH_NORM = [("C1", m.Conv2d(4, 3)), m.BatchNorm2d(), m.ReLU(), m.MaxPool2d(2), ("F2", m.Dense(3))]
PLAIN = [("F1", m.Dense(3)), m.Tanh(), ("F2", m.Dense(2))]
THREADS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
SPLITS = (DEFAULT, Split(16, 64), Split(8, 8), Split(8, 12), Split(4, 16), Split(4, 64), Split(32, 8), Split(1, 64))


def plain(split, threads=1, **options):
    return m.Network(PLAIN, (4,), lanes=split.lanes, slots=split.slots, threads=threads, **options)


def batch(n):
    return np.random.default_rng(0).standard_normal((n, 4)), np.arange(n) % 2


def phases_of(net):
    """The phases of the schedule that was recorded last."""
    stages = [*net._runner._schedules.values()][-1][0].whole
    return [phase for stage in stages for phase in stage.phases]


def groups_in(task):
    return sum(len(range(*span)) for _, span in task.parts)


# --- how many threads have work: the schedule itself is counted ---


@pytest.mark.parametrize("split", SPLITS, ids=str)
@pytest.mark.parametrize("images", [32, 200, 512])
def test_the_schedule_gives_every_thread_the_groups_that_are_counted(split, images):
    """Groups are dealt to tasks whatever runs them, so no thread is started: the schedule is recorded, and not run."""
    for threads in THREADS:
        net = plain(split, threads)
        net._executor.run_schedule = lambda work: None
        net.loss_and_grads(m.MSE(), *batch(images))
        work, *sums = phases_of(net)
        assert [groups_in(task) for task in work] == loads(images, split, threads)
        assert sum(map(groups_in, work)) == -(-images // split.lanes)
        assert len(work) == min(threads, split.slots, -(-images // split.lanes))
        assert len(sums) == (min(split.slots, -(-images // split.lanes)) > 1)


@pytest.mark.parametrize(
    ("images", "split", "busy"),
    [
        (32, DEFAULT, {2: 2, 4: 2, 8: 2, 16: 2, 32: 2, 64: 2}),
        (32, Split(8, 8), {2: 2, 4: 4, 8: 4, 16: 4, 32: 4, 64: 4}),
        (32, Split(4, 8), {2: 2, 4: 4, 8: 8, 16: 8, 32: 8, 64: 8}),
        (1024, DEFAULT, {2: 2, 4: 4, 8: 8, 16: 8, 32: 8, 64: 8}),
        (1024, Split(16, 64), {2: 2, 4: 4, 8: 8, 16: 16, 32: 32, 64: 64}),
        (200, Split(8, 25), {2: 2, 4: 4, 8: 8, 16: 16, 32: 25, 64: 25}),
    ],
)
def test_threads_that_have_work(images, split, busy):
    """Batch 32 keeps two threads busy by default, and more of them with narrower groups; training more than eight."""
    assert {threads: len(loads(images, split, threads)) for threads in busy} == busy


@pytest.mark.parametrize("split", [DEFAULT, Split(4, 16)], ids=str)
def test_a_batch_with_barriers_is_dealt_in_the_same_way(split):
    images = 64
    for threads in THREADS:
        net = m.Network(BATCH_NORM, (1, 6, 6), lanes=split.lanes, slots=split.slots, threads=threads, backend="cpu")
        net._executor.run_schedule = lambda work: None
        net.loss_and_grads(m.CrossEntropy(), np.zeros((images, 1, 6, 6)), np.arange(images) % 3)
        sizes = [[groups_in(task) for task in phase] for phase in phases_of(net)]
        assert sizes.count(loads(images, split, threads)) >= 3  # before the first barrier, between, and behind the last


def test_predictions_use_as_many_threads_as_there_are_groups_whatever_the_slots():
    for split, tasks in ((Split(16, 1), 2), (Split(8, 1), 4), (Split(4, 1), 8)):
        net = plain(split, threads=64)
        net._executor.run_schedule = lambda work: None
        net.predict(batch(32)[0])
        assert len(phases_of(net)[-1]) == tasks


# --- results follow from lanes and slots, never from threads ---


def bits(net, x, target, loss):
    """What two steps come to."""
    optimizer, seen = m.SGD(0.1, momentum=0.9), []
    for _ in range(2):
        seen.append(net.loss_and_grads(loss, x, target))
        seen.append(net.grads.flat.tobytes())
        optimizer.step(net)
    return [*seen, net.params.flat.tobytes(), net.predict(x).tobytes(), net.evaluate(loss, x, target)]


def same_bits_on(threads, layers, shape, split, images):
    x = np.random.default_rng(1).standard_normal((images, *shape)).astype(np.float32)
    options = {"lanes": split.lanes, "slots": split.slots, "seed": 3}
    nets = [m.Network(layers, shape, threads=n, **options) for n in threads]
    one, *others = [bits(net, x, np.arange(images) % 2, m.CrossEntropy()) for net in nets]
    return all(other == one for other in others)


@pytest.mark.parametrize("split", SPLITS, ids=str)
def test_any_number_of_threads_gives_the_same_bits(split):
    assert same_bits_on((1, 2, 3), PLAIN, (4,), split, images=150)


def test_more_than_eight_threads_give_the_bits_of_one():
    assert same_bits_on((1, 12), PLAIN, (4,), Split(4, 16), images=70)


@pytest.mark.parametrize("split", [Split(8, 3), Split(4, 16)], ids=str)
def test_any_number_of_threads_gives_the_same_bits_where_groups_wait_for_each_other(split):
    assert same_bits_on((1, 2, 5), BATCH_NORM, (1, 6, 6), split, images=37)


def test_slots_change_the_order_of_sums_and_nothing_else():
    x, target = batch(200)
    nets = {split: plain(split, dtype="float64", seed=2) for split in SPLITS}
    for net in nets.values():
        net.loss_and_grads(m.MSE(), x, target)
    for net in nets.values():
        np.testing.assert_allclose(net.grads.flat, nets[DEFAULT].grads.flat, rtol=1e-12, atol=1e-15)
    assert (nets[Split(16, 64)].grads.flat != nets[DEFAULT].grads.flat).any()


def test_defaults_are_sixteen_lanes_and_eight_slots():
    """So a network that says nothing has the programs and the bits that it had when there was no choice."""
    said, unsaid = plain(Split(16, 8), seed=4), m.Network(PLAIN, (4,), threads=1, seed=4)
    assert (unsaid.lanes, unsaid.slots) == (16, 8) == DEFAULT
    assert str(said.program()) == str(unsaid.program())
    assert bits(said, *batch(200), m.MSE()) == bits(unsaid, *batch(200), m.MSE())


def test_a_handle_and_its_copies_have_the_same_split():
    net = plain(Split(8, 12))
    assert (net.share().lanes, net.share().slots) == (8, 12)


# --- what suits a machine ---


@pytest.mark.parametrize(
    ("images", "processors", "width", "split"),
    [
        (32, 1, 8, DEFAULT),
        (32, 2, 8, DEFAULT),
        (32, 4, 8, Split(8, 8)),
        (32, 16, 8, Split(8, 8)),
        (32, 16, 4, Split(4, 8)),
        (32, 16, 16, DEFAULT),
        (128, 16, 8, Split(8, 16)),
        (512, 8, 8, DEFAULT),
        (512, 16, 8, Split(16, 16)),
        (1024, 64, 8, Split(16, 64)),
        (512, 64, 8, Split(8, 64)),
        (1, 16, 8, DEFAULT),
    ],
)
def test_what_is_recommended(images, processors, width, split):
    assert recommended(images, processors, width) == split


@pytest.mark.parametrize("width", [4, 8, 16])
@pytest.mark.parametrize("images", [1, 17, 32, 100, 200, 500])
def test_what_is_recommended_is_never_slower_than_the_defaults_and_may_be_given(images, width):
    for processors in (1, *THREADS):
        split = recommended(images, processors, width)
        plain(split)

        def time(given, processors=processors):
            return max(loads(images, given, processors)) * max(given.lanes, width)

        assert time(split) <= time(DEFAULT)
        assert split == DEFAULT or time(split) < time(DEFAULT)
