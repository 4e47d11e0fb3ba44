"""``python -m minicnn info``: versions, backends and hardware of this machine."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform

from .. import backends
from ..backends.processors import usable_cpus
from ..errors import BackendError
from ..version import __version__
from .command import Commands
from .streams import say

PACKAGES = ("numpy", "numba", "llvmlite", "numba-cuda", "safetensors", "tqdm", "matplotlib", "pillow")


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("info", help="say what is usable here: backends, SIMD width, threads, GPU, versions")
    parser.set_defaults(run=info)


def info(options: argparse.Namespace) -> int:
    """Print the result of ``installation``."""
    for name, value in installation().items():
        say(f"{name + ':':16} {value}")
    return 0


def installation() -> dict[str, str]:
    """Describe this installation: versions, the CPU's vector unit and threads, and the GPU or the reason why it is unusable.

    >>> [name for name in installation() if name.startswith("backend")]
    ['backend cpu', 'backend numpy', 'backend cuda']
    """
    found = {"minicnn": __version__, "Python": f"{platform.python_version()} on {platform.system()} {platform.machine()}"}
    found |= {package: version(package) for package in PACKAGES}
    return found | {
        "threads": f"{usable_cpus()} usable of {os.cpu_count()} processors",
        **{f"backend {name}": usable(name) for name in backends.BACKENDS},
        "kernel cache": kernel_cache(),
    }


def version(package: str) -> str:
    """The installed version of a package."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def usable(backend: str) -> str:
    """Describe a backend's hardware, or say why the backend cannot be used."""
    try:
        return f"usable: {backends.get(backend).describe()}"
    except BackendError as error:
        return f"not usable: {error.what}; {error.hint}"


def kernel_cache() -> str:
    """The directory of compiled kernels, and whether new ones are stored there."""
    try:
        backends.get("cpu")
    except BackendError:
        return "none: nothing can be compiled"
    from ..backends.cpu.compile.cache import described

    return described()[1]
