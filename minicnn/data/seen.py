"""The images that a source gives in one training step, as an array to look at."""

from __future__ import annotations

from reprlib import repr as short
from typing import TYPE_CHECKING

import numpy as np

from .. import backends
from ..arrays import Array
from ..backends.program import Program
from ..engine.record import Recorder
from ..engine.source import Source
from ..errors import OptionError
from .ranges import whole

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

LANES = 16


def numbers(who: str, name: str, given: ArrayLike, count: int) -> Array:
    """Check numbers of images, which kernels read by them.

    Args:
        who: whose option they are.
        name: its name.
        given: they, in one row.
        count: how many images there are.

    Raises:
        OptionError: they are none, or outside.

    >>> numbers("Augmented.look", "index", [2, 0], 3).tolist()
    [2, 0]
    """
    try:
        found = np.asarray(given)
    except ValueError:  # rows of different lengths
        found = np.empty(0)
    if found.ndim != 1 or not found.size or found.dtype.kind not in "iu" or found.min() < 0 or found.max() >= count:
        what = f"expected {name} as numbers of images from 0 to {count - 1}, got {short(given)}"
        raise OptionError(who, what, f"give for example {name}=[0]")
    return np.ascontiguousarray(found, np.int64)


def seen(who: str, source: Source, index: ArrayLike, step: int, backend: str) -> Array:
    """The chosen images (n, C, rows, columns) in float32, exactly as a network gets them in a training step.

    Args:
        who: who looks, for messages.
        source: what draws by the step.
        index: the numbers of the images.
        step: the number of the step.
        backend: the backend that computes them.

    Raises:
        OptionError: there are no such images, or step is no whole number.
    """
    chosen = numbers(who, "index", index, source.shape[0])
    whole(who, "step", step, 2**64 - 1, "2^64 − 1")
    padded = -(-len(chosen) // LANES) * LANES
    x, rng = np.empty((*source.shape[1:], padded), np.float32), np.array([0, step, 0, 0], np.uint64)
    program, used = Program(), backends.get(backend)
    source.load(Recorder(used, program), np.resize(chosen, padded), np.array([padded]), x, rng)
    program.run()
    if used.memory is not None:
        used.memory.to_host(x)
    return np.moveaxis(x[..., : len(chosen)], -1, 0).copy()
