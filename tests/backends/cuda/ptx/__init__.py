"""PTX executed on the CPU: one NumPy lane a CUDA thread, the whole grid in wide vectors, every access checked.

The interface, all that a kernel's test needs (``tests`` is on the path, so ``import ptx`` works in every test file):

    from ptx import launch, run, to_ptx

    text = to_ptx(kernel, *args, cc=(8, 0))        # the PTX of a plain Python function, compiled for these arguments
    launch(text, grid, block, *args)               # executes it; arrays are changed in place
    run(kernel, grid, block, *args, cc=(8, 0))     # both; compiled once for each kernel, types of arguments and cc

``grid`` and ``block`` are an int or a tuple of one to three. Arguments are C-contiguous arrays, which may be views of one
vector or lie in place of one another, and NumPy scalars. Everything that goes wrong is a ``PtxError`` that names the
instruction, its line of PTX, the block and the thread, and the line of Python: an access outside the arrays passed or the
shared memory declared, one that is not aligned, two threads that meet in a word of shared memory without a barrier between
them, or in a word of an array, a barrier that not all threads of a block reach, a register or a shared word that is read
before it is written, an instruction that is not in the table, a launch that does not end.
"""

from .errors import PtxError
from .launch import launch
from .source import run, to_ptx

__all__ = ["PtxError", "launch", "run", "to_ptx"]
