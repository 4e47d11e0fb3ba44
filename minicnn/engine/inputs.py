"""What comes into a network is checked once: images, and what they should come to. Recorded kernels write it into lanes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import ClassVar, NamedTuple

import numpy as np

from ..arrays import Array, DType, Shape
from ..backends.kernels import Kernels
from ..errors import DataError, ShapeError
from ..nn.losses import Loss
from .mapped import check_mapped
from .rows import NUMPY
from .source import Images, Source


class Arrays:
    """Images in memory as an array (N, …) of real numbers, in any layout; of a batch's images alone a copy is made.

    Args:
        values: the images.
        dtype: what they become, the network's; that of the values for None.
        owner: the object that the caller holds them by; the values for None.
    """

    __slots__ = ("dtype", "owner", "values")

    fixed: ClassVar[bool] = False
    """Whether nobody changes the images while there is a network that reads them."""

    def __init__(self, values: Array, dtype: DType | None = None, owner: object = None) -> None:
        self.values = values
        self.dtype = values.dtype if dtype is None else dtype
        self.owner = values if owner is None else owner

    @property
    def shape(self) -> Shape:
        """(N, …)."""
        return tuple(self.values.shape)

    @property
    def rows(self) -> Array:
        """The images in memory, one a row."""
        return self.values

    def over(self, rows: Array) -> Arrays:
        """The same over other rows."""
        return Arrays(rows)

    def load(self, k: Kernels, index: Array, lanes: Array, x: Array) -> None:
        """Record the gather, from values that kernels can read."""
        flat = self.values.reshape(len(self.values), -1)
        k.gather(flat, index, lanes, x.reshape(-1, x.shape[-1]))


def array(who: str, values: object) -> Array:
    """Anything as an array.

    Raises:
        DataError: it is a list of rows of different lengths, or nothing that has an array's form.
    """
    try:
        return np.asarray(values)
    except (ValueError, TypeError):
        raise DataError(who, "expected an array, got values that do not form one", "give rows of equal length") from None


def arrays(who: str, values: object, dtype: DType, shape: Shape) -> Arrays:
    """An array (N, *shape) of real numbers as a source, still as it was given.

    Raises:
        DataError: not an array of real numbers, or no images.
        ShapeError: another rank or shape.
    """
    given = array(who, values)
    if given.dtype.kind not in "fiub":
        raise DataError(who, f"expected an array of numbers, got dtype {given.dtype}", "convert it to float32")
    if given.shape[1:] != shape or given.ndim == 0:
        expected = f"(N, {', '.join(map(str, shape))})"
        hint = "reshape it or build the network for its shape"
        raise ShapeError(who, f"expected an array {expected}, got {given.shape}", hint)
    if len(given) == 0:
        raise DataError(who, "expected at least one image, got none", "give an array with N of at least 1")
    if given.base is not None:
        check_mapped(who, given)
    return Arrays(given, dtype, values if isinstance(values, np.ndarray) else given)


def source(who: str, x: Images, dtype: DType, in_shape: Shape) -> Source:
    """What to read images from: the given Source, or an array as one.

    Raises:
        DataError, ShapeError: as ``arrays``.
    """
    if isinstance(x, np.ndarray) or not hasattr(x, "load"):
        return arrays(who, x, dtype, in_shape)
    images: Source = x  # type: ignore[assignment]  # it has what a source must have
    shape = tuple(images.shape)  # a source may work it out each time
    if shape[1:] != in_shape:
        what = f"expected images of shape {in_shape}, got {shape[1:]}"
        raise ShapeError(who, what, "choose the resize or padding that the network was built for")
    if shape[0] == 0:
        raise DataError(who, "expected at least one image, got none", "give a source with N of at least 1")
    return images


def labels(who: str, given: Array, images: int, classes: int, chosen: Array, ignored: int | None = None) -> Array:
    """The class numbers of the chosen images as int64, from those of all N; −1 in place of one to ignore.

    Raises:
        DataError: not N whole numbers, or a chosen one outside 0 … classes − 1.
    """
    if given.shape != (images,) or given.dtype.kind not in "iu":
        what = f"expected {images} whole class numbers, got dtype {given.dtype} and shape {given.shape}"
        raise DataError(who, what, "give one label for each image")
    taken = given[chosen].astype(INDEX, copy=False)
    if ignored is None:
        check_range(taken, classes)
        return taken
    counts = taken != ignored
    check_range(taken[counts], classes)
    return np.where(counts, taken, -1)


def check_range(numbers: Array, classes: int) -> None:
    """Refuse class numbers outside 0 … classes − 1."""
    if numbers.size and not _below(numbers, classes):
        what = f"expected labels from 0 to {classes - 1}, got {numbers.min()} to {numbers.max()}"
        raise DataError("target", what, "check the labels or the width of the last layer")


def index(who: str, chosen: object, images: int) -> Array:
    """The numbers of the images of a batch as int64; all of them for None.

    Raises:
        DataError: not a vector of whole numbers, empty, or one outside 0 … N − 1.
    """
    if chosen is None:
        return np.arange(images)
    given = array(who, chosen)
    if given.ndim != 1 or given.dtype.kind not in "iu" or len(given) == 0:
        what = f"expected a vector of whole numbers, got dtype {given.dtype} and shape {given.shape}"
        raise DataError(who, what, "give the numbers of the images of the batch")
    taken = given if given.dtype == INDEX and given.flags.carray else np.require(given, np.int64, NUMPY)
    if not _below(taken, images):
        what = f"expected numbers from 0 to {images - 1}, got {given.min()} to {given.max()}"
        raise DataError(who, what, "keep to the images there are")
    return taken


INDEX, _UNSIGNED = np.dtype(np.int64), np.dtype(np.uint64)


def _below(numbers: Array, end: int) -> bool:
    """Whether all of some int64 are from 0 to below an end: as numbers without a sign, negative ones are the largest."""
    if numbers.size == 1:
        return bool(0 <= numbers.item() < end)
    unsigned = numbers.reshape(-1).view(_UNSIGNED)
    return bool(unsigned[unsigned.argmax()] < end)  # max, a ufunc, takes twice as long for a batch


class Targets(NamedTuple):
    """What a batch should come to.

    Attributes:
        loss: the loss for targets of this kind.
        labels: class numbers of its images; −1 where there is none.
        vectors: for all images of the source a vector, or a class number for each place of a map; or a source of vectors.
        into: the buffer for ``vectors``: ``"target"``, or ``"class_map"`` for class numbers.
        total: what the sum of the batch is divided by for the mean; the number of images for None.
        counted: how many class numbers it holds that count; 0 where the target is no class numbers.
        weight: what the mean counts beside those of other outputs.
        shares: float64, what the loss of each image is multiplied by, where images have weights.
    """

    loss: Loss
    labels: Array | None = None
    vectors: Arrays | Source | None = None
    into: str = "target"
    total: float | None = None
    counted: int = 0
    weight: float = 1.0
    shares: Array | None = None

    @property
    def kind(self) -> str:
        """What its class numbers are, ``"labels"`` or ``"class_map"``; nothing where it has none."""
        return "labels" if self.labels is not None else "class_map" if self.into == "class_map" else ""

    def scale(self, images: int) -> float:
        """What the sum over a batch of so many images is multiplied by."""
        return self.weight / (images if self.total is None else self.total)


def kinds_of(targets: Sequence[Targets]) -> Hashable:
    """The kinds of the targets of all outputs, as part of a key."""
    return targets[0].kind if len(targets) == 1 else tuple([target.kind for target in targets])


def targets(
    loss: Loss,
    target: object,
    images: int,
    chosen: Array,
    dtype: DType,
    out_shape: Shape,
    for_targets: Callable[[str], Loss],
) -> Targets:
    """The target as vectors for every image, or as the class numbers of the chosen ones.

    Args:
        loss: the loss.
        target: class numbers (N,), or vectors (N, …) where the loss takes them.
        images: N.
        chosen: which of them make the batch.
        dtype: the network's.
        out_shape: shape of its output.
        for_targets: gives the loss for targets of a kind; see ``Loss.for_targets``.

    Raises:
        ShapeError, DataError: the target is not what it should be.
    """
    given = array("target", target)
    if loss.vectors and (given.ndim > 1 or given.dtype.kind == "f" or not loss.classes):
        vectors = target_vectors(target, given, images, dtype, out_shape)
        return Targets(for_targets("vectors"), vectors=vectors)
    if len(out_shape) != 1:
        what = f"expected a target of shape (N, {', '.join(map(str, out_shape))}), got {given.shape}"
        raise ShapeError("target", what, "class numbers need an output that is a vector")
    if loss.vectors and out_shape == (1,):
        what = f"expected numbers of shape (N, 1) for an output of one unit, got whole numbers of shape {given.shape}"
        raise ShapeError("target", what, "reshape them to (N, 1): one unit tells no classes apart")
    taken = for_targets("labels")
    if taken is loss:
        return Targets(loss, labels("target", given, images, out_shape[0], chosen), counted=len(chosen))
    found = labels("target", given, images, out_shape[0], chosen, loss.ignores())
    return Targets(taken, found, total=total_weight(taken, found), counted=int((found >= 0).sum()))


NOTHING_COUNTS = (
    "target",
    "expected a class number that counts in every batch, got only those to ignore, or of weight 0",
    "leave these images out, or give larger batches",
)


def total_weight(loss: Loss, found: Array) -> float | None:
    """What the sum over a batch of class numbers is divided by; None for the number of images.

    Raises:
        DataError: nothing counts.
    """
    if loss.total is None:
        return None
    total = loss.total(found)
    if not total > 0:
        raise DataError(*NOTHING_COUNTS)
    return total


def target_vectors(target: object, given: Array, images: int, dtype: DType, shape: Shape) -> Arrays:
    """A target (N, *shape) for all images."""
    vectors = arrays("target", target if isinstance(target, np.ndarray) else given, dtype, shape)
    if vectors.shape[0] != images:
        what = f"expected {images} targets, one for each image, got {vectors.shape[0]}"
        raise ShapeError("target", what, "give one target for each image")
    return vectors
