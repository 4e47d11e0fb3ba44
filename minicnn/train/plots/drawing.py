"""A figure of matplotlib that a notebook shows by itself."""

from __future__ import annotations

from io import BytesIO

from matplotlib.figure import Figure

DPI = 120
"""Dots per inch, in a notebook too."""


class Drawing(Figure):
    """A figure without a window and without pyplot, whose global state would keep it alive and draw it twice."""

    def _repr_png_(self) -> bytes:
        """What a notebook shows where the figure is the last thing of a cell."""
        buffer = BytesIO()
        self.savefig(buffer, format="png", dpi=DPI)
        return buffer.getvalue()
