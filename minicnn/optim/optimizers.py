"""Optimisers over the flat parameter vector of a network: one fused kernel each, with PyTorch's conventions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Self

import numpy as np

from ..arrays import Array
from ..engine.memory import Identity
from ..errors import BackendError, CheckpointError, ContractError, OptionError, Options, number
from .groups import ParameterGroup, Span, checked, spans

if TYPE_CHECKING:
    from ..backends.interface import Memory
    from ..network import Network


class _Bound(NamedTuple):
    """What an optimiser runs for a network, as long as the same layers are frozen."""

    net: Network
    frozen: tuple[str, ...]
    spans: list[tuple[Span, Array]]
    written: list[tuple[float, ...]]
    run: Callable[[], None]


class Optimizer(Options):
    """Base of the optimisers: a learning rate, moment vectors of the parameters' length, and a step count.

    Frozen layers (``Network.freeze``) are left out of every step, with their moments and weight decay; when trained again,
    their moments go on, and with them their own count of steps. An option outside its range raises OptionError.

    Args:
        lr: the learning rate.
        groups: parameters with a rate or a weight decay of their own.

    Attributes:
        lr: the learning rate of the next step; schedules set it.
        groups: those of the parameters with options of their own.
        steps: the number of steps taken.
        missed: by layer, in how many of them it was frozen.
    """

    order: ClassVar[str] = "the network is given to step: give the options behind lr by name"
    names: tuple[str, ...] = ()
    """Names of the moment vectors, in the order of the kernel's arguments."""
    kernel: ClassVar[str]
    """The kernel of an update."""
    option_names: ClassVar[tuple[str, ...]] = ()
    """Names of the options beside the rate."""
    groups: tuple[ParameterGroup, ...] = ()
    weight_decay: float = 0.0

    def __init__(self, lr: float, groups: Sequence[ParameterGroup] = ()) -> None:
        who = type(self).__name__
        self.lr = number(who, "lr", lr, 0, math.inf)
        if given := checked(who, groups, "weight_decay" in self.option_names):
            self.groups = given
        self.steps = 0
        self._missed: dict[str, int] = {}
        self._moments: dict[str, Array] = {}
        self._memory: Memory | None = None
        self._bound: _Bound | None = None

    @property
    def missed(self) -> dict[str, int]:
        """In how many steps a layer was frozen; others are not in it."""
        return dict(self._missed)

    def step(self, net: Network) -> None:
        """Update the parameters of a network by its gradients.

        Raises:
            ContractError: the moments belong to another network.
        """
        net.updated(self._step, net)

    def _step(self, net: Network) -> None:
        known = self._bound is not None and self._bound.net is net
        moments = self._moments if known else self._own(net)
        self.steps += 1
        self._update(net, *moments.values())

    def check(self, net: Network) -> None:
        """Refuse a network other than the one that was trained so far, even one of the same size.

        A copy made without its network accepts any network with the same parameter names and shapes.

        Raises:
            ContractError: the moments belong to another network.
        """
        of: Identity | None = self.__dict__.get("_of")
        if of is None or of is net.identity:
            return
        what = of.difference(net.identity)
        if what is not None or of.claimed:
            hint = "use an optimiser of its own for each network"
            raise ContractError(type(self).__name__, f"expected the network of its moments, got {what or 'another one'}", hint)

    def _own(self, net: Network) -> dict[str, Array]:
        """The moments for this network, made at the first step."""
        params = net.params.memory
        for name, moment in self._moments.items():
            if moment.shape != params.shape or moment.dtype != params.dtype:
                what = f"expected {name} as long as the {len(params)} parameters, got {len(moment)} of {moment.dtype}"
                raise ContractError(type(self).__name__, what, "use an optimiser of its own for each network")
        self.__dict__.setdefault("_of", net.identity)  # atomic: if two threads bring two networks, one of them is refused
        self.check(net)
        self._of, self._memory = net.identity, net.backend.memory
        if not self._moments:
            self._moments = {name: self._start(name, params) for name in self.names}
        return self._moments

    def _start(self, name: str, params: Array) -> Array:
        """A moment vector before the first step."""
        return np.zeros_like(params)

    @property
    def moments(self) -> dict[str, Array]:
        """The moment vectors by name; empty before the first step."""
        return self._on_host()

    def _on_host(self) -> dict[str, Array]:
        """The moment vectors, for the host to read and write."""
        if self._memory is not None:
            for moment in self._moments.values():
                self._memory.sync_to_host(moment)
        return dict(self._moments)

    def _update(self, net: Network, *moments: Array) -> None:
        """One step of the parameters, with the moments in the order of ``names``."""
        self._run(net, moments)

    def _numbers(self, lr: float, weight_decay: float, step: int) -> tuple[float, ...]:
        """What the kernel takes for parameters with this rate and weight decay in their step 1, 2, …"""
        raise NotImplementedError

    def _run(self, net: Network, moments: tuple[Array, ...]) -> None:
        """Run the kernel; each thread updates its part of the parameters."""
        bound = self._bound
        if bound is None or bound.net is not net or bound.frozen is not net.frozen:
            bound = self._bound = self._bind(net, moments)
        for at, (span, h) in enumerate(bound.spans):
            decay = self.weight_decay if span.weight_decay is None else span.weight_decay
            numbers = self._numbers(self.lr * span.lr_factor, decay, self.steps - span.missed)
            if numbers != bound.written[at]:
                h[:] = bound.written[at] = numbers
        bound.run()
        for layer in bound.frozen:
            self._missed[layer] = self._missed.get(layer, 0) + 1

    def _bind(self, net: Network, moments: tuple[Array, ...]) -> _Bound:
        who = type(self).__name__
        if self.kernel not in net.backend.kernels:
            what = f"expected a backend with the kernel {self.kernel}, got {net.backend.name}"
            raise BackendError(who, what, 'give backend="cpu", or another optimiser')
        whole = not self.groups and not self._missed and not net.frozen
        found = [Span(slice(0, len(net.params.memory)))] if whole else spans(who, net, self.groups, self._missed)
        size = len(self._numbers(self.lr, self.weight_decay, max(self.steps, 1)))
        each = [(span, np.zeros(size)) for span in found]
        run = net.over_parameters(net.backend.kernels[self.kernel], moments, [(span.part, h) for span, h in each])
        return _Bound(net, net.frozen, each, [()] * len(each), run)

    def options(self) -> dict[str, object]:
        """The options by name, for log lines and checkpoints."""
        values = {name: getattr(self, name) for name in self.option_names}
        found = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
        return found | ({"groups": [group.options() for group in self.groups]} if self.groups else {})

    def load(self, steps: int, moments: dict[str, Array], missed: Mapping[str, int] | None = None) -> None:
        """Restore the state from a checkpoint.

        Args:
            steps: the number of steps taken.
            moments: the moment vectors by name.
            missed: by layer, in how many of the steps it was frozen.

        Raises:
            CheckpointError: the vectors do not belong to this optimiser.
        """
        if moments and tuple(moments) != self.names:
            what = f"expected the vectors {', '.join(self.names)}, got {', '.join(moments)}"
            raise CheckpointError(type(self).__name__, what, "resume with the optimiser that was saved")
        self._bound = None
        self.__dict__.pop("_of", None)
        self.steps, self._moments = steps, {name: v.copy() for name, v in moments.items()}
        self._missed = dict(missed or {})

    def __getstate__(self) -> dict[str, object]:
        """The state without the network. Network and optimiser that are pickled or copied together are bound again."""
        with nullcontext() if self._bound is None else self._bound.net.atomic():
            moments = {name: moment.copy() for name, moment in self._on_host().items()}
            return {**vars(self), "_moments": moments, "_missed": self.missed, "_bound": None, "_memory": None}

    def __copy__(self) -> Self:
        """A copy for the same network, with its own moments."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__getstate__())
        return other


class SGD(Optimizer):
    """g = dp + λp;  v = μv + g (v = g at first);  p −= lr · v, or lr · (g + μv) with Nesterov: ``torch.optim.SGD``.

    Args:
        lr: learning rate.
        momentum: μ in [0, 1).
        nesterov: Nesterov momentum; needs momentum above 0.
        weight_decay: λ.
        groups: parameters with a rate or a weight decay of their own.

    Raises:
        OptionError: an option is outside its range.
    """

    names = ("velocity",)
    kernel = "sgd"
    option_names = ("momentum", "nesterov", "weight_decay")

    def __init__(
        self,
        lr: float = 0.01,
        momentum: float = 0.0,
        *,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        groups: Sequence[ParameterGroup] = (),
    ) -> None:
        super().__init__(lr, groups)
        self.momentum = number("SGD", "momentum", momentum, 0, 1)
        self.weight_decay = number("SGD", "weight_decay", weight_decay, 0, math.inf)
        if nesterov and not momentum:
            raise OptionError("SGD", "expected momentum above 0 with nesterov, got 0", "give momentum=0.9")
        self.nesterov = nesterov

    def _numbers(self, lr: float, weight_decay: float, step: int) -> tuple[float, ...]:
        return lr, self.momentum, self.nesterov, weight_decay, step == 1
