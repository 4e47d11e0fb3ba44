"""``minicnn import``: a network out of an ONNX file as a model file."""

from __future__ import annotations

import argparse

from ..errors import need
from ..train.classifier import save
from .command import Commands, add_command, check_out
from .console import path
from .streams import say

EXAMPLE = "  minicnn import model.onnx --out model.safetensors"


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(commands, "import", "make a model file of an ONNX file", EXAMPLE)
    parser.add_argument("file", type=path, metavar="FILE", help="the ONNX file")
    parser.add_argument("--out", type=path, default="model.safetensors", metavar="FILE", help="default model.safetensors")
    parser.set_defaults(run=import_onnx)


def import_onnx(options: argparse.Namespace) -> int:
    """Read and write."""
    need("onnx", "safetensors")
    from ..io.onnx import load

    out = options.out
    check_out(out)
    net = load(options.file, threads=1)
    save(out, net, {"source": options.file.name})
    say(f"wrote {out}: {len(net.layers)} layers, {len(net.params.flat):,} parameters; look at it by: minicnn summary {out}")
    return 0
