"""Layers, losses and initial values as JSON: the name of a class with its options. No file names anything else to make.

A number, text, a boolean and None stand for themselves, and a list stands for a tuple. An object with one of these keys is:

- ``class`` and ``options``: a layer, loss or initialiser of minicnn by its name, or one of the user's own by its import path;
- ``list``: a list; ``array``, ``dtype`` and ``shape``: an array, flat.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import MISSING, Field, fields, is_dataclass
from reprlib import repr as short
from typing import TypeVar, cast

import numpy as np

from .. import nn
from ..arrays import Array
from ..data.outfile import StrPath
from ..errors import CheckpointError, OptionError
from ..nn import cross_entropy, distances, init, losses, penalties
from ..nn.base import Layer
from ..nn.losses import Loss
from . import safetensors_file
from .document import Document, Json

T = TypeVar("T", bound="Layer | Loss")

LOSSES: tuple[type[Loss], ...] = (
    *(cross_entropy.CrossEntropy, cross_entropy.BCEWithLogits, losses.MSE),
    *(distances.L1, distances.Huber, distances.Contrastive, penalties.MLE, penalties.MAP),
)
INITS: tuple[type, ...] = (
    *(init.Constant, init.Values, init.FanInUniform, init.LeCunNormal),
    *(init.GlorotUniform, init.HeNormal, init.TorchDefault),
)
LAYERS = [kind for kind in map(vars(nn).get, nn.__all__) if isinstance(kind, type) and issubclass(kind, Layer)]
OWN: dict[str, type] = {kind.__name__: kind for kind in (*LAYERS, *LOSSES, *INITS) if kind is not Layer}
"""The classes of minicnn that a file may name."""

MOST = 2**24
"""The largest whole number among the options of a layer of minicnn that is read from a file."""

MOST_DEPTH = 16
"""How deep values may lie in each other, those in a list and those in an object alike."""

ARRAYS = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64")
FAULTS = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError)
"""What the class of a user raises for options that it does not take; OptionError and ShapeError are ValueErrors."""


def encode(who: str, value: object) -> Json:
    """A value of a layer's options as JSON.

    Args:
        who: the layer, for messages.
        value: a number, text, boolean or None, a tuple, list or array of such, a layer, a loss or an initialiser.

    Raises:
        OptionError: any other value, or a number that is not finite.

    >>> from minicnn import Dense
    >>> encode("F1", Dense(10))["options"]["units"]
    10
    """
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, tuple):
        return [encode(who, each) for each in value]
    if isinstance(value, list):
        return {"list": [encode(who, each) for each in value]}
    if isinstance(value, np.ndarray) and str(value.dtype) in ARRAYS:
        return {"array": encode(who, value.ravel().tolist())["list"], "dtype": str(value.dtype), "shape": list(value.shape)}
    if isinstance(value, (Layer, Loss, *INITS)) and is_dataclass(value):
        return {"class": name_of(type(value)), "options": _options(who, value)}
    what = f"expected options of numbers, text, tuples, arrays, layers and initialisers of minicnn, got {short(value)}"
    raise OptionError(who, what, "save the weights alone with train.checkpoint.save_weights, and make the network in code")


def name_of(kind: type) -> str:
    """What a class is called in a file: by its name if it is minicnn's, else by its import path."""
    return kind.__name__ if OWN.get(kind.__name__) is kind else f"{kind.__module__}.{kind.__qualname__}"


def _options(who: str, value: Layer | Loss | object) -> Document:
    found: Document = {}
    for field in fields(value):  # type: ignore[arg-type]  # the caller has made sure that it is a dataclass
        given = getattr(value, field.name)
        if field.init and not (_has_default(field) and _is_start(given)):
            found[field.name] = encode(f"{who} {field.name}", given)
    return found


