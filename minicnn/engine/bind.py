"""From layers and what they read to their arrays: the shapes of their inputs, and the names that their methods ask for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from ..arrays import Array, Shape
from ..backends.placeholder import Recording, placeholders
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

    @property
    def in_shape(self) -> Shape:
        """Shape of what it reads first, without lanes."""
        return self.in_shapes[0]

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
    chosen = {f.name: getattr(layer, f.name) for f in fields(layer) if getattr(layer, f.name) != f.default}
    options = ", ".join(f"{option}={value!r}" for option, value in chosen.items())
    return f"layer {index}{quoted} {layer.label}({options})"


def signature_of(method: Callable[..., None]) -> dict[str, bool]:
    """The arguments that a bound method takes after ``k``, and whether each may be left out."""
    parameters = list(inspect.signature(method).parameters.values())
    return {p.name: p.default is not inspect.Parameter.empty for p in parameters[1:]}


def record(who: str, method: Callable[..., None], k: Any, available: Mapping[str, Any], known: Iterable[str] = ()) -> None:
    """Let a method say its calls to the recorder, every argument bound by its name.

    Args:
        who: the layer, loss or source in messages.
        method: what records.
        k: the recorder.
        available: what it may name.
        known: names of arrays whose numbers it may look at, as they never change.

    Raises:
        ContractError: it names what there is not, or computes in place of recording.
    """
    wanted = signature_of(method)
    if missing := [name for name, optional in wanted.items() if name not in available and not optional]:
        has = ", ".join(sorted(available))
        what = f"expected arguments that the network has, got {', '.join(missing)} in {method.__name__}"
        raise ContractError(who, what, f"use or plan one of: {has}")
    given = {name: available[name] for name in wanted if name in available}
    with placeholders(Recording(who, method.__name__), given, frozenset(known)) as arguments:
        method(k, **arguments)


def constant(array: Array, dtype: np.dtype[Any]) -> Array:
    """A const as kernels take it: contiguous, floats in the network's dtype, whole numbers as int64."""
    return np.array(array, dtype if array.dtype.kind == "f" else np.int64, order="C")
