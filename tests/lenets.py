"""The three LeNets with recipes that between them use every loss and optimiser, on random digits."""

import numpy as np

import minicnn as m
from minicnn import models
from minicnn.data import Normalise, Pixels

DIGITS = np.random.default_rng(7).integers(0, 256, (30, 28, 28)).astype(np.uint8)
CLASSES = np.random.default_rng(8).integers(0, 10, 30)
LENETS = {
    "classic": (models.lenet5, Pixels(DIGITS, Normalise.between(-0.1, 1.175), 32), m.MSE(1, -1), lambda: m.SGD(0.1, 0.9)),
    "shared": (
        models.lenet5s,
        Pixels(DIGITS, Normalise.standard(0.1307, 0.3081), 32, "resize"),
        m.CrossEntropy(0.1),
        lambda: m.AdamW(1e-3),
    ),
    "modern": (
        models.lenet5_modern,
        Pixels(DIGITS, Normalise.standard(0.1307, 0.3081)),
        m.CrossEntropy(),
        lambda: m.Adam(1e-3),
    ),
}


class Training:
    """A LeNet at its recipe.

    Args:
        name: which one.
        options: of the network.
    """

    def __init__(self, name, **options):
        make, self.x, self.loss, optimizer = LENETS[name]
        self.net, self.optimizer = make(seed=3, **options), optimizer()

    def step(self, number):
        """A step of 12 images, which differ from step to step; its loss."""
        score = self.net.score_and_grads(self.loss, self.x, CLASSES, (np.arange(12) + 7 * number) % len(CLASSES))
        self.optimizer.step(self.net)
        return score.loss

    def losses(self, steps):
        """The losses of so many steps, in order."""
        return np.array([self.step(number) for number in range(steps)])


def growth(used, work):
    """By how many bytes memory has grown when some work is done once more: ``used()`` tells how many there are."""
    work()
    before = used()
    work()
    return used() - before
