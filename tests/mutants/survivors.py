"""Why mutants survive: what an unnoticed change leaves as it was."""

from __future__ import annotations

REASONS: dict[str, str] = {}
"""By the key of the mutant."""
