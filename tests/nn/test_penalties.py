"""The output layer of 1998 as users meet it: the codes, eq. 8 and 9, who wins, what is rejected, what is refused."""

import re
from functools import partial

import numpy as np
import pytest
import torch

from minicnn import MAP, MLE, RBF, SDLM, SGD, Dense, Network, OptionError, ScaledTanh, ShapeError
from minicnn.engine import inputs
from minicnn.engine.curvature import curvature
from minicnn.engine.inputs import targets
from minicnn.nn.digit_codes import COLUMNS, DIGITS
from minicnn.nn.rbf import reject_scores

PICTURES = """
.#####.  ...##..  .#####.  #######  .#####.  .#####.  ..####.  #######  .#####.  .#####.
.......  ..###..  .......  .....##  .......  .......  .##....  .....##  ##...##  ##..###
..###..  .####..  .#####.  ....##.  .......  #######  ##.....  .....##  ##...##  ##...##
.##.##.  ...##..  ##...##  ...##..  .##..##  ##.....  ##.....  ....##.  ##...##  ##...##
##...##  ...##..  #....##  ..####.  .##..##  ##.....  ######.  ...##..  .#####.  ##..###
##...##  ...##..  ....##.  .....##  ###..##  .####..  ###..##  ...##..  ##...##  .######
##...##  ...##..  ..###..  .....##  ##...##  ..####.  ##...##  ..##...  ##...##  .....##
##...##  ...##..  .##....  .....##  ##...##  .....##  ##...##  ..##...  ##...##  .....##
.##.##.  ...##..  ##.....  ##...##  ##..###  ##...##  ###..##  ..##...  ##...##  ....##.
..###..  .######  #######  .#####.  .######  .#####.  .#####.  ..##...  .#####.  .####..
.......  .......  .......  .......  .....##  .......  .......  .......  .......  .......
.......  .......  .......  .......  .....##  .......  .......  .......  .......  .......
"""


def test_the_codes_are_the_pictures_of_the_paper():
    drawn = [["".join("#" if v > 0 else "." for v in code[n : n + COLUMNS]) for n in range(0, 84, COLUMNS)] for code in DIGITS]
    assert "\n".join("  ".join(rows) for rows in zip(*drawn, strict=True)) == PICTURES.strip()
    codes = np.array(DIGITS)
    distances = (codes[:, None] != codes).sum(axis=2) + 84 * np.eye(10, dtype=int)
    assert {tuple(sorted(pair)) for pair in np.argwhere(distances == distances.min())} == {(6, 8)}
    assert distances.min() == 12


def network(**options):
    layers = [("F6", Dense(84)), ScaledTanh(), ("output", RBF(**options))]
    return Network(layers, (9,), dtype="float64", threads=1, seed=1)


IMAGES = np.random.default_rng(0).standard_normal((21, 9))
LABELS = np.random.default_rng(1).integers(0, 10, 21)


@pytest.mark.parametrize("trainable", [False, True])
@pytest.mark.parametrize("loss", [MLE(), MAP(0.5), MAP(30.0)])
def test_losses_and_gradients_are_pytorchs(loss, trainable):
    net = network(trainable=trainable)
    got = net.loss_and_grads(loss, IMAGES, LABELS)
    W, b = (torch.from_numpy(net.params[n].copy()).requires_grad_() for n in ("F6.W", "F6.b"))
    centres = torch.tensor(DIGITS, dtype=torch.float64, requires_grad=True)
    a = torch.from_numpy(IMAGES) @ W.T + b
    y = ((1.7159 * torch.tanh(2 * a / 3))[:, None] - centres).square().sum(dim=2)
    right = y[torch.arange(21), torch.from_numpy(LABELS)]
    rubbish = torch.full((21, 1), -getattr(loss, "rubbish_penalty", 0.0), dtype=torch.float64)
    rivals = torch.logsumexp(torch.cat([-y, rubbish], dim=1), dim=1) if isinstance(loss, MAP) else 0
    expected = (right + rivals).mean()
    expected.backward()
    assert got == pytest.approx(expected.item(), rel=1e-12)
    for name, tensor in {"F6.W": W, "F6.b": b, **({"output.W": centres} if trainable else {})}.items():
        np.testing.assert_allclose(net.grads[name], tensor.grad.numpy(), rtol=1e-9, atol=1e-12)
    assert net.evaluate(loss, IMAGES, LABELS).loss == got


def test_the_smallest_penalty_wins():
    net = network()
    right = int((net.predict(IMAGES).argmin(axis=1) == LABELS).sum())
    assert right != int((net.predict(IMAGES).argmax(axis=1) == LABELS).sum())
    assert net.evaluate(MLE(), IMAGES, LABELS).correct == right
    assert sum(net.evaluate(MAP(), IMAGES[i : i + 1], LABELS[i : i + 1]).correct for i in range(21)) == right


def test_a_decision_has_two_scores_to_reject_by():
    y = network().predict(IMAGES)
    decision, ordered = reject_scores(y), np.sort(y, axis=1)
    np.testing.assert_array_equal(decision.classes, y.argmin(axis=1))
    np.testing.assert_array_equal(decision.penalty, ordered[:, 0])
    np.testing.assert_array_equal(decision.margin, ordered[:, 1] - ordered[:, 0])


