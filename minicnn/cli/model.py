"""The model that a command uses, and pictures as it takes them."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from .. import models
from ..data.picture import FITS
from ..errors import CheckpointError
from ..network import Network
from ..train.checkpoint import read_metadata
from ..train.classifier import Classifier, load
from .console import path


def classifier(file: Path, threads: int | None) -> Classifier:
    """The classifier of a model file.

    Raises:
        CheckpointError: it is none, takes no pictures, or is not trained.
    """
    found = load(file, threads=threads)
    if not isinstance(found, Classifier):
        what = f"expected a file of a Classifier, got one of a {type(found).__name__}"
        raise CheckpointError(str(file), what, "load it in Python with minicnn.load")
    if len(found.net.in_shape) != 3 or found.net.in_shape[0] not in (1, 3):
        what = f"expected a network that takes grey or colour pictures, got one for inputs {found.net.in_shape}"
        raise CheckpointError(str(file), what, "load it in Python with minicnn.load")
    if found.preprocessing is None or found.classes is None:
        raise CheckpointError(str(file), "expected a trained classifier, got one that is not", "train it before it is saved")
    return found.with_layout("NCHW")  # that of pictures as they are read


def network(text: str, threads: int | None) -> Network:
    """The network of a model file, or a new one of the zoo by its name.

    Raises:
        CheckpointError: it is neither.
    """
    place = path(text)
    if text in models.ZOO and not place.exists():
        return cast("Network", getattr(models, text)(threads=threads))
    found = load(place, threads=threads)
    return found if isinstance(found, Network) else found.net


def fit_of(file: Path) -> str:
    """How pictures of other sizes are made to fit, as in training."""
    pictures = read_metadata(file).get("pictures")
    fit = pictures.get("fit") if isinstance(pictures, dict) else None
    return fit if fit in FITS else "crop"
