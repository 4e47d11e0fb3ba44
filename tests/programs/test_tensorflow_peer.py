"""TensorFlow as a peer: its form of every layer and every model computes and learns the same as minicnn."""

import importlib
import json
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import minicnn as m
from minicnn import models
from minicnn.backends.cpu.compile.mode import CHECK, INTERPRET

tf = pytest.importorskip("tensorflow", reason="needs the extra bench")

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
harness = importlib.import_module("harness")
zoo = importlib.import_module("harness.zoo")
zoo_training = importlib.import_module("harness.zoo_training")
cases = importlib.import_module("harness.cases")
image_bench = importlib.import_module("image_bench")
zoo_bench = importlib.import_module("zoo_bench")
litert = importlib.import_module("peers.litert")
nhwc = importlib.import_module("peers.nhwc")
tensorflow_network = importlib.import_module("peers.tensorflow_network")
train_tensorflow = importlib.import_module("peers.train_tensorflow")

measurable = pytest.mark.skipif(INTERPRET or CHECK, reason="kernels are not what they are when they are measured")

MAPS, ROWS, VECTOR = (4, 9, 10), (4, 24), (12,)
FIRST = {3: m.Conv2d(4, 1), 2: m.Conv1d(4, 1), 1: m.Dense(12)}
"""A layer before the one that is tested, so that its input has a gradient."""

FUNCTIONS = (
    *(m.ReLU(), m.ReLU6(), m.LeakyReLU(0.1), m.Hardsigmoid(), m.Hardswish(), m.Sigmoid(), m.Tanh(), m.ScaledTanh()),
    *(m.ELU(0.7), m.SELU(), m.GELU(), m.GELU("tanh"), m.SiLU(), m.Softmax(), m.LogSoftmax(), m.Dropout(0.0)),
)
WINDOWS = (
    m.Conv2d(6, (3, 2)),
    m.Conv2d(6, 3, stride=2, padding="same"),
    m.Conv2d(6, 3, stride=(2, 1), padding=1, bias=False),
    m.Conv2d(6, 3, padding=((0, 2), (1, 0))),
    m.Conv2d(6, 3, padding=2, dilation=2),
    m.Conv2d(6, 3, dilation=(1, 3)),
    m.Conv2d(6, 3, padding=1, dilation=(1, 3)),
    m.Conv2d(8, 3, padding=1, groups=4),
    m.Conv2d(6, 3, padding=1, groups=2),
    m.Conv2d(4, 3, padding=1, stride=(1, 2), groups=4),
    m.Conv2d(4, 3, stride=2, padding="same", groups=4),
    m.Conv2d(4, (3, 2), stride=2, padding=1, groups=4, bias=False),
    m.Conv2d(4, 3, padding=2, dilation=2, groups=4),
    m.ConvTranspose2d(6, 2, stride=2),
    m.ConvTranspose2d(6, 4, stride=2, padding=1, output_padding=1, bias=False),
    m.SparseConv2d(((0, 1), (1, 2, 3), (3,)), 3),
    m.SparseConv2d(((0, 1), (1, 2), (2, 3), (0, 1, 3)), 3, group_sizes=(3, 1)),
    m.MaxPool2d(2),
    m.MaxPool2d(3, 2, padding=1),
    m.MaxPool2d(3, 2, ceil_mode=True),
    m.AvgPool2d(2),
    m.AvgPool2d(3, 2, padding=1),
    m.AvgPool2d(3, 1, padding=1, count_include_pad=False),
    m.GlobalAvgPool2d(),
    m.Upsample((2, 3)),
    m.Upsample(2, mode="bilinear"),
)
CHAINS = {
    "flatten and dense": ([m.Flatten(), m.Dense(5)], MAPS),
    "a function between flatten and dense": ([m.Flatten(), m.Tanh(), m.Dropout(0.0), m.Dense(5)], MAPS),
    "dense after maps": ([m.Dense(5, bias=False)], MAPS),
    "dense after rows": ([m.Flatten(), m.ReLU(), m.Dense(5)], ROWS),
    "flatten alone": ([m.Flatten()], MAPS),
    "flatten and rbf": ([m.Flatten(), m.RBF(((0.5,) * 360, (-0.5,) * 360))], MAPS),
    "flatten twice": ([m.Flatten(), m.Flatten(), m.Dense(3)], MAPS),
    "a vector as maps": ([m.Reshape((3, 2, 2)), m.Conv2d(2, 2)], VECTOR),
    "maps as a vector": ([m.Reshape((-1,)), m.Softmax()], MAPS),
    "maps as other maps": ([m.Reshape((8, 9, 5)), m.Conv2d(2, 3)], MAPS),
    "maps of other sizes": ([m.Reshape((4, 15, 6)), m.Conv2d(2, 3)], MAPS),
    "rows": ([m.Conv1d(6, 5, stride=2, padding=(1, 2)), m.MaxPool1d(2), m.AvgPool1d(2), m.Reshape((6, 1, -1))], ROWS),
    "subsampling": ([m.Conv2d(4, (2, 1)), m.Subsample(2)], MAPS),
    "a sum": ([("a", m.Conv2d(4, 3, padding=1)), ("b", m.ReLU()), ("c", m.Add(), ("a", "b", "first"))], MAPS),
    "a sum of vectors": ([("a", m.Flatten()), ("b", m.Reshape((-1,)), "first"), ("c", m.Add(), ("a", "b"))], MAPS),
    "both": ([("a", m.Conv2d(3, 3, padding=1)), ("b", m.Concat(), ("a", "first")), ("c", m.Conv2d(2, 3))], MAPS),
}


