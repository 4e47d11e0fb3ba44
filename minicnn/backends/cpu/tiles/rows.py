"""Tiles for one image: compiled, or as NumPy forms if kernels run as plain Python."""

from ..compile.mode import INTERPRET

if INTERPRET:
    from .row_numpy import (
        tile_add_window,
        tile_beat,
        tile_columns,
        tile_fold_add,
        tile_fold_add_listed,
        tile_keep,
        tile_listed,
        tile_lowest,
        tile_plus,
        tile_products,
        tile_repeat,
        tile_rows,
        tile_scale,
        tile_spread_taps,
        tile_store_rows,
        tile_store_taps,
        tile_taps,
        tile_window,
    )
else:
    from .pool_tile import (  # type: ignore[assignment]
        tile_beat,
        tile_keep,
        tile_lowest,
        tile_plus,
        tile_repeat,
        tile_store_taps,
    )
    from .row_tile import (  # type: ignore[assignment]
        tile_add_window,
        tile_columns,
        tile_fold_add,
        tile_fold_add_listed,
        tile_listed,
        tile_products,
        tile_rows,
        tile_scale,
        tile_spread_taps,
        tile_store_rows,
        tile_taps,
        tile_window,
    )

__all__ = [
    "tile_add_window",
    "tile_beat",
    "tile_columns",
    "tile_fold_add",
    "tile_fold_add_listed",
    "tile_keep",
    "tile_listed",
    "tile_lowest",
    "tile_plus",
    "tile_products",
    "tile_repeat",
    "tile_rows",
    "tile_scale",
    "tile_spread_taps",
    "tile_store_rows",
    "tile_store_taps",
    "tile_taps",
    "tile_window",
]
