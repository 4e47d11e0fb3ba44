"""Write small colour PNGs of five shapes, in a folder for each: 500 to train on, and 100 others to test with.

The shape decides the class. A light colour, a dark background, place, size and angle are drawn at random, so they tell nothing.

Run: python examples/make_pictures.py [--out pictures] [--held-out heldout]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from minicnn.cli.console import path, program
from minicnn.errors import need
from minicnn.train.folder_lock import prepare

SIDE, FINE = 48, 4
NAMES = ("bar", "cross", "disc", "ring", "triangle")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=path, default=Path("pictures"), help="folder for the pictures to train on")
    parser.add_argument("--held-out", type=path, default=Path("heldout"), help="folder for those to test with")
    parser.add_argument("--count", type=int, default=500, help="pictures to train on (default 500)")
    parser.add_argument("--test", type=int, default=100, help="pictures to test with (default 100)")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def inside(name: str, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Whether points lie in a shape of size 1 about the origin."""
    across, down, far = np.abs(u), np.abs(v), np.hypot(u, v)
    return {
        "bar": (across < 1) & (down < 0.25),
        "cross": (np.maximum(across, down) < 1) & (np.minimum(across, down) < 0.3),
        "disc": far < 0.85,
        "ring": (far < 1) & (far > 0.55),
        "triangle": (v > -0.6) & (v < 1 - 1.75 * across),
    }[name]


def picture(name: str, rng: np.random.Generator) -> np.ndarray:
    """One picture (48, 48, 3): a shape over a background that changes from side to side, with noise."""
    back, ink = rng.uniform(0, 110, 3), rng.uniform(130, 255, 3)
    size, angle = rng.uniform(13, 19), rng.uniform(0, 2 * np.pi)
    centre = rng.uniform(size, SIDE - size, 2)
    row, column = (np.indices((SIDE * FINE, SIDE * FINE)) + 0.5) / FINE - centre[:, None, None]
    u, v = (column * np.cos(angle) + row * np.sin(angle)) / size, (row * np.cos(angle) - column * np.sin(angle)) / size
    cover = inside(name, u, v).reshape(SIDE, FINE, SIDE, FINE).mean(axis=(1, 3))[..., None]
    slope = np.linspace(-1, 1, SIDE)[:, None] * rng.uniform(-25, 25, 3)
    drawn = back + (slope[:, None] if rng.random() < 0.5 else slope) + rng.normal(0, 6, (SIDE, SIDE, 3))
    return np.clip(np.rint(drawn + cover * (ink - drawn)), 0, 255).astype(np.uint8)


def write(folder: Path, count: int, rng: np.random.Generator) -> None:
    """Write so many pictures, each class as often as the others."""
    from PIL import Image

    prepare(folder, str(folder))
    for number in range(count):
        name = NAMES[number % len(NAMES)]
        (folder / name).mkdir(exist_ok=True)
        Image.fromarray(picture(name, rng)).save(folder / name / f"{number:04}.png")


@program()
def main() -> int:
    options = arguments()
    need("PIL")
    write(options.out, options.count, np.random.default_rng([options.seed, 0]))
    write(options.held_out, options.test, np.random.default_rng([options.seed, 1]))
    print(f"wrote {options.count} pictures to {options.out} and {options.test} to {options.held_out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
