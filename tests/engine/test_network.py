"""Networks: one meaning for every way to run them, whatever the batch, the lanes, the threads; and what they refuse."""

import re
import tracemalloc
from dataclasses import dataclass, replace
from math import prod

import numpy as np
import pytest
from spilling import Spill

import minicnn as m
import minicnn.backends.numpy as numpy_backend
import minicnn.engine.group
from minicnn.backends.cpu import CHECK, INTERPRET
from minicnn.engine.accumulate import SLOTS
from minicnn.nn.base import LAYERS
from minicnn.testing import check_layer

IN_SHAPE = (2, 12, 12)
CHAIN = [
    ("C1", m.Conv2d(4, 3, padding="same")),
    m.ScaledTanh(),
    ("S2", m.Subsample(2)),
    ("C3", m.SparseConv2d(((0, 1), (1, 2, 3), (0, 3)), 2, group_sizes=(1, 1, 1))),
    m.LeakyReLU(0.1),
    m.MaxPool2d(2, stride=1),
    m.Tanh(),
    m.AvgPool2d(2, stride=1),
    m.Conv2d(4, 2, algorithm="im2col"),
    m.ReLU(),
    ("drop", m.Dropout(0.3)),
    ("drop channels", m.Dropout2d(0.3)),
    m.Flatten(),
    ("F6", m.Dense(6)),
    m.Sigmoid(),
    m.RBF(((0.1, 0.9, 0.5, 0.3, 0.7, 0.2), (0.8, 0.4, 0.6, 0.5, 0.1, 0.9), (0.3, 0.3, 0.7, 0.6, 0.5, 0.4))),
    ("out", m.Dense(5)),
    m.Softmax(),
]
PUBLIC = {layer for layer in LAYERS if layer.__module__.startswith("minicnn.") and not layer.__name__.startswith("_")}
OPTIONS = {m.AvgPool1d: (2,), m.MaxPool1d: (2,), m.Upsample: (2,), m.Pad2d: (1,), m.GroupNorm: (2,)}
OPTIONS |= {m.AdaptiveAvgPool2d: ((3, 2),), m.Reshape: ((-1, 12),), m.MaxUnpool1d: (2,), m.MaxUnpool2d: (2,)}
OPTIONS |= {m.Permute: ((1, 2, 0),), m.IndexSelect: ((0, 1),), m.Resize: (3,)}
OPTIONS |= dict.fromkeys((m.Conv1d, m.ConvTranspose1d, m.ConvTranspose2d), (3, 2))
POOLS = {m.MaxUnpool1d: m.MaxPool1d(2), m.MaxUnpool2d: m.MaxPool2d(2)}


def branch(kind):
    """A layer of a kind on the network's input, or on two of it, and a layer that brings it to six numbers."""
    name, layer = kind.__name__, kind(*OPTIONS.get(kind, ()))
    x = "input"
    if name.endswith("1d"):
        x = f"{name} in"
        yield x, m.Reshape((2, -1)), "input"
    other = x
    if kind in POOLS:
        other = f"{name} pool"
        yield other, POOLS[kind], x
    yield name, layer, (other, x) if layer.joins else x
    yield f"{name} end", m.Dense(6)


def kind_of(item):
    return type(item[1] if isinstance(item, tuple) else item)


MEASURING = {m.BatchNorm1d, m.BatchNorm2d}
"""Layers in which images of a batch depend on each other."""
OTHERS = sorted(PUBLIC - MEASURING - {kind_of(item) for item in CHAIN}, key=lambda kind: kind.__name__)
END = CHAIN.index(("F6", m.Dense(6))) + 1
EVERY_KIND = [
    *CHAIN[:END],
    *(item for kind in OTHERS for item in branch(kind)),
    ("ends", m.Add(), ("F6", *(f"{kind.__name__} end" for kind in OTHERS))),
    *CHAIN[END:],
]
WITHOUT_DROPOUT = [item for item in EVERY_KIND if kind_of(item) not in (m.Dropout, m.Dropout2d)]
SIZES = (1, 15, 16, 17, 33, 100)


def every_kind(**options):
    return m.Network(EVERY_KIND, IN_SHAPE, **({"threads": 1} | options))


def steady(**options):
    """A network of every kind of layer but dropout."""
    return m.Network(WITHOUT_DROPOUT, IN_SHAPE, **({"threads": 1} | options))


def images(n, dtype="float32", seed=0):
    return np.random.default_rng(seed).standard_normal((n, *IN_SHAPE)).astype(dtype)


def labels(n):
    return np.random.default_rng(1).integers(0, 5, n)


def small(**options):
    return m.Network([("F1", m.Dense(3)), m.Tanh(), ("F2", m.Dense(2))], (4,), **({"threads": 1} | options))


def refused(error, message, make):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        make()


# --- the same whatever the batch ---


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_image_gives_the_same_in_a_batch_of_any_size_in_forward_and_predict(dtype):
    net, x = steady(dtype=dtype), images(100, dtype)
    y = net.predict(x)
    assert (y.shape, y.dtype) == ((100, 5), dtype)
    assert len(np.unique(y, axis=0)) == 100
    for n in SIZES:
        np.testing.assert_array_equal(net.forward(x[:n]), y[:n])
        if n > 1:
            np.testing.assert_array_equal(net.predict(x[:n]), y[:n])
        else:  # one image alone has kernels of its own, which add in another order
            np.testing.assert_allclose(net.predict(x[:1]), y[:1], rtol=20 * np.finfo(dtype).eps)


