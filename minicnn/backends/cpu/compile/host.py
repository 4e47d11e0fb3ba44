"""The vector unit of the host: register width, number of registers, fused multiply-add.

Numba compiles for the features in ``NUMBA_CPU_FEATURES`` if that is set, and for the host's otherwise. This file reads the
same variable, so forcing a smaller machine also changes the tiles.
"""

from __future__ import annotations

from dataclasses import dataclass

from llvmlite import binding

from .mode import CPU_FEATURES

LANES = 16
"""Numbers side by side that fill whole vectors of any width: the lanes of a group, or a multiple of them."""


@dataclass(frozen=True)
class VectorUnit:
    """Vector registers of the compilation target.

    Attributes:
        bytes: width of one register in bytes.
        registers: number of registers.
        fma: whether one instruction computes a·b + c.
        name: name of the instruction set.
    """

    bytes: int
    registers: int
    fma: bool
    name: str

    @property
    def few_registers(self) -> bool:
        """Whether there are 16, so that tiles have half as many rows."""
        return self.registers < 32

    def width(self, itemsize: int) -> int:
        """How many numbers of ``itemsize`` bytes one register holds."""
        return self.bytes // itemsize


def _features() -> set[str]:
    if CPU_FEATURES is not None:
        return {name[1:] for name in CPU_FEATURES.split(",") if name.startswith("+")}
    return {name for name, present in binding.get_host_cpu_features().items() if present}


def _detect() -> VectorUnit:
    features = _features()
    if "aarch64" in binding.get_default_triple() or "arm64" in binding.get_default_triple():
        return VectorUnit(16, 32, True, "NEON")
    if "avx512f" in features:
        return VectorUnit(64, 32, True, "AVX-512")
    if "avx" in features:
        return VectorUnit(32, 16, "fma" in features, "AVX2" if "avx2" in features else "AVX")
    return VectorUnit(16, 16, False, "SSE2")


HOST = _detect()

PIXELS = 16
"""Number of grey levels that are transposed into lanes at once: a 128-bit load."""

OUTSIDE = -1
"""Marks a position outside the map, where all pixels are zero, in a tile's list of positions."""
