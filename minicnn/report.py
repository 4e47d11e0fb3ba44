"""Results in words and numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def confusion(predicted: Array, labels: Array, classes: int) -> Array:
    """counts[t, p]: how many images of class t were taken for class p.

    >>> confusion(np.array([0, 1, 1]), np.array([0, 1, 0]), 2)
    array([[1, 1],
           [0, 1]])
    """
    return np.bincount(labels.astype(np.int64) * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def confusion_table(counts: Array) -> str:
    """A confusion matrix as text: a row for each true class, a column for each answer."""
    classes = len(counts)
    width = max(5, len(str(counts.max())) + 1)
    head = "true\\answer" + "".join(str(p).rjust(width) for p in range(classes)) + "   right"
    rows = [head]
    for t, row in enumerate(counts):
        share = 100 * row[t] / max(1, row.sum())
        cells = "".join((str(n) if n else ".").rjust(width) for n in row)
        rows.append(str(t).rjust(11) + cells + f"{share:6.1f} %")
    return "\n".join(rows)
