"""The tile functions of ``channel_tile.py``: compiled, or as NumPy forms if kernels run as plain Python."""

from ..compile.mode import INTERPRET

if INTERPRET:
    from .channel_numpy import tile_beside, tile_channels, tile_larger, tile_spread, tile_walk
else:
    from .channel_tile import tile_beside, tile_channels, tile_larger, tile_spread, tile_walk  # type: ignore[assignment]

__all__ = ["tile_beside", "tile_channels", "tile_larger", "tile_spread", "tile_walk"]
