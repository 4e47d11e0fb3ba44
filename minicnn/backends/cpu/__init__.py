"""The CPU backend: Numba kernels over lane groups."""

from dataclasses import replace
from functools import cache

from ...arrays import DType
from ..interface import Backend, kernels_in
from ..operation import Operation
from ..processors import check_processor
from . import lowering
from .compile.ahead import compile_ahead
from .compile.host import HOST
from .compile.jit import LOG, fitted
from .compile.mode import CHECK, INTERPRET
from .compile.narrow import Fit, fit_of
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
from .runtime.native_threads import NativeThreads, driving

KERNELS = kernels_in(
    *(im2col, sparse, adaptive, augment, dropout, elementwise, gate, gemm, group_norm, lanes, loss, norm, penalty, rbf),
    *(rectifier, resample, smooth, soft_targets, softmax, unpool, update, warp),
    *(by_lanes, lowering),  # of two with one name the later, which chooses
)
globals().update(KERNELS)  # so that cpu.relu is one of them


def of_lanes(lanes: int, dtype: DType) -> Backend:
    """The backend for groups of so many lanes: with kernels fitted to them where they are fewer than usual."""
    fit = fit_of(lanes, dtype.itemsize)
    return BACKEND if fit is None else _of(fit)


@cache
def _of(fit: Fit) -> Backend:
    rules = lowering.CpuLowering(fit)
    kernels = {
        name: kernel.under(rules.convolutions) if isinstance(kernel, Operation) else fitted(kernel, fit)
        for name, kernel in KERNELS.items()
    }
    return replace(BACKEND, kernels=kernels, lowering=rules)


BACKEND = Backend(
    name="cpu",
    kernels=KERNELS,
    log=LOG,
    describe=lambda: f"{HOST.name}, {8 * HOST.bytes} bits or {HOST.width(4)} float32, {HOST.registers} registers",
    lowering=lowering.LOWERING,
    compile_ahead=None if INTERPRET else lambda calls, threads: compile_ahead([*driving(threads), *calls]),
    native=None if CHECK or INTERPRET else NativeThreads,
    threads=True,
    checked=CHECK,
    interpreted=INTERPRET,
    fitted=of_lanes,
    require=check_processor,
)
