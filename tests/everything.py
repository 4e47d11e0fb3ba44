"""Networks in which every layer has a place, and how close two backends come to each other."""

import numpy as np

import minicnn as m

LAYERS = [
    ("columns", m.Conv2d(4, (3, 2), stride=(1, 2), padding=1, dilation=(2, 1), groups=2, algorithm="im2col")),
    m.LeakyReLU(0.2),
    ("direct", m.Conv2d(9, 3, stride=2, padding=2, dilation=2)),
    m.Tanh(),
    m.AvgPool2d(2, stride=1, padding=1),
    m.Sigmoid(),
    m.Dropout(0.3),
    ("sparse", m.SparseConv2d(((0, 1), (2, 0), (3, 8)), (2, 4), group_sizes=(2, 1))),
    m.MaxPool2d((1, 2), stride=1),
    m.Flatten(),
    ("dense", m.Dense(5)),
    m.Softmax(),
]
SHAPE = (2, 8, 13)

CURVED = [("S", m.Subsample(2)), m.ScaledTanh(), ("C", m.Conv2d(3, 3, padding=1)), m.LeakyReLU(0.2), *LAYERS[-4:]]
"""Layers that have a curvature."""
CURVED_SHAPE = (9, 8, 10)

CENTRES = ((1.0, -1.0, 1.0, 1.0), (-1.0, 1.0, 1.0, -1.0), (1.0, 1.0, -1.0, -1.0))
PENALTIES = [m.Dense(4), m.RBF(CENTRES, trainable=True)]
"""Layers that give penalties for 6 numbers."""


def close(ours, theirs, steps=1):
    """Equal but for the order of sums."""
    scale = max(1.0, float(np.abs(theirs).max(initial=0)))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=40 * steps * np.finfo(theirs.dtype).eps * scale)
