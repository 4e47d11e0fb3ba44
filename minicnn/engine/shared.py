"""What the threads of a network share: parameters at their start, constants, and what is derived from the parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..arrays import Array, DType, Shape
from ..backends.interface import Backend
from ..backends.program import Program
from ..nn.base import Buffer
from .bind import PlacedLayer, constant
from .memory import ParameterVector
from .record import Recorder, record


def shapes_of(layers: Sequence[PlacedLayer]) -> dict[str, Shape]:
    """The shapes of all parameters by name, in the order in which they lie."""
    own = [placed for placed in layers if placed.owner == placed.name]
    return {f"{placed.name}.{name}": param.shape for placed in own for name, param in placed.plan.params.items()}


def initialise(layers: Sequence[PlacedLayer], params: ParameterVector, seed: int) -> None:
    """Set the parameters to their starting values, which follow from the seed."""
    for placed in layers:
        if placed.owner != placed.name:
            continue
        for number, (name, param) in enumerate(placed.plan.params.items()):
            rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(placed.index, number)))
            params[f"{placed.name}.{name}"][...] = param.init(rng, param.shape, param.fan_in, param.fan_out)


def provide(
    layers: Sequence[PlacedLayer], params: ParameterVector, dtype: DType, tracked: Mapping[str, dict[str, Array]]
) -> None:
    """Give every layer its parameters, constants, memory for what is derived, and its state, which may be there already."""
    states = dict(tracked)
    for placed in layers:
        plan = placed.plan
        placed.shared |= {p: params[f"{placed.owner}.{p}"] for p in plan.params}
        placed.shared |= {n: constant(a, dtype) for n, a in plan.consts.items()}
        placed.shared |= {n: _filled(b, dtype) for buffers in (plan.derived, plan.merged) for n, b in buffers.items()}
        if placed.owner == placed.name and placed.name not in states:
            states[placed.name] = {n: _filled(b, dtype) for n, b in plan.state.items()}
        placed.shared |= states[placed.owner]


def _filled(buffer: Buffer, dtype: DType) -> Array:
    shape, own = buffer.spec(dtype)
    return np.full(shape, buffer.start, own)


def rows_of(layers: Sequence[PlacedLayer], dtype: DType, groups: int) -> dict[str, Array]:
    """Memory for the measurements of so many groups of a batch, by layer and name."""
    measured = {f"{placed.name}.{n}": b.spec(dtype) for placed in layers for n, b in placed.plan.measured.items()}
    return {name: np.zeros((groups, *shape), own) for name, (shape, own) in measured.items()}


def state_of(layers: Sequence[PlacedLayer]) -> dict[str, Array]:
    """Copies of what layers keep over passes beside parameters, by layer and name."""
    own = [placed for placed in layers if placed.owner == placed.name]
    return {f"{placed.name}.{name}": placed.shared[name].copy() for placed in own for name in placed.plan.state}


def tracked_by(layers: Sequence[PlacedLayer]) -> dict[str, dict[str, Array]]:
    """What layers keep of training batches, by layer: all handles on the same parameters share it."""
    own = [placed for placed in layers if placed.owner == placed.name and placed.layer.track is not None and placed.plan.state]
    return {placed.name: {name: placed.shared[name] for name in placed.plan.state} for placed in own}


def set_state(layers: Sequence[PlacedLayer], values: Mapping[str, Array]) -> None:
    """Let layers go on from what others of their kind kept."""
    for placed in layers:
        for name in placed.plan.state:
            placed.shared[name][...] = values[f"{placed.owner}.{name}"]


def preparation(layers: Sequence[PlacedLayer], backend: Backend) -> Program:
    """The program that refreshes what is derived from the parameters."""
    program = Program()
    k = Recorder(backend, program)
    for placed in layers:
        if placed.layer.prepare is not None:
            k.where = f"{placed.name} prepare"
            record(placed.who, placed.layer.prepare, k, placed.shared, placed.plan.consts)
    return program
