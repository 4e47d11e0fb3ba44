"""Fashion-MNIST by the recipes of ``examples/train_fashion.py``, and by the same recipes in PyTorch: accuracy and time.

Both train on the same images in the same order from the same parameters, and are tested with the weights of the last step;
PyTorch in the faster of its two eager layouts, from float32 tensors in memory. The time is that of all training steps. The
recipes are chosen by ``examples/train_fashion.py --choose``, on validation images, which neither trains on.
Run: python benchmarks/fashion_bench.py --data FOLDER [--seeds N] [--threads N] [--model NAME] [--limit N] [--epochs N]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import harness
import numpy as np
from harness import BenchmarkError, Column, say

from minicnn import models
from minicnn.cli.console import path
from minicnn.data import ImageDataset, load_mnist
from minicnn.data.pixels import shuffled

sys.path.append(str(Path(__file__).parents[1] / "examples"))
from train_fashion import RECIPES
from training import HELD_OUT, OPTIMIZERS, Recipe, training_part

QUICK = 2000
CLOSE = 1e-4
"""Outputs of the two before training differ by less, as a share of the largest."""

COLUMNS = (
    Column("network", 14),
    Column("seed", 6),
    Column("minicnn s", 9, ".2f"),
    Column("accuracy %", 10, ".2f"),
    Column("torch s", 9, ".2f"),
    Column("accuracy %", 10, ".2f"),
    Column("ratio", 6, ".2f"),
)
FIGURES = ("minicnn_s", "accuracy", "torch_s", "torch_accuracy")


def network(recipe: Recipe, data: ImageDataset, seed: int, threads: int) -> Any:
    """The recipe's network for the images."""
    in_shape = (1, *data.train_images.shape[1:])
    return getattr(models, recipe.model)(num_classes=10, in_shape=in_shape, threads=threads, seed=seed)


def own(recipe: Recipe, data: ImageDataset, learn: Any, seed: int, threads: int) -> tuple[float, float]:
    """Seconds of a training of minicnn's, and its test accuracy in per cent."""
    warm = network(recipe, data, seed, threads)  # all kernels are there before the time begins
    pixels, test_pixels = recipe.pixels(data.train_images), recipe.pixels(data.test_images)
    rest = len(learn) % recipe.batch_size
    for size in {recipe.batch_size, rest} - {0}:
        warm.loss_and_grads(recipe.loss, pixels, data.train_labels, learn[:size])
        OPTIMIZERS[recipe.optimizer](0.0).step(warm)
    net, optimizer = network(recipe, data, seed, threads), OPTIMIZERS[recipe.optimizer](recipe.lr)
    starts = range(0, len(learn), recipe.batch_size)
    started = time.perf_counter()
    for epoch in range(1, recipe.epochs + 1):
        order = shuffled(learn, seed, epoch)
        for number, start in enumerate(starts):
            step = (epoch - 1) * len(starts) + number
            optimizer.lr = recipe.lr * recipe.decay ** (epoch - 1) * recipe.schedule(step, recipe.epochs * len(starts))
            net.loss_and_grads(recipe.loss, pixels, data.train_labels, order[start : start + recipe.batch_size])
            optimizer.step(net)
    seconds = time.perf_counter() - started
    return seconds, 100 * net.evaluate(recipe.loss, test_pixels, data.test_labels).accuracy


