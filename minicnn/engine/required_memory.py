"""Least memory of a network, checked before any is taken: afterwards the system may end the process."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from math import prod

import numpy as np

from ..arrays import Shape
from ..errors import OptionError
from .bind import PlacedLayer


def installed() -> int:
    """Bytes of memory that this machine has; no bound where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not a POSIX system, or one that has no such name
        return 1 << 63


def needed(placed: PlacedLayer, dtype: np.dtype[np.generic], lanes: int) -> int:
    """Bytes for a layer: its parameters with their gradients, and for a group of lanes its output and buffers.

    What a backend packs and pads for its kernels comes on top; it knows only when it lowers the programs.
    """
    plan = placed.plan
    buffers = (*plan.derived.values(), *plan.state.values())
    shared = [buffer.shape for buffer in buffers] + 2 * [param.shape for param in plan.params.values()]
    of_images = [plan.out_shape, *(buffer.shape for buffer in (*plan.saved.values(), *plan.work.values()))]
    numbers = sum(map(prod, shared)) + lanes * sum(map(prod, of_images))
    return numbers * dtype.itemsize


def check_memory(layers: Sequence[PlacedLayer], in_shapes: Iterable[Shape], dtype: np.dtype[np.generic], lanes: int) -> None:
    """Refuse a network that needs more memory than the machine has.

    Raises:
        OptionError: it does.
    """
    bytes_of = {placed.who: needed(placed, dtype, lanes) for placed in layers}
    bytes_of["its input"] = sum(map(prod, in_shapes)) * lanes * dtype.itemsize
    total, most = sum(bytes_of.values()), installed()
    if total > most:
        largest = max(bytes_of, key=lambda who: bytes_of[who])
        what = f"expected a network that fits into the {_size(most)} of this machine, got one that needs {_size(total)} or more"
        raise OptionError("Network", what, f"make it smaller, or lanes fewer: most of it is for {largest}")


def _size(count: int) -> str:
    return f"{count / 2**30:,.1f} GiB"
