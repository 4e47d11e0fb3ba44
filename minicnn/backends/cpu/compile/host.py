"""What the host's vector unit offers: register width, register count, fused multiply-add.

Numba compiles for the features in ``NUMBA_CPU_FEATURES`` where that is set and for the host's otherwise; so does this file,
so that forcing a smaller machine by that variable also changes the tiles.
"""

from __future__ import annotations

from dataclasses import dataclass

from llvmlite import binding

from .mode import CPU_FEATURES

LANES = 16
"""Kernels over lanes take their vectors from so many at a time."""


@dataclass(frozen=True)
class VectorUnit:
    """Vector registers of the compilation target.

    Attributes:
        bytes: width of one register in bytes.
        registers: how many registers there are.
        fma: whether one instruction computes a·b + c.
        name: the instruction set in words.
    """

    bytes: int
    registers: int
    fma: bool
    name: str

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
"""Grey levels that are transposed into lanes at once: a 128-bit load."""

OUTSIDE = -1
"""In a tile's list of places: not on the map, where all pixels are zero."""
