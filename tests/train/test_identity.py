"""What makes two runs the same: everything that shapes a result, told in words where it differs."""

import functools
import json
from dataclasses import dataclass
from enum import Enum

import numpy as np
import pytest

from minicnn import (
    MAP,
    MSE,
    SGD,
    Adam,
    AdamW,
    CheckpointError,
    Conv2d,
    CrossEntropy,
    Dense,
    Flatten,
    Network,
    ParameterGroup,
    ReLU,
)
from minicnn.data import Affine, Distorted, Elastic, Normalise, Pixels
from minicnn.nn.losses import Loss
from minicnn.optim.averaging import ParameterAverage
from minicnn.optim.schedules import Cosine, LinearWarmUp, OneCycle
from minicnn.train import identity
from minicnn.train.run_identity import completed

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 28, 28), np.uint8)


def pixels(images=IMAGES, **options):
    return Pixels(images, **{"normalise": Normalise(scale=1, shift=0), "size": 32} | options)


def changed():
    images = IMAGES.copy()
    images[5, 27, 27] ^= 1
    return images


def net(units=3, dtype="float32", lanes=16, slots=8, seed=0, **conv):
    layers = [("C1", Conv2d(2, 3, **conv)), ReLU(), Flatten(), ("F1", Dense(units))]
    return Network(layers, (1, 8, 8), dtype=dtype, lanes=lanes, slots=slots, threads=1, seed=seed)


def frozen(subject):
    subject.freeze("C1")
    return subject


@dataclass(frozen=True)
class Weighted(Loss):
    """A loss whose state is no field of a dataclass,"""

    def __init__(self, weights):
        object.__setattr__(self, "_weights", weights)


class Slotted:
    __slots__ = ("_a",)

    def __init__(self, a):
        self._a = a


class Halving:
    def __call__(self, step, total):
        return 0.5**step


class Thirds:
    def __call__(self, step, total):
        return 3.0**-step


class Cached:
    def __init__(self, a):
        self.a = a

    @functools.cached_property
    def twice(self):
        return 2 * self.a


class Colour(Enum):
    RED = 1
    BLUE = 2


def power(base):
    return lambda step, total: base**step


def power_again(base):
    return lambda step, total: base**step


DIFFER = [
    (MSE(), MSE(on=1, off=-1)),
    (MSE(), CrossEntropy()),
    (CrossEntropy(), CrossEntropy(0.1)),
    (MAP(1.0), MAP(10.0)),
    (Weighted(np.ones(3)), Weighted(np.zeros(3))),
    (Slotted(1), Slotted(2)),
    (Halving(), Thirds()),
    (SGD(0.1), SGD(0.1, momentum=0.9)),
    (SGD(0.1, momentum=0.9), SGD(0.1, momentum=0.9, nesterov=True)),
    (SGD(0.1), SGD(0.1, weight_decay=1e-4)),
    (Adam(), AdamW(weight_decay=0.0)),
    (SGD(), SGD(groups=[ParameterGroup("C1", lr_factor=0.1)])),
    (SGD(groups=[ParameterGroup("C1", lr_factor=0.1)]), SGD(groups=[ParameterGroup("C1", lr_factor=0.2)])),
    (ParameterAverage(SGD(), 0.9), ParameterAverage(SGD(groups=[ParameterGroup(kinds="bias", weight_decay=0)]), 0.9)),
    (Adam(), Adam(betas=(0.9, 0.99))),
    (Adam(), Adam(eps=1e-7)),
    (ParameterAverage(Adam(), 0.9), ParameterAverage(AdamW(weight_decay=0.0), 0.9)),
    (ParameterAverage(Adam(), 0.9), ParameterAverage(Adam(), 0.99)),
    (ParameterAverage(SGD(), 0.9), ParameterAverage(SGD(momentum=0.9), 0.9)),
    (OneCycle(), Cosine()),
    (OneCycle(), OneCycle(pct_start=0.2)),
    (LinearWarmUp(), LinearWarmUp(then=Cosine())),
    (power(0.5), power(0.25)),
    (lambda step, total: 0.5, lambda step, total: 0.25),
    (lambda step, total, a=1: a, lambda step, total, a=2: a),
    (functools.partial(pow, 2), functools.partial(pow, 3)),
    (str.upper, str.lower),
    (max, min),
    (Colour.RED, Colour.BLUE),
    (pixels(), pixels(changed())),
    (pixels(), pixels(IMAGES[::-1])),
    (pixels(), pixels(normalise=Normalise(scale=1, shift=1))),
    (pixels(), pixels(fit="resize")),
    (pixels(), pixels(size=34)),
    (Distorted(pixels()), Distorted(pixels(changed()))),
    (Distorted(pixels()), Distorted(pixels(), Affine(shift=1))),
    (Distorted(pixels()), Distorted(pixels(), elastic=Elastic(1))),
    (Distorted(pixels()), Distorted(pixels(), seed=1)),
    (np.zeros(4), np.zeros((2, 2))),
    (np.zeros(4), np.zeros(4, np.float32)),
    (np.array(["a", None], object), np.array(["b", None], object)),
    (net(), net(units=4)),
    (net(), frozen(net())),
    (net(), net(dtype="float64")),
    (net(), net(lanes=32)),
    (net(), net(slots=9)),
    (net(), net(padding=1)),
    (net(), net(algorithm="direct")),
    (net(), net(seed=1)),  # a network as a value has its parameters with it
    (b"a", b"b"),
    ({1, 2}, {1, 3}),
    (float("inf"), float("nan")),
    (None, 0),
]