@pytest.mark.parametrize("loss", [m.MSE(), m.CrossEntropy(0.1)], ids=repr)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_loss_and_grads_is_forward_then_the_loss_then_backward(dtype, loss):
    net = steady(dtype=dtype)
    close = {"rtol": 1e-4, "atol": 1e-6} if dtype == "float32" else {"rtol": 1e-10, "atol": 1e-13}
    for n in (*SIZES, 150):  # 150 images are more groups than there are gradient slots
        x, t = images(n, dtype), labels(n)
        y, q = net.forward(x).astype(float), np.eye(5)[t]
        if isinstance(loss, m.MSE):
            expected, dy = np.mean((y - q) ** 2), 2 * (y - q) / y.size
        else:
            log = y - np.log(np.exp(y).sum(axis=1, keepdims=True))
            q = 0.9 * q + 0.1 / 5
            expected, dy = -np.sum(q * log) / n, (np.exp(log) - q) / n
        net.backward(dy)
        grads = net.grads.flat.copy()
        assert grads.any()
        assert net.loss_and_grads(loss, x, t) == pytest.approx(expected, rel=close["rtol"])
        np.testing.assert_allclose(net.grads.flat, grads, **close)
        assert net.evaluate(loss, x, t).loss == pytest.approx(expected, rel=close["rtol"])


def test_gradients_are_the_mean_of_those_of_single_images():
    net, x, t = steady(dtype="float64"), images(33, "float64"), labels(33)
    losses, grads = [], []
    for i in range(33):
        losses.append(net.loss_and_grads(m.CrossEntropy(), x, t, index=[i]))
        grads.append(net.grads.flat.copy())
    assert net.loss_and_grads(m.CrossEntropy(), x, t) == pytest.approx(np.mean(losses), rel=1e-12)
    np.testing.assert_allclose(net.grads.flat, np.mean(grads, axis=0), rtol=1e-9, atol=1e-13)


INDEX = np.array([3, 39, 0, 3, 17, 21, 22, 23, 1, 2, 38, 37, 5, 6, 7, 8, 9, 10, 11])


def test_index_selects_images_and_their_order_in_training():
    net, other, x, t = every_kind(), every_kind(), images(40), labels(40)
    assert net.score_and_grads(m.MSE(), x, t, INDEX) == other.score_and_grads(m.MSE(), x[INDEX], t[INDEX])
    np.testing.assert_array_equal(net.grads.flat, other.grads.flat)
    vectors = np.eye(5)[t]
    assert net.loss_and_grads(m.MSE(), x, vectors, INDEX) == other.loss_and_grads(m.MSE(), x[INDEX], vectors[INDEX])
    np.testing.assert_array_equal(net.grads.flat, other.grads.flat)
    assert net.evaluate(m.MSE(), x, t, INDEX) == other.evaluate(m.MSE(), x[INDEX], t[INDEX])


@pytest.mark.parametrize("name", ["forward", "predict"])
def test_index_selects_images_and_their_order(name):
    net, x = steady(), images(40)
    np.testing.assert_array_equal(getattr(net, name)(x, index=INDEX), getattr(net, name)(x[INDEX]))


# --- the same whatever the threads and lanes ---


@pytest.mark.parametrize("n", [1, 17, 200])
def test_any_number_of_threads_gives_the_same_bits(n):
    """200 images are 13 groups, more than there are gradient slots."""
    assert 16 * SLOTS < 200
    x, t, results = images(n), labels(n), []
    for threads in (1, 2, 3):
        net = every_kind(threads=threads, seed=5)
        assert net.threads == threads
        bits = []
        for _ in range(2):
            bits += [net.loss_and_grads(m.MSE(), x, t), net.grads.flat.tobytes()]
        results.append([*bits, net.evaluate(m.CrossEntropy(), x, t), net.predict(x).tobytes()])
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("lanes", [4, 8, 32, 48])
def test_any_number_of_lanes_gives_the_same_to_rounding(lanes):
    x, t = images(100, "float64"), labels(100)
    net, wide = every_kind(dtype="float64", seed=5), every_kind(dtype="float64", seed=5, lanes=lanes)
    assert (net.lanes, wide.lanes) == (16, lanes)
    np.testing.assert_allclose(wide.predict(x), net.predict(x), rtol=1e-12)
    assert wide.loss_and_grads(m.MSE(), x, t) == pytest.approx(net.loss_and_grads(m.MSE(), x, t), rel=1e-12)
    np.testing.assert_allclose(wide.grads.flat, net.grads.flat, rtol=1e-9, atol=1e-12)


def test_the_gradient_of_chosen_images_is_theirs_in_their_order():
    net, x, dy = steady(), images(40), np.random.default_rng(3).normal(size=(3, 5))
    chosen = np.array([37, 2, 21])
    net.forward(x[chosen])
    expected = net.backward(dy)
    net.forward(x, index=chosen)
    np.testing.assert_array_equal(net.backward(dy), expected)


