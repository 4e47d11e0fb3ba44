"""Where the CPU's kernels work: where the arrays lie, so nothing moves, and a group is as large as the network says."""

from __future__ import annotations

from typing import Any

from ...arrays import Array, aligned

AWAY = False
"""Whether kernels work on memory of their own."""

pinned = aligned


def require() -> None:
    """There always is a CPU."""


def members(threads: int) -> int:
    """As many threads as there are to use."""
    return threads


def group_lanes(images: int, lanes: int) -> int:
    """The network's."""
    return lanes


def to_device(*arrays: Array) -> None:
    """Kernels read what the host wrote."""


def to_host(*arrays: Array) -> None:
    """The host reads what kernels wrote."""


def lend(array: Array) -> None:
    """The host writes what kernels will read."""


def aside(array: Array) -> None:
    """There is no way to be on."""


def join() -> None:
    """Nothing is on its way."""


def stays(size: int) -> bool:
    """Every source is read where it is."""
    return True


def check_call(where: str, function: Any) -> None:
    """Any callable over arrays can be called."""
