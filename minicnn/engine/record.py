"""Recording: a method of a layer says its calls to a recorder, every argument bound by its name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from types import FunctionType, MethodType

from ..arrays import Array
from ..backends.interface import Backend
from ..backends.placeholder import Recording, placeholders, plain
from ..backends.program import Call, Function, Program
from ..errors import ContractError


class Recorder:
    """What layers see as ``k``: every kernel of the backend as a method that writes the call down instead of making it.

    Args:
        backend: whose kernels they are.
        program: where the calls are written.
        where: the layer and pass that record.
    """

    def __init__(self, backend: Backend, program: Program, where: str = "") -> None:
        self._backend, self._program, self.where = backend, program, where

    def __getattr__(self, name: str) -> Callable[..., None]:
        kernel = self._backend.kernels.get(name)
        if kernel is None:
            known = ", ".join(sorted(self._backend.kernels))
            raise ContractError(self.where, f"expected a kernel of the backend, got k.{name}", f"use k.call or one of: {known}")
        return lambda *arrays, **options: self._record(name, kernel, arrays, options)

    def call(self, function: Function, *arrays: Array) -> None:
        """Record a kernel of your own (``minicnn.kernel``), or any callable over these arrays, such as a BLAS routine."""
        if self._backend.lowering is not None:
            self._backend.lowering.check_call(self.where, function)
        self._record(getattr(function, "__name__", repr(function)), function, arrays, {})

    def _record(self, name: str, kernel: Function, arrays: tuple[Array, ...], options: Mapping[str, str]) -> None:
        self._program.append(Call(self.where, name, kernel, tuple(map(plain, arrays)), options))


def signature_of(method: Callable[..., None]) -> dict[str, bool]:
    """The arguments that a bound method takes after ``k``, and whether each may be left out."""
    if isinstance(method, MethodType) and isinstance(method.__func__, FunctionType):
        return _arguments(method.__func__, 2)
    return _arguments.__wrapped__(method, 1)


@lru_cache(maxsize=256)
def _arguments(function: Callable[..., None], behind: int) -> dict[str, bool]:
    """The arguments of a function behind its first ones. ``inspect`` takes longer than all else in recording a call."""
    parameters = list(inspect.signature(function).parameters.values())
    return {p.name: p.default is not inspect.Parameter.empty for p in parameters[behind:]}


def record(
    who: str, method: Callable[..., None], k: Recorder, available: Mapping[str, object], known: Iterable[str] = ()
) -> None:
    """Let a method say its calls to the recorder, every argument bound by its name.

    Args:
        who: the layer, loss or source in messages.
        method: what records.
        k: the recorder.
        available: what it may name.
        known: names of arrays whose numbers it may look at, as they never change.

    Raises:
        ContractError: it names what there is not, or computes in place of recording.
    """
    wanted = signature_of(method)
    if missing := [name for name, optional in wanted.items() if name not in available and not optional]:
        has = ", ".join(sorted(available))
        what = f"expected arguments that the network has, got {', '.join(missing)} in {method.__name__}"
        raise ContractError(who, what, f"use or plan one of: {has}")
    given = {name: available[name] for name in wanted if name in available}
    with placeholders(Recording(who, method.__name__), given, frozenset(known)) as arguments:
        method(k, **arguments)
