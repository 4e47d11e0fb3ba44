"""Whole networks on the CUDA backend, their kernels' PTX executed: what they compute is what the CPU backend computes."""

import ast
from pathlib import Path

import numpy as np
import pytest
from cuda_device import NEW, OLD, PtxDevice
from everything import CURVED, CURVED_SHAPE, LAYERS, PENALTIES, SHAPE, close
from lenets import CLASSES, DIGITS, LENETS

import minicnn as m
from minicnn.backends import cuda
from minicnn.backends.cuda.device.mirror import use
from minicnn.data import Affine, Distorted, Elastic, Normalise, Pixels

EXECUTED = set()
"""The kernels that this file's networks executed, compiled for both compute capabilities."""


@pytest.fixture(autouse=True)
def both(_on_device):
    """A device whose kernels are compiled for compute capability 8.0 and 9.0."""
    device = PtxDevice(OLD, NEW)
    use(device)
    yield device
    EXECUTED.update(device.executed)


@pytest.mark.parametrize("name", LENETS)
def test_training_a_lenet_is_training_it_on_the_cpu(name):
    """Steps of batches with padding lanes: losses, hits, gradients and parameters, and what the networks predict after them."""
    make, x, loss, optimizer = LENETS[name]
    ours, theirs = make(backend="cuda", seed=3), make(backend="cpu", seed=3, threads=1)
    updates = optimizer(), optimizer()
    for step in range(2):
        batch = np.arange(7 * step, 7 * step + 12)
        mine, other = (net.score_and_grads(loss, x, CLASSES, batch) for net in (ours, theirs))
        assert mine.correct == other.correct
        assert mine.loss == pytest.approx(other.loss, rel=2e-6)
        close(ours.grads.flat, theirs.grads.flat, step + 1)
        for net, update in zip((ours, theirs), updates, strict=True):
            update.step(net)
    close(ours.params.flat, theirs.params.flat, 100)  # Adam divides small gradients by small gradients
    close(ours.predict(x), theirs.predict(x), 10)
    if name == "modern":  # whose pass is the quickest
        assert ours.evaluate(loss, x, CLASSES).loss == pytest.approx(theirs.evaluate(loss, x, CLASSES).loss, rel=1e-4)


def test_a_network_of_everything_is_that_of_the_cpu(monkeypatch):
    """Passes that keep everything, then a batch that is too large for one group, as vectors."""
    monkeypatch.setattr("minicnn.backends.cuda.memory.MOST_LANES", 32)
    ours, theirs = (m.Network(LAYERS, SHAPE, backend=backend, threads=1, seed=1) for backend in ("cuda", "cpu"))
    rng = np.random.default_rng(0)
    x, dy = (rng.standard_normal((34, *shape)).astype(np.float32) for shape in (SHAPE, (5,)))
    close(ours.forward(x), theirs.forward(x))
    close(ours.activation("direct"), theirs.activation("direct"))
    close(ours.backward(dy), theirs.backward(dy))
    close(ours.grads.flat, theirs.grads.flat, 10)
    target, batch = np.abs(dy), rng.permutation(34)
    mine, other = (net.score_and_grads(m.MSE(), x, target, batch) for net in (ours, theirs))
    assert mine.loss == pytest.approx(other.loss, rel=1e-6)
    close(ours.grads.flat, theirs.grads.flat, 10)
    close(ours.predict(x, batch), theirs.predict(x, batch))


def test_the_curvature_and_the_step_it_leads_to_are_those_of_the_cpu(monkeypatch):
    monkeypatch.setattr("minicnn.backends.cuda.memory.MOST_LANES", 32)
    ours, theirs = (m.Network(CURVED, CURVED_SHAPE, backend=backend, threads=1, seed=1) for backend in ("cuda", "cpu"))
    x = np.random.default_rng(0).standard_normal((34, *CURVED_SHAPE)).astype(np.float32)
    labels = np.arange(34) % 5
    for loss, examples in ((m.CrossEntropy(), labels), (m.MSE(), np.eye(5, dtype=np.float32)[labels])):
        close(ours.curvature(loss, x, examples).flat, theirs.curvature(loss, x, examples).flat)
    for net in (ours, theirs):
        sdlm = m.SDLM(0.01)
        for _ in range(2):  # the second estimate is written over a vector that is on the device already
            sdlm.estimate(net, m.MSE(), x, labels)
            net.loss_and_grads(m.MSE(), x, labels)
            sdlm.step(net)
    close(ours.params.flat, theirs.params.flat, 10)


