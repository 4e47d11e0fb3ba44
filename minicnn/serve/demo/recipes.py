"""The three networks that the page offers, and how they are trained where no weights are at hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...data.augmentations import RandomAffine
from ...data.pixels import Normalise
from ...data.preprocessing import Preprocessing
from ...models import lenet5, lenet5_1998, lenet5_modern
from ...network import Network
from ...nn.cross_entropy import CrossEntropy
from ...nn.losses import MSE, Loss
from ...nn.penalties import MAP
from ...optim import Adam
from ...train.classifier import Classifier

PAPER, TORCH = Normalise.between(-0.1, 1.175), Normalise.standard(0.1307, 0.3081)
EPOCHS, BATCH = 20, 32
AUGMENT = RandomAffine(10, translate=(0.06, 0.06), scale=(0.85, 1.15), shear=8)
"""Digits that are drawn stand less straight than MNIST's."""


@dataclass(frozen=True)
class Recipe:
    """A network with its training.

    Attributes:
        key: its name in requests and files.
        title: its name on the page.
        about: a sentence about it.
        build: makes the network on so many threads.
        loss: its loss.
        normalise: how grey levels become numbers.
        rate: the learning rate of Adam.
    """

    key: str
    title: str
    about: str
    build: Callable[[int], Network]
    loss: Loss
    normalise: Normalise
    rate: float

    def classifier(self, rate: float | None = None) -> Classifier:
        """A new classifier of the ten digits, untrained; the rate is the recipe's unless given."""
        optimizer = Adam(self.rate if rate is None else rate)
        made = Classifier(self.build(1), self.loss, optimizer, classes=range(10))
        made.preprocessing = Preprocessing(uint8=True, normalise=self.normalise)
        return made


RECIPES = (
    Recipe(
        "1998",
        "LeNet-5 of 1998",
        "The network of LeCun, Bottou, Bengio and Haffner, whose output is the distance of F6 from a picture of each digit.",
        lambda threads: lenet5_1998(threads=threads),
        MAP(10.0),
        PAPER,
        0.005,
    ),
    Recipe(
        "classic",
        "LeNet-5, dense output",
        "The same network up to F6, with ten ordinary output units.",
        lambda threads: lenet5(threads=threads),
        MSE(on=1, off=-1),
        PAPER,
        0.002,
    ),
    Recipe(
        "modern",
        "LeNet-5, modern",
        "As it is usually written today: ReLU, maxima in place of subsampling, all links in C3, and probabilities.",
        lambda threads: lenet5_modern(threads=threads),
        CrossEntropy(),
        TORCH,
        0.001,
    ),
)
