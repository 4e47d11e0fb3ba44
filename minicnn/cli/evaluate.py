"""``minicnn evaluate``: how well a model names the classes of labelled pictures."""

from __future__ import annotations

import argparse
import json
import sys

import numpy as np

from .command import Commands, add_command, add_model, add_threads
from .dataset import add_data
from .judged import examples
from .model import classifier
from .streams import say

EXAMPLE = "  minicnn evaluate model.safetensors held_out"


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(commands, "evaluate", "measure accuracy, and which classes are taken for which", EXAMPLE)
    add_model(parser)
    add_data(parser)
    parser.add_argument("--json", action="store_true", help="print an object for programs")
    add_threads(parser)
    parser.set_defaults(run=evaluate)


def evaluate(options: argparse.Namespace) -> int:
    """Measure and print."""
    model = classifier(options.model, options.threads)
    images, numbers, names, skipped = examples(model, options.model, options.data, options.skip_corrupt)
    for words in skipped:
        say(f"passed over {words}", sys.stderr)
    labels = np.array(model.classes)[numbers] if int(numbers.max()) < len(names) else numbers
    counts = model.confusion_matrix(images, labels)
    right, all_of = counts.trace(), counts.sum()
    if options.json:
        print(
            json.dumps(
                {"pictures": int(all_of), "accuracy": float(right / all_of), "classes": names, "confusion": counts.tolist()}
            )
        )
        return 0
    print(f"accuracy {100 * right / all_of:.2f} % of {all_of:,} pictures")
    wide = max(map(len, names))
    for name, row in zip(names, counts, strict=True):
        if row.sum():
            worst = [f"{names[p]} {row[p]}" for p in np.argsort(-row, kind="stable") if row[p] and names[p] != name][:3]
            said = f"; taken for {', '.join(worst)}" if worst else ""
            say(f"  {name:{wide}} {100 * row[names.index(name)] / row.sum():6.2f} % of {row.sum():,}{said}")
    return 0
