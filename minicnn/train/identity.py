"""The identity of a run: everything that its result depends on, as JSON. A run resumes only with an equal identity.

An object is described by its class and state, an array by a hash of its bytes, a function by its code. Left out are options
that do not change the result (threads), values stored in a checkpoint (steps, moments, parameters), and the code of classes,
which cannot be read from here.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import math
import os
import re
import textwrap
import types
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import is_dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from ..arrays import Array
from ..engine.by_name import ArrayByOutput, ImagesByInput, TargetsByOutput
from ..engine.graph import items_of
from ..engine.source import Images
from ..errors import CheckpointError
from ..network import Network
from ..optim import Optimizer
from .document import Document, Json

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

CLASS = "class"
BLOCK = 1 << 24
"""Number of bytes hashed at a time if an array is not contiguous."""
SHOWN = 5
"""How many differences a message lists."""
NONE = object()
ADDRESS = re.compile(" at 0x[0-9a-f]+")
"""Matches the address in a default ``repr``, which does not identify an object."""


def describe(value: object) -> Json:
    """Describe a value as JSON: equal for values that behave alike, different otherwise.

    Args:
        value: anything: numbers, arrays, layers, losses, optimisers, networks, sources of images, functions.

    >>> from minicnn import SGD
    >>> describe({"optimizer": SGD(0.1, momentum=0.9), "index": np.arange(3)})["optimizer"]
    {'class': 'SGD', 'momentum': 0.9, 'weight_decay': 0.0, 'nesterov': False}
    """
    return _Description()(value)


def check(who: str | os.PathLike[str], here: Json, saved: Json, hint: str) -> None:
    """Refuse a checkpoint that belongs to another run.

    Args:
        who: the checkpoint file.
        here: the description of the current run.
        saved: the description in the file.
        hint: what the reader can do, as an imperative.

    Raises:
        CheckpointError: they differ; the message lists the differences.

    >>> check("last", {"seed": 1, "batch": 32}, {"seed": 2, "batch": 32}, "give another folder")
    Traceback (most recent call last):
    minicnn.errors.CheckpointError: last: expected a run with seed 1, got seed 2; give another folder
    """
    found = list(_differences("", here, saved))
    if found:
        more = f" and {len(found) - SHOWN} other differences" if len(found) > SHOWN else ""
        wanted, got = (", ".join(_at(pair[0], pair[side]) for pair in found[:SHOWN]) for side in (1, 2))
        raise CheckpointError(os.fspath(who), f"expected a run with {wanted}, got {got}{more}", hint)


class _Description:
    """Describes values. An array that several values share is hashed once."""

    def __init__(self) -> None:
        self._hashes: dict[Hashable, str] = {}
        self._open: set[int] = set()  # objects that are being described, to detect cycles

    def __call__(self, value: object) -> Json:
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or (isinstance(value, bool | int | str) and not isinstance(value, Enum)):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else repr(value)
        if hasattr(value, "__array__") and not isinstance(value, type):
            return self._array(np.asarray(value))
        if id(value) in self._open:
            return "itself"
        self._open.add(id(value))
        try:
            return self._several(value)
        finally:
            self._open.remove(id(value))

    def _several(self, value: object) -> Json:
        """Describe a container."""
        if isinstance(value, Mapping):
            return {key if isinstance(key, str) else repr(key): self(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self(item) for item in value]
        if isinstance(value, set | frozenset):
            return sorted((self(item) for item in value), key=repr)
        if isinstance(value, Network):
            return self.network(value) | {"params": self(value.params.flat)}
        return self._callable(value) or self._object(value)

    def _callable(self, value: object) -> Json:
        """Describe a function, method or class; None for anything else."""
        if isinstance(value, functools.partial):
            return {CLASS: "partial", "func": self(value.func), "args": self(value.args), "keywords": self(value.keywords)}
        if isinstance(value, types.MethodType):
            return {CLASS: "method", "of": self(value.__self__), "func": self(value.__func__)}
        if isinstance(value, types.FunctionType):
            given = [value.__defaults__, value.__kwdefaults__, inspect.getclosurevars(value).nonlocals]
            return {CLASS: "function", "name": value.__qualname__, "code": _code(value.__code__), "given": self(given)}
        if isinstance(value, type | types.BuiltinFunctionType | types.ModuleType):
            return f"{type(value).__name__} {getattr(value, '__qualname__', value.__name__)}"
        return None

    def _object(self, value: object) -> Json:
        state = {name: self(item) for name, item in _state(value).items()}
        if not state and not is_dataclass(value) and not ADDRESS.search(repr(value)):
            return repr(value)
        return {CLASS: type(value).__qualname__} | state

    def network(self, net: Network) -> Document:
        """Describe a network without its seed and parameters."""
        layers = []
        for placed, (name, what, read) in zip(net.layers, items_of(net.layers, net.in_shapes), strict=True):
            graph: Document = {} if placed.inputs == (placed.index,) else {"inputs": list(read)}
            graph |= {"frozen": True} if placed.frozen else {}
            layers.append({"name": name, "layer": what if isinstance(what, str) else self(what)} | graph)
        shapes = {name: list(shape) for name, shape in net.in_shapes.items()}
        rest: Document = {"dtype": str(net.dtype), "lanes": net.lanes, "slots": net.slots, "backend": net.backend.name}
        if net.outputs != (net.layers[-1].name,):
            rest["outputs"] = list(net.outputs)
        return {"in_shape": list(net.in_shape) if len(shapes) == 1 else shapes, "layers": layers} | rest

    def _array(self, array: Array) -> Json:
        if array.dtype.hasobject:
            return self(array.tolist())
        key = array.__array_interface__["data"][0], array.shape, array.strides, array.dtype.str
        if key not in self._hashes:
            self._hashes[key] = f"{array.dtype} {array.shape}, SHA-256 {_hash(array)}"
        return self._hashes[key]


def network(net: Network) -> Document:
    """Describe a network by layers, shapes, dtype, lanes, slots and backend, without its seed and parameters.

    Args:
        net: the network.
    """
    return _Description().network(net)


def examples(images: ImagesByInput, targets: TargetsByOutput, index: ArrayLike) -> Document:
    """Images and targets in the form that ``describe`` takes; class numbers count by value, whatever their dtype.

    Args:
        images: (N, …), or a Source; for several inputs a dict of such.
        targets: class numbers (N,), or vectors (N, D), or a Source of such; for several outputs a dict of them.
        index: the numbers of the images used.
    """
    named = targets if isinstance(targets, Mapping) else {"": targets}
    read = {name: _read(own) for name, own in named.items()}
    by_value = {name: _whole(own) if isinstance(own, np.ndarray) else own for name, own in read.items()}
    if isinstance(images, Mapping):
        pictures: object = {name: _read(own) for name, own in images.items()}
    else:
        pictures = _read(images)
    return {"images": pictures, "targets": by_value.get("", by_value), "index": np.asarray(index, np.int64)}


def weights(weight: ArrayByOutput) -> object:
    """Weights of images in the form that ``describe`` takes; they count by value, whatever their dtype."""
    given = {name: np.asarray(own) for name, own in weight.items()} if isinstance(weight, Mapping) else {"": np.asarray(weight)}
    by_value = {name: own.astype(np.float64) for name, own in given.items()}
    return by_value.get("", by_value)


def _whole(array: Array) -> Array:
    """Whole numbers of any dtype as those of one."""
    return array.astype(np.int64) if array.dtype.kind in "iu" else array


def _read(images: Images) -> object:
    """An array; a Source as it is."""
    return images if hasattr(images, "load") else np.asarray(images)


def _state(value: object) -> dict[str, object]:
    """An object's attributes without those computed from others; for an optimiser, the options that the user gave."""
    state: dict[str, object] = {}
    computed: set[str] = set()
    for base in type(value).__mro__:
        slots = vars(base).get("__slots__", ())
        for name in [slots] if isinstance(slots, str) else slots:
            if not name.startswith("__") and hasattr(value, name):
                state[name] = getattr(value, name)
        computed |= {name for name, item in vars(base).items() if isinstance(item, functools.cached_property)}
    state |= getattr(value, "__dict__", {})
    if isinstance(value, Optimizer):
        computed |= {"lr", "steps"} | {name for name in state if name.startswith("_")}
    return {name: item for name, item in state.items() if name not in computed}


