"""Where networks that the page trains are kept."""

from __future__ import annotations

from pathlib import Path

from ...data.mnist import cache_folder


def kept_folder() -> Path:
    """The folder in the user's cache.

    Raises:
        DataError: there is no home folder.
    """
    return cache_folder().with_name("networks")
