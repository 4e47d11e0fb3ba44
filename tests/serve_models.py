"""A classifier of small pictures that tests serve."""

import numpy as np

from minicnn import Classifier, Conv2d, Dense, Flatten, GlobalAvgPool2d, Network, ReLU
from minicnn.optim import Adam

CLASSES = ("blue", "red")


def trained(channels=3, floats=False):
    """Trained a little on pictures of two colours, or bright and dark ones."""
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    images = rng.integers(0, 60, (40, channels, 8, 8), dtype=np.uint8)
    images[labels == 1, 0] += 150
    layers = [("C1", Conv2d(4, kernel_size=3)), ("A1", ReLU()), ("P", GlobalAvgPool2d()), ("F", Flatten()), ("O", Dense(2))]
    net = Network(layers, (channels, 8, 8), threads=1, seed=1)
    made = Classifier(net, optimizer=Adam(0.02), classes=CLASSES, layout="NCHW")
    return made.fit(images / np.float32(255) if floats else images, labels, epochs=20, log=None)
