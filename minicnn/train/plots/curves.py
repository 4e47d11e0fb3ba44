"""Curves of training: loss and errors by epoch, and the loss by learning rate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ...data.outfile import StrPath
from ...errors import DataError
from ..history import EpochResult
from ..learning_rate import FoundRate
from .sheet import Sheet
from .style import BLUE, GRID, ORANGE, SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def learning_curves(rows: Sequence[EpochResult], path: StrPath | None = None, *, ax: Axes | None = None) -> Figure:
    """Loss and, where there are accuracies, error rate of training and validation by epoch.

    The error is 100 · (1 − accuracy) per cent. Training is measured while the network learns, so its first epochs look worse
    than the validation behind them. The scale is logarithmic unless a number is 0 or less.

    Args:
        rows: one for each epoch, as of ``Trainer.rows`` or ``Classifier.history``.
        path: the file to write; none for None.
        ax: axes of a figure of yours to draw in; a new figure for None.

    Returns:
        The figure, which a notebook shows.

    Raises:
        DataError: there is no epoch.
        OutputError: the file cannot be written, or matplotlib is not installed.

    >>> from minicnn.train import EpochResult, plots
    >>> rows = [EpochResult(epoch, 1 / epoch, None, 1.2 / epoch, None, 1.0, 100.0) for epoch in (1, 2, 3)]
    >>> plots.learning_curves(rows).axes[0].get_xlabel()
    'epoch'
    """
    panels = 2 if any(row.train_accuracy is not None or row.val_accuracy is not None for row in rows) else 1
    sheet = Sheet(ax, 4.5 * panels, 3.4)
    if not rows:
        raise DataError("learning_curves", "expected at least one epoch, got none", "train first")
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    losses, *errors = sheet.grid(1, panels, space=0.2)[0] if panels > 1 else [sheet.one()]
    drawn = [(losses, "loss", _numbers(row.train_loss for row in rows), _numbers(row.val_loss for row in rows))]
    for axes in errors:
        train, validation = (_numbers(getattr(row, name) for row in rows) for name in ("train_accuracy", "val_accuracy"))
        drawn.append((axes, "error (%)", _errors(train), _errors(validation)))
    for axes, title, train, validation in drawn:
        axes.plot(*_points(train), marker="o", markersize=3.5, color=BLUE, label="training (while learning)")
        if validation:
            axes.plot(*_points(validation), "--", marker="s", markersize=3.5, color=ORANGE, label="validation")
        axes.set(xlabel="epoch", ylabel=title, yscale="log" if min(*train.values(), *validation.values(), 1) > 0 else "linear")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if axes.get_yscale() == "log":
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.yaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter("{x:g}")
        axes.grid(color=GRID, linewidth=0.6)
        axes.legend(frameon=False, fontsize=SMALL)
    return sheet.finish(path)


def _numbers(values: Iterable[float | None]) -> dict[int, float]:
    """By epoch, without those that are not known."""
    return {epoch: value for epoch, value in enumerate(values, 1) if value is not None}


def _errors(accuracies: Mapping[int, float]) -> dict[int, float]:
    return {epoch: 100 - 100 * value for epoch, value in accuracies.items()}


def _points(values: Mapping[int, float]) -> tuple[list[int], list[float]]:
    return list(values), list(values.values())


def learning_rates(found: FoundRate, path: StrPath | None = None, *, ax: Axes | None = None) -> Figure:
    """The smoothed loss at each learning rate, with the suggestion.

    Args:
        found: what ``find_learning_rate`` gave.
        path: the file to write; none for None.
        ax: axes of a figure of yours to draw in; a new figure for None.

    Returns:
        The figure, which a notebook shows.

    Raises:
        OutputError: the file cannot be written, or matplotlib is not installed.

    >>> import numpy as np
    >>> from minicnn.train import plots
    >>> from minicnn.train.learning_rate import FoundRate
    >>> plots.learning_rates(FoundRate(np.array([0.01, 0.1, 1.0]), np.array([2.0, 1.0, 3.0]), 0.05)).axes[0].get_xscale()
    'log'
    """
    sheet = Sheet(ax, 4.8, 3.4)
    axes = sheet.one()
    axes.plot(found.rates, found.losses, color=BLUE)
    if found.suggestion is not None:
        axes.axvline(found.suggestion, color=ORANGE, linestyle="--", label=f"suggestion: {found.suggestion:.2g}")
        axes.legend(frameon=False, fontsize=SMALL)
    axes.set(xlabel="learning rate", ylabel="smoothed loss", xscale="log")
    axes.grid(color=GRID, linewidth=0.6)
    return sheet.finish(path)