def test_a_batch_that_grows_is_read_anew_also_where_it_has_the_address_of_a_smaller_one(monkeypatch):
    monkeypatch.setattr(minicnn.engine.group, "id", lambda value: 7, raising=False)
    net, x = m.Network([("F", m.Dense(2))], (3,), "float64", threads=1), np.random.default_rng(4).normal(size=(900, 3))
    for n in (20, 300, 40, 900):
        chosen = np.arange(n)[::-1]
        np.testing.assert_allclose(net.predict(x, chosen), x[chosen] @ net.params["F.W"].T + net.params["F.b"], atol=1e-12)


@pytest.mark.parametrize("count", [1, 20])
def test_the_kernels_of_a_kind_of_batch_are_handed_to_the_compiler_before_it_runs(monkeypatch, count):
    handed = []
    ahead = replace(numpy_backend.BACKEND, compile_ahead=lambda calls, threads: handed.append([call.name for call in calls]))
    monkeypatch.setattr(numpy_backend, "BACKEND", ahead)
    net = small(backend="numpy")
    for _ in range(2):
        net.predict(np.ones((count, 4)))
        (names,) = handed
        assert [name for name in names if name in ("gemm_bias", "tanh")] == ["gemm_bias", "tanh", "gemm_bias"]


@pytest.mark.parametrize("norm", [[], [m.BatchNorm1d()]], ids=["on its own", "with a barrier"])
def test_a_write_behind_a_buffer_is_seen_in_every_group_where_there_are_guard_bands(monkeypatch, norm):
    monkeypatch.setattr(numpy_backend, "BACKEND", replace(numpy_backend.BACKEND, checked=True))
    net = m.Network([("F", m.Dense(2)), *norm, ("L", Spill()), m.Tanh()], (3,), backend="numpy", threads=1)
    with pytest.raises(m.BackendError, match=r"a write past the end of L\.y"):
        net.loss_and_grads(m.MSE(), np.ones((40, 3)), np.ones((40, 2)))


def test_a_check_says_whether_there_is_an_accuracy():
    net, x = small(), np.ones((5, 4))
    assert net.check(m.MSE(), x, np.zeros(5, int)) is True
    assert net.check(m.MSE(), x, np.zeros((5, 2))) is False


def test_arrays_of_one_kind_share_what_is_recorded():
    net = m.Network([("F", m.Dense(2))], (3,), "float64", threads=1)
    for seed in range(10):
        x = np.random.default_rng(seed).normal(size=(20, 3))
        np.testing.assert_allclose(net.predict(x), x @ net.params["F.W"].T + net.params["F.b"], atol=1e-12)
    assert len(net._runner._schedules) == 1


@pytest.mark.skipif(INTERPRET, reason="1600 images in plain Python take a minute")
def test_training_memory_does_not_grow_with_the_batch():
    net, x, t = steady(), images(1600), labels(1600)

    def peak(n):
        net.loss_and_grads(m.MSE(), x[:n], t[:n])
        tracemalloc.start()
        net.loss_and_grads(m.MSE(), x[:n], t[:n])
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    few, many = peak(128), peak(1600)
    assert len(net._runner._groups) == 1
    assert many - few < 16 * 1600, f"expected a few numbers an image, got {few} bytes for 128 images and {many} for 1600"


@pytest.mark.skipif(INTERPRET, reason="plain Python leaves garbage of its own")
def test_batches_that_are_done_are_not_kept_in_memory():
    net = steady()
    net.predict(images(100, "float64"))
    tracemalloc.start()
    for seed in range(10):
        net.predict(images(100, "float64", seed))  # 230 kB, which loading converts to 115 kB
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert used < 3 * 115_200, f"expected at most a batch or two to be remembered, got {used} bytes of ten batches of 115 kB"


# --- seeds and dropout ---


def test_a_seed_fixes_the_network_and_another_gives_another():
    a, b, c = every_kind(seed=7), every_kind(seed=7), every_kind(seed=8)
    np.testing.assert_array_equal(a.params.flat, b.params.flat)
    assert not np.array_equal(a.params["C1.W"], c.params["C1.W"])
    x, t = images(20), labels(20)
    assert a.loss_and_grads(m.MSE(), x, t) == b.loss_and_grads(m.MSE(), x, t)
    assert (every_kind(seed=2**64 - 1).params.flat != a.params.flat).any()


def test_layers_start_independently_of_each_other():
    net = m.Network([m.Dense(4, bias_init=m.TorchDefault()), m.Dense(4, bias_init=m.TorchDefault())], (4,), threads=1)
    values = [net.params["0.W"], net.params["1.W"], *np.broadcast_arrays(net.params["0.b"], net.params["1.b"][:, None])]
    assert not np.isclose(values[0], values[1]).any()
    assert not np.isclose(values[2], values[3]).any()
    assert not np.isclose(values[0].reshape(-1)[:4], values[2].reshape(-1)[:4]).any()


def test_both_dtypes_start_from_the_same_values():
    np.testing.assert_array_equal(every_kind(dtype="float64").params.flat.astype("float32"), every_kind().params.flat)


def mask_of(net, n=40):
    return net.forward(np.ones((n, 60)), train=True)