def near(got, expected, share, most=0.0):
    expected = np.asarray(expected)
    np.testing.assert_allclose(got, expected, rtol=0, atol=share * max(most, np.abs(expected).max()))


def agree(net, share):
    """Prediction, loss, and gradients of every parameter, from a random target."""
    rng = np.random.default_rng(1)
    x, target = (rng.standard_normal((6, *shape)).astype(net.dtype) for shape in (net.in_shape, net.out_shape))
    network = tensorflow_network.TensorFlowNetwork(net)
    near(network.predict(nhwc.images_of(x)), net.predict(x), share)
    loss = net.loss_and_grads(m.MSE(), x, target)
    with tf.GradientTape() as tape:
        value = train_tensorflow.CRITERIA["image"](network(nhwc.images_of(x), train=True), nhwc.images_of(target))
    got = network.gradients(tape.gradient(value, network.trained))
    near(value.numpy(), loss, share)
    assert list(got) == list(net.params)
    most = np.abs(net.grads.flat).max()  # before a normalisation the gradient of a bias is nothing but rounding
    assert most > 0
    for name, gradient in got.items():
        near(gradient, net.grads[name], share, most)
    arrays = network.arrays()
    for name, value in {**net.params, **net.state}.items():
        if name in arrays:
            near(arrays[name], value, share)


def network_of(layers, in_shape, dtype="float64"):
    first = ("first", FIRST[len(in_shape)])
    return m.Network([first, *layers], in_shape, dtype=dtype, backend="numpy", threads=1, seed=3)


# --- layers ---


@pytest.mark.parametrize("layer", FUNCTIONS, ids=str)
@pytest.mark.parametrize("in_shape", [MAPS, ROWS, VECTOR], ids=str)
def test_a_function_is_the_same(layer, in_shape):
    float32 = isinstance(layer, m.LeakyReLU | m.GELU)  # TensorFlow's constants are
    agree(network_of([layer], in_shape), 1e-7 if float32 else 1e-12)


@pytest.mark.parametrize("layer", WINDOWS, ids=str)
def test_a_layer_over_windows_is_the_same(layer):
    float32 = getattr(layer, "mode", None) == "bilinear"  # TensorFlow's is in float32
    agree(network_of([layer], MAPS), 1e-6 if float32 else 1e-12)


@pytest.mark.parametrize(("layers", "in_shape"), CHAINS.values(), ids=CHAINS)
def test_layers_behind_one_another_are_the_same(layers, in_shape):
    agree(network_of(layers, in_shape), 1e-12)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize(("layer", "in_shape"), [(m.BatchNorm2d, MAPS), (m.BatchNorm1d, ROWS), (m.BatchNorm1d, VECTOR)])
def test_normalisation_by_the_batch_and_by_running_statistics_is_the_same(layer, in_shape, affine):
    net = network_of([("norm", layer(eps=0.01, momentum=0.3, affine=affine)), m.Tanh()], in_shape, "float32")
    for name in ("norm.running_mean", "norm.running_var"):
        with net.update():
            net.state[name][:] = np.random.default_rng(5).uniform(0.5, 1.5, len(net.state[name]))
    agree(net, 1e-5)


@pytest.mark.parametrize(
    ("layers", "in_shape", "sentence"),
    [
        ([("p", m.PReLU())], MAPS, "p: expected one of Add, .* for TensorFlow, got PReLU"),
        ([("c", m.Conv2d(4, 3, stride=2, dilation=2))], MAPS, "c: expected stride 1 where there is dilation .* got stride 2"),
        ([("t", m.ConvTranspose2d(4, 2, groups=2))], MAPS, "t: expected one group and dilation 1 .* got 2 groups"),
        ([("r", m.RBF(((0.0,) * 12,) * 2, trainable=True))], VECTOR, "r: expected centres that stay as they are"),
        ([("m", m.MaxPool2d(2, dilation=2))], MAPS, "m: expected dilation 1 for TensorFlow, got dilation 2"),
        ([("a", m.AvgPool2d(2, ceil_mode=True))], MAPS, "a: expected windows that all count equally many pixels"),
        ([("u", m.Upsample(2, mode="bilinear", align_corners=True))], MAPS, "u: expected corners that are not aligned"),
        ([("n", m.BatchNorm2d(momentum=None))], MAPS, "n: expected running statistics with a momentum"),
        ([("s", m.Reshape((4, 3, 3, 10)))], MAPS, "s: expected a shape of at most three axes"),
        ([("again", "first", "first")], VECTOR, "again: expected parameters of its own"),
    ],
)
def test_what_tensorflow_has_no_form_of_is_one_sentence(layers, in_shape, sentence):
    with pytest.raises(harness.BenchmarkError, match=f"^{sentence}"):
        tensorflow_network.TensorFlowNetwork(network_of(layers, in_shape))


