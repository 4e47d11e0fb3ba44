"""Which kernels have a sibling for one image, whose vectors lie over pixels, rows or windows and not over lanes."""

from __future__ import annotations

from functools import update_wrapper

from ....arrays import Array
from ...program import Kernel
from ..compile.host import LANES
from ..compile.jit import Selection
from ..conv import direct, sparse
from ..kernels import gemm, lanes, pool
from ..kernels.rbf import rbf as rbf_of_many
from ..kernels.rbf import rbf_dW_add as rbf_dW_add_of_many
from ..kernels.rbf import rbf_dx as rbf_dx_of_many
from ..single_image import gemm as image_gemm
from ..single_image import lanes as image_lanes
from ..single_image import max_pool as image_max_pool
from ..single_image import pool as image_pool
from ..single_image import rbf as image_rbf
from ..single_image import sparse_conv as image_sparse_conv


def by_lanes(many: Kernel, few: Kernel, place: int) -> Selection:
    """The kernel ``many`` where the array at this place of the arguments has lanes to fill vectors with, else ``few``."""

    def choose(*arrays: Array) -> Kernel:
        return few if arrays[place].shape[-1] % LANES else many

    return Selection(update_wrapper(choose, many))


FIRST, LAST = 0, -1

pad = by_lanes(direct.pad, image_lanes.pad, LAST)
sparse_conv2d = by_lanes(sparse.sparse_conv2d, image_sparse_conv.sparse_conv2d, LAST)
sparse_conv2d_dx = by_lanes(sparse.sparse_conv2d_dx, image_sparse_conv.sparse_conv2d_dx, LAST)
sparse_conv2d_dW_add = by_lanes(  # noqa: N816
    sparse.sparse_conv2d_dW_add, image_sparse_conv.sparse_conv2d_dW_add, FIRST
)
gemm_bias = by_lanes(gemm.gemm_bias, image_gemm.gemm_bias, LAST)
gemm_tn = by_lanes(gemm.gemm_tn, image_gemm.gemm_tn, LAST)
gemm_nt_add = by_lanes(gemm.gemm_nt_add, image_gemm.gemm_nt_add, FIRST)
outer_add = by_lanes(gemm.outer_add, image_gemm.outer_add, FIRST)
outer = by_lanes(gemm.outer, image_gemm.outer, FIRST)
subsample = by_lanes(pool.subsample, image_pool.subsample, LAST)
subsample_dx = by_lanes(pool.subsample_dx, image_pool.subsample_dx, LAST)
subsample_dcoef_add = by_lanes(pool.subsample_dcoef_add, image_pool.subsample_dcoef_add, FIRST)
avg_pool = by_lanes(pool.avg_pool, image_pool.avg_pool, LAST)
avg_pool_dx = by_lanes(pool.avg_pool_dx, image_pool.avg_pool_dx, LAST)
max_pool = by_lanes(pool.max_pool, image_max_pool.max_pool, LAST)
max_pool_dx = by_lanes(pool.max_pool_dx, image_max_pool.max_pool_dx, LAST)
rbf = by_lanes(rbf_of_many, image_rbf.rbf, LAST)
rbf_dx = by_lanes(rbf_dx_of_many, image_rbf.rbf_dx, LAST)
rbf_dW_add = by_lanes(rbf_dW_add_of_many, image_rbf.rbf_dW_add, FIRST)  # noqa: N816
gather_pixels = by_lanes(lanes.gather_pixels, image_lanes.gather_pixels, LAST)
