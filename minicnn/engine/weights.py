"""Weights of the images of a batch: what they make of a loss, Σ w·l / Σ w, and how it is computed.

Kernels of losses multiply a group's sum by one number. Where images have weights, each of them goes through the same kernels
alone, as a group of one lane, with a number of its own; so every loss takes weights, and a batch without them is as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..arrays import Array, DType
from ..backends.alignment import aligned
from ..errors import DataError
from ..nn.losses import Loss
from .by_name import ArrayByOutput, by_name
from .inputs import INDEX, NOTHING_COUNTS, Arrays, Targets, array
from .record import Recorder, record, signature_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def weighted(
    targets: Sequence[Targets], weight: ArrayByOutput, outputs: Sequence[str], images: int, chosen: Array
) -> list[Targets]:
    """What a batch should come to where its images have weights; what it was where these are all equal.

    Args:
        targets: what each output should come to.
        weight: one number for each of all images; or such for each output by its name.
        outputs: their names.
        images: how many images there are.
        chosen: which of them make the batch.

    Raises:
        DataError, ShapeError: the weights are not what they should be.
    """
    each: list[ArrayLike] = by_name("weight", weight, outputs) if isinstance(weight, Mapping) else [weight] * len(targets)
    return [_weighted(target, _weights(own, images, chosen), chosen) for target, own in zip(targets, each, strict=True)]


def _weights(weight: object, images: int, chosen: Array) -> Array:
    """The weights of the chosen images in float64, divided by the largest."""
    given = array("weight", weight)
    if given.dtype.kind not in "fiub" or given.shape != (images,):
        what = f"expected {images} numbers, one for each image, got dtype {given.dtype} and shape {given.shape}"
        raise DataError("weight", what, "give one weight for each image")
    taken = given[chosen].astype(np.float64)
    wrong = ~(np.isfinite(taken) & (taken >= 0))
    if wrong.any():
        what = f"expected finite numbers of at least 0, got {taken[wrong][0]:g}"
        raise DataError("weight", what, "give 0 to an image that is not to count")
    if not taken.any():
        hint = "leave these images out, or give larger batches"
        raise DataError("weight", "expected a weight above 0 in every batch, got only 0", hint)
    shares: Array = taken / taken.max()
    return shares


def _weighted(target: Targets, weights: Array, chosen: Array) -> Targets:
    """The target of a batch whose images have these weights."""
    if (weights == 1).all():
        return target
    total = weights @ _parts_of_total(target, chosen)
    if not total > 0:
        raise DataError(*NOTHING_COUNTS)
    return target._replace(shares=target.weight / total * weights)


def _parts_of_total(target: Targets, chosen: Array) -> Array:
    """What each image adds to the number that the sum of a batch without weights is divided by."""
    if target.loss.total is None or not target.kind:
        return np.full(len(chosen), 1.0 if target.total is None else target.total / len(chosen))
    numbers = target.labels
    if numbers is None:
        assert isinstance(target.vectors, Arrays)  # a source writes no class numbers
        numbers = target.vectors.values[chosen].astype(INDEX, copy=False)
    found, places = np.unique(numbers, return_inverse=True)
    each = np.array([target.loss.total(one) for one in found.reshape(-1, 1)])
    sums: Array = each[places].reshape(len(chosen), -1).sum(axis=1)
    return sums


def share_of(target: Targets, here: slice, images: int) -> Targets:
    """What a part of a batch should come to, divided by what the whole batch counts.

    Args:
        target: that of the batch.
        here: the places of the part.
        images: how many images the batch has.
    """
    labels, shares = (None if own is None else own[here] for own in (target.labels, target.shares))
    total = float(images) if target.total is None else target.total
    if shares is not None and len(shares) == 1:  # one image runs as it would without a weight
        share = float(shares[0])
        total, shares = target.weight / share if share else np.inf, None
    return target._replace(labels=labels, total=total, shares=shares)


class Shares:
    """What the loss of each image of a batch is multiplied by, and whether it counts, where kernels read it.

    Args:
        capacity: the most images.
        dtype: the network's.
        allocate: gives memory.

    Attributes:
        values: (capacity, 1).
        counts: int64 (capacity, 1): 1 for an image that counts, 0 for one of weight 0, whose target may be anything.
    """

    def __init__(self, capacity: int, dtype: DType, allocate: Callable[[int], Array]) -> None:
        self.values: Array = allocate(dtype.itemsize * capacity).view(dtype).reshape(-1, 1)
        self.counts: Array = allocate(8 * capacity).view(np.int64).reshape(-1, 1)

    def fill(self, shares: Array) -> list[Array]:
        """Take these for a batch; gives what was written."""
        count = len(shares)
        self.values[:count, 0] = shares
        self.counts[:count] = self.values[:count] > 0
        return [self.values[:count], self.counts[:count]]


Passes = Sequence[Callable[..., None]]
"""Some of the passes of a loss."""


def record_each(k: Recorder, loss: Loss, passes: Passes, names: Mapping[str, Array], shares: Shares, place: Array) -> None:
    """Record that each image goes through the loss as a group of one lane, with its share; of no lane where it does not count.

    Args:
        k: the recorder.
        loss: the loss.
        passes: which of its passes.
        names: what they may name for the group but for ``scale``: ``y``, ``target``, … as (D, L).
        shares: those of the images.
        place: where in the batch the image of each lane is.
    """
    wanted = {name for each in passes for name in signature_of(each)}
    lanes, count = names["lanes"], len(place)
    numbers, values, counts = np.arange(count), _empty((1, count), shares.values), _empty((1, count), shares.counts)
    k.gather(shares.values, place, lanes, values)
    k.gather(shares.counts, place, lanes, counts)
    rows: dict[str, Array] = {}
    for name in ("y", "target", "class_map", "dy", "hy"):
        if name in wanted:
            rows[name] = _empty((count, len(names[name])), names[name])
            if name not in ("dy", "hy"):
                k.scatter(names[name], numbers, lanes, rows[name])
    for lane in range(count):
        here = slice(lane, lane + 1)
        each = {name: row[lane].reshape(-1, 1) for name, row in rows.items()}
        each |= {"labels": names["labels"][here], "lanes": counts[0, here], "scale": values[0, here]}
        for one in passes:
            record(k.where, one, k, {**names, **each}, loss.consts())
    for name in ("dy", "hy"):
        if name in wanted:
            k.gather(rows[name], numbers, lanes, names[name])


def _empty(shape: tuple[int, ...], like: Array) -> Array:
    """Memory for an array of the dtype of another one."""
    size = int(np.prod(shape)) * like.itemsize
    return aligned(size).view(like.dtype).reshape(shape)
