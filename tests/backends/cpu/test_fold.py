"""Batch normalisation that is folded into what is below it gives what it gives on its own."""

import numpy as np
import pytest

import minicnn as m
from minicnn import Network

SHAPE = (3, 8, 8)
CONV = m.Conv2d(4, 3, padding=1)
NETWORKS = {
    "convolution": [CONV, m.BatchNorm2d(), m.ReLU()],
    "two in a row": [CONV, m.BatchNorm2d(), CONV, m.BatchNorm2d(affine=False), m.Tanh()],
    "groups and no bias": [m.Conv2d(6, 3, groups=3, bias=False), m.BatchNorm2d(eps=0.1)],
    "by columns": [m.Conv2d(4, 3, algorithm="im2col"), m.BatchNorm2d()],
    "product": [m.Dense(5), m.BatchNorm1d(), m.ReLU()],
    "sum": [m.Residual([CONV, m.BatchNorm2d(), m.ReLU(), m.Conv2d(3, 3, padding=1), m.BatchNorm2d()]), m.ReLU()],
}
TWO_READERS = [("conv", CONV), ("norm", m.BatchNorm2d()), ("sum", m.Add(), ("norm", "conv"))]


def trained(items, dtype):
    net = Network(items, SHAPE, dtype=dtype, threads=1)
    x = 2 + np.random.default_rng(0).standard_normal((40, *SHAPE)).astype(dtype)
    for part in (x[:30], x):
        net.forward(part, train=True)
    net.params.flat[...] *= 1.25
    return net, x


def folded(net):
    return sum(call.name == "fold" for call in net.program(train=False).calls)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-4)])
@pytest.mark.parametrize("name", NETWORKS)
def test_it_gives_what_it_gives_on_its_own(name, dtype, tolerance):
    net, x = trained(NETWORKS[name], dtype)
    expected = net.forward(x)  # which keeps every activation, and folds nothing
    norms = sum("BatchNorm" in placed.layer.label for placed in net.layers)
    assert folded(net) == norms
    for images in (40, 1):
        np.testing.assert_allclose(net.predict(x[:images]), expected[:images], rtol=0, atol=tolerance * np.abs(expected).max())
    net.forward(3 * x, train=True)  # the statistics move, and the weights with them
    np.testing.assert_allclose(net.predict(x), net.forward(x), rtol=0, atol=tolerance * np.abs(expected).max())


def test_what_somebody_else_reads_is_not_folded():
    net, x = trained(TWO_READERS, "float64")
    assert folded(net) == 0
    np.testing.assert_array_equal(net.predict(x), net.forward(x))


@pytest.mark.parametrize("up", [m.ConvTranspose2d(4, 2, stride=2), m.ConvTranspose2d(4, 3, bias=False)], ids=repr)
def test_behind_a_transposed_convolution_it_stays_on_its_own(up):
    net, x = trained([CONV, up, m.BatchNorm2d(), m.ReLU()], "float64")
    assert folded(net) == 0
    np.testing.assert_allclose(net.predict(x), net.forward(x), rtol=1e-12, atol=1e-12)


def test_it_is_folded_into_a_convolution_along_rows():
    net, x = trained([m.Reshape((3, 64)), m.Conv1d(4, 3, padding=1), m.BatchNorm1d(), m.ReLU()], "float64")
    assert folded(net) == 1
    np.testing.assert_allclose(net.predict(x), net.forward(x), rtol=1e-12, atol=1e-12)


def test_a_batchs_own_statistics_are_not_folded():
    net, x = trained([CONV, m.BatchNorm2d(track_running_stats=False)], "float64")
    assert folded(net) == 0
    np.testing.assert_array_equal(net.predict(x), net.forward(x))


def test_the_listing_shows_what_is_folded():
    listing = str(trained(NETWORKS["product"], "float32")[0].program(train=False))
    assert "fold(5×192, 5, 2×5, 5, 5, 5×192, 5)" in listing
    assert "↑" in next(line for line in listing.splitlines() if "normalize" in line)


@pytest.mark.parametrize("filters", [4, 8])
@pytest.mark.parametrize("images", [1, 3, 17])
def test_a_normalisation_is_folded_into_what_it_normalises_alone(filters, images):
    """In a graph the call before it may be that of another branch."""
    items = [
        ("a", m.Conv2d(8, 3, padding=1), "in"),
        ("t", m.Tanh(), "a"),
        ("c", m.Conv2d(filters, 3, padding=1), "in"),
        ("b", m.BatchNorm2d(), "t"),
        ("k", m.Concat(), ("b", "c")),
    ]
    net = Network(items, {"in": (6, 8, 8)}, threads=1, seed=1)
    with net.update():
        net.state["b.running_mean"][...] = 0.5
        net.state["b.running_var"][...] = 2
    branches = [
        Network([("a", m.Conv2d(8, 3, padding=1)), m.Tanh(), ("b", m.BatchNorm2d())], (6, 8, 8), threads=1, backend="numpy"),
        Network([("c", m.Conv2d(filters, 3, padding=1))], (6, 8, 8), threads=1, backend="numpy"),
    ]
    known = {**net.params, **net.state}
    for branch in branches:
        branch.load_params({name: known[name] for name in (*branch.params, *branch.state)})
    x = np.random.default_rng(0).standard_normal((images, 6, 8, 8)).astype(np.float32)
    expected = np.concatenate([branch.predict(x) for branch in branches], 1)
    np.testing.assert_allclose(net.predict(x), expected, rtol=1e-4, atol=1e-5)
