"""Which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ...arrays import Array
from ...data.outfile import StrPath
from ...errors import DataError
from ...nn.window import count as whole
from .sheet import Sheet
from .style import AMOUNTS, GRID, INK, NORMAL, ORANGE, SMALL, contrast, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NUMBERED = 20
"""Up to so many classes every field has its number, and every class its name."""


def checked_counts(who: str, counts: ArrayLike) -> Array:
    """A confusion matrix.

    Raises:
        DataError: it is none.
    """
    given = np.asarray(counts)
    square = given.ndim == 2 and given.shape[0] == given.shape[1] and given.size > 0
    if not square or given.dtype.kind not in "iu" or given.min() < 0:
        what = f"expected a square of whole numbers from 0, got {given.dtype} of shape {given.shape}"
        raise DataError(who, what, "give what Classifier.confusion_matrix or metrics.confusion gives")
    return given


def names_of(who: str, classes: Sequence[object] | None, wanted: int, most: int = 22) -> list[str]:
    """The names of so many classes as labels of at most so many letters: numbers for None.

    Raises:
        DataError: there are more or fewer.
    """
    if classes is None:
        return [str(number) for number in range(wanted)]
    if isinstance(classes, str) or len(classes) != wanted:
        what = f"expected the names of {wanted} classes, got {classes if isinstance(classes, str) else len(classes)}"
        raise DataError(who, what, "give a name for each class")
    return [shortened(name, most) for name in classes]


def confusion_matrix(
    counts: ArrayLike, path: StrPath | None = None, *, ax: Axes | None = None, classes: Sequence[object] | None = None
) -> Figure:
    """counts[t, p] as a picture: a row for each true class, a column for each answer; darker is a larger share of the row.

    The title says the accuracy, Σ counts[t, t] / Σ counts. Of up to 20 classes every field has its number.

    Args:
        counts: (K, K) whole numbers, as of ``Classifier.confusion_matrix``.
        path: the file to write; none for None.
        ax: axes of a figure of yours to draw in; a new figure for None.
        classes: the names of the classes; their numbers for None.

    Returns:
        The figure, which a notebook shows.

    Raises:
        DataError: the counts are no confusion matrix, or the names are not as many.
        OutputError: the file cannot be written, or matplotlib is not installed.

    >>> from minicnn.train import plots
    >>> figure = plots.confusion_matrix([[9, 1], [2, 8]], classes=["cat", "dog"])
    >>> figure.axes[0].get_title(), [text.get_text() for text in figure.axes[0].texts]
    ('accuracy 85.00 % of 20', ['9', '1', '2', '8'])
    """
    found = checked_counts("confusion_matrix", counts)
    classes_, total = len(found), int(found.sum())
    names = names_of("confusion_matrix", classes, classes_)
    numbered = classes_ <= NUMBERED
    side = max(3.0, min(0.42 * classes_, 9.0)) + 0.9 + 0.07 * max(map(len, names))
    sheet = Sheet(ax, side + 0.3, side)
    axes = sheet.one()
    shares = found / np.maximum(1, found.sum(axis=1, keepdims=True))
    axes.imshow(shares, cmap=AMOUNTS, vmin=0, vmax=1)
    every = 1 if classes_ <= 2 * NUMBERED else -(-classes_ // NUMBERED)
    ticks = range(0, classes_, every)
    longest = max(map(len, names))
    axes.set_xticks(ticks, [names[t] for t in ticks], rotation=90 if longest > 3 else 0)
    axes.set_yticks(ticks, [names[t] for t in ticks])
    axes.tick_params(length=0, labelsize=sheet.points(SMALL))
    axes.set(xlabel="answer", ylabel="truth")
    if numbered:
        size = sheet.points(SMALL if found.max() < 10_000 else 6)
        for t, p in np.ndindex(found.shape):
            if found[t, p]:
                axes.text(p, t, str(found[t, p]), ha="center", va="center", fontsize=size, color=contrast(shares[t, p]))
        axes.set_xticks(np.arange(-0.5, classes_), minor=True)
        axes.set_yticks(np.arange(-0.5, classes_), minor=True)
        axes.tick_params(which="minor", length=0)
        axes.grid(which="minor", color=GRID, linewidth=0.5)
    accuracy = "no image" if not total else f"accuracy {100 * found.trace() / total:.2f} % of {total:,}"
    axes.set_title(accuracy, fontsize=NORMAL)
    return sheet.finish(path)


def confused_pairs(
    counts: ArrayLike,
    path: StrPath | None = None,
    *,
    ax: Axes | None = None,
    classes: Sequence[object] | None = None,
    most: int = 12,
) -> Figure:
    """The pairs of classes that are confused the most: how many images of one were taken for the other, the most first.

    Args:
        counts: (K, K) whole numbers, as of ``Classifier.confusion_matrix``.
        path: the file to write; none for None.
        ax: axes of a figure of yours to draw in; a new figure for None.
        classes: the names of the classes; their numbers for None.
        most: the largest number of pairs.

    Returns:
        The figure, which a notebook shows.

    Raises:
        OptionError: ``most`` is no whole number of at least 1.
        DataError: the counts are no confusion matrix, or the names are not as many.
        OutputError: the file cannot be written, or matplotlib is not installed.

    >>> from minicnn.train import plots
    >>> figure = plots.confused_pairs([[9, 1], [2, 8]], classes=["cat", "dog"])
    >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
    ['dog taken for cat', 'cat taken for dog']
    """
    whole("confused_pairs", "most", most)
    found = checked_counts("confused_pairs", counts)
    names = names_of("confused_pairs", classes, len(found))
    wrong = [(int(found[t, p]), t, p) for t, p in np.ndindex(found.shape) if t != p and found[t, p]]
    pairs = sorted(wrong, key=lambda each: (-each[0], each[1:]))[:most]
    labels = [f"{names[t]} taken for {names[p]}" for _, t, p in pairs]
    sheet = Sheet(ax, 3.4 + 0.075 * max(map(len, labels), default=10), 0.9 + 0.27 * max(1, len(pairs)))
    axes = sheet.one()
    from matplotlib.ticker import MaxNLocator

    values = [number for number, _, _ in pairs]
    bars = axes.barh(range(len(pairs)), values, color=ORANGE, height=0.7)
    said = [f"{number} of {found[t].sum():,}" for number, t, _ in pairs]
    axes.bar_label(bars, labels=said, padding=3, fontsize=SMALL, color=INK)
    axes.set_yticks(range(len(pairs)), labels, fontsize=sheet.points(SMALL))
    axes.set(xlim=(0, 1.3 * max(values, default=1)), ylim=(max(1, len(pairs)) - 0.4, -0.6), xlabel="images")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    shown = sum(values)
    total = sum(number for number, _, _ in wrong)
    words = f"{shown:,} of {total:,} mistakes" if pairs else "no mistakes"
    axes.set_title(words, fontsize=NORMAL)
    return sheet.finish(path)
