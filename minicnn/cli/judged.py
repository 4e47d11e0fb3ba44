"""Labelled pictures as a classifier takes them, to judge it by."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..arrays import Array
from ..data.from_arrays import from_arrays
from ..errors import DataError
from ..train.classifier import Classifier
from .dataset import read
from .model import fit_of


class Examples(NamedTuple):
    """Labelled pictures.

    Attributes:
        images: as the classifier takes them.
        numbers: the number of each one's class, by the order of the model's classes.
        names: the names of the model's classes.
        skipped: a sentence about each picture that was passed over.
    """

    images: Array
    numbers: Array
    names: list[str]
    skipped: tuple[str, ...]


def examples(model: Classifier, file: Path, data: Path, skip: bool = False) -> Examples:
    """Read labelled pictures, whose classes are those of a model.

    Args:
        model: the model.
        file: its file, which says how pictures of other sizes are made to fit.
        data: where the pictures are.
        skip: whether to pass over pictures that cannot be read.

    Raises:
        DataError: there are none that can be read, or one has another class than the model.
    """
    channels, *size = model.net.in_shape
    found = read(data, "test", (size[0], size[1]), channels, fit_of(file), skip)
    names = [str(name) for name in (model.classes if model.classes is not None else [])]
    numbers = found.labels
    if found.classes is not None:
        if unknown := [name for name in found.classes if name not in names]:
            what = f"expected subfolders out of the model's classes {', '.join(names)}, got {unknown[0]}"
            raise DataError(str(data), what, "rename it, or evaluate another model")
        numbers = np.array([names.index(name) for name in found.classes])[found.labels]
    return Examples(from_arrays(found.images), numbers, names, found.skipped)
