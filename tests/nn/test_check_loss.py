"""Losses through ``check_loss``: those of the package, one of a user's own, and faulty ones, which must fail."""

import re
import sys

import numpy as np
import pytest
from failing import failures
from poisson import Poisson

from minicnn import MAP, MLE, MSE, CrossEntropy, Network
from minicnn.nn.losses import Loss
from minicnn.testing import check_loss

VARIED = [MSE(0.8, -0.3), CrossEntropy(0.1), MAP(0.3)]


def of_the_package():
    """The classes of losses that modules of the package define."""
    kinds, found = [Loss], []
    for kind in kinds:  # grows meanwhile
        kinds += kind.__subclasses__()
        module = sys.modules[kind.__module__]
        if kind is not Loss and kind.__module__.startswith("minicnn.") and getattr(module, kind.__name__, None) is kind:
            found.append(kind)
    return sorted(found, key=lambda kind: kind.__name__)


LOSSES = [*(kind() for kind in of_the_package()), *VARIED]


def cases():
    """Every check of every loss, on the compiled backend; and of one on NumPy's."""
    for loss in (*LOSSES, Poisson()):
        for check in check_loss(loss):
            yield pytest.param(check, id=f"{loss} {check}")
    for check in check_loss(CrossEntropy(0.1), outputs=3, seed=4, backend="numpy"):
        yield pytest.param(check, id=f"NumPy {check}")


@pytest.mark.filterwarnings("ignore:overflow")  # where padding lanes hold what e^y is too large for
@pytest.mark.parametrize("check", list(cases()))
def test_a_loss_passes(check):
    check()


def test_every_loss_of_the_package_is_checked():
    assert {MAP, MLE, MSE, CrossEntropy} <= set(of_the_package())


# --- faults ---


class WrongSign(MSE):
    def backward(self, k, y, target, lanes, scale, dy):
        super().backward(k, y, target, lanes, scale, dy)
        k.call(np.negative, dy, dy)


class NoScale(MSE):
    def backward(self, k, y, target, lanes, scale, dy):
        k.mse_dy(y, target, lanes, np.ones_like(scale), dy)


class SumInPlaceOfMean(Loss):
    """Gradient and value agree with each other, but neither is a mean."""

    def forward(self, k, y, labels, lanes, value):
        k.penalty(y, labels, lanes, np.ones(1), value)

    def backward(self, k, labels, lanes, scale, dy):
        k.penalty_dy(labels, lanes, np.ones_like(scale), dy)


class FillsPaddingLanes(MLE):
    def backward(self, k, labels, lanes, scale, dy):
        super().backward(k, labels, lanes, scale, dy)
        k.call(fill_padding, lanes, dy)


class FillsPaddingLanesOfCurvature(MLE):
    def curvature(self, k, hy, lanes):
        k.zero(hy)
        k.call(fill_padding, lanes, hy)


def fill_padding(lanes, dy):
    dy[:, lanes[0] :] = 1


class CountsPaddingLanes(Loss):
    def forward(self, k, y, scale, value):
        k.call(count_all, y, scale, value)

    def backward(self, k, lanes, scale, dy):
        k.call(fill_live, lanes, scale, dy)


def count_all(y, scale, value):
    value[0] += scale[0] * y.sum()


def fill_live(lanes, scale, dy):
    dy[...] = 0
    dy[:, : lanes[0]] = scale[0]


class AddsIntoDy(MLE):
    def backward(self, k, labels, lanes, scale, dy):
        k.call(add_at_label, labels, lanes, scale, dy)


def add_at_label(labels, lanes, scale, dy):
    for lane in range(lanes[0]):
        dy[labels[lane], lane] += scale[0]
    dy[:, lanes[0] :] = 0


class SpoilsY(MLE):
    def backward(self, k, y, labels, lanes, scale, dy):
        super().backward(k, labels, lanes, scale, dy)
        k.zero(y)


class WritesTheValue(MLE):
    """Right for a batch of one group."""

    def forward(self, k, y, labels, lanes, scale, value):
        k.call(lambda value: value.fill(0), value)
        super().forward(k, y, labels, lanes, scale, value)


class WrongInFloat32Only(MLE):
    def backward(self, k, labels, lanes, scale, dy):
        super().backward(k, labels, lanes, scale, dy)
        k.call(spoil_singles, dy)


def spoil_singles(dy):
    if dy.itemsize == 4:
        dy *= 1.001


class WrongCurvature(MSE):
    def curvature(self, k, lanes, scale, hy):
        super().curvature(k, lanes, scale, hy)
        k.call(np.multiply, hy, hy, hy)


BY_DIFFERENCES = r"gradient of y: expected \S+ by differences along a random direction, got \S+"
MEAN = r"mean: expected the weighted mean of two parts, \S+, got \S+"
FAULTS = [
    (WrongSign(), "gradient, labels, 16 lanes", r"gradient of y: expected -(\S{8})\S* by differences .+, got \1\S+"),
    (NoScale(), "gradient, vectors, 1 lane", BY_DIFFERENCES),
    (
        SumInPlaceOfMean(),
        "mean over images, labels, 16 lanes",
        "mean: expected dy of a part of a batch times its share .+, got another",
    ),
    (FillsPaddingLanes(), "padding lanes, labels, 16 lanes", "dy: expected exactly zero in padding lanes, got other numbers"),
    (FillsPaddingLanesOfCurvature(), "padding lanes, labels, 16 lanes", "hy: expected exactly zero in padding lanes, .+"),
    (
        CountsPaddingLanes(),
        "padding lanes, labels, 16 lanes",
        "padding lanes: expected them to count nothing, got another value where .+",
    ),
    (AddsIntoDy(), "written before read, labels, 16 lanes", "passes: expected to read only .+, got another dy over 1000.0"),
    (SpoilsY(), "written before read, labels, 1 lane", "passes: expected y untouched, got it changed"),
    (WritesTheValue(), "mean over images, labels, 16 lanes", MEAN),
    (WrongInFloat32Only(), "float32, labels, 16 lanes", r"float32: expected dy within \S+ of float64's, got \S+"),
    (WrongCurvature(), "curvature, vectors, 16 lanes", r"curvature: expected hy within \S+ of the second differences, got \S+"),
]


@pytest.mark.parametrize(("loss", "name", "message"), FAULTS, ids=[type(loss).__name__ for loss, *_ in FAULTS])
def test_a_fault_is_found_and_named(loss, name, message):
    assert re.fullmatch(message, dict(failures(check_loss(loss)))[name])


def test_a_list_of_checks_makes_no_network(monkeypatch):
    monkeypatch.setattr(Network, "__init__", None)
    assert len(check_loss(MLE())) == 13
    assert len(check_loss(MSE())) == 26
    assert [str(check) for check in check_loss(Poisson())][:2] == [
        "gradient, vectors, 16 lanes",
        "written before read, vectors, 16 lanes",
    ]
