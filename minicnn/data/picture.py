"""One picture, from a file or from bytes, as the uint8 numbers that a network's preprocessing takes."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from ..arrays import Array
from ..errors import DataError, OptionError, lacking, reason
from .infile import open_file, pieces

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif")
"""The endings of pictures that are read, in any case."""

FORMATS = ("PNG", "JPEG", "BMP", "GIF")
FITS = ("crop", "pad", "stretch")
MOST_PIXELS = 1 << 26
"""A picture of more pixels is refused before it is decoded."""

MOST_BYTES = 256 << 20
GREY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "F")
"""Pillow's modes of pictures without colours."""


def read_picture(
    file: str | os.PathLike[str] | bytes,
    size: tuple[int, int] | None = None,
    channels: int | None = None,
    fit: str = "crop",
    who: str | None = None,
) -> Array:
    """A picture as uint8 (C, H, W): PNG, JPEG, BMP, or the first picture of a GIF.

    It is turned as its EXIF orientation says. What is transparent shows white. 16-bit greys lose their lower eight bits.

    Args:
        file: the file, or its content.
        size: rows and columns wanted; those of the picture for None.
        channels: 1 for grey, 3 for red, green and blue; for None 3 if the picture has colours.
        fit: for a picture of another size. ``"crop"`` scales it until it covers the size and cuts off what is over on both
            sides alike, ``"pad"`` scales it until it fits in and puts black around it, ``"stretch"`` changes its proportions.
        who: what messages call it; the file for None.

    Raises:
        DataError: it cannot be read, is no such picture, or has more than 2²⁶ pixels; or Pillow is not installed.
        OptionError: an option that is none.

    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> with TemporaryDirectory() as folder:
    ...     Image.new("RGB", (40, 20), "red").save(f"{folder}/red.png")
    ...     read_picture(f"{folder}/red.png", size=(10, 10))[:, 0, 0].tolist()
    [255, 0, 0]
    """
    check_form(size, channels, fit)
    with opened(file, _named(file, who)) as image:
        upright = _upright(image)
        flat = _flattened(upright, channels)
        return _array(flat if size is None else _fitted(flat, size, fit))


def look(file: str | os.PathLike[str] | bytes, who: str | None = None) -> tuple[tuple[int, int], bool]:
    """The rows and columns of a picture, turned as it is shown, and whether it has colours, without decoding it.

    Args:
        file: as of ``read_picture``.
        who: likewise.

    Raises:
        DataError: as of ``read_picture``.
    """
    with opened(file, _named(file, who)) as image:
        turned = _orientation(image) in (5, 6, 7, 8)  # those that lie on a side
        size = (image.width, image.height) if turned else (image.height, image.width)
        return size, _has_colours(image)


def check_form(size: tuple[int, int] | None, channels: int | None, fit: str) -> None:
    """Check the options of pictures.

    Raises:
        OptionError: one of them is none.
    """
    well = isinstance(size, tuple) and len(size) == 2 and all(type(n) is int and 0 < n <= 1 << 13 for n in size)
    if size is not None and not well:
        hint = "give size=(48, 48)"
        raise OptionError("pictures", f"expected size as rows and columns, each from 1 to 8192, got {size!r}", hint)
    if channels not in (None, 1, 3):
        raise OptionError(
            "pictures", f"expected channels as 1, for grey, or 3, for colours, got {channels!r}", "give channels=3"
        )
    if fit not in FITS:
        raise OptionError("pictures", f"expected fit as one of {', '.join(FITS)}, got {fit!r}", 'give fit="crop"')


