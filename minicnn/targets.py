"""What a batch should come to, as the caller gives it and as programs read it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from . import door
from .arrays import Array, Shape
from .errors import ShapeError
from .losses import Loss


class Targets(NamedTuple):
    """What a batch should come to: class numbers of its images, or vectors for all images of the source."""

    labels: Array | None = None
    vectors: door.Arrays | None = None


def targets(loss: Loss, target: Any, images: int, chosen: Array, dtype: np.dtype[Any], out_shape: Shape) -> Targets:
    """The target as vectors for every image, or as the class numbers of the chosen ones.

    Args:
        loss: the loss.
        target: class numbers (N,), or vectors (N, …) where the loss takes them.
        images: N.
        chosen: which of them make the batch.
        dtype: the network's.
        out_shape: shape of its output.

    Raises:
        ShapeError, DataError: the target is not what it should be.
    """
    given = door.array("target", target)
    if loss.vectors and (given.ndim > 1 or given.dtype.kind == "f"):
        vectors = door.arrays("target", target if isinstance(target, np.ndarray) else given, dtype, out_shape)
        if vectors.shape[0] != images:
            what = f"expected {images} targets, one for each image, got {vectors.shape[0]}"
            raise ShapeError("target", what, "give one target for each image")
        return Targets(vectors=vectors)
    if len(out_shape) != 1:
        what = f"expected a target of shape (N, {', '.join(map(str, out_shape))}), got {given.shape}"
        raise ShapeError("target", what, "class numbers need an output that is a vector")
    return Targets(labels=door.labels("target", given, images, out_shape[0], chosen))
