"""Tiled matrix products: a block loads pieces of both factors into shared memory, a thread computes 4 × 4 results.

Legend: W (M, K), x (K, P), y (M, P), passed as vectors with a row stride. In shared memory a piece has the summed index first.
"""

from __future__ import annotations

from collections.abc import Iterator

from ....arrays import Array
from ..device.launch import GEMM, GEMM_THREADS, parts, slices, tiles
from ..device.mirror import vector
from ..device.operation import SCRATCH, Launch, launch, operation
from ..device.target import cuda, inline
from .reduce import add_partials

ROWS, COLUMNS, DEPTH = GEMM
ACROSS, DOWN = GEMM_THREADS
TALL, WIDE = ROWS // DOWN, COLUMNS // ACROSS
SKEW = 1  # an extra column, so that writing transposed pieces does not hit one shared-memory bank again and again
LEFT, RIGHT, TILE = (DEPTH, ROWS + SKEW), (DEPTH, COLUMNS + SKEW), (TALL, WIDE)


@inline
def bring(a: Array, a_row: int, first: int, rows: int, start: int, columns: int, piece: Array) -> None:
    """piece[i, j] = a[first + i, start + j], zero from row ``rows`` and column ``columns`` on."""
    height, width = piece.shape[0], piece.shape[1] - SKEW
    for n in range(cuda.threadIdx.y * ACROSS + cuda.threadIdx.x, height * width, ACROSS * DOWN):
        i, j = n // width, n % width
        inside = first + i < rows and start + j < columns
        piece[i, j] = a.flat[(first + i) * a_row + start + j] if inside else a.dtype.type(0)


@inline
def bring_transposed(a: Array, a_row: int, first: int, rows: int, start: int, columns: int, piece: Array) -> None:
    """piece[j, i] = a[first + i, start + j], zero from row ``rows`` and column ``columns`` on."""
    width, height = piece.shape[0], piece.shape[1] - SKEW
    for n in range(cuda.threadIdx.y * ACROSS + cuda.threadIdx.x, height * width, ACROSS * DOWN):
        i, j = n // width, n % width
        inside = first + i < rows and start + j < columns
        piece[j, i] = a.flat[(first + i) * a_row + start + j] if inside else a.dtype.type(0)


@inline
def multiply_add(left: Array, right: Array, t: Array) -> None:
    """t[r, c] += Σ_k left[k, row of r] · right[k, column of c]."""
    for k in range(DEPTH):
        for c in range(WIDE):
            factor = right[k, cuda.threadIdx.x + c * ACROSS]
            for r in range(TALL):
                t[r, c] += left[k, cuda.threadIdx.y + r * DOWN] * factor


@inline
def clear(t: Array) -> None:
    """t = 0."""
    for r in range(TALL):
        for c in range(WIDE):
            t[r, c] = 0


def gemm_bias_kernel(
    W: Array, w_row: int, x: Array, x_row: int, b: Array, y: Array, y_row: int, M: int, K: int, P: int
) -> None:
    """y = W x + b."""
    left = cuda.shared.array(LEFT, W.dtype)
    right = cuda.shared.array(RIGHT, W.dtype)
    t = cuda.local.array(TILE, W.dtype)
    clear(t)
    m, p = cuda.blockIdx.y * ROWS, cuda.blockIdx.x * COLUMNS
    for k in range(0, K, DEPTH):
        bring_transposed(W, w_row, m, M, k, K, left)
        bring(x, x_row, k, K, p, P, right)
        cuda.syncthreads()
        multiply_add(left, right, t)
        cuda.syncthreads()
    for r in range(TALL):
        row = m + cuda.threadIdx.y + r * DOWN
        for c in range(WIDE):
            column = p + cuda.threadIdx.x + c * ACROSS
            if row < M and column < P:
                y.flat[row * y_row + column] = t[r, c] + b[row]


