"""The kernels of a backend against their formulas in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from .. import backends
from ..arrays import Array
from ..backends.derived import Derived
from ..backends.interface import Backend
from ..backends.kernels import NAMES
from ..backends.program import Call, Program
from ..backends.scratch import Scratch
from ..backends.workspace import Workspace
from .cases import Draw, Drawing, drawings
from .check import Check

LANES = (16, 1, 32)
DRAWS = 2
"""So many cases of a kernel for each dtype and each number of lanes."""

SCRATCH = {"warp": (6, 7), "group_norm_dx": (2,)}
"""Arguments that a kernel may use as it likes, by number."""

BIT_FOR_BIT = {
    "copy",
    "draw_uniform",
    "choose_group",
    "pack_quads",
    "one_hot",
    "count_hits",
    "count_least",
    "count_map_hits",
    "max_pool",
}
BIT_FOR_BIT |= {
    "gather",
    "scatter",
    "im2col",
    "spread",
    "zero",
    "relu",
    "relu_dx",
    "add",
}


def check_backend(backend: str, seed: int = 0, lanes: Sequence[int] = LANES) -> list[Check]:
    """Compare every kernel of a backend with its formula, that of the NumPy backend, on random arguments.

    Args:
        backend: the backend's name.
        seed: of the arguments.
        lanes: of the groups whose arguments are drawn.

    Returns:
        The checks, to be called one by one; each is named for its kernel and dtype.

    Raises:
        BackendError: there is no such backend, or it cannot be used here.

    >>> for check in check_backend("numpy"):
    ...     check()
    """
    tested, formulas = backends.get(backend), backends.get("numpy")
    offered = {name for name in NAMES if name in tested.kernels}
    return [
        Check(f"{name}, {dtype}", partial(_compare, tested, formulas, name, draw, dtype, seed, tuple(lanes)))
        for name, draw in drawings(offered).items()
        for dtype in ("float32", "float64")
    ]


def _compare(
    tested: Backend, formulas: Backend, name: str, draw: Drawing, dtype: str, seed: int, groups: tuple[int, ...]
) -> None:
    for number, lanes in enumerate(groups * DRAWS):
        arguments, written = draw(Draw(1000 * seed + number, dtype, lanes))
        own = tested.of_lanes(lanes, np.dtype(dtype))
        ours, plain = _ran(own, name, arguments), _ran(formulas, name, arguments)
        _same(name, ours, plain, arguments, written, float(np.finfo(dtype).eps))


def _ran(backend: Backend, name: str, arguments: list[Array]) -> list[Array]:
    """Copies of the arguments after a kernel worked on them."""
    own = [argument.copy() for argument in arguments]
    if backend.memory is not None and backend.lowering is not None:
        program = Program([Call("check", name, backend.kernels[name], tuple(own))])
        backend.memory.to_device(*own)
        backend.lowering.lower(program, Workspace(Derived(np.empty(0)), Scratch())).run()
        backend.memory.to_host(*own)
    else:
        backend.kernels[name](*own)
    return own


def _same(name: str, ours: list[Array], plain: list[Array], before: list[Array], written: list[int], eps: float) -> None:
    for number, (got, expected, given) in enumerate(zip(ours, plain, before, strict=True)):
        if number not in written:
            np.testing.assert_array_equal(expected, given, err_msg=f"argument {number} of {name} was changed by the formula")
            if number not in SCRATCH.get(name, ()):
                np.testing.assert_array_equal(got, given, err_msg=f"argument {number} of {name} was changed")
        elif name in BIT_FOR_BIT or expected.dtype.kind in "iu":
            np.testing.assert_array_equal(got, expected, err_msg=f"argument {number} of {name}")
        else:
            size = max(1.0, float(np.abs(expected).max(initial=0)))
            np.testing.assert_allclose(got, expected, rtol=0, atol=100 * eps * size, err_msg=f"argument {number} of {name}")
