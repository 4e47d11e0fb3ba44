"""Scratch arrays of one call lie apart; calls that never run side by side share them."""

import numpy as np

from minicnn.backends.alignment import ALIGNMENT
from minicnn.backends.scratch import Scratch, ScratchSpec

FLOAT = np.dtype("float32")


def test_rooms_of_one_call_lie_apart_and_those_of_two_over_each_other():
    given, specs = np.ones(3), [ScratchSpec((5, 7), FLOAT), ScratchSpec((40,), np.dtype("i8"))]
    scratch = Scratch()
    first, own, second = scratch.filled([specs[0], given, specs[1]])
    assert own is given
    assert [(a.shape, a.dtype) for a in (first, second)] == specs
    assert not np.may_share_memory(first, second)
    assert {a.ctypes.data % ALIGNMENT for a in (first, second)} == {0}
    (again,) = scratch.filled(specs[:1])
    assert again.ctypes.data == first.ctypes.data
    (large,) = scratch.filled([ScratchSpec((Scratch.LEAST,), FLOAT)])  # as it does not fit, the others keep what they have
    assert not np.may_share_memory(large, first)
    assert not np.may_share_memory(scratch.filled(specs)[0], first)
