"""The CPU backend: Numba kernels over lane groups."""

from .conv import conv2d, conv2d_dx, pack_channels, pack_filters
from .conv_dw import conv2d_dW_add
from .crew import IMPATIENT, PATIENT, Crew
from .dropout import dropout
from .fusion import rewriting
from .gemm import row_sum_add
from .im2col import col2im_add, im2col
from .jit import LOG
from .lanes import choose_group, gather, gather_resized, scatter
from .loss import count_hits, cross_entropy, cross_entropy_dy, mse, mse_dy, one_hot
from .mode import CHECK, INTERPRET
from .one import (
    avg_pool,
    avg_pool_dx,
    gather_pixels,
    gemm_bias,
    gemm_nt_add,
    gemm_tn,
    max_pool,
    max_pool_dx,
    outer_add,
    pad,
    sparse_conv2d,
    sparse_conv2d_dW_add,
    sparse_conv2d_dx,
    subsample,
    subsample_dcoef_add,
    subsample_dx,
)
from .one_conv import conv2d_image
from .one_conv_backward import conv2d_image_dW_add, conv2d_image_dx
from .place import AWAY, aside, check_call, group_lanes, join, lend, members, pinned, require, stays, to_device, to_host
from .pointwise import (
    copy,
    leaky_relu,
    leaky_relu_dx,
    relu,
    relu_dx,
    scaled_tanh,
    scaled_tanh_dx,
    sigmoid,
    sigmoid_dx,
    tanh,
    tanh_dx,
    zero,
)
from .softmax import softmax, softmax_dx
from .sparse_conv import group_sum_add, spread
from .update import adam, adamw, add, sgd
from .warp import affine_inverse, draw_uniform, pack_quads, spline_along, warp

__all__ = [
    "AWAY",
    "CHECK",
    "IMPATIENT",
    "INTERPRET",
    "LOG",
    "PATIENT",
    "Crew",
    "adam",
    "adamw",
    "add",
    "affine_inverse",
    "aside",
    "avg_pool",
    "avg_pool_dx",
    "check_call",
    "choose_group",
    "col2im_add",
    "conv2d",
    "conv2d_dW_add",
    "conv2d_dx",
    "conv2d_image",
    "conv2d_image_dW_add",
    "conv2d_image_dx",
    "copy",
    "count_hits",
    "cross_entropy",
    "cross_entropy_dy",
    "draw_uniform",
    "dropout",
    "gather",
    "gather_pixels",
    "gather_resized",
    "gemm_bias",
    "gemm_nt_add",
    "gemm_tn",
    "group_lanes",
    "group_sum_add",
    "im2col",
    "join",
    "leaky_relu",
    "leaky_relu_dx",
    "lend",
    "max_pool",
    "max_pool_dx",
    "members",
    "mse",
    "mse_dy",
    "one_hot",
    "outer_add",
    "pack_channels",
    "pack_filters",
    "pack_quads",
    "pad",
    "pinned",
    "relu",
    "relu_dx",
    "require",
    "rewriting",
    "row_sum_add",
    "scaled_tanh",
    "scaled_tanh_dx",
    "scatter",
    "sgd",
    "sigmoid",
    "sigmoid_dx",
    "softmax",
    "softmax_dx",
    "sparse_conv2d",
    "sparse_conv2d_dW_add",
    "sparse_conv2d_dx",
    "spline_along",
    "spread",
    "stays",
    "subsample",
    "subsample_dcoef_add",
    "subsample_dx",
    "tanh",
    "tanh_dx",
    "to_device",
    "to_host",
    "warp",
    "zero",
]
