"""The command line: ``python -m minicnn info`` says what there is to work with."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from .errors import MinicnnError
from .info import info


def main(given: Sequence[str] | None = None) -> int:
    """Run a command; what goes wrong in an expected way is one sentence and exit code 2."""
    parser = argparse.ArgumentParser(prog="minicnn", description="A convolutional-network engine in NumPy and Numba.")
    commands: Any = parser.add_subparsers(dest="command", required=True)
    about = commands.add_parser("info", help="say what is usable here: backends, SIMD width, threads, GPU, versions")
    about.set_defaults(run=info)
    options = parser.parse_args(given)
    try:
        return int(options.run(options))
    except MinicnnError as error:
        print(f"minicnn: {error}", file=sys.stderr)
        return 2
