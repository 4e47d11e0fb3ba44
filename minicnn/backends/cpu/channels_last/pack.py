"""Weights as the kernels of this folder read them.

They are packed again only if they have changed: ``seen`` holds those that are packed, bit by bit. An image alone takes less
time than packing does, and anybody may write into a parameter.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from ....arrays import Array
from ..compile.jit import kernel


@register_jitable
def changed(W: Array, b: Array, seen: Array) -> bool:
    """Whether the weights differ from those that were seen last, which they become."""
    new, bias, old = W.reshape(-1).view(np.int32), b.view(np.int32), seen.view(np.int32)
    differences = np.int32(0)
    for i in range(new.size):
        differences |= new[i] ^ old[i]
    for i in range(bias.size):
        differences |= bias[i] ^ old[new.size + i]
    if differences == 0:
        return False
    for i in range(new.size):
        old[i] = new[i]
    for i in range(bias.size):
        old[new.size + i] = bias[i]
    return True


@kernel
def pack_channels_last(W: Array, b: Array, packed: Array, bias: Array, seen: Array) -> None:
    """packed[block, kh, kw, c, k] = W[block · size + k, c, kh, kw] and bias = b; zeros for what there is not."""
    (F, C, KH, KW), size = W.shape, packed.shape[4]
    if changed(W, b, seen):
        for f in range(F):
            bias[f] = b[f]
            for c in range(C):
                for kh in range(KH):
                    for kw in range(KW):
                        packed[f // size, kh, kw, c, f % size] = W[f, c, kh, kw]


@kernel
def pack_depthwise(W: Array, b: Array, packed: Array, bias: Array, seen: Array) -> None:
    """packed[kh, kw, c] = W[c, 0, kh, kw] and bias = b; zeros for channels there are not."""
    C, _, KH, KW = W.shape
    if changed(W, b, seen):
        for c in range(C):
            bias[c] = b[c]
            for kh in range(KH):
                for kw in range(KW):
                    packed[kh, kw, c] = W[c, 0, kh, kw]
