"""Augmented images as a source: what depends on what, each augmentation by its formula, mixed targets, and messages."""

import re
import warnings

import numpy as np
import pytest

from minicnn import (
    MSE,
    Adam,
    CheckpointError,
    Conv2d,
    CrossEntropy,
    DataError,
    Dense,
    Flatten,
    Network,
    OptionError,
    ShapeError,
)
from minicnn.backends.numpy.random import draw_uniform
from minicnn.data import (
    Augmented,
    ColorJitter,
    CutMix,
    Distorted,
    Elastic,
    Mixup,
    Moved,
    Normalise,
    Pixels,
    RandomAffine,
    RandomCrop,
    RandomErasing,
    RandomFlip,
)
from minicnn.data.augmentations import recipe
from minicnn.data.canvas import STREAM, between
from minicnn.data.distortions import Affine
from minicnn.data.mixing import quantiles
from minicnn.nn.penalties import MLE
from minicnn.train import Dataset, Trainer, TrainingOptions

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (60, 3, 10, 12), np.uint8)
LABELS = RNG.integers(0, 5, 60)
LEVELS = Normalise(scale=1.0, shift=0.0)
EACH = Normalise(scale=[0.01, 0.02, 0.03], shift=[-1, -0.5, 0.25])
ALL = [RandomCrop(2), RandomFlip(), RandomAffine(20, (0.1, 0.1), (0.8, 1.2), 10), RandomErasing(), ColorJitter(0.4, 0.4, 0.4)]
ALL += [Elastic(20, 4), CutMix()]


def network(threads=1, lanes=16, backend="cpu"):
    layers = [("C1", Conv2d(3, 5, stride=3)), Flatten(), Dense(5)]
    return Network(layers, (3, 10, 12), threads=threads, lanes=lanes, backend=backend)


def levels(augmentation, index=range(60), step=0, images=COLOURS):
    """Grey levels of augmented images."""
    return Augmented(Pixels(images, LEVELS), [augmentation]).look(index, step, "numpy")


def draws(elements, images=60, step=0, seed=0, stream=STREAM):
    """The numbers uniform in ±1 of images (elements, images)."""
    u = np.empty((elements, images), np.float32)
    rng = np.array([0, step, 0, 0], np.uint64)
    draw_uniform(np.array([seed, stream], np.uint64), rng, np.arange(images), np.ones(elements, np.float32), u)
    return u.astype(np.float64)


# --- what results depend on ---


def test_results_do_not_depend_on_threads_groups_or_the_order_within_a_batch():
    source, index = Augmented(Pixels(COLOURS, EACH), ALL, seed=5), RNG.permutation(60)[:50]
    target, nets = source.targets(LABELS, 5), [network(threads) for threads in (1, 2, 3)]
    losses = [net.loss_and_grads(CrossEntropy(), source, target, index) for net in nets]
    assert losses[0] == losses[1] == losses[2]
    assert all(np.array_equal(net.grads.flat, nets[0].grads.flat) for net in nets)
    order = RNG.permutation(50)
    assert np.array_equal(nets[0].predict(source, index)[order], nets[0].predict(source, index[order]))
    seen = [Network([Flatten()], (3, 10, 12), threads=1, lanes=lanes).predict(source, index) for lanes in (1, 16)]
    assert np.array_equal(*seen)
    assert np.array_equal(seen[0].reshape(-1, 3, 10, 12), source.look(index))


