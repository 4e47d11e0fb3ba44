"""When an answer is rejected: rules that reject a few of the test digits in the package, and those that a network misreads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ...arrays import Array
from ...data.mnist import ImageDataset, load_mnist
from ...nn import LogSoftmax, Softmax
from ...nn.cross_entropy import CrossEntropy
from ...train.classifier import Classifier
from .reading import read

UNLIKE, CLOSE = 0.01, 0.02
"""The share of the test digits that each rule rejects: those least like any class, and those whose best two are closest."""

SAMPLES = 1
"""Sample digits of each class."""

MOST_MISREAD = 24
"""So many misread digits at most are shown."""


@cache
def package_digits() -> ImageDataset:
    """The 6,000 + 1,000 digits in the package."""
    return load_mnist(source="subset", log=lambda words: None)


@dataclass(frozen=True)
class Rules:
    """The limits of rejection. Scores are so signed that the largest wins.

    Attributes:
        least: an answer whose score is lower looks like no class.
        margin: an answer whose score is less above the second one looks like two.
    """

    least: float
    margin: float


@dataclass(frozen=True)
class Judge:
    """What the test digits tell of a network.

    Attributes:
        kind: what the numbers of its output are: "penalty", "probability" or "score".
        rules: None where its classes are not the ten digits, or its numbers not finite.
        accuracy: the share of the test digits that it reads; None where its classes are others.
        misread: for each digit that it misreads its number among the test digits, and how it is read.
    """

    kind: str
    rules: Rules | None
    accuracy: float | None
    misread: list[tuple[int, int]]

    def answer(self, outputs: Array) -> dict[str, object]:
        """The answer for one image: the best two classes, and why it is rejected.

        ``rejected`` is "unlike", "close", "infinite" if a number is not finite, as after a training that went astray, or "".
        """
        scores = shown(self.kind, outputs)
        signed = -scores if self.kind == "penalty" else scores
        best, second = (int(n) for n in np.argsort(-signed, kind="stable")[:2])
        if not np.isfinite(outputs).all():
            return {"best": best, "second": second, "score": None, "margin": None, "rejected": "infinite"}
        margin = float(signed[best] - signed[second])
        reason = ""
        if self.rules is not None and not signed[best] >= self.rules.least:
            reason = "unlike"
        elif self.rules is not None and not margin >= self.rules.margin:
            reason = "close"
        return {"best": best, "second": second, "score": float(scores[best]), "margin": margin, "rejected": reason}


def kind_of(model: Classifier) -> str:
    """What the numbers of a classifier's output are."""
    last = next(placed.layer for placed in model.net.layers if placed.name == model.net.outputs[0])
    if last.least_wins:
        return "penalty"
    if isinstance(last, Softmax | LogSoftmax) or isinstance(model.loss, CrossEntropy):
        return "probability"
    return "score"


def shown(kind: str, outputs: Array) -> Array:
    """The output (D,) of a network as it is shown: logits as probabilities."""
    values = outputs.astype(np.float64)
    if kind != "probability" or (abs(values.sum() - 1) < 1e-4 and values.min() >= 0):
        return values
    if not np.isfinite(values).all():
        return values
    weights = np.exp(values - values.max())
    return np.asarray(weights / weights.sum())


def judged(model: Classifier) -> Judge:
    """Read the test digits in the package."""
    kind, names = kind_of(model), [str(name) for name in np.asarray(model.classes)]
    if names != list("0123456789"):
        return Judge(kind, None, None, [])
    digits = package_digits()
    outputs = np.stack([shown(kind, each) for each in model.net.predict(read(model, digits.test_images))])
    signed = -outputs if kind == "penalty" else outputs
    second, best = np.partition(signed, -2, axis=1)[:, -2:].T
    rules = None
    if np.isfinite(outputs).all():
        rules = Rules(float(np.quantile(best, UNLIKE)), float(np.quantile(best - second, CLOSE)))
    said = signed.argmax(axis=1)
    wrong = np.flatnonzero(said != digits.test_labels)
    return Judge(kind, rules, 1 - len(wrong) / len(said), [(int(n), int(said[n])) for n in wrong[:MOST_MISREAD]])


def samples() -> list[int]:
    """The numbers of some test digits, each class in turn."""
    labels = package_digits().test_labels
    each = [np.flatnonzero(labels == digit)[:SAMPLES] for digit in range(10)]
    return [int(own[n]) for n in range(SAMPLES) for own in each]
