"""Compiles Python functions to machine code for this processor, and stores the result between processes."""

import numba  # noqa: F401 (the package to install: errors name it)
