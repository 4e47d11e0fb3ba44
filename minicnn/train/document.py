"""JSON as Python's ``json`` reads and writes it; it has no type that a checker could follow."""

from __future__ import annotations

from typing import Any

Json = Any
"""A value of JSON: None, a boolean, a number, text, a list of them, or a dict of them by text."""

Document = dict[str, Json]
"""An object of JSON."""
