"""Every rewriting rule gives what the calls that it replaces give, and keeps away from calls that it is not for."""

from contextlib import nullcontext
from unittest import mock

import numpy as np
import pytest

import minicnn as m
from minicnn import Network
from minicnn.backends import cpu
from minicnn.backends.cpu import INTERPRET, lowering
from minicnn.backends.derived import Derived
from minicnn.backends.program import Program
from minicnn.backends.scratch import Scratch
from minicnn.backends.workspace import Workspace
from minicnn.engine.record import Recorder
from minicnn.nn import Conv2d, Dense, Flatten, MaxPool2d, ReLU, ScaledTanh, Sigmoid, SparseConv2d, Subsample, Tanh

pytestmark = pytest.mark.skipif(INTERPRET, reason="the rules are for compiled kernels")
ACTIVATIONS = {"relu": ReLU, "scaled_tanh": ScaledTanh, "tanh": Tanh, "sigmoid": Sigmoid}
ELSEWHERE = {
    lowering.convolution_by_shape,
    lowering.convolution_dx_by_shape,
    lowering.convolution_dw_by_shape,
    lowering.sparse_convolution_by_rows,
    lowering.sparse_convolution_backward_by_rows,
    *lowering.norms.RULES,
}
"""Rules compared in files of their own, most as their kernels round in another way: test_winograd.py, test_norm_fused.py, …"""

COVERED = {
    lowering.convolution_activation,
    lowering.subsample_activation,
    lowering.subsample_activation_backward,
    lowering.max_pool_activation_backward,
}
HALVES = np.array(lowering.HALVES)
LOWER = lowering.LOWERING.lower
TABLE = ((0, 1), (1, 2), (0, 2), (0, 1, 2), (1,))

SUMS = {"rtol": 2e-6, "atol": 4e-6}
"""A fused kernel adds the numbers of a map in vectors, the calls it replaces one after another or in vectors of their own."""


def test_every_rule_is_compared():
    assert set(lowering.RULES) == COVERED | ELSEWHERE


def normal(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def unfused():
    """Networks lower their programs without any rule for neighbours."""
    return lowered_by(lambda program, workspace, moving, fuse, results: LOWER(program, workspace, moving, False, results))


def lowered_by(lower):
    """Networks lower their programs in another way."""

    def lowered(program, workspace, moving=False, fuse=True, results=None):
        return lower(program, workspace, moving, fuse, results)

    return mock.patch.object(lowering.LOWERING, "lower", lowered)


def names(program):
    return [call.name for call in program.calls]


def outcome(layers, shape, rules):
    """What a network gives for 21 images, whose last group is incomplete, and for one."""
    rng = np.random.default_rng(5)
    with nullcontext() if rules else unfused():
        net = Network(layers, shape, threads=1, seed=3)
        x, dy = normal(rng, 21, *shape), normal(rng, 21, *net.out_shape)
        found = {"y": net.forward(x), "dx": net.backward(dy), "one y": net.predict(x[:1])}
        found |= {f"d{name}": grad.copy() for name, grad in net.grads.items()}
        net.loss_and_grads(m.MSE(), x[:1], dy[:1])
        found |= {f"one d{name}": grad.copy() for name, grad in net.grads.items()}
        return found, [name for name in names(net.program()) if " + " in name]


def compare(layers, shape, sums=()):
    """Demand the same bits of both ways, but for these sums; return the names of the fused calls."""
    (plain, none), (fused, calls) = outcome(layers(), shape, False), outcome(layers(), shape, True)
    assert none == []
    for name, expected in plain.items():
        if name in sums:
            np.testing.assert_allclose(fused[name], expected, err_msg=name, **SUMS)
        else:
            np.testing.assert_array_equal(fused[name], expected, err_msg=name)
    return calls


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("channels", "filters", "padding"), [(1, 6, 2), (3, 7, 0), (5, 13, 1)])
def test_a_convolution(activation, channels, filters, padding):
    def layers():
        return [Conv2d(filters, 5, padding=padding), ACTIVATIONS[activation]()]

    calls = compare(layers, (channels, 11, 13))
    assert calls in ([f"conv2d + {activation}"], [f"sparse_conv2d + {activation}"])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_depthwise_convolution(activation):
    layers = [Conv2d(6, 3, stride=2, padding="same", groups=6), ACTIVATIONS[activation]()]
    assert compare(lambda: layers, (6, 8, 11)) == [f"depthwise_conv2d + {activation}"]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_convolution_over_a_table(activation):
    assert compare(lambda: [SparseConv2d(TABLE, 5), ACTIVATIONS[activation]()], (3, 9, 10)) == [f"sparse_conv2d + {activation}"]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("activation", [None, "relu", "tanh"])
