"""Operations: a kernel of the backend's interface, as a few GPU launches planned from the arrays.

A plan is a function over NumPy arrays, with the interface's name and arguments, that yields launches. It runs once for each
recorded call. It may read constants such as windows and links, whose values the host knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ....arrays import Array, DType
from ...program import BoundCall, Kernel
from .launch import Shape
from .mirror import mirror
from .target import Argument, CudaFunction

Plan = Callable[..., Iterator["Launch"]]
Numbers = Callable[[], tuple[int | float, ...]]


@dataclass(frozen=True, eq=False)
class Launch:
    """A kernel, its grid and block, and its arguments: C-contiguous arrays and numbers.

    Attributes:
        numbers: returns the last arguments, which the host may change between launches.
    """

    kernel: CudaFunction
    shape: Shape
    arguments: tuple[Argument, ...]
    numbers: Numbers = tuple


def launch(kernel: CudaFunction, shape: Shape, *arguments: Argument, numbers: Numbers = tuple) -> Launch:
    """Make one launch of a plan."""
    return Launch(kernel, shape, arguments, numbers)


class Operation(Kernel):
    """A plan as a kernel of the backend.

    Args:
        plan: yields the launches for these arrays.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.__name__, self.__doc__, self.__module__ = plan.__name__, plan.__doc__, plan.__module__
        self.__wrapped__ = plan

    def bind(self, arrays: tuple[Array, ...]) -> BoundCall:
        """The launches for these arrays, and the arrays."""
        calls = [mirror().prepare(each.kernel, each.shape, each.arguments, each.numbers) for each in self.plan(*arrays)]

        def run() -> None:
            for call in calls:
                call()

        return BoundCall(run, arrays, 0)

    def __repr__(self) -> str:
        return f"<operation {self.__name__}>"


def operation(plan: Plan) -> Operation:
    """Decorate a plan to make an operation."""
    return Operation(plan)


class Scratch:
    """A buffer for partial sums, reused by every operation; it grows when one needs more."""

    def __init__(self) -> None:
        self._memory = np.zeros(0, np.uint8)

    def take(self, shape: tuple[int, ...], dtype: DType) -> Array:
        """The start of the buffer as an array."""
        size = int(np.prod(shape)) * dtype.itemsize
        if size > self._memory.size:
            self._memory = np.zeros(2 * size, np.uint8)
        return self._memory[:size].view(dtype).reshape(shape)


SCRATCH = Scratch()
