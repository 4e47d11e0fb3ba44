"""``minicnn plot``: a picture of a model: its training, its layers, what it makes of a picture, or how well it judges data."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from ..arrays import Array
from ..data.picture import read_picture
from ..errors import CheckpointError, OptionError, need
from ..network import Network
from ..nn import RBF, SparseConv2d
from ..train import plots
from ..train.classifier import Classifier, Regressor, load
from .command import Commands, add_command, add_model, check_out
from .console import path
from .judged import examples
from .model import classifier, fit_of
from .streams import say

Kind = TypeVar("Kind", SparseConv2d, RBF)

EXAMPLE = """  minicnn plot model.safetensors --out training.png
  minicnn plot model.safetensors --what kernels --out kernels.png
  minicnn plot model.safetensors --what saliency --picture three.png --out saliency.png
  minicnn plot model.safetensors --what confusion --data held_out --out confusion.png"""

OF_MODEL = ("training", "network", "kernels", "histograms", "connections", "codes", "field")
OF_PICTURE: dict[str, Callable[..., object]] = {
    "maps": plots.feature_maps,
    "saliency": plots.saliency,
    "occlusion": plots.occlusion,
}
OF_DATA = ("confusion", "pairs", "misclassified", "calibration")


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(commands, "plot", "draw a model, what it makes of a picture, or how well it judges data", EXAMPLE)
    add_model(parser)
    words = f"what to draw (default training): {', '.join(OF_MODEL)}; with --picture {', '.join(OF_PICTURE)}; with --data "
    kinds = (*OF_MODEL, *OF_PICTURE, *OF_DATA)
    parser.add_argument("--what", choices=kinds, default="training", metavar="KIND", help=words + ", ".join(OF_DATA))
    parser.add_argument("--picture", type=path, metavar="FILE", help="a picture, as predict takes it")
    parser.add_argument("--data", type=path, metavar="DATA", help="labelled pictures, as evaluate takes them")
    parser.add_argument(
        "--layer", metavar="NAME", help="of kernels or field; else the first layer with kernels, and the last with maps"
    )
    parser.add_argument("--out", type=path, required=True, metavar="FILE", help="the picture: PNG, SVG or PDF by its ending")
    parser.set_defaults(run=plot)


def plot(options: argparse.Namespace) -> int:
    """Draw."""
    need("matplotlib")
    check_out(options.out)
    for name, kinds in (("picture", tuple(OF_PICTURE)), ("data", OF_DATA), ("layer", ("kernels", "field"))):
        given, wanted = getattr(options, name) is not None, options.what in kinds
        if given and not wanted:
            what = f"expected --what as one of {', '.join(kinds)} with it, got {options.what}"
            raise OptionError(f"--{name}", what, "leave it out")
        if wanted and not given and name != "layer":
            raise OptionError("--what", f"expected --{name} with {options.what}, got none", f"give --{name} too")
    if options.what in OF_MODEL:
        _draw_model(options, load(options.model, threads=1))
    elif options.what in OF_PICTURE:
        model = classifier(options.model, 1)
        channels, *size = model.net.in_shape
        picture = read_picture(options.picture, (size[0], size[1]), channels, fit_of(options.model), str(options.picture))
        OF_PICTURE[options.what](model, picture, options.out)
    else:
        _draw_judgement(options, classifier(options.model, None))
    say(f"wrote {options.out}")
    return 0


def _draw_model(options: argparse.Namespace, found: Network | Classifier | Regressor) -> None:
    """Draw what needs nothing but the model."""
    net, out = found if isinstance(found, Network) else found.net, options.out
    if options.what == "training":
        if isinstance(found, Network) or not found.history:
            raise _lacks(options, "a model with a history of training", "train it by minicnn train or Classifier.fit")
        plots.learning_curves(found.history, out)
    elif options.what == "network":
        plots.network_diagram(net, out)
    elif options.what == "kernels":
        plots.kernels(_weights(options, net), out)
    elif options.what == "histograms":
        plots.histograms(net, out)
    elif options.what == "connections":
        plots.connections(_layer(options, net, SparseConv2d).table, out)
    elif options.what == "codes":
        plots.codes(_layer(options, net, RBF).centres, out)
    else:
        maps = [placed.name for placed in net.layers if len(placed.plan.out_shape) == 3] or [net.outputs[0]]
        plots.receptive_field(net, options.layer or maps[-1], out)


def _draw_judgement(options: argparse.Namespace, model: Classifier) -> None:
    """Draw how well a model judges labelled pictures."""
    images, numbers, names, _ = examples(model, options.model, options.data)
    labels = np.array(model.classes)[numbers] if int(numbers.max()) < len(names) else numbers
    if options.what in ("confusion", "pairs"):
        draw = plots.confusion_matrix if options.what == "confusion" else plots.confused_pairs
        draw(model.confusion_matrix(images, labels), options.out, classes=names)
        return
    probabilities = model.predict_proba(images)
    if options.what == "misclassified":
        plots.misclassified(images, numbers, probabilities, options.out, classes=names)
    else:
        plots.calibration(probabilities, numbers, options.out)


def _weights(options: argparse.Namespace, net: Network) -> Array:
    """The kernels of the named layer, else of the first that has some."""
    kernels = {name.rpartition(".")[0]: array for name, array in net.params.items() if array.ndim in (3, 4)}
    if not kernels:
        raise _lacks(options, "a network with a convolution of pictures", "draw its training instead")
    if options.layer is not None and options.layer not in kernels:
        raise OptionError("--layer", f"expected one of {', '.join(kernels)}, got {options.layer}", "leave it out for the first")
    return kernels[options.layer or next(iter(kernels))]


def _layer(options: argparse.Namespace, net: Network, kind: type[Kind]) -> Kind:
    """The first layer of a kind."""
    for placed in net.layers:
        if isinstance(placed.layer, kind):
            return placed.layer
    raise _lacks(options, f"a network with a layer {kind.__name__}", "draw another one, such as lenet5_1998")


def _lacks(options: argparse.Namespace, expected: str, hint: str) -> CheckpointError:
    return CheckpointError(str(options.model), f"expected {expected}, got one without", hint)
