"""What all groups of a network have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..arrays import DType, Shape
from ..backends.derived import Derived
from ..backends.interface import Backend
from ..nn.base import Spec
from .accumulate import SLOTS
from .bind import PlacedLayer
from .values import Values


@dataclass(frozen=True)
class Context:
    """What all groups of a network have in common."""

    layers: Sequence[PlacedLayer]
    values: Values
    dtype: DType
    lanes: int
    backend: Backend
    seed: int
    derived: Derived
    slots: int = SLOTS

    @property
    def in_shapes(self) -> Sequence[Shape]:
        """Shapes of the network's inputs, without lanes."""
        return self.values.in_shapes

    @property
    def outputs(self) -> Sequence[PlacedLayer]:
        """The layers whose values are the network's outputs."""
        return [self.layers[value - self.values.inputs] for value in self.values.outputs]

    @property
    def out_shape(self) -> Shape:
        """Shape of the network's first output, without lanes."""
        return self.outputs[0].plan.out_shape

    def measures(self, train: bool) -> bool:
        """Whether a pass waits for the measurements of all groups of a batch."""
        return any(placed.measures(train) for placed in self.layers)

    def spec(self, shape: Shape, dtype: DType | None = None) -> Spec:
        """A buffer with lanes."""
        return (*shape, self.lanes), dtype or self.dtype
