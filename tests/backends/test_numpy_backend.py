"""The NumPy backend: networks on it compute what compiled ones do, to rounding, and need no compiler."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from everything import CURVED, CURVED_SHAPE, LAYERS, PENALTIES, SHAPE, close
from hypothesis import given
from lenets import CLASSES, DIGITS, LENETS, Training
from strategies import STRATEGIES, examples

import minicnn as m
from minicnn.backends.cpu import CHECK, INTERPRET
from minicnn.data import Affine, Distorted, Elastic, Normalise, Pixels, load_mnist
from minicnn.testing import check_layer

ROOT = Path(m.__file__).parent


def both(layers, shape, dtype="float64", **options):
    """The same network on this backend and on the compiled one."""
    return (m.Network(layers, shape, dtype, backend, threads=1, seed=1, **options) for backend in ("numpy", "cpu"))


def apart(ours, theirs):
    """The largest difference as a part of the largest value."""
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


# --- the same numbers ---


@pytest.mark.parametrize("name", LENETS)
def test_five_steps_of_a_lenet_are_those_of_the_compiled_backend(name):
    plain, compiled = (Training(name, dtype="float64", backend=backend, threads=1) for backend in ("numpy", "cpu"))
    for training in (plain, compiled):
        training.optimizer = m.SGD(0.01, momentum=0.9)
    assert apart(plain.losses(5), compiled.losses(5)) <= 1e-12
    for vector in ("grads", "params"):
        for key, value in getattr(compiled.net, vector).items():
            assert apart(getattr(plain.net, vector)[key], value) <= 1e-12, f"{vector} {key}"
    assert apart(plain.optimizer.moments["velocity"], compiled.optimizer.moments["velocity"]) <= 1e-12
    assert apart(plain.net.predict(plain.x), compiled.net.predict(compiled.x)) <= 1e-12


@pytest.mark.parametrize("optimizer", [lambda: m.SGD(0.1, 0.9, nesterov=True, weight_decay=0.01), m.Adam, m.AdamW])
def test_every_optimiser_takes_the_steps_of_the_compiled_backend(optimizer):
    nets, x = both(LAYERS, SHAPE), np.random.default_rng(0).standard_normal((20, *SHAPE))
    ways = []
    for net in nets:
        step, start = optimizer(), net.params.flat.copy()
        for _ in range(3):
            net.loss_and_grads(m.CrossEntropy(0.1), x, np.arange(20) % 5)
            step.step(net)
        ways.append(net.params.flat - start)
    assert apart(*ways) <= 1e-6  # Adam divides small gradients by small gradients


def test_a_network_of_everything_is_that_of_the_compiled_backend():
    """Its passes that keep everything, masks of dropout among them, and depth first, in a batch with padding lanes."""
    ours, theirs = both(LAYERS, SHAPE)
    rng = np.random.default_rng(0)
    x, dy = (rng.standard_normal((34, *shape)) for shape in (SHAPE, (5,)))
    close(ours.forward(x, train=True), theirs.forward(x, train=True))
    for name in ("columns", "direct", "6", "sparse"):  # 6 is the dropout
        close(ours.activation(name), theirs.activation(name))
    assert (ours.activation("6") == 0).any()
    close(ours.backward(dy), theirs.backward(dy))
    close(ours.grads.flat, theirs.grads.flat, 10)
    target, batch = np.abs(dy), rng.permutation(34)
    mine, other = (net.loss_and_grads(m.MSE(), x, target, batch) for net in both(LAYERS, SHAPE))
    assert mine == pytest.approx(other, rel=1e-12)
    close(ours.predict(x, batch), theirs.predict(x, batch))


def test_one_image_alone_is_that_of_the_compiled_backend():
    ours, theirs = both(LAYERS, SHAPE)
    x, labels = np.random.default_rng(0).standard_normal((3, *SHAPE)), np.array([1, 4, 0])
    for image in range(3):
        mine, other = (net.score_and_grads(m.CrossEntropy(), x, labels, [image]) for net in (ours, theirs))
        assert mine.loss == pytest.approx(other.loss, rel=1e-12)
        close(ours.grads.flat, theirs.grads.flat, 10)
        close(ours.predict(x, [image]), theirs.predict(x, [image]))


def test_the_curvature_and_the_steps_it_leads_to_are_those_of_the_compiled_backend():
    ours, theirs = both(CURVED, CURVED_SHAPE)
    x, labels = np.random.default_rng(0).standard_normal((34, *CURVED_SHAPE)), np.arange(34) % 5
    for loss, target in ((m.CrossEntropy(), labels), (m.MSE(), np.eye(5)[labels])):
        close(ours.curvature(loss, x, target).flat, theirs.curvature(loss, x, target).flat)
    for net in (ours, theirs):
        sdlm = m.SDLM(0.01)
        sdlm.estimate(net, m.MSE(), x, labels)
        net.loss_and_grads(m.MSE(), x, labels)
        sdlm.step(net)
    close(ours.params.flat, theirs.params.flat, 10)


@pytest.mark.parametrize("loss", [m.MLE(), m.MAP(2.0)], ids=["nearest", "map"])
def test_penalties_and_trained_centres_are_those_of_the_compiled_backend(loss):
    ours, theirs = both(PENALTIES, (6,))
    x, labels = np.random.default_rng(0).standard_normal((20, 6)), np.arange(20) % 3
    mine, other = (net.score_and_grads(loss, x, labels) for net in (ours, theirs))
    assert mine.correct == other.correct
    assert mine.loss == pytest.approx(other.loss, rel=1e-12)
    close(ours.grads.flat, theirs.grads.flat)
    close(ours.curvature(loss, x, labels).flat, theirs.curvature(loss, x, labels).flat)


PLAIN = Pixels(DIGITS, Normalise.between(-0.1, 1.175), 32)
SOURCES = {
    "padded": PLAIN,
    "resized": Pixels(DIGITS, PLAIN.normalise, 24, "resize"),
    "distorted": Distorted(
        PLAIN, Affine(shift=2, scale=0.2, squeeze=0.1, shear=0.2, rotation=20), Elastic(alpha=8, sigma=4), seed=5
    ),
}


@pytest.mark.parametrize("name", SOURCES)
def test_images_enter_as_on_the_compiled_backend(name):
    source = SOURCES[name]
    ours, theirs = both([("C", m.Conv2d(2, 5, stride=3)), m.Flatten(), ("F", m.Dense(3))], source.shape[1:])
    for net in (ours, theirs):
        net.steps = 4
        net.score_and_grads(m.MSE(), source, CLASSES % 3, np.arange(5, 25))
    close(ours.grads.flat, theirs.grads.flat, 10)
    close(ours.predict(source), theirs.predict(source), 10)


def test_distorted_images_can_be_looked_at():
    source, index = SOURCES["distorted"], [3, 1, 4]
    ours, theirs = (source.look(index, step=2, backend=backend) for backend in ("numpy", "cpu"))
    assert ours.shape == (3, 32, 32)
    assert np.median(np.abs(ours - theirs)) < 1e-5  # in float32 a place that is rounded otherwise may be another pixel


# --- the same contract ---


@pytest.mark.parametrize("kind", STRATEGIES, ids=lambda kind: kind.__name__)
def test_layer_keeps_the_contract_whatever_its_options(kind):
    @examples(6 if kind in (m.Conv2d, m.SparseConv2d) else 3)
    @given(STRATEGIES[kind])
    def keeps_the_contract(case):
        for check in check_layer(*case, backend="numpy"):
            check()

    keeps_the_contract()


@dataclass(frozen=True)
class Softplus(m.Layer):
    """y = log(1 + e^x), of plain functions."""

    def plan(self, in_shape):
        return m.Plan(out_shape=in_shape)

    def forward(self, k, x, y):
        k.call(softplus, x, y)

    def backward(self, k, x, dy, dx):
        if dx is not None:
            k.call(softplus_dx, x, dy, dx)


def softplus(x, y):
    y[...] = np.log1p(np.exp(x))


def softplus_dx(x, dy, dx):
    dx[...] = dy / (1 + np.exp(-x))


@pytest.mark.parametrize("check", check_layer(Softplus(), (3, 4), backend="numpy"), ids=str)
def test_a_prototype_of_plain_functions_is_a_layer(check):
    check()


def test_one_thread_calls_whatever_was_asked_for():
    assert m.Network([m.Tanh()], (3,), backend="numpy", threads=2).threads == 1


def test_what_is_recorded_is_what_runs():
    net = m.models.lenet5(backend="numpy")
    names = [call.name for call in net.program(train=False).calls]
    assert names[:4] == ["spread", "conv2d", "scaled_tanh", "subsample"]


def test_a_kernel_can_be_replaced(monkeypatch):
    shapes = []
    monkeypatch.setitem(m.backends.get("numpy").kernels, "tanh", lambda x, y: (shapes.append(x.shape), np.sinh(x, out=y)))
    x = np.ones((2, 3))
    np.testing.assert_array_equal(m.Network([m.Tanh()], (3,), "float64", "numpy").predict(x), np.sinh(x))
    assert shapes == [(3, 16)]


def test_no_warning_comes_of_large_numbers(recwarn):
    layers = [m.Sigmoid(), m.Tanh(), m.Dense(4), m.ScaledTanh(), m.Dense(3), m.Softmax()]
    net = m.Network(layers, (5,), backend="numpy")
    net.loss_and_grads(m.MSE(), 1e4 * np.random.default_rng(0).standard_normal((20, 5)), np.arange(20) % 3)
    assert not recwarn.list


# --- without a compiler ---

BLOCKED = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("numba", "llvmlite"):
            raise ModuleNotFoundError(f"No module named {name!r}")
sys.meta_path.insert(0, Blocker())
"""

