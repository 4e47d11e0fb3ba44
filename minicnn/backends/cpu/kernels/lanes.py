"""Copies images from ordinary arrays (one image after another) into lanes, and results back.

Legend: index (L,) the image in each lane; lanes [n] the number of live lanes. Lanes l < n are live, the others are padding and
their index is not read.
"""

from __future__ import annotations

from numba.extending import register_jitable

from ....arrays import Array
from ..compile.host import PIXELS
from ..compile.jit import kernel
from ..tiles import tile_grey, tile_store, tile_width

BLOCK = 16  # a constant trip count, so that LLVM unrolls the loop; otherwise it uses slow scatter instructions


@kernel
def gather(x: Array, index: Array, lanes: Array, xl: Array) -> None:
    """xl[d, l] = x[index[l], d], 0 in padding lanes."""
    (D, L), n = xl.shape, lanes[0]
    whole = D - D % BLOCK
    for start in range(0, whole, BLOCK):
        for lane in range(n):
            image = x[index[lane]]
            for d in range(start, start + BLOCK):
                xl[d, lane] = image[d]
    for d in range(whole, D):
        for lane in range(n):
            xl[d, lane] = x[index[lane], d]
    for d in range(D):
        for lane in range(n, L):
            xl[d, lane] = 0


@kernel
def scatter(yl: Array, index: Array, lanes: Array, y: Array) -> None:
    """y[index[l], d] = yl[d, l] for the live lanes."""
    D, n = yl.shape[0], lanes[0]
    whole = D - D % BLOCK
    for start in range(0, whole, BLOCK):
        for lane in range(n):
            image = y[index[lane]]
            for d in range(start, start + BLOCK):
                image[d] = yl[d, lane]
    for d in range(whole, D):
        for lane in range(n):
            y[index[lane], d] = yl[d, lane]


@kernel
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
) -> None:
    """place = number · L, …; index, labels = those of the group's images in a batch of count[0]; lanes = the live lanes.

    rng[:, 1] = the step, rng[:, 3] = the first position. Padding lanes hold the group's first image.
    """
    L = index.size
    start = number[0] * L
    lanes[0] = min(L, count[0] - start)
    for lane in range(L):
        at = start + lane if lane < lanes[0] else start
        place[lane] = at
        index[lane] = batch[at]
        labels[lane] = batch_labels[at]
    for layer in range(rng.shape[0]):
        rng[layer, 1] = step[0]
        rng[layer, 3] = start


@kernel
def gather_pixels(images: Array, affine: Array, index: Array, pad: Array, xl: Array) -> None:
    """xl[0, h + rows, w + columns, l] = a · images[index[l], h, w] + b, and b in the border; a, b = affine.

    A padding lane holds the image that its index names.
    """
    (N, H, W), (_, Hp, Wp, L) = images.shape, xl.shape
    rows, columns, background = pad[0], pad[1], affine[1]
    flat = images.reshape(N, H * W)
    for hp in range(Hp):
        h = hp - rows
        inside = 0 <= h < H
        for wp in range(Wp):
            if not inside or wp < columns or wp >= columns + W:
                pixel = xl[0, hp, wp]
                for lane in range(L):
                    pixel[lane] = background
        if inside and W >= PIXELS:
            for w in range(0, W, PIXELS):
                start = min(w, W - PIXELS)  # the last block overlaps the one before
                for lane in range(0, L, tile_width(xl)):
                    t = tile_grey(flat, index, lane, h * W + start, affine)
                    tile_store(t, xl, ((hp * Wp) + columns + start) * L + lane, L, PIXELS)
        elif inside:
            for w in range(W):
                for lane in range(L):
                    xl[0, hp, columns + w, lane] = affine[0] * images[index[lane], h, w] + background


@register_jitable
def neighbours(o: int, outs: int, ins: int) -> tuple[int, int, float]:
    """The two input rows next to the centre of output row o, clamped to the map, and the weight of the second."""
    centre = max((o + 0.5) * ins / outs - 0.5, 0.0)
    i = min(int(centre), ins - 1)
    return i, min(i + 1, ins - 1), min(centre - i, 1.0)


@kernel
def gather_resized(images: Array, affine: Array, index: Array, lanes: Array, xl: Array) -> None:
    """xl = a v + b with a, b = affine; v is the grey level, interpolated bilinearly with half-pixel centres."""
    (_, H, W), (_, Ho, Wo, L), n = images.shape, xl.shape, lanes[0]
    a, b = affine[0], affine[1]
    for ho in range(Ho):
        top, bottom, down = neighbours(ho, Ho, H)
        for wo in range(Wo):
            left, right, across = neighbours(wo, Wo, W)
            s, t, out = xl.dtype.type(down), xl.dtype.type(across), xl[0, ho, wo]
            for lane in range(n):
                image = images[index[lane]]
                upper = image[top, left] + t * (xl.dtype.type(image[top, right]) - image[top, left])
                lower = image[bottom, left] + t * (xl.dtype.type(image[bottom, right]) - image[bottom, left])
                out[lane] = a * (upper + s * (lower - upper)) + b
            for lane in range(n, L):
                out[lane] = b
