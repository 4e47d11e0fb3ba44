"""A step of training, and one before it, so that kernels are compiled before the first epoch."""

from __future__ import annotations

import copy

from ..arrays import Array
from ..engine.by_name import Losses
from ..engine.score import Score
from ..engine.world import World
from ..network import Network
from ..optim import Optimizer, clip_grad_norm, clip_grad_value
from .progress import Log
from .run import Dataset, TrainingOptions
from .weights import Weights


def step(
    net: Network,
    loss: Losses,
    optimizer: Optimizer,
    run: TrainingOptions,
    train: Dataset,
    index: Array,
    following: Array,
    world: World | None,
) -> Score:
    """Make one step.

    Args:
        net: the network.
        loss: the loss.
        optimizer: its optimiser.
        run: the options of training.
        train: images to train on.
        index: which of them make the batch.
        following: which of them make the next one; none at the end of an epoch.
        world: the ranks that make the step together; None for this process alone.
    """
    then = following if len(following) else None
    with net.atomic():  # so that another thread cannot replace the gradients
        given = loss, train.images, train.targets, index, then
        score = net.score_and_grads(*given, part=run.batch_size, weight=train.weight, world=world)
        if run.clip_value is not None:
            clip_grad_value(net, run.clip_value)
        if run.clip_norm is not None:
            clip_grad_norm(net, run.clip_norm)
        optimizer.step(net)
    return score


def compile_kernels(
    net: Network, loss: Losses, optimizer: Optimizer, run: TrainingOptions, train: Dataset, log: Log | None
) -> None:
    """Run every kernel once on a batch, and leave network and optimiser as they were.

    Args:
        net: the network.
        loss: the loss.
        optimizer: its optimiser.
        run: the options of training.
        train: images to train on.
        log: called with a line if kernels are compiled; for None it goes to stderr, if that takes two seconds.
    """
    known = net.backend.log
    known.on_compile = None if log is None else lambda: log(known.words())
    few = train.chosen[: run.step_size]
    with net.update():  # hides the step from other threads
        before, steps = Weights.of(net), net.steps
        try:
            given = loss, train.images, train.targets, few
            net.score_and_grads(*given, part=run.batch_size, weight=train.other_weight)
            copy.deepcopy(optimizer).step(net)
        finally:
            before.put(net)
            net.steps = steps
    net.evaluate(loss, train.images, train.targets, few, weight=train.other_weight)
    known.on_compile = None
