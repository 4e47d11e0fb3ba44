"""One image with channels in the lanes: every kernel against its formula, on whole numbers so that sums are exact."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

from minicnn.backends import numpy as oracle
from minicnn.backends.cpu import INTERPRET
from minicnn.backends.cpu.channels_last import winograd
from minicnn.backends.cpu.channels_last.conv import MOST_PIXELS, numbers_for, steps_for, tile_for, vectors_of
from minicnn.backends.cpu.compile.host import HOST
from minicnn.backends.cpu.lowering import channels_last
from minicnn.backends.cpu.lowering.channels_last import Pass, by_rows
from minicnn.backends.derived import Derived
from minicnn.backends.program import SOLE_READER, Call, Program
from minicnn.backends.scratch import Scratch
from minicnn.backends.workspace import Workspace
from minicnn.nn.window import Window

FILTERS = st.integers(1, 40) if INTERPRET else st.sampled_from((1, 6, 8, 17, 24, 40))  # a kernel for each has to be compiled
CHANNELS = st.integers(1, 20) if INTERPRET else st.sampled_from((1, 2, 3, 8, 19))
HALVES = Window((2, 2), (2, 2))
ACTIVATIONS = st.sampled_from((None, "relu"))
SIDES = st.integers(6, 13) if INTERPRET else st.sampled_from((6, 9, 13))


@st.composite
def windows(draw):
    """A window that fits on 6 × 6 pixels."""
    kernel = draw(st.sampled_from(((1, 1), (3, 3), (5, 5), (2, 3), (1, 4))))
    stride, dilation = draw(st.sampled_from(((1, 1), (2, 2), (1, 3)))), draw(st.sampled_from(((1, 1), (2, 1), (1, 2))))
    before = draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
    padding = tuple(max(p, d * (k - 1) - 5) for p, k, d in zip(before, kernel, dilation, strict=True))
    return Window(kernel, stride, padding, dilation)


def whole(rng, *shape):
    """Small whole numbers."""
    return rng.integers(-3, 4, shape).astype(np.float32)


def empty(*shape):
    """What nobody may read before it is written."""
    return np.full((*shape, 1), np.nan, np.float32)


def passed(calls, workspace, results):
    """The calls that take the place of recorded ones, also where vectors along rows would be better."""
    with mock.patch.object(channels_last, "ROWS", np.inf):
        return Pass(calls, workspace).run(results)


class Recording:
    """Calls over some parameters, as layers record them in inference: run one by one, and through the kernels for one image.

    Args:
        rng: draws the numbers.
    """

    def __init__(self, rng):
        self.rng, self.flat, self.calls, self._used = rng, whole(rng, 1 << 16), [], 0

    def param(self, *shape):
        """A part of the parameters."""
        first, self._used = self._used, self._used + int(np.prod(shape))
        return self.flat[first : self._used].reshape(shape)

    def add(self, name, *arrays, sole=True):
        """Record a call."""
        options = SOLE_READER if sole else {}
        self.calls.append(Call("layer forward", name, oracle.BACKEND.kernels[name], arrays, options))

    def conv(self, x, F, window, groups=1, sole=True):
        """Record a convolution; gives y."""
        y = empty(F, *window.out_size(x.shape[1:3]))
        self.add("conv2d", x, self.param(F, len(x) // groups, *window.kernel), self.param(F), window.array(), y, sole=sole)
        return y

    def max_pool(self, x, window=HALVES):
        """Record a pool; gives y."""
        y = empty(len(x), *window.out_size(x.shape[1:3]))
        self.add("max_pool", x, window.array(), y, np.zeros(y.shape, np.int32))
        return y

    def compare(self, *results, rounding=0.0):
        """Compare results with those of NumPy's kernels, again after parameters have changed; gives the names."""
        workspace = Workspace(Derived(self.flat), Scratch())
        inputs = [call.arrays[0].copy() for call in self.calls]
        program = Program(passed(self.calls, workspace, results))
        workspace.fill(np.nan, np.dtype(np.float32))
        refresh = workspace.derived.refresh([program])
        for _ in range(3):
            self._restore(inputs)
            Program(self.calls).run()
            expected = [result.copy() for result in results]
            self._restore(inputs)
            for result in results:
                result[...] = np.nan
            refresh.run()
            program.run()
            for result, right in zip(results, expected, strict=True):
                np.testing.assert_allclose(result, right, rtol=0, atol=rounding)
            self.flat[: self._used] = whole(self.rng, self._used)
        assert {id(one) for call in program.calls for one in call.recorded} >= {id(call) for call in self.calls}
        return [call.name for call in program.calls]

    def _restore(self, inputs):
        for call, numbers in zip(self.calls, inputs, strict=True):
            call.arrays[0][...] = numbers