@pytest.mark.parametrize(("one", "other"), DIFFER, ids=lambda value: type(value).__name__)
def test_what_acts_otherwise_is_described_otherwise(one, other):
    assert identity.describe(one) != identity.describe(other)


@pytest.mark.parametrize("value", [value for pair in DIFFER for value in pair], ids=lambda value: type(value).__name__)
def test_a_description_is_json_and_always_the_same(value):
    described = identity.describe({"value": value})
    assert json.loads(json.dumps(described, allow_nan=False)) == described == identity.describe({"value": value})


def test_what_does_not_shape_a_result_is_left_out():
    optimizer, subject = SGD(0.1, momentum=0.9), net()
    before = identity.describe(optimizer)
    optimizer.step(subject)
    optimizer.lr = 0.05
    assert identity.describe(optimizer) == before
    averaged = ParameterAverage(SGD(0.1), 0.9)
    before = identity.describe(averaged)
    averaged.lr = 0.05
    averaged.step(subject)
    assert identity.describe(averaged) == before
    assert identity.network(net(seed=1)) == identity.network(net())
    used, fresh = Cached(1), Cached(1)
    assert used.twice == 2
    assert identity.describe(used) == identity.describe(fresh)


def test_the_layout_of_an_array_in_memory_does_not_count(monkeypatch):
    monkeypatch.setattr(identity, "BLOCK", 1000)  # bytes: several where an array does not lie together
    big = np.random.default_rng(0).integers(0, 9, (40, 3, 7, 5))
    assert identity.describe(np.asfortranarray(big)) == identity.describe(big)
    assert identity.describe(big[:, ::2]) == identity.describe(big[:, ::2].copy()) != identity.describe(big[:, 1:])
    for empty in (np.zeros(()), np.zeros((0, 3)), np.zeros((3, 0))[:, ::2], np.array("2026-01-01", "datetime64[D]")):
        assert "SHA-256" in identity.describe(empty)
    labels = np.arange(3)
    assert identity.describe(identity.examples(IMAGES, labels.astype(np.uint8), [0])) == identity.describe(
        identity.examples(IMAGES.copy(), list(labels), np.array([0], np.int32))
    )


def test_an_array_that_occurs_twice_is_read_once(monkeypatch):
    read = []
    real = identity._hash
    monkeypatch.setattr(identity, "_hash", lambda array: read.append(array.shape) or real(array))
    identity.describe({"training": pixels(), "validation": Distorted(pixels())})
    assert read == [IMAGES.shape]


def test_objects_that_hold_each_other():
    one, other = Cached(None), Cached(None)
    one.a, other.a = other, one
    assert identity.describe(one) == {"class": "Cached", "a": {"class": "Cached", "a": "itself"}}


@pytest.mark.parametrize(
    ("here", "saved", "words"),
    [
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, "b 2, got b 3"),
        ({"a": 1}, {}, "a 1, got no a"),
        ({}, {"a": "x"}, "no a, got a 'x'"),
        ({"o": SGD(0.1)}, {"o": SGD(0.1, momentum=0.9)}, "o.momentum 0.0, got o.momentum 0.9"),
        (
            {"o": MSE()},
            {"o": CrossEntropy(0.5)},
            "o MSE(on=1.0, off=0.0), got o CrossEntropy(label_smoothing=0.5, weight=None, ignore_index=None)",
        ),
        ({"l": [1, {"a": 2}]}, {"l": [1, {"a": 3}]}, "l[1].a 2, got l[1].a 3"),
        ({"l": [1]}, {"l": [1, 2]}, "l [1], got l [1, 2]"),
        ({"l": "x\x1b[2J"}, {"l": "\n" * 200}, r"l 'x\x1b[2J', got l [...]"),
        ({"\n": 1}, {"\n": 2}, "1, got 2"),
    ],
)
def test_differences_are_reported_in_words(here, saved, words):
    with pytest.raises(CheckpointError) as caught:
        identity.check("last", identity.describe(here), identity.describe(saved), "start anew")
    assert str(caught.value) == f"last: expected a run with {words}; start anew"
    assert str(caught.value).isprintable()


def test_many_differences_are_counted():
    with pytest.raises(CheckpointError, match=r"with a 0, b 0, c 0, d 0, e 0, got a 1, .*, e 1 and 2 other differences; start"):
        identity.check("last", dict.fromkeys("abcdefg", 0), dict.fromkeys("abcdefg", 1), "start anew")
    identity.check("last", {"a": 1}, {"a": 1}, "start anew")
    with pytest.raises(CheckpointError, match="expected a run with"):
        identity.check("last", {"a": 1}, None, "start anew")


def test_runs_of_files_that_say_no_slots_had_as_many_as_networks_have_without_a_choice():
    assert completed({"network": {"lanes": 16}, "seed": 1}) == {"network": {"slots": 8, "lanes": 16}, "seed": 1}
    assert completed({"network": {"slots": 4}}) == {"network": {"slots": 4}}
    for damaged in ({"network": 3}, {}, [], None, "network"):
        assert completed(damaged) == damaged
