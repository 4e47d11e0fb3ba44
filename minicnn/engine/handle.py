"""A network as a handle on parameters: what it has for itself, and who may write into what others read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from weakref import WeakMethod

from ..arrays import Array, DType, Shape
from ..backends.derived import Derived
from ..backends.executor import Executor
from ..backends.interface import Backend
from ..backends.lock import HandleLock, SharedLock
from ..backends.processors import thread_count
from ..nn.losses import Loss
from .accumulate import GradientSlots
from .bind import PlacedLayer
from .context import Context
from .memory import Identity, ParameterVector
from .predicting import Predictor
from .prepare import Preparation
from .shared import preparation, provide, tracked_by
from .trace import Trace
from .values import values_of


class Handle:
    """Base of ``Network``: see there and at ``sharing.Shareable.share``.

    Attributes:
        in_shape: shape of one image; of several inputs that of the first.
        in_shapes: shapes of all inputs by name.
        outputs: names of the outputs.
        backend: what executes the kernels.
        params: the parameters by name, and ``flat``.
        grads: their gradients.
        steps: how many training steps there were.
        frozen: the names of the frozen layers, in their order.
    """

    layers: Sequence[PlacedLayer]
    in_shape: Shape
    in_shapes: Mapping[str, Shape]
    outputs: Sequence[str]
    dtype: DType
    seed: int
    steps: int
    backend: Backend
    params: ParameterVector
    identity: Identity
    frozen: tuple[str, ...] = ()

    def _begin(
        self,
        threads: int | None,
        lanes: int,
        slots: int,
        lock: SharedLock,
        tracked: Mapping[str, dict[str, Array]] | None = None,
    ) -> None:
        """Take what a handle has for itself: gradients, what is derived from the parameters, threads and groups."""
        self._asked = threads
        self.grads = ParameterVector(self.identity.shapes, self.dtype, self.backend.memory)
        provide(self.layers, self.params, self.dtype, tracked or {})
        values, derived = values_of(self.layers, self.in_shapes, self.outputs), Derived(self.params.memory)
        self._context = Context(self.layers, values, self.dtype, lanes, self.backend, self.seed, derived, slots)
        self._ends = self._context.outputs
        self._losses: dict[str, tuple[Loss, dict[str, Loss]]] = {}
        self._input_grads: list[Array] = []
        self._lock = HandleLock(lock, WeakMethod(self._take_memory), self.params.promises)
        self._tracks = bool(tracked_by(self.layers))
        self._take_memory()

    def _take_memory(self) -> None:
        threads = thread_count(self._asked)
        self._executor = Executor(threads if self.backend.threads else 1, self.backend, self._lock)
        self._slots = GradientSlots(self.grads, self.backend, len(self.outputs), self.slots)
        self._record_anew()

    def _record_anew(self) -> None:
        """Forget all groups with the programs that were recorded on them."""
        self._context = replace(self._context, derived=Derived(self.params.memory))
        self._preparation = Preparation(self.layers, preparation(self.layers, self.backend), self._context.derived)
        self._runner = Predictor(self._context, self._executor, self._preparation, self._slots)
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

    @property
    def slots(self) -> int:
        """Where groups add gradients: as many threads can work on a batch in training."""
        return self._context.slots

    def updated(self, change: Callable[..., None], *given: object) -> None:
        """Call a function inside ``update()``, which for one handle costs less than entering that.

        Args:
            change: what writes into the parameters, without calls of the network.
            given: its arguments.

        Raises:
            ContractError: a call on the same parameters runs in this thread.
        """
        self._lock.updated(change, *given)