@pytest.mark.interpreted
@examples(40)
@given(window=windows(), C=CHANNELS, F=FILTERS, sides=st.tuples(SIDES, SIDES), kind=ACTIVATIONS, seed=st.integers(0, 2**32 - 1))
def test_convolution(window, C, F, sides, kind, seed):
    record = Recording(np.random.default_rng(seed))
    y = record.conv(whole(record.rng, C, *sides, 1), F, window)
    if kind is not None:
        record.add(kind, y, y)
    names = record.compare(y)
    assert names[-2].split(" + ")[0] in ("conv2d_channels_last", "winograd_channels_last")


@pytest.mark.interpreted
@examples(20)
@given(window=windows(), C=st.sampled_from((2, 8, 19)), sides=st.tuples(SIDES, SIDES), seed=st.integers(0, 2**32 - 1))
def test_depthwise_convolution(window, C, sides, seed):
    record = Recording(np.random.default_rng(seed))
    y = record.conv(whole(record.rng, C, *sides, 1), C, window, groups=C)
    record.add("relu", y, y)
    assert "depthwise_channels_last + relu" in record.compare(y)


@pytest.mark.interpreted
@examples(20)
@given(
    C=CHANNELS, F=FILTERS, sides=st.tuples(SIDES, SIDES), kind=ACTIVATIONS, late=st.booleans(), seed=st.integers(0, 2**32 - 1)
)
def test_maxima_of_a_convolution_in_its_store(C, F, sides, kind, late, seed):
    """The activation function before them or, if it is ReLU, behind."""
    record = Recording(np.random.default_rng(seed))
    y = record.conv(whole(record.rng, C, *sides, 1), F, Window((3, 3), padding=(1, 1)))
    if kind is not None and not late:
        record.add(kind, y, y)
    out = record.max_pool(y)
    if kind is not None and late:
        record.add(kind, out, out)
    made = record.compare(out)
    assert [name.split(" + ")[1:] for name in made if " + " in name] == [
        (["max_pool", "relu"] if late else ["relu", "max_pool"]) if kind else ["max_pool"]
    ]


