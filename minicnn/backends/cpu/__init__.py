"""The CPU backend: Numba kernels over lane groups."""

from ..interface import Backend, kernels_in
from ..processors import check_processor
from . import lowering
from .compile.host import HOST
from .compile.jit import LOG
from .compile.mode import CHECK, INTERPRET
from .conv import im2col, sparse
from .kernels import (
    adaptive,
    augment,
    dropout,
    elementwise,
    gate,
    gemm,
    group_norm,
    lanes,
    loss,
    norm,
    penalty,
    rbf,
    rectifier,
    resample,
    smooth,
    soft_targets,
    softmax,
    unpool,
    update,
    warp,
)
from .lowering import by_lanes
from .runtime.native_threads import NativeThreads

KERNELS = kernels_in(
    *(im2col, sparse, adaptive, augment, dropout, elementwise, gate, gemm, group_norm, lanes, loss, norm, penalty, rbf),
    *(rectifier, resample, smooth, soft_targets, softmax, unpool, update, warp),
    *(by_lanes, lowering),  # of two with one name the later, which chooses
)
globals().update(KERNELS)  # so that cpu.relu is one of them

BACKEND = Backend(
    name="cpu",
    kernels=KERNELS,
    log=LOG,
    describe=lambda: f"{HOST.name}, {8 * HOST.bytes} bits or {HOST.width(4)} float32, {HOST.registers} registers",
    lowering=lowering.LOWERING,
    native=None if CHECK or INTERPRET else NativeThreads,
    threads=True,
    checked=CHECK,
    interpreted=INTERPRET,
    require=check_processor,
)
