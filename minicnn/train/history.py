"""The results of a run: a row for each finished epoch, and running sums for the current one."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from reprlib import repr as short
from typing import NoReturn, TypeVar

from ..engine.score import Score
from ..errors import CheckpointError
from .document import Json
from .html import epochs_html

T = TypeVar("T")


@dataclass(frozen=True)
class EpochResult:
    """The result of one epoch.

    An accuracy is None where the targets are not class numbers, as of a regression. Without validation its loss and accuracy
    are None.

    Attributes:
        epoch: the number of the epoch, from 1.
        train_loss: mean over the steps, while the network learns.
        train_accuracy: share of the images, from 0 to 1, likewise.
        val_loss: mean over the validation images, after the epoch.
        val_accuracy: share of these.
        seconds: of training, without validation.
        images_per_second: training images over ``seconds``.

    >>> print(EpochResult(1, 0.5, 0.85, 0.3, 0.91, 2.0, 3000.0))
    epoch  1  train loss 0.5000 accuracy 85.00 %  validation loss 0.3000 accuracy 91.00 %  2.00 s  3,000 images/s
    """

    epoch: int
    train_loss: float
    train_accuracy: float | None
    val_loss: float | None
    val_accuracy: float | None
    seconds: float
    images_per_second: float

    def __str__(self) -> str:
        train = f"train loss {self.train_loss:.4f}{_percent(self.train_accuracy)}"
        parts = [f"epoch {self.epoch:2}", train]
        if self.val_loss is not None:
            parts.append(f"validation loss {self.val_loss:.4f}{_percent(self.val_accuracy)}")
        return "  ".join([*parts, f"{self.seconds:.2f} s", f"{self.images_per_second:,.0f} images/s"])


def _percent(accuracy: float | None) -> str:
    return "" if accuracy is None else f" accuracy {100 * accuracy:.2f} %"


class EpochResults(list[EpochResult]):
    """A list of epochs, which a notebook shows as a table."""

    def _repr_html_(self) -> str:
        return epochs_html(self)


def best(rows: Sequence[EpochResult]) -> EpochResult:
    """The epoch with the highest validation accuracy, or where there is none with the lowest loss; the first of equals.

    Without validation it is the last one: the loss of training says little of an epoch that it ran along with.

    Args:
        rows: at least one.

    >>> best([EpochResult(1, 0.3, None, 0.5, None, 1.0, 9.0), EpochResult(2, 0.2, None, 0.4, None, 1.0, 9.0)]).epoch
    2
    """
    losses = [row.val_loss for row in rows if row.val_loss is not None]
    if len(losses) < len(rows):
        return rows[-1]
    if any(row.val_accuracy is None for row in rows):
        return rows[losses.index(min(losses))]
    return max(rows, key=lambda row: row.val_accuracy or 0.0)


@dataclass
class Tally:
    """Running sums over the steps of the current epoch; ``counted`` as of a ``Score``."""

    steps: int = 0
    loss: float = 0.0
    correct: int = 0
    counted: int = 0
    images: int = 0
    seconds: float = 0.0

    @property
    def accuracy(self) -> float | None:
        """As of a ``Score``."""
        return self.correct / self.counted if self.counted else None

    def add(self, score: Score, seconds: float) -> None:
        """Add one step."""
        self.steps += 1
        self.loss += score.loss * score.images
        self.correct += score.correct
        self.counted += score.counted
        self.images += score.images
        self.seconds += seconds


def record(path: str | os.PathLike[str], cls: type[T], found: Json, known: Collection[str] = ()) -> T:
    """Read one JSON object as a dataclass of non-negative integers, finite numbers or None, and booleans.

    Args:
        path: the file, for messages.
        cls: the dataclass.
        found: the value in the file.
        known: names of fields that must not be None here.

    Raises:
        CheckpointError: the value does not fit the dataclass.

    >>> record("last", Tally, {"steps": 1, "loss": 2.5, "correct": 3, "counted": 4, "images": 4, "seconds": 0.5}).loss
    2.5
    """
    names = _kinds(cls)
    if not isinstance(found, dict) or found.keys() != names.keys():
        refuse(path, f"an object of {', '.join(names)}", found)
    for name, kind in names.items():
        words, fits = KINDS[kind.removesuffix(" | None") if name in known else kind]
        if not fits(found[name]):
            refuse(path, f"{name} as {words}", found[name])
    return cls(**found)


def records(path: str | os.PathLike[str], cls: type[T], found: Json, known: Collection[str] = ()) -> list[T]:
    """Read a list of such objects, numbered from 1 in their first field.

    Args:
        path: the file, for messages.
        cls: the dataclass.
        found: the value in the file.
        known: as of ``record``.

    Raises:
        CheckpointError: the value is not such a list.
    """
    if not isinstance(found, list):
        refuse(path, f"a list of objects of {', '.join(_kinds(cls))}", found)
    several = [record(path, cls, item, known) for item in found]
    counter = next(iter(_kinds(cls)))
    for number, one in enumerate(several, 1):
        if getattr(one, counter) != number:
            refuse(path, f"{counter} {number}", getattr(one, counter))
    return several


def restore(
    path: str | os.PathLike[str], metadata: Mapping[str, Json], images: int, batch_size: int, validated: bool
) -> tuple[list[EpochResult], Tally]:
    """Read the rows and the running sums of a checkpoint.

    Args:
        path: the file, for messages.
        metadata: its metadata.
        images: the number of images in an epoch.
        batch_size: the number of images in a step.
        validated: whether epochs have a validation.

    Raises:
        CheckpointError: they do not fit a run over this number of images.
    """
    rows = records(path, EpochResult, metadata.get("rows"), ("val_loss",) if validated else ())
    for row in rows:
        if not validated and (row.val_loss, row.val_accuracy) != (None, None):
            refuse(path, "nothing of a validation", row.val_loss)
        for name in ("train_accuracy", "val_accuracy"):
            if not 0 <= (getattr(row, name) or 0) <= 1:
                refuse(path, f"{name} from 0 to 1", getattr(row, name))
    tally = record(path, Tally, metadata.get("tally"))
    most = math.ceil(images / batch_size)
    if tally.steps > most:
        refuse(path, f"steps up to {most}", tally.steps)
    if tally.images != min(tally.steps * batch_size, images):
        refuse(path, f"images as {min(tally.steps * batch_size, images)} after {tally.steps} steps", tally.images)
    if tally.correct > tally.counted:
        refuse(path, f"correct up to {tally.counted}", tally.correct)
    if tally.seconds < 0 or (tally.steps and not tally.seconds):
        refuse(path, f"seconds above 0 after {tally.steps} steps", tally.seconds)
    return rows, tally


def refuse(path: str | os.PathLike[str], expected: str, found: Json) -> NoReturn:
    """Refuse a value in a file.

    Raises:
        CheckpointError: always.
    """
    what = f"expected {expected} in what it tells of its run, got {short(found)}"
    raise CheckpointError(os.fspath(path), what, "start anew without resume")


def _kinds(cls: type) -> dict[str, str]:
    return {field.name: str(field.type) for field in fields(cls)}


def _whole(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _finite(value: object) -> bool:
    try:
        return isinstance(value, int | float) and type(value) is not bool and math.isfinite(value)
    except OverflowError:  # an integer too large for a float
        return False


def _finite_list(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(map(_finite, value))


KINDS = {
    "int": ("a whole number from 0", _whole),
    "float": ("a finite number", _finite),
    "float | None": ("a finite number or null", lambda value: value is None or _finite(value)),
    "float | tuple[float, ...]": ("a finite number, or a list of such", lambda value: _finite(value) or _finite_list(value)),
    "bool": ("true or false", lambda value: type(value) is bool),
}
"""What a dataclass field must be, by its annotation: in words, and as a check."""