def gemm_tn_kernel(W: Array, w_row: int, dy: Array, dy_row: int, dx: Array, dx_row: int, M: int, K: int, P: int) -> None:
    """dx = Wᵀ dy."""
    left = cuda.shared.array(LEFT, W.dtype)
    right = cuda.shared.array(RIGHT, W.dtype)
    t = cuda.local.array(TILE, W.dtype)
    clear(t)
    k, p = cuda.blockIdx.y * ROWS, cuda.blockIdx.x * COLUMNS
    for m in range(0, M, DEPTH):
        bring(W, w_row, m, M, k, K, left)
        bring(dy, dy_row, m, M, p, P, right)
        cuda.syncthreads()
        multiply_add(left, right, t)
        cuda.syncthreads()
    for r in range(TALL):
        row = k + cuda.threadIdx.y + r * DOWN
        for c in range(WIDE):
            column = p + cuda.threadIdx.x + c * ACROSS
            if row < K and column < P:
                dx.flat[row * dx_row + column] = t[r, c]


def gemm_nt_kernel(dy: Array, dy_row: int, x: Array, x_row: int, share: int, partials: Array, P: int) -> None:
    """partials[s] = dy xᵀ over the columns of slice s."""
    left = cuda.shared.array(LEFT, dy.dtype)
    right = cuda.shared.array(RIGHT, dy.dtype)
    t = cuda.local.array(TILE, dy.dtype)
    clear(t)
    m, k, s = cuda.blockIdx.y * ROWS, cuda.blockIdx.x * COLUMNS, cuda.blockIdx.z
    _, M, K = partials.shape
    end = min((s + 1) * share, P)
    for p in range(s * share, end, DEPTH):
        bring_transposed(dy, dy_row, m, M, p, end, left)
        bring_transposed(x, x_row, k, K, p, end, right)
        cuda.syncthreads()
        multiply_add(left, right, t)
        cuda.syncthreads()
    for r in range(TALL):
        row = m + cuda.threadIdx.y + r * DOWN
        for c in range(WIDE):
            column = k + cuda.threadIdx.x + c * ACROSS
            if row < M and column < K:
                partials[s, row, column] = t[r, c]


def row_of(a: Array) -> int:
    """The row stride, in elements."""
    return a.strides[0] // a.itemsize


@operation
def gemm_bias(W: Array, x: Array, b: Array, y: Array) -> Iterator[Launch]:
    """y = W x + b."""
    (M, K), P = W.shape, x.shape[1]
    arrays = (vector(W), row_of(W), vector(x), row_of(x), b, vector(y), row_of(y))
    yield launch(gemm_bias_kernel, tiles(M, P), *arrays, M, K, P)


@operation
def gemm_tn(W: Array, dy: Array, dx: Array) -> Iterator[Launch]:
    """dx = Wᵀ dy."""
    (M, K), P = W.shape, dy.shape[1]
    arrays = (vector(W), row_of(W), vector(dy), row_of(dy), vector(dx), row_of(dx))
    yield launch(gemm_tn_kernel, tiles(K, P), *arrays, M, K, P)


def products(dy: Array, x: Array, dW: Array) -> Iterator[Launch]:
    """dW += dy xᵀ, with the columns divided into slices."""
    (M, P), K = dy.shape, x.shape[0]
    count = slices(parts(M, ROWS) * parts(K, COLUMNS), P, 4 * DEPTH)
    share = parts(parts(P, count), DEPTH) * DEPTH
    partials = SCRATCH.take((parts(P, share), M, K), dW.dtype)
    yield launch(gemm_nt_kernel, tiles(M, K, len(partials)), vector(dy), row_of(dy), vector(x), row_of(x), share, partials, P)
    yield add_partials(partials, dW)


@operation
def gemm_nt_add(dy: Array, x: Array, dW: Array) -> Iterator[Launch]:
    """dW += dy xᵀ."""
    yield from products(dy, x, dW)


@operation
def outer_add(dy: Array, x: Array, xt: Array, dW: Array) -> Iterator[Launch]:
    """dW += dy xᵀ; xt, a scratch buffer on the CPU, is not used."""
    yield from products(dy, x, dW)
