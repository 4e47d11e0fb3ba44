"""The corpus: a text file for each target, an input a line, in base 64."""

import base64
from pathlib import Path

FOLDER = Path(__file__).with_name("corpus")


def inputs(name):
    """The inputs of a target."""
    path = FOLDER / f"{name}.txt"
    return [base64.b64decode(line) for line in path.read_text().split()] if path.exists() else []


def write(name, found):
    """Keep these inputs of a target."""
    FOLDER.mkdir(exist_ok=True)
    lines = sorted((base64.b64encode(each).decode() for each in found), key=lambda line: (len(line), line))
    (FOLDER / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))
