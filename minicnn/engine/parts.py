"""A training batch a part at a time: gradients are added up, as those of one batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import Array
from .inputs import Targets
from .memory import ParameterVector
from .phases import check_images
from .runner import Runner
from .score import Score
from .source import Source
from .weights import share_of
from .world import World


def score_in_parts(
    runner: Runner,
    grads: ParameterVector,
    sources: Sequence[Source],
    targets: Sequence[Targets],
    chosen: Array,
    step: int,
    part: int,
    world: World | None = None,
) -> tuple[Score, int]:
    """The loss of a batch with the gradients of all its parts, and how many parts there were.

    Args:
        runner: runs a batch.
        grads: the network's gradients.
        sources: where the images of each input are.
        targets: what each output should come to.
        chosen: the numbers of the images.
        step: the training step of the first part; each has its own, for random numbers.
        part: images in a part; the last one may be smaller.
        world: the ranks that share every part; None for this process alone.

    Raises:
        DataError: a part has too few images.
    """
    count, added = len(chosen), np.zeros_like(grads.memory)
    check_images(runner.demanding, min(part, count % part or part))
    scores: list[Score] = []
    for first in range(0, count, part):
        here = slice(first, first + part)
        own = [share_of(target, here, count) for target in targets]
        scores.append(runner.score(sources, own, chosen[here], step + len(scores), True, None, world))
        np.add(added, grads.flat, out=added)
    grads.flat[...] = added
    return _whole(scores), len(scores)


def _whole(scores: Sequence[Score]) -> Score:
    """The score of a batch from those of its parts, each of which says already what the whole batch counts."""
    outputs = {name: _whole([score.outputs[name] for score in scores]) for name in scores[0].outputs}
    loss, correct, images = (sum(each) for each in zip(*((s.loss, s.correct, s.images) for s in scores), strict=True))
    return Score(loss, int(correct), int(images), scores[0].counted, outputs)
