"""What the training programs share: recipes, options, and everything from the first step to the results.

The networks are those of ``minicnn.models``, the training is ``minicnn.train.Trainer``'s.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import minicnn
from minicnn import SGD, Adam, AdamW, Network, OptionError
from minicnn.backends import BACKENDS
from minicnn.cli.console import path
from minicnn.data import ImageDataset, Normalise, Pixels, split
from minicnn.nn.losses import Loss
from minicnn.optim import Optimizer
from minicnn.optim.schedules import ConstantRate, Schedule
from minicnn.train import BEST, Dataset, EpochResult, Trainer, TrainingOptions, checkpoint, history
from minicnn.train.metrics import confusion, confusion_table, write_json
from minicnn.train.progress import say

HELD_OUT = 12  # one image in twelve validates: 5,000 of 60,000
OPTIMIZERS: dict[str, Callable[[float], Optimizer]] = {"sgd": lambda lr: SGD(lr, momentum=0.9), "adam": Adam, "adamw": AdamW}
Array = np.ndarray[Any, Any]
Draw = Callable[[Path, list[EpochResult], Network, ImageDataset, Array], str]
"""Draws into a folder, from the epochs, the network, the data and the outputs for the test images; says the files' names."""


@dataclass(frozen=True)
class Recipe:
    """The default training of a model; the command line can change it."""

    model: str
    normalise: Normalise
    size: int | None
    fit: str
    loss: Loss
    optimizer: str
    lr: float
    batch_size: int
    epochs: int
    decay: float = 1.0
    log_every: int = 0
    schedule: Schedule = ConstantRate()

    def network(self, options: argparse.Namespace, **more: Any) -> Network:
        """A new network of the model."""
        model = getattr(minicnn.models, self.model)
        net: Network = model(backend=options.backend, threads=options.threads, seed=options.seed, **more)
        return net

    def pixels(self, images: Array) -> Pixels:
        """Images as the network takes them."""
        return Pixels(images, self.normalise, self.size, self.fit)

    def changed(self, options: argparse.Namespace) -> Recipe:
        """The recipe with what the command line says."""
        names = ("optimizer", "lr", "batch_size", "epochs")
        return replace(self, **{name: value for name in names if (value := getattr(options, name)) is not None})


