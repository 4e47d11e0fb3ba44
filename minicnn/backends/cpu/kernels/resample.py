"""Linear maps of rows and columns: interpolation, means over windows of unlike sizes, borders, and their adjoint.

Legend: x (C, H, W, L), y (C, OH, OW, L); taps and weights (OH + OW, reads): the rows of x that each row of y reads, and below
them the columns that each column reads. A tap of −1 ends them.
"""

from __future__ import annotations

from ....arrays import Array
from ..compile.jit import kernel


@kernel
def resample(x: Array, taps: Array, weights: Array, y: Array) -> None:
    """y[c, oh, ow] = Σ_i Σ_j weights[oh, i] · weights[OH + ow, j] · x[c, taps[oh, i], taps[OH + ow, j]]."""
    (C, OH, OW, L), reads = y.shape, taps.shape[1]
    for c in range(C):
        y[c] = 0
        for oh in range(OH):
            for i in range(reads):
                if taps[oh, i] < 0:
                    break
                row, share = x[c, taps[oh, i]], weights[oh, i]
                for ow in range(OW):
                    out = y[c, oh, ow]
                    for j in range(reads):
                        if taps[OH + ow, j] < 0:
                            break
                        pixel, weight = row[taps[OH + ow, j]], share * weights[OH + ow, j]
                        for lane in range(L):
                            out[lane] += weight * pixel[lane]


@kernel
def resample_dx(dy: Array, taps: Array, weights: Array, dx: Array) -> None:
    """dx = Σ of weight · dy over the places that read the pixel: the adjoint of ``resample``."""
    (C, OH, OW, L), reads = dy.shape, taps.shape[1]
    for c in range(C):
        dx[c] = 0
        for oh in range(OH):
            for i in range(reads):
                if taps[oh, i] < 0:
                    break
                row, share = dx[c, taps[oh, i]], weights[oh, i]
                for ow in range(OW):
                    out = dy[c, oh, ow]
                    for j in range(reads):
                        if taps[OH + ow, j] < 0:
                            break
                        pixel, weight = row[taps[OH + ow, j]], share * weights[OH + ow, j]
                        for lane in range(L):
                            pixel[lane] += weight * out[lane]
