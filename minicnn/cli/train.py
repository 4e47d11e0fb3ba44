"""``minicnn train``: from a folder of pictures, or other data, to a model file."""

from __future__ import annotations

import argparse
import sys

from .. import models
from ..data.augmentations import RECIPES, recipe
from ..data.from_arrays import from_arrays
from ..engine.world import Alone, World
from ..errors import OptionError, need
from ..optim import Adam
from ..optim.schedules import OneCycle
from ..train.classifier import Class, Classifier
from ..train.distributed import mpi_world
from ..train.ranks import digest
from .command import Commands, add_command, add_split, add_threads, check_out, count
from .console import path, sentence
from .dataset import add_data, add_form, read
from .streams import say

MOST_HELD_OUT = 0.9

EXAMPLE = """  minicnn train pictures --augment --out model.safetensors
  minicnn train mnist --model lenet5_modern --epochs 5
  mpiexec -n 4 minicnn train mnist --model lenet5_modern --distributed"""


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
    parser.add_argument("--folder", type=path, metavar="FOLDER", help="save the state of the run there after every epoch")
    parser.add_argument("--resume", action="store_true", help="go on from the state in FOLDER")
    add_threads(parser)
    add_split(parser)
    add_ranks(parser)
    parser.set_defaults(run=train)


def add_ranks(parser: argparse.ArgumentParser) -> None:
    """How several processes train together."""
    words = "train together with the other processes that mpiexec started; the result has the same bits as that of one"
    parser.add_argument("--distributed", action="store_true", help=words)
    words = "with --distributed: add gradients by MPI_Allreduce, for any number of ranks; the result is equal to rounding"
    parser.add_argument("--allreduce", action="store_true", help=words)
    words = "with --distributed: local SGD, each rank makes N steps of its own between averages of the parameters (default 1)"
    parser.add_argument("--local-steps", type=count, default=1, metavar="N", help=words)


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
    """Train, and write the model; of several ranks rank 0 writes."""
    need("safetensors")
    if not options.distributed:
        return fit(options, Alone())
    world = mpi_world(exact=not options.allreduce)
    try:
        return fit(options, world)
    except Exception as error:
        world.end(sentence(error)[0])
        raise


def fit(options: argparse.Namespace, world: World) -> int:
    """Train on the ranks of a world."""
    leads = world.rank == 0
    if leads:
        check_out(options.out)
    if options.resume and options.folder is None:
        raise OptionError("--resume", "expected the folder of a run, got none", "give --folder FOLDER")
    found = read(options.data, "train", options.size, 1 if options.grey else None, options.fit, options.skip_corrupt)
    images = from_arrays(found.images)
    classes: tuple[Class, ...] = found.classes or tuple(range(int(found.labels.max()) + 1))
    shape = tuple(images.shape[1:])
    kinds = {"threads": options.threads, "seed": options.seed, "lanes": options.lanes, "slots": options.slots}
    net = getattr(models, options.model)(num_classes=len(classes), in_shape=shape, **kinds)
    if leads:
        for words in found.skipped:
            say(f"passed over {words}", sys.stderr)
        text = (
            f"{len(images):,} pictures {shape}, {len(classes)} classes, {options.model} of {len(net.params.flat):,} parameters"
        )
        print(text if world.size == 1 else f"{text}, {world.size} ranks", flush=True)
    classifier = Classifier(net, optimizer=Adam(options.lr), classes=classes, layout="NCHW")
    augment = recipe(options.augment, *images.shape[1:])
    classifier.fit(
        images,
        found.labels,
        options.validation or None,
        augment=augment,
        world=world,
        resume=options.resume,
        epochs=options.epochs,
        batch_size=options.batch_size,
        seed=options.seed,
        schedule=OneCycle(pct_start=0.2),
        folder=options.folder,
        local_steps=options.local_steps,
    )
    if leads:
        say(f"parameters sha256 {digest(net)}")
        classifier.save(options.out, {"pictures": {"fit": options.fit}})
        say(f"wrote {options.out}; predict by: minicnn predict {options.out} PICTURE ...")
    return 0
