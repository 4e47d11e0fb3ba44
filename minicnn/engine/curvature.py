"""The diagonal of the Gauss–Newton matrix, by a third pass that carries second derivatives back beside the gradients.

A unit's second derivative is taken for that of one number: what two units share is neglected, and so is the second
derivative of what lies between them, so that nothing is negative where the loss is convex (LeCun et al. 1998, appendix C,
equations 22 to 27).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..arrays import Array, Shape
from ..backends.executor import Executor
from ..backends.program import Program
from ..errors import ContractError
from ..nn.base import Spec
from ..nn.losses import Loss
from .accumulate import Slot
from .batch import Batch, group_lanes
from .bind import PlacedLayer
from .context import Context
from .device_staging import staging
from .frozen import unwanted_gradients
from .group import LaneGroup
from .inputs import Targets
from .memory import ParameterVector
from .prepare import Preparation
from .record import record, signature_of
from .shared import shapes_of
from .source import Source
from .values import Gradients, Values
from .weights import Shares


class Curved(LaneGroup):
    """A group that keeps every activation and every gradient, and has a second derivative for each of them.

    Args:
        context: the network's.

    Raises:
        ContractError: a layer has no curvature.
    """

    def __init__(self, context: Context) -> None:
        for placed in context.layers:
            if placed.layer.curvature is None and not placed.plan.view:
                hint = "give it one as minicnn.Layer says, or take an optimiser that needs none, such as SGD"
                raise ContractError(placed.who, "expected a method curvature, got none", hint)
        super().__init__(context, train=True, keep=True)

    def _gradients(self, values: Values) -> Gradients:
        """As in a group, but none takes turns."""
        return Gradients(values, reuse=False)

    def _own(self) -> dict[str, Spec]:
        """What a group has; and beside it the second derivatives, squares, and the layers' buffers."""
        s, own = self.context, super()._own()
        own |= {_second(live.name): s.spec(live.shape) for row in self._back.rows for live in row}
        for placed in s.layers:
            own |= {f"{placed.name}.{n}": b.spec(s.dtype, s.lanes) for n, b in placed.plan.curvature.items()}
            own |= {f"{placed.name}.{n}2": self._spec(placed, n) for n in _squared(placed)}
        return own

    def _spec(self, placed: PlacedLayer, name: str) -> Spec:
        """The shape and dtype of an array that is to be squared."""
        if name == "x":
            return self.context.spec(placed.in_shape)
        if name in placed.plan.saved:
            return placed.plan.saved[name].spec(self.context.dtype, self.context.lanes)
        return placed.shared[name].shape, placed.shared[name].dtype

    def second(self, value: int, shape: Shape) -> Array:
        """The second derivatives by a value in a shape, with lanes."""
        return self._shaped(_second(self._back.names[value]), shape)

    def curvature(
        self, losses: Sequence[Loss], slot: Slot, scales: Sequence[Array | Shares], total: ParameterVector, of_input: bool
    ) -> Program:
        """The program from the outputs to the second derivatives by the parameters, added to ``total``.

        It follows ``backward``. Raises a ContractError where a loss has no curvature.

        Args:
            losses: the loss of each output.
            slot: that of the gradients.
            scales: for each output one over the number of images, or the share of each image.
            total: a vector as long as the parameters.
            of_input: whether those by the network's inputs are wanted.
        """
        k, program = self._recorder()
        for output, (loss, scale, name) in enumerate(zip(losses, scales, self._ends("hy"), strict=True)):
            k.where = type(loss).__name__
            if loss.curvature is None:
                hint = "give it one as minicnn.nn.losses.Loss says, or train with MSE or CrossEntropy"
                raise ContractError(k.where, "expected a method curvature, got none", hint)
            arrays = self.loss_names(loss, slot, output) | {"hy": self[name].reshape(-1, self.context.lanes)}
            self._record_loss(k, loss, [loss.curvature], arrays, scale)
        wanted = self.context.values.wanted(of_input)
        for placed in reversed(self.context.layers):
            if placed.layer.curvature is None or placed.plan.view or not wanted[placed.value]:
                continue
            names, sums = self._all_names(placed, wanted)
            unwanted = {f"h{name[1:]}": array for name, array in unwanted_gradients(placed).items()} if placed.frozen else {}
            names |= unwanted if placed.frozen else {f"h{p}": total[f"{placed.owner}.{p}"] for p in placed.plan.params}
            k.where = f"{placed.name} curvature"
            for name in _squared(placed):
                k.square(names[name], names[f"{name}2"])
            record(placed.who, placed.layer.curvature, k, names, placed.plan.consts)
            for part, whole in sums:
                k.add(part, whole)
        return self._lowered(program, fuse=False)

    def _all_names(self, placed: PlacedLayer, wanted: Sequence[bool]) -> tuple[dict[str, object], list[tuple[Array, Array]]]:
        """The arrays that the curvature of a layer may name, without its parameters'; and what is then added to what."""
        names = self._names(placed)
        names |= {n: self[f"{placed.name}.{n}"] for n in (*placed.plan.curvature, *(f"{s}2" for s in _squared(placed)))}
        names["dy"] = self._shaped(self._back.names[placed.value], placed.plan.out_shape)
        names["hy"] = self.second(placed.value, placed.plan.out_shape)
        dxs, _ = self._dx_of(placed, wanted)
        hxs, sums = self._dx_of(placed, wanted, _second)
        return names | {"dx": dxs[0], "dxs": dxs, "hx": hxs[0], "hxs": hxs}, sums


