"""Copies images from ordinary arrays (one image after another) into lanes, and results back.

Legend: index (L,) the image in each lane; lanes [n] the number of live lanes. Lanes l < n are live, the others are padding and
their index is not read. Images store their pixels contiguously, lanes store the images contiguously: squares of 32 × 32 go
through shared memory, so that reads and writes are both contiguous.
"""

from __future__ import annotations

from collections.abc import Iterator

from ....arrays import Array, Number
from ..device.launch import LANES, ROWS, THREADS, Shape, parts
from ..device.launch import lanes as by_lane
from ..device.operation import Launch, launch, operation
from ..device.target import cuda, inline

SQUARE = (LANES, LANES + 1)  # an extra, unused column, so that reading columns does not hit one bank again and again


def gather_kernel(x: Array, index: Array, lanes: Array, xl: Array) -> None:
    """xl[d, l] = x[index[l], d], 0 in padding lanes."""
    square = cuda.shared.array(SQUARE, xl.dtype)
    D, L = xl.shape
    d, lane = cuda.blockIdx.x * LANES, cuda.blockIdx.y * LANES
    for i in range(cuda.threadIdx.y, LANES, ROWS):
        inside = lane + i < lanes[0] and d + cuda.threadIdx.x < D
        square[i, cuda.threadIdx.x] = x.flat[index[lane + i] * D + d + cuda.threadIdx.x] if inside else 0
    cuda.syncthreads()
    for i in range(cuda.threadIdx.y, LANES, ROWS):
        if d + i < D and lane + cuda.threadIdx.x < L:
            xl.flat[(d + i) * L + lane + cuda.threadIdx.x] = square[cuda.threadIdx.x, i]


def scatter_kernel(yl: Array, index: Array, lanes: Array, y: Array) -> None:
    """y[index[l], d] = yl[d, l] for the live lanes."""
    square = cuda.shared.array(SQUARE, yl.dtype)
    D, L = yl.shape
    d, lane = cuda.blockIdx.x * LANES, cuda.blockIdx.y * LANES
    for i in range(cuda.threadIdx.y, LANES, ROWS):
        if d + i < D and lane + cuda.threadIdx.x < L:
            square[i, cuda.threadIdx.x] = yl.flat[(d + i) * L + lane + cuda.threadIdx.x]
    cuda.syncthreads()
    for i in range(cuda.threadIdx.y, LANES, ROWS):
        if lane + i < lanes[0] and d + cuda.threadIdx.x < D:
            y.flat[index[lane + i] * D + d + cuda.threadIdx.x] = square[cuda.threadIdx.x, i]


def gather_pixels_kernel(images: Array, affine: Array, index: Array, rows: int, columns: int, xl: Array) -> None:
    """xl[0, h + rows, w + columns, l] = a · images[index[l], h, w] + b, and b in the border; a, b = affine."""
    square = cuda.shared.array(SQUARE, xl.dtype)
    (_, H, W), (_, tall, wide, L) = images.shape, xl.shape
    place, lane = cuda.blockIdx.x * LANES, cuda.blockIdx.y * LANES
    pixel = place + cuda.threadIdx.x
    h, w = pixel // wide - rows, pixel % wide - columns
    for i in range(cuda.threadIdx.y, LANES, ROWS):
        if lane + i < L and 0 <= h < H and 0 <= w < W:
            level = xl.dtype.type(images.flat[(index[lane + i] * H + h) * W + w])
            square[i, cuda.threadIdx.x] = affine[0] * level + affine[1]
        else:
            square[i, cuda.threadIdx.x] = affine[1]
    cuda.syncthreads()
    for i in range(cuda.threadIdx.y, LANES, ROWS):
        if place + i < tall * wide and lane + cuda.threadIdx.x < L:
            xl.flat[(place + i) * L + lane + cuda.threadIdx.x] = square[cuda.threadIdx.x, i]


@inline
def centre_of(o: int, outs: int, ins: int) -> Number:
    """The centre of output row o, in input rows, at least 0."""
    return max((o + 0.5) * ins / outs - 0.5, 0.0)