@pytest.mark.interpreted
@pytest.mark.parametrize("C", [3, 40])
@pytest.mark.parametrize("sides", [(7, 6), (6, 7), (7, 7)])
def test_maxima_that_reach_beyond_a_map_go_by_what_is_in_it(sides, C):
    """As with ``ceil_mode``: a last row or column of its own, beyond which the sums of a convolution count for nothing."""
    record = Recording(np.random.default_rng(0))
    y = record.conv(whole(record.rng, C, *sides, 1), 24, Window((3, 3), padding=(1, 1)))
    record.calls[0].arrays[2][...] = 50  # sums beyond the map would be larger than many in it
    out = empty(24, *((side + 1) // 2 for side in sides))
    record.add("max_pool", y, HALVES.array(), out, np.zeros(out.shape, np.int32))
    record.compare(out, rounding=1e-3 if C == 40 else 0)


@pytest.mark.interpreted
@pytest.mark.parametrize("sides", [(4, 4), (5, 8), (7, 7), (12, 9)])
@pytest.mark.parametrize("together", [winograd.TOGETHER, 3])
@pytest.mark.parametrize("pooled", [False, True])
def test_winograd(pooled, together, sides, monkeypatch):
    monkeypatch.setattr(winograd, "TOGETHER", together)
    record = Recording(np.random.default_rng(0))
    y = record.conv(whole(record.rng, winograd.FEWEST, *sides, 1), 2 * winograd.FEWEST - 3, Window((3, 3), padding=(1, 1)))
    record.add("relu", y, y)
    y = record.max_pool(y) if pooled else y
    names = record.compare(y)
    assert names[1].startswith("winograd_channels_last + relu")


@pytest.mark.interpreted
@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan, 2e38])
def test_winograd_means_what_its_sum_says_also_for_numbers_that_are_not_finite(bad):
    """Large ones overflow in the matrices alone: neighbours are added before they meet small weights."""
    record = Recording(np.random.default_rng(0))
    x = whole(record.rng, winograd.FEWEST, 9, 9, 1)
    x[3, 4, 5], x[3, 4, 6], x[5, 6, 5] = bad, bad, -bad
    y = record.conv(x, winograd.FEWEST, Window((3, 3), padding=(1, 1)))
    record.flat[...] *= 2.0**-8
    Program(record.calls).run()
    expected = y.copy()
    workspace = Workspace(Derived(record.flat), Scratch())
    program = Program(Pass(record.calls, workspace).run([y]))
    workspace.derived.refresh([program]).run()
    program.run()
    rounding = 0 if not np.isfinite(bad) else 2e-6 * bad  # of the largest pixel of a patch
    np.testing.assert_allclose(y, expected, rtol=1e-6, atol=rounding)
    assert any(call.name == "winograd_channels_last" for call in program.calls)
    assert np.isfinite(expected).any()
    assert np.isfinite(expected).all() == np.isfinite(bad)


@pytest.mark.interpreted
@pytest.mark.parametrize("name", ["max_pool", "avg_pool"])
@pytest.mark.parametrize(
    "window",
    [
        Window((2, 2), (2, 2)),
        Window((3, 3), (2, 2), (1, 1)),
        Window((2, 3), (1, 2), (0, 1), (2, 1)),
        Window((6, 7), (1, 1)),
    ],
)
def test_pools_of_maps_in_frames(name, window):
    record = Recording(np.random.default_rng(0))
    x = record.conv(whole(record.rng, 3, 6, 7, 1), 9, Window((1, 1)))
    record.add("relu", x, x)
    y = empty(9, *window.out_size((6, 7)))
    record.add(name, x, window.array(), y, *([np.zeros(y.shape, np.int32)] if name == "max_pool" else []))
    z = record.conv(y, 5, Window((1, 1)))
    # Each of at most 42 additions of an average rounds numbers below 50 by 2⁻²⁴ of them.
    names = record.compare(z, rounding=42 * 50 * 2**-24 if name == "avg_pool" else 0)
    assert f"{name}_channels_last" in names or names[1] == "conv2d_channels_last + relu + max_pool"


@pytest.mark.interpreted
def test_a_pool_hands_nan_on():
    record = Recording(np.random.default_rng(0))
    x = whole(record.rng, 8, 6, 6, 1)
    x[2, 2, 3] = np.nan
    y = record.max_pool(record.conv(x, 8, Window((1, 1))), Window((3, 3), (1, 1)))
    record.compare(y)
    assert np.isnan(y).any()
    assert not np.isnan(y).all()


