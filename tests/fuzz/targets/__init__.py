"""Targets. Each is a module with these names.

- ``INPUTS``: so many inputs the long run tries; ``QUICK``: so many the short one.
- ``LONGEST``: bytes of an input; ``MOST_BYTES``: memory that one input may take; ``SECONDS``: of the processor.
- ``READS``: the packages whose code leads the search.
- ``seeds()``: inputs to begin with, some of them good.
- ``check(data)``: whether the reader accepts what it makes of ``data``. It raises AssertionError where that is wrong, and
  whatever the reader raises beside its refusals.
"""

NAMES = (
    *("idx_files", "cifar_batches", "npy_files", "npz_files", "safetensors_files"),
    *("model_files", "http_requests", "onnx_graphs", "pictures"),
)
