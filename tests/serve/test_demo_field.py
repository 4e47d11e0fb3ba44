"""Numbers taken apart: the sum of the products and the bias, through the activation, is what the network has on its map."""

import math

import numpy as np
import pytest

from minicnn import (
    AvgPool2d,
    BatchNorm2d,
    Classifier,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    MaxPool2d,
    Network,
    ReLU,
    Sigmoid,
    SparseConv2d,
    Subsample,
    Tanh,
    models,
)
from minicnn.data import Normalise, load_mnist
from minicnn.data.preprocessing import Preprocessing
from minicnn.serve.demo.look import Viewer
from minicnn.serve.demo.stages import stages
from minicnn.serve.demo.taken_apart import taken_apart

ACTIVATIONS = {
    "a": lambda a: a,
    "max(a, 0)": lambda a: max(a, 0.0),
    "1.7159 · tanh(⅔ a)": lambda a: 1.7159 * math.tanh(2 * a / 3),
    "tanh(a)": math.tanh,
    "1 / (1 + e^−a)": lambda a: 1 / (1 + math.exp(-a)),
}


def everything():
    """A network of all windows that the LeNets have not."""
    layers = [
        ("wide", Conv2d(6, 3, stride=2, padding=((1, 0), (2, 1)))),
        ("t", Tanh()),
        ("dilated", Conv2d(6, (3, 2), dilation=2, padding="same", groups=3, bias=False)),
        ("norm", BatchNorm2d()),
        ("s", Sigmoid()),
        ("max", MaxPool2d(3, stride=2, padding=1)),
        ("tied", SparseConv2d(((0, 1), (2, 3), (4, 5), (5, 0, 2)), (2, 3), group_sizes=(3, 1))),
        ("r", ReLU()),
        ("sub", Subsample((1, 3))),
        ("mean", AvgPool2d(3, stride=1, padding=1, count_include_pad=False)),
        ("drop", Dropout(0.3)),
        ("flat", Flatten()),
        ("out", Dense(7, bias=False)),
    ]
    return Network(layers, (1, 28, 28), threads=1, seed=3)


def viewer(net):
    classes = [f"class {n}" for n in range(net.out_shape[0])]
    model = Classifier(net, classes=classes)
    model.preprocessing = Preprocessing(uint8=True, normalise=Normalise.between(-0.1, 1.175))
    rng = np.random.default_rng(0)
    with net.update():  # biases that are 0 would hide a fault
        net.params.flat[...] += rng.normal(0, 0.05, len(net.params.flat))
    return Viewer(model)


NETS = {
    "1998": lambda: models.lenet5_1998(threads=1),
    "classic": lambda: models.lenet5(threads=1),
    "modern": lambda: models.lenet5_modern(threads=1),
    "lenet5s": lambda: models.lenet5s(in_shape=(1, 32, 32), threads=1),
    "everything": everything,
}


@pytest.fixture(scope="module", params=list(NETS))
def own(request):
    return viewer(NETS[request.param]())


@pytest.fixture(scope="module")
def image():
    return load_mnist(source="subset", log=lambda words: None).test_images[0]


def places(stage, rng):
    """Corners and some pixels of a stage."""
    shape = stage.shape if len(stage.shape) == 3 else (stage.shape[0], 1, 1)
    ends = [(0, 0, 0), tuple(n - 1 for n in shape), (0, shape[1] - 1, 0), (shape[0] - 1, 0, shape[2] - 1)]
    return ends + [tuple(int(rng.integers(n)) for n in shape) for _ in range(4)]


def test_sums_give_the_numbers_of_the_maps(own, image):
    rng = np.random.default_rng(1)
    seen, sums = own.see(image), 0
    for number, stage in enumerate(own.stages):
        for map, row, column in places(stage, rng):
            said = taken_apart(own, image, number, map, row, column)
            shown = seen.values[number].reshape(stage.shape)
            value = float(shown[(map, row, column) if shown.ndim == 3 else map])
            assert said["value"] == pytest.approx(value, rel=1e-4, abs=1e-5)
            assert ACTIVATIONS[said["activation"]](said["sum"]) == pytest.approx(value, rel=1e-4, abs=1e-5)
            if said["terms"] is None:
                assert isinstance(stage.placed.layer, BatchNorm2d)
                continue
            sums += 1
            total = said["bias"] + sum(term["sum"] for term in said["terms"])
            assert total == pytest.approx(said["sum"], rel=1e-4, abs=2e-5), (stage.name, map, row, column)
            for term in said["terms"]:  # what is shown adds up, too
                assert np.sum(term["products"]) == pytest.approx(term["sum"], rel=1e-3, abs=1e-4)
                x, weights = np.array(term["x"]), np.array(term["weights"])
                products = (x - weights) ** 2 if stage.placed.layer.least_wins else x * weights
                assert np.asarray(term["products"]) == pytest.approx(products, rel=1e-3, abs=1e-4)
    assert sums >= 7 * 8