def dropout(**options):
    return m.Network([m.Dropout(0.25)], (60,), **({"threads": 1} | options))


def test_dropout_is_off_in_predict_and_evaluate():
    net, x = dropout(), np.random.default_rng(0).standard_normal((40, 60)).astype("float32")
    np.testing.assert_array_equal(net.predict(x), x)
    assert net.evaluate(m.MSE(), x, x).loss == 0
    assert net.loss_and_grads(m.MSE(), x, x) > 0


def test_a_dropout_mask_depends_on_seed_and_step_and_not_on_lanes_or_dtype():
    net = dropout(seed=3)
    mask = mask_of(net)
    assert set(np.unique(mask)) == {0, np.float32(1 / 0.75)}
    assert np.mean(mask == 0) == pytest.approx(0.25, abs=0.04)  # four and a half standard deviations
    assert len(np.unique(mask, axis=0)) == 40
    lanes = [dropout(seed=3, lanes=n) for n in (1, 4, 8, 32)]
    for same in (net, *lanes, dropout(seed=3, dtype="float64"), dropout(seed=3, threads=2)):
        np.testing.assert_array_equal(mask_of(same) == 0, mask == 0)
    net.loss_and_grads(m.MSE(), np.ones((1, 60)), np.ones((1, 60)))
    for other in (net, dropout(seed=4)):
        assert np.mean((mask_of(other) == 0) == (mask == 0)) == pytest.approx(0.625, abs=0.05)


def test_evaluate_and_predict_do_not_count_as_steps():
    net, x = dropout(), np.ones((3, 60))
    mask = mask_of(net)
    net.predict(x)
    net.evaluate(m.MSE(), x, x)
    np.testing.assert_array_equal(mask_of(net), mask)


def test_backward_drops_what_its_forward_dropped():
    net = dropout()
    mask = mask_of(net)
    np.testing.assert_array_equal(net.backward(np.ones((40, 60))), mask)
    net.loss_and_grads(m.MSE(), np.ones((1, 60)), np.ones((1, 60)))  # a training step in between
    np.testing.assert_array_equal(net.backward(np.ones((40, 60))), mask)


def test_dropout_is_off_in_forward_and_its_backward_unless_it_is_training():
    net, x = dropout(), np.random.default_rng(0).standard_normal((40, 60)).astype("float32")
    for train in (False, True, False):
        y, dx = net.forward(x, train=train), net.backward(x)
        np.testing.assert_array_equal(y, dx)
        assert np.array_equal(y, x) != train
        np.testing.assert_array_equal(net.activation("0"), y)


# --- looking inside ---


def test_activation_gives_the_output_of_every_layer():
    net, x = small(dtype="float64"), np.random.default_rng(0).standard_normal((20, 4))
    y = net.forward(x)
    first = x @ net.params["F1.W"].T + net.params["F1.b"]
    np.testing.assert_allclose(net.activation("F1"), first, rtol=1e-12)
    np.testing.assert_allclose(net.activation("1"), np.tanh(first), rtol=1e-12)
    np.testing.assert_array_equal(net.activation("F2"), y)


def test_activation_of_a_view_is_its_input_in_another_shape():
    net, x = every_kind(), images(20)
    net.forward(x)
    np.testing.assert_array_equal(net.activation("12"), net.activation("drop channels").reshape(20, -1))


@pytest.mark.parametrize(("name", "ran"), [("F3", True), ("F1", False)])
def test_an_activation_that_there_is_not(name, ran):
    net = small()
    if ran:
        net.forward(np.zeros((1, 4)))
    expected = "activation: expected one of F1, 1, F2 after a forward pass"
    message = f"{expected}, got {name!r}; call forward(x) first and give a layer's name"
    refused(m.ContractError, message, lambda: net.activation(name))


def test_the_listing_of_a_program():
    listing = str(small().program()).splitlines()
    assert listing == [
        "F1 forward       gemm_bias(3×4, 4×16, 3, 3×16)",
        "1 forward        tanh(3×16, 3×16)",
        "F2 forward       gemm_bias(2×3, 3×16, 2, 2×16)",
        "F2 backward      outer_add(2×16, 3×16, 2×3)  →  outer_add(2×16, 3×16, 16×32, 2×3)",
        "F2 backward      row_sum_add(2×16, 2)",
        "F2 backward      gemm_tn(2×3, 2×16, 3×16)",
        "1 backward       tanh_dx(3×16, 3×16, 3×16)",
        "F1 backward      outer_add(3×16, 4×16, 3×4)  →  outer_add(3×16, 4×16, 16×32, 3×4)",
        "F1 backward      row_sum_add(3×16, 3)",
    ]
    assert str(small(lanes=32).program(train=False)).splitlines()[0] == "F1 forward       gemm_bias(3×4, 4×32, 3, 3×32)"
    assert "packed" not in listing
    names = [call.where for call in every_kind().program().calls]
    first = next(i for i, name in enumerate(names) if not name.endswith(" prepare"))
    assert names[:2] == ["C3 prepare", "C1 prepare"]
    assert names[first : first + 2] == ["C1 forward", "C1 forward"]
    assert "11 forward" not in names, "expected a view to record nothing"


