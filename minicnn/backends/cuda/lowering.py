"""Which kernels do what layers recorded: the one place of choice for this backend."""

from collections.abc import Sequence

from ...arrays import Array
from ...errors import BackendError
from ..convolution import Convolutions
from ..operation import Operation
from ..program import Call, Function, Program
from ..workspace import Workspace
from .device import operation
from .kernels import conv, conv_dw, elementwise, gemm, im2col, sparse_conv

CONVOLUTIONS = Convolutions(
    {kernel.__name__: kernel for kernel in (
        conv.conv2d, conv.conv2d_dx, conv.pack_channels, conv.pack_filters, conv.pad, conv_dw.conv2d_dW_add, elementwise.zero,
        gemm.gemm_bias, gemm.gemm_nt_add, gemm.gemm_tn, gemm.outer_add, im2col.col2im_add, im2col.im2col,
        sparse_conv.sparse_conv2d, sparse_conv.sparse_conv2d_dW_add, sparse_conv.sparse_conv2d_dx,
    )}
)  # fmt: skip

conv2d, conv2d_dx, conv2d_dW_add, sparse_conv2d, sparse_conv2d_dx, sparse_conv2d_dW_add, outer_add = (  # noqa: N816
    Operation(name, CONVOLUTIONS) for name in CONVOLUTIONS.names
)


class CudaLowering:
    """See ``interface.Lowering``: no kernel does the work of several calls."""

    def lower(
        self,
        program: Program,
        workspace: Workspace,
        moving: bool = False,
        fuse: bool = True,
        results: Sequence[Array] | None = None,
    ) -> Program:
        """Convolutions by their shapes."""
        return Program(CONVOLUTIONS.lowered(program.calls, workspace))

    def most_alone(self, program: Program) -> int:
        """Never: a batch is one group."""
        return 0

    def from_zero(self, call: Call) -> Function | None:
        """None: zeros are made fast enough."""
        return None

    def check_call(self, where: str, function: Function) -> None:
        """Refuse a function that the device cannot run.

        Raises:
            BackendError: it is no operation of this backend.
        """
        if not isinstance(function, operation.Operation):
            name = getattr(function, "__name__", repr(function))
            what = f"expected an operation of the cuda backend, got k.call of {name}"
            raise BackendError(where, what, 'give backend="cpu", or plan launches with minicnn.backends.cuda.device.operation')


LOWERING = CudaLowering()
