"""Normalisations and sums of values, fused with what stands beside them, give what the calls do that they replace."""

import numpy as np
import pytest

import minicnn as m
from minicnn import Network
from minicnn.backends import cpu
from minicnn.backends.cpu import INTERPRET, lowering
from minicnn.backends.derived import Derived
from minicnn.backends.meeting import Barrier
from minicnn.backends.program import Program
from minicnn.backends.scratch import Scratch
from minicnn.backends.workspace import Workspace
from minicnn.engine.record import Recorder

pytestmark = pytest.mark.skipif(INTERPRET, reason="the rules are for compiled kernels")
RULES = lowering.norms.RULES
KINDS = ("relu", "scaled_tanh", "tanh", "sigmoid")
SIZES = [(1, 1, 16, 16), (5, 6, 16, 16), (3, 10, 16, 11), (2, 7, 32, 1)]
"""Channels, pixels, lanes, real lanes."""


class Maps:
    """Arrays around a normalisation, and the calls of its passes."""

    def __init__(self, C=3, P=6, L=16, real=16, dtype="float32"):
        rng = np.random.default_rng(0)
        self.x, self.y, self.other, self.dy, self.part, self.dx, self.out = rng.standard_normal((7, C, P, L)).astype(dtype)
        self.dy[..., real:] = self.part[..., real:] = 0
        self.stats = (0.5 + rng.random((2, C))).astype(dtype)
        self.W, self.b, self.db = rng.standard_normal((3, C)).astype(dtype)
        self.row, self.lanes = np.zeros((3, C)), np.array([real])

    def forward(self, kind, joined):
        calls = [("normalize", self.x, self.stats, self.W, self.b, self.y)]
        return [*calls, *([("add", self.other, self.y)] if joined else []), *([(kind, self.y, self.y)] if kind else [])]

    def sum(self, kind, apart):
        calls = [("copy", self.x, self.y)] if apart else []
        return [*calls, ("add", self.other, self.y), *([(kind, self.y, self.y)] if kind else [])]

    def measure(self, kind, joined):
        calls = [("add", self.part, self.dy)] if joined else []
        calls += [(f"{kind}_dx", self.y, self.dy, self.dy)] if kind else []
        return [*calls, ("normalize_sums", self.x, self.dy, self.stats, self.lanes, self.row)]

    def slope(self, kind):
        return self.measure(kind, True)[:2]


def recorded(calls):
    program = Program()
    for name, *arrays in calls:
        getattr(Recorder(cpu.BACKEND, program), name)(*arrays)
    return program


def lowered(calls, fuse=True):
    return lowering.LOWERING.lower(recorded(calls), Workspace(Derived(np.empty(0)), Scratch()), fuse=fuse)


def names(program):
    return [call.name for call in program.calls]


def both(size, calls, close=()):
    """Run calls on equal arrays, fused into one and not, and compare every array: these to rounding, the others bit by bit."""
    plain, fused = Maps(*size), Maps(*size)
    lowered(calls(plain), fuse=False).run()
    program = lowered(calls(fused))
    assert len(program) == 1
    program.run()
    for name, expected in vars(plain).items():
        if name in close:
            np.testing.assert_allclose(getattr(fused, name), expected, close[name], 4 * close[name], err_msg=name)
        else:
            np.testing.assert_array_equal(getattr(fused, name), expected, err_msg=name)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("kind", "joined"), [*((kind, False) for kind in KINDS), (None, True), ("relu", True), ("tanh", True)])
def test_a_normalisation_with_a_sum_and_an_activation(kind, joined, size):
    both(size, lambda maps: maps.forward(kind, joined))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("kind", "apart"), [(None, True), ("relu", True), ("relu", False), ("sigmoid", False)])
def test_a_sum_with_an_activation(kind, apart, size):
    both(size, lambda maps: maps.sum(kind, apart))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("kind", "joined"), [*((kind, False) for kind in KINDS), (None, True), ("relu", True), ("tanh", True)])
def test_the_sums_of_a_gradient_below_an_activation_and_a_sum(kind, joined, size):
    """The sums are in float64 both times, in vectors of another width."""
    both(size, lambda maps: maps.measure(kind, joined), {"row": 1e-13})


@pytest.mark.parametrize("kind", KINDS)
def test_an_activation_whose_output_two_read(kind):
    both((5, 6, 16, 11), lambda maps: maps.slope(kind))