@pytest.mark.skipif(INTERPRET, reason="the rules are for compiled kernels")
def test_the_listing_shows_what_was_recorded_and_what_lowering_made_of_it():
    layers = [("C1", m.Conv2d(2, 3)), ("f", m.Tanh()), m.Flatten(), ("F3", m.Dense(2))]
    listing = str(m.Network(layers, (1, 8, 8), threads=1).program()).splitlines()
    assert listing == [
        "C1 prepare                                                  →  pack_filters(2×1×3×3, 1×1×3×3×2)",
        "C1 forward       conv2d(1×8×8×16, 2×1×3×3, 2, 8, 2×6×6×16)  →  conv2d + tanh(1×8×8×16, 1×1×3×3×2, 2, 8, 2×6×6×16)",
        "f forward        tanh(2×6×6×16, 2×6×6×16)                   ↑",
        "F3 forward       gemm_bias(2×72, 72×16, 2, 2×16)",
        "F3 backward      outer_add(2×16, 72×16, 2×72)               →  outer_add(2×16, 72×16, 16×96, 2×72)",
        "F3 backward      row_sum_add(2×16, 2)",
        "F3 backward      gemm_tn(2×72, 2×16, 72×16)",
        "f backward       tanh_dx(2×6×6×16, 2×6×6×16, 2×6×6×16)",
        "C1 backward      row_sum_add(2×576, 2)",
        "C1 backward      conv2d_dW_add(1×8×8×16, 2×6×6×16, 8, 2×1×3×3)",
    ]


def test_the_summary_is_a_table():
    assert small().summary().splitlines() == [
        "layer  kind   output  parameters  connections",
        "---------------------------------------------",
        "input         4",
        "F1     Dense  3               15           15",
        "1      Tanh   3                0            0",
        "F2     Dense  2                8            8",
        "---------------------------------------------",
        "total                         23           23",
    ]


# --- parameters ---


def test_parameters_have_names_and_lie_in_one_vector():
    net = m.Network(CHAIN, IN_SHAPE, threads=1)
    owned = [("C1", "W"), ("C1", "b"), ("S2", "W"), ("S2", "b"), ("C3", "W"), ("C3", "b"), ("8", "W"), ("8", "b")]
    owned += [("F6", "W"), ("F6", "b"), ("out", "W"), ("out", "b")]
    assert list(net.params) == list(net.grads) == [".".join(pair) for pair in owned]
    assert sum(prod(view.shape) for view in net.params.values()) == len(net.params.flat) == len(net.grads.flat)
    net.params["out.b"][...] = 9
    assert (net.params.flat[-5:] == 9).all()


def test_load_params_sets_all():
    net, other = every_kind(seed=1), every_kind(seed=2)
    net.load_params({name: view.astype("float64") for name, view in other.params.items()})
    np.testing.assert_array_equal(net.params.flat, other.params.flat)
    x = images(3)
    np.testing.assert_array_equal(net.predict(x), other.predict(x))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"F2.b": None},
            "parameters: expected the names F1.W, F1.b, F2.W, F2.b, got a difference in F2.b; rename them",
        ),
        (
            {"F3.W": np.ones(1), "A": np.ones(1)},
            "parameters: expected the names F1.W, F1.b, F2.W, F2.b, got a difference in A, F3.W; rename them",
        ),
        (
            {"F2.b": np.ones(3)},
            "parameters: expected F2.b of shape (2,), got (3,); load them into the network they were made for",
        ),
        (
            {"F2.W": np.ones((3, 2))},
            "parameters: expected F2.W of shape (2, 3), got (3, 2); load them into the network they were made for",
        ),
    ],
)
def test_load_params_sets_nothing_where_names_or_shapes_differ(change, message):
    net = small()
    before = net.params.flat.copy()
    values = {name: np.ones(view.shape) for name, view in net.params.items()} | change
    refused(m.ShapeError, message, lambda: net.load_params({n: v for n, v in values.items() if v is not None}))
    np.testing.assert_array_equal(net.params.flat, before)


@pytest.mark.parametrize("bad", [np.array(["a", "b"]), np.array([1j, 2j]), np.array([None, 1])])
def test_load_params_sets_nothing_where_a_value_is_no_number(bad):
    net = small()
    before = net.params.flat.copy()
    with pytest.raises(m.MinicnnError, match=r"F2\.b"):
        net.load_params({name: np.ones(view.shape) for name, view in net.params.items()} | {"F2.b": bad})
    np.testing.assert_array_equal(net.params.flat, before)


def test_evaluate_and_predict_leave_the_gradients_alone():
    net, x, t = small(), np.ones((40, 4)), np.zeros(40, int)
    net.loss_and_grads(m.CrossEntropy(), x, t)
    grads = net.grads.flat.copy()
    net.predict(x)
    np.testing.assert_array_equal(net.grads.flat, grads)
    net.evaluate(m.CrossEntropy(), x, t)
    np.testing.assert_array_equal(net.grads.flat, grads)


# --- what the constructor and the passes refuse ---


