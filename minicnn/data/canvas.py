"""Images in lanes while they are augmented: grey levels, two buffers, and random numbers of each image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..arrays import Array
from ..backends.kernels import Kernels

STREAM = 2**64 - 2
"""The random stream of the first augmentation, the next one's is one less; distortions have the one above, layers low ones."""

NO_FIELD = (np.zeros(0, np.int64), np.zeros((0, 4)))
"""The knots and weights of a spline that there is not."""


@dataclass
class Canvas:
    """What an augmentation records its kernels on.

    Args:
        k: the recorder.
        x: (C, H, W, L), the images, grey levels.
        spare: another array like it.
        index: (L,) the number of the image in each lane.
        rng: seed, step and more of a group, as the network's layers get it; the step counts.
        seed: of the draws.
        empty: (C,) the grey levels that become 0 when they are normalised.
    """

    k: Kernels
    x: Array
    spare: Array
    index: Array
    rng: Array
    seed: int
    empty: Array
    stream: int = field(default=STREAM)

    def draw(self, reach: Sequence[float], middle: Sequence[float] = ()) -> Array:
        """Numbers (len(reach), L) that are uniform in middle ± reach, those of (seed, stream, step, image)."""
        u, k, dtype = np.empty((len(reach), self.x.shape[-1]), self.x.dtype), self.k, self.x.dtype
        k.draw_uniform(np.array([self.seed, self.stream], np.uint64), self.rng, self.index, np.array(reach, dtype), u)
        if any(middle):
            k.row_add(np.array(middle, dtype), u)
        return u

    def move(self, u: Array, chances: Sequence[float], fill: float) -> None:
        """Move the images as ``move_inverse`` says."""
        maps = np.empty((6, self.x.shape[-1]), self.x.dtype)
        self.k.move_inverse(u, np.array(chances, self.x.dtype), maps)
        bent = np.empty((2, 0, self.x.shape[2], self.x.shape[3]), self.x.dtype)
        self.sample(maps, bent, *NO_FIELD, fill)

    def sample(self, maps: Array, bent: Array, at: Array, taps: Array, fill: float) -> None:
        """Replace the images by what is read at other places of them."""
        dtype = self.x.dtype
        self.k.sample(self.x, maps, bent, at, taps.astype(dtype), np.array([fill], dtype), self.spare)
        self.x, self.spare = self.spare, self.x


def between(low: float, high: float) -> tuple[float, float]:
    """Reach and middle of an interval, out of which float32 rounds no number: a factor above 0 is never 0."""
    middle, least = np.float32((low + high) / 2), np.float32(low)
    reach = np.float32((high - low) / 2)
    while middle - reach < least:
        reach = np.nextafter(reach, np.float32(0))
    return float(reach), float(middle)
