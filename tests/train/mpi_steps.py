"""Steps of training whose parameters are compared between numbers of ranks: one line for each network, batch and threads.

``mpiexec -n 3 python tests/train/mpi_steps.py 200 32,128,200 1,2`` or without mpiexec.
"""

import sys

import numpy as np

from minicnn import (
    SDLM,
    SGD,
    Adam,
    BatchNorm2d,
    Conv2d,
    CrossEntropy,
    Dense,
    Dropout,
    Flatten,
    MaxPool2d,
    Network,
    ReLU,
    models,
)
from minicnn.data import Normalise, Pixels, load_mnist
from minicnn.nn.penalties import MAP
from minicnn.train.distributed import mpi_world
from minicnn.train.ranks import digest

DIGITS = load_mnist(source="subset", log=lambda line: None)


def normalised(**options):
    """Two batch normalisations, and dropout."""
    layers = [("C1", Conv2d(6, 5, stride=2, bias=False)), ("N1", BatchNorm2d()), ReLU(), MaxPool2d(2)]
    layers += [("C2", Conv2d(12, 3, bias=False)), ("N2", BatchNorm2d()), ReLU(), Dropout(0.2), ("F", Dense(10))]
    return Network(layers, (1, 28, 28), **options)


def wide(**options):
    """Weights wider than the cache."""
    layers = [Flatten(), ("F1", Dense(512)), ReLU(), ("F2", Dense(512)), ReLU(), ("F3", Dense(10))]
    return Network(layers, (1, 28, 28), **options)


PAPER = Pixels(DIGITS.train_images, Normalise.between(-0.1, 1.175), 32)
PLAIN = Pixels(DIGITS.train_images, Normalise.standard(0.1307, 0.3081))
CASES = {
    "classic": (models.lenet5, CrossEntropy(), PAPER, lambda: SGD(0.01, momentum=0.9)),
    "batch norm": (normalised, CrossEntropy(), PLAIN, lambda: SGD(0.02, momentum=0.9)),
    "wide": (wide, CrossEntropy(), PLAIN, lambda: Adam(1e-3)),
    "1998": (models.lenet5_1998, MAP(), PAPER, lambda: SDLM(5e-4, 84 * 0.02)),
}


def main(steps, batches, threads):
    """Print a line for each case."""
    world = mpi_world()
    labels = DIGITS.train_labels
    for name, (make, loss, images, optimizer) in CASES.items():
        for batch in batches:
            for count in threads:
                net, own = make(threads=count, seed=1), optimizer()
                orders = [
                    np.random.default_rng(epoch).permutation(len(labels)) for epoch in range(-(-steps * batch // len(labels)))
                ]
                order = np.concatenate(orders)
                if isinstance(own, SDLM):
                    own.estimate(net, loss, images, labels, order[:64])
                for step in range(steps):
                    net.score_and_grads(loss, images, labels, order[step * batch : (step + 1) * batch], world=world)
                    own.step(net)
                if world.rank == 0:
                    print(f"{name}, batch {batch}, {count} threads: {digest(net)}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), *([int(part) for part in text.split(",")] for text in sys.argv[2:4]))
