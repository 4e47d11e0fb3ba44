"""``minicnn export``: a model as an ONNX file."""

from __future__ import annotations

import argparse

from ..errors import need
from ..network import Network
from ..train.classifier import Classifier, load
from .command import Commands, add_command, add_model, check_out
from .console import path
from .streams import say

EXAMPLE = "  minicnn export model.safetensors --out model.onnx"


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(commands, "export", "write a model as an ONNX file, which other programs read", EXAMPLE)
    add_model(parser)
    parser.add_argument("--out", type=path, required=True, metavar="FILE", help="the file")
    words = "leave preprocessing and probabilities out: the network alone, from normalised numbers to its outputs"
    parser.add_argument("--raw", action="store_true", help=words)
    parser.set_defaults(run=export)


def export(options: argparse.Namespace) -> int:
    """Write."""
    need("onnx")
    from ..io.onnx import export as write

    check_out(options.out)
    found = load(options.model, threads=1)
    whole = not options.raw and not isinstance(found, Network)
    named = whole and isinstance(found, Classifier)
    write(found, options.out, preprocessing=whole, probabilities=named)
    say(f"wrote {options.out}: {'pictures in, ' if whole else ''}outputs{' and probabilities' if named else ''} out")
    return 0
