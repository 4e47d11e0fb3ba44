"""Distorted images as a source: what depends on what, and the elastic field against Simard's."""

import naive
import numpy as np
import pytest

from minicnn import Adam, ContractError, Conv2d, CrossEntropy, Dense, Flatten, Network, OptionError
from minicnn.backends.cpu.kernels.warp import draw_uniform
from minicnn.data import Affine, Distorted, Elastic, Moved, Normalise, Pixels, load_mnist, perturbations
from minicnn.data.perturbations import noisy
from minicnn.optim.averaging import ParameterAverage
from minicnn.train import Dataset, Trainer, TrainingOptions

DIGITS = load_mnist(source="subset", log=lambda line: None)
PIXELS = Pixels(DIGITS.train_images, Normalise.standard(0.1307, 0.3081))
ALL = Distorted(PIXELS, Affine(shift=2, scale=0.2, squeeze=0.1, shear=0.2, rotation=15), Elastic(20, 4), seed=5)


def network(threads=1):
    return Network([("C1", Conv2d(3, 5, stride=3)), Flatten(), Dense(10)], (1, 28, 28), threads=threads)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [28, 32])
def test_no_distortion_gives_exactly_the_pixels(dtype, size):
    pixels = Pixels(DIGITS.train_images, Normalise.between(-0.1, 1.175), size)
    net = Network([Flatten()], (1, size, size), str(np.dtype(dtype)), threads=1)
    plain = net.predict(pixels, index=np.arange(50))
    assert np.array_equal(net.predict(Distorted(pixels), index=np.arange(50)), plain)
    assert not np.array_equal(net.predict(Distorted(pixels, Affine(shift=1)), index=np.arange(50)), plain)


def test_results_do_not_depend_on_threads_groups_or_the_order_within_a_batch():
    index = np.random.default_rng(0).permutation(6000)[:100]
    one, two = network(1), network(2)
    losses = [net.loss_and_grads(CrossEntropy(), ALL, DIGITS.train_labels, index) for net in (one, two)]
    assert losses[0] == losses[1]
    assert np.array_equal(one.grads.flat, two.grads.flat)
    order = np.random.default_rng(1).permutation(100)
    assert np.array_equal(one.predict(ALL, index)[order], one.predict(ALL, index[order]))
    assert np.array_equal(one.predict(ALL, index)[:7], one.predict(ALL, index[:7]))
    seen = [Network([Flatten()], (1, 28, 28), threads=1, lanes=lanes).predict(ALL, index) for lanes in (1, 16, 32)]
    assert np.array_equal(seen[0], seen[1])
    assert np.array_equal(seen[0], seen[2])


def test_every_step_image_and_seed_draws_anew_and_again_the_same():
    twice = Distorted(Pixels(DIGITS.train_images[[3, 3]], PIXELS.normalise), ALL.affine, ALL.elastic, 5)
    first, second = twice.look([0, 1], step=4)
    assert not np.array_equal(first, second)
    assert np.array_equal(twice.look([1, 0], step=4), [second, first])
    assert not np.array_equal(twice.look([0], step=5)[0], first)
    assert not np.array_equal(Distorted(twice.pixels, ALL.affine, ALL.elastic, 6).look([0], step=4)[0], first)


def test_the_network_counts_the_steps():
    net = Network([Flatten(), Dense(10)], (1, 28, 28), threads=1)
    seen = []
    for _ in range(3):
        seen.append(net.forward(ALL, index=[7]))
        net.loss_and_grads(CrossEntropy(), ALL, DIGITS.train_labels, index=[7])
    assert not np.array_equal(seen[0], seen[1])
    net.steps = 2
    assert np.array_equal(net.forward(ALL, index=[7]), seen[2])


def test_look_shows_what_the_network_sees():
    net = Network([Flatten()], (1, 28, 28), threads=1)
    net.steps = 9
    assert np.array_equal(net.predict(ALL, index=np.arange(20)).reshape(20, 28, 28), ALL.look(np.arange(20), step=9))


def test_double_precision_sees_the_same_distortions():
    nets = [Network([Flatten()], (1, 28, 28), dtype, threads=1) for dtype in ("float32", "float64")]
    single, double = (net.predict(ALL, index=np.arange(20)) for net in nets)
    # places up to 40 pixels, wrong by some eps, where the image changes by at most 3.3 from pixel to pixel
    np.testing.assert_allclose(single, double, rtol=0, atol=16 * 40 * 3.3 * np.finfo(np.float32).eps)


