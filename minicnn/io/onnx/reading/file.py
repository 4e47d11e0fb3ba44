"""ONNX files: their bytes, their tensors and what lies beside them, with everything checked before memory is taken."""

from __future__ import annotations

import os
from math import prod
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from ....arrays import Array
from ....data.infile import open_file, shown
from ....errors import DataError, lacking, reason
from .node import Attribute, clean
from .values import RANK

if TYPE_CHECKING:
    from onnx import AttributeProto, ModelProto, TensorProto

LARGEST = 2**31
"""Bytes of a file: the format's own bound."""

DTYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32",
    7: "int64", 9: "bool", 10: "float16", 11: "float64", 12: "uint32", 13: "uint64",
}  # fmt: skip
"""The kinds of numbers that are read, by the format's numbers for them."""

STORED = {
    "float32": "float_data",
    "float64": "double_data",
    "int64": "int64_data",
    "uint32": "uint64_data",
    "uint64": "uint64_data",
}
"""Where a tensor has its numbers, if not as bytes; ``int32_data`` for all others."""


def package() -> ModuleType:
    """The package onnx, imported on first use.

    Raises:
        DataError: it is not installed.
    """
    try:
        import onnx
    except ImportError as fault:
        raise lacking("io.onnx", "onnx", fault, DataError) from fault
    found: ModuleType = onnx
    return found


class ModelFile:
    """A model and the folder in which its further files are.

    Args:
        model: the path of a file, or a ModelProto.

    Raises:
        DataError: the file cannot be read, or is no ONNX model.
    """

    def __init__(self, model: str | os.PathLike[str] | ModelProto) -> None:
        onnx = package()
        self.folder: Path | None = None
        self.numbers = self._outer = 0
        """How many numbers were read, and how many bytes of them from other files."""
        if isinstance(model, str | os.PathLike):
            self.who, self.folder = shown(model), Path(model).parent
            self.proto: ModelProto = self._parse(onnx, self._bytes(Path(model)))
        elif isinstance(model, onnx.ModelProto):
            self.who, self.proto = "ONNX model", model
        else:
            what = f"expected the path of an ONNX file or a ModelProto, got {type(model).__name__}"
            raise DataError("io.onnx.load", what, 'give load("model.onnx")')

    def refuse(self, expected: str, got: str) -> NoReturn:
        """Refuse the file.

        Raises:
            DataError: always.
        """
        raise DataError(self.who, f"expected {expected}, got {got}", "give a whole file that another program exported as ONNX")

    def _bytes(self, path: Path, offset: int = 0, length: int | None = None) -> bytes:
        """Bytes of a file: all of them for no length."""
        try:
            with open_file(path) as file:
                size = os.fstat(file.fileno()).st_size
                wanted = size - offset if length is None else length
                if not 0 <= wanted <= min(size - offset, LARGEST):
                    self.refuse(f"{path.name} with {max(wanted, 0):,} bytes from {offset:,} on, of at most 2 GiB", f"{size:,}")
                file.seek(offset)
                return file.read(wanted)
        except OSError as fault:
            what = f"expected a readable file, got {reason(fault)}"
            raise DataError(shown(path), what, "check the path and its permissions") from fault

    def _parse(self, onnx: ModuleType, content: bytes) -> ModelProto:
        try:
            found: ModelProto = onnx.load_model_from_string(content)
        except Exception as fault:  # protobuf's own, which is no class of a common base
            self.refuse("an ONNX model", f"bytes that are none ({type(fault).__name__})")
        return found

    def array(self, tensor: TensorProto) -> Array:
        """The numbers of a tensor.

        Raises:
            DataError: it has not as many bytes as its shape needs, or numbers of another kind.
        """
        name = clean(tensor.name) or "a constant"
        shape, kind = tuple(tensor.dims), DTYPES.get(tensor.data_type)
        if kind is None:
            self.refuse(f"numbers of {name} of one of the kinds {', '.join(DTYPES.values())}", f"kind {tensor.data_type}")
        if any(n < 0 for n in shape) or prod(shape) > LARGEST or len(shape) > RANK:
            self.refuse(f"a shape of {name} of at most 2^31 numbers and {RANK} axes", str(shape)[:80])
        dtype = np.dtype(kind)
        self.numbers += prod(shape)
        if tensor.data_location == 1:
            content = self._outside(tensor, name, prod(shape) * dtype.itemsize)
        elif tensor.HasField("raw_data"):
            content = tensor.raw_data
        else:
            return self._listed(tensor, name, shape, dtype)
        if len(content) != prod(shape) * dtype.itemsize:
            self.refuse(f"{prod(shape) * dtype.itemsize:,} bytes of {name}", f"{len(content):,}")
        return np.frombuffer(content, dtype.newbyteorder("<")).astype(dtype).reshape(shape)

    def _listed(self, tensor: TensorProto, name: str, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Array:
        """Numbers that stand one by one."""
        found = getattr(tensor, STORED.get(dtype.name, "int32_data"))
        if len(found) != prod(shape):
            self.refuse(f"{prod(shape):,} numbers of {name}", f"{len(found):,}")
        if dtype.name == "float16":  # their bits as whole numbers
            return np.array(found, np.int32).astype(np.uint16).view(np.float16).reshape(shape)
        wide = np.array(found, "uint64" if dtype.kind == "u" and dtype.itemsize >= 4 else None)
        return wide.astype(dtype).reshape(shape)

    def _outside(self, tensor: TensorProto, name: str, size: int) -> bytes:
        """The bytes of a tensor that lie in a file of their own, which must lie in the model's folder."""
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        if self.folder is None:
            self.refuse(f"the numbers of {name} within the model", "a model in memory whose numbers are in another file")
        folder = self.folder.resolve()
        try:
            path = (folder / location).resolve()
        except (OSError, ValueError, TypeError, RuntimeError):  # no text, a null character, or links that go round
            path = folder
        if not location or path == folder or not path.is_relative_to(folder):
            self.refuse(f"the numbers of {name} in a file of the model's own folder", repr(clean(location)))
        try:
            offset, length = (int(entries.get(key, other)) for key, other in (("offset", 0), ("length", size)))
        except ValueError:
            offset, length = -1, -1
        if length != size or offset < 0:
            self.refuse(f"{size:,} bytes of {name}", f"offset {clean(entries.get('offset', '0'))}, {clean(str(length))}")
        self._outer += length
        if self._outer > LARGEST:
            self.refuse("at most 2 GiB in other files", f"more with {name}")
        return self._bytes(path, offset, length)

    def attribute(self, found: AttributeProto) -> Attribute | None:
        """The value of an attribute; None for one of a kind that no operator here has."""
        kinds = {1: "f", 2: "i", 6: "floats", 7: "ints"}
        if found.type == 3:
            return found.s.decode("utf-8", "replace")
        if found.type == 4:
            return self.array(found.t)
        if found.type not in kinds or found.ref_attr_name:
            return None
        value = getattr(found, kinds[found.type])
        return list(value) if found.type in (6, 7) else value
