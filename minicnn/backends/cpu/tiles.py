"""Register tiles for the kernels: the compiled ones, or their NumPy twins where kernels run as plain Python."""

from .mode import INTERPRET

if INTERPRET:
    from .tile_twin import (
        tile_add,
        tile_bias,
        tile_convolve,
        tile_correlate,
        tile_dot,
        tile_dot_rows,
        tile_grey,
        tile_lanes,
        tile_outer,
        tile_store,
        tile_sum_add,
        tile_sum_add_rows,
        tile_width,
        tile_zero,
        tile_zeros,
    )
else:
    from .tile import (  # type: ignore[assignment]
        tile_add,
        tile_bias,
        tile_convolve,
        tile_correlate,
        tile_dot,
        tile_dot_rows,
        tile_grey,
        tile_lanes,
        tile_outer,
        tile_store,
        tile_sum_add,
        tile_sum_add_rows,
        tile_width,
        tile_zero,
        tile_zeros,
    )

__all__ = [
    "tile_add",
    "tile_bias",
    "tile_convolve",
    "tile_correlate",
    "tile_dot",
    "tile_dot_rows",
    "tile_grey",
    "tile_lanes",
    "tile_outer",
    "tile_store",
    "tile_sum_add",
    "tile_sum_add_rows",
    "tile_width",
    "tile_zero",
    "tile_zeros",
]
