"""A residual block, as items of a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Union

from ..errors import OptionError, Options
from .base import Layer
from .graph import Add

BlockItem = Union[Layer, "Residual", tuple[str, "Layer | Residual"]]
"""A layer or a block, or a pair of its name and itself."""


@dataclass(frozen=True)
class Residual(Options):
    """y = layers(x) + shortcut(x): stands for its layers, those of the shortcut, and their sum (He et al., 2016).

    In a network it is an item as a layer is, with a name or without. Its layers are called by the name of the block, a
    hyphen, and their own name or number; those of the shortcut have ``shortcut`` in between; the sum has the block's name.

    Args:
        layers: layers, pairs (name, layer) or residual blocks, one after another.
        shortcut: the same for the other way; nothing for x itself.

    Raises:
        OptionError: no layers, or an item that is no layer.

    >>> from minicnn import BatchNorm2d, Conv2d, Network, ReLU
    >>> block = Residual([("conv", Conv2d(4, 3, padding=1)), ("norm", BatchNorm2d())])
    >>> net = Network([("block", block), ReLU()], (4, 8, 8), threads=1)
    >>> [placed.name for placed in net.layers]
    ['block-conv', 'block-norm', 'block', '3']
    """

    layers: Sequence[BlockItem]
    shortcut: Sequence[BlockItem] = ()

    def __post_init__(self) -> None:
        for name, given in (("layers", self.layers), ("shortcut", self.shortcut)):
            if not isinstance(given, Sequence) or isinstance(given, str) or not all(map(_is_item, given)):
                what = f"expected {name} as a list of layers or pairs (name, layer), got {given!r}"
                raise OptionError("Residual", what, 'write for example [("conv", Conv2d(16, 3, padding=1)), BatchNorm2d()]')
        if not self.layers:
            raise OptionError("Residual", "expected at least one layer, got none", "give the layers of the block")

    def items(self, name: str, x: str) -> Iterator[tuple[str, Layer, tuple[str, ...]]]:
        """The items that the block stands for, reading a value."""
        ends = []
        for prefix, chain in ((name, self.layers), (f"{name}-shortcut", self.shortcut)):
            read = x
            for number, item in enumerate(chain):
                own, what = item if isinstance(item, tuple) else (str(number), item)
                own = f"{prefix}-{own}"
                if isinstance(what, Residual):
                    yield from what.items(own, read)
                else:
                    yield own, what, (read,)
                read = own
            ends.append(read)
        yield name, Add(), tuple(ends)


def _is_item(item: object) -> bool:
    """Whether something can be an item of a block."""
    pair = isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str)
    return isinstance(item[1] if pair else item, Layer | Residual)  # type: ignore[index]