ALONE = """
import numpy as np
from minicnn import *
from minicnn import cli, data, testing
from minicnn.data import Distorted, Normalise, Pixels

digits = np.random.default_rng(0).integers(0, 256, (40, 28, 28)).astype(np.uint8)
x, labels = Distorted(Pixels(digits, Normalise.standard(0.13, 0.31)), data.Affine(shift=1)), np.arange(40) % 10
layers = [Conv2d(4, 5, stride=3), ReLU(), Dropout(0.2), Dense(10)]
net, update = Network(layers, (1, 28, 28), backend="numpy"), Adam(0.01)
losses = []
for _ in range(30):
    losses.append(net.loss_and_grads(CrossEntropy(), x, labels))
    update.step(net)
print(losses[-1] < losses[0] / 2, net.evaluate(CrossEntropy(), x.pixels, labels).images, x.look([0], backend="numpy").shape)
for check in testing.check_layer(Dense(3), (4,), backend="numpy"):
    check()
for wrong in (lambda: Network(layers, (1, 28, 28)), lambda: kernel(print)):
    try:
        wrong()
    except BackendError as error:
        print(error)
print(cli.main(["info"]), cli.main(["warmup"]))
"""


def test_it_trains_where_numba_is_not_installed(python):
    printed = python(BLOCKED + "sys.stderr = sys.stdout\n" + ALONE).splitlines()
    assert printed[0] == "True 40 (1, 28, 28)"
    needs = "expected the packages of that backend, got: No module named 'numba'"
    hint = 'run pip install numba, or give backend="numpy"'
    assert printed[1:3] == 2 * [f"backend cpu: {needs}; {hint}"]
    installation = {
        line.split(":")[0]: line.split(":", 1)[1].strip() for line in printed if line.startswith(("backend", "kernel"))
    }
    assert installation["backend cpu"] == f"not usable: {needs}; {hint}"
    assert installation["backend numpy"].startswith("usable: ")
    assert installation["kernel cache"] == "none: nothing can be compiled"
    assert printed[-2:] == [f"minicnn: backend cpu: {needs}; {hint}", "0 2"]


