"""Batches of one image: the same as in a larger batch up to rounding, by kernels, programs and memory of their own."""

import gc
import threading
import weakref
from dataclasses import dataclass

import numpy as np
import pytest

import minicnn as m
from minicnn.arrays import same
from minicnn.backends.cpu import INTERPRET
from minicnn.backends.cpu.compile.host import HOST
from minicnn.data import Normalise, Pixels
from minicnn.engine.single import KEPT
from minicnn.nn.base import Buffer, Layer, Param, Plan

WIDE = [
    (m.Conv2d(7, 3, padding=1), (2, 9, 37)),
    (m.Conv2d(9, (2, 5), stride=(1, 2), padding=(0, 3)), (1, 4, 50)),
    (m.Conv2d(4, 3, stride=3, dilation=2), (6, 12, 60)),
    (m.Conv2d(4, 1, groups=2), (4, 3, 33)),
    (m.Conv2d(2, (1, 2), padding="same"), (3, 2, 17)),
    (m.Conv2d(3, 3, algorithm="im2col"), (2, 5, 21)),
    (m.Conv1d(5, 9, stride=2, padding=(4, 1)), (3, 75)),
    (m.ConvTranspose2d(3, 4, stride=2, padding=1), (5, 3, 21)),
    (m.ConvTranspose2d(4, (2, 3), stride=(1, 3), output_padding=(0, 2), groups=2), (4, 3, 33)),
    (m.ConvTranspose1d(2, 5, dilation=2), (3, 41)),
    (m.SparseConv2d(((0, 2), (1,), (0, 1, 2)), (3, 2)), (3, 20, 40)),
    (m.Subsample(2), (3, 6, 70)),
    (m.Subsample((2, 5)), (2, 4, 85)),
    (m.AvgPool2d(2), (2, 5, 37)),
    (m.AvgPool2d(3, 2, 1), (2, 9, 61)),
    (m.MaxPool2d(2), (2, 5, 37)),
    (m.MaxPool2d((3, 4)), (2, 7, 83)),
    (m.MaxPool2d(3, 2, 1), (2, 9, 61)),
    (m.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False), (2, 8, 60)),
    (m.MaxPool2d(3, 2, 1, ceil_mode=True, dilation=2), (2, 8, 60)),
    (m.MaxPool2d(2, ceil_mode=True), (2, 5, 37)),
    (m.GlobalAvgPool2d(), (3, 2, 37)),
    (m.GlobalMaxPool2d(), (3, 2, 37)),
    (m.Upsample(2), (2, 3, 37)),
    (m.Upsample(3, mode="bilinear"), (2, 3, 37)),
    (m.Conv2d(3, 4, stride=2, padding="same"), (2, 5, 37)),
    (m.Conv2d(7, 3, padding=((0, 2), (1, 3))), (2, 9, 37)),
    (m.Dense(19), (133,)),
    (m.RBF(), (84,)),
    (m.RBF(trainable=True), (7, 12)),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("layer", "in_shape"), WIDE, ids=[repr(layer) for layer, _ in WIDE])
def test_rows_longer_than_a_vector_give_what_lanes_give(layer, in_shape, dtype):
    many, alone = (m.Network([layer], in_shape, dtype=dtype, threads=1, lanes=lanes) for lanes in (16, 1))
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, *in_shape)), rng.standard_normal((2, *many.out_shape))
    close = {"rtol": 1e-4, "atol": 1e-4} if dtype == "float32" else {"rtol": 1e-11, "atol": 1e-11}
    np.testing.assert_allclose(alone.forward(x), many.forward(x), **close)
    np.testing.assert_allclose(alone.backward(dy), many.backward(dy), **close)
    np.testing.assert_allclose(alone.grads.flat, many.grads.flat, **close)


