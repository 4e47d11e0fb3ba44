"""Frozen layers: which they are, and what their backward pass leaves out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

import numpy as np

from ..arrays import Array
from ..backends.program import Call, Function
from ..errors import OptionError
from .bind import PlacedLayer
from .record import signature_of


def chosen(who: str, layers: Sequence[PlacedLayer], names: Sequence[object]) -> set[str]:
    """The layers of these names that have parameters or a state; one that is there once more counts as the first.

    Args:
        who: the method in messages.
        layers: all layers.
        names: names, in which ``*`` and ``?`` stand for any characters.

    Raises:
        OptionError: a name is that of no such layer.
    """
    known = [placed for placed in layers if placed.plan.params or placed.plan.state]
    found: set[str] = set()
    for name in names:
        fitting = {placed.owner for placed in known if isinstance(name, str) and fnmatchcase(placed.name, name)}
        if not fitting:
            have = ", ".join(placed.name for placed in known) or "of which there is none"
            what = f"expected names of layers with parameters ({have}), got {name!r}"
            raise OptionError(who, what, "give a layer's name as it stands in print(net.summary())")
        found |= fitting
    return found


def unwanted_gradients(placed: PlacedLayer) -> dict[str, Array]:
    """Arrays in the place of the gradients that the backward pass of a frozen layer insists on."""
    insists: set[str] = set()
    for method in (placed.layer.measure_back, placed.layer.backward):
        insists |= set() if method is None else {name for name, optional in signature_of(method).items() if not optional}
    shapes = {f"d{name}": placed.shared[name] for name in placed.plan.params}
    return {name: np.zeros_like(array) for name, array in shapes.items() if name in insists}


def without(calls: Sequence[Call], unwanted: Iterable[Array], kernels: Mapping[str, Function]) -> list[Call]:
    """The calls without those of kernels of the backend that only add to something unwanted: their last array.

    A function that a layer brings itself stays, as it may write more than that.
    """
    arrays = list(unwanted)
    return [
        call
        for call in calls
        if not (
            call.arrays
            and kernels.get(call.name) is call.kernel
            and any(np.may_share_memory(call.arrays[-1], array) for array in arrays)
        )
    ]
