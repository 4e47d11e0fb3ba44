"""Galleries of images: which are shown, and that augmented ones are what a network gets."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from minicnn.data import Augmented, ColorJitter, Mixup, Normalise, Pixels, RandomAffine
from minicnn.errors import DataError, OptionError
from minicnn.train import plots

RNG = np.random.default_rng(2)
GREY = RNG.integers(0, 256, (6, 8, 8)).astype(np.uint8)
COLOUR = RNG.integers(0, 256, (6, 3, 8, 8)).astype(np.uint8)
OUTPUTS = np.array([[5, 0, 0], [0, 3, 0], [9, 0, 0], [0, 0, 4], [1, 0, 0], [np.nan, 1, 0]], float)
LABELS = np.array([0, 2, 1, 2, 1, 1])


def shown(figure):
    return [axes.images[0].get_array() for axes in figure.axes if axes.images]


def test_the_surest_mistakes_come_first():
    figure = plots.misclassified(GREY, LABELS, OUTPUTS, most=3)
    drawn = shown(figure)
    assert [next(i for i in range(6) if (GREY[i] == one).all()) for one in drawn] == [2, 1, 4]
    assert [axes.get_title() for axes in figure.axes[:3]] == ["1 → 0", "2 → 1", "1 → 0"]
    assert figure.get_suptitle() == "4 of 6 images were misread: class → answer, the surest mistakes first"


@pytest.mark.parametrize("images", [COLOUR, COLOUR.transpose(0, 2, 3, 1)])
def test_colours_are_shown_as_they_are(images):
    figure = plots.misclassified(images, LABELS, OUTPUTS, most=1)
    assert (shown(figure)[0] == COLOUR[2].transpose(1, 2, 0)).all()


def test_no_mistake_is_said_and_long_names_have_two_lines():
    figure = plots.misclassified(GREY[:1], LABELS[:1], OUTPUTS[:1])
    assert (shown(figure), figure.get_suptitle()) == ([], "0 of 1 images were misread")
    names = ["a Pembroke Welsh corgi", "$5", "ok"]
    titles = [axes.get_title() for axes in plots.misclassified(GREY, LABELS, OUTPUTS, classes=names).axes[:2]]
    assert titles == ["\\$5\n→ a Pembroke…corgi", "ok\n→ \\$5"]


@pytest.mark.parametrize(
    ("labels", "outputs", "words"),
    [
        (LABELS[:2], OUTPUTS, "expected a class number and outputs for each of 6 images, got labels (2,) and outputs (6, 3)"),
        (LABELS, OUTPUTS[:, 0], "expected a class number and outputs for each of 6 images, got labels (6,) and outputs (6,)"),
        (LABELS + 2, OUTPUTS, "expected labels from 0 to 2, got 2 to 4"),
    ],
)
def test_what_does_not_belong_together_is_refused(labels, outputs, words):
    with pytest.raises(DataError) as caught:
        plots.misclassified(GREY, labels, outputs)
    assert str(caught.value).startswith(f"misclassified: {words}; give ")


def test_no_images_are_refused():
    with pytest.raises(DataError):
        plots.misclassified(np.zeros((0, 8, 8), np.uint8), np.zeros(0, int), np.zeros((0, 3)))
    with pytest.raises(OptionError, match="misclassified: expected most as a whole number of at least 1, got 0"):
        plots.misclassified(GREY, LABELS, OUTPUTS, most=0)


@pytest.mark.parametrize("rows", [{}, {"a": np.zeros((0, 4, 4))}, {"a": np.zeros((2, 4, 4)), "b": np.zeros((3, 4, 4))}])
def test_rows_of_other_lengths_are_refused(rows):
    with pytest.raises(DataError) as caught:
        plots.rows_of_images(rows)
    assert str(caught.value).startswith("rows_of_images: expected as many images in every row, at least one, got [")


@pytest.mark.parametrize("images", [GREY, COLOUR], ids=["grey", "colour"])
def test_augmented_images_are_those_of_a_training_step(images):
    lists = {"turned": [RandomAffine(20)], "mixed": [RandomAffine(5), Mixup()]}
    if images is COLOUR:
        lists["coloured"] = [ColorJitter(0.4, 0.4, 0.4)]
    figure = plots.augmentations(images, lists, shown=4, seed=3)
    drawn = shown(figure)
    assert len(drawn) == 4 * (1 + len(lists))
    pixels = Pixels(images, Normalise.between(0, 1))
    rows = [images[:4].reshape(4, -1, 8, 8) / 255, *(Augmented(pixels, each, seed=3).look(range(4)) for each in lists.values())]
    wanted = [one[0] if len(one) == 1 else one.transpose(1, 2, 0) for row in rows for one in np.clip(row, 0, 1)]
    for one, other in zip(drawn, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_fewer_images_than_places_and_one_augmentation_twice():
    figure = plots.augmentations(GREY[:2], [RandomAffine(20), RandomAffine(40)])
    assert [axes.get_ylabel()[:16] for axes in figure.axes[::2]] == ["as they are", "RandomAffine(deg", "RandomAffine(deg"]


def test_what_cannot_be_augmented_is_refused():
    with pytest.raises(OptionError) as caught:
        plots.augmentations(GREY, [])
    assert str(caught.value) == "augmentations: expected at least one augmentation, got none; give for example [RandomCrop(2)]"
    with pytest.raises(DataError) as caught:
        plots.augmentations(GREY / 255, [RandomAffine(20)])
    assert (
        str(caught.value) == "augmentations: expected images of uint8, got float64; give grey levels or colours from 0 to 255"
    )
    with pytest.raises(OptionError, match="augmentations: expected shown as a whole number of at least 1, got 0"):
        plots.augmentations(GREY, [RandomAffine(20)], shown=0)
