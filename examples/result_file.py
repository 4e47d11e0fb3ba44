"""A finished run's result on disk: one JSON object, written all or nothing, and read back with suspicion."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from minicnn import CheckpointError, atomic
from minicnn.infile import MOST_TEXT, open_file

RESULT = "result.json"


def write(path: Path, facts: dict[str, Any]) -> None:
    """Write a result.

    Raises:
        CheckpointError: the file cannot be written.
    """
    try:
        atomic.write(path, (json.dumps(facts, indent=2) + "\n").encode())
    except OSError as fault:
        raise _refusal(path, "to write a result", fault) from fault


def remove(path: Path) -> None:
    """Remove the result of another run, where there is one.

    Raises:
        CheckpointError: it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as fault:
        raise _refusal(path, "to replace an older result", fault) from fault


def read(path: Path) -> dict[str, Any]:
    """Read a result, whose ``error`` is a number from 0 to 100.

    Raises:
        CheckpointError: the file cannot be read, or is something else.
    """
    try:
        with open_file(path) as file:
            facts = json.loads(file.read(MOST_TEXT))
    except OSError as fault:
        raise _refusal(path, "a readable result", fault) from fault
    except (ValueError, RecursionError):
        facts = None
    error = facts.get("error") if isinstance(facts, dict) else None
    if type(error) not in (int, float) or not 0 <= error <= 100:
        what = "expected the result of a run, got something else"
        raise CheckpointError(str(path), what, "delete it, or give another folder")
    return facts


def _refusal(path: Path, expected: str, fault: OSError) -> CheckpointError:
    reason = (fault.strerror or str(fault)).lower()
    return CheckpointError(str(path), f"expected {expected}, got {reason}", "check it and its folder, or give another folder")
