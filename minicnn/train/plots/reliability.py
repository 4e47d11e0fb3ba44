"""Whether probabilities mean what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ...arrays import Array
from ...data.outfile import StrPath
from ...errors import DataError
from ...nn.window import count as whole
from .sheet import Sheet
from .style import BLUE, GREY, GRID, NORMAL, ORANGE, SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Calibration(NamedTuple):
    """Confidence and accuracy of answers, in bins of confidence.

    Attributes:
        counts: how many answers each bin has.
        confidence: their mean probability; NaN for an empty bin.
        accuracy: the share of them that are right; NaN for an empty bin.
        error: the expected calibration error, Σ_b n_b/N · |accuracy_b − confidence_b|.
    """

    counts: Array
    confidence: Array
    accuracy: Array
    error: float


def calibration_bins(probabilities: ArrayLike, labels: ArrayLike, bins: int = 10) -> Calibration:
    """Confidence and accuracy by bins of equal width: bin b has the answers with a probability in (b/bins, (b + 1)/bins].

    Args:
        probabilities: (N, K), from 0 to 1, those of an image adding up to 1.
        labels: (N,) class numbers.
        bins: how many bins.

    Raises:
        OptionError: ``bins`` is no whole number of at least 1.
        DataError: probabilities or labels are none, or do not belong together.

    >>> found = calibration_bins([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]], [0, 1, 1], bins=2)
    >>> found.counts.tolist(), round(float(found.error), 3)
    ([0, 3], 0.133)
    """
    whole("calibration", "bins", bins)
    given, truth = np.asarray(probabilities, np.float64), np.asarray(labels)
    if given.ndim != 2 or given.size == 0 or truth.shape != given.shape[:1] or truth.dtype.kind not in "iu":
        what = f"expected probabilities (N, K) and N class numbers, got {given.shape} and {truth.shape}"
        raise DataError("calibration", what, "give what predict_proba gives, and the labels")
    if not (given >= -1e-6).all() or not (np.abs(given.sum(axis=1) - 1) < 1e-3).all():
        raise DataError("calibration", "expected probabilities that add up to 1, got others", "give what predict_proba gives")
    if truth.min() < 0 or truth.max() >= given.shape[1]:
        what = f"expected labels from 0 to {given.shape[1] - 1}, got {int(truth.min())} to {int(truth.max())}"
        raise DataError("calibration", what, "give the probabilities of all classes")
    sure, right = given.max(axis=1), given.argmax(axis=1) == truth
    bin_of = np.clip(np.ceil(sure * bins).astype(np.int64) - 1, 0, bins - 1)
    counts = np.bincount(bin_of, minlength=bins)
    with np.errstate(invalid="ignore"):
        confidence, accuracy = (np.bincount(bin_of, each, minlength=bins) / counts for each in (sure, right.astype(float)))
    error = float(np.nansum(counts * np.abs(accuracy - confidence)) / len(truth))
    return Calibration(counts, confidence, accuracy, error)


def calibration(
    probabilities: ArrayLike,
    labels: ArrayLike,
    path: StrPath | None = None,
    *,
    ax: Axes | None = None,
    bins: int = 10,
) -> Figure:
    """Accuracy by confidence, with the expected calibration error and how many answers each bin has.

    Confidence is the largest probability of an image. A bar under the diagonal means: less often right than it says. The
    expected calibration error is Σ_b n_b/N · |accuracy_b − confidence_b| over bins of equal width.

    Args:
        probabilities: (N, K), as of ``Classifier.predict_proba``.
        labels: (N,) class numbers.
        path: the file to write; none for None.
        ax: axes of a figure of yours to draw in; a new figure for None.
        bins: how many bins.

    Returns:
        The figure, which a notebook shows.

    Raises:
        OptionError: ``bins`` is no whole number of at least 1.
        DataError: probabilities or labels are none, or do not belong together.
        OutputError: the file cannot be written, or matplotlib is not installed.

    Source: C. Guo et al., *On Calibration of Modern Neural Networks*, 2017, section 2.

    >>> from minicnn.train import plots
    >>> plots.calibration([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]], [0, 1, 1], bins=2).axes[0].get_title()
    'expected calibration error 13.3 %, 3 images'
    """
    found = calibration_bins(probabilities, labels, bins)
    sheet = Sheet(ax, 4.2, 4.6)
    upper, lower = (row[0] for row in sheet.grid(2, 1, (3, 1), space=0.25))
    middles, width, full = (np.arange(bins) + 0.5) / bins, 1 / bins, found.counts > 0
    upper.bar(middles[full], found.accuracy[full], 0.92 * width, color=BLUE, label="accuracy")
    upper.plot(found.confidence[full], found.confidence[full], "D", color=ORANGE, markersize=4, label="mean confidence")
    upper.plot([0, 1], [0, 1], "--", color=GREY, linewidth=1)
    upper.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="share of right answers")
    upper.legend(frameon=False, fontsize=SMALL, loc="upper left")
    words = f"expected calibration error {100 * found.error:.1f} %, {found.counts.sum():,} images"
    upper.set_title(words, fontsize=NORMAL)
    lower.bar(middles, found.counts / found.counts.sum(), 0.92 * width, color=GREY)
    lower.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="share of\nimages")
    for axes in (upper, lower):
        axes.grid(color=GRID, linewidth=0.6)
        axes.set_axisbelow(True)
    return sheet.finish(path)
