"""Layers in their places: the shapes of their inputs, and the arrays that they ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from math import prod
from typing import Any

import numpy as np

from ..arrays import Array, Shape
from ..errors import ContractError, OptionError, ShapeError
from ..nn.base import MOST, RESERVED, Layer, Plan


@dataclass
class PlacedLayer:
    """A layer in its place in a network, with the arrays that all threads share.

    Attributes:
        index: its place, counted from 0.
        name: its name in the network.
        layer: the layer.
        in_shape: shape of its input, without lanes.
        plan: what it asked for.
        shared: parameters, consts, derived and state by name.
    """

    index: int
    name: str
    layer: Layer
    in_shape: Shape
    plan: Plan
    shared: dict[str, Array] = field(default_factory=dict)

    @property
    def who(self) -> str:
        """The layer in messages."""
        return describe(self.index, self.name, self.layer)

    def check_names(self) -> None:
        """Refuse a plan that uses a reserved name, or one name twice."""
        plan = self.plan
        kinds = (
            plan.params,
            {f"{kind}{p}": None for kind in "dh" for p in plan.params},
            plan.consts,
            plan.derived,
            plan.saved,
            plan.work,
            plan.curvature,
            plan.state,
        )
        seen = set(RESERVED)
        for names in kinds:
            for name in names:
                if name in seen:
                    raise ContractError(
                        self.who, f"expected names that are used once, got {name!r} again", "rename it in the plan"
                    )
                seen.add(name)


def describe(index: int, name: str, layer: Layer) -> str:
    """A layer in messages: its place, its name, and the options that are not left at their defaults.

    >>> from minicnn.nn import Flatten
    >>> describe(0, "0", Flatten())
    'layer 0 Flatten()'
    """
    quoted = "" if name == str(index) else f' "{name}"'
    chosen = {f.name: getattr(layer, f.name) for f in fields(layer) if getattr(layer, f.name) != f.default}
    options = ", ".join(f"{option}={value!r}" for option, value in chosen.items())
    return f"layer {index}{quoted} {layer.label}({options})"


def constant(array: Array, dtype: np.dtype[Any]) -> Array:
    """A const as kernels take it: contiguous, floats in the network's dtype, whole numbers as int64."""
    return np.array(array, dtype if array.dtype.kind == "f" else np.int64, order="C")


Named = Layer | tuple[str, Layer]
"""A layer, or a pair of its name and the layer."""


def checked_shape(shape: object) -> Shape:
    """The shape of one image as a tuple of positive whole numbers."""
    sizes = tuple(shape) if isinstance(shape, Sequence) else ()
    if not sizes or not all(isinstance(s, int) and not isinstance(s, bool) and s > 0 for s in sizes):
        raise OptionError("Network", f"expected in_shape as positive whole numbers, got {shape!r}", "give (C, H, W) or (D,)")
    if prod(sizes) > MOST:
        raise OptionError("Network", f"expected in_shape of at most 2^40 numbers in all, got {shape!r}", "give smaller images")
    return sizes


def plan_chain(layers: Sequence[Named], in_shape: Shape) -> list[PlacedLayer]:
    """Ask every layer what it needs, given what the one before it makes."""
    if not layers:
        raise OptionError("Network", "expected at least one layer, got none", "give a list of layers")
    planned: list[PlacedLayer] = []
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
        placed = PlacedLayer(index, name, layer, shape, plan)
        placed.check_names()
        planned.append(placed)
        shape = plan.out_shape
        chain += f" → {title} → {shape}"
    return planned
