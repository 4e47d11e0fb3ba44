"""Links of a sparse convolution as its kernels take them."""

import numpy as np


def by(links, column, count):
    """Where the links of each map (0) or channel (1) begin, and the links sorted so."""
    table = np.array(sorted(links, key=lambda link: link[column]))
    return np.searchsorted(table[:, column], np.arange(count + 1)), table