@pytest.mark.parametrize("in_shape", [(), (0,), (3, -1, 4), (3.0,), "abc", 7, None, (3, None)])
def test_an_in_shape_that_is_none(in_shape):
    message = f"Network: expected in_shape as positive whole numbers, got {in_shape!r}; give (C, H, W) or (D,)"
    refused(m.OptionError, message, lambda: m.Network([m.Dense(1)], in_shape))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "float16"}, "Network: expected dtype float32 or float64, got 'float16'; give dtype=\"float32\""),
        ({"dtype": int}, "Network: expected dtype float32 or float64, got <class 'int'>; give dtype=\"float32\""),
        ({"lanes": 0}, "Network: expected lanes as 1, 4, 8 or a multiple of 16, got 0; give lanes=16 or leave it out"),
        ({"lanes": 24}, "Network: expected lanes as 1, 4, 8 or a multiple of 16, got 24; give lanes=16 or leave it out"),
        ({"lanes": 16.0}, "Network: expected lanes as 1, 4, 8 or a multiple of 16, got 16.0; give lanes=16 or leave it out"),
        ({"lanes": True}, "Network: expected lanes as 1, 4, 8 or a multiple of 16, got True; give lanes=16 or leave it out"),
        ({"slots": 0}, "Network: expected slots as a whole number from 1 to 64, got 0; give slots=8 or leave it out"),
        ({"slots": 65}, "Network: expected slots as a whole number from 1 to 64, got 65; give slots=8 or leave it out"),
        ({"slots": 8.0}, "Network: expected slots as a whole number from 1 to 64, got 8.0; give slots=8 or leave it out"),
        ({"slots": True}, "Network: expected slots as a whole number from 1 to 64, got True; give slots=8 or leave it out"),
        ({"seed": -1}, "Network: expected seed as a whole number from 0 to 2^64 − 1, got -1; give seed=0"),
        ({"seed": 2**64}, f"Network: expected seed as a whole number from 0 to 2^64 − 1, got {2**64}; give seed=0"),
        ({"seed": 1.5}, "Network: expected seed as a whole number from 0 to 2^64 − 1, got 1.5; give seed=0"),
        ({"seed": None}, "Network: expected seed as a whole number from 0 to 2^64 − 1, got None; give seed=0"),
        ({"threads": 0}, "threads: expected a whole number of at least 1, got 0; give threads=1 or leave it out"),
    ],
)
def test_an_option_outside_what_it_may_be(options, message):
    refused(m.OptionError, message, lambda: m.Network([m.Dense(1)], (3,), **options))


def test_a_backend_that_there_is_not():
    message = "backend: expected one of cpu, numpy, cuda, got 'gpu'; give backend=\"cpu\""
    refused(m.BackendError, message, lambda: m.Network([m.Dense(1)], (3,), backend="gpu"))


def test_dtype_may_be_a_numpy_dtype():
    assert small(dtype=np.dtype("float64")).params.flat.dtype == np.float64


@pytest.mark.parametrize(
    "item", ["F1", ("F1",), ("F1", 2), (3, m.Dense(1)), ("", m.Dense(1)), ("a.b", m.Dense(1)), m.Dense, None]
)
def test_an_item_that_is_no_named_layer(item):
    what = "Network: expected a Layer, a pair (name without dots, Layer) or (name, Layer, names of its inputs), "
    what += f"got {item!r}; "
    refused(m.OptionError, what + 'write for example ("C1", Conv2d(6, 5))', lambda: m.Network([m.Dense(2), item], (3,)))


def test_no_layers():
    refused(m.OptionError, "Network: expected at least one layer, got none; give a list of layers", lambda: m.Network([], (3,)))


@pytest.mark.parametrize("layers", [[("A", m.Dense(1)), ("A", m.Dense(1))], [("1", m.Dense(1)), m.Dense(1)]])
def test_a_name_given_twice(layers):
    (name, _) = layers[0]
    message = f"Network: expected every name once, got {name!r} again; rename one of the layers"
    refused(m.OptionError, message, lambda: m.Network(layers, (3,)))


def test_a_layer_that_does_not_fit_is_shown_in_its_chain():
    message = """layer 2 "S2" Subsample(): window 2×2 does not tile the 27×27 map of its input (6, 27, 27)
  chain: (1, 32, 32) → C1 Conv2d → (6, 27, 27) → ReLU → (6, 27, 27) → S2 Subsample ✗
  hint: choose a kernel or padding that leaves a multiple of the window"""
    layers = [("C1", m.Conv2d(6, 6)), m.ReLU(), ("S2", m.Subsample(2))]
    refused(m.ShapeError, message, lambda: m.Network(layers, (1, 32, 32)))


def test_backward_needs_a_forward():
    message = "backward: expected a forward pass before it, got none; call forward(x) first"
    refused(m.ContractError, message, lambda: small().backward(np.zeros((1, 2))))


def test_backward_takes_a_gradient_for_every_output():
    net = small()
    net.forward(np.zeros((5, 4)))
    message = "dy: expected 5 images as in the last forward, got 4; give a gradient for every output"
    refused(m.ShapeError, message, lambda: net.backward(np.zeros((4, 2))))
    message = "dy: expected an array (N, 2), got (5, 3); reshape it or build the network for its shape"
    refused(m.ShapeError, message, lambda: net.backward(np.zeros((5, 3))))
    assert net.backward(np.zeros((5, 2))).shape == (5, 4)
    assert net.backward(np.zeros((5, 2)), input_grad=False) is None


