"""Which pixels a score hangs on: its gradient by the image, and what becomes of it where a part is covered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ...arrays import Array
from ...data.outfile import StrPath
from ...errors import OptionError
from .model_input import Model, Seen
from .sheet import Sheet
from .style import BRIGHT, NORMAL, SMALL, as_picture, shortened, signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = 3


def saliency(
    model: Model,
    image: ArrayLike,
    path: StrPath | None = None,
    *,
    ax: Axes | None = None,
    target: int | None = None,
    classes: Sequence[object] | None = None,
) -> Figure:
    """The gradient of a class score with respect to the image, g = ∂s/∂x, beside the image.

    Blue pixels raise the score if they get larger, orange ones lower it. Of colours the strongest channel of each pixel is
    shown. The score is the network's output, or a penalty negated. Parameters, gradients and the last ``forward`` of the
    network stay as they are.

    Args:
        model: a network of one input and one output, or a classifier.
        image: one image (C, H, W), or (H, W), as the network takes it; of a classifier as its ``predict`` takes it.
        path: the file to write; none for None.
        ax: axes of a figure of yours to draw in; a new figure for None.
        target: the number of the class; the one of the highest score for None.
        classes: names of the classes for the title; those of a classifier, else numbers, for None.

    Returns:
        The figure, which a notebook shows.

    Raises:
        OptionError, ContractError: the model or the target is not what it should be.
        DataError, ShapeError: the image is not one that the network takes.
        OutputError: the file cannot be written, or matplotlib is not installed.

    Source: K. Simonyan, A. Vedaldi, A. Zisserman, *Deep Inside Convolutional Networks*, 2013.

    >>> import numpy as np
    >>> from minicnn import models
    >>> from minicnn.train import plots
    >>> figure = plots.saliency(models.lenet5_modern(backend="numpy"), np.zeros((28, 28)), target=3)
    >>> figure.axes[1].get_title()
    'gradient of the score of 3'
    """
    seen = Seen("saliency", model, image)
    number = seen.target(target)
    gradient = score_gradient(seen, number)
    strongest = np.abs(gradient).argmax(axis=0)
    shown = np.take_along_axis(gradient, strongest[None], axis=0)[0]
    return _beside(seen, shown, f"gradient of the score of {_name(model, classes, number)}", path, ax)


def score_gradient(seen: Seen, target: int) -> Array:
    """∂s/∂x (C, H, W) of the score of a class."""
    out = seen.net.forward(seen.x[None])
    dy = np.zeros_like(out)
    dy.reshape(-1)[target] = seen.sign
    found = seen.net.backward(dy)
    assert found is not None
    return np.asarray(found[0])


def occlusion(
    model: Model,
    image: ArrayLike,
    path: StrPath | None = None,
    *,
    ax: Axes | None = None,
    target: int | None = None,
    size: int | None = None,
    stride: int | None = None,
    fill: float | None = None,
    classes: Sequence[object] | None = None,
) -> Figure:
    """How much a class score falls where a square covers the image, d(p) = s(x) − s(x with a square at p), beside the image.

    Blue places carry the score: without them it falls. Without orange ones it rises. The score is as of ``saliency``.

    Args:
        model: as of ``saliency``, and so are ``image``, ``path``, ``ax``, ``target`` and ``classes``.
        image: see there.
        path: see there.
        ax: see there.
        target: see there.
        size: the side of the square in pixels; about a sixth of the image for None.
        stride: pixels from one place to the next; about an eighth of ``size``, at least 1, for None.
        fill: what the square is filled with, in the numbers that the network takes; the median of each channel for None,
            which is the paper of a digit.
        classes: see there.

    Returns:
        The figure, which a notebook shows.

    Raises:
        OptionError: the square or its stride does not fit the image; or as of ``saliency``.
        ContractError, DataError, ShapeError, OutputError: as of ``saliency``.

    Source: M. Zeiler, R. Fergus, *Visualizing and Understanding Convolutional Networks*, 2013, section 4.2.

    >>> import numpy as np
    >>> from minicnn import models
    >>> from minicnn.train import plots
    >>> figure = plots.occlusion(models.lenet5_modern(backend="numpy"), np.zeros((28, 28)), target=3, size=7, stride=7)
    >>> figure.axes[1].images[0].get_array().shape
    (4, 4)
    """
    seen = Seen("occlusion", model, image)
    number = seen.target(target)
    rows, columns = seen.x.shape[1:]
    side = max(1, min(rows, columns) // 6) if size is None else size
    _check("size", side, min(rows, columns))
    step = max(1, side // 8) if stride is None else stride
    _check("stride", step, min(rows, columns))
    falls = score_falls(seen, number, side, step, fill)
    words = f"fall of the score of {_name(model, classes, number)}"
    tops, lefts = (range(0, n - side + 1, step) for n in (rows, columns))
    half, reach = side / 2 - 0.5, step / 2
    extent = (half - reach, half + lefts[-1] + reach, half + tops[-1] + reach, half - reach)
    return _beside(seen, falls, words, path, ax, extent, f"middle of a square of {side} × {side}")


def score_falls(seen: Seen, target: int, size: int, stride: int, fill: float | None) -> Array:
    """s(x) − s(x with a square at each place), (places down, places across)."""
    rows, columns = seen.x.shape[1:]
    paint = np.median(seen.x, axis=(1, 2))[:, None, None] if fill is None else fill
    places = [(top, left) for top in range(0, rows - size + 1, stride) for left in range(0, columns - size + 1, stride)]
    before = seen.scores(seen.x[None])[0, target]
    falls = []
    for start in range(0, len(places), 256):
        part = places[start : start + 256]
        covered = np.repeat(seen.x[None], len(part), axis=0)
        for one, (top, left) in zip(covered, part, strict=True):
            one[:, top : top + size, left : left + size] = paint
        falls.append(before - seen.scores(covered)[:, target])
    return np.concatenate(falls).reshape((rows - size) // stride + 1, -1)


def _check(name: str, value: object, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        what = f"expected {name} as a whole number of pixels from 1 to {most}, got {value!r}"
        raise OptionError("occlusion", what, f"leave {name} out")


def _name(model: Model, classes: Sequence[object] | None, number: int) -> str:
    """The name of a class."""
    own = getattr(model, "classes", None) if classes is None else classes
    return shortened(own[number] if own is not None and number < len(own) else number)


def _beside(
    seen: Seen,
    shown: Array,
    words: str,
    path: StrPath | None,
    ax: Axes | None,
    extent: tuple[float, float, float, float] | None = None,
    below: str = "",
) -> Figure:
    """The image, and numbers for its pixels beside it."""
    sheet = Sheet(ax, 6.4, 3.5 if below else 3.2)
    left, right = sheet.grid(1, 2)[0]
    rows, columns = seen.x.shape[1:]
    draw_image(left, seen.x)
    left.set_title("image", fontsize=NORMAL)
    limit = float(np.abs(shown).max()) or 1.0
    picture = right.imshow(shown, cmap=signed(), vmin=-limit, vmax=limit, extent=extent)
    right.set(xticks=[], yticks=[], xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
    right.set_title(words, fontsize=NORMAL)
    right.set_xlabel(below, fontsize=SMALL)
    sheet.scale(picture, [right], shrink=0.8)
    return sheet.finish(path)


def draw_image(axes: Axes, x: Array) -> None:
    """An image (C, H, W) of any numbers: grey levels from paper to ink, or three colours from the darkest to the lightest."""
    if len(x) == COLOURS:
        low, high = float(x.min()), float(x.max())
        axes.imshow(as_picture((x - low) / ((high - low) or 1.0)))
    else:
        axes.imshow(x.mean(axis=0), cmap=BRIGHT)
    axes.set(xticks=[], yticks=[])
