"""Which kernels do what layers recorded: the one place of choice for this backend."""

from ..convolution import Convolutions
from ..operation import Operation
from ..program import Program
from ..workspace import Workspace
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


def lower(program: Program, workspace: Workspace, moving: bool = False, fuse: bool = True) -> Program:
    """The program in kernels of this backend; none does the work of several calls."""
    return Program(CONVOLUTIONS.lowered(program.calls, workspace))
