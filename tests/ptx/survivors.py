"""Why mutants survive: what an unnoticed change leaves as it was."""

from __future__ import annotations

from .hunt import Finding

ZEROED = "Numba sets local arrays to zero, so what is not cleared is zero all the same"

REASONS: dict[tuple[str, str], str] = {}
"""By function and changed code."""


def explanation(finding: Finding) -> str:
    """Why, or that nobody knows."""
    return REASONS.get((finding.place, finding.mutant.before), "**Not explained.**")
