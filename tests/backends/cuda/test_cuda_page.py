"""docs/cuda.md says which layers run on a GPU: those of which every recorded kernel is in the backend."""

import re
from pathlib import Path

import pytest

import minicnn as m

PAGE = Path(__file__).parents[3] / "docs" / "cuda.md"
MAPS, ROWS, NUMBERS = (4, 8, 8), (4, 8), (84,)
OPTIONS = {
    "AdaptiveAvgPool2d": (3,),
    "Concat": (),
    "Conv1d": (4, 3),
    "Conv2d": (4, 3),
    "ConvTranspose1d": (4, 3),
    "ConvTranspose2d": (4, 3),
    "Dense": (3,),
    "GroupNorm": (2,),
    "IndexSelect": ((0, 1), (0, 1)),
    "Pad2d": (1,),
    "Permute": ((2, 0, 1),),
    "Reshape": ((16, 16),),
    "Resize": ((5, 5),),
    "SparseConv2d": (((0, 1), (2, 3)), 3),
    "Subsample": (2,),
    "Upsample": (2,),
} | {f"{kind}{pool}{axes}d": (2,) for kind in ("Max", "Avg") for pool in ("Pool",) for axes in (1, 2)}
KINDS = sorted(set(m.nn.__all__) - {"Layer", "Residual"})
"""A residual block is its layers and their sum."""


def recorded(kind):
    """The kernels of a step of a network with one such layer."""
    if kind.startswith("MaxUnpool"):
        pool, shape = (m.MaxPool2d(2), MAPS) if kind.endswith("2d") else (m.MaxPool1d(2), ROWS)
        items = [("pool", pool), ("a", getattr(m, kind)(2), ("pool", "input"))]
    elif kind in ("Add", "Concat", "Multiply"):
        items, shape = [("b", m.Tanh()), ("a", getattr(m, kind)(), ("b", "input"))], MAPS
    else:
        items = [("a", getattr(m, kind)(*OPTIONS.get(kind, ())))]
        shape = NUMBERS if kind == "RBF" else ROWS if kind.endswith("1d") else MAPS
    net = m.Network([*items, ("end", m.Dense(2))], shape, backend="numpy", threads=1)
    return {call.name for call in net.program().calls}


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_says_whether_a_layer_runs(kind):
    kernels = pytest.importorskip("minicnn.backends.cuda", exc_type=ImportError).KERNELS
    there, missing = (
        re.findall(r"`(\w+)`", part)
        for part in re.search(r"^\| layers \|(.*)\|(.*)\|$", PAGE.read_text("utf-8"), re.M).groups()
    )
    assert kind in (there if recorded(kind) <= set(kernels) else missing)
    assert sorted([*there, *missing]) == KINDS