def test_every_step_image_and_seed_draws_anew_and_again_the_same():
    twice = Pixels(COLOURS[[3, 3]], LEVELS)
    source = Augmented(twice, ALL[:-1])
    first, second = source.look([0, 1], step=4, backend="numpy")
    assert not np.array_equal(first, second)
    assert np.array_equal(source.look([1, 0], step=4, backend="numpy"), [second, first])
    assert not np.array_equal(source.look([0], step=5, backend="numpy")[0], first)
    assert not np.array_equal(Augmented(twice, ALL[:-1], seed=1).look([0], step=4, backend="numpy")[0], first)
    again = Augmented(Pixels(COLOURS, LEVELS), [RandomFlip(), RandomFlip()]).look(range(60), backend="numpy")
    assert 10 < sum(np.array_equal(a, b) for a, b in zip(again, COLOURS, strict=True)) < 50, "expected draws of their own"


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("normalise", [EACH, Normalise.between(-0.1, 1.175)])
def test_options_that_change_nothing_give_exactly_the_pixels(backend, normalise):
    still = [RandomCrop(0), RandomFlip(p=0), RandomAffine(0), RandomErasing(p=0), ColorJitter(), Elastic()]
    pixels, net = Pixels(COLOURS, normalise), Network([Flatten()], (3, 10, 12), threads=1, backend=backend)
    plain = net.predict(pixels)
    assert np.array_equal(net.predict(Augmented(pixels, still)), plain)
    assert np.array_equal(net.predict(Distorted(pixels)), plain)
    assert np.array_equal(net.predict(Moved(pixels)), plain)
    assert np.array_equal(net.predict(Augmented(pixels, still), [7]), plain[[7]])
    expected = COLOURS * normalise.of(3)[0][:, None, None] + normalise.of(3)[1][:, None, None]
    np.testing.assert_allclose(plain, expected.reshape(60, -1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("fit", ["pad", "resize"])
def test_grey_images_are_fitted_before_they_change(fit):
    pixels = Pixels(COLOURS[:, 0, :, :10], LEVELS, 14, fit)
    seen = Augmented(pixels, [RandomFlip(p=1)]).look(range(5), backend="numpy")
    plain = Network([Flatten()], (1, 14, 14), threads=1, backend="numpy").predict(pixels, range(5)).reshape(-1, 1, 14, 14)
    assert np.array_equal(seen, plain[..., ::-1])


def test_colours_are_distorted_as_each_channel_alone():
    given = (Affine(shift=2, rotation=15), Elastic(20, 4), 5)
    seen = Distorted(Pixels(COLOURS, EACH), *given).look(range(6), 2)
    for c in range(3):
        alone = Pixels(COLOURS[:, c], Normalise(scale=EACH.scale[c], shift=EACH.shift[c]))
        np.testing.assert_allclose(seen[:, c], Distorted(alone, *given).look(range(6), 2), rtol=0, atol=1e-4)


# --- each augmentation ---


def test_crops_are_cut_out_of_padded_images_at_every_place_alike():
    padded, found = np.pad(COLOURS, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=7), np.zeros((3, 3), int)
    for step in range(10):
        for n, seen in enumerate(levels(RandomCrop(1, fill=7), step=step)):
            equal = [(r, c) for r in range(3) for c in range(3) if np.array_equal(seen, padded[n, :, r : r + 10, c : c + 12])]
            assert len(equal) == 1
            found[equal[0]] += 1
    assert abs(found - 600 / 9).max() < 5 * np.sqrt(600 / 9)


@pytest.mark.parametrize(("options", "axes"), [({}, [3]), ({"horizontal": False, "vertical": True, "p": 0.25}, [2])])
def test_flips_are_mirror_images_by_their_chance(options, axes):
    flipped = 0
    for step in range(10):
        for seen, image in zip(levels(RandomFlip(**options), step=step), COLOURS, strict=True):
            mirrored = np.array_equal(seen, np.flip(image, [axis - 1 for axis in axes]))
            assert mirrored or np.array_equal(seen, image)
            flipped += mirrored
    p = options.get("p", 0.5)
    assert abs(flipped - 600 * p) < 5 * np.sqrt(600 * p * (1 - p))
    both = levels(RandomFlip(vertical=True, p=1.0))
    assert np.array_equal(both, COLOURS[..., ::-1, ::-1])


def test_affine_amounts_are_those_of_the_draws():
    """A corner of an image of ramps says where it was read; the amounts are drawn in the order of ``move_inverse``."""
    ramps = np.stack(np.indices((10, 12))).astype(np.uint8)[None].repeat(60, axis=0) * 20
    affine = RandomAffine((10, 20), translate=(0.2, 0.1), scale=(1.5, 2), shear=(-5, 5, 0, 8))
    seen, u = levels(affine, images=ramps), draws(8)
    for n, (_, _, down, right, turn, zoom, along, across) in enumerate(u.T):
        a, sx, sy = np.radians([15 + 5 * turn, 5 * along, 4 + 4 * across])
        K = np.array([[1, -np.tan(sy)], [0, 1]]) @ np.array([[1, 0], [-np.tan(sx), 1]])  # of (row, column)
        A = (1.75 + 0.25 * zoom) * np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]) @ K
        shift = np.floor(np.array([down, right * 2.4]) + 0.5)
        centre = np.array([4.5, 5.5])
        place = centre + np.linalg.solve(A, np.array([5, 6]) - centre - shift)
        np.testing.assert_allclose(seen[n, :, 5, 6], 20 * place, rtol=0, atol=1e-2)


