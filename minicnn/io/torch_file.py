"""Tensors from files that ``torch.save`` wrote. Nothing in them is executed."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, BinaryIO

from ..data.infile import open_file, shown
from ..data.outfile import StrPath
from ..errors import CheckpointError, lacking, reason
from ..train.safetensors_file import refuse

if TYPE_CHECKING:
    import torch

SAFE = (2, 6)
"""Older versions of PyTorch could be made to execute code by ``weights_only=True`` too (CVE-2025-32434)."""


def read(path: StrPath) -> Mapping[str, torch.Tensor]:
    """The tensors of a file by name, as ``torch.load(weights_only=True)`` reads them.

    Args:
        path: the file, of a ``state_dict``.

    Raises:
        CheckpointError: PyTorch is not installed or too old, or the file cannot be read, or is none of a ``state_dict``.
    """
    who = shown(path)
    try:
        import torch
    except ImportError as fault:
        raise lacking(who, "torch", fault, CheckpointError) from fault
    if tuple(map(int, torch.__version__.split(".")[:2])) < SAFE:
        what = f"expected PyTorch 2.6 or newer, whose weights_only is safe, got {torch.__version__}"
        raise CheckpointError(who, what, "run pip install -U torch, or save the weights as safetensors")
    try:
        with open_file(path) as file:
            _check_size(path, file)
            found = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as fault:
        raise CheckpointError(who, f"expected a readable file, got {reason(fault)}", "check the path") from fault
    except CheckpointError:
        raise
    except Exception as fault:  # a damaged file raises almost any class
        words = (str(fault) or type(fault).__name__).splitlines()[0]
        refuse(path, "tensors alone, as torch.load(weights_only=True) reads them", words)
    return _tensors(path, found)


def _check_size(path: StrPath, file: BinaryIO) -> None:
    """Refuse an archive that unpacks to more than it is: PyTorch's are not compressed."""
    if zipfile.is_zipfile(file):
        unpacked = sum(entry.file_size for entry in zipfile.ZipFile(file).infolist())
        if unpacked > os.fstat(file.fileno()).st_size:
            refuse(path, "an archive without compression, as PyTorch writes", f"{unpacked:,} bytes packed")
    file.seek(0)


def _tensors(path: StrPath, found: object) -> Mapping[str, torch.Tensor]:
    import torch

    if isinstance(found, Mapping) and all(isinstance(value, torch.Tensor) for value in found.values()):
        return found
    inside = [key for key, value in found.items() if isinstance(value, Mapping)] if isinstance(found, Mapping) else []
    hint = "save module.state_dict()"
    if inside:
        hint = f"give torch.load(path, weights_only=True)[{inside[0]!r:.60}], if that is the state_dict"
    raise CheckpointError(shown(path), f"expected a state_dict of tensors, got a {type(found).__name__} of others", hint)
