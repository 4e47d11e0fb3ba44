"""From images in memory to lanes, and back: index (L,) says which image each lane holds; the first n = lanes[0] are real."""

import numpy as np

from ...arrays import Array


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
    """place, index, labels, lanes, rng = those of group number[0] of a batch; padding lanes hold the group's first image."""
    L, start = len(index), number[0] * len(index)
    lanes[0] = min(L, count[0] - start)
    place[...] = start + np.where(np.arange(L) < lanes[0], np.arange(L), 0)
    index[...], labels[...] = batch[place], batch_labels[place]
    rng[:, 1], rng[:, 3] = step[0], start


def gather(x: Array, index: Array, lanes: Array, xl: Array) -> None:
    """xl[d, l] = x[index[l], d]; 0 in padding lanes."""
    n = lanes[0]
    xl[:, :n], xl[:, n:] = x[index[:n]].T, 0


def scatter(yl: Array, index: Array, lanes: Array, y: Array) -> None:
    """y[index[l], d] = yl[d, l] for the real lanes."""
    n = lanes[0]
    y[index[:n]] = yl[:, :n].T


def gather_pixels(images: Array, affine: Array, index: Array, pad: Array, xl: Array) -> None:
    """xl[0, h + pad, w + pad, l] = scale · images[index[l], h, w] + shift, and shift around; scale, shift = affine."""
    (scale, shift), (_, H, W), (top, left) = affine, images.shape, pad
    xl[...] = shift
    xl[0, top : top + H, left : left + W] = scale * np.moveaxis(images[index], 0, -1) + shift


def neighbours(outs: int, ins: int) -> tuple[Array, Array, Array]:
    """For every output row the two input rows around its centre, within the map, and the weight of the second."""
    centre = np.clip((np.arange(outs) + 0.5) * ins / outs - 0.5, 0, ins - 1)
    above = centre.astype(np.int64)
    return above, np.minimum(above + 1, ins - 1), centre - above


def gather_resized(images: Array, affine: Array, index: Array, lanes: Array, xl: Array) -> None:
    """xl = scale · v + shift, v = the grey levels, bilinearly, with half-pixel centres; shift in padding lanes."""
    (scale, shift), (_, H, W), (_, Ho, Wo, _), n = affine, images.shape, xl.shape, lanes[0]
    (top, bottom, down), (left, right, across) = neighbours(Ho, H), neighbours(Wo, W)
    v = np.moveaxis(images[index[:n]], 0, -1).astype(xl.dtype)
    rows = v[top] + down[:, None, None] * (v[bottom] - v[top])
    xl[...] = shift
    xl[0, ..., :n] += scale * (rows[:, left] + across[:, None] * (rows[:, right] - rows[:, left]))
