"""``minicnn plot``: a picture of a model: its training, or the kernels of its first convolution."""

from __future__ import annotations

import argparse

from ..errors import CheckpointError, need
from ..network import Network
from ..train import plots
from ..train.classifier import load
from .command import Commands, add_command, add_model, check_out
from .console import path
from .streams import say

EXAMPLE = """  minicnn plot model.safetensors --out training.png
  minicnn plot model.safetensors --what kernels --out kernels.png"""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(commands, "plot", "draw the training of a model, or the kernels of its first convolution", EXAMPLE)
    add_model(parser)
    parser.add_argument("--what", choices=("training", "kernels"), default="training", help="(default training)")
    parser.add_argument("--out", type=path, required=True, metavar="FILE", help="the picture: PNG, SVG or PDF by its ending")
    parser.set_defaults(run=plot)


def plot(options: argparse.Namespace) -> int:
    """Draw."""
    need("matplotlib")
    check_out(options.out)
    found = load(options.model, threads=1)
    if options.what == "training":
        if isinstance(found, Network) or not found.history:
            what = "expected a model with a history of training, got one without"
            raise CheckpointError(str(options.model), what, "train it by minicnn train or Classifier.fit")
        plots.learning_curves(found.history, options.out)
    else:
        net = found if isinstance(found, Network) else found.net
        weights = next((array for array in net.params.values() if array.ndim == 4), None)
        if weights is None:
            what = "expected a network with a convolution of pictures, got one without"
            raise CheckpointError(str(options.model), what, "draw its training instead")
        plots.kernels(weights.mean(axis=1)[:32], options.out)
    say(f"wrote {options.out}")
    return 0
