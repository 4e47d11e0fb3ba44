"""Layers in their places: what they read, and the arrays that they ask for."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cached_property

import numpy as np

from ..arrays import Array, DType, Shape
from ..errors import ContractError
from ..nn.base import RESERVED, Layer, Plan


@dataclass
class PlacedLayer:
    """A layer in its place in a network, with the arrays that all threads share.

    Attributes:
        index: its place, counted from 0.
        name: its name in the network.
        layer: the layer.
        in_shapes: shapes of what it reads, without lanes.
        plan: what it asked for.
        inputs: the numbers of the values that it reads; the network's inputs come first, then the layers' outputs.
        value: the number of the value that it writes.
        owner: the name that its parameters stand under: its own, or that of the layer that it is once more.
        shared: parameters, consts, derived and state by name.
        frozen: its parameters get no gradient, and in training it is what it is in inference.
    """

    index: int
    name: str
    layer: Layer
    in_shapes: tuple[Shape, ...]
    plan: Plan
    inputs: tuple[int, ...]
    value: int
    owner: str
    shared: dict[str, Array] = field(default_factory=dict)
    frozen: bool = False

    @property
    def trained(self) -> bool:
        """Whether there are parameters that training changes."""
        return bool(self.plan.params) and not self.frozen

    def trains(self, train: bool) -> bool:
        """Whether a pass is one of training for this layer."""
        return train and not self.frozen

    def measures(self, train: bool) -> bool:
        """Whether a pass needs what all groups of a batch tell."""
        return self.layer.measures(self.trains(train))

    @property
    def in_shape(self) -> Shape:
        """Shape of what it reads first, without lanes."""
        return self.in_shapes[0]

    @cached_property
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
            plan.measured,
            {f"rows{name[3:]}": None for name in plan.measured},
            plan.merged,
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
    given = {f.name: (getattr(layer, f.name), f.default) for f in fields(layer)}
    chosen = {name: value for name, (value, default) in given.items() if np.any(value != default)}  # which may be an array
    options = ", ".join(f"{option}={value!r}" for option, value in chosen.items())
    return f"layer {index}{quoted} {layer.label}({options})"


def constant(array: Array, dtype: DType) -> Array:
    """A const as kernels take it: contiguous, floats in the network's dtype, whole numbers as int64."""
    return np.array(array, dtype if array.dtype.kind == "f" else np.int64, order="C")
