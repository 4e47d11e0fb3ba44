"""Pictures in arrays of any usual layout as (N, C, H, W)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Array, Shape
from ..errors import DataError, OptionError

LAYOUTS = {"NHW": 3, "NHWC": 4, "NCHW": 4}
"""The layouts with their ranks."""

CHANNELS = (1, 3, 4)
"""What an axis of channels may be long where nobody says how many there are: grey, colours, and colours with opacity."""


def from_arrays(images: ArrayLike, layout: str | None = None, channels: int | None = None) -> Array:
    """Pictures as (N, C, H, W), as a view where the array allows it.

    Without a layout, three axes are (N, H, W), and of four the one that can be channels tells: the second or the last. Where
    both or neither can be, the layout is asked for.

    Args:
        images: pictures of one size, uint8 from 0 to 255 or floats.
        layout: ``"NHW"``, ``"NHWC"`` or ``"NCHW"``; found out for None.
        channels: how many channels there must be; 1, 3 or 4 for None.

    Raises:
        DataError: no pictures of one size, another dtype, or a layout that is not clear.
        OptionError: a layout that is none.

    >>> from_arrays(np.zeros((5, 28, 28), np.uint8)).shape
    (5, 1, 28, 28)
    >>> from_arrays(np.zeros((5, 48, 32, 3), np.uint8)).shape
    (5, 3, 48, 32)
    """
    given = _array(images)
    if layout is not None and layout not in LAYOUTS:
        what = f"expected layout as one of {', '.join(LAYOUTS)}, got {layout!r}"
        raise OptionError("from_arrays", what, 'give layout="NHWC"')
    found = _layout(given.shape, (channels,) if channels else CHANNELS) if layout is None else layout
    if given.ndim != LAYOUTS[found]:
        what = f"expected images of {LAYOUTS[found]} axes, as layout {found} has, got shape {given.shape}"
        raise DataError("from_arrays", what, "give the layout that they have")
    if 0 in given.shape:
        what = f"expected at least one image of at least one pixel, got shape {given.shape}"
        raise DataError("from_arrays", what, "give images that hold something")
    made = given[:, None] if found == "NHW" else given.transpose(0, 3, 1, 2) if found == "NHWC" else given
    if channels and made.shape[1] != channels:
        what = f"expected images of {_counted(channels)}, got {_counted(made.shape[1])} in shape {given.shape}"
        raise DataError("from_arrays", what, "convert them, or build the network for their channels")
    return made


def _array(images: ArrayLike) -> Array:
    """Pictures as an array of uint8 or floats."""
    try:
        given = np.asarray(images)
    except (ValueError, TypeError):
        given = np.empty(0, object)
    if given.dtype.kind == "O":
        what = "expected images of one size in an array, got others"
        raise DataError("from_arrays", what, "resize them to one size, then give np.stack(images)")
    if given.dtype != np.uint8 and given.dtype.kind != "f":
        what = f"expected images of uint8, from 0 to 255, or of floats, got {given.dtype}"
        raise DataError("from_arrays", what, "write images.astype(np.uint8), or convert them to float32")
    return given


def _layout(shape: Shape, counts: tuple[int, ...]) -> str:
    """The layout that a shape tells.

    Raises:
        DataError: it tells none, or two.
    """
    if len(shape) == 3 and (shape[2] not in (3, 4) or counts == (1,)):
        if counts[0] > 1:
            what = f"expected images of {_counted(counts[0])}, got shape {shape}, which is grey"
            raise DataError("from_arrays", what, "give them as (N, H, W, C), or build the network for one channel")
        return "NHW"
    if len(shape) == 3:
        what = f"expected images (N, H, W), (N, H, W, C) or (N, C, H, W), got shape {shape}, which may be one colour image"
        raise DataError("from_arrays", what, 'write images[None] for one image, or layout="NHW" for grey ones')
    if len(shape) != 4:
        what = f"expected images (N, H, W), (N, H, W, C) or (N, C, H, W), got shape {shape}"
        hint = "write images[None] for one image" if len(shape) == 2 else "reshape them"
        raise DataError("from_arrays", what, hint)
    second, last = shape[1] in counts, shape[3] in counts
    if not second and not last and counts != CHANNELS:
        return _layout(shape, CHANNELS)  # their channels are refused by their number
    if second == last:
        which = "both the second and the last axis can be" if second else "neither the second nor the last axis can be"
        what = f"expected to see where the channels are, got shape {shape}, where {which} channels"
        raise DataError("from_arrays", what, 'give layout="NHWC" or layout="NCHW"')
    return "NCHW" if second else "NHWC"


def _counted(channels: int) -> str:
    return f"{channels} channel{'' if channels == 1 else 's'}"
