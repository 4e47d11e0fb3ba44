"""Draw what every augmentation does to pictures of shapes.

Run: python examples/augmentations.py [--out docs/pictures]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # python -P omits it

import numpy as np
from make_pictures import NAMES, picture

from minicnn.cli.console import path, program
from minicnn.data import (
    Augmented,
    ColorJitter,
    CutMix,
    Elastic,
    Mixup,
    Normalise,
    Pixels,
    RandomAffine,
    RandomCrop,
    RandomErasing,
    RandomFlip,
)
from minicnn.data.augmentations import recipe
from minicnn.errors import need
from minicnn.train import plots
from minicnn.train.folder_lock import prepare

SHOWN = 6
LISTS = {
    "as they are": [],
    "RandomCrop(6)": [RandomCrop(6)],
    "RandomFlip()": [RandomFlip()],
    "RandomFlip(vertical=True)": [RandomFlip(vertical=True)],
    "RandomAffine(30,\n(0.1, 0.1), (0.7, 1.3), 10)": [RandomAffine(30, (0.1, 0.1), (0.7, 1.3), 10)],
    "RandomErasing(p=1)": [RandomErasing(p=1)],
    "ColorJitter(brightness=0.5)": [ColorJitter(brightness=0.5)],
    "ColorJitter(contrast=0.8)": [ColorJitter(contrast=0.8)],
    "ColorJitter(saturation=1)": [ColorJitter(saturation=1)],
    "Elastic(60, 5)": [Elastic(60, 5)],
    "Mixup()": [Mixup()],
    "CutMix()": [CutMix()],
    "minicnn train --augment": recipe("auto", 3, 48, 48),
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=path, default=Path("docs/pictures"), help="folder for the picture")
    return parser.parse_args()


@program()
def main() -> int:
    options = arguments()
    need("matplotlib")
    prepare(options.out, "--out")
    rng = np.random.default_rng(5)
    shapes = np.stack([picture(NAMES[n % len(NAMES)], rng) for n in range(SHOWN)]).transpose(0, 3, 1, 2)
    pixels = Pixels(np.ascontiguousarray(shapes), Normalise.between(0, 1))
    rows = {}
    for name, augmentations in LISTS.items():
        seen = Augmented(pixels, augmentations, seed=1).look(range(SHOWN)).transpose(0, 2, 3, 1)
        rows[name] = np.clip(seen, 0, 1)  # of a rounding error
    plots.rows_of_images(rows, options.out / "augmentations.png")
    print(f"wrote augmentations.png to {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
