"""The tile functions of ``channel_tile.py``: compiled, or as NumPy forms if kernels run as plain Python."""

from ..compile.mode import INTERPRET

if INTERPRET:
    from .channel_numpy import tile_channels, tile_larger, tile_listed, tile_row_beside, tile_spread, tile_walk
else:
    from .channel_tile import tile_channels, tile_larger, tile_listed, tile_row_beside, tile_spread, tile_walk  # type: ignore[assignment]

__all__ = ["tile_channels", "tile_larger", "tile_listed", "tile_row_beside", "tile_spread", "tile_walk"]
