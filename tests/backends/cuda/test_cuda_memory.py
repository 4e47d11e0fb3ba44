"""What crosses between host and device, and when: on a device that notes every transfer and computes nothing."""

import gc
import tracemalloc

import numpy as np
import pytest
from cuda_device import Idle

import minicnn as m
from minicnn import models
from minicnn.backends import cuda
from minicnn.backends.cuda.device.mirror import Mirror, mirror, owner_of, span, use, vector
from minicnn.data import Normalise, Pixels
from minicnn.train.checkpoint import load_weights, save_training, save_weights

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 28, 28)).astype(np.uint8)
CLASSES = np.arange(60) % 10
BATCH = np.arange(20)
NUMBERS = 128 + 8 * 20 + 8 * 20 + 16
"""What every step sends: a head of 128 bytes, the index and the labels of the batch, a cleared tally of loss and hits."""


@pytest.fixture
def device():
    idle = Idle()
    use(idle)
    yield idle
    use(None)


def modern():
    return models.lenet5_modern(backend="cuda")


def step(device, net, x, target=CLASSES, batch=BATCH, **options):
    """The log of one step."""
    device.log.clear()
    net.score_and_grads(m.CrossEntropy() if target.ndim == 1 else m.MSE(), x, target, batch, **options)
    return list(device.log)


def moved(log, what):
    return [size for name, size in log if name == what]


# --- a step ---


def test_with_the_images_on_the_device_a_step_sends_their_numbers_and_fetches_the_loss(device):
    net, x = modern(), Pixels(IMAGES, Normalise(scale=1.0, shift=0.0))
    first = step(device, net, x)
    assert IMAGES.nbytes in moved(first, "upload")
    again = step(device, net, x, batch=BATCH[::-1])
    assert sum(moved(again, "upload")) == NUMBERS
    assert moved(again, "download") == [16]


@pytest.mark.parametrize(
    "x", [IMAGES[:, None] / np.float32(255), Pixels(IMAGES, Normalise(scale=1.0, shift=0.0))], ids=["floats", "bytes"]
)
def test_images_that_do_not_stay_are_sent_a_batch_at_a_time(device, monkeypatch, x):
    monkeypatch.setattr(cuda.memory, "RESIDENT", 0)
    net, each = modern(), 28 * 28 * (4 if isinstance(x, np.ndarray) else 1)
    step(device, net, x)
    again = step(device, net, x, batch=BATCH + 7)
    assert sum(moved(again, "upload")) == NUMBERS + 20 * each
    assert moved(again, "download") == [16]


def test_vectors_as_targets_are_sent_a_batch_at_a_time(device):
    net, x = modern(), Pixels(IMAGES, Normalise(scale=1.0, shift=0.0))
    target = np.eye(10, dtype=np.float32)[CLASSES]
    step(device, net, x, target)
    assert sum(moved(step(device, net, x, target), "upload")) == NUMBERS - 8 * 20 + 20 * 40


def test_the_images_of_the_next_batch_are_sent_while_this_one_is_worked_on(device, monkeypatch):
    monkeypatch.setattr(cuda.memory, "RESIDENT", 0)
    net, x = modern(), Pixels(IMAGES, Normalise(scale=1.0, shift=0.0))
    batches = [BATCH, BATCH + 20, BATCH, BATCH + 20, BATCH + 40, BATCH]
    logs = [step(device, net, x, batch=a, then=b) for a, b in zip(batches, [*batches[1:], None], strict=True)]
    for log in logs[2:5]:  # both buffers exist
        names = [name for name, _ in log]
        assert names.index("launch") < names.index("async") < names.index("download")
        assert moved(log, "async") == [20 * 784]
        assert names.index("join") < names.index("launch")
        assert sum(moved(log, "upload")) == NUMBERS, "expected the images to be there already"
    assert not moved(logs[5], "async")
    for number, batch in ((0, 40), (1, 0)):  # the buffers that the last two batches were read from
        (buffers,) = net._runner._staging._known.values()
        buffer = buffers.pairs[1 - number][0][:20]
        there = mirror()._copies[id(owner_of(buffer))].block[: buffer.size]
        assert np.array_equal(there, IMAGES[batch : batch + 20].ravel())


def test_another_batch_than_was_announced_is_sent_anew(device, monkeypatch):
    monkeypatch.setattr(cuda.memory, "RESIDENT", 0)
    net, x = modern(), Pixels(IMAGES, Normalise(scale=1.0, shift=0.0))
    step(device, net, x, then=BATCH + 20)
    step(device, net, x, batch=BATCH + 20, then=BATCH + 40)
    log = step(device, net, x, batch=BATCH + 1)
    assert sum(moved(log, "upload")) == NUMBERS + 20 * 784


def test_a_step_of_an_optimiser_sends_and_fetches_nothing(device):
    net, adam = modern(), m.Adam()
    adam.step(net)
    device.log.clear()
    adam.step(net)
    assert device.log == [("launch", 0)]


