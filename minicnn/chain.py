"""Layers in a row: each is asked what it needs, given the shape that the one before it makes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from .arrays import Shape
from .bind import Bound, describe
from .errors import OptionError, ShapeError
from .layers.base import Layer
from .plan import MOST

Named = Layer | tuple[str, Layer]
"""A layer, or a pair of its name and the layer."""


def checked_shape(shape: Any) -> Shape:
    """The shape of one image as a tuple of positive whole numbers."""
    sizes = tuple(shape) if isinstance(shape, Sequence) else ()
    if not sizes or not all(isinstance(s, int) and not isinstance(s, bool) and s > 0 for s in sizes):
        raise OptionError("Network", f"expected in_shape as positive whole numbers, got {shape!r}", "give (C, H, W) or (D,)")
    if prod(sizes) > MOST:
        raise OptionError("Network", f"expected in_shape of at most 2^40 numbers in all, got {shape!r}", "give smaller images")
    return sizes


def plan_chain(layers: Sequence[Named], in_shape: Shape) -> list[Bound]:
    """Ask every layer what it needs, given what the one before it makes."""
    if not layers:
        raise OptionError("Network", "expected at least one layer, got none", "give a list of layers")
    planned: list[Bound] = []
    chain, shape = str(in_shape), in_shape
    for index, item in enumerate(layers):
        name, layer = item if isinstance(item, tuple) and len(item) == 2 else (str(index), item)
        if not isinstance(layer, Layer) or not isinstance(name, str) or not name or "." in name:
            what = f"expected a Layer or a pair (name without dots, Layer), got {item!r}"
            raise OptionError("Network", what, 'write for example ("C1", Conv2d(6, 5))')
        if name in [b.name for b in planned]:
            raise OptionError("Network", f"expected every name once, got {name!r} again", "rename one of the layers")
        title = layer.label if name == str(index) else f"{name} {layer.label}"
        try:
            plan = layer.plan(shape)
        except ShapeError as error:
            hint = error.hint
            raise ShapeError(describe(index, name, layer), error.what, hint, f"{chain} → {title} ✗") from None
        except MemoryError:
            what, hint = "expected constants that fit into memory, got larger ones", "make the layer or its input smaller"
            raise ShapeError(describe(index, name, layer), what, hint, f"{chain} → {title} ✗") from None
        bound = Bound(index, name, layer, shape, plan)
        bound.check_names()
        planned.append(bound)
        shape = plan.out_shape
        chain += f" → {title} → {shape}"
    return planned
