"""The build backend: hatchling, for the Pythons that minicnn runs on.

Others are told so at once. Without this, old versions of pip first download all that an extra needs, which takes minutes.
pyproject.toml asks for hatchling only where it is used.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (that is what this file is for)
    words = "minicnn: expected Python 3.11 or newer, got {}.{}.{}; make an environment with python3.11 -m venv .venv"
    sys.exit(words.format(*sys.version_info[:3]))

from hatchling.build import *  # noqa: F403 (the hooks)