def test_nothing_outside_the_receptive_field_changes_a_number(own, image):
    """The field on the input: changes outside it leave the number, and changes inside it move it."""
    rng = np.random.default_rng(2)
    for number, stage in enumerate(own.stages):
        if len(stage.shape) == 1:
            continue
        map, row, column = places(stage, rng)[-1]
        said = taken_apart(own, image, number, map, row, column)
        top, left, bottom, right = said["fields"]["-1"]["at"]
        inside = np.zeros(own.net.in_shape[1:], bool)
        inside[top:bottom, left:right] = True
        border = (inside.shape[0] - 28) // 2
        inside = inside[border : border + 28, border : border + 28]
        other = np.where(inside, image, rng.integers(0, 256, image.shape)).astype(np.uint8)
        assert taken_apart(own, other, number, map, row, column)["sum"] == pytest.approx(said["sum"], abs=1e-5), stage.name
        others = [np.where(inside, rng.integers(0, 256, image.shape), image).astype(np.uint8) for _ in range(3)]
        moved = [taken_apart(own, each, number, map, row, column)["sum"] for each in others]
        assert any(abs(each - said["sum"]) > 1e-6 for each in moved), stage.name


def test_fields_of_c3_are_on_the_maps_of_table_i(image):
    own = viewer(models.lenet5_1998(threads=1))
    fields = taken_apart(own, image, 2, 6, 4, 4)["fields"]
    assert fields["1"] == {"at": [4, 4, 9, 9], "maps": [0, 1, 2, 3]}
    assert fields["0"] == {"at": [8, 8, 18, 18], "maps": [0, 1, 2, 3]}
    assert fields["-1"] == {"at": [8, 8, 22, 22], "maps": [0]}


def test_the_strength_of_a_link_is_that_of_its_own_map(own, image):
    """Against a network whose kernels are all 0 but that of the link."""
    seen = own.see(image)
    for name, found in own.links(seen).items():
        stage = next(stage for stage in own.stages if stage.name == name)
        x = seen.x if stage.source < 0 else seen.values[stage.source]
        for n in np.random.default_rng(0).choice(len(found), 5, replace=False):
            f, c = stage.links[n]
            alone = Network([stage.placed.layer], x.shape, threads=1)
            shape = alone.params["0.W"].shape
            with alone.update():
                alone.params.flat[...] = 0
                if stage.kernels is None:
                    own_c = c % shape[1]
                    alone.params["0.W"][f, own_c] = own.net.params[f"{name}.W"][f, own_c]
                else:
                    alone.params["0.W"][stage.kernels[n]] = own.net.params[f"{name}.W"][stage.kernels[n]]
            only = np.zeros_like(x)
            only[c] = x[c]
            expected = math.sqrt(float((alone.predict(only[None])[0, f] ** 2).mean()))
            assert found[n] == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_stages_join_activations_and_leave_out_views():
    found = [(stage.name, stage.shown, stage.shape, stage.source) for stage in stages(everything())]
    assert found == [
        ("wide", "t", (6, 14, 15), -1),
        ("dilated", "dilated", (6, 14, 15), 0),
        ("norm", "s", (6, 14, 15), 1),
        ("max", "max", (6, 7, 8), 2),
        ("tied", "r", (4, 6, 6), 3),
        ("sub", "sub", (4, 6, 2), 4),
        ("mean", "mean", (4, 6, 2), 5),
        ("out", "out", (7,), 6),
    ]


def test_a_graph_is_shown_and_what_is_no_sum_is_not_taken_apart(image):
    own = viewer(models.resnet8(in_shape=(1, 28, 28), threads=1))
    seen = own.see(image)
    assert [values.shape for values in seen.values] == [stage.placed.plan.out_shape for stage in own.stages]
    joins = [n for n, stage in enumerate(own.stages) if stage.source is None]
    said = taken_apart(own, image, joins[0], 0, 0, 0)
    assert (said["terms"], said["fields"]) == (None, {})
    pooled = next(n for n, stage in enumerate(own.stages) if isinstance(stage.placed.layer, GlobalAvgPool2d))
    assert taken_apart(own, image, pooled, 3, 0, 0)["terms"] is None
