"""How Python functions become machine code, for which processor, and where it is kept."""

import numba  # noqa: F401 (the package to install, so that it is the one that an error names)