def test_training_on_it_imports_no_compiler(python):
    training, _ = ALONE.split("for check in testing.check_layer")
    code = training + "import sys\nprint([name for name in ('numba', 'llvmlite') if name in sys.modules])"
    assert python(code).splitlines()[-1] == "[]"


# --- training, and reading ---


def test_lenet5_learns():
    digits = load_mnist(source="subset", log=lambda line: None)
    x = Pixels(digits.train_images, Normalise.standard(0.1307, 0.3081))
    net, update = m.models.lenet5_modern(backend="numpy", seed=0), m.Adam(3e-3)
    for start in range(0, 640, 16):
        net.loss_and_grads(m.CrossEntropy(), x, digits.train_labels, np.arange(start, start + 16))
        update.step(net)
    assert net.evaluate(m.CrossEntropy(), x.over(digits.test_images), digits.test_labels, np.arange(200)).accuracy > 0.6


READ = 5_200
"""Lines of all files that one training step of LeNet-5 enters, at most."""


def entered(work):
    """The package's files of which a function runs while some work is done, and their lines."""
    names = set()
    sys.setprofile(lambda frame, event, argument: names.add(frame.f_code.co_filename) if event == "call" else None)
    try:
        work()
    finally:
        sys.setprofile(None)
    paths = {Path(name) for name in names if name.startswith(str(ROOT))}
    return {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in paths}


