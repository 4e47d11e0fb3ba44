"""The arrays of a network by layer, in other libraries' words, and whether an array fits one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from ..arrays import DType
from ..errors import CheckpointError
from ..network import Network
from ..train.checkpoint import stored_names

COUNT = "num_batches_tracked"
"""How many batches made the running statistics; no loss where another library does not say it."""


class Shaped(Protocol):
    """An array or a tensor."""

    @property
    def shape(self) -> Sequence[int]:
        """The sizes of its axes."""
        ...


def layers_of(net: Network) -> dict[str, dict[str, str]]:
    """For each layer with parameters or state, in order: the network's names of its arrays by PyTorch's names for them.

    Raises:
        CheckpointError: two arrays would have one name.

    >>> from minicnn import Dense
    >>> layers_of(Network([("F1", Dense(3))], (4,), threads=1))
    {'F1': {'weight': 'F1.W', 'bias': 'F1.b'}}
    """
    order = [placed.name for placed in net.layers if placed.owner == placed.name]
    found: dict[str, dict[str, str]] = {name: {} for name in order}
    for theirs, ours in stored_names("network", net).items():
        layer, _, part = theirs.partition(".")
        found[layer][part] = ours
    return {layer: parts for layer, parts in found.items() if parts}


def check_dtype(who: str, name: str, given: DType, own: DType) -> None:
    """Refuse numbers of a dtype that the network's does not hold exactly.

    Args:
        who: what is loaded, for messages.
        name: what the array is called there.
        given: its dtype.
        own: the dtype of the network's array.

    Raises:
        CheckpointError: they are.
    """
    whole = own.kind == "i" and given.kind in "iu"
    if not whole and not (own.kind == given.kind == "f" and given.itemsize <= own.itemsize):
        hint = 'make the network with dtype="float64"' if given == "float64" else f"convert it to {own}"
        raise CheckpointError(who, f"expected {name!r} as {own} or what it holds exactly, got {given}", hint)


def shapes(parts: Mapping[str, Shaped]) -> str:
    """The arrays of a layer in words."""
    return ", ".join(f"{part} {tuple(array.shape)}" for part, array in parts.items())


def listed(names: list[str]) -> str:
    """A few names in words."""
    return ", ".join(names[:6]) + (", …" if len(names) > 6 else "") or "none"