@pytest.mark.parametrize(("channels", "kernel", "padding"), [(32, 3, 1), (8, 5, 2), (3, 1, 0)])
def test_a_transposed_convolution_has_bias_and_activation_in_its_store(channels, kernel, padding, activation, bias):
    """Where the sums are made by transforms, or of one tap; they round in another way, so they are compared with float64."""
    up = m.ConvTranspose2d(channels, kernel, padding=padding, bias=bias, bias_init=m.TorchDefault())
    layers = [up, *([ACTIVATIONS[activation]()] if activation else [])]
    single, exact = (Network(layers, (channels, 6, 8), dtype, threads=1) for dtype in ("float32", "float64"))
    exact.load_params(single.params)
    parts = ["conv2d_dx", *(["row_add"] if bias else []), *([activation] if activation else [])]
    assert " + ".join(parts) in [call.name for call in single.program(train=False).calls if call.name != "pack_channels"]
    x = normal(np.random.default_rng(0), 17, channels, 6, 8)
    for y in (single.predict(x), single.forward(x)):
        np.testing.assert_allclose(y, exact.predict(x), rtol=0, atol=2e-5)


@pytest.mark.parametrize("options", [{"stride": 2}, {"groups": 2}])
def test_other_transposed_convolutions_are_three_calls(options):
    net = Network([m.ConvTranspose2d(4, 3, **options), ReLU()], (4, 6, 8), threads=1)
    assert names(net.program(train=False))[-2:] == ["row_add", "relu"]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_convolutions_of_one_image_are_fused(activation):
    rng = np.random.default_rng(1)
    for (C, F, size), pad in [((1, 6, 12), 2), ((3, 16, 9), 0)]:
        g = np.array([5, 5, 1, 1, pad, pad, 1, 1])
        out = size + 2 * pad - 4
        x, W, b = normal(rng, C, size, size, 1), normal(rng, F, C, 5, 5), normal(rng, F)
        results = []
        for rules in (False, True):
            y = np.zeros((F, out, out, 1), np.float32)
            calls = names(run([("conv2d", x, W, b, g, y), (activation, y, y)], rules))
            assert calls == ["pad"] * (pad > 0) + ([f"conv2d_image + {activation}"] if rules else ["conv2d_image", activation])
            results.append(y)
        np.testing.assert_array_equal(*results)


def run(calls, rules):
    """Record calls, lower them, fuse them or not, run them."""
    program = lowered(calls, fuse=rules)
    program.run()
    return program


def lowered(calls, **options):
    """Calls in the backend's kernels."""
    return LOWER(record(calls), Workspace(Derived(np.empty(0)), Scratch()), **options)


def record(calls):
    program = Program()
    for name, *arrays in calls:
        getattr(Recorder(cpu.BACKEND, program), name)(*arrays)
    return program


class Maps:
    """Arrays of a pool between two activation functions, and the calls of its passes."""

    def __init__(self, C=3, OH=2, OW=3, L=16, dtype="float32", g=HALVES, seed=0):
        rng = np.random.default_rng(seed)
        self.x, self.dx = (rng.uniform(-1, 1, (C, 2 * OH, 2 * OW, L)).astype(dtype) for _ in range(2))
        self.y, self.dy = (rng.uniform(-1, 1, (C, OH, OW, L)).astype(dtype) for _ in range(2))
        self.coef, self.b, self.dcoef, self.db, self.below = (rng.uniform(-1, 1, C).astype(dtype) for _ in range(5))
        self.tap = rng.integers(0, 4, (C, OH, OW, L), np.int32)
        self.g, self.group = g, np.arange(C)

    def bias(self, grouped):
        flat = self.dx.reshape(len(self.dx), -1)
        return ("group_sum_add", flat, self.group, self.below) if grouped else ("row_sum_add", flat, self.below)

    def forward(self, above):
        return [("subsample", self.x, self.coef, self.b, self.g, self.y), (above, self.y, self.y)]

    def backward(self, above, below, grouped=False):
        return [
            (f"{above}_dx", self.y, self.dy, self.dy),
            ("subsample_dcoef_add", self.x, self.dy, self.g, self.dcoef),
            ("row_sum_add", self.dy.reshape(len(self.dy), -1), self.db),
            ("subsample_dx", self.dy, self.coef, self.g, self.dx),
            (f"{below}_dx", self.x, self.dx, self.dx),
            self.bias(grouped),
        ]

    def winners(self, below, grouped=False):
        calls = [("max_pool_dx", self.dy, self.tap, self.g, self.dx), (f"{below}_dx", self.x, self.dx, self.dx)]
        return [*calls, self.bias(grouped)]


