"""Running kernels that work in scratch."""

import numpy as np

from minicnn.backends.scratch import ScratchSpec
from minicnn.backends.workspace import DerivedSpec


def run(kernel, arrays):
    """Run a kernel on its arrays, with NaN, or nonsense, in scratch and in what is derived before."""
    kernel(*map(filled, arrays))


def filled(array):
    """An array; for a spec a new one, which is derived as it says."""
    if isinstance(array, DerivedSpec):
        made = np.full(array.shape, np.nan, array.source.dtype)
        array.kernel(array.source, made)
        return made
    return junk(array) if isinstance(array, ScratchSpec) else array


def junk(spec):
    """An array that nobody may read before writing it."""
    return np.full(spec.shape, -7 if spec.dtype.kind == "i" else np.nan, spec.dtype)
