"""Predictions for small batches of pictures, without new programs for each."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np

from ..arrays import Array
from ..data.pixels import Pixels
from ..network import Network

MOST_IMAGES, MOST_BYTES = 256, 8 << 20


class SmallBatches:
    """Memory that small batches are copied into: a network's programs read a source where it lies, so a new one costs new ones.

    That takes ten times as long as LeNet-5's pass over one picture. Threads may share it; copies of it begin empty.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: Pixels | None = None

    def predict(self, net: Network, pixels: Pixels) -> Array:
        """What a network gives for these pictures.

        Args:
            net: the network, the same each time.
            pixels: the pictures.
        """
        images = pixels.images
        most = min(MOST_IMAGES, MOST_BYTES // images[0].nbytes)
        if len(images) > most or net.backend.memory is not None:
            return net.predict(pixels)
        with self._lock:
            kept = self._kept
            if kept is None or _form(kept) != _form(pixels):
                kept = self._kept = replace(pixels, images=np.zeros((most, *images.shape[1:]), np.uint8))
            kept.images[: len(images)] = images
            return net.predict(kept, np.arange(len(images)))

    def __reduce__(self) -> tuple[type[SmallBatches], tuple[()]]:
        return SmallBatches, ()


def _form(pixels: Pixels) -> tuple[object, ...]:
    """Everything about pictures but their numbers."""
    return pixels.images.shape[1:], pixels.normalise, pixels.size, pixels.fit
