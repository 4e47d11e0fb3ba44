"""What a batch came to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .html import score_html


class Score(NamedTuple):
    """What a batch came to.

    Attributes:
        loss: mean over the images; of several outputs the weighted sum.
        correct: images, or places of maps, whose largest output, or smallest penalty, the first of equals, is their class:
            what ``argmax`` of the predictions says, but with a NaN among the outputs it is wrong.
        images: how many images there were.
        counted: images, or places of maps, with a class number that counts, not one to ignore; 0 where the target is not
            class numbers.
        outputs: where there are several, the score of each by name, its loss without its weight; ``correct`` and ``counted``
            are those of the first whose target is class numbers.
    """

    loss: float
    correct: int
    images: int
    counted: int
    outputs: Mapping[str, Score] = {}

    @property
    def accuracy(self) -> float | None:
        """Share of the images, or places of maps, that were recognised; None where the target is not class numbers."""
        return self.correct / self.counted if self.counted else None

    def _repr_html_(self) -> str:
        return score_html(self)


def score_of(outputs: Mapping[str, tuple[tuple[float, int], int, float]], images: int) -> Score:
    """What a batch came to, of several outputs.

    Args:
        outputs: by name: the weighted loss and the hits, how many targets count, and the weight of the loss.
        images: how many there were.
    """
    found = {name: Score(loss / weight, hits, images, counted) for name, ((loss, hits), counted, weight) in outputs.items()}
    first = next((score for score in found.values() if score.counted), next(iter(found.values())))
    total = sum(loss for (loss, _), _, _ in outputs.values())
    return Score(total, first.correct, images, first.counted, found)
