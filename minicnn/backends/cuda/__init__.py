"""The CUDA backend: the operations of the protocol as launches on an NVIDIA GPU. A layer that needs one more is refused."""

from ..interface import Backend, kernels_in
from . import lowering
from .device.gpu import LOG
from .device.mirror import mirror
from .kernels import (
    dropout,
    elementwise,
    gemm,
    im2col,
    lanes,
    loss,
    penalty,
    pool,
    rbf,
    reduce,
    softmax,
    sparse_conv,
    update,
    warp,
)
from .memory import DeviceMemory, describe

KERNELS = kernels_in(
    *(dropout, elementwise, gemm, im2col, lanes, loss, penalty, pool, rbf, reduce, softmax, sparse_conv, update, warp),
    lowering,  # of two with one name the later, which chooses
)
globals().update(KERNELS)  # so that cuda.relu is one of them

BACKEND = Backend(
    name="cuda",
    kernels=KERNELS,
    log=LOG,
    describe=describe,
    require=mirror,
    memory=DeviceMemory(),
    lowering=lowering.LOWERING,
)
