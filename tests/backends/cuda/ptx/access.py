"""What an instruction does to memory, whatever the address."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .syntax import Instruction


@dataclass(frozen=True, eq=False)
class Access:
    """A load or a store of ``count`` numbers side by side.

    Attributes:
        space: global, const, shared, local, or generic for any.
        offset: what is added to every address.
        width: bytes of a number.
        size: bytes of all.
    """

    instruction: Instruction
    space: str
    dtype: np.dtype
    count: int
    offset: int
    store: bool
    width: int = field(init=False)
    size: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "width", self.dtype.itemsize)
        object.__setattr__(self, "size", self.dtype.itemsize * self.count)
