"""A network as a handle on parameters: what it has for itself, and how it is shared, copied and pickled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self
from weakref import WeakMethod

import numpy as np

from .. import backends
from ..arrays import Array, Shape
from ..backends.derived import Derived
from ..backends.executor import Executor
from ..backends.interface import Backend
from ..backends.lock import HandleLock, SharedLock, shared_lock
from ..backends.processors import thread_count
from ..nn.losses import Loss
from .accumulate import GradientSlots
from .bind import PlacedLayer
from .graph import items_of, plan_graph
from .group import Context
from .memory import Identity, ParameterVector
from .prepare import Preparation
from .runner import Runner
from .shared import preparation, provide, set_state, state_of, tracked_by
from .trace import Trace
from .values import values_of

HANDLE = {"_lock", "_losses", "_input_grads", "_tracks", "_context", "_executor", "_preparation", "_slots", "_runner", "_trace"}
"""What a copy of a network makes anew."""


class Handle:
    """Base of ``Network``: see there and at ``share``.

    Attributes:
        in_shape: shape of one image; of several inputs that of the first.
        in_shapes: shapes of all inputs by name.
        outputs: names of the outputs.
        backend: what executes the kernels.
        params: the parameters by name, and ``flat``.
        grads: their gradients.
        steps: how many training steps there were.
    """

    layers: Sequence[PlacedLayer]
    in_shape: Shape
    in_shapes: Mapping[str, Shape]
    outputs: Sequence[str]
    dtype: np.dtype[Any]
    seed: int
    steps: int
    backend: Backend
    params: ParameterVector
    identity: Identity

    def _begin(
        self, threads: int | None, lanes: int, lock: SharedLock, tracked: Mapping[str, dict[str, Array]] | None = None
    ) -> None:
        """Take what a handle has for itself: gradients, what is derived from the parameters, threads and groups."""
        self._asked = threads
        self.grads = ParameterVector(self.identity.shapes, self.dtype, self.backend.memory)
        provide(self.layers, self.params, self.dtype, tracked or {})
        values, derived = values_of(self.layers, self.in_shapes, self.outputs), Derived(self.params.memory)
        self._context = Context(self.layers, values, self.dtype, lanes, self.backend, self.seed, derived)
        self._losses: dict[str, tuple[Loss, dict[str, Loss]]] = {}
        self._input_grads: list[Array] = []
        self._lock = HandleLock(lock, WeakMethod(self._take_memory))
        self._tracks = bool(tracked_by(self.layers))
        self._take_memory()

    def _take_memory(self) -> None:
        threads = thread_count(self._asked)
        self._executor = Executor(threads if self.backend.threads else 1, self.backend, self._lock)
        self._context = replace(self._context, derived=Derived(self.params.memory))
        self._preparation = Preparation(self.layers, preparation(self.layers, self.backend), self._context.derived)
        self._slots = GradientSlots(self.grads, self.backend, len(self._context.outputs))
        self._runner = Runner(self._context, self._executor, self._preparation, self._slots)
        self._trace = Trace(self._context, self._executor, self._preparation, self._slots)

    @property
    def threads(self) -> int:
        """How many threads work on a batch."""
        return self._executor.threads

    @property
    def out_shape(self) -> Shape:
        """Shape of the output for one image; of several that of the first."""
        return self._context.out_shape

    @property
    def out_shapes(self) -> dict[str, Shape]:
        """Shapes of all outputs by name."""
        return {placed.name: placed.plan.out_shape for placed in self._context.outputs}

    @property
    def lanes(self) -> int:
        """Images in a group."""
        return self._context.lanes

    def share(self, threads: int | None = None) -> Self:
        """Another handle on the same parameters, with memory, gradients and threads of its own, for another Python thread.

        Args:
            threads: how many threads work on a batch; as many as here for None.

        >>> from minicnn import Dense, Network
        >>> net = Network([Dense(1)], in_shape=(2,), threads=1)
        >>> net.share().params is net.params
        True
        """
        with self._lock.atomic():
            handle = object.__new__(type(self))
            handle.__dict__.update(self.__dict__)
            handle.layers = [replace(placed, shared={}) for placed in self.layers]
            asked = self._asked if threads is None else threads
            handle._begin(asked, self.lanes, self._lock.shared, tracked_by(self.layers))
            set_state(handle.layers, state_of(self.layers))
        return handle

    def __copy__(self) -> Self:
        return self.share()

    def __getstate__(self) -> dict[str, Any]:
        with self._lock.atomic():
            more = {name: value for name, value in vars(self).items() if name not in HANDLE}
            values = {"params": self.params.flat.copy(), "grads": self.grads.flat.copy(), "kept": state_of(self.layers)}
            layers = items_of(self.layers, self.in_shapes)
            return more | values | {"layers": layers, "lanes": self.lanes, "backend": self.backend.name}

    def __setstate__(self, state: dict[str, Any]) -> None:
        made = ("params", "grads", "kept", "layers", "lanes", "backend")
        self.__dict__.update((name, value) for name, value in state.items() if name not in made)
        self.backend, self.layers = backends.get(state["backend"]), plan_graph(state["layers"], self.in_shapes, self.outputs)
        self.identity.claimed = True
        self.params = ParameterVector(self.identity.shapes, self.dtype, self.backend.memory)
        self.params.flat[...] = state["params"]
        self._begin(self._asked, state["lanes"], shared_lock(self.backend.memory is not None))
        self.grads.flat[...] = state["grads"]
        set_state(self.layers, state["kept"])
