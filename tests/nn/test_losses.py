"""Losses against PyTorch: value, gradient, smoothing, vector targets, extreme inputs."""

import re
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from minicnn import MSE, Conv2d, CrossEntropy, Dense, Huber, Network, OptionError
from minicnn.nn.losses import Loss, cache_key
from minicnn.testing import check_loss

CLASSES, RNG = 5, np.random.default_rng(0)
LABELS = RNG.integers(0, CLASSES, 37)
IMAGES = RNG.standard_normal((37, 4))


def network(dtype="float64", layer=None, in_shape=(4,)):
    return Network([("F", layer or Dense(CLASSES))], in_shape, dtype=dtype, threads=1, seed=3)


def agrees(net, loss, criterion, x, target, expected_target):
    """Loss and parameter gradients are PyTorch's."""
    x = np.asarray(x, net.dtype)
    got = net.loss_and_grads(loss, x, target)
    W, b = (torch.from_numpy(net.params[n].copy()).requires_grad_() for n in ("F.W", "F.b"))
    function = torch.nn.functional.conv2d if W.ndim == 4 else torch.nn.functional.linear
    expected = criterion(function(torch.from_numpy(x), W, b), expected_target)
    expected.backward()
    close = {"rtol": 1e-5, "atol": 1e-7} if net.dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-14}
    np.testing.assert_allclose(got, expected.item(), **close)
    np.testing.assert_allclose(net.grads["F.W"], W.grad.numpy(), **close)
    np.testing.assert_allclose(net.grads["F.b"], b.grad.numpy(), **close)
    assert net.evaluate(loss, x, target).loss == got


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_cross_entropy_is_pytorchs(dtype, smoothing):
    criterion = torch.nn.CrossEntropyLoss(label_smoothing=smoothing)
    agrees(network(dtype), CrossEntropy(smoothing), criterion, IMAGES, LABELS, torch.from_numpy(LABELS))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("on", "off"), [(1.0, 0.0), (1.0, -1.0), (0.8, 0.2)])
def test_mse_of_classes_is_pytorchs_with_their_vectors(dtype, on, off):
    vectors = np.where(np.arange(CLASSES) == LABELS[:, None], on, off).astype(dtype)
    agrees(network(dtype), MSE(on, off), torch.nn.MSELoss(), IMAGES, LABELS, torch.from_numpy(vectors))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_mse_of_vectors_is_pytorchs(dtype):
    vectors = RNG.standard_normal((37, CLASSES)).astype(dtype)
    agrees(network(dtype), MSE(), torch.nn.MSELoss(), IMAGES, vectors, torch.from_numpy(vectors))


def test_mse_of_maps_is_pytorchs():
    net = network(layer=Conv2d(3, 2), in_shape=(2, 4, 5))
    x, maps = RNG.standard_normal((19, 2, 4, 5)), RNG.standard_normal((19, 3, 3, 4))
    agrees(net, MSE(), torch.nn.MSELoss(), x, maps, torch.from_numpy(maps))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("delta", [0.1, 1.0, 30.0])
def test_huber_is_pytorchs(dtype, delta):
    vectors = RNG.standard_normal((37, CLASSES)).astype(dtype)
    agrees(network(dtype), Huber(delta), torch.nn.HuberLoss(delta=delta), IMAGES, vectors, torch.from_numpy(vectors))


@pytest.mark.parametrize("check", check_loss(Huber(0.7)), ids=str)
def test_huber_keeps_the_contract_of_losses(check):
    check()


@pytest.mark.parametrize("options", [{"delta": 0}, {"delta": float("inf")}, {"on": float("nan")}, {"off": "1"}])
def test_numbers_of_huber_outside_their_ranges(options):
    (name,) = options
    with pytest.raises(OptionError, match=f"^Huber: expected {name} "):
        Huber(**options)


def test_vectors_and_classes_of_the_same_meaning_give_the_same():
    a, b = network(), network()
    assert a.loss_and_grads(MSE(), IMAGES, LABELS) == b.loss_and_grads(MSE(), IMAGES, np.eye(CLASSES)[LABELS])
    np.testing.assert_array_equal(a.grads.flat, b.grads.flat)


def test_accuracy_is_counted_for_classes_and_not_for_vectors():
    net = network()
    right = int((net.predict(IMAGES).argmax(axis=1) == LABELS).sum())
    for loss in (MSE(), CrossEntropy()):
        score = net.evaluate(loss, IMAGES, LABELS)
        assert (score.correct, score.images) == (right, 37)
        assert score.accuracy == right / 37
        assert net.score_and_grads(loss, IMAGES, LABELS).correct == right
    score = net.evaluate(MSE(), IMAGES, np.eye(CLASSES)[LABELS])
    assert (score.correct, score.counted, score.accuracy) == (0, 0, None)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1e2, 1e4, 1e30])
