"""The warning of grey levels that nothing normalises."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from ..arrays import Array
from ..nn import BatchNorm1d, BatchNorm2d, Flatten, GroupNorm, InstanceNorm2d, LayerNorm, Pad2d, Permute, Reshape, Subsample
from .bind import PlacedLayer

NORMS = (BatchNorm1d, BatchNorm2d, GroupNorm, LayerNorm, InstanceNorm2d)
MOVES = (Flatten, Pad2d, Permute, Reshape)
"""Layers that change no number."""

WORDS = (
    "Network: expected numbers of about 1, got an array of uint8 with grey levels up to 255, with which training is slow or "
    "fails; give data.Pixels(images, Normalise.standard(mean, deviation)), or images / 255"
)


def warn_of_levels(images: Array, layers: Sequence[PlacedLayer]) -> bool:
    """Warn where an array holds grey levels that nothing normalises; True, since it has been looked at.

    A graph of ONNX may normalise them itself, by a ``Subsample`` of single pixels.

    Args:
        images: an array of uint8 that a network reads.
        layers: the network's, of which the first one that changes a number counts.
    """
    first = next((placed.layer for placed in layers if not isinstance(placed.layer, MOVES)), None)
    scales = isinstance(first, Subsample) and first.windows.kernel == (1, 1)
    if images[:16].max() > 1 and not scales and not isinstance(first, NORMS):
        warnings.warn(WORDS, stacklevel=5)
    return True
