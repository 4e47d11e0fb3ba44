"""The weights of a network at one moment of its training, to be put back later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from ..arrays import Array
from ..errors import CheckpointError
from ..network import Network
from .document import Json


@dataclass(frozen=True, eq=False)
class Weights:
    """A copy of a network's parameters and of what training keeps beside them, such as running statistics.

    Args:
        params: the parameters as one vector.
        state: ``Network.state``.

    >>> from minicnn import Dense
    >>> net = Network([Dense(1)], in_shape=(2,), threads=1)
    >>> before = Weights.of(net)
    >>> net.params.flat[:] = 0
    >>> before.are_in(net), before.put(net), before.are_in(net)
    (False, None, True)
    """

    params: Array
    state: Mapping[str, Array]

    @classmethod
    def of(cls, net: Network) -> Self:
        """Those of a network."""
        with net.atomic():
            return cls(net.params.flat.copy(), {name: array.copy() for name, array in net.state.items()})

    def put(self, net: Network) -> None:
        """Write them into the network."""
        with net.update():
            net.params.flat[...] = self.params
            for name, array in net.state.items():
                array[...] = self.state[name]

    def are_in(self, net: Network) -> bool:
        """Whether the network has them, bit for bit."""
        with net.atomic():
            same = self.params.tobytes() == net.params.flat.tobytes()
            return same and all(self.state[name].tobytes() == array.tobytes() for name, array in net.state.items())

    def arrays(self) -> dict[str, Array]:
        """All of them by name."""
        return {"params": self.params} | {f"state.{name}": array for name, array in self.state.items()}

    @classmethod
    def read(cls, who: str, arrays: Mapping[str, Json], net: Network) -> Self:
        """Those that ``arrays`` gave, from a file.

        Raises:
            CheckpointError: they do not fit the network.
        """
        wanted = cls.of(net).arrays()
        for name, array in wanted.items():
            found = arrays.get(name)
            if getattr(found, "shape", None) != array.shape or getattr(found, "dtype", None) != array.dtype:
                what = f"expected {name} of {array.dtype} {array.shape} in what it kept, got another array or none"
                raise CheckpointError(who, what, "start anew without resume")
        state = {name.removeprefix("state."): arrays[name].copy() for name in wanted if name != "params"}
        return cls(arrays["params"].copy(), state)