def test_one_group_covers_a_batch_up_to_the_most(device):
    assert [cuda.BACKEND.memory.group_lanes(images) for images in (1, 32, 33, 512, 4096, 5000)] == [32, 32, 64, 512, 4096, 4096]
    net = modern()
    net.predict(np.zeros((33, 1, 28, 28)))
    assert {key[2] for key in net._runner._groups} == {64}


# --- what is the network's ---


def test_parameters_go_and_come_when_they_are_asked_for(device):
    net, x = modern(), Pixels(IMAGES, Normalise(scale=1.0, shift=0.0))
    step(device, net, x)
    block = mirror()._copies[id(owner_of(net.params.memory))].block
    size = owner_of(net.params.memory).nbytes
    device.log.clear()
    net.params["F6.b"][...] = 7
    assert moved(device.log, "download") == [size]
    log = step(device, net, x)
    assert moved(log, "upload").count(size) == 1
    at = span(net.params["F6.b"], owner_of(net.params.memory))
    net.params["F6.b"][...] = 0
    assert (block[slice(*at)].view(np.float32) == 7).all()
    step(device, net, x)
    assert size not in moved(step(device, net, x), "upload"), "expected the device copy to be written back once"
    block.view(np.float32)[:] = 3  # as a kernel would
    step(device, net, x)
    assert (net.params.flat == 3).all()


def test_checkpoints_hold_what_is_on_the_device(device, tmp_path):
    net, sgd = modern(), m.SGD(momentum=0.9)
    sgd.step(net)
    for number, array in enumerate((net.params.memory, *sgd._moments.values())):
        mirror()._copies[id(owner_of(array))].block.view(np.float32)[:] = 5 + number
    save_training(tmp_path / "all", net, sgd, {})
    save_weights(tmp_path / "weights", net, {})
    other = models.lenet5_modern(threads=1)
    for name in ("all", "weights"):
        load_weights(tmp_path / name, other)
        assert (other.params.flat == 5).all()
        other.params.flat[...] = 0
    assert (sgd.moments["velocity"] == 6).all()
    load_weights(tmp_path / "weights", net)
    sgd.step(net)
    assert (mirror()._copies[id(owner_of(net.params.memory))].block.view(np.float32) == 5).all()


def test_memory_does_not_grow_over_a_thousand_steps(device):
    net, adam, x = modern(), m.Adam(), Pixels(IMAGES, Normalise(scale=1.0, shift=0.0))
    loss = m.CrossEntropy()

    def steps(count):
        for number in range(count):
            net.score_and_grads(loss, x, CLASSES, BATCH + number % 40)
            adam.step(net)
            device.log.clear()
        gc.collect()

    steps(3)
    before = device.used
    tracemalloc.start()
    steps(2)
    here = tracemalloc.get_traced_memory()[0]
    steps(1000)
    grown = tracemalloc.get_traced_memory()[0] - here
    tracemalloc.stop()
    assert device.used == before
    assert grown < 20_000


def test_memory_does_not_grow_with_the_kinds_of_batches(device):
    net, rng, used = modern(), np.random.default_rng(0), []
    for number in range(24):
        count = int(rng.integers(1, 300))
        x = rng.standard_normal((count, 1, 28, 28), dtype=np.float32)
        net.score_and_grads(m.CrossEntropy(), x, np.zeros(count, int))
        if number % 2:
            net.predict(x)
        del x
        gc.collect()
        used.append(device.used)
    assert max(used[12:]) <= 1.2 * max(used[:12])


def test_memory_of_a_network_is_freed_with_it(device):
    left = []
    for _ in range(2):
        net = modern()
        net.score_and_grads(m.CrossEntropy(), Pixels(IMAGES, Normalise(scale=1.0, shift=0.0)), CLASSES)
        used, parameters = device.used, net.params.flat.nbytes
        del net
        gc.collect()
        left.append(device.used)
    assert left[1] == left[0], "expected the memory for partial sums to stay, which other networks share, and nothing else"
    assert used - left[1] > 4 * parameters


# --- copies ---


def test_views_of_one_array_have_one_twin(device):
    a = np.arange(24.0).reshape(4, 6)
    copies = Mirror(device)
    copies.push(a[1:3], a[:, 2:4])
    assert len(copies._copies) == 1
    assert moved(device.log, "upload") == [192, 8 * (3 * 6 + 2)], "expected the whole once, then a span"
    a[...] = 0
    copies.pull(a[:, 2:4])
    assert a.ravel()[2:22].tolist() == [*range(2, 22)]
    assert not a.ravel()[:2].any()
    assert not a.ravel()[22:].any()


def test_a_vector_spans_rows_that_lie_apart():
    a = np.arange(24.0).reshape(4, 6)
    assert vector(a[1:3, 2:4]).tolist() == [*range(8, 16)]
    assert span(a[1:3, 2:4], a) == (64, 128)


def test_a_twin_goes_with_its_array(device):
    copies = Mirror(device)
    a = np.zeros(1000)
    copies.push(a)
    assert device.used == 8000
    del a
    gc.collect()
    assert device.used == 0
    assert not copies._copies


def test_what_is_not_on_the_device_is_not_fetched(device):
    a = np.ones(3)
    mirror().pull(a)
    mirror().sync_to_host(a)
    assert a.tolist() == [1, 1, 1]
    assert not device.log
