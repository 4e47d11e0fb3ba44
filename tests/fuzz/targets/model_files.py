"""Model files: what is loaded is saved and loaded again with the same architecture and the same numbers."""

import os
import warnings

from spoilt import File, classifier, mutated

import minicnn as m
from fuzz.drawn import Drawn
from fuzz.judged import refused
from fuzz.targets.files import path_of
from minicnn.errors import CheckpointError
from minicnn.train import architecture

INPUTS, QUICK = 10_000, 100
LONGEST, MOST_BYTES, SECONDS = 256, 300 << 20, 20
READS = ("minicnn.train", "minicnn.data")


def norms():
    items = [
        ("a", m.Conv2d(4, 3, padding=1, groups=2)),
        ("n", m.GroupNorm(2)),
        ("p", m.PReLU(4)),
        ("b", "a"),
        ("c", m.Concat(), ("n", "b")),
        ("r", m.Resize((3, 5), mode="linear")),
        ("o", m.AdaptiveAvgPool2d(2)),
    ]
    return m.Network(items, (4, 4, 4), threads=1, backend="numpy")


MADE = []
"""Good files, made when they are first needed."""


def files():
    if not MADE:
        MADE.extend(
            (
                File(path_of(b"", "net")),
                File(path_of(b"", "classifier"), model=classifier()),
                File(path_of(b"", "norms"), norms()),
            )
        )
    return MADE


def seeds():
    """Choices: which file, then what is changed."""
    return [
        bytes([0, kind, 255 * part, 0, *range(start, start + 40)])
        for kind in range(3)
        for part in (0, 1)
        for start in (0, 99, 200)
    ]


def check(data):
    rng = Drawn(data)
    file = rng.choice(files())
    mutated(rng, file)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            model = m.load(file.path, threads=1, backend="numpy")
        except CheckpointError as error:
            assert str(error).startswith(f"{file.path}: ")
            return refused(error)
    again_at = f"{file.path}.again"
    m.save(again_at, model)
    again = m.load(again_at, threads=1, backend="numpy")
    os.remove(again_at)
    one, two = (getattr(each, "net", each) for each in (model, again))
    assert architecture.describe(one) == architecture.describe(two)
    assert one.params.flat.tobytes() == two.params.flat.tobytes()
    assert {name: array.tobytes() for name, array in one.state.items()} == {n: a.tobytes() for n, a in two.state.items()}
    return True
