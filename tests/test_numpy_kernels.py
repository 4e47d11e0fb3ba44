"""Every kernel of the compiled backend against its formula in NumPy, on the same arguments."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import Draw, cases
from strategies import examples

from minicnn.backends import cpu, numpy, protocol

CASES = cases(protocol.NAMES)
BIT_FOR_BIT = {"copy", "draw_uniform", "choose_group", "pack_quads", "one_hot", "count_hits", "count_least", "max_pool"}
BIT_FOR_BIT |= {
    "gather",
    "scatter",
    "pack_filters",
    "pack_channels",
    "pad",
    "im2col",
    "spread",
    "zero",
    "relu",
    "relu_dx",
    "add",
}


def ran(backend, name, arguments):
    """Copies of the arguments after a kernel worked on them."""
    own = [a.copy() for a in arguments]
    getattr(backend, name)(*own)
    return own


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
@examples(5)
@given(seed=st.integers(0, 2**32 - 1), lanes=st.sampled_from((16, 1, 32)))
def test_kernel_computes_its_formula(name, dtype, seed, lanes):
    arguments, written = CASES[name](Draw(seed, dtype, lanes))
    ours, plain = ran(cpu, name, arguments), ran(numpy, name, arguments)
    for number, (got, expected, before) in enumerate(zip(ours, plain, arguments, strict=True)):
        if number not in written:
            np.testing.assert_array_equal(expected, before, err_msg=f"argument {number} of {name} was changed")
        elif name in BIT_FOR_BIT or expected.dtype.kind in "iu":
            np.testing.assert_array_equal(got, expected)
        else:
            size = max(1.0, float(np.abs(expected).max(initial=0)))
            np.testing.assert_allclose(got, expected, rtol=0, atol=100 * np.finfo(dtype).eps * size)


def test_cases_reach_what_they_write():
    """A case that leaves its outputs as they were compares nothing."""
    for name, draw in CASES.items():
        changed = set()
        for seed in range(8):
            arguments, written = draw(Draw(seed, "float64", 16))
            after = ran(numpy, name, arguments)
            changed |= {n for n in written if not np.array_equal(after[n], arguments[n], equal_nan=True)}
        assert changed == set(written), name