@contextmanager
def opened(file: str | os.PathLike[str] | bytes, who: str) -> Iterator[Image.Image]:
    """A picture that is open; whatever is wrong with it is put into words.

    Raises:
        DataError: it is none that can be read.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise lacking(who, "PIL", error, DataError) from None
    hint = "save it again as PNG or JPEG, or leave it out"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of doubtful metadata, and of sizes, which are looked at here
            with Image.open(io.BytesIO(_content(file, who)), formats=FORMATS) as image:
                if image.width * image.height > MOST_PIXELS:
                    what = f"expected a picture of at most {MOST_PIXELS:,} pixels, got {image.width} × {image.height}"
                    raise DataError(who, what, "make it smaller")
                yield image
    except DataError:
        raise
    except UnidentifiedImageError:
        raise DataError(who, f"expected a picture as {', '.join(FORMATS)}, got something else", hint) from None
    except (OSError, ValueError, SyntaxError, EOFError, ArithmeticError, LookupError, TypeError, AttributeError) as fault:
        words = " ".join(str(fault).split())[:100] or type(fault).__name__
        raise DataError(who, f"expected an intact picture, got a damaged one ({words})", hint) from None
    except Image.DecompressionBombError:
        what = f"expected a picture of at most {MOST_PIXELS:,} pixels, got a larger one"
        raise DataError(who, what, "make it smaller") from None


def _named(file: str | os.PathLike[str] | bytes, who: str | None) -> str:
    """What messages call a picture."""
    return who or ("picture" if isinstance(file, bytes) else os.fspath(file))


def _content(file: str | os.PathLike[str] | bytes, who: str) -> bytes:
    """The bytes of a file."""
    if isinstance(file, bytes):
        return file
    try:
        with open_file(file) as stream:
            content = b"".join(pieces(stream, MOST_BYTES + 1, who))  # a read takes memory for all that it may give
    except OSError as fault:
        raise DataError(
            who, f"expected a picture that can be read, got {reason(fault)}", "check it and its permissions"
        ) from None
    if len(content) > MOST_BYTES:
        raise DataError(who, f"expected a picture of at most {MOST_BYTES:,} bytes, got more", "make it smaller")
    return content


def _has_colours(image: Image.Image) -> bool:
    """Whether a picture may have colours; of one with a palette, whether that has."""
    palette = image.getpalette() if image.mode == "P" else None
    if palette is not None:
        return palette[::3] != palette[1::3] or palette[::3] != palette[2::3]
    return image.mode not in GREY_MODES


def _upright(image: Image.Image) -> Image.Image:
    if _orientation(image) == 1:
        return image  # exif_transpose would copy it
    from PIL import ImageOps

    return ImageOps.exif_transpose(image)


def _orientation(image: Image.Image) -> object:
    """How a picture is to be turned: EXIF's number from 1, upright, to 8."""
    return image.getexif().get(0x0112, 1)


def _flattened(image: Image.Image, channels: int | None) -> Image.Image:
    """A picture in mode L or RGB, over white where it is transparent."""
    from PIL import Image

    if image.mode.startswith("I"):
        greys = np.asarray(image).astype(np.int64)
        deep = image.mode != "I" or greys.max(initial=0) > 255  # "I" is also what 16-bit PNGs are opened as
        image = Image.fromarray((greys >> 8 if deep else greys).clip(0, 255).astype(np.uint8))
    if "A" in image.mode or "transparency" in image.info:
        over = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", over.size, "white"), over).convert("RGB")
        wanted = "RGB"
    else:
        wanted = "RGB" if _has_colours(image) else "L"
    if channels is not None:
        wanted = "L" if channels == 1 else "RGB"
    return image.convert(wanted)


def _fitted(image: Image.Image, size: tuple[int, int], fit: str) -> Image.Image:
    """A picture of the size, bilinear with as many pixels as it shrinks."""
    from PIL import Image, ImageOps

    wanted, how = size[::-1], Image.Resampling.BILINEAR
    if image.size == wanted:
        return image
    if fit == "crop":
        return ImageOps.fit(image, wanted, how)
    return ImageOps.pad(image, wanted, how, color=0) if fit == "pad" else image.resize(wanted, how)


def _array(image: Image.Image) -> Array:
    found = np.asarray(image)
    return found[None] if found.ndim == 2 else np.ascontiguousarray(found.transpose(2, 0, 1))
