"""The tests of the CPU's kernels for RBF units and penalties, over the CUDA kernels' PTX."""

from cuda_device import KERNELS
from kernel_tests import borrowed

globals().update(borrowed("test_penalty_kernels", KERNELS, share=0.15))