def test_a_rectangle_is_erased_by_its_chance():
    erased, empty = 0, np.float32(40.0)
    areas = []
    for step in range(5):
        ones = np.full((60, 1, 20, 20), 200, np.uint8)
        pixels = Pixels(ones, Normalise(scale=0.01, shift=-0.4))
        seen = Augmented(pixels, [RandomErasing(0.25, scale=(0.1, 0.3))]).look(range(60), step, "numpy")[:, 0]
        for image in seen:
            rows, columns = np.nonzero(abs(image) < 1e-6)  # the level that becomes 0
            assert abs(image - 1.6).min() < 1e-5
            if len(rows):
                tall, wide = np.ptp(rows) + 1, np.ptp(columns) + 1
                assert tall * wide == len(rows)
                areas.append(len(rows) / 400)
                erased += 1
    assert abs(erased - 75) < 5 * np.sqrt(75 * 0.75)
    assert min(areas) > 0.07
    assert 0.25 < max(areas) < 0.35
    seen = levels(RandomErasing(1.0, value=empty.item()))
    assert all((image == 40).all(axis=0).sum() >= 2 for image in seen)


def test_brightness_contrast_and_saturation_go_by_the_draws():
    seen, u = levels(ColorJitter(0.4, (0.5, 1), 2)), draws(3)
    weights = np.array([0.299, 0.587, 0.114])
    for n, image in enumerate(COLOURS.astype(np.float64)):
        b, c, s = 1 + 0.4 * u[0, n], 0.75 + 0.25 * u[1, n], 1.5 + 1.5 * u[2, n]
        light = np.clip(b * image, 0, 255)
        grey = np.clip(c * light + (1 - c) * np.tensordot(weights, light, 1).mean(), 0, 255)
        strong = np.clip(s * grey + (1 - s) * np.tensordot(weights, grey, 1), 0, 255)
        np.testing.assert_allclose(seen[n], strong, rtol=0, atol=1e-2)


def test_elastic_is_that_of_distorted_images_but_for_its_draws():
    """At the first knots' distance the field moves pixels; over many images it has the deviation that ``Elastic`` states."""
    ramps = np.stack(np.indices((25, 25))).astype(np.uint8)[None].repeat(60, axis=0) * 10
    seen = levels(Elastic(30, 4), images=ramps)[:, :, 8:-8, 8:-8] / 10
    moved = seen - ramps[:, :, 8:-8, 8:-8] / 10
    assert abs(moved.std() / Elastic(30, 4).deviation - 1) < 0.15
    assert abs(moved.mean()) < 0.2


# --- mixing ---


def test_mixed_images_are_the_means_that_their_targets_say():
    source = Augmented(Pixels(COLOURS, LEVELS), [RandomFlip(), Mixup(0.8)], seed=3, pool=np.arange(40, 60))
    target = source.targets(np.arange(60), 60)
    flipped = Augmented(Pixels(COLOURS, LEVELS), [RandomFlip()], seed=3).look(range(60), 7, "numpy")
    shares = read(target, 7)
    np.testing.assert_allclose(source.look(range(60), 7, "numpy"), np.tensordot(shares, flipped, 1), rtol=0, atol=1e-2)
    assert np.flatnonzero((shares * (1 - np.eye(60))).any(axis=0)).min() >= 40, "expected partners of the pool alone"
    assert (np.diag(shares) > 0).all()


def test_pasted_images_count_by_their_area():
    source = Augmented(Pixels(COLOURS, LEVELS), [CutMix()])
    shares, seen = read(source.targets(np.arange(60), 60), 0), source.look(range(60), 0, "numpy")
    for n, image in enumerate(seen):
        own = (image == COLOURS[n]).all(axis=0)
        partner = int(np.argmax(shares[n] * (np.arange(60) != n)))
        assert np.array_equal(image[:, ~own], COLOURS[partner][:, ~own])
        assert abs(own.mean() - shares[n, n]) < 0.02
    assert 0.3 < shares.max(axis=1).min() < 0.7


def read(target, step):
    """The targets of all images in a step."""
    net = Network([Flatten()], (target.shape[1],), threads=1, backend="numpy")

    class Source:
        shape, load = target.shape, target.load

    net.steps = step
    return net.predict(Source())


def test_the_last_batch_may_have_one_mixed_image():
    source, net = Augmented(Pixels(COLOURS, EACH), [Mixup()]), network()
    score = net.score_and_grads(CrossEntropy(), source, source.targets(LABELS, 5), index=[11])
    assert score.loss > 0
    assert score.counted == 0