def read_for_a_step():
    """The files, with their lines, that LeNet-5's first step enters, in which passes are recorded and parameters updated."""
    net, loss, update = m.models.lenet5(backend="numpy"), m.MSE(1, -1), m.SGD(0.1, momentum=0.9)
    x, labels = np.zeros((32, *net.in_shape), np.float32), np.zeros(32, np.int64)
    return entered(lambda: (net.loss_and_grads(loss, x, labels), update.step(net)))


def test_what_a_training_step_enters_can_be_read_in_an_afternoon():
    read = read_for_a_step()
    assert {"network.py", "nn/sparse_conv.py", "backends/numpy/conv.py", "optim/optimizers.py"} <= set(read)
    assert not any(name.startswith(("backends/cpu", "backends/cuda")) for name in read)
    assert sum(read.values()) <= READ, f"expected at most {READ} lines, got {sum(read.values())} in {sorted(read.items())}"


@pytest.mark.parametrize("page", ["README.md", "docs/design.md"])
def test_a_page_says_how_much_there_is_to_read(page):
    read, text = read_for_a_step(), (ROOT.parent / page).read_text("utf-8")
    files, lines = re.search(r"enters (\d+) files\s+with about (\d,\d00) lines", text).groups()
    assert int(files) == len(read)
    assert abs(int(lines.replace(",", "")) - sum(read.values())) <= 50, "expected the nearest hundred"


@pytest.mark.skipif(CHECK or INTERPRET, reason="there is no machine code to run without the interpreter")
@pytest.mark.parametrize("images", [1, 32])
def test_a_second_call_enters_few_files(images):
    """What is recorded once is not read again: from the network to the loop over machine code on the compiled backend."""
    net, loss = m.models.lenet5(threads=1), m.MSE(1, -1)
    x, labels = np.zeros((images, *net.in_shape), np.float32), np.zeros(images, np.int64)
    net.loss_and_grads(loss, x, labels)
    files = entered(lambda: net.loss_and_grads(loss, x, labels))
    assert "backends/cpu/runtime/driver.py" in files
    assert len(files) <= 10, f"expected at most 10 files, got {sorted(files)}"
