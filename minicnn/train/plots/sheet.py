"""What every picture begins and ends with: axes of a new figure or of the caller's, and a file where one is wanted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from reprlib import repr as short
from typing import TYPE_CHECKING

from ...data.outfile import StrPath, outfile
from ...errors import OptionError, OutputError, lacking
from .style import GREY, INK, LARGE, PAPER, SMALL, dress

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

DPI = 120
"""Dots per inch of files made of pixels."""


def blank(width: float, height: float) -> Figure:
    """An empty figure of this size in inches.

    Raises:
        OutputError: matplotlib is not installed.
    """
    try:
        from .drawing import Drawing
    except ImportError as fault:
        raise lacking("pictures", "matplotlib", fault) from fault
    return Drawing(figsize=(width, height), layout="constrained", facecolor=PAPER)


def save(figure: Figure, path: StrPath, dpi: int = DPI) -> None:
    """Write a figure in the format given by the file name's suffix, completely or not at all.

    Args:
        figure: a matplotlib figure.
        path: the file.
        dpi: dots per inch, for formats made of pixels.

    Raises:
        OutputError: the file cannot be written, or there is no such format.
    """
    form, known = Path(path).suffix[1:].lower() or "png", figure.canvas.get_supported_filetypes()
    if form not in known:
        what = f"expected a picture as {', '.join(sorted(known))}, got {form}"
        raise OutputError(str(path), what, "give for example picture.png")
    with outfile(path, "a picture") as file:
        figure.savefig(file, dpi=dpi, format=form)


class Sheet:
    """The axes of one picture: those of a new figure, or places inside axes of the caller's.

    Args:
        ax: the caller's axes; None for a new figure.
        width: of a new figure, in inches.
        height: of a new figure, in inches.

    Attributes:
        figure: what is drawn on.
        axes: all axes that were made.

    Raises:
        OutputError: matplotlib is not installed.
        OptionError: ``ax`` is no axes.
    """

    def __init__(self, ax: Axes | None, width: float, height: float) -> None:
        self.axes: list[Axes] = []
        self._given, self._shrink = ax, 1.0
        if ax is None:
            self.figure = blank(width, height)
        elif hasattr(ax, "inset_axes"):
            self.figure = ax.figure.figure  # of a subfigure the whole one
            room, dpi = ax.get_window_extent(), self.figure.dpi
            self._shrink = min(1.0, room.width / dpi / width, room.height / dpi / height)
        else:
            what = f"expected ax as axes of matplotlib, got {short(ax)}"
            raise OptionError("plots", what, "write for example ax=figure.subplots()")

    def points(self, size: float) -> float:
        """The size of letters, smaller where the caller's axes are smaller than a figure of its own would be."""
        return max(4.5, size * self._shrink)

    def one(self) -> Axes:
        """One place for everything."""
        axes = self.figure.subplots() if self._given is None else self._given
        self.axes.append(axes)
        if self._given is None:
            axes.spines[:].set_edgecolor(GREY)
            axes.tick_params(labelsize=SMALL)
        return axes

    def grid(self, rows: int, columns: int, heights: Sequence[float] | None = None, space: float = 0.12) -> list[list[Axes]]:
        """Places in rows.

        Args:
            rows: how many.
            columns: in each row.
            heights: of the rows, in any unit; all alike for None.
            space: between places inside the caller's axes, as a share of a place.
        """
        if self._given is None:
            ratios = None if heights is None else list(heights)
            made: list[list[Axes]] = self.figure.subplots(rows, columns, squeeze=False, height_ratios=ratios).tolist()
        else:
            self._given.set_axis_off()
            shares = [1 / rows] * rows if heights is None else [height / sum(heights) for height in heights]
            tops = [1 - sum(shares[:row]) for row in range(rows)]
            made = []
            for top, share in zip(tops, shares, strict=True):
                low, high, wide = top - share * (1 - space / 2), share * (1 - space), (1 - space) / columns
                made.append([self._given.inset_axes((c / columns, low, wide, high)) for c in range(columns)])
        for axes in (axes for row in made for axes in row):
            axes.spines[:].set_edgecolor(GREY)
            axes.tick_params(labelsize=self.points(SMALL))
            self.axes.append(axes)
        return made

    def title(self, text: str) -> None:
        """Words over all of it."""
        if self._given is not None:
            self._given.set_title(text, fontsize=LARGE)
        elif text:
            self.figure.suptitle(text, fontsize=LARGE, color=INK)

    def scale(self, picture: ScalarMappable, axes: Iterable[Axes], words: str = "", shrink: float = 1.0) -> None:
        """A bar that says which colour means which number."""
        beside = list(axes) if self._given is None else [self._given]
        bar = self.figure.colorbar(picture, ax=beside, shrink=shrink, aspect=20 * shrink)
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=self.points(SMALL))
        bar.set_label(words, fontsize=self.points(SMALL))
        if self._given is None:
            self.axes.append(bar.ax)

    def finish(self, path: StrPath | None) -> Figure:
        """The figure, written where that is wanted."""
        if self._given is None:
            for axes in self.axes:
                dress(axes)
        if path is not None:
            save(self.figure, path)
        return self.figure
