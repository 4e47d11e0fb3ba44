"""Galleries of images: those that were misread, rows with titles, and what augmentation makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ...arrays import Array
from ...data.augmentations import Augmentation
from ...data.augmented import Augmented
from ...data.from_arrays import from_arrays
from ...data.mixing import Mixing
from ...data.outfile import StrPath
from ...data.pixels import Normalise, Pixels
from ...errors import DataError, OptionError
from ...nn.window import count as whole
from .confusions import names_of
from .sheet import Sheet
from .style import BRIGHT, GRID, NORMAL, SMALL, as_picture, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 8


def misclassified(
    images: ArrayLike,
    labels: ArrayLike,
    outputs: ArrayLike,
    path: StrPath | None = None,
    most: int = 24,
    *,
    ax: Axes | None = None,
    classes: Sequence[object] | None = None,
) -> Figure:
    r"""The misclassified images, the surest mistakes first: those where max_k y_k − y_label is the largest.

    Args:
        images: (N, H, W) grey levels, (N, 3, H, W) or (N, H, W, 3) colours of uint8.
        labels: (N,) class numbers.
        outputs: (N, K), larger means more confident; give penalties with the other sign.
        path: the file to write; none for None.
        most: the largest number of images to show.
        ax: axes of a figure of yours to draw in; a new figure for None.
        classes: the names of the classes; their numbers for None.

    Returns:
        The figure, which a notebook shows.

    Raises:
        OptionError: ``most`` is no whole number of at least 1.
        DataError: images, labels and outputs do not belong together, or there is none.
        OutputError: the file cannot be written, or matplotlib is not installed.

    >>> import numpy as np
    >>> from minicnn.train import plots
    >>> images, outputs = np.zeros((3, 8, 8), np.uint8), np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
    >>> figure = plots.misclassified(images, [0, 1, 1], outputs, classes=["cat", "dog"])
    >>> figure.axes[0].get_title(), figure.get_suptitle()
    ('dog → cat', '1 of 3 images was misread: class → answer')
    """
    whole("misclassified", "most", most)
    pictures, truth, found = from_arrays(images), np.asarray(labels), np.asarray(outputs)
    count = len(pictures)
    if found.ndim != 2 or len(found) != count or truth.shape != (count,) or truth.dtype.kind not in "iu" or not found.size:
        what = f"expected a class number and outputs for each of {count} images, got labels {truth.shape}"
        raise DataError("misclassified", f"{what} and outputs {found.shape}", "give one of each for every image")
    if truth.min() < 0 or truth.max() >= found.shape[1]:
        what = f"expected labels from 0 to {found.shape[1] - 1}, got {int(truth.min())} to {int(truth.max())}"
        raise DataError("misclassified", what, "give the outputs for all classes")
    names = names_of("misclassified", classes, found.shape[1], most=16)
    margin = found.max(axis=1) - found[np.arange(count), truth]
    wrong = np.flatnonzero((found.argmax(axis=1) != truth) | np.isnan(found).any(axis=1))
    shown = wrong[np.argsort(-margin[wrong], kind="stable")][:most]
    lines = max(1, -(-len(shown) // COLUMNS))
    two_lines = any(len(names[truth[i]]) + len(names[found[i].argmax()]) > 12 for i in shown)
    sheet = Sheet(ax, 9, (1.5 if two_lines else 1.36) * lines + 0.4)
    places = [axes for row in sheet.grid(lines, COLUMNS, space=0.3 if two_lines else 0.2) for axes in row]
    for axes in places:
        axes.set_axis_off()
    for axes, i in zip(places, shown, strict=False):
        axes.imshow(as_picture(pictures[i]), cmap=BRIGHT, vmin=0, vmax=255)
        said = names[truth[i]], names[found[i].argmax()]
        axes.set_title(("\n→ " if two_lines else " → ").join(said), fontsize=sheet.points(SMALL))
    ordered = ": class → answer, the surest mistakes first" if len(shown) > 1 else ": class → answer" if len(shown) else ""
    was = "was" if len(wrong) == 1 else "were"
    sheet.title(f"{len(wrong):,} of {count:,} images {was} misread{ordered}")
    return sheet.finish(path)


def rows_of_images(rows: Mapping[str, ArrayLike], path: StrPath | None = None, *, ax: Axes | None = None) -> Figure:
    """Rows of images, each with a title, dark ink on white, or in their colours.

    Args:
        rows: title → images (n, H, W), as many in every row; larger means more ink. Or (n, H, W, 3), colours from 0 to 1.
        path: the file to write; none for None.
        ax: axes of a figure of yours to draw in; a new figure for None.

    Returns:
        The figure, which a notebook shows.

    Raises:
        DataError: there is no image, or not as many in every row.
        OutputError: the file cannot be written, or matplotlib is not installed.

    >>> import numpy as np
    >>> from minicnn.train import plots
    >>> len(plots.rows_of_images({"white": np.zeros((3, 4, 4)), "ink": np.ones((3, 4, 4))}).axes)
    6
    """
    given = {name: np.asarray(images) for name, images in rows.items()}
    columns = len(next(iter(given.values()))) if given else 0
    if not columns or any(len(images) != columns or images.ndim not in (3, 4) for images in given.values()):
        what = f"expected as many images in every row, at least one, got {[images.shape for images in given.values()]}"
        raise DataError("rows_of_images", what, "give for example {'title': images of shape (8, 28, 28)}")
    titles = [shortened(name, 40) for name in given]
    sheet = Sheet(ax, 0.5 + 0.075 * max(map(len, titles)) + 0.75 * columns, 0.78 * len(given))
    for line, title, images in zip(sheet.grid(len(given), columns), titles, given.values(), strict=True):
        for axes, image in zip(line, images, strict=True):
            axes.imshow(image, cmap=BRIGHT, vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_edgecolor(GRID)
        line[0].set_ylabel(title, rotation=0, ha="right", va="center", fontsize=sheet.points(NORMAL))
    return sheet.finish(path)


Augmentations = Sequence[Augmentation | Mixing]


def augmentations(
    images: ArrayLike,
    augment: Augmentations | Mapping[str, Augmentations],
    path: StrPath | None = None,
    *,
    ax: Axes | None = None,
    shown: int = 8,
    seed: int = 0,
) -> Figure:
    """What augmentations make of images: the first row shows them as they are, then comes a row for each augmentation.

    Every image is drawn exactly as a network gets it in the first training step.

    Args:
        images: (N, H, W), (N, H, W, 3) or (N, 3, H, W) of uint8.
        augment: augmentations, as of ``Classifier.fit``; or lists of such, which are done one after another, by their titles.
        path: the file to write; none for None.
        ax: axes of a figure of yours to draw in; a new figure for None.
        shown: how many images are shown; all if there are fewer.
        seed: of what is drawn by chance.

    Returns:
        The figure, which a notebook shows.

    Raises:
        OptionError: ``shown`` or an augmentation is not what it should be.
        DataError: the images are none.
        OutputError: the file cannot be written, or matplotlib is not installed.

    >>> import numpy as np
    >>> from minicnn.data import RandomAffine, RandomCrop
    >>> from minicnn.train import plots
    >>> figure = plots.augmentations(np.zeros((3, 8, 8), np.uint8), [RandomAffine(20), RandomCrop(2)])
    >>> [axes.get_ylabel() for axes in figure.axes[::3]]
    ['as they are', 'RandomAffine', 'RandomCrop']
    """
    whole("augmentations", "shown", shown)
    pictures = from_arrays(images)
    if pictures.dtype != np.uint8:
        what = f"expected images of uint8, got {pictures.dtype}"
        raise DataError("augmentations", what, "give grey levels or colours from 0 to 255")
    if isinstance(augment, Mapping):
        lists = dict(augment)
    else:
        lists = {f"{type(one).__name__}": [one] for one in augment}
        if len(lists) < len(augment):
            lists = {shortened(repr(one), 40): [one] for one in augment}
    if not lists:
        raise OptionError("augmentations", "expected at least one augmentation, got none", "give for example [RandomCrop(2)]")
    count = min(shown, len(pictures))
    pixels = Pixels(np.ascontiguousarray(pictures if pictures.shape[1] == 3 else pictures[:, 0]), Normalise.between(0, 1))
    rows: dict[str, Array] = {"as they are": pictures[:count] / 255}
    for title, each in lists.items():
        rows[title] = np.clip(Augmented(pixels, list(each), seed=seed).look(range(count)), 0, 1)  # of a rounding error
    return rows_of_images({title: np.stack([as_picture(one) for one in own]) for title, own in rows.items()}, path, ax=ax)