def test_distorted_images_are_those_of_the_cpu():
    """In float64: a place that is rounded otherwise is another pixel."""
    plain = Pixels(DIGITS, Normalise.between(-0.1, 1.175), 32)
    x = Distorted(plain, Affine(shift=2, scale=0.2, squeeze=0.1, shear=0.2, rotation=20), Elastic(alpha=8, sigma=4), seed=5)
    layers = [("C", m.Conv2d(2, 5, stride=3)), m.Flatten(), ("F", m.Dense(3))]
    ours, theirs = (m.Network(layers, (1, 32, 32), "float64", backend, threads=1) for backend in ("cuda", "cpu"))
    for net in (ours, theirs):
        net.steps = 4
        net.loss_and_grads(m.MSE(), x, CLASSES % 3, np.arange(5, 17))
    close(ours.grads.flat, theirs.grads.flat, 10)


@pytest.mark.parametrize("loss", [m.MLE(), m.MAP(2.0)], ids=["nearest", "map"])
def test_penalties_and_trained_centres_are_those_of_the_cpu(loss):
    ours, theirs = (m.Network(PENALTIES, (6,), backend=backend, threads=1, seed=1) for backend in ("cuda", "cpu"))
    x, labels = np.random.default_rng(0).standard_normal((20, 6)).astype(np.float32), np.arange(20) % 3
    mine, other = (net.score_and_grads(loss, x, labels) for net in (ours, theirs))
    assert mine.correct == other.correct
    assert mine.loss == pytest.approx(other.loss, rel=2e-6)
    close(ours.grads.flat, theirs.grads.flat)
    close(ours.curvature(loss, x, labels).flat, theirs.curvature(loss, x, labels).flat)


def test_weights_of_images_count_as_on_the_cpu():
    """Padding lanes and a weight of 0 among them."""
    loss = m.CrossEntropy(0.1)
    ours, theirs = (m.Network([m.Dense(3)], (6,), backend=backend, threads=1, seed=1) for backend in ("cuda", "cpu"))
    x, labels = np.random.default_rng(0).standard_normal((5, 6)).astype(np.float32), np.arange(5) % 3
    mine, other = (net.score_and_grads(loss, x, labels, weight=np.arange(5)) for net in (ours, theirs))
    assert mine.correct == other.correct
    assert mine.loss == pytest.approx(other.loss, rel=2e-6)
    close(ours.grads.flat, theirs.grads.flat)


def test_every_kernel_is_executed():
    """Those that the tests above executed are those of the backend's source."""
    trees = [ast.parse(path.read_text()) for path in Path(cuda.__file__).parent.rglob("*.py")]
    names = {node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    written = {name for name in names if name.endswith("_kernel")}
    assert len(written) > 50
    assert written == EXECUTED


def test_targets_as_vectors_beside_images_that_stay_on_the_device():
    """The images are read at their numbers, the targets in the order of the batch."""
    images = np.random.default_rng(0).integers(0, 256, (6, 4, 4), dtype=np.uint8)
    x, batch = Pixels(images, Normalise(scale=1 / 255, shift=0.0)), np.array([5, 0, 3])
    target = np.arange(12.0)[::-1].reshape(6, 2)
    ours, theirs = (m.Network([m.Dense(2)], (1, 4, 4), backend=name, threads=1, seed=1) for name in ("cuda", "cpu"))
    for net in (ours, theirs):
        net.loss_and_grads(m.MSE(), x, target, batch)
    close(ours.grads.flat, theirs.grads.flat)
    close(ours.curvature(m.MSE(), x, target, batch).flat, theirs.curvature(m.MSE(), x, target, batch).flat)
    close(ours.forward(x.images[:, None] / 255, batch), theirs.forward(x, batch))
    close(ours.backward(target[:3]), theirs.backward(target[:3]))