@pytest.mark.interpreted
@pytest.mark.parametrize("kind", [None, "relu"])
@pytest.mark.parametrize("copied", [False, True])
def test_sums_of_two_maps(copied, kind):
    """As in a residual block: x is read twice, by a convolution with padding and by the sum."""
    record = Recording(np.random.default_rng(0))
    x = record.conv(whole(record.rng, 3, 7, 6, 1), 10, Window((3, 3), padding=(1, 1)))
    record.add("relu", x, x)
    y = record.conv(x, 10, Window((3, 3), padding=(1, 1)), sole=False)
    z = empty(10, 7, 6) if copied else y
    if copied:
        record.add("copy", y, z, sole=False)
    record.add("add", x, z, sole=False)
    if kind is not None:
        record.add(kind, z, z)
    w = record.conv(z, 4, Window((3, 3), padding=(2, 0)), sole=False)
    names = record.compare(w, z)
    assert any(name.startswith("add_channels_last") for name in names)


def side_by_side(record, parts, x):
    """Convolutions of x whose outputs are copied to parts of one map, which is given."""
    whole_map, first = empty(sum(parts), *x.shape[1:3]), 0
    made = [record.conv(x, F, Window((3, 3), padding=(1, 1)), sole=False) for F in parts]
    for y in made:
        record.add("copy", y, whole_map[first : first + len(y)])
        first += len(y)
    return whole_map


@pytest.mark.interpreted
@pytest.mark.parametrize("parts", [(8, 16), (9, 5, 17), (1, 16), (19, 3)])
@pytest.mark.parametrize("reads", ["pool", "conv"])
def test_maps_side_by_side(parts, reads):
    record = Recording(np.random.default_rng(0))
    joined = side_by_side(record, parts, whole(record.rng, 3, 7, 6, 1))
    y = record.max_pool(joined) if reads == "pool" else record.conv(joined, 4, Window((3, 3), padding=(1, 1)))
    names = record.compare(y)
    assert names.count("concat_channels_last") == len(parts)
    assert names.count("from_channels_last") == 1


@pytest.mark.interpreted
@pytest.mark.parametrize("why", ["nobody reads the whole", "a part is not in a frame", "a gap is left", "there is one part"])
def test_copies_that_fill_no_map_from_frames_stay(why):
    record = Recording(np.random.default_rng(0))
    x = whole(record.rng, 8, 7, 6, 1)
    joined = side_by_side(record, (8, 8) if why != "there is one part" else (8,), x)
    if why == "a part is not in a frame":
        record.calls[-1] = Call("layer forward", "copy", record.calls[-1].kernel, (whole(record.rng, 8, 7, 6, 1), joined[8:]))
    if why == "a gap is left":
        record.calls.pop()
        joined[8:] = 1
    y = joined if why == "nobody reads the whole" else record.conv(joined, 4, Window((1, 1)))
    names = record.compare(y)
    assert "concat_channels_last" not in names
    assert "copy" in names


@pytest.mark.interpreted
@pytest.mark.parametrize("reads", ["pool", "conv"])
def test_a_map_of_another_shape_is_not_that_of_its_frame(reads):
    """As where rows and columns are one axis before they are averaged: the frame has the rows of before."""
    record = Recording(np.random.default_rng(0))
    x = record.conv(whole(record.rng, 3, 4, 4, 1), 16, Window((3, 3), padding=(1, 1)))
    other = x.reshape(16, 16, 1, 1)
    if reads == "pool":
        window = Window((16, 1))
        y = empty(16, 1, 1)
        record.add("avg_pool", other, window.array(), y)
    else:
        y = record.conv(other, 16, Window((16, 1)))
    record.compare(y, rounding=1e-5 if reads == "pool" else 0)


@pytest.mark.interpreted
def test_what_other_calls_read_is_copied_to_where_they_look_for_it():
    """Once, directly before the first of them; and a map that they change is copied into a frame again."""
    record = Recording(np.random.default_rng(0))
    x = whole(record.rng, 9, 6, 6, 1)
    y = record.conv(x, 9, Window((3, 3), padding=(1, 1)))
    z = np.zeros_like(y)
    record.add("sigmoid", y, y, sole=False)
    record.add("square", y, z, sole=False)
    out = record.conv(z, 3, Window((1, 1)))
    workspace = Workspace(Derived(record.flat), Scratch())
    names = [call.name for call in passed(record.calls, workspace, [out])]
    assert names == [
        "to_channels_last",
        "conv2d_channels_last + sigmoid",
        "from_channels_last",
        "square",
        "to_channels_last",
        "conv2d_channels_last",
        "from_channels_last",
    ]


