"""Which kernels have a sibling for one image, whose vectors lie over pixels, rows or windows and not over lanes."""

from __future__ import annotations

from functools import update_wrapper

from ....arrays import Array
from ..compile.host import LANES
from ..compile.jit import Kernel, Selection
from ..compile.narrow import Fit
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

Chosen = Kernel | Selection


class ByLanes(Selection):
    """The kernel ``many`` where the array at this place of the arguments has lanes to fill vectors with, else ``few``.

    Args:
        many: for groups of lanes.
        few: for any other array, such as that of one image.
        place: of the array among the arguments.
        lanes: of which the last axis is a multiple in groups.
    """

    def __init__(self, many: Chosen, few: Chosen, place: int, lanes: int = LANES) -> None:
        def choose(*arrays: Array) -> Chosen:
            return few if arrays[place].shape[-1] % lanes else many

        super().__init__(update_wrapper(choose, many))
        self._many, self._few, self._place = many, few, place

    def fitted(self, fit: Fit) -> Selection:
        """The same choice for groups of fewer lanes."""
        return ByLanes(self._many.fitted(fit), self._few, self._place, fit.lanes)


FIRST, LAST = 0, -1

pad = ByLanes(direct.pad, image_lanes.pad, LAST)
sparse_conv2d = ByLanes(sparse.sparse_conv2d, image_sparse_conv.sparse_conv2d, LAST)
sparse_conv2d_dx = ByLanes(sparse.sparse_conv2d_dx, image_sparse_conv.sparse_conv2d_dx, LAST)
sparse_conv2d_dW_add = ByLanes(  # noqa: N816
    sparse.sparse_conv2d_dW_add, image_sparse_conv.sparse_conv2d_dW_add, FIRST
)
gemm_bias = ByLanes(gemm.gemm_bias, image_gemm.gemm_bias, LAST)
gemm_tn = ByLanes(gemm.gemm_tn, image_gemm.gemm_tn, LAST)
gemm_nt_add = ByLanes(gemm.gemm_nt_add, image_gemm.gemm_nt_add, FIRST)
outer_add = ByLanes(gemm.outer_add, image_gemm.outer_add, FIRST)
outer = ByLanes(gemm.outer, image_gemm.outer, FIRST)
subsample = ByLanes(pool.subsample, image_pool.subsample, LAST)
subsample_dx = ByLanes(pool.subsample_dx, image_pool.subsample_dx, LAST)
subsample_dcoef_add = ByLanes(pool.subsample_dcoef_add, image_pool.subsample_dcoef_add, FIRST)
avg_pool = ByLanes(pool.avg_pool, image_pool.avg_pool, LAST)
avg_pool_dx = ByLanes(pool.avg_pool_dx, image_pool.avg_pool_dx, LAST)
max_pool = ByLanes(pool.max_pool, image_max_pool.max_pool, LAST)
max_pool_dx = ByLanes(pool.max_pool_dx, image_max_pool.max_pool_dx, LAST)
rbf = ByLanes(rbf_of_many, image_rbf.rbf, LAST)
rbf_dx = ByLanes(rbf_dx_of_many, image_rbf.rbf_dx, LAST)
rbf_dW_add = ByLanes(rbf_dW_add_of_many, image_rbf.rbf_dW_add, FIRST)  # noqa: N816
gather_pixels = ByLanes(lanes.gather_pixels, image_lanes.gather_pixels, LAST)