def test_shares_are_quantiles_of_beta():
    p = np.arange(1025) / 1024
    np.testing.assert_allclose(quantiles(1.0), p, rtol=0, atol=1e-12)
    np.testing.assert_allclose(quantiles(0.5), np.sin(np.pi * p / 2) ** 2, rtol=0, atol=1e-6)
    q = np.array(quantiles(2.0))
    np.testing.assert_allclose(3 * q**2 - 2 * q**3, p, rtol=0, atol=1e-6)
    assert all(np.all(np.diff(quantiles(alpha)) >= 0) for alpha in (0.01, 0.2, 100))


def test_training_with_mixed_images_resumes_bit_for_bit(tmp_path):
    def trainer(folder, epochs, seed=1):
        source = Augmented(Pixels(COLOURS, EACH), ALL, seed=seed, pool=np.arange(48))
        examples = Dataset(source, source.targets(LABELS, 5), np.arange(48))
        held_out = Dataset(Pixels(COLOURS, EACH), LABELS, np.arange(48, 60))
        options = TrainingOptions(epochs, 16, folder=folder)
        return Trainer(network(), CrossEntropy(), Adam(3e-3), options, examples, held_out, lambda line: None)

    whole = trainer(None, 3)
    rows = whole.fit()
    assert rows[0].train_accuracy is None
    assert rows[0].val_accuracy is not None
    trainer(tmp_path, 1).fit()
    resumed = trainer(tmp_path, 3)
    resumed.fit(resume=True)
    assert np.array_equal(resumed.net.params.flat, whole.net.params.flat)
    other = trainer(tmp_path, 3, seed=2)
    with pytest.raises(CheckpointError, match=r"a run with training\.images\.seed 2, training\.targets\.images\.seed 2, got"):
        other.fit(resume=True)


# --- memory ---


def test_memory_mapped_colours_are_read_in_place(tmp_path):
    np.save(tmp_path / "images.npy", COLOURS)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    pixels = Pixels(mapped, EACH)
    assert pixels.images.dtype == np.uint8
    assert np.shares_memory(pixels.readable, mapped)
    source = Augmented(pixels, ALL[:-1])
    assert np.array_equal(source.look([1, 2]), Augmented(Pixels(COLOURS, EACH), ALL[:-1]).look([1, 2]))


def test_grey_levels_without_a_normalisation_are_warned_of_once():
    net = network(backend="numpy")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        net.predict(COLOURS)
        net.loss_and_grads(CrossEntropy(), COLOURS, LABELS)
    assert [warning.filename for warning in told] == [__file__]
    words = (
        "Network: expected numbers of about 1, got an array of uint8 with grey levels up to 255, with which training is slow "
    )
    words += "or fails; give data.Pixels(images, Normalise.standard(mean, deviation)), or images / 255"
    assert str(told[0].message) == words
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network(backend="numpy").predict(COLOURS > 9)
        network(backend="numpy").predict((COLOURS > 9).astype(np.uint8))
        network(backend="numpy").predict(Pixels(COLOURS, EACH))


# --- messages ---