class Peer:
    """The same recipe in PyTorch.

    Args:
        recipe: the recipe.
        data: the images.
        threads: of minicnn, for the comparison before training.
    """

    def __init__(self, recipe: Recipe, data: ImageDataset, threads: int) -> None:
        from peers import recipe_torch

        self.peer, self.recipe, self.data = recipe_torch, recipe, data
        self.images, self.test = self.scaled(data.train_images), self.scaled(data.test_images)
        few = self.images[: recipe.batch_size + 2]
        self.form = recipe_torch.faster(self.net(0, threads), few, data.train_labels, recipe)
        self.compare(threads)

    def scaled(self, images: Any) -> Any:
        """Grey levels as the network's input."""
        normalise = self.recipe.normalise
        return images[:, None].astype(np.float32) * np.asarray(normalise.scale, np.float32) + np.asarray(
            normalise.shift, np.float32
        )

    def net(self, seed: int, threads: int = 1) -> Any:
        """Minicnn's network, with the initial parameters."""
        return network(self.recipe, self.data, seed, threads)

    def training(self, seed: int, images: Any) -> Any:
        """A training that has not begun."""
        net = self.net(seed)
        data = self.peer.Data(net, images, self.data.train_labels, self.form)
        return self.peer.Training(net, data, self.form, self.recipe)

    def compare(self, threads: int) -> None:
        """See that both are the same network.

        Raises:
            BenchmarkError: they are not.
        """
        few = self.recipe.pixels(self.data.train_images[:64])
        mine, training = self.net(0, threads).predict(few), self.training(0, self.images[:64])
        theirs = training.outputs(training.data.images)
        apart = float(np.abs(mine - theirs).max() / np.abs(theirs).max())
        if not apart < CLOSE:
            raise BenchmarkError(f"{self.recipe.model}: outputs before training differ by {apart:.1e} of the largest", code=1)

    def run(self, learn: Any, seed: int) -> tuple[float, float]:
        """Seconds of a training, and its test accuracy in per cent."""
        training = self.training(seed, self.images)
        test = self.peer.Data(self.net(seed), self.test, self.data.test_labels, self.form).images
        started = time.perf_counter()
        training.epochs(learn, seed)
        seconds = time.perf_counter() - started
        return seconds, 100 * float((training.outputs(test).argmax(1) == self.data.test_labels).mean())


def spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.2f} ± {deviation:.2f}"


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = harness.arguments("Fashion-MNIST: accuracy and time of training, beside PyTorch.")
    parser.add_argument("--data", type=path, required=True, help="folder of four IDX files, raw or gzip")
    parser.add_argument("--model", choices=RECIPES, help="only this network")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="trainings of each, with seeds 0 … N − 1 (default 5)")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N training images")
    parser.add_argument("--epochs", type=int, metavar="N", help="in place of the recipe's")
    options = parser.parse_args(given)
    harness.check_arguments(options)
    for name in ("seeds", "epochs"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            raise BenchmarkError(f"expected --{name} of at least 1, got {getattr(options, name)}")
    if options.quick:
        options.seeds, options.limit, options.epochs = 1, options.limit or QUICK, options.epochs or 1
    return options


def benchmark(given: Sequence[str]) -> None:
    """Train, print, write."""
    options = arguments(given)
    harness.keep_to(options.threads)
    data, machine = load_mnist(options.data), harness.machine_info(options.threads)
    report: dict[str, Any] = {}
    say(f"{harness.machine_line(machine)}\n{harness.heading(COLUMNS)}")
    for name in [options.model] if options.model else RECIPES:
        recipe = RECIPES[name] if options.epochs is None else replace(RECIPES[name], epochs=options.epochs)
        peer = Peer(recipe, data, options.threads) if harness.peer("torch") is not None else None
        rows: list[Sequence[Any]] = []
        for seed in range(options.seeds):
            learn, _ = training_part(data.train_images, options.limit, seed)
            mine = own(recipe, data, learn, seed, options.threads)
            theirs: Any = (None, None) if peer is None else peer.run(learn, seed)
            rows.append((*mine, *theirs))
            say(harness.line(COLUMNS, [name, str(seed), *rows[-1], None if theirs[0] is None else theirs[0] / mine[0]]))
        known = {key: [row[i] for row in rows if row[i] is not None] for i, key in enumerate(FIGURES)}
        told = {key: spread(values) for key, values in known.items() if values}
        say(f"{name}: minicnn {told['accuracy']} %, {told['minicnn_s']} s")
        if peer is not None:
            ratio = statistics.mean(known["torch_s"]) / statistics.mean(known["minicnn_s"])
            say(f"{name}: PyTorch {told['torch_accuracy']} %, {told['torch_s']} s in {peer.form}: {ratio:.2f} times as long")
        report[name] = {"recipe": repr(recipe), "form": peer and peer.form, **known}
    if options.json is not None:
        part = {"limit": options.limit, "held_out": f"1 in {HELD_OUT}"}
        harness.write_json(options.json, {"benchmark": "fashion", "machine": machine, **part, "networks": report})


if __name__ == "__main__":
    sys.exit(harness.run("fashion_bench", benchmark, sys.argv[1:]))
