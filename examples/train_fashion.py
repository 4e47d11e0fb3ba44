"""Train a small network of the zoo on Fashion-MNIST, or on another data set in four IDX files, by a one-cycle recipe.

Run: python examples/train_fashion.py --data FOLDER [--model mnist_convnet|resnet8]. With --choose it tries learning rates and
epochs on the validation images instead, and no image of the test set is looked at.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # python -P omits it

import training
from training import Recipe

from minicnn import CrossEntropy
from minicnn.cli.console import path, program
from minicnn.data import Normalise, load_mnist
from minicnn.errors import need
from minicnn.optim.schedules import OneCycle
from minicnn.train.folder_lock import FolderLock

CLOTHES = Normalise.standard(0.2860, 0.3530)  # the mean and deviation of the training images
CYCLE = OneCycle(pct_start=0.2)
RECIPES = {
    "mnist_convnet": Recipe("mnist_convnet", CLOTHES, None, "pad", CrossEntropy(), "adam", 4e-3, 64, 3, schedule=CYCLE),
    "resnet8": Recipe("resnet8", CLOTHES, None, "pad", CrossEntropy(), "adam", 0.01, 64, 3, schedule=CYCLE),
}


def arguments() -> argparse.Namespace:
    parser = training.arguments(__doc__, RECIPES, "mnist_convnet")
    parser.add_argument("--data", type=path, required=True, help="folder of four IDX files, raw or gzip")
    training.add_choose(parser)
    return parser.parse_args()


@program()
def main() -> int:
    options = arguments()
    chosen, of = RECIPES[options.model], {"num_classes": 10, "in_shape": (1, 28, 28)}
    if options.choose:
        clothes = load_mnist(options.data)
        return training.choose(chosen, options, clothes.train_images, clothes.train_labels, **of)
    need("safetensors", "matplotlib")
    folder = options.out or Path("runs") / f"fashion-{options.model}"
    with FolderLock(folder, "--out"):
        return training.train(chosen, options, folder, lambda: load_mnist(options.data), training.draw_results, **of)


if __name__ == "__main__":
    sys.exit(main())
