"""Metrics, text tables, and result files in JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..arrays import Array
from ..data.infile import MOST_TEXT, open_file
from ..data.outfile import outfile
from ..errors import DataError, reason
from .document import Document


def confusion(predicted: Array, labels: Array, classes: int) -> Array:
    """counts[t, p]: the number of images of class t that were classified as p.

    >>> confusion(np.array([0, 1, 1]), np.array([0, 1, 0]), 2)
    array([[1, 1],
           [0, 1]])
    """
    return np.bincount(labels.astype(np.int64) * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def confusion_table(counts: Array) -> str:
    """A confusion matrix as text: a row for each true class, a column for each predicted class."""
    classes = len(counts)
    width = max(5, len(str(counts.max())) + 1)
    head = "true\\answer" + "".join(str(p).rjust(width) for p in range(classes)) + "   right"
    rows = [head]
    for t, row in enumerate(counts):
        share = 100 * row[t] / max(1, row.sum())
        cells = "".join((str(n) if n else ".").rjust(width) for n in row)
        rows.append(str(t).rjust(11) + cells + f"{share:6.1f} %")
    return "\n".join(rows)


def write_json(path: Path, metadata: Mapping[str, object]) -> None:
    """Write a result as JSON, completely or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    with outfile(path, "a result") as file:
        file.write(f"{json.dumps(metadata, indent=2)}\n".encode())


def read_json(path: Path, fields: Mapping[str, type]) -> Document:
    """Read the result of an earlier run.

    Args:
        path: the file.
        fields: the required names with the types of their values. A float must be finite and may be written as an integer; an
            ``error`` must lie between 0 and 100 per cent.

    Raises:
        DataError: the file cannot be read, or does not have these fields.
    """
    hint = "delete it, or give another folder"
    try:
        with open_file(path) as file:
            found = json.loads(file.read(MOST_TEXT))
    except OSError as fault:
        raise DataError(str(path), f"expected the result of a run, got {reason(fault)}", hint) from fault
    except (ValueError, RecursionError) as fault:
        raise DataError(str(path), "expected the result of a run, got no JSON", hint) from fault
    for name, kind in fields.items():
        value = found.get(name) if isinstance(found, dict) else None
        if not of(kind, value):
            what = f"expected the result of a run, whose {name} is of type {kind.__name__}, got another file"
            raise DataError(str(path), what, hint)
    result: Document = found
    if "error" in fields and not 0 <= result["error"] <= 100:
        what = f"expected the result of a run, whose error is from 0 to 100, got {result['error']:g}"
        raise DataError(str(path), what, hint)
    return result


def of(kind: type, value: object) -> bool:
    """Whether a JSON value is of a type.

    >>> of(float, 1), of(int, True), of(float, float("nan"))
    (True, False, False)
    """
    if kind is float:
        return type(value) in (int, float) and abs(value) < 1e300  # type: ignore[arg-type]
    return type(value) is kind
