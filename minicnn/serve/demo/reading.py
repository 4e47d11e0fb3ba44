"""Images of 28 × 28 as a classifier's preprocessing takes them."""

from __future__ import annotations

import numpy as np

from ...arrays import Array
from ...data.pixels import Pixels
from ...errors import CheckpointError
from ...train.classifier import Classifier
from .ink import SIDE


def check(model: Classifier, who: str) -> None:
    """Refuse a classifier that takes no grey pictures.

    Raises:
        CheckpointError: it is one, or is not trained.
    """
    shape = model.net.in_shape
    if len(shape) != 3 or shape[0] != 1:
        what = f"expected a network that takes grey pictures (1, H, W), got one for inputs {shape}"
        raise CheckpointError(who, what, "give a model of one channel, or serve this one without the page")
    if model.preprocessing is None or model.classes is None:
        raise CheckpointError(who, "expected a trained classifier, got one that is not", "train it before it is saved")


def read(model: Classifier, images: Array) -> Pixels | Array:
    """Images (N, 28, 28) of uint8 as the network reads them; where their size does not fit, they are resized."""
    steps, shape = model.preprocessing, model.net.in_shape
    assert steps is not None
    size = (shape[1], shape[2])
    padded = size[0] == size[1] and size[0] >= SIDE and (size[0] - SIDE) % 2 == 0
    fits = size == (SIDE, SIDE) or (steps.uint8 and padded) or (steps.uint8 and steps.fit == "resize" and size[0] == size[1])
    given = images.copy() if fits else np.stack([_resized(image, size) for image in images])
    numbers = given if steps.uint8 else given / np.float32(255)
    axes = {"NCHW": numbers[:, None], "NHWC": numbers[..., None]}
    return steps.source("image", axes.get(steps.layout or "", numbers), shape, model.net.dtype)


def _resized(image: Array, size: tuple[int, int]) -> Array:
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.BILINEAR))
