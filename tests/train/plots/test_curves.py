"""Curves, calibration, confusions: the numbers that are drawn."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from minicnn.errors import DataError, OptionError
from minicnn.train import EpochResult, plots
from minicnn.train.learning_rate import FoundRate

RNG = np.random.default_rng(1)


def curve(axes):
    return [(list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines]


def test_losses_and_errors_by_epoch():
    rows = [EpochResult(1, 0.5, 0.7, 0.6, 0.65, 1.0, 10.0), EpochResult(2, 0.4, 0.8, 0.45, 0.75, 1.0, 10.0)]
    losses, errors = plots.learning_curves(rows).axes
    assert curve(losses) == [([1, 2], [0.5, 0.4]), ([1, 2], [0.6, 0.45])]
    np.testing.assert_allclose([ys for _, ys in curve(errors)], [[30, 20], [35, 25]])
    assert (losses.get_yscale(), errors.get_ylabel()) == ("log", "error (%)")


def test_what_is_not_known_is_left_out():
    rows = [EpochResult(1, 0.5, None, None, None, 1.0, 10.0), EpochResult(2, 0.0, None, 0.3, None, 1.0, 10.0)]
    (losses,) = plots.learning_curves(rows).axes
    assert curve(losses) == [([1, 2], [0.5, 0.0]), ([2], [0.3])]
    assert losses.get_yscale() == "linear", "expected no logarithm of 0"


def test_no_epoch_is_refused():
    with pytest.raises(DataError) as caught:
        plots.learning_curves([])
    assert str(caught.value) == "learning_curves: expected at least one epoch, got none; train first"


def test_the_suggested_rate_is_marked():
    rates = np.geomspace(1e-4, 1, 9)
    curve, mark = plots.learning_rates(FoundRate(rates, rates + 1, 0.01)).axes[0].lines
    assert (curve.get_xdata() == rates).all()
    assert list(mark.get_xdata()) == [0.01, 0.01]
    assert len(plots.learning_rates(FoundRate(rates, rates + 1, None)).axes[0].lines) == 1


# --- calibration ---


def plain_bins(shares, labels, bins):
    """Each answer looked at by itself."""
    found = {b: [] for b in range(bins)}
    for row, label in zip(shares, labels, strict=True):
        for b in range(bins):
            if b / bins < row.max() <= (b + 1) / bins:
                found[b].append((row.max(), row.argmax() == label))
    error = sum(
        len(own) * abs(np.mean([right for _, right in own]) - np.mean([sure for sure, _ in own]))
        for own in found.values()
        if own
    )
    return found, error / len(labels)


def test_bins_are_those_of_a_plain_computation():
    shares = RNG.dirichlet([0.4] * 4, 300)
    labels = np.array([RNG.choice(4, p=row) for row in shares])
    plain, error = plain_bins(shares, labels, 7)
    found = plots.calibration_bins(shares, labels, 7)
    assert found.counts.tolist() == [len(own) for own in plain.values()]
    assert found.error == pytest.approx(error)
    upper, lower = plots.calibration(shares, labels, bins=7).axes
    full = [own for own in plain.values() if own]
    heights = [bar.get_height() for bar in upper.patches]
    np.testing.assert_allclose(heights, [np.mean([right for _, right in own]) for own in full])
    np.testing.assert_allclose(upper.lines[0].get_xdata(), [np.mean([sure for sure, _ in own]) for own in full])
    np.testing.assert_allclose([bar.get_height() for bar in lower.patches], found.counts / 300)
    assert upper.get_title() == f"expected calibration error {100 * error:.1f} %, 300 images"


def test_a_sure_answer_is_in_the_last_bin_and_one_on_an_edge_in_the_lower():
    assert plots.calibration_bins([[1.0, 0.0], [0.5, 0.5]], [0, 0], 2).counts.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("shares", "labels", "words"),
    [
        ([0.5, 0.5], [0], "expected probabilities (N, K) and N class numbers, got (2,) and (1,)"),
        (np.zeros((0, 3)), np.zeros(0, int), "expected probabilities (N, K) and N class numbers, got (0, 3) and (0,)"),
        ([[0.5, 0.5]], [0.5], "expected probabilities (N, K) and N class numbers, got (1, 2) and (1,)"),
        ([[3.0, -2.0]], [0], "expected probabilities that add up to 1, got others"),
        ([[np.nan, 1.0]], [0], "expected probabilities that add up to 1, got others"),
        ([[0.5, 0.5]], [2], "expected labels from 0 to 1, got 2 to 2"),
    ],
)
def test_what_are_no_probabilities_is_refused(shares, labels, words):
    with pytest.raises(DataError) as caught:
        plots.calibration(shares, labels)
    assert str(caught.value).startswith(f"calibration: {words}; give ")
    assert "\n" not in str(caught.value)


def test_no_bins_are_refused():
    with pytest.raises(OptionError, match="calibration: expected bins as a whole number of at least 1, got 0"):
        plots.calibration([[1.0, 0.0]], [0], bins=0)


# --- confusions ---


def test_fields_are_shares_of_their_rows_with_their_numbers():
    counts = np.array([[8, 2, 0], [0, 5, 5], [0, 0, 0]])
    axes = plots.confusion_matrix(counts, classes=["cat", "dog", "cow"]).axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.8, 0.2, 0], [0, 0.5, 0.5], [0, 0, 0]])
    assert {text.get_position(): text.get_text() for text in axes.texts} == {(0, 0): "8", (1, 0): "2", (1, 1): "5", (2, 1): "5"}
    assert [text.get_text() for text in axes.get_yticklabels()] == ["cat", "dog", "cow"]
    assert axes.get_title() == "accuracy 65.00 % of 20"


@pytest.mark.parametrize("classes", [1, 2, 20, 21, 150])
def test_any_number_of_classes_can_be_drawn(classes):
    figure = plots.confusion_matrix(np.eye(classes, dtype=int), classes=["a long name of a class, really long"] * classes)
    axes = figure.axes[0]
    assert len(axes.texts) == (classes if classes <= 20 else 0)
    assert len(axes.get_xticks()) <= 40
    figure._repr_png_()
    width, height = figure.get_size_inches()
    assert max(width, height) < 13


def test_no_image_at_all_is_said():
    assert plots.confusion_matrix(np.zeros((2, 2), int)).axes[0].get_title() == "no image"


def test_pairs_are_in_order_and_counted():
    counts = np.array([[9, 3, 0], [1, 8, 7], [0, 3, 9]])
    axes = plots.confused_pairs(counts, classes=["a", "b", "c"], most=3).axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["b taken for c", "a taken for b", "c taken for b"]
    assert [bar.get_width() for bar in axes.patches] == [7, 3, 3]
    assert [text.get_text() for text in axes.texts] == ["7 of 16", "3 of 12", "3 of 12"]
    assert axes.get_title() == "13 of 14 mistakes"
    assert plots.confused_pairs(np.eye(3, dtype=int)).axes[0].get_title() == "no mistakes"


@pytest.mark.parametrize("draw", [plots.confusion_matrix, plots.confused_pairs])
@pytest.mark.parametrize("counts", [[], [[1, 2]], [[0.5]], [[-1]], 3])
def test_what_is_no_confusion_matrix_is_refused(draw, counts):
    given = np.asarray(counts)
    with pytest.raises(DataError) as caught:
        draw(counts)
    words = f"expected a square of whole numbers from 0, got {given.dtype} of shape {given.shape}"
    assert str(caught.value) == f"{draw.__name__}: {words}; give what Classifier.confusion_matrix or metrics.confusion gives"


@pytest.mark.parametrize(("classes", "got"), [(["a"], "1"), ("ab", "ab"), ([], "0")])
def test_names_of_other_classes_are_refused(classes, got):
    with pytest.raises(DataError) as caught:
        plots.confusion_matrix(np.eye(2, dtype=int), classes=classes)
    words = f"expected the names of 2 classes, got {got}; give a name for each class"
    assert str(caught.value) == f"confusion_matrix: {words}"