def cases(maps):
    """Calls of every rule."""
    return {
        "forward": maps.forward("relu", True),
        "sum": maps.sum("relu", True),
        "measure": maps.measure("relu", True),
        "slope": maps.slope("relu"),
    }


@pytest.mark.parametrize("case", cases(Maps()))
def test_other_arrays_are_left_alone(case):
    """Those of double precision, and such that a channel is no whole number of vectors."""
    assert len(lowered(cases(Maps())[case])) == 1
    for options in ({"dtype": "float64"}, {"P": 5, "L": 1, "real": 1}):
        calls = cases(Maps(**options))[case]
        assert names(lowered(calls)) == [name for name, *_ in calls]


@pytest.mark.parametrize("case", cases(Maps()))
def test_a_call_in_between_keeps_the_others_apart(case):
    maps = Maps()
    calls = cases(maps)[case]
    for place in range(1, len(calls)):
        reader = ("square", calls[place - 1][-1] if case != "measure" else maps.dy, maps.out)
        found = names(lowered([*calls[:place], reader, *calls[place:]]))
        assert "square" in found
        assert not [name for name in found if name.count("+") == len(calls) - 1], place


def test_what_is_not_in_place_or_adds_an_array_to_itself_is_left_alone():
    maps = Maps()
    first, _, last = maps.forward("relu", True)
    for calls in (
        [first, ("relu", maps.y, maps.out)],
        [first, ("add", maps.y, maps.out)],
        [first, ("add", maps.y, maps.y)],
        [("copy", maps.x, maps.y), ("add", maps.y, maps.y), ("tanh", maps.x, maps.out)],
        [("add", maps.part, maps.dy), ("relu_dx", maps.y, maps.dy, maps.dx)],
        [("add", maps.dy, maps.dy), ("relu_dx", maps.y, maps.dy, maps.dy)],
        [("relu_dx", maps.y, maps.dy, maps.dx), *maps.measure(None, False)],
        [last],
    ):
        assert names(lowered(calls)) == [name for name, *_ in calls]


# --- the order of calls ---


def ordered(calls):
    return [call.name for call in lowering.norms.gathered(recorded(calls).calls)]


def test_a_normalisation_comes_directly_before_the_sum_that_reads_it():
    maps = Maps()
    first, *rest = maps.forward("relu", True)
    apart = ("square", maps.out, maps.other)
    assert ordered([first, apart, *rest]) == ["square", "normalize", "add", "relu"]
    for calls in (
        [first, ("square", maps.out, maps.x), *rest],
        [first, ("square", maps.y, maps.out), *rest],
        [first, apart, ("square", maps.out, maps.stats), *rest],
        [first, apart],
        [first, apart, ("tanh", maps.y, maps.out)],
    ):
        assert ordered(calls) == [name for name, *_ in calls]


def test_sums_of_a_gradient_come_directly_behind_what_writes_it():
    maps = Maps()
    *first, sums = maps.measure("relu", False)
    window, W = np.array([1, 1, 1, 1, 0, 0, 1, 1]), np.ones((3, 2, 1, 1), "float32")
    x, dy = np.ones((2, 6, 1, 16), "float32"), maps.dy.reshape(3, 6, 1, 16)
    between = [
        ("row_sum_add", maps.dy.reshape(3, -1), maps.db),
        ("conv2d_dW_add", x, dy, window, W.copy()),
        ("conv2d_dx", dy, W, window, x.copy()),
        ("square", maps.out, maps.other),
    ]
    assert ordered([*first, *between, sums]) == ["relu_dx", "normalize_sums", *(name for name, *_ in between)]
    for calls in (
        [*first, ("conv2d_dx", dy, W, window, np.ones((3, 6, 1, 16), "float32")), ("square", maps.out, maps.dy), sums],
        [*first, ("row_sum_add", maps.other.reshape(3, -1), maps.stats[0]), sums],
        [("square", maps.out, maps.dy), *between, sums],
        [*between[:1], sums],
    ):
        assert ordered(calls) == [name for name, *_ in calls]


def test_nothing_is_moved_over_a_barrier():
    maps = Maps()
    barrier = Barrier("", "barrier", lambda: None, ())
    first, second, _ = recorded(maps.forward("relu", True)).calls
    between = recorded([("square", maps.out, maps.other)]).calls
    forward = [first, *between, barrier, second]
    back = recorded(maps.measure("relu", False)).calls
    for calls in (forward, [back[0], barrier, *between, back[1]]):
        assert lowering.norms.gathered(calls) == calls


