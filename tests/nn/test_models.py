"""The models beside LeNet-5: as many numbers as their sources say, seeded, of any shape and number of classes."""

import re

import numpy as np
import pytest

import minicnn as m
from minicnn import models
from minicnn.errors import OptionError, ShapeError

COUNTS = {
    models.mnist_convnet: (34_826, 34_826),
    models.resnet8: (78_186, 78_666),
    models.resnet20: (273_066, 274_442),
    models.mobilenet_small: (216_322, 221_794),
    models.keyword_cnn: (23_756, 24_908),
    models.vgg_small: (551_722, 552_874),
    models.squeezenet_small: (727_626, 727_626),
    models.conv_autoencoder: (4_385, 4_385),
    models.unet_small: (1_941_105, 1_941_105),
}
"""Parameters; and with running statistics, as Keras counts them."""


@pytest.mark.parametrize("model", COUNTS, ids=lambda model: model.__name__)
def test_it_has_as_many_numbers_as_its_source_says(model):
    net = model(threads=1)
    running = sum(array.size for name, array in net.state.items() if "running" in name)
    assert (len(net.params.flat), len(net.params.flat) + running) == COUNTS[model]


def test_squeezenet_has_as_many_for_the_classes_of_its_source():
    assert len(models.squeezenet_small(1000, (3, 224, 224), threads=1).params.flat) == 1_235_496


def test_the_network_for_sounds_has_as_many_for_the_classes_of_its_source():
    assert len(models.keyword_cnn(35, (1, 8000), threads=1).params.flat) == 26_915


CLASSIFIERS = [model for model in COUNTS if model not in (models.conv_autoencoder, models.unet_small)]


@pytest.mark.parametrize("model", CLASSIFIERS, ids=lambda model: model.__name__)
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


@pytest.mark.parametrize("shape", [(1, 28, 28), (2, 20, 24), (3, 16, 8), (1, 4, 12)])
def test_an_autoencoder_gives_an_image_of_the_same_size_between_0_and_1(shape):
    x = np.random.default_rng(0).random((3, *shape), dtype=np.float32)
    net, logits = (models.conv_autoencoder(shape, plain, threads=1, seed=4) for plain in (False, True))
    y = net.predict(x)
    assert y.shape == x.shape
    assert ((y > 0) & (y < 1)).all()
    np.testing.assert_allclose(y, 1 / (1 + np.exp(-logits.predict(x))), rtol=1e-5)


@pytest.mark.parametrize("shape", [(1, 30, 28), (1, 28, 26), (28, 28), 28])
def test_an_autoencoder_refuses_images_that_it_cannot_draw(shape):
    what = f"conv_autoencoder: expected images (C, H, W) with H and W multiples of 4, got {shape}; "
    with pytest.raises(ShapeError, match=f"^{re.escape(what + 'pad the images, as with Pixels(..., size=32)')}$"):
        models.conv_autoencoder(shape)


def test_a_unet_gives_a_map_for_each_class():
    nets = [models.unet_small(3, (2, 16, 48), threads=1, seed=seed) for seed in (0, 0, 1)]
    first, again, other = (net.params.flat for net in nets)
    assert nets[0].out_shape == (3, 16, 48)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("shape", [(3, 40, 32), (3, 32, 8), (32, 32), 32])
def test_a_unet_refuses_images_that_do_not_halve(shape):
    what = f"unet_small: expected images (C, H, W) with H and W multiples of 16, got {shape}; "
    with pytest.raises(ShapeError, match=f"^{re.escape(what + 'pad the images, as with Pad2d before training')}$"):
        models.unet_small(in_shape=shape)


def test_a_network_for_sounds_takes_any_length_and_number_of_channels():
    nets = [models.keyword_cnn(4, (2, 6848), threads=1, seed=seed) for seed in (0, 1)]
    assert nets[0].out_shape == (4,)
    assert not np.array_equal(nets[0].params.flat, nets[1].params.flat)


# --- LeNet-5 with one thing changed ---


def kinds(net):
    """The layers' classes, by name."""
    return {placed.name: type(placed.layer) for placed in net.layers}


LENETS = [models.lenet5, models.lenet5_1998]


@pytest.mark.parametrize("model", LENETS, ids=lambda model: model.__name__)
def test_another_activation_changes_that_alone(model):
    first, net = kinds(model(threads=1)), kinds(model(m.GELU(), threads=1))
    assert {name for name in net if net[name] is not first[name]} == {
        f"f({name})" for name in ("C1", "S2", "C3", "S4", "C5", "F6")
    }
    assert {net[name] for name in net if name.startswith("f(")} == {m.GELU}


@pytest.mark.parametrize(
    ("activation", "spread"),
    [
        ("scaled_tanh", 2.4 / 400 / 3**0.5),
        ("tanh", (2 / (400 + 3000)) ** 0.5),
        ("relu", (2 / 400) ** 0.5),
        (m.SiLU(), (2 / 400) ** 0.5),
    ],
    ids=str,
)
def test_weights_start_as_suits_the_activation(activation, spread):
    net = models.lenet5(activation, threads=1)
    assert net.params["C5.W"].std() == pytest.approx(spread, rel=0.02)
    assert np.array_equal(models.lenet5_1998(activation, threads=1).params["C5.W"], net.params["C5.W"])


@pytest.mark.parametrize("model", LENETS, ids=lambda model: model.__name__)
def test_c3_may_read_all_maps_or_those_of_another_table(model):
    dense, table = model(connections=None, threads=1), model(connections=((0, 1), (5,)), threads=1)
    assert dense.params["C3.W"].shape == (16, 6, 5, 5)
    assert table.params["C3.W"].shape == (3, 5, 5)
    assert table.params["C5.W"].shape == (120, 2, 5, 5)
    assert len(dense.params.flat) == len(model(threads=1).params.flat) + 900
    with pytest.raises(OptionError, match=r"^SparseConv2d: expected a table with at least one channel in every row, got 5; "):
        model(connections=5)


@pytest.mark.parametrize("model", [models.lenet5, models.lenet5s, models.lenet5_modern], ids=lambda model: model.__name__)
def test_a_lenet_takes_other_classes_and_images(model):
    net = model(num_classes=3, in_shape=(2, 36, 40), threads=1)
    assert net.out_shape == (3,)
    assert net.params["C1.W"].shape == (6, 2, 5, 5)
    assert net.predict(np.zeros((1, 2, 36, 40))).shape == (1, 3)


def test_codes_of_its_own_say_how_many_units_f6_has():
    net = models.lenet5_1998(centres=((1.0, -1.0, 1.0), (-1.0, 1.0, 1.0)), in_shape=(1, 32, 36), threads=1)
    assert net.params["F6.W"].shape == (3, 240)
    assert net.out_shape == (2,)
    with pytest.raises(OptionError, match=r"^RBF: expected centres as a tuple"):
        models.lenet5_1998(centres=3)


def test_the_modern_lenet_takes_another_activation():
    first, net = (models.lenet5_modern(activation=given, threads=1) for given in ("relu", m.Tanh()))
    assert [name for name in kinds(net) if kinds(net)[name] is m.Tanh] == ["f(C1)", "f(C3)", "f(C5)", "f(F6)"]
    assert np.array_equal(net.params.flat, first.params.flat)
