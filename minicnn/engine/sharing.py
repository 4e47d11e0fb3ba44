"""Networks that are shared, copied and pickled, and layers of them that are frozen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from itertools import count
from typing import Any, Self

from .. import backends
from ..arrays import Array
from ..backends.lock import shared_lock
from .frozen import chosen
from .graph import items_of, plan_graph
from .handle import Handle
from .memory import ParameterVector
from .shared import set_state, state_of, tracked_by

HANDLE = {"_lock", "_ends", "_losses", "_input_grads", "_tracks", "_context", "_executor", "_preparation", "_slots"}
HANDLE |= {"_runner", "_trace"}
"""What a copy of a network makes anew."""

_PROMISES = count(1)
"""Numbers of promises that parameters stay as they are."""


class Shareable(Handle):
    """A handle that others can be made of."""

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
            handle._begin(asked, self.lanes, self.slots, self._lock.shared, tracked_by(self.layers))
            set_state(handle.layers, state_of(self.layers))
        return handle

    def atomic(self) -> AbstractContextManager[object]:
        """Make several calls as one: no other thread calls this handle in between, and none updates the parameters.

        >>> import numpy as np
        >>> from minicnn import MSE, SGD, Dense, Network
        >>> net, sgd = Network([Dense(1)], in_shape=(2,), threads=1), SGD(0.1)
        >>> with net.atomic():
        ...     loss = net.loss_and_grads(MSE(), np.ones((4, 2)), np.zeros((4, 1)))
        ...     sgd.step(net)

        Raises:
            ContractError: a call on the same parameters runs in this thread.
        """
        return self._lock.atomic()

    def update(self) -> AbstractContextManager[object]:
        """Write into ``params`` by hand: calls on all handles of the parameters wait, and see the whole update.

        Raises:
            ContractError: a call on the same parameters runs in this thread.
        """
        return self._lock.update()

    @contextmanager
    def inference_mode(self) -> Iterator[None]:
        """Leave the parameters as they are meanwhile: what is made of them is made once, not for every image.

        Otherwise packed weights, and those into which batch normalisation is folded, are compared or made anew in every call,
        as anybody may write into a parameter. For one image that takes up to half of the time.

        Raises:
            ContractError: a call on the same parameters runs in this thread. Inside, an update of the parameters by this or
                another handle, such as a step of an optimiser.
            ValueError: inside, from NumPy, for what would write into ``params``. Views that were taken of its arrays before are
                not guarded, nor is ``state``, which is to be written inside ``update()``.

        >>> import numpy as np
        >>> from minicnn import BatchNorm2d, Conv2d, Dense, Flatten, Network
        >>> net = Network([Conv2d(4, 3), BatchNorm2d(), Flatten(), Dense(2)], (1, 8, 8), threads=1)
        >>> with net.inference_mode():
        ...     print([net.predict(np.full((1, 1, 8, 8), level)).shape for level in (0.0, 0.5, 1.0)])
        [(1, 2), (1, 2), (1, 2)]
        """
        with self._lock.promise():
            before, self._preparation.promise = self._preparation.promise, next(_PROMISES)
            try:
                yield
            finally:
                self._preparation.promise = before

    @property
    def state(self) -> dict[str, Array]:
        """What training keeps of its batches beside the parameters, such as ``norm.running_mean``, by name.

        The arrays are the network's own: write into them inside ``update()``.
        """
        return {f"{layer}.{name}": array for layer, own in tracked_by(self.layers).items() for name, array in own.items()}

    def __copy__(self) -> Self:
        return self.share()

    def __getstate__(self) -> dict[str, object]:
        with self._lock.atomic():
            more = {name: value for name, value in vars(self).items() if name not in HANDLE}
            values = {"params": self.params.flat.copy(), "grads": self.grads.flat.copy(), "kept": state_of(self.layers)}
            layers = items_of(self.layers, self.in_shapes)
            return more | values | {"layers": layers, "lanes": self.lanes, "slots": self.slots, "backend": self.backend.name}

    def __setstate__(self, state: dict[str, Any]) -> None:
        made = ("params", "grads", "kept", "layers", "lanes", "slots", "backend")
        self.__dict__.update((name, value) for name, value in state.items() if name not in made)
        frozen, self.frozen = self.frozen, ()
        self.backend, self.layers = backends.get(state["backend"]), plan_graph(state["layers"], self.in_shapes, self.outputs)
        self.identity.claimed = True
        self.params = ParameterVector(self.identity.shapes, self.dtype, self.backend.memory)
        self.params.flat[...] = state["params"]
        self._begin(self._asked, state["lanes"], state["slots"], shared_lock(self.backend.memory is not None))
        set_state(self.layers, state["kept"])
        self._set_frozen(set(frozen))
        self.grads.flat[...] = state["grads"]

    def freeze(self, *layers: str) -> None:
        """Leave the parameters of layers as they are from now on, for this handle and for what is shared or copied of it.

        No gradient is computed for them, none at all below the lowest layer that is trained, and ``grads`` stays 0 there. An
        optimiser leaves them out of its steps, with its moments of them and its weight decay. In training a frozen layer is
        what it is in inference: batch normalisation goes by its running statistics, and they stay. All of this is fixed when
        a pass is recorded, which happens anew after a call of this method.

        Args:
            layers: names of layers with parameters, in which ``*`` and ``?`` stand for any characters.

        Raises:
            OptionError: a name is that of no such layer.
            ContractError: a call on the same parameters runs in this thread.

        >>> from minicnn import Dense, Network, Tanh
        >>> net = Network([("F1", Dense(3)), Tanh(), ("F2", Dense(2))], in_shape=(4,), threads=1)
        >>> net.freeze("F1"); net.frozen
        ('F1',)
        >>> print(net.program())
        F1 forward       gemm_bias(3×4, 4×16, 3, 3×16)
        1 forward        tanh(3×16, 3×16)
        F2 forward       gemm_bias(2×3, 3×16, 2, 2×16)
        F2 backward      outer_add(2×16, 3×16, 2×3)  →  outer_add(2×16, 3×16, 16×32, 2×3)
        F2 backward      row_sum_add(2×16, 2)
        """
        self._set_frozen(set(self.frozen) | chosen("freeze", self.layers, layers))

    def unfreeze(self, *layers: str) -> None:
        """Train layers again; all of them where none is named. Arguments as for ``freeze``.

        Raises:
            OptionError: a name is that of no layer with parameters.
            ContractError: a call on the same parameters runs in this thread.
        """
        self._set_frozen(set(self.frozen) - chosen("unfreeze", self.layers, layers or ("*",)))

    def _set_frozen(self, names: set[str]) -> None:
        with self._lock.atomic():
            if names != set(self.frozen):
                for placed in self.layers:
                    placed.frozen = placed.owner in names
                self.frozen = tuple(placed.name for placed in self.layers if placed.name in names)
                self.grads.flat[...] = 0
                self._record_anew()
