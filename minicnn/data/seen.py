"""The images that a source gives in one training step, as an array to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import backends
from ..arrays import Array
from ..backends.program import Program
from ..engine.record import Recorder
from ..engine.source import Source

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

LANES = 16


def seen(source: Source, index: ArrayLike, step: int, backend: str) -> Array:
    """The chosen images (n, C, rows, columns) in float32, exactly as a network gets them in a training step.

    Args:
        source: what draws by the step.
        index: the numbers of the images.
        step: the number of the step.
        backend: the backend that computes them.
    """
    chosen = np.asarray(index)
    padded = -(-len(chosen) // LANES) * LANES
    x, rng = np.empty((*source.shape[1:], padded), np.float32), np.array([0, step, 0, 0], np.uint64)
    program, used = Program(), backends.get(backend)
    source.load(Recorder(used, program), np.resize(chosen, padded), np.array([padded]), x, rng)
    program.run()
    if used.memory is not None:
        used.memory.to_host(x)
    return np.moveaxis(x[..., : len(chosen)], -1, 0).copy()
