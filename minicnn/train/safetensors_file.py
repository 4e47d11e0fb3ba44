"""Read and write safetensors files. Reading checks everything; writing replaces a file completely or not at all.

A file is the header's length (8 bytes, little-endian), the header (JSON: name → dtype, shape and place of a tensor, and a
map ``__metadata__`` of text), then the tensors' bytes. Source: the format's description at
https://github.com/huggingface/safetensors.
"""

from __future__ import annotations

import json
import math
import os
import textwrap
from collections.abc import Mapping
from types import ModuleType
from typing import BinaryIO, NoReturn

import numpy as np

from ..arrays import Array
from ..data.infile import open_file, shown
from ..data.outfile import StrPath, outfile
from ..errors import CheckpointError, lacking, reason
from .document import Document, Json

MOST_HEADER = 100_000_000
"""Largest header in bytes, by the format's specification."""


def _safetensors() -> ModuleType:
    """The safetensors package, imported on first use so that other features work without it."""
    try:
        import safetensors.numpy
    except ImportError as fault:
        raise lacking("checkpoint", "safetensors", fault, CheckpointError) from fault
    return safetensors


def read(path: StrPath) -> tuple[dict[str, str], dict[str, Array]]:
    """Read a file: its metadata and its tensors.

    Args:
        path: the file.

    Raises:
        CheckpointError: the file cannot be read, or is not a complete safetensors file with unique names.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(f"{folder}/pair", {"pair": np.array([1.0, 2.0])}, {"made by": "hand"})
    ...     metadata, tensors = read(f"{folder}/pair")
    >>> metadata, tensors["pair"]
    ({'made by': 'hand'}, array([1., 2.]))
    """
    package = _safetensors()
    try:
        with open_file(path) as file:
            content, whole = _content(file)
    except OSError as fault:
        what = f"expected a readable file, got {reason(fault)}"
        raise CheckpointError(shown(path), what, "check the path and its permissions") from fault
    try:
        tensors = package.numpy.load(content)
    except package.SafetensorError as fault:
        refuse(path, "a whole safetensors file", str(fault).rpartition("deserializing: ")[2])
    except (KeyError, ValueError, OverflowError) as fault:
        refuse(path, "tensors that NumPy can hold", str(fault))
    if not whole:
        refuse(path, "a whole safetensors file", "its header says another size")
    header = parse(path, content[8 : 8 + int.from_bytes(content[:8], "little")].decode())
    return header.get("__metadata__") or {}, tensors


def write(path: StrPath, tensors: Mapping[str, Array], metadata: dict[str, str]) -> None:
    """Write a file. An older file of that name stays in place until the new one is complete and on the disk.

    Args:
        path: the file.
        tensors: name → array.
        metadata: name → text.

    Raises:
        CheckpointError: the file cannot be written.
    """
    # safetensors writes the memory of an array, so it must be in C order; ascontiguousarray would change shape () to (1,).
    ordered = {name: np.array(tensor, order="C") for name, tensor in tensors.items()}
    content = _safetensors().numpy.save(ordered, metadata)
    with outfile(path, "a checkpoint", CheckpointError) as file:
        file.write(content)


def parse(path: StrPath, text: str) -> Json:
    """Parse JSON. Repeated keys in an object and numbers that are not finite are errors.

    Args:
        path: the file of the text, for messages.
        text: the JSON.

    Raises:
        CheckpointError: the text is not such JSON.
    """
    try:
        return json.loads(text, object_pairs_hook=_once, parse_float=_finite, parse_constant=_not_json)
    except (ValueError, RecursionError) as fault:
        refuse(path, "JSON in its header", str(fault))


def refuse(path: StrPath, expected: str, fault: str) -> NoReturn:
    """Refuse a file with a message in one printable line, although it may quote names from the file.

    Args:
        path: the file.
        expected: what was expected, in words.
        fault: what is wrong, in words.

    Raises:
        CheckpointError: always.
    """
    line = textwrap.shorten("".join(c if c.isprintable() else " " for c in fault[:1000]), 160)
    what = f"expected {expected}, got something else ({line})"
    raise CheckpointError(os.fspath(path), what, "give a whole file that minicnn or PyTorch saved")


def _content(file: BinaryIO) -> tuple[bytes, bool]:
    """A file's bytes, and whether they are complete; the tensors are read only if the file is as long as its header says."""
    size = os.fstat(file.fileno()).st_size
    content = file.read(8)
    length = int.from_bytes(content, "little")
    if length <= min(size - 8, MOST_HEADER):
        content += file.read(length)
        if len(content) + _tensor_bytes(content[8:]) == size:
            content += file.read(size - len(content))
    return content, len(content) == size


def _tensor_bytes(header: bytes) -> int:
    """The number of bytes after a header; 0 if the header does not tell."""
    try:
        tensors = json.loads(header)
        ends = [tensor["data_offsets"][1] for name, tensor in tensors.items() if name != "__metadata__"]
        return max(0, *ends) if ends and all(type(end) is int for end in ends) else 0
    except (ValueError, RecursionError, AttributeError, KeyError, IndexError, TypeError):
        return 0


def _once(pairs: list[tuple[str, Json]]) -> Document:
    # Readers differ in which of two equal keys they use; safetensors' own readers do, too.
    found: Document = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} twice")
        found[key] = value
    return found


def _finite(digits: str) -> float:
    if math.isinf(value := float(digits)):
        raise ValueError(f"the number {digits}")
    return value


def _not_json(constant: str) -> NoReturn:
    raise ValueError(f"the number {constant}")