def test_a_copy_of_an_array_to_itself_is_left_out():
    maps = Maps()
    assert ordered([("copy", maps.x, maps.x), ("copy", maps.x, maps.y)]) == ["copy"]


# --- networks ---

ITEMS = [
    ("conv", m.Conv2d(8, 3, padding=1)),
    ("norm", m.BatchNorm2d()),
    ("act", m.ReLU()),
    ("plain", m.Residual([m.Conv2d(8, 1), m.BatchNorm2d(), m.ReLU(), m.Conv2d(8, 1), m.BatchNorm2d()])),
    ("act2", m.ReLU()),
    ("short", m.Residual([m.Conv2d(8, 1), m.BatchNorm2d()], shortcut=[m.Conv2d(8, 1)])),
    ("act3", m.ReLU()),
    ("out", m.Dense(4)),
]
FUSED = [
    "normalize + relu",
    "normalize + relu",
    "normalize + add + relu",
    "normalize + add + relu",
    "relu_dx + normalize_sums",
    "add + relu_dx + normalize_sums",
    "relu_dx + normalize_sums",
    "add + relu_dx + normalize_sums",
]


def trained(monkeypatch, rules):
    """What three steps of training come to, with the rules or without, and the names of fused calls."""
    rng = np.random.default_rng(0)
    with monkeypatch.context() as patch:
        if not rules:
            patch.setattr(
                lowering, "RULES", tuple(rule for rule in lowering.RULES if rule.__module__ != lowering.norms.__name__)
            )
        net, sgd = Network(ITEMS, (3, 8, 8), threads=1, seed=0), m.SGD(0.05, momentum=0.9)
        x, labels = rng.standard_normal((37, 3, 8, 8)).astype("float32"), rng.integers(0, 4, 37)
        losses = []
        for _ in range(3):
            losses.append(net.loss_and_grads(m.CrossEntropy(), x, labels))
            sgd.step(net)
        calls = [name for name in names(net.program()) if "norm" in name and "+" in name]
        return np.array(losses), net.params.flat.copy(), net.predict(x), calls


def test_a_network_trains_as_without_the_rules(monkeypatch):
    *fused, calls = trained(monkeypatch, True)
    *plain, none = trained(monkeypatch, False)
    assert (calls, none) == (FUSED, [])
    for got, expected in zip(fused, plain, strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=2e-5 * np.abs(expected).max())


def test_bits_of_fused_normalisations_do_not_depend_on_threads():
    x, labels = np.random.default_rng(0).standard_normal((100, 3, 8, 8)).astype("float32"), np.arange(100) % 4
    found = []
    for threads in (1, 2, 3, 8):
        net, sgd = Network(ITEMS, (3, 8, 8), threads=threads, seed=0), m.SGD(0.1, momentum=0.9)
        for _ in range(2):
            loss = net.loss_and_grads(m.CrossEntropy(), x, labels)
            sgd.step(net)
        found.append((loss, net.params.flat.tobytes(), net.predict(x).tobytes()))
    assert found == [found[0]] * 4


def test_the_sum_at_a_blocks_end_is_one_pass_at_inference():
    calls = names(Network(ITEMS, (3, 8, 8), threads=1).program(train=False))
    assert calls.count("add + relu") == 2
    assert not {"copy", "add", "relu", "normalize"} & set(calls)


# --- moments in one pass ---


@pytest.mark.parametrize("real", [16, 11])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_moments_of_one_pass_are_those_of_two(dtype, real):
    """Also far from zero, where all are alike, and where the first number, from which the others are counted, is far off.

    That one is the worst: it lies √n standard deviations from the mean, so a rounding of Σ d² counts n times as much.
    """
    x = np.random.default_rng(0).standard_normal((4, 50, 16)).astype(dtype)
    x[1], x[2], x[3, 0, 0] = x[1] + 3000, 1 / 3, 1e6
    row = np.empty((3, 4))
    cpu.channel_moments(x, np.array([real]), row)
    numbers = x[..., :real].astype(float).reshape(4, -1)
    means = numbers.mean(1)
    squares = ((numbers - means[:, None]) ** 2).sum(1)
    np.testing.assert_array_equal(row[0], 50 * real)
    assert (abs(row[1] - means) <= 1e-15 * abs(means) + 1e-13 * np.sqrt(squares / (50 * real))).all()
    np.testing.assert_allclose(row[2], squares, rtol=1e-11, atol=1e-20)
    assert row[2, 2] == 0
