"""Operations of the manual that a backend has several kernels for."""

from __future__ import annotations

import inspect

import numpy as np

from ..arrays import Array
from .convolution import Convolutions
from .derived import Derived
from .kernels import Kernels
from .program import BoundCall, Call, Kernel, interpreted
from .scratch import Scratch
from .workspace import Workspace


class Operation(Kernel):
    """What layers record; lowering puts kernels in its place. To call it is to lower it and to run these kernels at once.

    Args:
        name: as in the manual.
        rules: what lowers it.
    """

    def __init__(self, name: str, rules: Convolutions) -> None:
        stated = inspect.signature(getattr(Kernels, name))
        self.__name__, self.__doc__, self._rules = name, getattr(Kernels, name).__doc__, rules
        self.__signature__ = stated.replace(parameters=list(stated.parameters.values())[1:])

    def __call__(self, *arrays: Array, **options: str) -> None:
        """Run it at once."""
        call = Call("", self.__name__, self, arrays, options)
        workspace = Workspace(Derived(np.empty(0)), Scratch())
        for each in self._rules.lowered([call], workspace):
            each.bound.run()

    def under(self, rules: Convolutions) -> Operation:
        """The same operation, lowered by other rules."""
        return Operation(self.__name__, rules)

    def bind(self, arrays: tuple[Array, ...]) -> BoundCall:
        """Itself: a program that was not lowered runs it call by call."""
        return interpreted(self, arrays)

    def __repr__(self) -> str:
        return f"<operation {self.__name__}>"
