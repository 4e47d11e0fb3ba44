"""What every model hands on to its network."""

from __future__ import annotations

from typing import TypedDict


class NetworkOptions(TypedDict, total=False):
    """The options of ``Network`` that do not describe its layers."""

    dtype: str
    backend: str
    threads: int | None
    seed: int
    lanes: int
    slots: int