def test_no_rule_accepts_an_image_of_which_a_penalty_is_nan():
    nan, inf = np.nan, np.inf
    y = np.array([[1.0, 5, 9], [nan, 5, 9], [1, nan, 9], [1, 5, nan], [nan] * 3, [inf] * 3, [1, inf, inf]])
    decision = reject_scores(y)
    np.testing.assert_array_equal(decision.penalty, [1, inf, inf, inf, inf, inf, 1])
    np.testing.assert_array_equal(decision.margin, [4, 0, 0, 0, 0, 0, inf])
    for accepted in (~(decision.penalty > 100), decision.penalty <= 100, ~(decision.margin < 1), decision.margin >= 1):
        np.testing.assert_array_equal(accepted, [True, *[False] * 5, True])
    assert reject_scores(y.astype(np.float32)).penalty.dtype == np.float32


@pytest.mark.parametrize("unit", [0, 3, None])
def test_a_score_is_what_the_smallest_of_the_predictions_says_but_for_nan(unit):
    net, x = network(trainable=True), IMAGES.copy()
    labels = net.predict(x).argmin(axis=1)
    x[[1, 4]] = np.nan
    if unit is not None:
        net.params["output.W"][unit, 0] = np.nan
        labels[2] = unit
    y = net.predict(x)
    expected = (y.argmin(axis=1) == labels) & ~np.isnan(y).any(axis=1)
    assert net.evaluate(MLE(), x, labels).correct == expected.sum() < len(x)
    assert [net.evaluate(MLE(), x[i : i + 1], labels[i : i + 1]).correct for i in range(len(x))] == expected.tolist()


def by_input(net, loss, x, labels):
    """The second derivatives by the images, and those by the parameters."""
    chosen = np.arange(len(x))
    given = targets(loss, labels, len(x), chosen, net.dtype, net.out_shape, partial(loss.for_targets, classes=net.out_shape[0]))
    source = inputs.source("x", x, net.dtype, net.in_shape)
    total, (hx,) = curvature(net._context, net._executor, net._preparation, [source], [given], chosen, 0, of_input=True)
    return hx, total


@pytest.mark.parametrize("lanes", [16, 1])
@pytest.mark.parametrize("loss", [MLE(), MAP(2.0)])
def test_the_curvature_of_one_unit_is_the_second_derivative_of_the_loss(loss, lanes):
    """With one unit nothing is neglected but where images share a centre, so there is one image."""
    centre = (0.5, -0.25, 1.0)
    x, labels = np.array([[0.75, 0.25, 0.5]]), np.zeros(1, np.int64)

    def energy(x, centre):
        net = Network([RBF((centre,))], (3,), dtype="float64", threads=1, lanes=lanes)
        return net.evaluate(loss, x, labels).loss

    net = Network([("output", RBF((centre,), trainable=True))], (3,), dtype="float64", threads=1, lanes=lanes)
    hx, total = by_input(net, loss, x, labels)
    for d, step in enumerate(1e-4 * np.eye(3)):
        above, below = energy(x + step, centre), energy(x - step, centre)
        assert hx[0, d] == pytest.approx((above - 2 * energy(x, centre) + below) / 1e-8, rel=1e-5)
        assert total["output.W"][0, d] == pytest.approx(hx[0, d], rel=1e-12), "x and W are alike up to a sign"


def test_the_curvature_of_equation_8_is_twice_the_share_of_the_images():
    net = Network([("output", RBF(trainable=True))], (84,), dtype="float64", threads=1)
    x = np.random.default_rng(2).standard_normal((18, 84))
    hx, total = by_input(net, MLE(), x, LABELS[:18])
    np.testing.assert_allclose(hx, np.full(x.shape, 2 / 18))
    counts = np.bincount(LABELS[:18], minlength=10)
    np.testing.assert_allclose(total["output.W"], np.repeat(2 * counts[:, None] / 18, 84, axis=1))


@pytest.mark.parametrize("trainable", [False, True])
@pytest.mark.parametrize("loss", [MLE(), MAP(2.0), MAP(100.0), MAP(1000.0)])
def test_no_curvature_is_negative_however_far_training_got(loss, trainable):
    """Wrong classes pull the other way, and where an image is certain only rounding is left of the sum of all pulls."""
    layers = [("F6", Dense(84)), ScaledTanh(), ("output", RBF(trainable=trainable))]
    net, optimizer = Network(layers, (9,), threads=1, seed=1), SGD(0.01)
    for _ in range(12):
        for _ in range(10):
            net.loss_and_grads(loss, IMAGES, LABELS)
            optimizer.step(net)
        for i in range(0, 21, 5):
            assert net.curvature(loss, IMAGES[i : i + 1], LABELS[i : i + 1]).flat.min() >= 0
        rates = SDLM(lr=5e-4)
        rates.estimate(net, loss, IMAGES, LABELS)
        assert all((rate > 0).all() for rate in rates.rates(net).values())


@pytest.mark.parametrize("centres", [(), ((),), ((1.0,), (1.0, 2.0)), ((float("nan"),),), [[1.0]], 3, (("a",),)])
def test_centres_that_are_none(centres):
    what = f"expected centres as a tuple of equally long tuples of finite numbers, got {centres!r:.60}"
    message = f"RBF: {what}; give one tuple for each unit, or leave it out for the digits"
    with pytest.raises(OptionError, match=f"^{re.escape(message)}$"):
        RBF(centres)


def test_an_input_of_another_length_than_the_centres():
    message = (
        'layer 0 "output" RBF(): expected an input of 84 numbers, as the centres have, got shape (9,)\n'
        "  chain: (9,) → output RBF ✗\n"
        "  hint: give centres of that length or change the layer before"
    )
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        Network([("output", RBF())], (9,))


@pytest.mark.parametrize("j", [0, -1.0, float("inf"), "1"])
def test_a_rubbish_class_without_a_penalty(j):
    with pytest.raises(OptionError, match=r"^MAP: expected rubbish_penalty "):
        MAP(j)
