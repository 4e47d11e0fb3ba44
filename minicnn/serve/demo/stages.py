"""A network as the stages that the page shows: a layer with the activation behind it, its maps, and what they read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil, prod, sqrt

from ...arrays import Shape
from ...engine.bind import PlacedLayer
from ...network import Network
from ...nn import (
    RBF,
    AvgPool2d,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    Layer,
    MaxPool2d,
    ReLU,
    ScaledTanh,
    Sigmoid,
    SparseConv2d,
    Subsample,
    Tanh,
)
from ...nn.window import by

FORMULAS: dict[type[Layer], str] = {
    ReLU: "max(a, 0)",
    ScaledTanh: "1.7159 · tanh(⅔ a)",
    Sigmoid: "1 / (1 + e^−a)",
    Tanh: "tanh(a)",
}
"""Activations in symbols; others go by their name."""

VIEWS = (Flatten, Dropout)
"""Layers that leave numbers as they are when nothing is trained: they are no stages."""

MOST_LINKS, MOST_PRODUCTS = 256, 1 << 22
"""A table of connections has so many cells at most, and the strength of its links takes so many products."""

MOST_SHOWN = 1 << 18
"""So many numbers of a stage are shown at most, in whole maps but for the first."""


@dataclass(frozen=True)
class Stage:
    """A layer with the activation behind it.

    Attributes:
        placed: the layer.
        activation: the activation, if there is one.
        source: the number of the stage that it reads; −1 for the input, None where it reads several.
    """

    placed: PlacedLayer
    activation: PlacedLayer | None
    source: int | None

    @property
    def name(self) -> str:
        """That of its layer."""
        return self.placed.name

    @property
    def shown(self) -> str:
        """The layer whose output is shown."""
        return self.placed.name if self.activation is None else self.activation.name

    @property
    def shape(self) -> Shape:
        """(C, H, W) of maps, or (D,); maps of one pixel are a vector."""
        shape = self.placed.plan.out_shape
        return shape if len(shape) == 3 and prod(shape[1:]) > 1 else (prod(shape),)

    @property
    def maps(self) -> int:
        """How many maps of it are shown, or how many of its units."""
        each = prod(self.shape[1:])
        return min(self.shape[0], max(1, MOST_SHOWN // each))

    @cached_property
    def links(self) -> list[tuple[int, int]] | None:
        """The connections (map, channel) of a convolution over maps, where they fit a table."""
        layer, shape = self.placed.layer, self.placed.plan.out_shape
        channels = self.placed.in_shape[0]
        if len(self.shape) == 1 or channels == 1 or shape[0] * channels > MOST_LINKS:
            return None
        if not isinstance(layer, Conv2d | SparseConv2d) or self._products > MOST_PRODUCTS:
            return None
        if isinstance(layer, SparseConv2d):
            return [(own, channel) for own, channel, _ in layer.links]
        if isinstance(layer, Conv2d):
            own, read = shape[0] // layer.groups, channels // layer.groups
            return [(f, c) for f in range(shape[0]) for c in range(f // own * read, f // own * read + read)]
        return None

    @property
    def _products(self) -> int:
        """How many products the strengths of the links of a convolution take."""
        return prod(self.placed.plan.out_shape) * self.placed.in_shape[0] * prod(self.placed.plan.params["W"].shape[-2:])

    @cached_property
    def kernels(self) -> list[int] | None:
        """Which kernel each connection of a sparse convolution has; None for other layers."""
        layer = self.placed.layer
        return [kernel for _, _, kernel in layer.links] if isinstance(layer, SparseConv2d) else None

    @property
    def words(self) -> str:
        """The layer in a few words."""
        layer, shape = self.placed.layer, self.placed.in_shape
        match layer:
            case Conv2d():
                found = f"convolution, kernels of {by(layer.window((shape[1], shape[2])).kernel)}"
            case SparseConv2d():
                found = f"convolution, kernels of {by(self.placed.plan.params['W'].shape[1:])}"
            case Subsample():
                found = f"subsampling, sums of {by(layer.windows.kernel)}"
            case AvgPool2d():
                found = f"subsampling, means of {by(layer.window.kernel)}"
            case MaxPool2d():
                found = f"subsampling, maxima of {by(layer.window.kernel)}"
            case Dense():
                found = f"each unit reads all {prod(shape):,} numbers"
            case RBF():
                found = f"squared distances from {len(layer.centres)} codes"
            case _:
                found = layer.label
        return found


def grid(size: int) -> tuple[int, int]:
    """Rows and columns that a vector is shown in: 84 numbers as the paper's 12 × 7, ten in a row.

    >>> grid(84), grid(120), grid(10)
    ((12, 7), (10, 12), (1, 10))
    """
    known = {84: (12, 7), 120: (10, 12)}
    if size in known:
        return known[size]
    if size <= 16:
        return 1, size
    columns = ceil(sqrt(size))
    return ceil(size / columns), columns


def stages(net: Network) -> list[Stage]:
    """The stages of a network, in the order of its layers.

    >>> from minicnn import models
    >>> [(stage.name, stage.shape, stage.source) for stage in stages(models.lenet5_1998(threads=1))][2:4]
    [('C3', (16, 10, 10), 1), ('S4', (16, 5, 5), 2)]
    """
    readers: dict[int, list[PlacedLayer]] = {}
    for placed in net.layers:
        for value in placed.inputs:
            readers.setdefault(value, []).append(placed)
    found: list[Stage] = []
    made: dict[int, int] = {0: -1}  # which stage a value belongs to
    taken: set[str] = set()
    for placed in net.layers:
        if placed.name in taken:
            continue
        if isinstance(placed.layer, VIEWS):
            made[placed.value] = made[placed.inputs[0]]
            continue
        source = made[placed.inputs[0]] if len(placed.inputs) == 1 else None
        activation = _activation(placed, readers, net.outputs)
        if activation is not None:
            taken.add(activation.name)
            made[activation.value] = len(found)
        made[placed.value] = len(found)
        found.append(Stage(placed, activation, source))
    return found


def _activation(placed: PlacedLayer, readers: dict[int, list[PlacedLayer]], outputs: Sequence[str]) -> PlacedLayer | None:
    """The activation that is the only reader of a layer's output."""
    after = readers.get(placed.value, [])
    if len(after) != 1 or placed.name in outputs or not _is_activation(after[0].layer) or _is_activation(placed.layer):
        return None
    return after[0]


def _is_activation(layer: Layer) -> bool:
    return type(layer) in FORMULAS


def formula(stage: Stage) -> str:
    """The activation in symbols; "a" where there is none."""
    return "a" if stage.activation is None else FORMULAS[type(stage.activation.layer)]
