"""Images of a file are fetched a window ahead; results are those of an array in memory."""

import mmap
import time
from itertools import pairwise

import numpy as np
import pytest

from minicnn import SGD, Conv2d, CrossEntropy, Dense, Network, ReLU
from minicnn.data import Normalise, Pixels, read_idx
from minicnn.train import Dataset, Trainer, TrainingOptions, read_ahead
from minicnn.train.read_ahead import ReadAhead, fetch, mapped, runs

IMAGES = np.random.default_rng(0).integers(0, 256, (700, 12, 12)).astype(np.uint8)
LABELS = np.arange(700) % 3


@pytest.fixture
def saved(tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    (tmp_path / "images").write_bytes(np.array([0x0803, 700, 12, 12], ">u4").tobytes() + IMAGES.tobytes())
    return tmp_path


def trained(images, block=10):
    net = Network([Conv2d(2, 3), ReLU(), Dense(3)], (1, 12, 12), seed=1, threads=1)
    source = images if isinstance(images, dict) else Pixels(images, Normalise.between(0, 1))
    trainer = Trainer(
        net, CrossEntropy(), SGD(0.1), TrainingOptions(2, 32, shuffle_block=block), Dataset(source, LABELS), log=None
    )
    trainer.fit()
    return net.params.flat.copy()


def test_a_file_gives_the_bits_of_memory(saved):
    expected = trained(IMAGES)
    assert np.array_equal(trained(np.load(saved / "images.npy", mmap_mode="r")), expected)
    assert np.array_equal(trained(read_idx(saved / "images", memory_map=True)), expected)


def test_the_place_of_images_in_a_file_is_found(saved):
    for array in (np.load(saved / "images.npy", mmap_mode="r"), read_idx(saved / "images", memory_map=True)):
        for images in (array, Pixels(array, Normalise.between(0, 1)), array[5:9]):
            found = mapped(images)
            first = getattr(images, "images", images)[0]
            assert found.memory[found.start : found.start + found.size] == first.tobytes()
            assert found.size == 144


def test_where_no_file_is_mapped_nothing_is_fetched(saved):
    strided = np.load(saved / "images.npy", mmap_mode="r")[:, ::2]
    for images in (IMAGES, strided, {"a": IMAGES}, object()):
        assert ReadAhead(Dataset(images, LABELS), 10)._thread is None
    file = np.load(saved / "images.npy", mmap_mode="r")
    assert ReadAhead(Dataset(file, LABELS), None)._thread is None
    assert ReadAhead(Dataset({"a": file}, LABELS), 10)._thread is not None


def test_each_window_is_fetched_once_and_one_ahead(saved, monkeypatch):
    asked = []
    monkeypatch.setattr(read_ahead, "fetch", lambda files, numbers, last: asked.append((numbers.tolist(), last)))
    ahead = ReadAhead(Dataset(np.load(saved / "images.npy", mmap_mode="r"), LABELS), 10)
    order = np.arange(700)[::-1]

    def after(first):
        ahead.before(order, first)
        time.sleep(0.05)
        return len(asked)

    assert [after(first) for first in (0, 32, 128, 160, 192, 320, 480, 640)] == [2, 2, 2, 3, 3, 4, 5, 5]
    assert [number for numbers, _ in asked for number in numbers] == order.tolist()
    assert [last for _, last in asked] == [False] * 4 + [True]
    assert after(0) == 7, "expected another epoch to begin anew"
    assert after(480) == 9, "expected a run that is resumed to begin where it is"
    assert asked[-2][0] == order[480:640].tolist()


def test_pages_are_asked_for_before_any_is_waited_for():
    class File(bytearray):
        def madvise(self, *given):
            said.append(given)

    said, file = [], File(40 * mmap.PAGESIZE)
    fetch([read_ahead.Mapped(file, 100, 784)], np.array([40, 0, 41]), False)
    page = mmap.PAGESIZE
    assert said == [(mmap.MADV_RANDOM,), (mmap.MADV_WILLNEED, 0, 884), (mmap.MADV_WILLNEED, 7 * page, 33028 - 7 * page)]
    fetch([read_ahead.Mapped(file, 100, 784)], np.array([0]), True)
    assert said[3] == (mmap.MADV_NORMAL,)


def test_runs_hold_every_image():
    numbers = np.sort(np.random.default_rng(1).choice(5000, 300, replace=False))
    pieces = [*runs(numbers, 16, 784)]
    for number in numbers:
        assert any(begin <= 16 + number * 784 and 16 + (number + 1) * 784 <= end for begin, end in pieces)
    assert all(begin % mmap.PAGESIZE == 0 for begin, _ in pieces)
    assert all(second > end for (_, end), (second, _) in pairwise(pieces))
