"""Every instruction of the table against integers, fractions and floats; what is not in the table is refused."""

import itertools
import math

import numpy as np
import pytest

from ptx import launch
from ptx.exact import ORACLES, bounds
from ptx.snippets import memory_of, one_instruction
from ptx.table import ACCESSES, FLOW, TABLE, VALUES

APPROXIMATE = {
    "ex2.approx.ftz.f32": (np.exp2, 2.0**-22),
    "rcp.approx.ftz.f32": (np.reciprocal, 2.0**-23),
    "rcp.approx.ftz.f64": (np.reciprocal, 2.0**-19),
}
"""What is approximate on a GPU: the function in float64, and the relative error that NVIDIA states, which is made use of."""

TINY, SUBNORMAL, LARGE = 2.0**-126, 2.0**-149, (2 - 2.0**-23) * 2.0**127
EDGES = {
    "f32": [
        0.0,
        -0.0,
        1.0,
        -1.0,
        1.5,
        2.5,
        -0.5,
        1 + 2.0**-23,
        3e9,
        -7e18,
        0.3,
        TINY,
        -SUBNORMAL,
        TINY - SUBNORMAL,
        LARGE,
        -LARGE,
    ],
    "f64": [0.0, -0.0, 1.0, -1.5, 2.5, 1 + 2.0**-52, 1 + 2.0**-24, 2.0**-150, 3e9, 1e300, -1e-300, 5e-324, 2.0**-1022, 1e38],
    "pred": [False, True],
}
FEW = {
    "f32": [0.0, -0.0, 1.0, -1.5, 1 + 2.0**-23, TINY, -SUBNORMAL, LARGE],
    "f64": [0.0, -0.0, 1.0, -1.5, 1 + 2.0**-52, 1e300, 5e-324],
}
SPECIAL = [math.inf, -math.inf, math.nan]


def values_of(kind, few):
    """Interesting values of a type, and some random ones."""
    rng = np.random.default_rng(len(kind) + few)
    if kind == "pred":
        return EDGES["pred"]
    if kind[0] == "f":
        random = rng.standard_normal(4) * 2.0 ** rng.integers(-20, 20, 4)
        return np.array([*(FEW if few else EDGES)[kind], *SPECIAL, *random]).astype(memory_of(kind)).tolist()
    low, high = bounds(kind) if kind[0] in "su" else (0, (1 << int(kind[1:])) - 1)
    near = [low, low + 1, high, high - 1, high // 2, high // 2 + 1]
    small = [n for n in (0, 1, -1, 2, 7, -8, 31, 32, 33, 63, 64, 65) if low <= n <= high]
    return sorted({*near, *(small if not few else small[:4]), *(int(n) for n in rng.integers(low, high, 4, memory_of(kind)))})


def applied(op, target, sources, cases):
    """What an instruction gives for many operands, by a launch of one thread each."""
    columns = [np.array(column, memory_of(kind)) for column, kind in zip(zip(*cases, strict=True), sources, strict=True)]
    text = one_instruction(op, target, sources)
    out = []
    for start in range(0, len(cases), 1024):
        some = [np.ascontiguousarray(column[start : start + 1024]) for column in columns]
        result = np.full(len(some[0]), 77, memory_of(target))
        launch(text, 1, len(result), *some, result)
        out.append(result)
    return np.concatenate(out)


def cases_of(op, sources):
    """Operands for an instruction, as its types hold them."""
    lists = [values_of(kind, few=len(sources) > 2) for kind in sources]
    return [c for c in itertools.product(*lists) if not (op.startswith(("div.s", "div.u", "rem.")) and c[-1] == 0)]


def same(a, b):
    """Whether two values are one, with the sign of zeros, all NaNs alike."""
    if isinstance(b, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    return int(a) == int(b)


@pytest.mark.parametrize("op", sorted(ORACLES))
def test_an_instruction_computes(op):
    target, sources, oracle = ORACLES[op]
    cases = cases_of(op, sources)
    found = applied(op, target, sources, cases).tolist()
    wrong = [(c, oracle(*c), f) for c, f in zip(cases, found, strict=True) if not same(f, oracle(*c))]
    assert not wrong, f"{op}: operands, expected, got: {wrong[:5]} and {len(wrong)} in all"


def test_fma_rounds_once():
    """Products and sums half way between two floats, where rounding twice goes wrong."""
    rng = np.random.default_rng(0)
    n = 4000
    a, b = (1 + rng.integers(0, 2**12, n) * 2.0**-12).astype("f"), (1 + rng.integers(0, 2**12, n) * 2.0**-12).astype("f")
    c = (rng.choice([-1, 1], n) * 2.0 ** rng.integers(-60, 60, n)).astype("f")
    tiny = np.float32(2.0**-70)
    cases = [*zip(a, b, c, strict=True), *zip(a * tiny, b * tiny, c * np.float32(2.0**-100), strict=True)]
    cases = [tuple(map(float, case)) for case in cases]
    for op in ("fma.rn.f32", "fma.rm.f32"):
        target, sources, oracle = ORACLES[op]
        found = applied(op, target, sources, cases).tolist()
        assert [oracle(*case) for case in cases] == found
        twice = np.array([np.float32(x * y + z) for x, y, z in cases])
        assert (twice != found).any(), "expected cases that rounding twice gets wrong"
    wide = [tuple(map(float, case)) for case in rng.standard_normal((2000, 3)) * 2.0 ** rng.integers(-30, 30, (2000, 3))]
    target, sources, oracle = ORACLES["fma.rn.f64"]
    assert [oracle(*case) for case in wide] == applied("fma.rn.f64", target, sources, wide).tolist()


@pytest.mark.parametrize("op", sorted(APPROXIMATE))
def test_an_approximate_instruction_is_near_enough(op):
    (function, error), kind = APPROXIMATE[op], VALUES[op].target
    x = np.array([*values_of(kind, few=False), *np.linspace(-20, 20, 500)]).astype(memory_of(kind))
    tiny = np.finfo(x.dtype).tiny

    def flushed(values):
        return np.where(np.abs(values) < tiny, np.copysign(0.0, values), values)

    with np.errstate(all="ignore"):
        exact = flushed(function(flushed(x.astype(np.float64))))
        ordinary = (np.abs(exact) > 2 * tiny) & (np.abs(exact) < np.finfo(x.dtype).max / 2)
        found = applied(op, kind, (kind,), [(value,) for value in x.tolist()]).astype(np.float64)
        off = np.abs(found / exact - 1)[ordinary]
    assert error / 4 < off.max() <= error
    np.testing.assert_array_equal(found[~ordinary], exact[~ordinary])


def test_every_instruction_that_computes_has_a_test():
    assert {*ORACLES} | {*APPROXIMATE} == {*VALUES}
    assert not {*ORACLES} & {*APPROXIMATE}
    assert {*VALUES} | ACCESSES | FLOW == TABLE
    for op, (target, sources, _) in ORACLES.items():
        assert (VALUES[op].target, VALUES[op].sources) == (target, sources), op
