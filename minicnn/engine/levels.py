"""The warning of grey levels that nothing normalises."""

from __future__ import annotations

import warnings

from ..arrays import Array
from ..nn import BatchNorm1d, BatchNorm2d, GroupNorm, InstanceNorm2d, LayerNorm
from ..nn.base import Layer

NORMS = (BatchNorm1d, BatchNorm2d, GroupNorm, LayerNorm, InstanceNorm2d)
WORDS = (
    "Network: expected numbers of about 1, got an array of uint8 with grey levels up to 255, with which training is slow or "
    "fails; give data.Pixels(images, Normalise.standard(mean, deviation)), or images / 255"
)


def warn_of_levels(images: Array, first: Layer) -> bool:
    """Warn where an array holds grey levels that nothing normalises; True, since it has been looked at.

    Args:
        images: an array of uint8 that a network reads.
        first: its first layer.
    """
    if images[:16].max() > 1 and not isinstance(first, NORMS):
        warnings.warn(WORDS, stacklevel=5)
    return True