PIXELS = Pixels(COLOURS, LEVELS)
BAD = [
    (lambda: RandomCrop(-1), "RandomCrop: expected padding as a whole number from 0 to 1,000,000, got -1; give padding=0 or "),
    (lambda: RandomCrop(2, 256), "RandomCrop: expected fill in [0, 255], got 256; choose fill in that range"),
    (lambda: RandomFlip(p=1.5), "RandomFlip: expected p in [0, 1], got 1.5; choose p in that range"),
    (lambda: RandomFlip("horizontal"), "RandomFlip: expected horizontal as True or False, got 'horizontal'; "),
    (lambda: RandomFlip(False), "RandomFlip: expected a direction, got none; give horizontal=True or leave RandomFlip out"),
    (lambda: RandomAffine(181), "RandomAffine: expected degrees in [0, 180], got 181; choose degrees in that range"),
    (lambda: RandomAffine((5, -5)), "RandomAffine: expected degrees as the least and the greatest, got (5.0, -5.0); change "),
    (
        lambda: RandomAffine(0, translate=0.1),
        "RandomAffine: expected translate as 2 numbers, got 0.1; give translate=(0.5, 0.5)",
    ),
    (
        lambda: RandomAffine(0, scale=(0, 1)),
        "RandomAffine: expected scale in [1e-06, 1e+06], got 0; choose scale in that range",
    ),
    (
        lambda: RandomAffine(0, shear=(1, 2, 3)),
        "RandomAffine: expected shear as 2 numbers, got (1, 2, 3); give shear=(0.5, 0.5)",
    ),
    (lambda: RandomErasing(2), "RandomErasing: expected p in [0, 1], got 2; choose p in that range"),
    (lambda: RandomErasing(value=-1), "RandomErasing: expected value in [0, 255], got -1; choose value in that range"),
    (lambda: ColorJitter(-0.1), "ColorJitter: expected brightness in [0, 1e+06], got -0.1; choose brightness in that range"),
    (
        lambda: Augmented(Pixels(COLOURS[:, :2], LEVELS), [ColorJitter(saturation=0.1)]),
        "ColorJitter: expected images of 1 or 3 channels for saturation, got 2; leave saturation out",
    ),
    (lambda: Mixup(0), "Mixup: expected alpha in (0, 100], got 0; choose alpha in that range"),
    (lambda: CutMix(True), "CutMix: expected alpha in (0, 100], got True; choose alpha in that range"),
    (
        lambda: Augmented(COLOURS, []),
        "Augmented: expected pixels as data.Pixels, got ndarray; write Pixels(images, normalise), ",
    ),
    (lambda: Augmented(PIXELS, RandomFlip()), "Augmented: expected a list of augmentations, got RandomFlip("),
    (lambda: Augmented(PIXELS, [RandomFlip]), "Augmented: expected augmentations, got <class 'minicnn.data.augmentations.Ra"),
    (
        lambda: Augmented(PIXELS, [Mixup(), CutMix()]),
        "Augmented: expected Mixup as the last augmentation, got others after it; move it to the end, and keep one of Mixup",
    ),
    (
        lambda: Augmented(PIXELS, [], seed=-1),
        "Augmented: expected seed as a whole number from 0 to 2^64 − 1, got -1; give seed=0 or another one of these",
    ),
    (
        lambda: Augmented(PIXELS, [RandomFlip()]).targets(LABELS, 5),
        "Augmented: expected Mixup or CutMix among the augmentations, got neither; train on the labels themselves",
    ),
    (
        lambda: Normalise(scale=(1, 2), shift=(1,)),
        "Normalise: expected scale and shift of one number, or of one for each channel, ",
    ),
    (
        lambda: Normalise(scale=[], shift=0),
        "Normalise: expected scale and shift of one number, or of one for each channel, got () ",
    ),
    (lambda: RandomCrop(10**400), "RandomCrop: expected padding as a whole number from 0 to 1,000,000, got 1000"),
    (lambda: RandomCrop(2.0), "RandomCrop: expected padding as a whole number from 0 to 1,000,000, got 2.0; "),
    (lambda: RandomAffine(np.nan), "RandomAffine: expected degrees in [0, 180], got nan; choose degrees in that range"),
    (lambda: RandomAffine(0, scale=(0.5, 1e300)), "RandomAffine: expected scale in [1e-06, 1e+06], got 1e+300; choose"),
    (lambda: RandomAffine(0, scale=(1e-300, 1)), "RandomAffine: expected scale in [1e-06, 1e+06], got 1e-300; choose"),
    (lambda: RandomErasing(ratio=(1, np.inf)), "RandomErasing: expected ratio in [1e-06, 1e+06], got inf; choose ratio in "),
    (lambda: ColorJitter((0, 1e300)), "ColorJitter: expected brightness in [0, 1e+06], got 1e+300; choose brightness in "),
    (lambda: Elastic(1e300), "Elastic: expected alpha in [0, 1e+06], got 1e+300; choose alpha in that range"),
    (lambda: Elastic(size=3), "Elastic: expected alpha, sigma, got size; use one of these names"),
    (lambda: Augmented(PIXELS, [Mixup()], pool=[60]), "Augmented: expected pool as numbers of images from 0 to 59, got [60]"),
    (lambda: Augmented(PIXELS, [Mixup()], pool=[-1]), "Augmented: expected pool as numbers of images from 0 to 59, got [-1]"),
    (lambda: Augmented(PIXELS, [Mixup()], pool=[]), "Augmented: expected pool as numbers of images from 0 to 59, got []; "),
    (lambda: Augmented(PIXELS, [], pool=[0.5]), "Augmented: expected pool as numbers of images from 0 to 59, got [0.5]; "),
    (lambda: Augmented(PIXELS, [Mixup()]).targets(LABELS, 5.0), "Augmented: expected classes as a whole number of at least "),
    (lambda: Normalise(scale=np.nan, shift=0), "Normalise: expected scale as a finite number, got nan; give scale=0.5"),
    (lambda: Normalise(scale=1, shift="x"), "Normalise: expected shift as a finite number, got 'x'; give shift=0.5"),
    (lambda: Normalise(scale=[1, np.inf], shift=0), "Normalise: expected scale as a finite number, got inf; give scale=0.5"),
    (
        lambda: Pixels(COLOURS, Normalise(scale=(1, 2), shift=0)),
        "Pixels: expected normalise for 3 channels, got one for 2; give a number for each channel, or one for all",
    ),
]


