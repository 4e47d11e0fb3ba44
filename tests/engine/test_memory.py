"""Memory: a flat vector without gaps, and an arena in which buffers in use together never meet."""

from math import prod
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

from minicnn.backends.alignment import STAGGER
from minicnn.backends.numpy import BACKEND
from minicnn.engine.accumulate import GradientSlots
from minicnn.engine.memory import ALIGNMENT, Arena, ParameterVector, aligned

FLOAT = np.dtype(np.float32)
SPECS = st.tuples(st.lists(st.integers(1, 9), max_size=3).map(tuple), st.sampled_from(["f4", "f8", "i4", "u8"]).map(np.dtype))
SHAPES = st.lists(st.lists(st.integers(0, 4), max_size=3).map(tuple), max_size=6)
REGIONS = st.lists(st.lists(st.lists(SPECS, max_size=3), min_size=1, max_size=3), min_size=1, max_size=4)


def span(array):
    """The bytes of an array as a range of addresses."""
    return array.ctypes.data, array.ctypes.data + array.nbytes


def apart(a, b):
    return span(a)[1] <= span(b)[0] or span(b)[1] <= span(a)[0]


@pytest.mark.parametrize("size", [1, 127, 128, 129, 5000])
def test_aligned_memory(size):
    memory = aligned(size)
    assert memory.nbytes == size
    assert memory.ctypes.data % ALIGNMENT == 0


@examples(100)
@given(shapes=SHAPES, dtype=st.sampled_from(["float32", "float64"]))
def test_views_of_a_flat_vector_lie_end_to_end(shapes, dtype):
    vector = ParameterVector({str(i): shape for i, shape in enumerate(shapes)}, np.dtype(dtype))
    assert vector.flat.dtype == dtype
    assert not vector.flat.any()
    assert vector.flat.size == 0 or vector.flat.ctypes.data % ALIGNMENT == 0
    vector.flat[...] = np.arange(len(vector.flat))
    joined = np.concatenate([np.zeros(0), *(view.reshape(-1) for view in vector.values())])
    np.testing.assert_array_equal(joined, np.arange(len(vector.flat)))
    assert [view.shape for view in vector.values()] == shapes
    assert list(vector) == [str(i) for i in range(len(shapes))]
    assert len(vector) == len(shapes)


@pytest.mark.parametrize("read", [lambda vector: vector.flat, lambda vector: vector["W"], lambda vector: vector["b"]])
def test_what_a_device_has_is_brought_before_it_is_read(read):
    device = SimpleNamespace(sync_to_host=lambda memory: memory.fill(7))
    vector = ParameterVector({"W": (2, 3), "b": (2,)}, FLOAT, device)
    assert (read(vector) == 7).all()


def test_a_view_writes_into_the_flat_vector():
    vector = ParameterVector({"W": (2, 3), "b": (2,)}, FLOAT)
    vector["W"][1] = 5
    assert vector.flat.tolist() == [0, 0, 0, 5, 5, 5, 0, 0]
    with pytest.raises(KeyError):
        vector["V"]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_slots_are_added_once_into_the_parts_of_a_vector_that_are_asked_for(threads):
    slots = GradientSlots(ParameterVector({"W": (100_000,)}, FLOAT), BACKEND)
    first, *others = slots.take(3)
    first.grads.flat[...] = 1
    for slot, value in zip(others, (10, 100), strict=True):
        slot.grads.flat[...] = value
    parts = [slice(10, 30_000), slice(40_000, 40_001), slice(50_000, 99_000)]
    tasks = slots.sums(3, threads, parts)
    for task in tasks:
        task.run()
    expected = np.ones(100_000)
    for part in parts:
        expected[part] = 111
    np.testing.assert_array_equal(first.grads.flat, expected)
    calls = [[call for program in task.parts[0][0] for call in program.calls] for task in tasks]
    work = [sum(call.arrays[0].size for call in own) for own in calls]
    assert len(work) == threads
    assert max(work) - min(work) <= 4, f"expected threads to add as many numbers each, got {work}"


@examples(100)
@given(regions=REGIONS, guards=st.booleans())
def test_buffers_in_use_together_never_meet(regions, guards):
    named = [
        [{f"{r}.{a}.{i}": spec for i, spec in enumerate(specs)} for a, specs in enumerate(alternatives)]
        for r, alternatives in enumerate(regions)
    ]
    space = Arena(named, guards)
    for name, array in space.arrays.items():
        region, alternative, number = map(int, name.split("."))
        shape, dtype = regions[region][alternative][number]
        assert (array.shape, array.dtype) == (shape, dtype)
        assert array.ctypes.data % ALIGNMENT == 0
        assert span(space.bytes)[0] <= span(array)[0]
        assert span(array)[1] <= span(space.bytes)[1]
        for other, buffer in space.arrays.items():
            overlaid = region == int(other.split(".")[0]) and alternative != int(other.split(".")[1])
            assert name == other or overlaid or apart(array, buffer)
    assert space.broken_guards() == []


def test_alternatives_share_memory():
    small, large = {"a": ((100,), FLOAT)}, {"b": ((1000,), FLOAT)}
    both = Arena([[small, large], [{"c": ((1,), FLOAT)}]])
    assert both.arrays["a"].ctypes.data == both.arrays["b"].ctypes.data
    assert apart(both.arrays["b"], both.arrays["c"])
    assert both.bytes.nbytes <= 4000 + 2 * (ALIGNMENT + STAGGER)


def test_a_fresh_workspace_is_zero_and_with_guards_nan():
    spec = {"a": ((3, 4), FLOAT)}
    assert not Arena([[spec]]).arrays["a"].any()
    assert np.isnan(Arena([[spec]], guards=True).arrays["a"]).all()


@pytest.mark.parametrize("size", [1, 32, 33])
def test_a_guard_notices_one_write_past_the_end(size):
    space = Arena([[{"a": ((size,), FLOAT), "b": ((4,), FLOAT)}]], guards=True)
    space.fill(1.0)
    assert space.broken_guards() == []
    start = space.arrays["a"].ctypes.data - space.bytes.ctypes.data
    space.bytes[start + 4 * prod(space.arrays["a"].shape)] = 0
    assert space.broken_guards() == ["a"]


def test_fill_sets_floats_and_leaves_whole_numbers():
    space = Arena([[{"f": ((3,), FLOAT), "d": ((3,), np.dtype("f8")), "i": ((3,), np.dtype("i8"))}]])
    space.fill(np.nan)
    assert np.isnan(space.arrays["f"]).all()
    assert np.isnan(space.arrays["d"]).all()
    assert not space.arrays["i"].any()