ONE = {"shift": 3.0, "scale": 0.4, "squeeze": 0.3, "shear": 0.5, "rotation": 30.0}


@pytest.mark.parametrize("name", ONE)
def test_every_amount_stays_within_its_range_and_uses_it(name):
    """Over 400 draws the largest reaches 98 % of the range; each amount is read back from the oracle's matrix."""
    reach = np.array(Affine(**{name: ONE[name]}).reach)
    u = np.empty((6, 400))
    draw_uniform(np.zeros(2, np.uint64), np.zeros(4, np.uint64), np.arange(400), reach, u)
    matrices, shifts = zip(*(naive.affine(*draw) for draw in u.T), strict=True)
    matrix, shift = np.array(matrices), np.array(shifts)
    amounts = {
        "shift": np.abs(shift),
        "scale": np.abs(np.log(np.linalg.det(matrix)) / 2) / np.log(1.4) * 0.4,  # both directions grow by s
        "squeeze": np.abs(np.log(matrix[:, 1, 1])) / np.log(1.3) * 0.3 * (name == "squeeze"),
        "shear": np.abs(matrix[:, 1, 0]) * (name == "shear"),
        "rotation": np.abs(np.degrees(np.arctan2(matrix[:, 1, 0], matrix[:, 0, 0]))) * (name == "rotation"),
    }
    for other, values in amounts.items():
        if other == name:
            assert 0.98 * ONE[name] < values.max() <= ONE[name] * (1 + 1e-12)
        else:
            assert values.max() < 1e-12


def test_elastic_fields_have_simards_variance_and_correlation():
    """Covariances of 4,000 rows of fields against noise uniform in ±α, smoothed by a Gaussian (integrated over the plane).

    The field is not quite stationary: in each direction its variance lies within 4 % of the mean, by the place among the
    knots, so pairs are averaged over the row. What is left are the B-spline's form and the draw: 0.02 of the variance.
    """
    elastic, pixels = Elastic(34, 4), 69
    at, taps = elastic.spline(pixels)
    knots = elastic.reach * np.random.default_rng(0).uniform(-1, 1, (4000, 4, at[-1] + 4))
    rows = np.einsum("i,nig->ng", taps[2], knots)
    fields = sum(taps[:, i] * rows[:, at + i] for i in range(4))
    down = np.mean([np.sum(elastic.spline(pixels)[1][h] ** 2) for h in range(pixels)])
    fields *= np.sqrt(down / np.sum(taps[2] ** 2))  # the row's own share of the variance, to the mean over all rows
    lags = np.arange(0, 20)
    measured = [np.mean(fields[:, : pixels - d] * fields[:, d:]) for d in lags]
    simard = 34**2 / (12 * np.pi * 4**2) * np.exp(-(lags**2) / (4 * 4**2))
    np.testing.assert_allclose(measured, simard, rtol=0, atol=0.02 * simard[0])


BAD = [
    (lambda: Affine(shift=-1), r"Affine: expected shift in \[0, 1e\+06\], got -1; choose shift in that range"),
    (lambda: Affine(scale=-0.1), "Affine: expected scale in"),
    (lambda: Affine(squeeze=float("nan")), "Affine: expected squeeze in"),
    (lambda: Affine(shear="much"), "Affine: expected shear in"),
    (lambda: Affine(rotation=181), r"Affine: expected rotation in \[0, 180\], got 181"),
    (lambda: Elastic(alpha=-1), r"Elastic: expected alpha in \[0, 1e\+06\], got -1"),
    (lambda: Elastic(sigma=0.5), r"Elastic: expected sigma in \[1, 1e\+06\], got 0.5"),
    (
        lambda: Distorted(PIXELS, seed=-1),
        "Distorted: expected seed as a whole number from 0 to 2\\^64 − 1, got -1; give seed=0",
    ),
    (lambda: Affine(shift=1e39), r"Affine: expected shift in \[0, 1e\+06\], got 1e\+39; choose shift in that range"),
    (lambda: Affine(scale=float("inf")), "Affine: expected scale in .*, got inf"),
    (lambda: Distorted(DIGITS.train_images), "Distorted: expected pixels as data.Pixels, got ndarray; write Pixels"),
    (lambda: Distorted(PIXELS, Elastic()), "Distorted: expected affine as Affine and elastic as Elastic, got Elastic"),
    (lambda: Moved(PIXELS, scale=0), r"Moved: expected scale in \[1e-06, 1e\+06\], got 0; choose scale in that range"),
    (lambda: Moved(PIXELS, rotation=float("nan")), r"Moved: expected rotation in \[-360, 360\], got nan"),
    (lambda: Moved(PIXELS, down="x"), r"Moved: expected down in \[-1e\+06, 1e\+06\], got 'x'"),
    (lambda: Moved(Pixels(DIGITS.train_images, PIXELS.normalise, 20, "resize")), 'Moved: expected pixels with fit "pad"'),
    (lambda: noisy(PIXELS, 2, 0), r"noisy: expected share in \[0, 1\], got 2"),
    (
        lambda: Distorted(Pixels(DIGITS.train_images, PIXELS.normalise, 32, "resize")),
        'Distorted: expected pixels with fit "pad", got "resize"; resize the images beforehand',
    ),
]


