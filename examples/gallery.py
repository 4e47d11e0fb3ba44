"""Draw every picture of minicnn.train.plots, from networks that are trained for a few seconds.

Run: python examples/gallery.py [--out docs/pictures/gallery]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # python -P omits it

import numpy as np

from minicnn import MLE, SGD, Adam, Classifier, CrossEntropy, models
from minicnn.cli.console import path, program
from minicnn.data import (
    ColorJitter,
    CutMix,
    Elastic,
    Mixup,
    Normalise,
    Pixels,
    RandomAffine,
    RandomErasing,
    RandomFlip,
    load_mnist,
)
from minicnn.data.shapes import coloured_shapes
from minicnn.errors import need
from minicnn.train import Dataset, find_learning_rate, plots
from minicnn.train.folder_lock import prepare

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
MOST_BYTES = 60_000


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=path, help="folder of four IDX files; the digits in the package unless given")
    parser.add_argument("--out", type=path, default=Path("docs/pictures/gallery"), help="folder for the pictures")
    parser.add_argument("--limit", type=int, default=6000, help="use only the first N training images")
    parser.add_argument("--epochs", type=int, default=4, help="passes over the training images")
    return parser.parse_args()


@program()
def main() -> int:
    options = arguments()
    need("matplotlib")
    out = prepare(options.out, "--out")
    digits = load_mnist(options.data, "auto" if options.data else "subset")
    images, labels = digits.train_images[: options.limit], digits.train_labels[: options.limit]
    tests, truth = digits.test_images[:1000], digits.test_labels[:1000]

    model = Classifier(models.lenet5_modern(), optimizer=Adam(0.002), classes=NAMES)
    model.fit(images, labels, epochs=options.epochs)
    net = model.net
    old = Classifier(models.lenet5_1998(), MLE(), Adam(0.002), NAMES)
    old.fit(images, labels, epochs=options.epochs, validation=None)
    draw_training(out, model, images, labels)
    draw_judgement(out, model, tests, truth)
    three = tests[np.flatnonzero(truth == 3)[1]]
    draw_image(out, model, old, three)

    plots.kernels(net.params["C1.W"], out / "kernels.png")
    plots.histograms(net, out / "histograms.png")
    plots.network_diagram(net, out / "diagram-chain.png")
    plots.network_diagram(models.resnet8(), out / "diagram-graph.png")
    plots.receptive_field(net, "C3", out / "receptive-field.png", image=three)
    plots.connections(models.c3_table(), out / "connections.png", names=("map of S2", "map of C3"))
    draw_augmentations(out, images)
    for file in out.glob("*.png"):
        shrink(file)
    print(f"wrote {len(list(out.glob('*.png')))} pictures to {out}")
    return 0


def draw_training(out: Path, model: Classifier, images: np.ndarray, labels: np.ndarray) -> None:
    plots.learning_curves(model.history, out / "learning-curves.png")
    fresh, data = models.lenet5_modern(), Dataset(Pixels(images, Normalise.standard(0.1307, 0.3081)), labels)
    found = find_learning_rate(fresh, CrossEntropy(), SGD(momentum=0.9), data, lowest=1e-5)
    plots.learning_rates(found, out / "learning-rates.png")


def draw_judgement(out: Path, model: Classifier, tests: np.ndarray, truth: np.ndarray) -> None:
    counts = model.confusion_matrix(tests, truth)
    probabilities = model.predict_proba(tests)
    plots.confusion_matrix(counts, out / "confusion-matrix.png", classes=NAMES)
    plots.confused_pairs(counts, out / "confused-pairs.png", classes=NAMES)
    plots.misclassified(tests, truth, probabilities, out / "misclassified.png", most=16, classes=NAMES)
    plots.calibration(probabilities, truth, out / "calibration.png")


def draw_image(out: Path, model: Classifier, old: Classifier, three: np.ndarray) -> None:
    plots.feature_maps(model, three, out / "feature-maps.png")
    plots.saliency(model, three, out / "saliency.png")
    plots.occlusion(model, three, out / "occlusion.png")
    assert old.preprocessing is not None
    old.net.forward(old.preprocessing.source("gallery", three[None], old.net.in_shape, old.net.dtype))
    units = old.net.activation("f(F6)")[0]
    plots.codes(path=out / "codes.png", units=units)


def draw_augmentations(out: Path, images: np.ndarray) -> None:
    ways = {
        "rotation ±20°": [RandomAffine(20)],
        "shear ±20°": [RandomAffine(0, shear=20)],
        "elastic α 34, σ 4": [Elastic(34, 4)],
    }
    plots.augmentations(images[:8], ways, out / "augmentations-grey.png")
    shapes = coloured_shapes(6).train_images
    colours = [RandomFlip(), ColorJitter(0.4, 0.4, 0.4), RandomErasing(), Mixup(), CutMix()]
    plots.augmentations(shapes, colours, out / "augmentations-colour.png")


def shrink(file: Path) -> None:
    """Write a picture with fewer colours, as few as make it at most 60 KB, so that pages with many pictures load fast."""
    from PIL import Image

    with Image.open(file) as picture:
        full = picture.convert("RGB")
    for colours in (255, 128, 64, 32):
        full.quantize(colours, kmeans=int(colours < 128), dither=Image.Dither.NONE).save(file, optimize=True)
        if file.stat().st_size <= MOST_BYTES:
            return


if __name__ == "__main__":
    sys.exit(main())
