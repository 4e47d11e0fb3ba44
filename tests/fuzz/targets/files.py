"""A file in memory, where there is such a folder, for readers that take a path."""

import atexit
import os
import shutil
import tempfile

_MEMORY = "/dev/shm"
_FOLDER = tempfile.mkdtemp(prefix="minicnn-fuzz-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None)
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)


def path_of(content, name="file"):
    """The path of a file of this content; the next one of that name takes its place."""
    path = os.path.join(_FOLDER, name)
    with open(path, "wb") as file:
        file.write(content)
    return path
