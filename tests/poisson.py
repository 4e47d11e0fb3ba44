"""A loss as a user writes one: of plain functions, with no thought of weights."""

from dataclasses import dataclass

import numpy as np

from minicnn.nn.losses import Loss


@dataclass(frozen=True)
class Poisson(Loss):
    """E = 1/N · Σ (e^y − t·y), of plain functions."""

    vectors = True

    def forward(self, k, y, target, lanes, scale, value):
        k.call(poisson, y, target, lanes, scale, value)

    def backward(self, k, y, target, lanes, scale, dy):
        k.call(poisson_dy, y, target, lanes, scale, dy)

    def curvature(self, k, y, lanes, scale, hy):
        k.call(poisson_hy, y, lanes, scale, hy)


def poisson(y, target, lanes, scale, value):
    live = slice(0, lanes[0])
    value[0] += scale[0] * (np.exp(y[:, live]) - target[:, live] * y[:, live]).sum(dtype=float)


def poisson_dy(y, target, lanes, scale, dy):
    dy[...] = scale[0] * (np.exp(y) - target)
    dy[:, lanes[0] :] = 0


def poisson_hy(y, lanes, scale, hy):
    hy[...] = scale[0] * np.exp(y)
    hy[:, lanes[0] :] = 0
