"""Files that Keras 3 writes, read without Keras. Nothing in them is executed, and nothing is read that is larger than the file.

A ``.weights.h5`` file is HDF5: the variables of a layer are the datasets ``layers/NAME/vars/0``, ``1``, …, where NAME is the
class of the layer in snake case, numbered within that class (``conv2d``, ``conv2d_1``). The layer's own name stands there as an
attribute, which is not read: HDF5 may run for ever where text of a damaged file is. A ``.keras`` file is a ZIP archive of such
a file and of the architecture as JSON, from which the names and ε of layers are read.
Source: ``keras/src/saving/saving_lib.py``.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import textwrap
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, NoReturn

import numpy as np

from ..arrays import Array
from ..data.infile import open_file, shown
from ..data.outfile import StrPath
from ..errors import CheckpointError, lacking, reason

if TYPE_CHECKING:
    import h5py

INNER, CONFIG = "model.weights.h5", "config.json"
MOST_CONFIG = 1 << 24
"""So many bytes the architecture may have."""
HINT = "save it with model.save_weights(path), or give model.get_weights()"


@dataclass(frozen=True)
class Module:
    """A layer of Keras that has variables.

    Attributes:
        path: its name in the file: its class in snake case, and a number.
        kind: the class alone.
        name: its own name; empty where the file has none.
        epsilon: its ε, where the file says one.
        variables: in Keras's order and layout.
    """

    path: str
    kind: str
    name: str
    epsilon: float | None
    variables: tuple[Array, ...]


Described = dict[str, tuple[str, float | None]]
"""A layer's own name and its ε, by its name in the file."""


def read(path: StrPath) -> list[Module]:
    """The layers with variables, those of one class in the order of the model.

    Args:
        path: the file, ``.weights.h5`` or ``.keras``.

    Raises:
        CheckpointError: h5py is not installed, or the file cannot be read or is none of these.
    """
    who = shown(path)
    try:
        import h5py
    except ImportError as fault:
        raise lacking(who, "h5py", fault, CheckpointError) from fault
    try:
        with open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            content, described = _unpacked(who, file, size)
            with h5py.File(content, "r") as opened:
                return _modules(who, opened, described, size)
    except CheckpointError:
        raise
    except OSError as fault:
        if fault.errno is None:  # HDF5's own
            _refuse(who, "a whole file of weights", str(fault))
        raise CheckpointError(who, f"expected a readable file, got {reason(fault)}", "check the path") from fault
    except Exception as fault:  # a damaged file raises almost any class
        _refuse(who, "a whole file of weights", str(fault) or type(fault).__name__)


def _refuse(who: str, expected: str, got: str) -> NoReturn:
    words = textwrap.shorten("".join(c if c.isprintable() else " " for c in got[:1000]), 160)
    raise CheckpointError(who, f"expected {expected}, got something else ({words})", HINT)


def _unpacked(who: str, file: BinaryIO, size: int) -> tuple[BinaryIO, Described]:
    """The HDF5 file in a file, and what an archive says of each layer."""
    packed = zipfile.is_zipfile(file)
    file.seek(0)
    if not packed:
        return file, {}
    with zipfile.ZipFile(file) as archive:
        for name, most in ((INNER, size), (CONFIG, min(size, MOST_CONFIG))):
            entry = archive.getinfo(name) if name in archive.namelist() else None
            if entry is None or entry.compress_type != zipfile.ZIP_STORED or entry.file_size > most:
                _refuse(who, f"{name} in the archive, without compression, as Keras writes", f"{entry or 'none'}")
        return io.BytesIO(archive.read(INNER)), _described(json.loads(archive.read(CONFIG)))


def _described(model: dict[str, dict[str, list[dict[str, object]]]]) -> Described:
    """The name and ε of each layer by its name in the file; nothing of a model that is no list of layers."""
    found, used = Described(), dict[str, int]()
    for layer in model["config"].get("layers", []):
        kind = _snake(str(layer["class_name"]))
        used[kind] = number = used.get(kind, -1) + 1
        if isinstance(options := layer["config"], dict):
            epsilon = options.get("epsilon")
            own = str(options.get("name", "")), epsilon if isinstance(epsilon, float) else None
            found[f"{kind}_{number}" if number else kind] = own
    return found


def _snake(name: str) -> str:
    """The name of a class as Keras writes it in files.

    >>> _snake("Conv2DTranspose")
    'conv2d_transpose'
    """
    return re.sub("([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))).lower()


def _modules(who: str, opened: h5py.File, described: Described, size: int) -> list[Module]:
    layers = _group(who, opened, "layers")
    if "vars" in opened and len(_group(who, opened, "vars")):
        _refuse(who, "variables in layers only", "variables of the model itself")
    found = []
    for path in layers:
        layer = _group(who, layers, path)
        if inner := [name for name in layer if name not in ("vars", "seed_generator")]:
            _refuse(who, "a model whose layers are no models", f"{inner[0]} in {path}")
        if "vars" in layer and len(variables := _group(who, layer, "vars")):
            names = [str(n) for n in range(len(variables))]
            arrays = tuple(_array(who, variables, name, size) for name in names)
            size -= sum(array.nbytes for array in arrays)  # one place of the file may be named many times
            kind, number = re.fullmatch(r"(.*?)(?:_(\d+))?", path, re.S).groups()  # type: ignore[union-attr]  # fits any text
            found.append((int(number or 0), Module(path, kind, *described.get(path, ("", None)), arrays)))
    return [module for _, module in sorted(found, key=lambda pair: pair[0])]


def _group(who: str, parent: h5py.Group, name: str) -> h5py.Group:
    """A group that lies in the file itself."""
    import h5py

    if not isinstance(parent.get(name, getlink=True), h5py.HardLink) or not isinstance(found := parent[name], h5py.Group):
        _refuse(who, f"a group {name!r} in {parent.name}", "none, or a link")
    return found


def _array(who: str, group: h5py.Group, name: str, size: int) -> Array:
    """An array whose numbers lie in the file as they are."""
    import h5py

    if not isinstance(group.get(name, getlink=True), h5py.HardLink) or not isinstance(found := group[name], h5py.Dataset):
        _refuse(who, f"an array {name!r} in {group.name}", "none, or a link")
    if found.shape is None or found.dtype.kind not in "fiu":
        _refuse(who, f"numbers in {found.name}", f"dtype {found.dtype}")
    nbytes = math.prod(found.shape) * found.dtype.itemsize
    plain = not found.external and not found.is_virtual and found.id.get_create_plist().get_nfilters() == 0
    if not plain or found.id.get_storage_size() != nbytes or nbytes > size:
        _refuse(who, f"the numbers of {found.name} in the file, as they are", f"{nbytes:,} bytes elsewhere or packed")
    return np.asarray(found[()])
