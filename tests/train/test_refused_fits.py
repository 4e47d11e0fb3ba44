"""A fit that is refused changes nothing: a later one is as if it had been the first."""

import re

import numpy as np
import pytest

import minicnn as m
from minicnn import train
from minicnn.data import RandomFlip
from minicnn.optim.plateau import ReduceOnPlateau

RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.integers(0, 256, (20, 4, 4), np.uint8), np.array(["a", "b"] * 10)
FLOATS = IMAGES / np.float32(255)
HOLED = FLOATS.copy()
HOLED[3, 1, 1] = np.nan


def classifier(kind=m.Classifier, outputs=2):
    layers = [m.Flatten(), m.Dropout(0.2), m.BatchNorm1d(), ("F", m.Dense(outputs))]
    return kind(m.Network(layers, (1, 4, 4), threads=1, backend="numpy", seed=3))


def state(made):
    """Everything that training changes."""
    arrays = (made.net.params.flat, *made.net.state.values(), *made.optimizer.moments.values())
    known = made.preprocessing, made._learned, len(made.history), made.net.steps, made.optimizer.lr
    return [array.tobytes() for array in arrays], known


class Refusing(train.Callback):
    def on_fit_start(self, trainer):
        raise m.OptionError("Refusing", "expected nothing", "leave it out")


def balanced(weight):
    return {"class_weight": weight}


REFUSED = {
    "labels of another number": ((IMAGES, LABELS[:7]), {}),
    "labels of three classes": ((IMAGES, np.arange(20) % 3), {}),
    "labels that are no numbers": ((IMAGES, np.full(20, np.nan)), {}),
    "no labels": ((IMAGES, None), {}),
    "images of another shape": ((IMAGES[:, :3], LABELS), {}),
    "images of another kind": ((IMAGES.astype(complex), LABELS), {}),
    "images with a hole": ((HOLED, LABELS), {}),
    "ragged images": (([[1], [1, 2]], LABELS), {}),
    "weight that is none": ((IMAGES, LABELS), balanced("x")),
    "weight that is no number": ((IMAGES, LABELS), balanced([1, np.nan])),
    "weight below 0": ((IMAGES, LABELS), balanced([1, -1])),
    "validation of a share above 1": ((IMAGES, LABELS), {"validation": 2}),
    "validation of other classes": ((IMAGES, LABELS), {"validation": (IMAGES, ["c"] * 20)}),
    "validation with a hole": ((FLOATS, LABELS), {"validation": (HOLED, LABELS)}),
    "no epochs": ((IMAGES, LABELS), {"epochs": 0}),
    "no callback": ((IMAGES, LABELS), {"callbacks": [1]}),
    "a callback that refuses": ((IMAGES, LABELS), {"callbacks": [Refusing()]}),
    "a callback that needs validation": ((IMAGES, LABELS), {"callbacks": [train.EarlyStopping()], "validation": None}),
    "a plateau that needs validation": ((IMAGES, LABELS), {"plateau": ReduceOnPlateau(), "validation": None}),
    "a folder that cannot be": ((IMAGES, LABELS), {"folder": "/proc/nowhere/x"}),
    "augmentation of floats": ((FLOATS, LABELS), {"augment": [RandomFlip()]}),
    "a log that is none": ((IMAGES, LABELS), {"log": 3}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refused_fit_leaves_a_classifier_as_it_was(case):
    given, options = REFUSED[case]
    made = classifier()
    before = state(made)
    with pytest.raises(m.MinicnnError):
        made.fit(*given, **({"log": None, "epochs": 2} | options))
    assert state(made) == before
    assert made.classes is None
    plain = classifier().fit(IMAGES, LABELS, log=None, epochs=2)
    assert state(made.fit(IMAGES, LABELS, log=None, epochs=2)) == state(plain)
    with pytest.raises(m.MinicnnError):  # and a trained one
        made.fit(*given, **({"log": None, "epochs": 2} | options))
    assert state(made) == state(plain)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_targets_and_images_that_are_not_finite_are_refused(bad):
    made, targets = classifier(m.Regressor, 1), np.linspace(0, 1, 20)
    before, wrong = state(made), targets.copy()
    wrong[5] = bad
    words = "targets: expected finite numbers, got others; leave these images out, or clean the targets"
    with pytest.raises(m.DataError, match=f"^{re.escape(words)}$"):
        made.fit(FLOATS, wrong, log=None)
    assert state(made) == before
    made.fit(FLOATS, targets, log=None, epochs=1)
    before, images = state(made), FLOATS.copy()
    images[7, 0, 0] = bad
    with pytest.raises(m.DataError, match=r"^images: expected finite numbers, got others; clean the images$"):
        made.fit(images, targets, log=None)
    assert state(made) == before


def test_a_log_that_is_no_function_is_refused():
    with pytest.raises(
        m.OptionError, match=r"^Trainer: expected log as a function, got int; give for example log=print, or log=None"
    ):
        classifier().fit(IMAGES, LABELS, log=3)


TRAINER = {
    "targets of another number": ({"targets": np.arange(7) % 2}, {}),
    "a target outside": ({"targets": np.arange(20) % 3}, {}),
    "images of another shape": ({"images": FLOATS[:, None, :3]}, {}),
    "weights of another number": ({"weight": np.ones(3)}, {}),
    "weights that are no numbers": ({"weight": np.full(20, np.nan)}, {}),
    "a callback that refuses": ({}, {"callbacks": [Refusing()]}),
    "a callback that needs validation": ({}, {"callbacks": [train.EarlyStopping()]}),
}


@pytest.mark.parametrize("average", [None, 0.9])
@pytest.mark.parametrize("case", TRAINER)
def test_a_refused_fit_leaves_network_and_optimiser_as_they_were(case, average):
    data, options = TRAINER[case]
    good = {"images": FLOATS[:, None], "targets": np.arange(20) % 2}
    made = classifier()
    before, run = state(made), train.TrainingOptions(2, 8, average=average)
    with pytest.raises(m.MinicnnError):
        train.Trainer(
            made.net, m.CrossEntropy(), made.optimizer, run, train.Dataset(**(good | data)), log=None, **options
        ).fit()
    assert state(made) == before
    plain = classifier()
    for each in (made, plain):
        train.Trainer(each.net, m.CrossEntropy(), each.optimizer, run, train.Dataset(**good), log=None).fit()
    assert state(made) == state(plain)