def arguments(about: str | None, models: Mapping[str, object], default: str) -> argparse.ArgumentParser:
    """A parser with the options of every training program."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=models, default=default, help=f"which of the networks ({default})")
    parser.add_argument("--epochs", type=int, help="passes over the training images")
    parser.add_argument("--batch-size", type=int, help="images a step")
    parser.add_argument("--lr", type=float, help="learning rate, of a one-cycle schedule the highest")
    parser.add_argument("--optimizer", choices=OPTIMIZERS, help="sgd has momentum 0.9")
    parser.add_argument("--seed", type=int, default=0, help="of weights, split and order")
    parser.add_argument("--backend", choices=BACKENDS, default="cpu", help="numpy needs no compiler and is slow")
    parser.add_argument("--threads", type=int, help="all usable processors unless given; results do not depend on it")
    parser.add_argument("--limit", type=int, help="use only the first N training images")
    parser.add_argument("--out", type=path, help="folder for metrics, weights and pictures (runs/MODEL)")
    parser.add_argument("--resume", action="store_true", help="go on where the run in --out stopped")
    return parser


def add_choose(parser: argparse.ArgumentParser) -> None:
    """The option that tries recipes."""
    words = "try learning rates and epochs, unless given, around the recipe's, by validation alone; write nothing"
    parser.add_argument("--choose", action="store_true", help=words)


def training_part(images: Array, limit: int | None, seed: int) -> tuple[Array, Array]:
    """The numbers of the images to train on and those for validation."""
    count = len(images)
    if limit is not None and not HELD_OUT <= limit <= count:
        raise OptionError("--limit", f"expected a number from {HELD_OUT} to {count}, got {limit}", "leave it out to use all")
    used = limit or count
    return split(used, used // HELD_OUT, seed)


def choose(recipe: Recipe, options: argparse.Namespace, images: Array, labels: Array, **more: Any) -> int:
    """Train by every combination of learning rate and epochs, and tell what validation says. The test set is not given here.

    Args:
        recipe: the recipe.
        options: the command line.
        images: the training part, of which a part is held out.
        labels: its class numbers.
        more: options of the model.
    """
    learn, hold = training_part(images, options.limit, options.seed)
    learned, validation = (Dataset(recipe.pixels(images), labels, part) for part in (learn, hold))
    rates = [options.lr] if options.lr is not None else [recipe.lr * factor for factor in (0.25, 0.5, 1, 2, 4)]
    lengths = [options.epochs] if options.epochs is not None else sorted({max(1, recipe.epochs // 2), recipe.epochs})
    print(f"{options.model}: training on {len(learn):,} images, validating on {len(hold):,}; no test image is looked at")
    best, found = -1.0, ""
    for epochs in lengths:
        for lr in rates:
            tried = replace(recipe.changed(options), lr=lr, epochs=epochs)
            run = TrainingOptions(epochs, tried.batch_size, options.seed, tried.schedule, decay=tried.decay)
            net = tried.network(options, **more)
            trainer = Trainer(net, tried.loss, OPTIMIZERS[tried.optimizer](lr), run, learned, validation, lambda line: None)
            rows = trainer.fit()
            if trainer.interrupted:
                raise KeyboardInterrupt
            reached = history.best(rows).val_accuracy or 0.0 if len(rows) == epochs else 0.0
            print(f"epochs {epochs:3}  rate {lr:<8g}  validation accuracy {100 * reached:.2f} %", flush=True)
            if reached > best:
                best, found = reached, f"--epochs {epochs} --lr {lr:g}"
    print(f"best: {found}, {100 * best:.2f} %")
    return 0


def train(
    recipe: Recipe, options: argparse.Namespace, folder: Path, load: Callable[[], ImageDataset], draw: Draw, **more: Any
) -> int:
    """Train a model by its recipe, test the weights of the best epoch once, and write the results.

    Args:
        recipe: the recipe.
        options: the command line.
        folder: for the results.
        load: gives the images; called when the options are checked.
        draw: draws pictures of the results.
        more: options of the model.
    """
    recipe = recipe.changed(options)
    optimizer, net = OPTIMIZERS[recipe.optimizer](recipe.lr), recipe.network(options, **more)
    settings = {
        "model": options.model,
        "normalise": asdict(recipe.normalise),
        "size": recipe.size,
        "fit": recipe.fit,
        "loss": repr(recipe.loss),
        "decay": recipe.decay,
        "optimizer": recipe.optimizer,
        "lr": recipe.lr,
        "seed": options.seed,
    }
    if recipe.schedule != ConstantRate():
        settings["schedule"] = repr(recipe.schedule)
    run = TrainingOptions(
        recipe.epochs,
        recipe.batch_size,
        options.seed,
        recipe.schedule,
        folder,
        settings,
        recipe.log_every,
        recipe.decay,
    )
    data = load()
    print(f"{options.model}: {data.source}")
    print(net.summary())
    learn, hold = training_part(data.train_images, options.limit, options.seed)
    pixels = recipe.pixels(data.train_images)
    learned, validation = (Dataset(pixels, data.train_labels, part) for part in (learn, hold))
    how = f"{recipe.optimizer} at {recipe.lr:g}, batches of {recipe.batch_size}, {net.threads} threads, seed {options.seed}"
    print(f"training on {len(learn):,} images, validating on {len(hold):,}; {how}", flush=True)

    test_pixels = recipe.pixels(data.test_images)
    net.check(recipe.loss, test_pixels, data.test_labels)
    trainer = Trainer(net, recipe.loss, optimizer, run, learned, validation, tell)
    rows = trainer.fit(options.resume)
    if trainer.interrupted:
        raise KeyboardInterrupt
    if len(rows) < recipe.epochs:
        return 1

    checkpoint.load_weights(folder / BEST, net)
    test = net.evaluate(recipe.loss, test_pixels, data.test_labels)
    outputs = net.predict(test_pixels)
    told = f"with the weights of epoch {history.best(rows).epoch}, the best on validation"
    print(f"test accuracy {100 * (test.accuracy or 0):.2f} % {told}")
    print(confusion_table(confusion(outputs.argmax(axis=1), data.test_labels, outputs.shape[1])))
    settings |= {"epochs": recipe.epochs, "batch_size": recipe.batch_size, "threads": net.threads}
    settings |= {"training_images": len(learn), "data": data.source, "minicnn": minicnn.__version__}
    metrics = {
        "settings": settings,
        "epochs": [asdict(row) for row in rows],
        "test_accuracy": test.accuracy,
        "test_loss": test.loss,
        "parameters": len(net.params.flat),
    }
    write_json(folder / "metrics.json", metrics)
    print(f"wrote metrics.json, {BEST}, {draw(folder, rows, net, data, outputs)} to {folder}")
    return 0


def tell(line: str) -> None:
    """Print a line of the training; how to go on is an option of the program."""
    say(line.replace("fit(resume=True)", "--resume"))


def draw_results(folder: Path, rows: list[EpochResult], net: Network, data: ImageDataset, outputs: Array) -> str:
    """Draw the curves and the surest mistakes."""
    from minicnn.train import plots

    plots.learning_curves(rows, folder / "curves.png")
    plots.misclassified(data.test_images, data.test_labels, outputs, folder / "confused.png")
    return "curves.png and confused.png"
