"""The style of all pictures: colours that colour-blind people tell apart, names that fit, and dark ink on white paper.

The paper is white whatever surrounds it, so that a picture is as readable in a dark notebook. Nothing is set globally: what a
figure needs is set on the figure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...arrays import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap

INK, PAPER, GRID = "#1f2933", "#ffffff", "#cbd2d9"
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#6b7280"
"""The first two are of the colours of Okabe and Ito, which differ in brightness too."""

AMOUNTS, BRIGHT = "Blues", "gray_r"
"""Maps of colours: of amounts with white for 0, and of ink on paper."""

BELOW, ABOVE = ("#6e3200", "#b35806", "#fdb863"), ("#7eb2dd", "#0b5cad", "#04285a")
"""Signed numbers from the lowest to the highest, as on the page of ``minicnn draw``: orange below 0, blue above."""

SMALL, NORMAL, LARGE = 8, 9, 10
"""Sizes of letters in points."""


def signed() -> LinearSegmentedColormap:
    """The colours of numbers from −1 to 1: orange below 0, white for 0, blue above.

    >>> from matplotlib.colors import to_hex
    >>> [to_hex(signed()(share)) for share in (0.0, 0.5, 1.0)]
    ['#6e3200', '#ffffff', '#04285a']
    """
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("signed", [*BELOW, PAPER, *ABOVE], N=257)  # an odd number: one colour is that of 0


def shortened(name: object, most: int = 22) -> str:
    r"""A name as a label: in one line, of at most so many letters, and without mathematics of matplotlib.

    What is too long loses its middle, as names often differ at their ends.

    >>> shortened("Pembroke Welsh corgi, number 7"), shortened("5 $ and\n10 $")
    ('Pembroke Welsh…umber 7', '5 \\$ and 10 \\$')
    """
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in str(name)).split())
    if len(text) > most:
        end = (most - 1) // 3
        text = f"{text[: most - 1 - end].rstrip()}…{text[len(text) - end :].lstrip()}"
    return text.replace("$", r"\$")


def dress(axes: Axes) -> None:
    """Give axes of a figure of ours dark ink on white, whatever style the user has chosen for their own."""
    axes.set_facecolor(PAPER)
    axes.tick_params(which="both", colors=INK)
    texts = [axes.title, axes.xaxis.label, axes.yaxis.label]
    legend = axes.get_legend()
    if legend is not None:
        texts += legend.get_texts()
    for text in texts:
        text.set_color(INK)


def contrast(share: float) -> str:
    """The colour of a number that stands on a field of a share of the darkest colour of a map."""
    return PAPER if share > 0.5 else INK


def as_picture(image: Array) -> Array:
    """An image (C, H, W) as matplotlib takes it: (H, W), or colours (H, W, 3)."""
    return image[0] if len(image) == 1 else image.transpose(1, 2, 0)
