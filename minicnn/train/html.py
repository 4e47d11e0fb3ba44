"""Epochs, classifiers and regressors as a notebook shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..engine.html import network_html, table

if TYPE_CHECKING:
    from ..network import Network
    from .history import EpochResult

COLUMNS = ("epoch", "train loss", "train accuracy", "validation loss", "validation accuracy", "seconds", "images/s")
MOST = 30
"""So many names of classes are shown."""


def epochs_html(rows: Sequence[EpochResult]) -> str:
    """A row for each epoch; what is not known stays empty."""
    cells = [
        (
            row.epoch,
            _number(row.train_loss),
            _share(row.train_accuracy),
            _number(row.val_loss),
            _share(row.val_accuracy),
            f"{row.seconds:.2f}",
            f"{row.images_per_second:,.0f}",
        )
        for row in rows
    ]
    return table("1 epoch" if len(rows) == 1 else f"{len(rows)} epochs", COLUMNS, cells, left=0)


def estimator_html(
    words: str, net: Network, classes: Iterable[object], preprocessing: object, rows: Sequence[EpochResult]
) -> str:
    """A classifier or regressor: what it knows, its last epoch and its network.

    Args:
        words: the line that ``repr`` gives.
        net: its network.
        classes: the names of its classes; none of a regressor.
        preprocessing: what is done with images; None before training.
        rows: its epochs.
    """
    names = [str(name) for name in classes]
    said = ", ".join(names[:MOST]) + (f" and {len(names) - MOST} others" if len(names) > MOST else "")
    facts = [("classes", said)] if names else []
    facts += [("preprocessing", "none yet: call fit" if preprocessing is None else str(preprocessing))]
    facts += [("last epoch", str(rows[-1]))] if rows else []
    return f"{table(words.strip('<>'), ('', ''), facts, left=2)}\n{network_html(net)}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2f} %"
