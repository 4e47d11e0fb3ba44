"""The tests of the CPU's conv kernels, over the CUDA kernels' PTX."""

from cuda_device import KERNELS
from kernel_tests import borrowed

globals().update(borrowed("test_conv_kernels", KERNELS, share=0.15))
