"""``minicnn train``: from a folder of pictures, or other data, to a model file."""

from __future__ import annotations

import argparse
import sys

from .. import models
from ..data.augmentations import RECIPES, recipe
from ..data.from_arrays import from_arrays
from ..errors import need
from ..optim import Adam
from ..optim.schedules import OneCycle
from ..train.classifier import Class, Classifier
from .command import Commands, add_command, add_split, add_threads, check_out, count
from .console import path
from .dataset import add_data, add_form, read
from .streams import say

MOST_HELD_OUT = 0.9

EXAMPLE = """  minicnn train pictures --augment --out model.safetensors
  minicnn train mnist --model lenet5_modern --epochs 5"""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(commands, "train", "train a classifier and write it to one file", EXAMPLE)
    add_data(parser)
    add_form(parser)
    parser.add_argument(
        "--model",
        choices=models.CLASSIFIERS,
        default="resnet8",
        metavar="NAME",
        help=f"{', '.join(models.CLASSIFIERS)} (default resnet8)",
    )
    parser.add_argument("--epochs", type=count, default=50, metavar="N", help="passes over the training pictures (default 50)")
    parser.add_argument("--batch-size", type=count, default=32, metavar="N", help="pictures in a step (default 32)")
    parser.add_argument("--lr", type=float, default=4e-3, metavar="X", help="highest learning rate of Adam (default 0.004)")
    words = "share that is held out to judge each epoch by, at most 0.9; 0 for none (default 0.1)"
    parser.add_argument("--validation", type=share, default=0.1, metavar="X", help=words)
    parser.add_argument(
        "--augment",
        nargs="?",
        const="auto",
        default="none",
        choices=("auto", *RECIPES),
        metavar="RECIPE",
        help="change the training pictures at random: colour (crop, mirror, change colours), grey (rotate, shift, scale), none "
        "(default), or auto, which goes by their channels and is what the option alone means",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of parameters, order and split (default 0)")
    parser.add_argument("--out", type=path, default="model.safetensors", metavar="FILE", help="default model.safetensors")
    add_threads(parser)
    add_split(parser)
    parser.set_defaults(run=train)


def share(text: str) -> float:
    """A share from 0 to 0.9.

    Raises:
        argparse.ArgumentTypeError: it is none.

    >>> share("0.25")
    0.25
    """
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= MOST_HELD_OUT:
        raise argparse.ArgumentTypeError(f"expected a share from 0, for none, to {MOST_HELD_OUT}, got {text!r}")
    return found


def train(options: argparse.Namespace) -> int:
    """Train, and write the model."""
    need("safetensors")
    check_out(options.out)
    found = read(options.data, "train", options.size, 1 if options.grey else None, options.fit, options.skip_corrupt)
    for words in found.skipped:
        say(f"passed over {words}", sys.stderr)
    images = from_arrays(found.images)
    classes: tuple[Class, ...] = found.classes or tuple(range(int(found.labels.max()) + 1))
    shape = tuple(images.shape[1:])
    kinds = {"threads": options.threads, "seed": options.seed, "lanes": options.lanes, "slots": options.slots}
    net = getattr(models, options.model)(num_classes=len(classes), in_shape=shape, **kinds)
    print(f"{len(images):,} pictures {shape}, {len(classes)} classes, {options.model} of {len(net.params.flat):,} parameters")
    classifier = Classifier(net, optimizer=Adam(options.lr), classes=classes, layout="NCHW")
    augment = recipe(options.augment, *images.shape[1:])
    classifier.fit(
        images,
        found.labels,
        options.validation or None,
        augment=augment,
        epochs=options.epochs,
        batch_size=options.batch_size,
        seed=options.seed,
        schedule=OneCycle(pct_start=0.2),
    )
    classifier.save(options.out, {"pictures": {"fit": options.fit}})
    say(f"wrote {options.out}; predict by: minicnn predict {options.out} PICTURE ...")
    return 0