def test_a_network_of_two_outputs_is_refused():
    net = m.Network([("a", m.Dense(2)), ("b", m.Dense(3), "a")], (4,), outputs=("a", "b"), threads=1)
    with pytest.raises(harness.BenchmarkError, match=r"^expected a network of one input and one output .* got several$"):
        tensorflow_network.TensorFlowNetwork(net)


# --- models ---

SMALLER = {
    "unet_small": partial(models.unet_small, 1, (3, 32, 32)),
    "squeezenet_small": partial(models.squeezenet_small, 10, (3, 33, 33)),
}
"""Of models whose steps take long at their own shape."""


def model_of(name):
    """A model of the zoo without dropout, and its network."""
    known = zoo.ZOO[name]
    model = zoo.Model(SMALLER.get(name, known.make), known.task, known.rate)
    return model, zoo.without_dropout(model.make(threads=1, seed=1), threads=1, seed=1)


@pytest.mark.parametrize("name", zoo.ZOO)
def test_every_model_predicts_and_learns_the_same(name):
    model, net = model_of(name)
    x, target = model.data(32)
    loop = train_tensorflow.training(model, net, x, target, batch=16)
    near(loop.network.predict(nhwc.images_of(x[:3])), net.predict(x[:3]), 1e-5)
    start, own = net.params.flat.copy(), zoo_training.Own(model, net, x, target, batch=16)
    np.testing.assert_allclose(float(loop.step()), own.step(), rtol=1e-5)
    got = loop.arrays()
    end = np.concatenate([got[name].ravel() for name in net.params])
    assert np.linalg.norm(end - net.params.flat) <= zoo_training.APART * np.linalg.norm(net.params.flat - start)
    for key in got.keys() - net.params.keys():
        near(got[key], net.state[key], 1e-4)


@pytest.mark.parametrize("case", cases.CASES, ids=lambda case: case.name)
def test_steps_in_one_graph_are_those_made_one_by_one(case):
    net = case.make(threads=1, seed=1)
    rng = np.random.default_rng(0)
    images = rng.standard_normal((128, *net.in_shape), dtype=np.float32)
    data = cases.Data(images, rng.integers(0, 10, 128), images)
    together, single = (train_tensorflow.TensorFlow(case, net, data) for _ in range(2))
    optimizer, following = m.Adam(case.rate) if case.adam else m.SGD(case.rate, momentum=0.9), cases.order(128, case.batch)
    start = net.params.flat.copy()
    losses = []
    for _ in range(3):
        losses.append(net.loss_and_grads(case.loss, images, data.labels, following()))
        optimizer.step(net)
    np.testing.assert_allclose([float(single.step()) for _ in range(3)], losses, rtol=1e-4)
    np.testing.assert_allclose(float(together.steps(3)), losses[-1], rtol=1e-4)
    assert losses[0] != losses[-1]
    for loop in (together, single):
        end = np.concatenate([loop.arrays()[name].ravel() for name in net.params])
        assert np.linalg.norm(end - net.params.flat) <= 0.01 * np.linalg.norm(net.params.flat - start)


# --- LiteRT ---


@pytest.mark.parametrize("name", image_bench.NETWORKS)
@pytest.mark.parametrize("batch", [1, 3])
def test_litert_predicts_the_same(name, batch):
    net = image_bench.NETWORKS[name](threads=1, seed=1)
    x = np.random.default_rng(0).standard_normal((batch, *net.in_shape), dtype=np.float32)
    (work,) = litert.predicting(net, x, 1).values()
    near(work(), net.predict(x), 1e-5)


# --- the benchmarks ---


@measurable
def test_training_is_measured_beside_tensorflows(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(harness, "peer", lambda name: tf if name == "tensorflow" else None)
    limited = []
    monkeypatch.setattr(train_tensorflow, "limit", limited.append)  # only a process that has computed nothing can be limited
    given = ["--quick", "--rounds", "1", "--batch", "4", "--models", "lenet5_modern", "--json", str(tmp_path / "z.json")]
    assert harness.run("zoo_bench", zoo_bench.benchmark, given) == 0, capsys.readouterr().err
    train, *infer = json.loads((tmp_path / "z.json").read_text())["rows"]
    assert limited == [1]
    assert set(train["timings"]) == {"own", "control", "tensorflow"}
    assert train["over_best"] == pytest.approx(train["tensorflow_ms"] / train["minicnn_ms"])
    assert all(row["tensorflow_ms"] is None for row in infer)