def test_cross_entropy_of_huge_logits_is_finite_and_right(dtype, size):
    net = network(dtype)
    net.params["F.W"][...] = np.eye(CLASSES, 4)
    x = np.array([[size, 0, 0, 0], [0, 0, 0, -size], [size, size, 0, 0]])
    loss = net.loss_and_grads(CrossEntropy(), x, [0, 3, 1])
    assert loss == pytest.approx((0 + size + np.log(4) + np.log(2)) / 3, rel=1e-6)
    assert np.isfinite(net.grads.flat).all()


def test_a_float32_loss_is_summed_in_float64():
    """In float32, 2²⁴ ones and one more make 2²⁴: a mean over many small errors would come out short."""
    net = network("float32", Dense(1000), (1,))
    net.params.flat[...] = 0
    targets = np.full((17, 1000), 1.0)
    targets[0, 0] = 4096
    assert net.evaluate(MSE(), np.zeros((17, 1)), targets).loss == pytest.approx((4096**2 + 16999) / 17000, rel=1e-7)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, 1.5, float("nan"), float("inf"), "0.1", None, True])
def test_a_smoothing_outside_its_range(smoothing):
    message = f"CrossEntropy: expected label_smoothing in [0, 1), got {smoothing!r}; give a number such as 0.1"
    with pytest.raises(OptionError, match=f"^{re.escape(message)}$"):
        CrossEntropy(smoothing)


@pytest.mark.parametrize("options", [{"on": float("nan")}, {"off": float("inf")}, {"on": "1"}])
def test_targets_of_mse_that_are_no_numbers(options):
    (name,) = options
    with pytest.raises(OptionError, match=f"^MSE: expected {name} "):
        MSE(**options)


def test_losses_are_values():
    assert CrossEntropy(0.1) == CrossEntropy(0.1) != CrossEntropy(0.2)
    assert repr(MSE()) == "MSE(on=1.0, off=0.0)"


# --- losses of one's own: which are one, and which have calls of their own ---


class Weighted(Loss):
    """weight · Σ y, with a state that is no field."""

    def __init__(self, weight):
        self.weight = weight

    def consts(self):
        return {"w": (self.weight,)}

    def forward(self, k, y, w, lanes, value):
        k.call(add_weighted, y, w, lanes, value)

    def backward(self, k, y, w, dy):
        k.zero(dy)


def add_weighted(y, w, lanes, value):
    value[0] += w[0] * y[:, : lanes[0]].sum()


@dataclass(frozen=True)
class Both(Loss):
    """Another loss, with a word to it."""

    other: Loss
    word: str = "a"

    def consts(self):
        return self.other.consts()

    def forward(self, k, y, w, lanes, value):
        self.other.forward(k, y, w, lanes, value)

    def backward(self, k, y, w, dy):
        self.other.backward(k, y, w, dy)


@pytest.mark.parametrize("wrap", [lambda loss: loss, Both], ids=["alone", "in another"])
@pytest.mark.parametrize("images", [1, 37])
def test_losses_that_differ_in_what_is_no_field_have_programs_of_their_own(wrap, images):
    net = network()
    total = net.predict(IMAGES[:images]).sum()
    changing = Weighted(7.0)
    for weight in (1.0, 2.0, 1.0, 3.0):
        loss = wrap(Weighted(weight))
        for call in (lambda loss=loss: net.evaluate(loss, IMAGES[:images], LABELS[:images]).loss,):
            np.testing.assert_allclose(call(), weight * total)
            changing.weight = weight
        np.testing.assert_allclose(net.loss_and_grads(wrap(changing), IMAGES[:images], LABELS[:images]), weight * total)


def test_what_tells_losses_apart():
    one = Weighted(1.0)
    groups = [
        [MSE(), MSE(1.0, 0.0)],
        [MSE(1, 0)],
        [MSE(0.5)],
        [MSE(1.0, -0.0)],
        [CrossEntropy(), CrossEntropy(0.0)],
        [type("MSE", (MSE,), {})()],
        [Both(MSE()), Both(MSE())],
        [Both(MSE(), "b")],
        [Both(MSE(0.5))],
        [one, one],
        [Weighted(1.0)],
        [Both(one)],
    ]
    keys = [{cache_key(loss) for loss in group} for group in groups]
    assert [len(group) for group in keys] == [1] * len(groups)
    assert len(set.union(*keys)) == len(groups)


def test_a_loss_with_an_array_is_reported_by_its_numbers_of_the_moment():
    loss = Weighted(1.0)
    loss.array = np.ones(2)
    first = cache_key(loss)
    assert cache_key(loss) == first
    loss.weight = 2.0
    assert cache_key(loss) != first


def test_numbers_beside_an_array_count_by_their_values_and_the_array_by_itself():
    loss = Weighted(0.5)
    loss.array = np.ones(2)
    first = cache_key(loss)
    loss.weight = float("0.5")
    assert cache_key(loss) == first
    loss.array = np.ones(2)
    assert cache_key(loss) != first


def test_a_value_made_anew_for_every_batch_is_recorded_once():
    net = network()
    net.evaluate(CrossEntropy(0.1), IMAGES, LABELS)
    known = dict(net._runner._schedules)
    net.evaluate(CrossEntropy(0.1), IMAGES, LABELS)
    assert net._runner._schedules == known
