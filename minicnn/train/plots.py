"""Plots of learning curves, kernels and misclassified images, drawn with matplotlib without a display."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..arrays import Array
from ..data.outfile import outfile
from ..errors import lacking
from .history import EpochResult
from .learning_rate import FoundRate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, ACCENT, SOFT = "#1f2933", "#c2410c", "#2563eb"


def blank(width: float, height: float) -> Figure:
    """An empty figure of this size in inches.

    Raises:
        OutputError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # not pyplot, which keeps global state and may need a display
    except ImportError as fault:
        raise lacking("pictures", "matplotlib", fault) from fault
    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, path: Path, dpi: int) -> None:
    """Write a figure in the format given by the file name's suffix, completely or not at all.

    Args:
        figure: a matplotlib figure.
        path: the file.
        dpi: dots per inch, for formats made of pixels.

    Raises:
        OutputError: the file cannot be written.
    """
    with outfile(path, "a picture") as file:
        figure.savefig(file, dpi=dpi, format=path.suffix[1:] or "png")


def learning_curves(rows: Sequence[EpochResult], path: Path) -> None:
    """Loss and, where there are accuracies, error rate of training and validation by epoch.

    Args:
        rows: one for each epoch.
        path: the PNG to write.

    Raises:
        OutputError: the file cannot be written, or matplotlib is not installed.
    """
    panels = 2 if any(row.train_accuracy is not None for row in rows) else 1
    figure = blank(4.5 * panels, 3.6)
    from matplotlib.ticker import LogLocator, NullFormatter

    losses, *errors = figure.subplots(1, panels, squeeze=False)[0]
    drawn = [(losses, "loss", _numbers(row.train_loss for row in rows), _numbers(row.val_loss for row in rows))]
    for axes in errors:
        wrong = (_numbers(getattr(row, name) for row in rows) for name in ("train_accuracy", "val_accuracy"))
        drawn.append((axes, "error (%)", *({epoch: 100 - 100 * value for epoch, value in one.items()} for one in wrong)))
    for axes, title, train, validation in drawn:
        axes.plot(*_points(train), marker="o", markersize=3, color=SOFT, label="training (while learning)")
        if validation:
            axes.plot(*_points(validation), marker="o", markersize=3, color=ACCENT, label="validation")
        axes.set(xlabel="epoch", ylabel=title, yscale="log" if min(*train.values(), *validation.values(), 1) > 0 else "linear")
        axes.xaxis.get_major_locator().set_params(integer=True)
        if axes.get_yscale() == "log":
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.yaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter("{x:g}")
        axes.grid(alpha=0.3, which="both")
        axes.legend(frameon=False, fontsize=8)
    save(figure, path, 120)


def _numbers(values: Iterable[float | None]) -> dict[int, float]:
    """By epoch, without those that are not known."""
    return {epoch: value for epoch, value in enumerate(values, 1) if value is not None}


def _points(values: Mapping[int, float]) -> tuple[list[int], list[float]]:
    return list(values), list(values.values())


def learning_rates(found: FoundRate, path: Path) -> None:
    """The smoothed loss at each learning rate, with the suggestion.

    Args:
        found: what ``find_learning_rate`` gave.
        path: the PNG to write.

    Raises:
        OutputError: the file cannot be written, or matplotlib is not installed.
    """
    figure = blank(4.5, 3.6)
    axes = figure.subplots()
    axes.plot(found.rates, found.losses, color=SOFT)
    if found.suggestion is not None:
        axes.axvline(found.suggestion, color=ACCENT, label=f"suggestion: {found.suggestion:.2g}")
        axes.legend(frameon=False, fontsize=8)
    axes.set(xlabel="learning rate", ylabel="smoothed loss", xscale="log")
    axes.grid(alpha=0.3)
    save(figure, path, 120)


def kernels(weights: Array, path: Path) -> None:
    """The kernels of a first layer, on one scale, with white for zero.

    Args:
        weights: (F, KH, KW).
        path: the PNG to write.

    Raises:
        OutputError: the file cannot be written, or matplotlib is not installed.
    """
    figure = blank(1.4 * len(weights) + 0.8, 1.9)
    limit = float(np.abs(weights).max())
    plots = figure.subplots(1, len(weights), squeeze=False)[0]
    for number, (axes, kernel) in enumerate(zip(plots, weights, strict=True)):
        picture = axes.imshow(kernel, cmap="RdBu_r", vmin=-limit, vmax=limit)
        axes.set_title(f"map {number}", fontsize=9)
        axes.set_axis_off()
    figure.colorbar(picture, ax=list(plots), shrink=0.8)
    save(figure, path, 120)


def confused(images: Array, labels: Array, outputs: Array, path: Path, most: int = 24) -> None:
    """The misclassified images with the highest confidence.

    Args:
        images: (N, H, W) grey levels, or (N, 3, H, W) colours of uint8.
        labels: (N,) classes.
        outputs: (N, K), larger means more confident.
        path: the PNG to write.
        most: the largest number of images to show.

    Raises:
        OutputError: the file cannot be written, or matplotlib is not installed.
    """
    right = outputs[np.arange(len(labels)), labels]
    margin = outputs.max(axis=1) - right
    wrong = np.flatnonzero((outputs.argmax(axis=1) != labels) | np.isnan(outputs).any(axis=1))
    shown = wrong[np.argsort(-margin[wrong], kind="stable")][:most]
    columns = 8
    lines = max(1, -(-len(shown) // columns))
    figure = blank(9, 1.45 * lines + 0.4)
    plots = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in plots:
        axes.set_axis_off()
    for axes, i in zip(plots, shown, strict=False):
        axes.imshow(images[i] if images.ndim == 3 else np.moveaxis(images[i], 0, -1), cmap="gray_r", vmin=0, vmax=255)
        axes.set_title(f"{labels[i]} taken for {outputs[i].argmax()}", fontsize=8, color=INK)
    figure.suptitle(f"{len(wrong)} of {len(labels)} images were misread; the surest mistakes first", fontsize=10)
    save(figure, path, 120)


def rows_of_images(rows: Mapping[str, Array], path: Path) -> None:
    """Rows of images, each with a title, dark ink on white, or in their colours.

    Args:
        rows: title → images (n, H, W), as many in every row; larger means more ink. Or (n, H, W, 3), colours from 0 to 1.
        path: the PNG to write.

    Raises:
        OutputError: the file cannot be written, or matplotlib is not installed.
    """
    columns = len(next(iter(rows.values())))
    figure = blank(1.6 + 0.75 * columns, 0.78 * len(rows))
    plots = figure.subplots(len(rows), columns, squeeze=False)
    for line, (name, images) in zip(plots, rows.items(), strict=True):
        for axes, image in zip(line, images, strict=True):
            axes.imshow(image, cmap="gray_r", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_color("#cbd2d9")
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9, color=INK)
    save(figure, path, 64)
