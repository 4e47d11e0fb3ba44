"""A small set of colour pictures made in memory, for trying programs where there is no data: five shapes, filled or hollow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .mnist import ImageDataset

SIDE, FINE = 32, 64
SHAPES = ("disc", "square", "triangle", "cross", "bar")
NAMES = (*SHAPES, *(f"hollow {shape}" for shape in SHAPES))
"""The classes, by number."""

HOLE = 0.6
"""How large the hole of a hollow shape is."""

Array = NDArray[np.float64]


def coloured_shapes(train: int = 4000, test: int = 1000, seed: int = 0) -> ImageDataset:
    """Pictures of 32 × 32 pixels in ten classes: a disc, square, triangle, cross or bar, each filled or hollow.

    Place, size, angle and both colours are drawn at random, the background changes over the picture, some pictures have a
    second, small shape that does not count, and all have noise. So colours tell nothing, and a linear classifier is hardly
    better than guessing.

    Args:
        train: how many pictures to train on.
        test: how many to test with.
        seed: of all draws; equal numbers give equal pictures.

    Raises:
        ValueError: a number of pictures is below 1, or seed is negative.

    >>> made = coloured_shapes(20, 10)
    >>> made.train_images.shape, made.train_images.dtype.name, int(made.test_labels.max())
    ((20, 3, 32, 32), 'uint8', 9)
    """
    parts = [_pictures(count, np.random.default_rng([seed, part])) for part, count in enumerate((train, test))]
    return ImageDataset(*parts[0], *parts[1], f"{train + test:,} pictures of coloured shapes that were made", complete=False)


def _pictures(count: int, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Pictures and their classes, each class as often as the others."""
    labels = rng.permutation(np.arange(count) % len(NAMES)).astype(np.uint8)
    return np.stack([_picture(int(label), rng) for label in labels]), labels


def _picture(label: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """One picture (3, 32, 32) of a class."""
    back, ink = _colours(rng)
    slope = rng.uniform(-25, 25, (2, 3, 1, 1)) * np.linspace(-1, 1, SIDE)
    picture = back + slope[0] + slope[1].transpose(0, 2, 1)
    if rng.random() < 0.3:  # before the shape, which may cover it
        other = _coverage(int(rng.integers(len(SHAPES))), False, rng.uniform(2, 3.5), rng.uniform(4, 28, 2), rng)
        picture += other * (rng.uniform(0, 255, (3, 1, 1)) - picture)
    cover = _coverage(label % len(SHAPES), label >= len(SHAPES), rng.uniform(8, 12), rng.uniform(12, 20, 2), rng)
    picture += cover * (ink - picture)
    noisy = picture + rng.normal(0, 8, (3, SIDE, SIDE))
    return np.asarray(np.clip(np.rint(noisy), 0, 255), np.uint8)


def _colours(rng: np.random.Generator) -> tuple[Array, Array]:
    """Two colours (3, 1, 1) that can be told apart."""
    while True:
        back, ink = rng.uniform(0, 255, (2, 3, 1, 1))
        if np.abs(back - ink).max() > 110:
            return back, ink


def _coverage(shape: int, hollow: bool, size: float, centre: Array, rng: np.random.Generator) -> Array:
    """How much of each pixel a shape covers, 0 to 1, turned by up to 30 degrees: the mean over four points."""
    angle = rng.uniform(-np.pi / 6, np.pi / 6)
    across, down = (np.arange(FINE) + 0.5) * SIDE / FINE - centre[:, None]
    u = (across * np.cos(angle) + down[:, None] * np.sin(angle)) / size
    v = (down[:, None] * np.cos(angle) - across * np.sin(angle)) / size
    inside = _inside(shape, u, v)
    if hollow:
        inside &= ~_inside(shape, u / HOLE, v / HOLE)
    fine = inside.reshape(SIDE, FINE // SIDE, SIDE, FINE // SIDE)
    return np.asarray(fine.mean(axis=(1, 3)), np.float64)


def _inside(shape: int, u: Array, v: Array) -> NDArray[np.bool_]:
    """Whether points lie in a shape of size 1 about the origin."""
    across, down = np.abs(u), np.abs(v)
    inside: NDArray[np.bool_] = (
        u * u + v * v < 0.8,
        np.maximum(across, down) < 0.8,
        (v > -0.5) & (v < 1 - 1.75 * across),
        (np.maximum(across, down) < 1) & (np.minimum(across, down) < 0.35),
        (across < 1.05) & (down < 0.5),
    )[shape]
    return inside
