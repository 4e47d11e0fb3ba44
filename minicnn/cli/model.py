"""The model that a command uses, and pictures as it takes them."""

from __future__ import annotations

from pathlib import Path

from ..classifier import Classifier, load
from ..data.picture import FITS
from ..errors import CheckpointError
from ..train.checkpoint import read_metadata


def classifier(path: Path, threads: int | None) -> Classifier:
    """The classifier of a model file.

    Raises:
        CheckpointError: it is none, or takes no pictures.
    """
    found = load(path, threads=threads)
    if not isinstance(found, Classifier):
        what = f"expected a file of a Classifier, got one of a {type(found).__name__}"
        raise CheckpointError(str(path), what, "load it in Python with minicnn.load")
    if len(found.net.in_shape) != 3 or found.net.in_shape[0] not in (1, 3):
        what = f"expected a network that takes grey or colour pictures, got one for inputs {found.net.in_shape}"
        raise CheckpointError(str(path), what, "load it in Python with minicnn.load")
    return found


def fit_of(path: Path) -> str:
    """How pictures of other sizes are made to fit, as in training."""
    pictures = read_metadata(path).get("pictures")
    fit = pictures.get("fit") if isinstance(pictures, dict) else None
    return fit if fit in FITS else "crop"
