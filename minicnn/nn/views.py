"""Arrays as layers look at them: as rows, as maps."""

from __future__ import annotations

import numpy as np

from ..arrays import Array


def rows(a: Array) -> Array:
    """(…, L) as (D, L): every image one column."""
    return a.reshape(-1, a.shape[-1])


def maps(a: Array) -> Array:
    """(F, …, L) as (F, P): every map one row."""
    return a.reshape(a.shape[0], -1)


def by_channel(a: Array) -> Array:
    """(C, …, L) as (C, pixels, L)."""
    return a.reshape(len(a), -1, a.shape[-1])


def planes(a: Array) -> Array:
    """(C, L), (C, W, L) or (C, H, W, L) as (C, H, W, L): axes that are missing have one pixel."""
    return a.reshape(len(a), *(1,) * (4 - a.ndim), *a.shape[1:])


def filters(a: Array) -> Array:
    """Weights (F, C, K) or (F, C, KH, KW) as (F, C, KH, KW): windows along a row have one row."""
    return a.reshape(*a.shape[:2], *(1,) * (4 - a.ndim), *a.shape[2:])


def zeros(size: int) -> Array:
    """The bias of a layer that has none."""
    return np.zeros(size)
