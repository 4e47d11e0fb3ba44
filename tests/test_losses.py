"""Losses against PyTorch: value, gradient, smoothing, vector targets, extreme inputs."""

import re

import numpy as np
import pytest
import torch

from minicnn import MSE, Conv2d, CrossEntropy, Dense, Network, OptionError

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
    assert net.evaluate(MSE(), IMAGES, np.eye(CLASSES)[LABELS]).correct == 0


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
