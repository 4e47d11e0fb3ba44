"""What a layer is given while it records: arrays that have a shape and a dtype, and no numbers yet.

A layer's method runs once, when the network is bound. One that computes (``y[...] = np.maximum(x, 0)``) in place of
recording would do so once, on zeros, and its output would stay what it was then. So reading and writing numbers is refused
while the method runs; views of all kinds are not. Afterwards a placeholder that somebody has kept is an array like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from ..arrays import Array
from ..errors import ContractError

T = TypeVar("T")

VIEWS = {np.reshape, np.transpose, np.moveaxis, np.swapaxes, np.squeeze, np.expand_dims, np.split, np.array_split}
"""Functions of NumPy that give other views of an array."""

FORMS = {np.shape, np.ndim, np.size, np.may_share_memory, np.empty_like, np.zeros_like, np.ones_like, np.full_like}
"""Functions of NumPy that ask for its form alone."""

METHODS = (
    *("argmax", "argmin", "argsort", "astype", "choose", "compress", "copy", "cumprod", "cumsum", "dot", "fill", "flatten"),
    *("item", "nonzero", "put", "repeat", "round", "searchsorted", "sort", "take", "tobytes", "tolist"),
    *("__bool__", "__float__", "__int__"),
)
"""Methods of an array that read or write its numbers; all others that do are ufuncs."""


class Recording:
    """Whose method records, and whether it still does.

    Args:
        who: the layer, loss or source in messages.
        method: the name of its method.
    """

    def __init__(self, who: str, method: str) -> None:
        self.who, self.method, self.over = who, method, False

    def refuse(self, what: str) -> None:
        """Raise a ContractError while the method records."""
        if not self.over:
            what = f"expected {self.method} to record calls on k, got one that computes with NumPy while it is bound ({what})"
            hint = "record a kernel such as k.relu(x, y), or k.call(function, x, y) for code of your own"
            raise ContractError(self.who, what, hint)


class Placeholder(Array):
    """An array whose numbers are not to be looked at while a method records."""

    recording: Recording

    def __array_finalize__(self, parent: object) -> None:
        if isinstance(parent, Placeholder):
            self.recording = parent.recording

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: object, out: tuple[object, ...] | None = None, **options: object
    ) -> object:
        self.recording.refuse(ufunc.__name__)
        if out is not None:
            options["out"] = tuple(map(plain, out))
        return getattr(ufunc, method)(*map(plain, inputs), **options)

    def __array_function__(
        self, function: Callable[..., object], types: Iterable[type], args: Iterable[object], kwargs: Mapping[str, object]
    ) -> object:
        if function in FORMS:
            return function(*map(plain, args), **kwargs)
        if function not in VIEWS:
            self.recording.refuse(function.__name__)
        return super().__array_function__(function, types, args, kwargs)

    def _view(self, what: str, found: T) -> T:
        """What an operation gave, refused where it is no view of this array's memory."""
        if not (isinstance(found, np.ndarray) and (found.size == 0 or np.may_share_memory(plain(found), plain(self)))):
            self.recording.refuse(what)
        return found

    def __getitem__(self, key: Any) -> Array:
        return self._view("indexing", super().__getitem__(key))

    def __setitem__(self, key: Any, value: object) -> None:
        self.recording.refuse("assignment")
        super().__setitem__(key, plain(value))

    def reshape(self, *shape: Any, **options: Any) -> Any:
        """As an array's."""
        return self._view("reshape with a copy", super().reshape(*shape, **options))

    def ravel(self, *order: Any) -> Array:
        """As an array's."""
        return self._view("ravel with a copy", super().ravel(*order))

    def __repr__(self) -> str:
        return f"<{self.dtype} {self.shape}>" if not self.recording.over else repr(plain(self))

    __str__ = __repr__


def _refusing(name: str) -> Callable[..., object]:
    """A method of arrays that is refused while a method records."""

    def method(self: Placeholder, *args: object, **options: object) -> object:
        self.recording.refuse(name.strip("_"))
        result: object = getattr(plain(self), name)(*args, **options)
        return result

    return method


for _name in METHODS:
    setattr(Placeholder, _name, _refusing(_name))


def plain(value: T) -> T:
    """An array for a placeholder; anything else as it is."""
    return value.view(np.ndarray) if isinstance(value, Placeholder) else value  # type: ignore[return-value]


def _placeholder(array: Array, recording: Recording) -> Placeholder:
    found = array.view(Placeholder)
    found.recording = recording
    return found


def _hidden(value: object, recording: Recording) -> object:
    """A placeholder for an array, and for each of several."""
    if isinstance(value, tuple):
        return tuple(_hidden(each, recording) for each in value)
    return _placeholder(value, recording) if isinstance(value, np.ndarray) else value


@contextmanager
def placeholders(recording: Recording, arrays: Mapping[str, object], known: frozenset[str]) -> Iterator[dict[str, object]]:
    """Placeholders for arrays, while a method records.

    Args:
        recording: whose it is.
        arrays: what the method asks for, by name; what is no array stays.
        known: the names of those whose numbers never change, which may be looked at.
    """
    given = {n: a if n in known else _hidden(a, recording) for n, a in arrays.items()}
    try:
        yield given
    finally:
        recording.over = True
