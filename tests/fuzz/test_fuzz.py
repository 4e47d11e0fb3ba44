"""Some thousand inputs for every reader: the corpus, and inputs made of it. ``run.py`` tries a million."""

import random
from importlib import import_module

import pytest
from damaged import damaged

from fuzz import corpus
from fuzz.drawn import Drawn
from fuzz.judged import Bounds, refused, traced
from fuzz.targets import NAMES

NEEDED = {"onnx_graphs": ("onnx", "onnxruntime"), "http_requests": ("starlette", "httptools", "PIL"), "pictures": ("PIL",)}
NEEDED |= dict.fromkeys(("safetensors_files", "model_files"), ("safetensors",))


def target_of(name):
    for package in NEEDED.get(name, ()):
        pytest.importorskip(package)
    return import_module(f"fuzz.targets.{name}")


def joined(inputs, rng):
    """The front of an input with the end of another one."""
    one, two = rng.choice(inputs), rng.choice(inputs)
    return one[: rng.randrange(len(one) + 1)] + two[rng.randrange(len(two) + 1) :]


@pytest.mark.parametrize("name", NAMES)
def test_a_reader_keeps_its_promises(name):
    target, rng = target_of(name), random.Random(0)
    inputs = sorted({*target.seeds(), *corpus.inputs(name)} - {b""})
    for data in inputs:
        target.check(data)  # what is made once is made before memory is measured
    bounds = Bounds(target)
    with traced():
        for data in inputs:
            bounds.check(data)
        for _ in range(target.QUICK):
            bounds.check(damaged(rng.choice(inputs), rng) if rng.random() < 0.7 else joined(inputs, rng)[: target.LONGEST])
    assert bounds.accepted, "expected some inputs to be accepted"
    assert bounds.refused, "expected some inputs to be refused"


@pytest.mark.parametrize("name", NAMES)
def test_the_corpus_is_small(name):
    assert sum(map(len, corpus.inputs(name))) <= 40_000


def test_bounds_are_kept_and_refusals_are_sentences():
    class Greedy:
        MOST_BYTES, SECONDS = 1000, 0.001

        @staticmethod
        def check(data):
            return len(bytes(data[0] << 20)) > 0 if data[0] < 9 else sum(range(10**6)) > 0

    with traced(), pytest.raises(AssertionError, match="expected at most 1,000 bytes, got 1,"):
        Bounds(Greedy).check(b"\1")
    with pytest.raises(AssertionError, match=r"expected at most 0\.001 s, got 0\."):
        Bounds(Greedy).check(b"\xff")
    assert refused(ValueError("who: expected this, got that; do so")) is False
    for said in ("expected a\nb; c", "no idea", "expected " + "x" * 2000 + "; y", "expected \x1b; c"):
        with pytest.raises(AssertionError):
            refused(ValueError(said))


def test_choices_are_drawn_from_bytes():
    rng = Drawn(bytes([0, 3, 0, 1, 128, 0, 0, 9]))
    assert (rng.randrange(10), rng.choice("ab"), rng.random(), rng.randint(5, 7), rng.randint(5, 7)) == (3, "b", 0.5, 5, 5)
