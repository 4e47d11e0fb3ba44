"""Register tiles for the kernels: the compiled ones, or their NumPy twins where kernels run as plain Python."""

from .mode import INTERPRET

if INTERPRET:
    from .tile_twin import (
        tile_add,
        tile_bias,
        tile_convolve,
        tile_correlate,
        tile_dot,
        tile_dot_inside,
        tile_dot_rows,
        tile_grey,
        tile_inside,
        tile_multiply,
        tile_multiply_inside,
        tile_outer,
        tile_places,
        tile_put,
        tile_set,
        tile_squash,
        tile_store,
        tile_sum_add,
        tile_sum_add_rows,
        tile_transposed,
        tile_width,
        tile_zeros,
    )
    from .vectors_twin import vector_inside, vector_load, vector_of, vector_slope, vector_winner, vector_won
else:
    from .tile import (  # type: ignore[assignment]
        tile_add,
        tile_bias,
        tile_grey,
        tile_inside,
        tile_places,
        tile_put,
        tile_set,
        tile_squash,
        tile_store,
        tile_sum_add,
        tile_sum_add_rows,
        tile_transposed,
        tile_width,
        tile_zeros,
    )
    from .tile_products import (  # type: ignore[assignment]
        tile_convolve,
        tile_correlate,
        tile_dot,
        tile_dot_inside,
        tile_dot_rows,
        tile_multiply,
        tile_multiply_inside,
        tile_outer,
    )
    from .vectors import vector_inside, vector_load, vector_of, vector_slope, vector_winner, vector_won  # type: ignore[assignment]

__all__ = [
    "tile_add",
    "tile_bias",
    "tile_convolve",
    "tile_correlate",
    "tile_dot",
    "tile_dot_inside",
    "tile_dot_rows",
    "tile_grey",
    "tile_inside",
    "tile_multiply",
    "tile_multiply_inside",
    "tile_outer",
    "tile_places",
    "tile_put",
    "tile_set",
    "tile_squash",
    "tile_store",
    "tile_sum_add",
    "tile_sum_add_rows",
    "tile_transposed",
    "tile_width",
    "tile_zeros",
    "vector_inside",
    "vector_load",
    "vector_of",
    "vector_slope",
    "vector_winner",
    "vector_won",
]
