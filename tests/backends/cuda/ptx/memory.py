"""Memory: regions far apart in one address space, so that an address that leaves its array is never inside another.

The arrays of a launch are regions that all threads share; a shared variable is there once for every block, a local one once for
every thread. What is read, written and passed over is watched: bounds, alignment, words that nobody has written, and races.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .access import Access
from .lanes import Array, Lanes
from .shadow import Shadow
from .team import Team

FIRST = np.zeros(1, np.int64)

ALL_BITS = (1 << 64) - 1
REGION_BITS = 40
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


Part = tuple[Region, Array | None, Array]
"""What an access finds: a region, which of the addresses lie in it, or None for all, and the indices of their numbers."""


class Memory:
    """The regions of a launch by their number, and the accesses to them."""

    def __init__(self, team: Team) -> None:
        self.regions: dict[int, Region] = {}
        self.fault = team.fault

    def add(self, number: int, region: Region) -> None:
        self.regions[number] = region

    def load(self, access: Access, address: Array, lanes: Lanes) -> list[Array]:
        """Numbers side by side from every address, (1,) each for one address that all threads read."""
        parts = self._find(access, address, lanes)
        if parts[0][1] is None:
            region, _, index = parts[0]
            return [region.view(access.dtype).take(index + k if k else index, mode="clip") for k in range(access.count)]
        values = [np.empty(address.size, access.dtype) for _ in range(access.count)]
        for region, where, index in parts:
            for k, value in enumerate(values):
                value[where] = region.view(access.dtype)[index + k]
        return values

    def store(self, access: Access, address: Array, lanes: Lanes, values: list[Array]) -> None:
        """Numbers side by side to every address."""
        for region, where, index in self._find(access, address, lanes):
            for k, value in enumerate(values):
                part = value if where is None or value.size == 1 else value[where]
                region.view(access.dtype)[index + k if k else index] = part

    def _find(self, access: Access, address: Array, lanes: Lanes) -> list[Part]:
        """Where numbers lie: nearly always all in one region."""
        region = self.regions.get(int(address[0]) + access.offset >> REGION_BITS)
        if region is not None and access.space in ("generic", region.space):
            inside = address - np.uint64((region.base - access.offset) & ALL_BITS)
            if int(inside.max()) <= region.size - access.size:
                return [(region, None, self._index(access, region, inside, lanes))]
        return self._find_apart(access, address + np.uint64(access.offset & ALL_BITS), lanes)

    def _find_apart(self, access: Access, address: Array, lanes: Lanes) -> list[Part]:
        """Where numbers lie, in several regions, or outside of all."""
        parts: list[Part] = []
        numbers = address >> np.uint64(REGION_BITS)
        for number in np.unique(numbers):
            where = np.flatnonzero(numbers == number)
            some = lanes.among(numbers == number) if address.size > 1 else lanes
            region = self.regions.get(int(number))
            if region is None or access.space not in ("generic", region.space):
                what = f"an address in {access.space} memory" if access.space != "generic" else "an address"
                met = f"{region.space} {region.name}" if region else f"{int(address[where[0]]):#x}, which is in no array"
                raise self.fault("bounds", f"expected {what}, got one in {met}", access.instruction, some, FIRST)
            inside = address[where] - np.uint64(region.base)
            space = region.size - access.size
            outside = np.flatnonzero(inside > np.uint64(space)) if space >= 0 else FIRST
            if outside.size:
                at = int(inside[outside[0]].astype(np.int64))
                problem = f"expected {access.size} bytes inside the {region.size} of {region.name}, got those at {at}"
                raise self.fault("bounds", problem, access.instruction, some, outside)
            parts.append((region, where, self._index(access, region, inside, some)))
        return parts

    def _index(self, access: Access, region: Region, inside: Array, lanes: Lanes) -> Array:
        """The indices of the numbers that begin so many bytes inside a region, after all checks."""
        if (int(np.bitwise_or.reduce(inside)) | region.base) & (access.size - 1):
            place = inside + np.uint64(region.base)
            wrong = np.flatnonzero((inside & np.uint64(access.width - 1)) | (place & np.uint64(access.size - 1)))
            if wrong.size:
                problem = f"expected an address that {access.size} divides, got byte {int(inside[wrong[0]])} of {region.name}"
                raise self.fault("alignment", problem, access.instruction, lanes, wrong)
        index = (inside >> np.uint64(access.width.bit_length() - 1)).view(np.int64)
        if region.origin is not None:
            index = index + lanes.of(region.origins_of(access.width))
        if region.shadow is not None:
            region.shadow.watch(access, region.name, index, lanes)
        elif access.store:
            raise self.fault("bounds", f"expected no write to {region.name}", access.instruction, lanes, FIRST)
        return index
