"""Targets beside class numbers: those for each place of a map, weights for each class, and what a source writes."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from ..arrays import Array, DType, Shape
from ..errors import DataError, ShapeError
from ..nn.losses import Loss
from .inputs import INDEX, Targets, array, check_range, target_vectors, targets, total_weight
from .source import Source


def dense_targets(
    loss: Loss,
    target: object,
    images: int,
    chosen: Array,
    dtype: DType,
    out_shape: Shape,
    for_targets: Callable[[str], Loss],
) -> Targets:
    """How much each class weighs, or class numbers for each place of a map, whose range is checked in the chosen images.

    Arguments as for ``targets``, to which anything else goes.

    Raises:
        ShapeError, DataError: the target is not what it should be.
    """
    given = array("target", target)
    if len(out_shape) > 1 and given.dtype.kind in "iu":
        vectors, ignored = target_vectors(target, given, images, dtype, out_shape[1:]), loss.ignores()
        numbers = given[chosen].astype(INDEX, copy=False)
        counted = numbers if ignored is None else numbers[numbers != ignored]
        check_range(counted, out_shape[0])
        taken = for_targets("class_map")
        return Targets(taken, vectors=vectors, into="class_map", total=total_weight(taken, numbers), counted=counted.size)
    if given.dtype.kind == "f" and given.shape[1:] == out_shape:
        vectors = target_vectors(target, given, images, dtype, out_shape)
        total = None if len(out_shape) == 1 else float(len(chosen) * prod(out_shape[1:]))
        return Targets(for_targets("vectors"), vectors=vectors, total=total)
    return targets(loss, target, images, chosen, dtype, out_shape, for_targets)


def source_targets(
    loss: Loss,
    target: object,
    images: int,
    chosen: Array,
    dtype: DType,
    out_shape: Shape,
    for_targets: Callable[[str], Loss],
) -> Targets:
    """The vectors that a source writes, such as those of mixed images; arguments as for ``targets``.

    Raises:
        ShapeError, DataError: there are others than the output has, or the loss takes no vectors.
    """
    if not loss.vectors and not loss.dense:
        what = f"expected a loss that takes how much each class counts, got {type(loss).__name__}"
        raise DataError("target", what, "train with CrossEntropy, or without mixing images")
    source: Source = target  # type: ignore[assignment]  # it has what a source must have
    if tuple(source.shape) != (images, *out_shape):
        what = f"expected a target of shape {(images, *out_shape)}, got {tuple(source.shape)}"
        raise ShapeError("target", what, "give as many targets as images, and as many classes as outputs")
    return Targets(for_targets("vectors"), vectors=source)
