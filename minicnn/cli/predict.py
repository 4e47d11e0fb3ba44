"""``minicnn predict``: the classes of pictures in files, in folders, or from standard input."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..arrays import Array
from ..data.picture import MOST_BYTES, SUFFIXES, read_picture
from ..errors import DataError
from ..train.classifier import Classifier
from .command import Commands, add_command, add_model, add_threads, count
from .model import classifier, fit_of
from .streams import say

EXAMPLE = """  minicnn predict model.safetensors photo.jpg more_photos --top 3
  curl -s https://example.org/photo.png | minicnn predict model.safetensors - --json"""
TOGETHER = 64
"""Pictures that go through the network together."""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(commands, "predict", "name the classes of pictures", EXAMPLE)
    add_model(parser)
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="pictures of any size, folders of such, or - for standard input"
    )
    parser.add_argument("--top", type=count, default=3, metavar="N", help="the most likely N classes (default 3)")
    parser.add_argument("--invert", action="store_true", help="light for dark, as for ink on paper where training had chalk")
    parser.add_argument("--json", action="store_true", help="print an object for each picture")
    add_threads(parser)
    parser.set_defaults(run=predict)


def predict(options: argparse.Namespace) -> int:
    """Predict and print; what cannot be read is named, and then the exit code is 2."""
    model = classifier(options.model, options.threads)
    channels, *size = model.net.in_shape
    fit, refused = fit_of(options.model), 0
    waiting = list[tuple[str, Array]]()
    for name, file in _files(options.files):
        try:
            picture = read_picture(
                sys.stdin.buffer.read(MOST_BYTES + 1) if file is None else file, (size[0], size[1]), channels, fit, name
            )
        except DataError as error:
            say(f"minicnn: {error}", sys.stderr)
            refused += 1
            continue
        waiting.append((name, 255 - picture if options.invert else picture))
        if len(waiting) == TOGETHER:
            _say(model, waiting, options)
            waiting.clear()
    if waiting:
        _say(model, waiting, options)
    return 2 if refused else 0


def _files(given: list[str]) -> Iterator[tuple[str, Path | None]]:
    """The names of pictures with their files, None for standard input."""
    for name in given:
        place = Path(name).expanduser()
        if name == "-":
            yield "standard input", None
        elif place.is_dir():
            found = sorted(
                Path(folder, file)
                for folder, _, files in os.walk(place)
                for file in files
                if file.lower().endswith(SUFFIXES) and not file.startswith(".")
            )
            if not found:
                raise DataError(
                    name, "expected a folder with pictures, got none in it", f"its pictures end in {', '.join(SUFFIXES)}"
                )
            yield from ((str(file), file) for file in found)
        else:
            yield name, place


def _say(model: Classifier, waiting: list[tuple[str, Array]], options: argparse.Namespace) -> None:
    """Predict some pictures, and print a line for each."""
    shares = model.predict_proba(np.stack([picture for _, picture in waiting]))
    names = [str(name) for name in (model.classes if model.classes is not None else [])]
    for (name, _), row in zip(waiting, shares, strict=True):
        best = [(names[n], float(row[n])) for n in np.argsort(-row, kind="stable")[: options.top]]
        if options.json:
            print(json.dumps({"file": name, "classes": [{"name": said, "probability": share} for said, share in best]}))
        else:
            say(f"{name}: " + ", ".join(f"{said} {100 * share:.1f} %" for said, share in best))
