"""Which kernels have a sibling for one image, whose vectors lie over pixels, rows or windows and not over lanes."""

from __future__ import annotations

from functools import update_wrapper
from typing import Any

from ...arrays import Array
from . import conv, gemm, lanes, one_gemm, one_lanes, one_max_pool, one_pool, one_rbf, one_sparse, pool, sparse_conv
from .jit import Selection
from .rbf import rbf as rbf_of_many
from .rbf import rbf_dW_add as rbf_dW_add_of_many
from .rbf import rbf_dx as rbf_dx_of_many

LANES = 16
"""Kernels over lanes take their vectors from so many at a time."""


def by_lanes(many: Any, few: Any, place: int) -> Selection:
    """The kernel ``many`` where the array at this place of the arguments has lanes to fill vectors with, else ``few``."""

    def choose(*arrays: Array) -> Any:
        return few if arrays[place].shape[-1] % LANES else many

    return Selection(update_wrapper(choose, many))


FIRST, LAST = 0, -1

pad = by_lanes(conv.pad, one_lanes.pad, LAST)
sparse_conv2d = by_lanes(sparse_conv.sparse_conv2d, one_sparse.sparse_conv2d, LAST)
sparse_conv2d_dx = by_lanes(sparse_conv.sparse_conv2d_dx, one_sparse.sparse_conv2d_dx, LAST)
sparse_conv2d_dW_add = by_lanes(  # noqa: N816
    sparse_conv.sparse_conv2d_dW_add, one_sparse.sparse_conv2d_dW_add, FIRST
)
gemm_bias = by_lanes(gemm.gemm_bias, one_gemm.gemm_bias, LAST)
gemm_tn = by_lanes(gemm.gemm_tn, one_gemm.gemm_tn, LAST)
gemm_nt_add = by_lanes(gemm.gemm_nt_add, one_gemm.gemm_nt_add, FIRST)
outer_add = by_lanes(gemm.outer_add, one_gemm.outer_add, FIRST)
outer = by_lanes(gemm.outer, one_gemm.outer, FIRST)
subsample = by_lanes(pool.subsample, one_pool.subsample, LAST)
subsample_dx = by_lanes(pool.subsample_dx, one_pool.subsample_dx, LAST)
subsample_dcoef_add = by_lanes(pool.subsample_dcoef_add, one_pool.subsample_dcoef_add, FIRST)
avg_pool = by_lanes(pool.avg_pool, one_pool.avg_pool, LAST)
avg_pool_dx = by_lanes(pool.avg_pool_dx, one_pool.avg_pool_dx, LAST)
max_pool = by_lanes(pool.max_pool, one_max_pool.max_pool, LAST)
max_pool_dx = by_lanes(pool.max_pool_dx, one_max_pool.max_pool_dx, LAST)
rbf = by_lanes(rbf_of_many, one_rbf.rbf, LAST)
rbf_dx = by_lanes(rbf_dx_of_many, one_rbf.rbf_dx, LAST)
rbf_dW_add = by_lanes(rbf_dW_add_of_many, one_rbf.rbf_dW_add, FIRST)  # noqa: N816
gather_pixels = by_lanes(lanes.gather_pixels, one_lanes.gather_pixels, LAST)
