"""The body of a request as a picture: PNG, JPEG, BMP or GIF, or an array as JSON or NPY."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from math import prod

import numpy as np

from ..arrays import Array, Shape
from ..data.npz import read_npy
from ..data.picture import look, read_picture
from ..errors import DataError

LARGE = 1 << 18
"""A picture of more pixels is decoded in a thread, since other requests would wait."""

PNG = b"\x89PNG\r\n\x1a\n"
NUMBERS = "u1 u2 u4 u8 i1 i2 i4 i8 f2 f4 f8"
WHO = "body"
CHARACTERS, ROOM = 64, 4096
"""JSON may have so many bytes for each number that the network takes, and so many beside; to read it takes 30 times that."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """What a network takes, and how pictures of another size come to that.

    Args:
        shape: (C, H, W).
        uint8: whether its images are grey levels or colours from 0 to 255; else they are floats.
        fit: as of ``data.read_picture``.
    """

    shape: Shape
    uint8: bool
    fit: str = "crop"

    def is_large(self, body: bytes) -> bool:
        """Whether a picture takes long to decode.

        Raises:
            DataError: it is none.
        """
        if body.startswith(PNG):
            tall, wide = int.from_bytes(body[16:20], "big"), int.from_bytes(body[20:24], "big")  # to open it takes 0.1 ms
        else:
            (tall, wide), _ = look(body, WHO)
        return tall * wide > LARGE

    def picture(self, body: bytes) -> Array:
        """A picture of any size as the network takes it.

        Raises:
            DataError: it is none, or the network takes no pictures.
        """
        if not self.uint8:
            what = "expected an array of floats, as the model was trained with, got a picture"
            raise DataError(WHO, what, f"send JSON or NPY of shape {self.shape}")
        return read_picture(body, (self.shape[1], self.shape[2]), self.shape[0], self.fit, WHO)

    def from_json(self, body: bytes) -> Array:
        """``{"image": [[…], …]}``, nested lists of numbers.

        Raises:
            DataError: they are none, too many, or of another shape.
        """
        hint, most = 'send {"image": [[0, 255, ...], ...]}', CHARACTERS * prod(self.shape) + ROOM
        if len(body) > most:
            raise DataError(WHO, f"expected at most {most:,} bytes of JSON for this network, got {len(body):,}", hint)
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            raise DataError(WHO, "expected JSON, got something else", hint) from None
        if not isinstance(found, dict) or found.keys() != {"image"}:
            raise DataError(WHO, 'expected an object with "image" and nothing else, got something else', hint)
        try:
            image = np.array(found["image"])
        except (ValueError, OverflowError, RecursionError):
            image = np.empty(0, object)
        if image.dtype.kind not in "iuf":
            raise DataError(WHO, "expected rows of numbers, all of one length, got something else", hint)
        return self._fitting(image)

    def from_npy(self, body: bytes) -> Array:
        """What ``np.save`` writes.

        Raises:
            DataError: it is none, or of another shape.
        """
        return self._fitting(read_npy(io.BytesIO(body), WHO, NUMBERS, lambda shape: bool(self._layout(shape)), self._wanted))

    @property
    def _wanted(self) -> str:
        channels, tall, wide = self.shape
        return f"numbers ({tall}, {wide}{f', {channels}' if channels > 1 else ''}) or {self.shape}"

    def _layout(self, shape: Shape) -> str:
        """What the axes of an array are; "" for one that the network does not take."""
        channels, tall, wide = self.shape
        known = {"CHW": self.shape, "HWC": (tall, wide, channels)} | ({"HW": (tall, wide)} if channels == 1 else {})
        return next((name for name, each in known.items() if each == tuple(shape)), "")

    def _fitting(self, image: Array) -> Array:
        layout = self._layout(image.shape)
        if not layout:
            what = f"expected {self._wanted}, got shape {image.shape}"
            raise DataError(WHO, what, "send an array of that size, or a picture, whose size does not matter")
        made = image.transpose(2, 0, 1) if layout == "HWC" else image.reshape(self.shape)
        if not np.isfinite(made).all():
            raise DataError(WHO, "expected finite numbers, got others", "clean the image")
        if not self.uint8:
            return made.astype(np.float64)
        if (made < 0).any() or (made > 255).any() or (made % 1 != 0).any():
            raise DataError(WHO, "expected whole numbers from 0 to 255, got others", "scale the image to that range")
        return made.astype(np.uint8)
