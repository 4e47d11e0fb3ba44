"""Threads whose ways part, and meet again: results, and how often what they share is executed."""

import numpy as np
import pytest
from numba import cuda, float32

from ptx import launch, run
from ptx.known import analyse
from ptx.launch import LANES
from ptx.snippets import kernel
from ptx.syntax import parse

COUNT = 1000


def loops(x, y):
    """A loop in a loop, both of different lengths, with a way out of each, and branches in branches."""
    i = cuda.grid(1)
    if i >= x.size:
        return
    n, total = x[i], 0
    for a in range(n % 13):
        if a == 9 and n % 2 == 0:
            break
        for b in range(a % 5):
            if (a + b) % 3 == 0:
                continue
            if n % 7 == b:
                total += 100 * a
            elif n % 5 == b:
                total -= b
            else:
                total += 1
        while total % 11 == 3:
            total += 7
    y[i] = total


@pytest.mark.parametrize("block", [1, 32, 100, 1024])
def test_nested_loops_and_branches(block):
    x = np.random.default_rng(0).integers(0, 10_000, COUNT)
    y, expected = np.zeros_like(x), np.zeros_like(x)
    run(loops, -(-COUNT // block), block, x, y)
    for i, n in enumerate(x.tolist()):
        total = 0
        for a in range(n % 13):
            if a == 9 and n % 2 == 0:
                break
            for b in range(a % 5):
                if (a + b) % 3:
                    total += 100 * a if n % 7 == b else -b if n % 5 == b else 1
            while total % 11 == 3:
                total += 7
        expected[i] = total
    assert np.array_equal(y, expected)


def where_am_i(y):
    i, j, k = cuda.grid(3)
    y[k, j, i] = cuda.threadIdx.x + 10 * cuda.threadIdx.y + 100 * cuda.threadIdx.z
    y[k, j, i] += 1000 * cuda.blockIdx.x + 10_000 * cuda.blockIdx.y + 100_000 * cuda.blockIdx.z
    y[k, j, i] += 1_000_000 * cuda.gridDim.y + 10_000_000 * cuda.blockDim.y


@pytest.mark.parametrize("grid", [(2, 3, 4), (1, 1, 1), (9, 9, 9)])
def test_blocks_and_threads_know_where_they_are(grid):
    block = (2, 3, 4) if grid[0] < 9 else (8, 5, 2)
    shape = [g * b for g, b in zip(grid, block, strict=True)]
    y = np.zeros(shape[::-1], np.int64)
    run(where_am_i, grid, block, y)
    k, j, i = np.indices(y.shape)
    expected = i % block[0] + 10 * (j % block[1]) + 100 * (k % block[2])
    expected += 1000 * (i // block[0]) + 10_000 * (j // block[1]) + 100_000 * (k // block[2])
    assert np.array_equal(y, expected + 1_000_000 * grid[1] + 10_000_000 * block[1])


APART = """
    mov.u32 %r0, %tid.x;
    mul.wide.u32 %rd5, %r0, 4;
    add.s64 %rd6, %rd0, %rd5;
    setp.lt.u32 %p0, %r0, {least};
    @%p0 bra $small;
    mov.u32 %r1, 1;
    bra.uni $meet;
$small:
    mov.u32 %r1, 2;
$meet:
    add.s32 %r1, %r1, 10;
    add.s32 %r1, %r1, 10;
    st.global.u32 [%rd6], %r1;"""


def test_threads_that_part_execute_what_follows_together():
    a = np.zeros(8, np.int32)
    together = launch(kernel(["a"], "", APART.format(least=8)), 1, 8, a)
    assert a.tolist() == [22] * 8
    apart = launch(kernel(["a"], "", APART.format(least=3)), 1, 8, a)
    assert a.tolist() == [22] * 3 + [21] * 5
    assert apart == together + 2, "expected the two instructions of the other branch to be executed, and nothing twice"


def test_where_ways_meet():
    (entry,) = parse(kernel(["a"], "", APART)).values()
    blocks = analyse(entry).blocks
    assert [block.meet for block in blocks] == [3, 3, 3, -1]
    assert [block.successors for block in blocks] == [[2, 1], [3], [3], [-1]]


def test_threads_leave_one_by_one():
    body = """
    mov.u32 %r0, %tid.x;
    mul.wide.u32 %rd5, %r0, 4;
    add.s64 %rd6, %rd0, %rd5;
    mov.u32 %r1, 0;
$on:
    setp.ge.u32 %p0, %r1, %r0;
    st.global.u32 [%rd6], %r1;
    @%p0 ret;
    add.s32 %r1, %r1, 1;
    setp.lt.u32 %p1, %r1, 5;
    @%p1 bra $on;
    st.global.u32 [%rd6], 77;"""
    a = np.zeros(8, np.int32)
    launch(kernel(["a"], "", body), 1, 8, a)
    assert a.tolist() == [0, 1, 2, 3, 4, 77, 77, 77]


def blocks_apart(x, y):
    """Barriers in a loop that blocks go round differently often."""
    s = cuda.shared.array(32, float32)
    i, b = cuda.threadIdx.x, cuda.blockIdx.x
    s[i] = x[b, i]
    cuda.syncthreads()
    for _ in range(b % 4):
        v = s[(i + 1) % 32]
        cuda.syncthreads()
        s[i] = v
        cuda.syncthreads()
    y[b, i] = s[i]


def test_blocks_pass_barriers_at_their_own_pace():
    blocks = 2 * LANES // 32 + 5
    x = np.random.default_rng(1).standard_normal((blocks, 32)).astype(np.float32)
    y = np.zeros_like(x)
    run(blocks_apart, blocks, 32, x, y)
    assert np.array_equal(y, np.stack([np.roll(row, -(b % 4)) for b, row in enumerate(x)]))


def test_a_value_that_agrees_is_kept_once_and_spread_where_threads_part():
    body = """
    mov.u32 %r0, %tid.x;
    mul.wide.u32 %rd5, %r0, 4;
    add.s64 %rd6, %rd0, %rd5;
    mov.u32 %r1, 7;
    setp.eq.u32 %p0, %r0, 2;
    @%p0 add.s32 %r1, %r1, 1;
    @!%p0 add.s32 %r1, %r1, 2;
    @%p0 ld.global.u32 %r2, [%rd1+4];
    @!%p0 mov.u32 %r2, 0;
    add.s32 %r1, %r1, %r2;
    st.global.u32 [%rd6], %r1;"""
    a, b = np.zeros(4, np.int32), np.arange(10, 14, dtype=np.int32)
    launch(kernel(["a", "b"], "", body), 1, 4, a, b)
    assert a.tolist() == [9, 9, 19, 9]
