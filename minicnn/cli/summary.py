"""``minicnn summary``: what a model file holds."""

from __future__ import annotations

import argparse

from ..network import Network
from ..train.classifier import load
from .command import Commands, add_command, add_model
from .streams import say

EXAMPLE = "  minicnn summary model.safetensors"


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(commands, "summary", "list the layers of a model file, their shapes and parameters", EXAMPLE)
    add_model(parser)
    parser.set_defaults(run=summary)


def summary(options: argparse.Namespace) -> int:
    """Print."""
    found = load(options.model, threads=1)
    if isinstance(found, Network):
        _table(found)
        return 0
    _table(found.net)
    classes = getattr(found, "classes", None)
    if classes is not None:
        say(f"classes: {', '.join(map(str, classes))}")
    if found.preprocessing is not None:
        steps = found.preprocessing
        number = "grey level" if steps.uint8 else "number"
        scale, shift = (words(each) for each in (steps.normalise.scale, steps.normalise.shift))
        print(f"preprocessing: x = {scale} · {number} + {shift}")
    if found.history:
        print(f"training: {len(found.history)} epochs, the last: {found.history[-1]}")
    return 0


def _table(net: Network) -> None:
    for line in net.summary().split("\n"):
        say(line)


def words(given: float | tuple[float, ...]) -> str:
    """A number, or those of the channels in parentheses.

    >>> words(0.5), words((0.5, 1.0))
    ('0.5', '(0.5, 1)')
    """
    return f"({', '.join(f'{each:g}' for each in given)})" if isinstance(given, tuple) else f"{given:g}"
