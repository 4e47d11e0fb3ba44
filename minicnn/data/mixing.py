"""Mixup and CutMix: an image with a part of another one, and the target that goes with it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..arrays import Array
from ..errors import Options, number
from .canvas import Canvas

QUANTILES = 1024
"""So many intervals, in which the share has equal chances to be."""


class Mix(NamedTuple):
    """What is mixed.

    Attributes:
        partner: (L,) the number of the other image of each lane.
        share: (L,) how much of the first image stays.
        box: (4, L) where the other one is pasted; None where both are blended.
    """

    partner: Array
    share: Array
    box: Array | None = None


@dataclass(frozen=True)
class Mixup(Options):
    """λ of an image and 1 − λ of another one, and so of their targets; λ is drawn from Beta(α, α): ``torchvision``'s ``MixUp``.

    The other image is drawn from those that are trained on, where torchvision takes one of the batch.

    Args:
        alpha: α, above 0 and at most 100; 1 draws λ uniformly, less leaves most images nearly as they are.

    Raises:
        OptionError: alpha is outside its range.

    Source: H. Zhang, M. Cisse, Y. Dauphin and D. Lopez-Paz, *mixup: Beyond Empirical Risk Minimization*, ICLR 2018.

    >>> Mixup(0.2).alpha
    0.2
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        check_alpha("Mixup", self.alpha)

    def draw(self, canvas: Canvas, pool: Array) -> Mix:
        """Record the drawing of partners and shares."""
        return drawn(canvas, pool, self.alpha)

    def apply(self, canvas: Canvas, other: Array, mix: Mix) -> None:
        """Record the blending."""
        L = canvas.x.shape[-1]
        canvas.k.blend(other.reshape(-1, L), mix.share, canvas.x.reshape(-1, L))


@dataclass(frozen=True)
class CutMix(Options):
    """Paste a rectangle of another image, whose target counts by its area: ``torchvision``'s ``CutMix``.

    The rectangle has the image's proportions, 1 − λ of its area with λ from Beta(α, α), and a random centre; what is outside
    the image is cut off. The other image is drawn as for ``Mixup``.

    Args:
        alpha: α, above 0 and at most 100.

    Raises:
        OptionError: alpha is outside its range.

    Source: S. Yun, D. Han, S. J. Oh, S. Chun, J. Choe and Y. Yoo, *CutMix: Regularization Strategy to Train Strong Classifiers
    with Localizable Features*, ICCV 2019.

    >>> CutMix().alpha
    1.0
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        check_alpha("CutMix", self.alpha)

    def draw(self, canvas: Canvas, pool: Array) -> Mix:
        """Record the drawing of partners and rectangles."""
        mix = drawn(canvas, pool, self.alpha)
        box = np.empty((4, len(mix.share)), np.int64)
        canvas.stream -= 1
        canvas.k.cut_box(canvas.draw([1, 1]), np.array(canvas.x.shape[1:3]), mix.share, box)
        return mix._replace(box=box)

    def apply(self, canvas: Canvas, other: Array, mix: Mix) -> None:
        """Record the pasting."""
        assert mix.box is not None  # draw has made it
        canvas.k.paste(other, mix.box, canvas.x)


Mixing = Mixup | CutMix
"""What mixes images."""


def check_alpha(who: str, alpha: object) -> None:
    """Check the parameter of a Beta distribution.

    Raises:
        OptionError: it is outside its range.
    """
    number(who, "alpha", alpha, 0, 100, "(]")


def drawn(canvas: Canvas, pool: Array, alpha: float) -> Mix:
    """Record the drawing of partners from the pool, and of shares."""
    lanes, dtype = canvas.x.shape[-1], canvas.x.dtype
    mix = Mix(np.empty(lanes, np.int64), np.empty(lanes, dtype))
    canvas.k.draw_mix(canvas.draw([1, 1]), pool, np.array(quantiles(alpha), dtype), mix.partner, mix.share)
    return mix


@lru_cache(maxsize=16)
def quantiles(alpha: float, intervals: int = QUANTILES) -> tuple[float, ...]:
    """The quantiles 0, 1/n, … 1 of Beta(α, α), n even.

    Below 1/2, t = λ^α has a density that goes as (1 − λ)^(α − 1), which is finite and smooth; above it they are mirrored.

    >>> [round(q, 6) for q in quantiles(1.0, 4)]
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    alpha = max(alpha, 1e-6)  # below, a share is 0 or 1 in any case, and its powers are not finite
    end = 0.5**alpha
    t = end * np.linspace(0, 1, 16 * QUANTILES + 1)
    density = np.exp((alpha - 1) * np.log1p(-(t ** (1 / alpha))))
    total = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)])
    wanted = np.arange(intervals // 2 + 1) / intervals
    lower = np.interp(2 * wanted, total / total[-1], t) ** (1 / alpha)
    return tuple(np.concatenate([lower[:-1], 1 - lower[::-1]]).tolist())
