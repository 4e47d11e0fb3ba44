"""Memory: regions far apart in one address space, so that an address that leaves its array is never inside another.

The arrays of a launch are regions that all threads share; a shared variable is there once for every block, a local one once for
every thread. What is read, written and passed over is watched: bounds, alignment, words that nobody has written, and races.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .lanes import Array, Lanes
from .shadow import Shadow
from .syntax import Instruction
from .team import Team

REGION_BITS = 40
ALL_BITS = (1 << 64) - 1
"""A region begins at a multiple of 2⁴⁰ bytes, off which it may lie by as much as its array is off a multiple of 256."""


@dataclass
class Region:
    """A piece of memory with an address.

    Attributes:
        space: global, const, shared or local.
        base: the address of its first byte.
        size: how many bytes it has, for one block or thread where each has its own.
        data: all its bytes.
        origin: for every thread, where its own bytes begin, or None where all share them.
        shadow: who wrote what, or None where nobody may write.
    """

    name: str
    space: str
    base: int
    size: int
    data: Array
    origin: Array | None = None
    shadow: Shadow | None = None
    views: dict[np.dtype, Array] = field(default_factory=dict)
    origins: dict[int, Array] = field(default_factory=dict)

    def view(self, dtype: np.dtype) -> Array:
        """Its bytes as numbers, as many as fit."""
        if dtype not in self.views:
            whole = len(self.data) // dtype.itemsize * dtype.itemsize
            self.views[dtype] = self.data[:whole].view(dtype)
        return self.views[dtype]

    def origins_of(self, width: int) -> Array:
        """``origin`` counted in numbers of that many bytes."""
        if width not in self.origins:
            assert self.origin is not None
            self.origins[width] = self.origin // width
        return self.origins[width]


class Memory:
    """The regions of a launch by their number, and the accesses to them."""

    def __init__(self, team: Team) -> None:
        self.regions: dict[int, Region] = {}
        self.fault = team.fault

    def add(self, number: int, region: Region) -> None:
        self.regions[number] = region

    def load(
        self, instruction: Instruction, space: str, dtype: np.dtype, address: Array, offset: int, lanes: Lanes, count: int
    ) -> list[Array]:
        """``count`` numbers side by side from every address + offset, (1,) for one address that all threads read."""
        parts = self._find(instruction, space, dtype.itemsize, count, address, offset, lanes, store=False)
        if parts[0][1] is None:
            region, _, index = parts[0]
            return [region.view(dtype).take(index + k if k else index, mode="clip") for k in range(count)]
        values = [np.empty(address.size, dtype) for _ in range(count)]
        for region, where, index in parts:
            for k, value in enumerate(values):
                value[where] = region.view(dtype)[index + k]
        return values

    def store(
        self,
        instruction: Instruction,
        space: str,
        dtype: np.dtype,
        address: Array,
        offset: int,
        lanes: Lanes,
        values: list[Array],
    ) -> None:
        """Numbers side by side to every address + offset."""
        parts = self._find(instruction, space, dtype.itemsize, len(values), address, offset, lanes, store=True)
        for region, where, index in parts:
            for k, value in enumerate(values):
                part = value if where is None or value.size == 1 else value[where]
                region.view(dtype)[index + k if k else index] = part

    def _find(
        self,
        instruction: Instruction,
        space: str,
        width: int,
        count: int,
        address: Array,
        offset: int,
        lanes: Lanes,
        store: bool,
    ) -> list[tuple[Region, Array | None, Array]]:
        """The regions that addresses lie in: which of the addresses, or None for all, and the indices of their numbers."""
        region = self.regions.get(int(address[0]) + offset >> REGION_BITS)
        if region is not None and space in ("generic", region.space):
            inside = address - np.uint64((region.base - offset) & ALL_BITS)
            if int(inside.max()) <= region.size - width * count:
                return [(region, None, self._index(instruction, region, width, count, inside, lanes, store))]
        return self._find_apart(instruction, space, width, count, address + np.uint64(offset & ALL_BITS), lanes, store)

    def _find_apart(
        self, instruction: Instruction, space: str, width: int, count: int, address: Array, lanes: Lanes, store: bool
    ) -> list[tuple[Region, Array | None, Array]]:
        """Likewise, of addresses that lie in several regions, or outside of all."""
        parts: list[tuple[Region, Array | None, Array]] = []
        numbers = address >> np.uint64(REGION_BITS)
        for number in np.unique(numbers):
            where = np.flatnonzero(numbers == number)
            some = lanes.among(numbers == number) if address.size > 1 else lanes
            region = self.regions.get(int(number))
            if region is None or space not in ("generic", region.space):
                what = f"an address in {space} memory" if space != "generic" else "an address"
                met = f"{region.space} {region.name}" if region else f"{int(address[where[0]]):#x}, which is in no array"
                raise self.fault("bounds", f"expected {what}, got one in {met}", instruction, some, np.zeros(1, np.int64))
            offset = address[where] - np.uint64(region.base)
            outside = np.flatnonzero(offset > np.uint64(max(0, region.size - width * count)))
            if region.size < width * count:
                outside = np.arange(offset.size)
            if outside.size:
                at = int(offset[outside[0]].astype(np.int64))
                problem = f"expected {width * count} bytes inside the {region.size} of {region.name}, got those at {at}"
                raise self.fault("bounds", problem, instruction, some, outside)
            parts.append((region, where, self._index(instruction, region, width, count, offset, some, store)))
        return parts

    def _index(
        self, instruction: Instruction, region: Region, width: int, count: int, offset: Array, lanes: Lanes, store: bool
    ) -> Array:
        """The indices of numbers of ``width`` bytes at these offsets, after all checks."""
        whole = width * count
        met = int(np.bitwise_or.reduce(offset)) | region.base
        if met & (whole - 1):
            wrong = np.flatnonzero((offset & np.uint64(width - 1)) | ((offset + np.uint64(region.base)) & np.uint64(whole - 1)))
            if wrong.size:
                problem = f"expected an address that {whole} divides, got byte {int(offset[wrong[0]])} of {region.name}"
                raise self.fault("alignment", problem, instruction, lanes, wrong)
        index = (offset >> np.uint64(width.bit_length() - 1)).view(np.int64)
        if region.origin is not None:
            origin = region.origins_of(width)
            index = index + lanes.of(origin)
        if region.shadow is not None:
            region.shadow.watch(instruction, region.name, index, width, count, lanes, store)
        elif store:
            raise self.fault("bounds", f"expected no write to {region.name}", instruction, lanes, np.zeros(1, np.int64))
        return index