def _code(code: types.CodeType) -> str:
    parts = [_code(item) if isinstance(item, types.CodeType) else _constant(item) for item in code.co_consts]
    text = f"{code.co_code.hex()} {code.co_names} {parts}"
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _constant(item: object) -> str:
    return repr(sorted(map(repr, item))) if isinstance(item, frozenset) else repr(item)  # the order of a frozenset changes


def _hash(array: Array) -> str:
    total = hashlib.sha256()
    if array.ndim == 0 or array.flags.c_contiguous:
        blocks: Iterator[Array] = iter([array])
    else:
        rows = max(1, BLOCK // max(1, array.nbytes // max(1, len(array))))
        blocks = (array[first : first + rows] for first in range(0, len(array), rows))
    for block in blocks:
        total.update(np.ascontiguousarray(block).reshape(-1).view(np.uint8).data)
    return total.hexdigest()[:16]


def _differences(path: str, here: Json, saved: Json) -> Iterator[tuple[str, Json, Json]]:
    """Where two descriptions differ, as deep as their structure agrees."""
    if isinstance(here, dict) and isinstance(saved, dict) and here.get(CLASS) == saved.get(CLASS):
        for name in [*here, *(name for name in saved if name not in here)]:
            deeper = f"{path}.{name}" if path else name
            yield from _differences(deeper, here.get(name, NONE), saved.get(name, NONE))
    elif isinstance(here, list) and isinstance(saved, list) and len(here) == len(saved):
        for place, pair in enumerate(zip(here, saved, strict=True)):
            yield from _differences(f"{path}[{place}]", *pair)
    elif here != saved:
        yield path, here, saved


def _at(path: str, value: Json) -> str:
    """A path with its value, in one printable line, since both may come from a file."""
    text = f"no {path}" if value is NONE else f"{path} {_words(value)}"
    return textwrap.shorten("".join(c if c.isprintable() else " " for c in text), 120)


def _words(value: Json) -> str:
    if isinstance(value, dict) and CLASS in value:
        return f"{value[CLASS]}({', '.join(f'{name}={_words(item)}' for name, item in value.items() if name != CLASS)})"
    return repr(value)
