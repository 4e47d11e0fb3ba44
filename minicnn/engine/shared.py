"""What the threads of a network share: parameters at their start, constants, and what is derived from the parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from ..arrays import Array, Shape
from ..backends.program import Program, Recorder
from .bind import Bound, constant, record
from .memory import FlatVector


def shapes_of(layers: Sequence[Bound]) -> dict[str, Shape]:
    """The shapes of all parameters by name, in the order in which they lie."""
    return {f"{bound.name}.{name}": param.shape for bound in layers for name, param in bound.plan.params.items()}


def initialise(layers: Sequence[Bound], params: FlatVector, seed: int) -> None:
    """Set the parameters to their starting values, which follow from the seed."""
    for bound in layers:
        for number, (name, param) in enumerate(bound.plan.params.items()):
            rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(bound.index, number)))
            params[f"{bound.name}.{name}"][...] = param.init(rng, param.shape, param.fan_in, param.fan_out)


def provide(layers: Sequence[Bound], params: FlatVector, dtype: np.dtype[Any]) -> None:
    """Give every layer its parameters, constants, and zeros for what is derived and for its state."""
    for bound in layers:
        plan = bound.plan
        bound.shared |= {p: params[f"{bound.name}.{p}"] for p in plan.params}
        bound.shared |= {n: constant(a, dtype) for n, a in plan.consts.items()}
        for buffers in (plan.derived, plan.state):
            for name, buffer in buffers.items():
                shape, own = buffer.spec(dtype, 0)
                bound.shared[name] = np.zeros(shape[: len(buffer.shape)], own)


def state_of(layers: Sequence[Bound]) -> dict[str, Array]:
    """Copies of what layers keep over passes beside parameters, by layer and name."""
    return {f"{bound.name}.{name}": bound.shared[name].copy() for bound in layers for name in bound.plan.state}


def set_state(layers: Sequence[Bound], values: Mapping[str, Array]) -> None:
    """Let layers go on from what others of their kind kept."""
    for bound in layers:
        for name in bound.plan.state:
            bound.shared[name][...] = values[f"{bound.name}.{name}"]


def preparation(layers: Sequence[Bound], backend: ModuleType) -> Program:
    """The program that refreshes what is derived from the parameters."""
    program = Program()
    k = Recorder(backend, program)
    for bound in layers:
        if bound.layer.prepare is not None:
            k.where = f"{bound.name} prepare"
            record(bound.who, bound.layer.prepare, k, bound.shared, bound.plan.consts)
    return program