@pytest.mark.parametrize(("make", "words"), BAD, ids=[words[:50] for _, words in BAD])
def test_options_out_of_range_are_refused(make, words):
    with pytest.raises(OptionError, match=f"^{re.escape(words)}"):
        make()


LOOKS = [Augmented(PIXELS, [RandomFlip()]), Distorted(PIXELS, Affine(shift=1))]


@pytest.mark.parametrize("source", LOOKS, ids=lambda source: type(source).__name__)
@pytest.mark.parametrize("index", [[60], [-1], [2**62], [0.5], [[0]], [], [True], 3, "0", [[0], [1, 2]]])
def test_images_that_are_not_there_are_not_looked_at(source, index):
    who = f"{type(source).__name__}.look"
    with pytest.raises(
        OptionError, match=f"^{who}: expected index as numbers of images from 0 to 59, got .*; give for example "
    ):
        source.look(index, backend="numpy")
    with pytest.raises(
        OptionError, match=rf"^{who}: expected step as a whole number from 0 to 2\^64 − 1, got -1; give step=0 "
    ):
        source.look([0], step=-1, backend="numpy")


EXTREME = [
    *(RandomCrop(10**6, fill=3), RandomAffine(180, (1, 1), (1e-6, 1e6), (-89, 89, -89, 89), fill=7)),
    *(RandomErasing(1, (0, 1), (1e-6, 1e6)), ColorJitter(1e6, 1e6, 1e6), Elastic(1e6, 1), Elastic(1e6, 1e6)),
    *(Mixup(1e-300), CutMix(1e-300)),
]


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("augmentation", EXTREME, ids=lambda each: type(each).__name__)
def test_extreme_options_give_grey_levels(backend, augmentation):
    """Nothing outside an image is read, which check mode notices, and nothing is no number."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seen = Augmented(PIXELS, [augmentation]).look(range(60), backend=backend)
    assert 0 <= seen.min() <= seen.max() <= 255


def test_factors_are_drawn_within_their_range():
    for low, high in ((1e-6, 1e6), (0.1, 3.3), (0.9, 1.1), (1e-6, 1e-6)):
        reach, middle = (np.float32(each) for each in between(low, high))
        assert np.float32(low) <= middle - reach <= middle + reach * np.float32(1 - 2**-23) <= np.float32(high)


@pytest.mark.parametrize("labels", [LABELS[:7], LABELS.astype(float), LABELS + 1])
def test_labels_that_cannot_be_mixed_are_refused(labels):
    words = f"Augmented: expected 60 whole class numbers below 5, got {labels.dtype} of shape {labels.shape}; mix images whose "
    with pytest.raises(DataError, match=re.escape(words)):
        Augmented(PIXELS, [Mixup()]).targets(labels, 5)


def test_targets_that_do_not_fit_are_refused():
    source = Augmented(PIXELS, [Mixup()])
    words = "target: expected a target of shape (60, 5), got (60, 6); give as many targets as images, and as many classes"
    with pytest.raises(ShapeError, match=re.escape(words)):
        network(backend="numpy").check(CrossEntropy(), source, source.targets(LABELS, 6))
    words = "target: expected a loss that takes how much each class counts, got MLE; train with CrossEntropy, or without mixing"
    with pytest.raises(DataError, match=re.escape(words)):
        network(backend="numpy").check(MLE(), source, source.targets(LABELS, 5))
    assert network(backend="numpy").check(MSE(), source, source.targets(LABELS, 5)) is False


def test_recipes_go_by_the_pictures():
    assert recipe("none", 3, 48, 48) == []
    assert [type(each) for each in recipe("auto", 3, 48, 48)] == [RandomCrop, RandomFlip, ColorJitter]
    assert recipe("auto", 1, 28, 28) == recipe("grey", 3, 28, 28) == [RandomAffine(10, (0.1, 0.1), (0.9, 1.1))]
    Augmented(Pixels(COLOURS[:, :2], LEVELS), recipe("colour", 2, 10, 12))