LAYERS = [
    ("C1", m.Conv2d(5, 3, padding="same")),
    m.ScaledTanh(),
    ("S2", m.MaxPool2d(2)),
    ("C3", m.SparseConv2d(((0, 1), (2, 3), (4, 0)), 2, group_sizes=(3,))),
    m.ReLU(),
    ("C4", m.Conv2d(4, 2)),
    ("drop", m.Dropout(0.5)),
    ("F5", m.Dense(3)),
]
IN_SHAPE = (2, 8, 8)


def net(**options):
    return m.Network(LAYERS, IN_SHAPE, **({"threads": 1} | options))


def image(seed=0):
    return np.random.default_rng(seed).standard_normal((1, *IN_SHAPE)).astype(np.float32)


def near(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_dropout_falls_as_in_a_larger_batch():
    """``forward`` takes the image as the first of a group of 16, with dropout as in training."""
    network, t = net(), np.eye(3)[[1]]
    for seed in range(3):
        x = image(seed)
        y = network.forward(x, train=True).astype(float)
        network.backward(2 * (y - t) / 3)
        grads = network.grads.flat.copy()
        assert network.loss_and_grads(m.MSE(), x, t) == pytest.approx(np.mean((y - t) ** 2), rel=1e-5)
        near(network.grads.flat, grads)
    assert network.steps == 3


def test_what_is_written_into_a_parameter_is_seen_by_the_next_call():
    network, x = net(), image()
    before = network.predict(x)
    for name, view in network.params.items():
        view[...] += 0.25
        after, twice = network.predict(x), network.predict(np.concatenate([x, x]))
        assert not np.array_equal(after, before), name
        near(after, twice[:1])
        before = after


def test_class_numbers_and_vectors_give_the_same():
    network, x = m.Network([m.Dense(3)], (4,), threads=1), np.random.default_rng(0).standard_normal((5, 4))
    labels = np.array([0, 2, 1, 1, 0])
    for i in (3, 0):
        score = network.score_and_grads(m.MSE(), x, labels, [i])
        grads = network.grads.flat.copy()
        assert network.score_and_grads(m.MSE(), x, np.eye(3)[labels], [i]).loss == score.loss
        np.testing.assert_array_equal(network.grads.flat, grads)
        assert score.images == 1
        assert score.correct == (network.predict(x, [i]).argmax() == labels[i])


def test_any_array_runs_the_same_job_and_is_not_kept():
    network = net()
    network.predict(image())
    (task,) = network._runner._single._tasks.values()
    x = image(1)
    seen = weakref.ref(x)
    y = network.predict(x)
    del x
    gc.collect()
    assert seen() is None, "expected the array to be free after predict, it is still held"
    assert list(network._runner._single._tasks.values()) == [task]
    network.predict(image(2))
    assert np.array_equal(y, network.predict(image(1))), "expected an output of its own, got one that was overwritten"


def test_the_weight_of_the_class_of_one_image_cancels_in_its_mean_from_the_first_call_on():
    for weight in (0.5, 2.0):
        weighted, plain = net(), net()
        loss = m.CrossEntropy(weight=[weight] * weighted.out_shape[0])
        expected = plain.loss_and_grads(m.CrossEntropy(), image(), [1])
        np.testing.assert_allclose(weighted.loss_and_grads(loss, image(), [1]), expected, rtol=1e-6)
        near(weighted.grads.flat, plain.grads.flat)


def test_a_source_brings_its_own_kernels():
    levels = np.random.default_rng(0).integers(0, 256, (20, 8, 8)).astype(np.uint8)
    network = m.Network([("C1", m.Conv2d(3, 3)), m.Tanh(), m.Dense(2)], (1, 12, 12), threads=1)
    for fit in ("pad", "resize"):
        source = Pixels(levels, Normalise(scale=0.01, shift=-0.5), 12, fit)
        y = network.predict(source)
        for i in (7, 0, 19):
            near(network.predict(source, [i]), y[i : i + 1])


def test_only_the_last_few_kinds_of_batch_are_kept():
    network, levels = m.Network([m.Dense(2)], (1, 4, 4), threads=1), np.zeros((1, 4, 4), np.uint8)
    sources = [Pixels(levels, Normalise(scale=1, shift=shift)) for shift in range(KEPT + 3)]
    outputs = [network.predict(source) for source in sources]
    assert len(network._runner._single._tasks) == KEPT
    for source, y in zip(sources, outputs, strict=True):
        np.testing.assert_array_equal(network.predict(source), y)


@pytest.mark.skipif(INTERPRET, reason="plain Python has helpers of another kind")
def test_one_image_wakes_nobody():
    network = net(threads=3)
    before = threading.active_count()
    network.loss_and_grads(m.MSE(), image(), [1])
    network.predict(image())
    assert threading.active_count() == before


# --- what follows from the parameters ---


@dataclass(frozen=True)
class Chained(Layer):
    """y = b, of W → a → b; c is made but not used; the state counts how often anything was made."""

    call: bool = False

    def plan(self, in_shape):
        numbers = {name: Buffer(in_shape) for name in "abc"}
        state = {"s": Buffer(in_shape)}
        return Plan(in_shape, {"W": Param(in_shape, m.Constant(2.0))}, derived=numbers, state=state)

    def prepare(self, k, W, a, b, c, s):
        k.copy(W, a)
        k.copy(W, c)
        k.copy(a, b)
        k.add(W, s)

    def forward(self, k, x, y, b):
        if self.call:
            k.call(np.copyto, y, x)
        k.copy(b, y.reshape(b.shape))

    def backward(self, k, dy, dx):
        if dx is not None:
            k.copy(dy, dx)


def kept_by(network):
    """What of the network's preparation is left for one image."""
    return network._preparation.of([network._runner._single._lane(train=False).group.forward])


@pytest.mark.skipif(INTERPRET, reason="without compilation nothing is left out")
def test_derived_arrays_that_nobody_reads_are_not_made():
    network = m.Network([Chained()], (3,), threads=1)
    assert len(network._preparation.whole) == 4
    kept = kept_by(network)
    a, b, c, s = (network.layers[0].shared[name] for name in "abcs")
    assert [same(call.arrays[1], array) for call, array in zip(kept.calls, (a, b, s), strict=True)] == [True] * 3
    assert not any(np.may_share_memory(array, c) for call in kept.calls for array in call.arrays)
    assert network.predict(np.zeros((1, 3))).tolist() == [[2.0] * 3]


def test_all_are_made_where_a_program_calls_plain_python():
    network = m.Network([Chained(call=True)], (3,), threads=1)
    assert kept_by(network).calls == network._preparation.whole.calls


@pytest.mark.skipif(INTERPRET, reason="without compilation nothing is left out")
def test_weights_are_not_packed_for_one_image():
    network = net()
    network.predict(image())
    ((_, prepared),) = network._runner._single._tasks.values()
    names = [call.name for programs, _ in prepared.whole.parts for program in programs for call in program.calls]
    assert [name for name in names if name.startswith("pack")] == []
    assert "spread" in names, "expected the bias of tied maps to be spread"
    assert {call.name for call in network._preparation.whole.calls} == {"spread"}
    assert {call.name for call in network.program().calls if "prepare" in call.where} == {
        "pack_filters",
        "pack_channels",
        "spread",
    }


def many_filters(kernel_size):
    """A network of filters enough to fill vectors, in float32."""
    layers = [
        m.Conv2d(24, 3),
        m.ReLU(),
        m.Conv2d(32, kernel_size, padding="same"),
        m.ReLU(),
        m.MaxPool2d(2),
        m.Flatten(),
        m.Dense(3),
    ]
    return m.Network(layers, (2, 11, 12), threads=1, seed=0)


@pytest.mark.skipif(INTERPRET, reason="without compilation nothing is faster")
@pytest.mark.parametrize(("kernel_size", "most"), [(1, 15 if HOST.registers >= 32 else 40), (5, 8)])
def test_batches_run_image_by_image(kernel_size, most):
    """Where that is faster; results are those of each image alone, bit by bit, and those of lanes up to rounding."""
    network = many_filters(kernel_size)
    x = np.random.default_rng(0).standard_normal((40, 2, 11, 12)).astype(np.float32)
    alone = np.concatenate([network.predict(x[i : i + 1]) for i in range(40)])
    for n in (2, 8, 9, 15, 16, 40):
        y = network.predict(x[:n])
        np.testing.assert_allclose(y, alone[:n], rtol=1e-5, atol=1e-6)
        assert np.array_equal(y, alone[:n]) == (n <= most)
    assert any("channels_last" in call.name for call in network._runner._single._lane(train=False).group.forward.calls)


@pytest.mark.parametrize("filters", [6, 24, 40])
@pytest.mark.parametrize("sides", [(11, 12), (12, 11), (7, 7)])
@pytest.mark.parametrize("pool", [m.MaxPool2d(2, ceil_mode=True), m.MaxPool2d(3, 2, padding=1), m.AvgPool2d(2)], ids=repr)
def test_an_image_alone_gives_what_it_gives_among_others_whatever_the_pool(pool, sides, filters):
    """Maps of an odd number of rows or columns too, of which a pool may leave out the last, or give it a maximum of its own."""
    layers = [m.Conv2d(filters, 3, padding=1), m.ReLU(), pool, m.Conv2d(24, 3, padding=1), pool, m.ReLU()]
    network = m.Network(layers, (3, *sides), threads=1, seed=0)
    x = np.random.default_rng(0).standard_normal((17, 3, *sides)).astype(np.float32)
    expected = network.forward(x)
    for n in (1, 3):
        np.testing.assert_allclose(network.predict(x[:n]), expected[:n], rtol=1e-4, atol=1e-5)


FEW_FILTERS = {
    "small": ([m.Conv2d(6, 3), m.Tanh(), m.AvgPool2d(2), m.Flatten(), m.Dense(3)], 4),
    "float64": ([m.SparseConv2d(((0,), (0, 1)), 3), m.ReLU(), m.MaxPool2d(2), m.Flatten(), m.Dense(3)], 4),
    "weights beyond the cache": ([m.Flatten(), m.Dense(1024), m.ReLU(), m.Dense(1024)], 2),
    "a layer without kernels for one image": ([m.Conv2d(6, 3), m.GroupNorm(2), m.Flatten(), m.Dense(3)], 0),
}


@pytest.mark.skipif(INTERPRET, reason="without compilation nothing is faster")
@pytest.mark.parametrize("which", FEW_FILTERS)
def test_a_quarter_of_a_group_runs_image_by_image_with_vectors_over_pixels_too(which):
    layers, most = FEW_FILTERS[which]
    network = m.Network(layers, (2, 23, 24), threads=1, seed=0, dtype="float64" if which == "float64" else "float32")
    x = np.random.default_rng(0).standard_normal((6, 2, 23, 24)).astype(np.float32)
    alone, y = np.concatenate([network.predict(x[i : i + 1]) for i in range(6)]), network.predict(np.concatenate(3 * [x]))[:6]
    assert not np.array_equal(alone, y)
    for n in range(2, 7):
        np.testing.assert_array_equal(network.predict(x[:n]), (alone if n <= most else y)[:n])


@pytest.mark.skipif(INTERPRET, reason="without compilation nothing is packed")
def test_a_value_written_into_a_parameter_counts_from_the_next_image_on():
    network = many_filters(3)
    x = np.random.default_rng(0).standard_normal((1, 2, 11, 12)).astype(np.float32)
    for name in network.params:
        before = network.predict(x)
        network.params[name][...] *= 2.0 if name.endswith("W") else 1.0
        network.params[name].reshape(-1)[0] += 0.5
        assert not np.array_equal(network.predict(x), before), name
        np.testing.assert_allclose(network.predict(x), network.forward(x), rtol=1e-4, atol=1e-4)