def test_functions_that_keep_zero_are_applied_to_frames():
    record = Recording(np.random.default_rng(0))
    y = record.conv(whole(record.rng, 9, 6, 6, 1), 9, Window((3, 3), padding=(1, 1)))
    record.add("leaky_relu", y, np.array([0.5], np.float32), y, sole=False)
    out = record.conv(y, 3, Window((3, 3), padding=(1, 1)))
    assert record.compare(out).count("leaky_relu") == 1
    assert record.compare(out).count("from_channels_last") == 1


def test_one_number_a_pixel_needs_no_frame():
    record = Recording(np.random.default_rng(0))
    y = record.conv(whole(record.rng, 1, 6, 6, 1), 8, Window((6, 5)))
    assert record.compare(y) == ["conv2d_channels_last", "from_channels_last"]


@pytest.mark.parametrize("filters", [1, 6, 8, 16, 24, 32, 64, 100])
@pytest.mark.parametrize("pixels", [1, 2, 5, 16, 100])
def test_tiles_fit_the_registers(filters, pixels):
    m, n = tile_for(filters, pixels)
    assert 1 <= n <= min(pixels, MOST_PIXELS)
    assert 1 <= m <= vectors_of(filters)
    assert m * n + m + 1 <= HOST.registers


@pytest.mark.parametrize(
    ("channels", "depth", "numbers"),
    [
        (1, 1, 1),
        (2, 2, 2),
        (3, 3, 3),
        (6, 16, 6),
        (9, 16, 9),
        (11, 16, 12),
        (1, 16, 4),
        (13, 13, 13),
        (24, 32, 24),
        (17, 32, 20),
    ],
)
def test_numbers_that_only_fill_a_pixel_up_are_left_out_of_sums(channels, depth, numbers):
    assert numbers_for(channels, depth) == numbers


@pytest.mark.interpreted
@pytest.mark.parametrize("C", [6, 11, 17])
@pytest.mark.parametrize("window", [Window((5, 5)), Window((2, 3), (2, 1), (1, 1), (1, 2)), Window((1, 1))])
def test_a_convolution_of_a_map_that_is_filled_up(C, window):
    record = Recording(np.random.default_rng(C))
    y = record.conv(whole(record.rng, 3, 9, 9, 1), C, Window((3, 3), padding=(1, 1)))
    record.calls[0].arrays[1][...] = np.sign(record.calls[0].arrays[1])
    record.compare(record.conv(y, 8, window), rounding=0.01 if C > 8 else 0)


@pytest.mark.parametrize(
    ("filters", "columns", "stride", "rows"),
    [(6, 28, 1, HOST.width(4) == 16), (1, 28, 1, True), (6, 28, 2, False), (16, 32, 1, False), (12, 28, 1, False)],
)
def test_few_filters_are_computed_along_the_rows_of_a_map(filters, columns, stride, rows):
    record = Recording(np.random.default_rng(0))
    record.conv(whole(record.rng, 1, columns * stride, columns * stride, 1), filters, Window((1, 1), (stride, stride)))
    assert by_rows(record.calls[0]) == rows
    made = Pass(record.calls, Workspace(Derived(record.flat), Scratch())).run([record.calls[0].arrays[4]])
    assert (made == record.calls) == rows


def test_steps_divide():
    assert [steps_for(n) for n in (1, 3, 5, 9, 11, 25, 49, 64)] == [1, 3, 5, 3, 1, 5, 7, 4]


def test_parts_of_patches_are_alike():
    assert [winograd.patches_at_once(n) for n in (1, 24, 25, 64, 100)] == [1, 24, 13, 22, 20]
