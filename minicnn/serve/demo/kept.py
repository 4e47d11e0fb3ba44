"""Where networks that the page trains are kept."""

from __future__ import annotations

import re
from pathlib import Path

from ...data.mnist import cache_folder

KEPT = re.compile(r"\w+-[0-9a-f]{12}\.safetensors")
"""The names of their files."""


def kept_folder() -> Path:
    """The folder in the user's cache.

    Raises:
        DataError: there is no home folder.
    """
    return cache_folder().with_name("networks")