def gather_resized_kernel(images: Array, affine: Array, index: Array, lanes: Array, xl: Array) -> None:
    """xl = a v + b, with a, b = affine and v bilinear with half-pixel centres; b in padding lanes."""
    (_, H, W), (_, tall, wide, L) = images.shape, xl.shape
    place, lane = cuda.blockIdx.x * ROWS + cuda.threadIdx.y, cuda.blockIdx.y * LANES + cuda.threadIdx.x
    if place < tall * wide and lane < L:
        value = affine[1]
        if lane < lanes[0]:
            down, across = centre_of(place // wide, tall, H), centre_of(place % wide, wide, W)
            top, left = min(int(down), H - 1), min(int(across), W - 1)
            bottom, right = min(top + 1, H - 1), min(left + 1, W - 1)
            s, t = xl.dtype.type(min(down - top, 1.0)), xl.dtype.type(min(across - left, 1.0))
            at = index[lane] * H
            upper_left = xl.dtype.type(images.flat[(at + top) * W + left])
            lower_left = xl.dtype.type(images.flat[(at + bottom) * W + left])
            upper = upper_left + t * (xl.dtype.type(images.flat[(at + top) * W + right]) - upper_left)
            lower = lower_left + t * (xl.dtype.type(images.flat[(at + bottom) * W + right]) - lower_left)
            value = affine[0] * (upper + s * (lower - upper)) + affine[1]
        xl.flat[place * L + lane] = value


def choose_group_kernel(
    batch: Array,
    batch_labels: Array,
    count: Array,
    step: Array,
    number: Array,
    place: Array,
    index: Array,
    labels: Array,
    lanes: Array,
    rng: Array,
) -> None:
    """Each thread fills one lane and one row of rng; the first also writes the number of live lanes."""
    L = index.size
    i, start = cuda.grid(1), number[0] * L
    real = min(L, count[0] - start)
    if i < L:
        at = start + i if i < real else start
        place[i] = at
        index[i] = batch[at]
        labels[i] = batch_labels[at]
    if i < rng.shape[0]:
        rng[i, 1] = step[0]
        rng[i, 3] = start
    if i == 0:
        lanes[0] = real


def squares(D: int, L: int) -> Shape:
    """One block for each square of 32 pixels × 32 lanes."""
    return Shape((parts(D, LANES), parts(L, LANES)), (LANES, ROWS))


@operation
def gather(x: Array, index: Array, lanes: Array, xl: Array) -> Iterator[Launch]:
    """xl[d, l] = x[index[l], d]; padding lanes 0."""
    yield launch(gather_kernel, squares(*xl.shape), x, index, lanes, xl)


@operation
def scatter(yl: Array, index: Array, lanes: Array, y: Array) -> Iterator[Launch]:
    """y[index[l], d] = yl[d, l] for the live lanes."""
    yield launch(scatter_kernel, squares(*yl.shape), yl, index, lanes, y)


@operation
def choose_group(
    batch: Array,
    batch_labels: Array,
    count: Array,
    step: Array,
    number: Array,
    place: Array,
    index: Array,
    labels: Array,
    lanes: Array,
    rng: Array,
) -> Iterator[Launch]:
    """place, index, labels, lanes, rng = those of group number[0] of a batch of count[0] images."""
    arguments = (batch, batch_labels, count, step, number, place, index, labels, lanes, rng)
    yield launch(choose_group_kernel, Shape((parts(max(index.size, len(rng)), THREADS),), (THREADS,)), *arguments)


@operation
def gather_pixels(images: Array, affine: Array, index: Array, pad: Array, xl: Array) -> Iterator[Launch]:
    """xl[0, h + pad, w + pad, l] = affine[0] · images[index[l], h, w] + affine[1], and affine[1] in the border."""
    _, tall, wide, L = xl.shape
    yield launch(gather_pixels_kernel, squares(tall * wide, L), images, affine, index, int(pad[0]), int(pad[1]), xl)


@operation
def gather_resized(images: Array, affine: Array, index: Array, lanes: Array, xl: Array) -> Iterator[Launch]:
    """xl = affine[0] · (images, resized bilinearly) + affine[1]."""
    _, tall, wide, L = xl.shape
    arguments = (images, affine, index, lanes, xl)
    yield launch(gather_resized_kernel, by_lane(L, tall * wide), *arguments)
