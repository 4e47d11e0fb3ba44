"""The CPU backend: Numba kernels over lane groups."""

from ..interface import Backend
from .compile.host import HOST
from .compile.jit import LOG
from .compile.mode import CHECK, INTERPRET
from .conv.im2col import col2im_add, im2col
from .conv.sparse import group_sum_add, spread
from .kernels.dropout import dropout
from .kernels.elementwise import (
    copy,
    leaky_relu,
    leaky_relu_dx,
    relu,
    relu_dx,
    scaled_tanh,
    scaled_tanh_dx,
    sigmoid,
    sigmoid_dx,
    square,
    tanh,
    tanh_dx,
    zero,
)
from .kernels.gemm import row_sum_add
from .kernels.lanes import choose_group, gather, gather_resized, scatter
from .kernels.loss import count_hits, cross_entropy, cross_entropy_dy, cross_entropy_hy, mse, mse_dy, mse_hy, one_hot
from .kernels.penalty import count_least, map_penalty, map_penalty_dy, map_penalty_hy, map_shares, penalty, penalty_dy
from .kernels.rbf import rbf_hW_add, rbf_hx
from .kernels.softmax import softmax, softmax_dx, softmax_hx
from .kernels.update import adam, adamw, add, sdlm, sgd
from .kernels.warp import affine_inverse, draw_uniform, pack_quads, spline_along, warp
from .lowering import (
    LOWERING,
    conv2d,
    conv2d_dW_add,
    conv2d_dx,
    outer_add,
    sparse_conv2d,
    sparse_conv2d_dW_add,
    sparse_conv2d_dx,
)
from .lowering.by_lanes import (
    avg_pool,
    avg_pool_dx,
    gather_pixels,
    gemm_bias,
    gemm_nt_add,
    gemm_tn,
    max_pool,
    max_pool_dx,
    rbf,
    rbf_dW_add,
    rbf_dx,
    subsample,
    subsample_dcoef_add,
    subsample_dx,
)
from .runtime.native_threads import NativeThreads

KERNELS = (
    adam, adamw, add, affine_inverse, avg_pool, avg_pool_dx, choose_group, col2im_add, conv2d, conv2d_dW_add, conv2d_dx,
    copy, count_hits, count_least, cross_entropy, cross_entropy_dy, cross_entropy_hy, draw_uniform, dropout, gather,
    gather_pixels, gather_resized, gemm_bias, gemm_nt_add, gemm_tn, group_sum_add, im2col, leaky_relu, leaky_relu_dx,
    map_penalty, map_penalty_dy, map_penalty_hy, map_shares, max_pool, max_pool_dx, mse, mse_dy, mse_hy, one_hot,
    outer_add, pack_quads, penalty, penalty_dy, rbf, rbf_dW_add, rbf_dx, rbf_hW_add, rbf_hx, relu, relu_dx, row_sum_add,
    scaled_tanh, scaled_tanh_dx, scatter, sdlm, sgd, sigmoid, sigmoid_dx, softmax, softmax_dx, softmax_hx,
    sparse_conv2d, sparse_conv2d_dW_add, sparse_conv2d_dx, spline_along, spread, square, subsample, subsample_dcoef_add,
    subsample_dx, tanh, tanh_dx, warp, zero,
)  # fmt: skip

BACKEND = Backend(
    name="cpu",
    kernels={kernel.__name__: kernel for kernel in KERNELS},
    log=LOG,
    describe=lambda: f"{HOST.name}, {8 * HOST.bytes} bits or {HOST.width(4)} float32, {HOST.registers} registers",
    lowering=LOWERING,
    native=None if CHECK or INTERPRET else NativeThreads,
    threads=True,
    checked=CHECK,
    interpreted=INTERPRET,
)
