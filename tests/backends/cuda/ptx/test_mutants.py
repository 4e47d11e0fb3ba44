"""The mutants of a kernel: which there are, and that each is a function that differs in one place."""

import ast

import numpy as np
from numba import cuda, float32

from ptx import run
from ptx.mutants import mutants_of, tree_of


def sample_kernel(x, y, n):
    """y[1:] − x, or 1 where there is none."""
    s = cuda.shared.array((4, 8), float32)
    i, j = cuda.threadIdx.x, cuda.threadIdx.y
    s[j, i] = x[j, i] if j < n and i < 8 else x.dtype.type(1)
    cuda.syncthreads()
    for k in range(n // 2):
        y[j, i, k] += s[j, i] - y[0, 0, 0]


EXPECTED = """
offset `s[j, i]` → `s[j + 1, i]`
offset `s[j, i]` → `s[j, i + 1]`
swap `s[j, i]` → `s[i, j]`
swap `x[j, i] if j < n and i < 8 else x.dtype.type(1)` → `x.dtype.type(1) if j < n and i < 8 else x[j, i]`
bound `j < n and i < 8` → `j < n or i < 8`
offset `x[j, i]` → `x[j + 1, i]`
offset `x[j, i]` → `x[j, i + 1]`
swap `x[j, i]` → `x[i, j]`
number `x.dtype.type(1)` → `x.dtype.type(1 + 1)`
bound `j < n` → `j <= n`
bound `i < 8` → `i <= 8`
barrier `cuda.syncthreads()` → `pass`
bound `range(n // 2)` → `range(n // 2 - 1)`
operator `n // 2` → `n % 2`
swap `n // 2` → `2 // n`
operator `y[j, i, k] += s[j, i] - y[0, 0, 0]` → `y[j, i, k] -= s[j, i] - y[0, 0, 0]`
offset `y[j, i, k]` → `y[j + 1, i, k]`
offset `y[j, i, k]` → `y[j, i + 1, k]`
offset `y[j, i, k]` → `y[j, i, k + 1]`
swap `y[j, i, k]` → `y[i, j, k]`
operator `s[j, i] - y[0, 0, 0]` → `s[j, i] + y[0, 0, 0]`
swap `s[j, i] - y[0, 0, 0]` → `y[0, 0, 0] - s[j, i]`
offset `s[j, i]` → `s[j + 1, i]`
offset `s[j, i]` → `s[j, i + 1]`
swap `s[j, i]` → `s[i, j]`
offset `y[0, 0, 0]` → `y[0 + 1, 0, 0]`
offset `y[0, 0, 0]` → `y[0, 0 + 1, 0]`
offset `y[0, 0, 0]` → `y[0, 0, 0 + 1]`
swap `y[0, 0, 0]` → `y[0, 0, 0]`
"""


def test_every_mutant_is_one_change():
    found = mutants_of(sample_kernel)
    assert [f"{m.kind} `{m.before}` → `{m.after}`" for m in found] == [
        line for line in EXPECTED.strip().splitlines() if line != "swap `y[0, 0, 0]` → `y[0, 0, 0]`"
    ]
    original = ast.unparse(tree_of(sample_kernel))
    texts = [ast.unparse(m.tree) for m in found]
    assert original not in texts
    assert len({*texts}) == len(texts)
    lines = original.splitlines()
    assert all(sum(a != b for a, b in zip(lines, text.splitlines(), strict=True)) == 1 for text in texts)


def scaled(factor):
    def double(x, y):
        i = cuda.grid(1)
        if i < x.size:
            y[i] = x[i] * factor + x[i]

    return double


def test_a_mutant_does_what_it_says():
    x, y = np.arange(5, dtype=np.float32), np.zeros(5, np.float32)
    double = scaled(1)
    mutant = next(m for m in mutants_of(double) if m.kind == "operator")
    assert str(mutant).startswith("double, line ")
    assert str(mutant).endswith(": `x[i] * factor + x[i]` → `x[i] * factor - x[i]`")
    run(double, 1, 8, x, y)
    assert y.tolist() == [0, 2, 4, 6, 8]
    run(mutant.build(double), 1, 8, x, y)
    assert y.tolist() == [0] * 5
