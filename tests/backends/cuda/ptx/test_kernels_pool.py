"""The tests of the CPU's pool kernels, over the CUDA kernels' PTX."""

from cuda_device import KERNELS
from kernel_tests import borrowed

globals().update(borrowed("test_pool_kernels", KERNELS, share=0.15))
