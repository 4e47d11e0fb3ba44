"""Train a small network of the zoo on CIFAR-10, or without data on a small set of coloured shapes that is made in memory.

Run: python examples/train_cifar.py --data FOLDER [--model resnet8|resnet20|mobilenet_small]. The folder holds the binary
batches, or cifar-10-binary.tar.gz as it is downloaded. Images are not augmented.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # python -P omits it

import training
from training import Recipe

from minicnn import CrossEntropy
from minicnn.cli.console import path, program
from minicnn.data import ImageDataset, Normalise, coloured_shapes, load_cifar10
from minicnn.errors import need
from minicnn.optim.schedules import OneCycle
from minicnn.train.folder_lock import FolderLock

COLOURS = Normalise.standard(0.4734, 0.2516)  # the mean and deviation of all channels of CIFAR-10
CYCLE = OneCycle(pct_start=0.2)


def recipe(model: str, epochs: int) -> Recipe:
    return Recipe(model, COLOURS, None, "pad", CrossEntropy(), "adam", 0.01, 128, epochs, schedule=CYCLE)


RECIPES = {model: recipe(model, epochs) for model, epochs in (("resnet8", 20), ("resnet20", 20), ("mobilenet_small", 20))}
FEW = {"lr": 0.005, "batch_size": 32, "epochs": 5}
"""What the recipes have for the few pictures that are made."""


def arguments() -> argparse.Namespace:
    parser = training.arguments(__doc__, RECIPES, "resnet8")
    parser.add_argument("--data", type=path, help="CIFAR-10: a folder of its batches, or the archive cifar-10-binary.tar.gz")
    training.add_choose(parser)
    return parser.parse_args()


def pictures(folder: Path | None) -> ImageDataset:
    """The data set of the folder, or the one that is made."""
    if folder is not None:
        return load_cifar10(folder)
    print("no --data: making a small set of coloured shapes in place of CIFAR-10; its accuracies say nothing about CIFAR-10")
    return coloured_shapes()


@program()
def main() -> int:
    options = arguments()
    of = {"num_classes": 10, "in_shape": (3, 32, 32)}
    chosen = RECIPES[options.model] if options.data is not None else replace(RECIPES[options.model], **FEW)
    if options.choose:
        data = pictures(options.data)
        return training.choose(chosen, options, data.train_images, data.train_labels, **of)
    need("safetensors", "matplotlib")
    folder = options.out or Path("runs") / f"cifar-{options.model}"
    with FolderLock(folder, "--out"):
        return training.train(chosen, options, folder, lambda: pictures(options.data), training.draw_results, **of)


if __name__ == "__main__":
    sys.exit(main())
