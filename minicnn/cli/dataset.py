"""What a command reads as data: a folder of pictures, MNIST's four files, CIFAR-10, or an NPZ file."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import NamedTuple

from ..arrays import Array
from ..data import ImageDataset, ImageFolder, load_cifar10, load_mnist
from ..data.infile import opened
from ..data.layout import is_layout
from ..data.npz import read_npz
from ..data.picture import FITS
from ..errors import DataError
from .command import size
from .console import path

PARTS = ("train", "test")
KINDS = {"images": "u1", "labels": "u1 u2 u4 u8 i1 i2 i4 i8"}
CIFAR = ("data_batch_1.bin", "data_batch_1.npz", "cifar-10-batches-bin", "cifar-10-binary.tar.gz")


class Labelled(NamedTuple):
    """Pictures with their classes.

    Attributes:
        images: uint8, (N, H, W) or (N, C, H, W).
        labels: (N,), numbers of classes.
        classes: names of classes; None for their numbers.
        skipped: a sentence about each picture that was passed over.
    """

    images: Array
    labels: Array
    classes: tuple[str, ...] | None
    skipped: tuple[str, ...] = ()


def add_data(parser: argparse.ArgumentParser) -> None:
    """Where the data are, and how pictures are read."""
    words = "a folder with a subfolder of pictures for each class; or of MNIST's files or CIFAR-10; or an NPZ file, "
    parser.add_argument("data", type=path, metavar="DATA", help=f"{words}images (N, H, W) or (N, H, W, C) and labels (N,)")
    parser.add_argument("--skip-corrupt", action="store_true", help="pass over pictures that cannot be read, and say which")


def add_form(parser: argparse.ArgumentParser) -> None:
    """What size and colours pictures get."""
    parser.add_argument("--size", type=size, metavar="N or NxM", help="rows and columns; those that most pictures have")
    parser.add_argument("--fit", choices=FITS, default="crop", help="how pictures of other sizes get it (default crop)")
    parser.add_argument("--grey", action="store_true", help="leave colours out")


def read(
    data: Path,
    part: str,
    size: tuple[int, int] | None = None,
    channels: int | None = None,
    fit: str = "crop",
    skip: bool = False,
) -> Labelled:
    """Read data.

    Args:
        data: where they are.
        part: ``"train"`` or ``"test"``, of what has both.
        size: as of ``ImageFolder``, for a folder of pictures.
        channels: likewise.
        fit: likewise.
        skip: whether to pass over pictures that cannot be read.

    Raises:
        DataError: there are none that can be read.
    """
    if data.suffix.lower() == ".npz":
        return _npz(data)
    names = os.listdir(data) if data.is_dir() else []
    if is_layout(data):
        return _part(load_mnist(data), part)
    if data.name.endswith(CIFAR) or any(name in CIFAR for name in names):
        return _part(load_cifar10(data), part)
    found = ImageFolder(data, size, channels, fit, "skip" if skip else "refuse")
    return Labelled(found.images, found.labels, found.classes, found.skipped)


def _part(found: ImageDataset, part: str) -> Labelled:
    if part == "train":
        return Labelled(found.train_images, found.train_labels, None)
    return Labelled(found.test_images, found.test_labels, None)


def _npz(data: Path) -> Labelled:
    def fits(shapes: dict[str, tuple[int, ...]]) -> bool:
        return len(shapes["images"]) in (3, 4) and shapes["labels"] == shapes["images"][:1] and 0 not in shapes["images"]

    wanted = "images of uint8 (N, H, W), (N, H, W, C) or (N, C, H, W) and as many labels, whole numbers"
    with opened(data, "NPZ file") as file:
        arrays = read_npz(file, str(data), KINDS, fits, wanted)
    if int(arrays["labels"].min()) < 0:
        raise DataError(str(data), "expected labels of at least 0, got negative ones", "number the classes from 0")
    return Labelled(arrays["images"], arrays["labels"], None)
