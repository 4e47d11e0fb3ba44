"""The command line, ``minicnn`` or ``python -m minicnn``: one command a file."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ..version import __version__
from . import (
    bench,
    cache,
    check,
    doctor,
    draw,
    evaluate,
    export_onnx,
    import_onnx,
    info,
    plot,
    predict,
    serve,
    summary,
    train,
    warmup,
)
from .console import program

COMMANDS = (
    train,
    evaluate,
    predict,
    serve,
    draw,
    export_onnx,
    import_onnx,
    summary,
    plot,
    bench,
    check,
    info,
    doctor,
    warmup,
    cache,
)


@program("minicnn")
def main(given: Sequence[str] | None = None) -> int:
    """Run a command."""
    parser = argparse.ArgumentParser(prog="minicnn", description="A convolutional-network engine in NumPy and Numba.")
    parser.add_argument("--version", action="version", version=f"minicnn {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        command.add(commands)
    options = parser.parse_args(given)
    return int(options.run(options))