def _second(name: str) -> str:
    """The buffer of second derivatives beside one of gradients: ``C1.hx`` beside ``C1.dx``."""
    layer, dot, own = name.rpartition(".")
    return f"{layer}{dot}h{own[1:]}"


def _squared(placed: PlacedLayer) -> list[str]:
    """The arrays whose squares a layer's curvature names: x, parameters, consts, derived and saved ones."""
    wanted = [] if placed.layer.curvature is None else signature_of(placed.layer.curvature)
    have = {"x", *placed.shared, *placed.plan.saved}
    return [name[:-1] for name in wanted if name.endswith("2") and name[:-1] in have and name not in have]


def curvature(
    context: Context,
    executor: Executor,
    preparation: Preparation,
    sources: Sequence[Source],
    targets: Sequence[Targets],
    chosen: Array,
    step: int,
    of_input: bool = False,
) -> tuple[ParameterVector, list[Array]]:
    """The second derivatives of the loss of the chosen images, by the parameters and, where they are wanted, by the images.

    Memory is taken for one group, and given back: this is for once a pass over the data, not for every step.

    Args:
        context: what groups have in common.
        executor: who runs programs.
        preparation: refreshes what is derived from the parameters.
        sources: where the images of each input are.
        targets: what each output should come to.
        chosen: their numbers.
        step: the training step, for random numbers.
        of_input: whether those by the images are wanted.

    Raises:
        ContractError: a layer, or the loss, has no curvature.
    """
    memory, count = context.backend.memory, len(chosen)
    group = Curved(replace(context, lanes=group_lanes(memory, count, context.lanes)))
    gradient, total = (ParameterVector(shapes_of(context.layers), context.dtype, memory) for _ in range(2))
    slot = Slot(gradient, np.zeros((len(targets), 2), np.int64), context.backend)
    batch = Batch(count, context.dtype, memory, len(targets))
    batch.fill(chosen, step, targets)
    staged = staging(memory)
    programs = [group.choose(batch)]
    for number, source in enumerate(sources):
        origin = staged.stage(f"in{number}", source, chosen)
        programs.append(group.load_input(number, origin.source, origin.in_order))
    for output, target in enumerate(targets):
        if target.vectors is not None:
            vectors = staged.stage(f"target{output}", target.vectors, chosen)
            programs.append(group.load(vectors.source, group.end(target.into, output), vectors.in_order))
    programs.append(group.forward)
    scales = [batch.factors(output, target) for output, target in enumerate(targets)]
    for output, target in enumerate(targets):
        programs.append(group.loss(target.loss, slot, scales[output], target.kind, output))
    losses, shapes = [target.loss for target in targets], context.in_shapes if of_input else []
    programs += [group.backward(slot, of_input), group.curvature(losses, slot, scales, total, of_input)]
    hxs = [np.empty((count, *shape), context.dtype) for shape in shapes]
    programs += [group.unpack(group.second(n, shape), hx) for n, (shape, hx) in enumerate(zip(shapes, hxs, strict=True))]
    preparation.of(programs).run()
    executor.run([group.task(programs, 0, -(-count // group.context.lanes), 1)])
    if memory is not None:
        memory.to_host(*hxs)
    return total, hxs