def test_an_input_gradient_costs_nothing_where_it_is_not_wanted():
    net, x = every_kind(dtype="float64"), images(20)
    net.forward(x)
    dy = np.random.default_rng(0).standard_normal((20, 5))
    net.backward(dy)
    grads = net.grads.flat.copy()
    net.backward(dy, input_grad=False)
    np.testing.assert_array_equal(net.grads.flat, grads)
    listing = str(net.program())
    assert "C1 backward      conv2d_dW_add" in listing
    assert "C1 backward      conv2d_dx" not in listing


# --- the layer contract, with layers of one's own ---


def local(cls):
    """A layer of this file only: the contract suite goes through minicnn's own."""
    LAYERS.remove(cls)
    return dataclass(frozen=True)(cls)


def flat(function):
    return m.kernel(flat=True)(function)


@flat
def square(w, out):
    for i in range(w.size):
        out[i] = w[i] * w[i]


@flat
def times(x, factor, y):
    for i in range(x.size):
        y[i] = factor[0] * x[i]


@m.kernel
def gradient(x, dy, w, dw):
    """dw += 2w Σ dy·x."""
    total = x.dtype.type(0)
    for i in range(x.shape[0]):
        for l in range(x.shape[1]):
            total += dy[i, l] * x[i, l]
    dw[0] += total * (w[0] + w[0])


@local
class SquareScale(m.Layer):
    """y = w²·x, with everything a plan can ask for."""

    start: float = 3.0

    def plan(self, in_shape):
        return m.Plan(
            in_shape,
            params={"w": m.Param((1,), m.Constant(self.start))},
            consts={"one": np.array([1.0]), "table": np.arange(3, dtype=np.uint8)},
            derived={"squared": m.Buffer((1,))},
            saved={"kept": m.Buffer(in_shape)},
            work={"scratch": m.Buffer(in_shape, "float")},
            state={"passes": m.Buffer((1,), "int64")},
        )

    def prepare(self, k, w, squared, passes):
        k.call(square, w, squared)
        k.call(np.add, passes, np.array([1]), passes)

    def forward(self, k, x, y, squared, kept, scratch, one, table, nobody=None):
        assert nobody is None
        assert table.dtype == np.int64
        assert one.dtype == x.dtype == squared.dtype
        assert scratch.shape == x.shape
        k.copy(x, scratch)
        k.copy(scratch, kept)
        k.call(times, scratch, squared, y)

    def backward(self, k, kept, dy, w, squared, dw, dx):
        k.call(gradient, kept, dy, w, dw)
        if dx is not None:
            k.call(times, dy, squared, dx)


@pytest.mark.parametrize("check", check_layer(SquareScale(), (5,)), ids=str)
def test_a_layer_with_everything_keeps_the_contract(check):
    check()


def test_derived_follows_the_parameters_in_every_kind_of_pass():
    net, x = m.Network([("L", SquareScale())], (4,), threads=2), np.ones((40, 4))
    passes = {
        "forward": lambda: net.forward(x)[0, 0],
        "predict": lambda: net.predict(x)[-1, 0],
        "evaluate": lambda: net.evaluate(m.MSE(), x, 0 * x).loss ** 0.5,
        "loss": lambda: net.loss_and_grads(m.MSE(), x, 0 * x) ** 0.5,
    }
    for w, run in enumerate(passes.values(), start=2):
        net.params["L.w"][0] = w
        assert run() == pytest.approx(w * w)


def test_state_persists_over_passes():
    net = m.Network([("L", SquareScale())], (4,), threads=2)
    for _ in range(3):
        net.predict(np.ones((40, 4)))
    net.forward(np.ones((40, 4)))
    assert net.layers[0].shared["passes"].tolist() == [4]


def test_a_layer_may_call_numpy():
    @local
    class Mix(m.Layer):
        """y = M x, M a const, by BLAS."""

        def plan(self, in_shape):
            return m.Plan(in_shape, consts={"mixer": np.arange(16.0).reshape(4, 4)})

        def forward(self, k, x, y, mixer):
            k.call(np.matmul, mixer, x, y)

        def backward(self, k, dy, dx, mixer):
            if dx is not None:
                k.call(np.matmul, mixer.T, dy, dx)

    for check in check_layer(Mix(), (4,)):
        check()
    assert "matmul(4×4, 4×16, 4×16)" in str(m.Network([Mix()], (4,)).program())


def test_networks_of_views_alone():
    net, x = (
        m.Network([m.Flatten(), m.Flatten()], (2, 3, 3), threads=1),
        np.random.default_rng(0).random((20, 2, 3, 3), "float32"),
    )
    np.testing.assert_array_equal(net.forward(x), x.reshape(20, 18))
    np.testing.assert_array_equal(net.predict(x), x.reshape(20, 18))
    np.testing.assert_array_equal(net.backward(x.reshape(20, 18)), x)
    assert net.loss_and_grads(m.MSE(), x, 0 * x.reshape(20, 18)) == pytest.approx(np.mean(x.astype(float) ** 2))