def _has_default(field: Field[object]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _is_start(value: object) -> bool:
    """Whether a value is an initialiser of the user's own: it is left out, as all parameters are in the file."""
    return callable(value) and not isinstance(value, (Layer, Loss, *INITS))


class Decoder:
    """Makes layers and losses from JSON.

    Args:
        path: the file, for messages.
        given: the user's own classes that may be made.

    Raises:
        OptionError: one of these is no class of layers or losses.
    """

    def __init__(self, path: StrPath, given: Iterable[type]) -> None:
        self.path, self._given = path, list(given) if isinstance(given, Iterable) else [given]
        for kind in self._given:
            if not (isinstance(kind, type) and issubclass(kind, Layer | Loss)):
                what = f"expected layers as classes of layers, got {short(kind)}"
                raise OptionError("load", what, "write for example layers=[MyLayer]")

    def layer(self, found: Json) -> Layer:
        """A layer.

        Raises:
            CheckpointError: the JSON is that of no layer, or of one that is not given.
        """
        return self._made(found, Layer)

    def loss(self, found: Json) -> Loss:
        """A loss; errors as for ``layer``."""
        return self._made(found, Loss)

    def makes(self, found: Json) -> bool:
        """Whether the class that something names is minicnn's or a given one."""
        return not isinstance(found, dict) or not isinstance(name := found.get("class"), str) or bool(self._known(name))

    def _made(self, found: Json, base: type[T]) -> T:
        if not isinstance(found, dict) or found.keys() != {"class", "options"}:
            safetensors_file.refuse(self.path, f"a {base.__name__.lower()} as a class with its options", short(found))
        made = self._object(found)
        if not isinstance(made, base):
            safetensors_file.refuse(self.path, f"a {base.__name__.lower()}", short(found["class"]))
        return made

    def _object(self, found: Document) -> object:
        kind, options = self._class(found["class"]), found["options"]
        own = kind in OWN.values()
        named = {field.name: field for field in fields(cast("type[Layer]", kind)) if field.init}
        if not isinstance(options, dict) or not options.keys() <= named.keys():
            unknown = sorted(options.keys() - named.keys()) if isinstance(options, dict) else options
            safetensors_file.refuse(self.path, f"options of {kind.__name__}", short(unknown))
        if lacking := [name for name, field in named.items() if name not in options and not _has_default(field)]:
            safetensors_file.refuse(self.path, f"the option {lacking[0]} of {kind.__name__}", "none")
        values = {name: self._value(each, own) for name, each in options.items()}
        try:
            return kind(**values)
        except FAULTS as fault:
            safetensors_file.refuse(self.path, f"options that {kind.__name__} takes", str(fault))

    def _known(self, name: str) -> list[type]:
        """The class that a name may mean: by its import path, else by its name, as a script is ``__main__`` by itself."""
        if name in OWN:
            return [OWN[name]]
        last = name.rpartition(".")[2]
        by_path = [kind for kind in self._given if name_of(kind) == name]
        return by_path or [kind for kind in self._given if "." in name and kind.__name__ == last]

    def _class(self, name: Json) -> type:
        """A class of minicnn, or a given one."""
        if not isinstance(name, str):
            safetensors_file.refuse(self.path, "the name of a class", short(name))
        if known := self._known(name):
            return known[0]
        clean = "".join(c if c.isprintable() else " " for c in name)[:100]
        what = f"expected layers of minicnn or ones that are given, got {clean}"
        hint = f"load it with layers=[{clean.rpartition('.')[2]}], if you trust that class"
        raise CheckpointError(os.fspath(self.path), what, hint)

    def _value(self, found: Json, own: bool) -> object:
        if isinstance(found, list):
            return tuple(self._value(each, own) for each in found)
        if isinstance(found, dict):
            if found.keys() == {"class", "options"}:
                return self._object(found)
            if found.keys() == {"list"} and isinstance(found["list"], list):
                return list(cast("tuple[object, ...]", self._value(found["list"], own)))
            if found.keys() == {"array", "dtype", "shape"}:
                return self._array(found)
            safetensors_file.refuse(self.path, "an option", short(found))
        if own and type(found) is int and abs(found) > MOST:
            safetensors_file.refuse(self.path, "options of at most 2^24", str(found)[:40])
        return found

    def _array(self, found: Mapping[str, Json]) -> Array:
        numbers, shape, dtype = found["array"], found["shape"], found["dtype"]
        well = isinstance(numbers, list) and isinstance(shape, list) and dtype in ARRAYS
        well = well and all(type(n) is int and n >= 0 for n in shape) and math.prod(shape) == len(numbers)
        if well and all(type(n) in (int, float, bool) for n in numbers):
            with suppress(*FAULTS), np.errstate(all="ignore"):
                return np.array(numbers, dtype).reshape(shape)
        safetensors_file.refuse(self.path, "an array of numbers", short(dict(found)))


def check_depth(path: StrPath, found: Json) -> None:
    """Refuse JSON whose values lie too deep in each other.

    Raises:
        CheckpointError: they do.
    """
    level, depth = [found], 0
    while level := [each for value in level for each in _inside(value)]:
        depth += 1
        if depth > MOST_DEPTH:
            safetensors_file.refuse(path, f"values in at most {MOST_DEPTH} others", "deeper ones")


def _inside(value: Json) -> Iterable[Json]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
