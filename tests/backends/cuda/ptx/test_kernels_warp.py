"""The tests of the CPU's warp kernels, over the CUDA kernels' PTX."""

from cuda_device import KERNELS
from kernel_tests import borrowed

HASHES = ("test_draws_are_uniform",)
"""Statistics over many hashes: here every hash is compared with the oracle's, bit for bit."""

globals().update(borrowed("test_warp_kernels", KERNELS, share=0.15, leave=HASHES))