@pytest.mark.parametrize(("make", "words"), BAD)
def test_options_out_of_range_are_refused(make, words):
    with pytest.raises(OptionError, match=words):
        make()


def test_a_source_that_asks_for_what_nobody_has_is_refused():
    class Weather:
        shape = (2, 1, 28, 28)

        def load(self, k, weather):
            raise AssertionError

    with pytest.raises(ContractError, match="load: expected arguments that the network has, got weather in load; use or plan"):
        network().predict(Weather())


@pytest.mark.parametrize(
    "amounts", [{"down": 2.5, "right": -1}, {"scale": 0.8}, {"rotation": 25}, {"down": 1, "scale": 1.3, "rotation": -9}]
)
def test_moved_images_are_what_their_amounts_say(amounts):
    net, moved = Network([Flatten()], (1, 28, 28), "float64", threads=1), Moved(PIXELS, **amounts)
    seen = net.predict(moved, index=[4, 9]).reshape(2, 28, 28)
    amount = {"down": 0, "right": 0, "scale": 1, "rotation": 0} | amounts
    angle = np.radians(amount["rotation"])
    where = naive.places(*naive.affine(amount["down"], amount["right"], np.log(amount["scale"]), 0, 0, angle), 28, 28)
    for image, number in zip(seen, [4, 9], strict=True):
        expected = naive.warped(DIGITS.train_images[number], where, 0) * PIXELS.normalise.scale + PIXELS.normalise.shift
        np.testing.assert_allclose(image, expected, rtol=0, atol=1e-12)


def test_perturbations_begin_with_the_images_and_flip_a_tenth_of_the_pixels():
    sources = perturbations(PIXELS, seed=3)
    assert next(iter(sources.values())) is PIXELS
    assert all(source.shape == PIXELS.shape for source in sources.values())
    flipped = sources["a tenth of the pixels flipped"].images
    where = flipped != DIGITS.train_images
    assert 0.0995 < where.mean() < 0.1005
    assert np.array_equal(flipped[where], 255 - DIGITS.train_images[where])
    assert np.array_equal(perturbations(PIXELS, seed=3)["a tenth of the pixels flipped"].images, flipped)


def test_training_with_distortions_and_averages_resumes_bit_for_bit(tmp_path):
    def trainer(folder, stop=None):
        def say(line):
            if line.startswith(f"epoch  {stop} "):
                raise KeyboardInterrupt

        examples = Dataset(ALL, DIGITS.train_labels, np.arange(160))
        held_out = Dataset(PIXELS, DIGITS.train_labels, np.arange(160, 200))
        return Trainer(
            network(),
            CrossEntropy(),
            ParameterAverage(Adam(3e-3), 0.9),
            TrainingOptions(3, 32, folder=folder),
            examples,
            held_out,
            say,
        )

    whole, broken = trainer(tmp_path / "whole"), trainer(tmp_path / "broken", stop=3)
    (tmp_path / "whole").mkdir()
    (tmp_path / "broken").mkdir()
    whole.fit()
    with pytest.raises(KeyboardInterrupt):
        broken.fit()
    resumed = trainer(tmp_path / "broken")
    assert len(resumed.fit(resume=True)) == 3
    assert np.array_equal(resumed.net.params.flat, whole.net.params.flat)
    assert np.array_equal(resumed.optimizer.moments["average"], whole.optimizer.moments["average"])
