"""A training batch a part at a time: gradients are added up, as those of one batch."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from . import inputs
from .inputs import Targets
from .memory import ParameterVector
from .runner import Runner, Score


def score_in_parts(
    runner: Runner, grads: ParameterVector, source: inputs.Source, targets: Targets, chosen: Array, step: int, part: int
) -> tuple[Score, int]:
    """The loss of a batch with the gradients of all its parts, and how many parts there were.

    Args:
        runner: runs a batch.
        grads: the network's gradients.
        source: where the images are.
        targets: what the batch should come to.
        chosen: the numbers of its images.
        step: the training step of the first part; each has its own, for random numbers.
        part: images in a part; the last one may be smaller.

    Raises:
        DataError: a part has too few images.
    """
    count, added = len(chosen), np.zeros_like(grads.memory)
    runner.check(min(part, count % part or part))
    total = float(count) if targets.total is None else targets.total
    loss, correct, parts = 0.0, 0, 0
    for first in range(0, count, part):
        here = slice(first, first + part)
        labels = None if targets.labels is None else targets.labels[here]
        own = targets._replace(labels=labels, total=total)
        score = runner.score(source, own, chosen[here], step + parts, True, None)
        added += grads.flat
        loss, correct, parts = loss + score.loss, correct + score.correct, parts + 1
    grads.flat[...] = added
    return Score(loss, correct, count), parts