def test_views_first_and_last():
    net = m.Network([m.Flatten(), m.Dense(4), m.Flatten()], (2, 3), dtype="float64", threads=1)
    check = m.Network([m.Dense(4)], (6,), dtype="float64", threads=1)
    check.params.flat[...] = net.params.flat
    x, dy = np.random.default_rng(0).standard_normal((20, 2, 3)), np.ones((20, 4))
    np.testing.assert_array_equal(net.forward(x), check.forward(x.reshape(20, 6)))
    np.testing.assert_array_equal(net.backward(dy), check.backward(dy).reshape(20, 2, 3))
    net.loss_and_grads(m.MSE(), x, dy)
    assert not any("gemm_tn" in str(call) for call in net.program().calls), "expected no dx before a view that comes first"


def faulty(plan=None, forward=None, backward=None):
    """A network whose first layer has another plan, forward or backward than y = x."""

    @local
    class Faulty(m.Layer):
        def plan(self, in_shape):
            return plan(in_shape) if plan else m.Plan(in_shape, params={"W": m.Param((1,), m.Constant(0.0))})

    Faulty.forward = forward or (lambda self, k, x, y: k.copy(x, y))
    Faulty.backward = backward or (lambda self, k, dy, dx: None)
    return m.Network([("L", Faulty())], (3,), threads=1)


@pytest.mark.parametrize("name", ["x", "y", "dx", "dy", "lanes", "train", "rng"])
@pytest.mark.parametrize("kind", ["params", "consts", "derived", "saved", "work", "state"])
def test_a_plan_may_not_use_a_reserved_name(name, kind):
    value = {"params": m.Param((1,), m.Constant(0.0)), "consts": np.ones(1)}.get(kind, m.Buffer((1,)))
    message = f'layer 0 "L" Faulty(): expected names that are used once, got {name!r} again; rename it in the plan'
    refused(m.ContractError, message, lambda: faulty(lambda s: m.Plan(s, **{kind: {name: value}})))


def test_a_plan_may_not_use_a_name_twice():
    twice = {"params": {"W": m.Param((1,), m.Constant(0.0))}, "work": {"dW": m.Buffer((1,))}}
    message = "layer 0 \"L\" Faulty(): expected names that are used once, got 'dW' again; rename it in the plan"
    refused(m.ContractError, message, lambda: faulty(lambda s: m.Plan(s, **twice)))


def test_an_argument_that_nobody_provides_is_named_with_those_there_are():
    net = faulty(forward=lambda self, k, x, y, weights, more: None)
    message = (
        'layer 0 "L" Faulty(): expected arguments that the network has, got weights, more in <lambda>; '
        "use or plan one of: W, lanes, rng, train, x, y"
    )
    refused(m.ContractError, message, lambda: net.predict(np.zeros((1, 3))))
    net = faulty(backward=lambda self, k, dz: None)
    net.forward(np.zeros((1, 3)))
    message = (
        'layer 0 "L" Faulty(): expected arguments that the network has, got dz in <lambda>; '
        "use or plan one of: W, dW, dx, dy, lanes, rng, train, x, y"
    )
    refused(m.ContractError, message, lambda: net.backward(np.zeros((1, 3))))


def test_prepare_sees_no_activations():
    @local
    class Early(m.Layer):
        def plan(self, in_shape):
            return m.Plan(in_shape, derived={"mean": m.Buffer((1,))})

        def prepare(self, k, x, mean):
            k.zero(mean)

    message = "layer 0 Early(): expected arguments that the network has, got x in prepare; use or plan one of: mean"
    refused(m.ContractError, message, lambda: m.Network([Early()], (3,)))


def test_a_kernel_that_there_is_not():
    net = faulty(forward=lambda self, k, x, y: k.convolve(x, y))
    start = "L forward: expected a kernel of the backend, got k.convolve; use k.call or one of: absolute, absolute_dy, "
    with pytest.raises(m.ContractError, match=f"^{re.escape(start)}"):
        net.predict(np.zeros((1, 3)))


@pytest.mark.skipif(CHECK or INTERPRET, reason="these modes allocate")
def test_running_a_program_allocates_nothing():
    net, x = every_kind(), images(16)
    net.forward(x)
    group = net._trace.groups[0]
    group.run(group.forward)
    tracemalloc.start()
    group.run(group.forward)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2048


def test_a_set_is_checked_without_being_computed():
    net = m.Network([m.Dense(3)], (2,), threads=1)
    x, labels = np.zeros((5, 2)), np.array([0, 1, 2, 3, 0])
    net.check(m.CrossEntropy(), x, labels, [0, 1, 2, 4])
    assert net.steps == 0
    message = r"^target: expected labels from 0 to 2, got 0 to 3; check the labels or the width of the last layer$"
    with pytest.raises(m.DataError, match=message):
        net.check(m.CrossEntropy(), x, labels)
    with pytest.raises(m.DataError, match=r"^index: expected numbers from 0 to 4, got 5 to 5"):
        net.check(m.CrossEntropy(), x, labels, [5])
    with pytest.raises(m.ShapeError, match=r"^x: expected an array \(N, 2\), got \(5, 3\)"):
        net.check(m.CrossEntropy(), np.zeros((5, 3)), labels)
