"""The tests of the CPU's pointwise kernels, over the CUDA kernels' PTX."""

from cuda_device import KERNELS
from kernel_tests import borrowed

HASHES = ("test_dropout_rate", "test_dropout_is_uncorrelated", "test_dropout_bytes_are_uniform")
"""Statistics over a million hashes: here every hash is compared with the oracle's, bit for bit."""

globals().update(borrowed("test_elementwise_kernels", KERNELS, share=0.15, leave=HASHES))
