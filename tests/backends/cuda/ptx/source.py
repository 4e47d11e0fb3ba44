"""From plain Python functions to PTX, by Numba, without a GPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from numba import cuda, types
from numba.np.numpy_support import from_dtype

from .launch import LIMIT, launch


def type_of(argument: object) -> types.Type:
    """Numba's type of an argument: a C-contiguous array or a scalar."""
    if isinstance(argument, np.ndarray):
        return types.Array(from_dtype(argument.dtype), argument.ndim, "C")
    return from_dtype(np.asarray(argument).dtype)


@cache
def compiled(function: Callable[..., None], kinds: tuple[types.Type, ...], cc: tuple[int, int]) -> str:
    """The PTX of a function for these types, with the lines of Python in it."""
    text, _ = cuda.compile(function, types.void(*kinds), cc=cc, device=False, abi="numba", output="ptx", lineinfo=True)
    return str(text)


def to_ptx(function: Callable[..., None], *arguments: object, cc: tuple[int, int] = (8, 0)) -> str:
    """The PTX of a plain Python function for these arguments."""
    return compiled(function, tuple(map(type_of, arguments)), cc)


def run(
    function: Callable[..., None],
    grid: int | Sequence[int],
    block: int | Sequence[int],
    *arguments: object,
    cc: tuple[int, int] = (8, 0),
    limit: int = LIMIT,
) -> int:
    """Compile a function for its arguments, and execute it for a whole grid; see ``launch``."""
    return launch(to_ptx(function, *arguments, cc=cc), grid, block, *arguments, limit=limit)
