"""The models beside LeNet-5: as many numbers as their sources say, seeded, of any shape and number of classes."""

import numpy as np
import pytest

import minicnn as m
from minicnn import models

COUNTS = {
    models.mnist_convnet: (34_826, 34_826),
    models.resnet8: (78_186, 78_666),
    models.resnet20: (273_066, 274_442),
    models.mobilenet_small: (216_322, 221_794),
    models.keyword_cnn: (23_756, 24_908),
}
"""Parameters; and with running statistics, as Keras counts them."""


@pytest.mark.parametrize("model", COUNTS, ids=lambda model: model.__name__)
def test_it_has_as_many_numbers_as_its_source_says(model):
    net = model(threads=1)
    running = sum(array.size for name, array in net.state.items() if "running" in name)
    assert (len(net.params.flat), len(net.params.flat) + running) == COUNTS[model]


@pytest.mark.parametrize("model", COUNTS, ids=lambda model: model.__name__)
def test_classes_shape_and_seed_can_be_chosen(model):
    shape = (2, 20, 24)
    nets = [model(num_classes=3, in_shape=shape, threads=1, seed=seed) for seed in (0, 0, 1)]
    first, again, other = (net.params.flat for net in nets)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert nets[0].out_shape == (3,)


def test_a_residual_network_learns():
    net, update = models.resnet8(num_classes=3, in_shape=(2, 12, 12), threads=1), m.SGD(0.01)
    x, labels = np.random.default_rng(0).standard_normal((4, 2, 12, 12)), np.arange(4) % 3
    losses = []
    for _ in range(5):
        losses.append(net.loss_and_grads(m.CrossEntropy(), x, labels))
        update.step(net)
    assert losses == sorted(losses, reverse=True)
    assert net.predict(x).shape == (4, 3)
