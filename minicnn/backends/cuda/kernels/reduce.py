"""Sums over a batch in two stages, in a fixed order: each block writes a partial sum, then the partial sums are added.

There are no atomic additions, so the bits of a sum do not depend on the order in which blocks finish.
"""

from __future__ import annotations

from collections.abc import Iterator

from ....arrays import Array
from ..device.launch import LANES, THREADS, Shape, parts, slices
from ..device.mirror import vector
from ..device.operation import SCRATCH, Launch, launch, operation
from ..device.target import cuda, inline

DEEP = 8
"""Threads that add the slices of one sum."""


@inline
def fold(sums: Array, values: int, thread: int) -> None:
    """sums[v, 0] = Σ_t sums[v, t] for v < values: the second half is added to the first until one column is left.

    sums (values, THREADS) is in shared memory; every thread has written its column.
    """
    half = THREADS // 2
    while half > 0:
        cuda.syncthreads()
        for i in range(thread, values * half, THREADS):
            sums[i // half, i % half] += sums[i // half, i % half + half]
        half //= 2
    cuda.syncthreads()


def add_partials_kernel(partials: Array, out: Array, width: int, row: int) -> None:
    """out[n] += Σ_s partials[s, n]; out has rows of ``width`` numbers with stride ``row``."""
    sums = cuda.shared.array((DEEP, LANES), partials.dtype)
    slices, count = partials.shape
    column, first = cuda.threadIdx.x, cuda.threadIdx.y
    n = cuda.blockIdx.x * LANES + column
    total = partials.dtype.type(0)
    if n < count:
        for s in range(first, slices, DEEP):
            total += partials[s, n]
    sums[first, column] = total
    cuda.syncthreads()
    if first == 0 and n < count:
        for i in range(1, DEEP):
            total += sums[i, column]
        out.flat[n // width * row + n % width] += total


def add_partials(partials: Array, out: Array) -> Launch:
    """The second stage: partials (slices, …), out (…) of rank 1, or of rank 2 with strided rows."""
    flat = partials.reshape(len(partials), -1)
    width = out.shape[-1] if out.ndim == 2 else out.size
    row = out.strides[0] // out.itemsize if out.ndim == 2 else out.size
    shape = Shape((parts(flat.shape[1], LANES),), (LANES, DEEP))
    return launch(add_partials_kernel, shape, flat, vector(out), width, row)


def row_sums_kernel(x: Array, row: int, length: int, share: int, partials: Array) -> None:
    """partials[s, m] = Σ x[m, p] over the p of slice s; x has row stride ``row``."""
    sums = cuda.shared.array((1, THREADS), x.dtype)
    thread, m, s = cuda.threadIdx.x, cuda.blockIdx.x, cuda.blockIdx.y
    total = x.dtype.type(0)
    for p in range(s * share + thread, min((s + 1) * share, length), THREADS):
        total += x.flat[m * row + p]
    sums[0, thread] = total
    fold(sums, 1, thread)
    if thread == 0:
        partials[s, m] = sums[0, 0]


def row_sums(x: Array) -> tuple[Launch, Array]:
    """The first stage of a sum over the rows of x (M, P); returns the partials (slices, M)."""
    M, P = x.shape
    count = slices(M, P, 8 * THREADS)
    partials = SCRATCH.take((count, M), x.dtype)
    row = x.strides[0] // x.itemsize
    return launch(row_sums_kernel, Shape((M, count), (THREADS,)), vector(x), row, P, parts(P, count), partials), partials


@operation
def row_sum_add(dy: Array, db: Array) -> Iterator[Launch]:
    """db[m] += Σ_p dy[m, p]."""
    first, partials = row_sums(dy)
    yield first
    yield add_partials(partials, db)


def add_group_partials_kernel(partials: Array, group: Array, out: Array) -> None:
    """out[group] += Σ partials[s, f] over the slices and the maps f of the group."""
    g = cuda.grid(1)
    if g < out.size:
        total = out.dtype.type(0)
        for f in range(group.size):
            if group[f] == g:
                for s in range(partials.shape[0]):
                    total += partials[s, f]
        out[g] += total


@operation
def group_sum_add(dy: Array, group: Array, db: Array) -> Iterator[Launch]:
    """db[group[f]] += Σ_p dy[f, p]: the adjoint of ``spread``."""
    first, partials = row_sums(dy)
    yield first
    yield launch(add_group_partials_kernel, Shape((parts(db.size, LANES),), (LANES,)), partials, group, db)
