"""A learning rate for a network, found by trying rates from small to large in a single run."""

from __future__ import annotations

import copy
import math
from typing import NamedTuple

import numpy as np

from ..arrays import Array
from ..data.pixels import shuffled
from ..engine.by_name import Losses
from ..errors import DataError, OptionError, number
from ..network import Network
from ..nn.window import count
from ..optim import Optimizer
from .run import Dataset

SMOOTHING = 0.98
"""The factor of the running mean of the losses."""
DIVERGED = 4.0
"""A loss so many times the lowest one ends the run."""
FIRST = 0.1
"""The share of the rates, the smallest ones, after which losses are looked at: the running mean has not settled there."""
BELOW = 10.0
"""So many times smaller than the rate of the lowest loss is the one that is suggested."""


class FoundRate(NamedTuple):
    """What a run over many rates showed.

    Attributes:
        rates: the rates that were tried, growing by the same factor.
        losses: the running mean of the loss at each.
        suggestion: a tenth of the rate where the losses are lowest; None where they do not fall.
    """

    rates: Array
    losses: Array
    suggestion: float | None


def find_learning_rate(
    net: Network,
    loss: Losses,
    optimizer: Optimizer,
    data: Dataset,
    lowest: float = 1e-6,
    highest: float = 1.0,
    steps: int = 100,
    batch_size: int = 32,
    seed: int = 0,
) -> FoundRate:
    """Train a copy of the network with a learning rate that grows in every step, until the loss explodes.

    Network and optimiser stay as they are. The suggestion is a tenth of the rate at which the smoothed loss is lowest: from
    there on the loss grows, and many steps with that rate itself, or where the loss falls the most steeply, spoil a network
    that few steps do not. With ``OneCycle`` and other schedules that fall, a few times as much is often right. Look at the
    curve: ``plots.learning_rates(found, path)``.

    Args:
        net: the network.
        loss: the loss, as of ``Trainer``.
        optimizer: the optimiser; its rate does not matter.
        data: images to train on.
        lowest: the first rate.
        highest: the last rate.
        steps: how many steps, at least 10; images are taken again and again where there are not enough.
        batch_size: images in a step.
        seed: seed of the order of the images.

    Raises:
        OptionError: an option is outside its range.
        ShapeError, DataError: images or targets are invalid; or the loss is not finite at the first rates.

    Source: L. Smith, *Cyclical Learning Rates for Training Neural Networks*, 2017, section 3.3; the smoothing and the tenth are
    fastai's.

    >>> from minicnn import MSE, SGD, Dense
    >>> net = Network([Dense(1)], in_shape=(1,), threads=1, backend="numpy")
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> found = find_learning_rate(net, MSE(), SGD(), Dataset(x, 3 * x), 1e-3, 10.0, steps=40)
    >>> bool(0.01 < found.suggestion < 1), len(found.rates) <= 40, net.steps
    (True, True, 0)
    """
    who = "find_learning_rate"
    number(who, "lowest", lowest, 0, math.inf, "()")
    number(who, "highest", highest, lowest, math.inf, "()")
    count(who, "steps", steps)
    count(who, "batch_size", batch_size)
    if steps < 10:
        raise OptionError(who, f"expected steps of at least 10, got {steps}", "give steps=100")
    chosen = data.chosen
    net.check(loss, data.images, data.targets, chosen, weight=data.weight)
    own, tried = copy.deepcopy((net, optimizer))
    rates, losses = lowest * (highest / lowest) ** (np.arange(steps) / (steps - 1)), list[float]()
    mean, order, epoch = 0.0, np.zeros(0, np.int64), 0
    for step, rate in enumerate(rates.tolist(), 1):
        if not len(order):
            epoch += 1
            order = shuffled(chosen, seed, epoch)
        batch, order = order[:batch_size], order[batch_size:]
        tried.lr = rate
        value = own.loss_and_grads(loss, data.images, data.targets, batch, weight=data.weight)
        mean = SMOOTHING * mean + (1 - SMOOTHING) * value
        smooth = mean / (1 - SMOOTHING**step)
        if not math.isfinite(smooth) or (losses and smooth > DIVERGED * min(losses)):
            break
        losses.append(smooth)
        tried.step(own)
    if len(losses) < 3:
        what = f"expected a finite loss at rates from {lowest:g}, got {value:g} in step {step}"
        raise DataError(who, what, "give a smaller lowest, or normalise the images")
    return FoundRate(rates[: len(losses)], np.array(losses), _below_lowest(rates, np.array(losses)))


def _below_lowest(rates: Array, losses: Array) -> float | None:
    """Some times less than the rate with the lowest loss."""
    first = min(int(FIRST * len(rates)), len(losses) - 2)
    place = first + int(losses[first:].argmin())
    return float(rates[place]) / BELOW if losses[place] < losses[first] else None
