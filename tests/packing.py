"""Weights as the tiles read them."""

import numpy as np

from minicnn.backends.packing import blocks, filter_block


def packed(kernel, W, maps):
    """The weights in blocks of the filters, or of the channels, over a buffer full of NaN."""
    size, taps = filter_block(maps), W.shape[2:]
    buffer = np.full((blocks(maps, size), W.size // (maps * taps[0] * taps[1]), *taps, size), np.nan, W.dtype)
    kernel(W, buffer)
    return buffer