def both(size, calls, same, close=()):
    """Run calls on equal arrays, fused into one and not, and compare."""
    plain, fused = Maps(*size), Maps(*size)
    run(calls(plain), False)
    assert len(run(calls(fused), True)) == 1
    for name in same:
        np.testing.assert_array_equal(getattr(fused, name), getattr(plain, name), err_msg=name)
    for name in close:
        expected = getattr(plain, name)
        rounding = 4 * np.spacing(np.abs(expected).max())  # of partial sums, whose order follows the width of the vectors
        np.testing.assert_allclose(getattr(fused, name), expected, SUMS["rtol"], max(SUMS["atol"], rounding), err_msg=name)


SIZES = [(1, 1, 1, 16), (6, 3, 5, 16), (16, 5, 2, 32)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("above", ACTIVATIONS)
def test_a_subsampling(size, above):
    both(size, lambda maps: maps.forward(above), ["y"])


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("below", ACTIVATIONS)
@pytest.mark.parametrize("above", ACTIVATIONS)
def test_a_subsampling_backward(size, above, below, grouped):
    both(size, lambda maps: maps.backward(above, below, grouped), ["dx"], ["dcoef", "db", "below"])


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("below", ACTIVATIONS)
def test_a_max_pool_backward(size, below, grouped):
    both(size, lambda maps: maps.winners(below, grouped), ["dx"], ["below"])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_pools_in_a_network(activation):
    f = ACTIVATIONS[activation]

    def subsampled():
        return [("C1", Conv2d(6, 5)), f(), ("S2", Subsample(2)), f(), Flatten(), ("F", Dense(3))]

    def pooled():
        return [("C1", Conv2d(6, 5, padding=2)), f(), MaxPool2d(2), Flatten(), ("F", Dense(3))]

    calls = compare(subsampled, (1, 12, 12), {"dC1.b", "dS2.W", "dS2.b"})
    assert sum(name.startswith(f"subsample + {activation}") for name in calls) == 1
    assert sum("subsample_dcoef_add" in name for name in calls) == 1
    assert sum("max_pool_dx" in name for name in compare(pooled, (1, 12, 12), {"dC1.b"})) == 1


def pooled_network(moving):
    """A network with two pools, whose gradients lie over what they are the gradients of, or in memory of their own."""
    layers = [("C1", Conv2d(6, 5)), ReLU(), MaxPool2d(2), ("C3", Conv2d(8, 3)), Tanh(), ("S4", Subsample(2)), Tanh()]
    with lowered_by(lambda program, workspace, wanted, *rest: LOWER(program, workspace, wanted and moving, *rest)):
        net = Network([*layers, Flatten(), Dense(4)], (1, 16, 16), threads=1, seed=3)
        rng = np.random.default_rng(5)
        net.loss_and_grads(m.MSE(), normal(rng, 40, 1, 16, 16), normal(rng, 40, 4))
        return net, net.program()


def test_the_gradient_of_a_pools_input_lies_over_it():
    (apart, plain), (over, program) = pooled_network(False), pooled_network(True)
    np.testing.assert_array_equal(over.grads.flat, apart.grads.flat)
    for calls, same in ((plain.calls, False), (program.calls, True)):
        back = {call.where: call.arrays for call in calls if "backward" in call.where and " + " in call.name}
        (x, _, _, dx, _), (above, _, _, _, dabove, *_) = list(back.values())[::-1]
        assert [lowering.same(x, dx), lowering.same(above, dabove)] == [same, same]


def test_nothing_is_written_over_what_a_later_call_reads():
    maps = Maps()
    calls = maps.winners("relu")
    (fused,) = lowered(calls, moving=True).calls
    assert lowering.same(fused.arrays[0], fused.arrays[3])
    kept, reader = lowered([*calls, ("copy", maps.x, np.empty_like(maps.x))], moving=True).calls
    assert not lowering.same(kept.arrays[0], kept.arrays[3])
    assert lowering.same(reader.arrays[0], maps.x)
    moved, reader = lowered([*calls, ("copy", maps.dx, np.empty_like(maps.x))], moving=True).calls
    assert lowering.same(moved.arrays[3], reader.arrays[0])
    assert lowering.same(reader.arrays[0], maps.x)


def test_what_is_kept_to_look_at_is_not_written_over():
    net = Network([("C1", Conv2d(6, 5)), ("f1", ReLU()), MaxPool2d(2)], (1, 12, 12), threads=1, seed=3)
    x = normal(np.random.default_rng(5), 3, 1, 12, 12)
    net.forward(x)
    before = net.activation("f1")
    net.backward(np.ones((3, 6, 4, 4), np.float32))
    np.testing.assert_array_equal(net.activation("f1"), before)


def gradients(n, threads):
    """Those of a small network for n images, with NaN in all slots beforehand."""
    layers = [("C1", Conv2d(6, 5)), ReLU(), MaxPool2d(2), Flatten(), ("F2", Dense(7)), Tanh(), ("F3", Dense(4))]
    net = Network(layers, (1, 12, 12), threads=threads, seed=3)
    rng = np.random.default_rng(5)
    x, target = normal(rng, n, 1, 12, 12), normal(rng, n, 4)
    net.loss_and_grads(m.MSE(), x, target)
    for slot in net._slots._all:
        slot.grads.flat[:] = np.nan
    net.loss_and_grads(m.MSE(), x, target)
    return net.grads.flat.copy()


@pytest.mark.parametrize("n", [1, 7, 40, 150])
@pytest.mark.parametrize("threads", [1, 2])
def test_what_is_written_first_is_what_zeros_would_become(n, threads):
    """150 images are more groups than there are slots, so that later ones add to what the first ones wrote."""
    with mock.patch.object(lowering.LOWERING, "from_zero", return_value=None):
        cleared = gradients(n, threads)
    written = gradients(n, threads)
    assert np.isfinite(written).all()
    np.testing.assert_array_equal(written, cleared)


def test_only_what_is_not_written_first_is_cleared():
    """Parts that are written lie between others, at the end, and twice in one program, where the second call adds."""
    total = np.full(20, 7, np.float32)
    dy, x = np.ones((2, 16), np.float32), np.ones((3, 16), np.float32)
    first, last = total[4:10].reshape(2, 3), total[14:].reshape(2, 3)
    calls = [("row_sum_add", dy, total[2:4]), ("outer_add", dy, x, first), ("outer_add", dy, x, first)]
    program = lowered([*calls, ("outer_add", dy, x, last)]).from_zero(cpu.BACKEND, total)
    assert names(program) == ["zero", "zero", "row_sum_add", "outer", "outer_add", "outer"]
    assert [call.arrays[0].size for call in program.calls[:2]] == [4, 4]
    program.run()
    np.testing.assert_array_equal(total, [0, 0, 16, 16, *[32] * 6, 0, 0, 0, 0, *[16] * 6])


def test_what_is_added_elsewhere_is_not_written():
    """A layer of one's own may add to an array of its own, and to every second number of a vector's part."""
    total, own = np.zeros(12, np.float32), np.full((2, 3), 7, np.float32)
    dy, x = np.ones((2, 16), np.float32), np.ones((3, 16), np.float32)
    program = lowered([("outer_add", dy, x, own), ("gemm_nt_add", dy, x, total.reshape(2, 6)[:, :3])])
    program = program.from_zero(cpu.BACKEND, total)
    assert names(program) == ["zero", "outer_add", "gemm_nt_add"]
    assert program.calls[0].arrays[0].size == 12
    program.run()
    np.testing.assert_array_equal(own, 23)


WINDOWS = {
    "3 × 3": [3, 3, 2, 2, 0, 0, 1, 1],
    "overlapping": [2, 2, 1, 1, 0, 0, 1, 1],
    "border": [2, 2, 2, 2, 1, 1, 1, 1],
    "gaps": [2, 2, 2, 2, 0, 0, 2, 2],
}


def passes(maps):
    """The calls of the three rules for pools."""
    return {"forward": maps.forward("tanh"), "backward": maps.backward("tanh", "relu"), "max": maps.winners("relu")}


def untouched(calls):
    """Whether no rule takes calls."""
    return lowering.rewrite(lowered(calls, fuse=False).calls) is None


@pytest.mark.parametrize("kind", ["forward", "backward", "max"])
@pytest.mark.parametrize("options", [*({"g": np.array(g)} for g in WINDOWS.values()), {"dtype": "float64"}, {"L": 1}])
def test_pools_of_another_kind_are_left_alone(kind, options):
    assert not untouched(passes(Maps())[kind])
    assert untouched(passes(Maps(**options))[kind])


@pytest.mark.parametrize("kind", ["forward", "backward", "max"])
def test_a_call_in_between_keeps_the_others_apart(kind):
    maps = Maps()
    calls = passes(maps)[kind]
    for place in range(1, len(calls)):
        reader = ("copy", maps.dy, np.empty_like(maps.dy))
        assert untouched([*calls[:place], reader, *calls[place:]]), place
        assert untouched(calls[:place]), place


def test_a_function_that_is_not_in_place_is_left_alone():
    maps = Maps()
    elsewhere, dx = np.empty_like(maps.y), np.empty_like(maps.dx)
    assert untouched([maps.forward("tanh")[0], ("tanh", maps.y, elsewhere)])
    assert untouched([maps.forward("tanh")[0], ("tanh", elsewhere, elsewhere)])
    assert untouched([maps.winners("relu")[0], ("relu_dx", maps.x, maps.dx, dx), maps.bias(False)])
    first, *rest = maps.backward("tanh", "relu")
    assert untouched([(*first[:3], elsewhere), *rest])
    rest[3] = ("relu_dx", dx, maps.dx, maps.dx)  # the slope of another x than the pool's
    assert untouched([first, *rest])
    W, b, g = np.zeros((3, 3, 1, 1), np.float32), maps.b, np.array([1, 1, 1, 1, 0, 0, 1, 1])
    image, y = np.zeros((3, 4, 6, 1), np.float32), np.zeros((3, 4, 6, 1), np.float32)
    assert untouched([("conv2d", image, W, b, g, y), ("tanh", y, image)])
    assert untouched([("conv2d", image, W, b, g, y), ("copy", y, image), ("tanh", y, y)])


def test_a_bias_that_maps_share_is_left_alone():
    maps = Maps()
    maps.group = np.array([0, 0, 1])
    assert untouched(maps.backward("tanh", "relu", grouped=True))
    assert untouched(maps.winners("relu", grouped=True))


def test_a_network_of_double_precision_has_no_fused_calls():
    net = Network([Conv2d(6, 5), Tanh(), Subsample(2), Tanh(), Flatten()], (1, 12, 12), threads=1, dtype="float64")
    assert not [name for name in names(net.program()) if " + " in name]


def test_threads_have_rooms_of_their_own_and_the_groups_of_one_share_them():
    layers = [Conv2d(32, 3, padding=1), ReLU(), Conv2d(32, 3, padding=1), Conv2d(8, 1), Flatten(), Dense(10)]
    rng = np.random.default_rng(0)
    x, labels = normal(rng, 100, 3, 8, 8), rng.integers(0, 10, 100)
    found = []
    for threads in (1, 2):
        net = Network(layers, (3, 8, 8), threads=threads, seed=3)
        loss = net.loss_and_grads(m.CrossEntropy(), x, labels)
        net.forward(x)
        buffers = {call.arrays[3].ctypes.data for g in net._trace.groups for call in g.forward.calls if is_pointwise(call)}
        assert len(buffers) == threads
        found.append((loss, net.grads.flat.copy()))
    assert found[0][0] == found[1][0]
    np.testing.assert_array_equal(found[0][1], found[1][1])


def is_pointwise(call):
    return call.kernel.__name__ == "conv2d_pointwise"
