"""The tile functions of ``tap_tile.py``: compiled, or as NumPy forms if kernels run as plain Python."""

from ..compile.mode import INTERPRET

if INTERPRET:
    from .tap_numpy import tile_filter, tile_filter_dot, tile_lines, tile_pixels, tile_weights
else:
    from .tap_tile import (  # type: ignore[assignment]
        tile_filter,
        tile_filter_dot,
        tile_lines,
        tile_pixels,
        tile_weights,
    )

__all__ = ["tile_filter", "tile_filter_dot", "tile_lines", "tile_pixels", "tile_weights"]
