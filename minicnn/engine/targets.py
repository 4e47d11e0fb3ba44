"""What a batch should come to is checked once: class numbers, vectors, or a class number for each place of a map."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Array, Shape
from ..errors import DataError, ShapeError
from ..nn.losses import Loss
from . import inputs


class Targets(NamedTuple):
    """What a batch should come to.

    Attributes:
        loss: the loss for targets of this kind.
        labels: class numbers of its images; −1 where there is none.
        vectors: for all images of the source a vector, or a class number for each place of a map.
        into: the buffer for ``vectors``: ``"target"``, or ``"marks"`` for class numbers.
        total: what the sum of the batch is divided by for the mean; the number of images for None.
    """

    loss: Loss
    labels: Array | None = None
    vectors: inputs.Arrays | None = None
    into: str = "target"
    total: float | None = None


def targets(loss: Loss, target: object, images: int, chosen: Array, dtype: np.dtype[Any], out_shape: Shape) -> Targets:
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
    given = inputs.array("target", target)
    marks = loss.dense and len(out_shape) > 1 and given.dtype.kind in "iu"
    if marks or (loss.dense and given.dtype.kind == "f" and given.shape[1:] == out_shape):
        return _dense_targets(loss, target, given, images, chosen, dtype, out_shape, marks)
    if loss.vectors and (given.ndim > 1 or given.dtype.kind == "f" or not loss.classes):
        vectors = _vectors(target, given, images, dtype, out_shape)
        return Targets(loss.towards("vectors", out_shape[0]), vectors=vectors)
    if len(out_shape) != 1:
        what = f"expected a target of shape (N, {', '.join(map(str, out_shape))}), got {given.shape}"
        raise ShapeError("target", what, "class numbers need an output that is a vector")
    if loss.vectors and out_shape == (1,):
        what = f"expected numbers of shape (N, 1) for an output of one unit, got whole numbers of shape {given.shape}"
        raise ShapeError("target", what, "reshape them to (N, 1): one unit tells no classes apart")
    taken = loss.towards("labels", out_shape[0])
    if taken is loss:
        return Targets(loss, inputs.labels("target", given, images, out_shape[0], chosen))
    found = inputs.labels("target", given, images, out_shape[0], chosen, loss.ignores())
    return Targets(taken, found, total=weighed(taken, found))


def _vectors(target: object, given: Array, images: int, dtype: np.dtype[Any], shape: Shape) -> inputs.Arrays:
    """A target (N, *shape) for all images."""
    vectors = inputs.arrays("target", target if isinstance(target, np.ndarray) else given, dtype, shape)
    if vectors.shape[0] != images:
        what = f"expected {images} targets, one for each image, got {vectors.shape[0]}"
        raise ShapeError("target", what, "give one target for each image")
    return vectors


def _dense_targets(
    loss: Loss, target: object, given: Array, images: int, chosen: Array, dtype: np.dtype[Any], out_shape: Shape, marks: bool
) -> Targets:
    """How much each class weighs, or class numbers for each place of a map, whose range is checked in the chosen images."""
    if not marks:
        vectors = _vectors(target, given, images, dtype, out_shape)
        total = None if len(out_shape) == 1 else float(len(chosen) * prod(out_shape[1:]))
        return Targets(loss.towards("vectors", out_shape[0]), vectors=vectors, total=total)
    vectors, ignored = _vectors(target, given, images, dtype, out_shape[1:]), loss.ignores()
    numbers = given[chosen].astype(inputs.INDEX, copy=False)
    inputs.check_range(numbers if ignored is None else numbers[numbers != ignored], out_shape[0])
    taken = loss.towards("marks", out_shape[0])
    return Targets(taken, vectors=vectors, into="marks", total=weighed(taken, numbers))


def weighed(loss: Loss, found: Array) -> float | None:
    """What the sum over a batch of class numbers is divided by; None for the number of images.

    Raises:
        DataError: nothing counts.
    """
    if loss.total is None:
        return None
    total = loss.total(found)
    if not total > 0:
        what = "expected a class number that counts in every batch, got only those to ignore, or of weight 0"
        raise DataError("target", what, "leave these images out, or give larger batches")
    return total
