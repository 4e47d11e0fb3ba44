"""The diagonal of the Gauss–Newton matrix, by a third pass that carries second derivatives back beside the gradients.

A unit's second derivative is taken for that of one number: what two units share is neglected, and so is the second
derivative of what lies between them, so that nothing is negative where the loss is convex (LeCun et al. 1998, appendix C,
equations 22 to 27).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..arrays import Array
from ..backends.executor import Team
from ..backends.program import Program
from ..errors import ContractError
from ..nn.base import Spec
from ..nn.losses import Loss
from . import inputs
from .accumulate import Slot
from .batch import Batch, stage_of
from .bind import Bound, record, signature_of
from .group import Group, Setting
from .inputs import Targets
from .memory import FlatVector


class Curved(Group):
    """A group that keeps every activation and every gradient, and has a second derivative for each of them.

    Args:
        setting: the network's.

    Raises:
        ContractError: a layer has no curvature.
    """

    def __init__(self, setting: Setting) -> None:
        for bound in setting.layers:
            if bound.layer.curvature is None and not bound.plan.view:
                hint = "give it one as minicnn.Layer says, or take an optimiser that needs none, such as SGD"
                raise ContractError(bound.who, "expected a method curvature, got none", hint)
        super().__init__(setting, train=True, keep=True)

    def _gradients(self) -> tuple[list[str], list[list[dict[str, Spec]]]]:
        """As in a group, but none takes turns; and beside them the second derivatives, squares, and the layers' buffers."""
        s = self.setting
        held, names, buffers = "dy", ["dy"], {"dy": s.spec(s.out_shape), "hy": s.spec(s.out_shape)}
        for bound in reversed(s.layers):
            if not bound.plan.view:
                held = f"{bound.name}.dx"
                buffers |= {held: s.spec(bound.in_shape), f"{bound.name}.hx": s.spec(bound.in_shape)}
                buffers |= {f"{bound.name}.{n}": b.spec(s.dtype, s.lanes) for n, b in bound.plan.curvature.items()}
                buffers |= {f"{bound.name}.{n}2": self._spec(bound, n) for n in _squared(bound)}
            names.append(held)
        return names[::-1], [[buffers]]

    def _spec(self, bound: Bound, name: str) -> Spec:
        """The shape and dtype of an array that is to be squared."""
        if name == "x":
            return self.setting.spec(bound.in_shape)
        if name in bound.plan.saved:
            return bound.plan.saved[name].spec(self.setting.dtype, self.setting.lanes)
        return bound.shared[name].shape, bound.shared[name].dtype

    def second(self, index: int) -> Array:
        """The second derivatives by the input of a layer, or by the network's output, with lanes."""
        layers, first = self.setting.layers, self._dy_of[index]
        shape = layers[index].in_shape if index < len(layers) else self.setting.out_shape
        return self._shaped(f"{first[:-2]}h{first[-1]}", shape)

    def curvature(self, loss: Loss, slot: Slot, scale: Array, total: FlatVector, of_input: bool) -> Program:
        """The program from the output to the second derivatives by the parameters, added to ``total``.

        It follows ``backward``. Raises a ContractError where the loss has no curvature.

        Args:
            loss: the loss.
            slot: that of the gradients.
            scale: one over the number of images.
            total: a vector as long as the parameters.
            of_input: whether those by the network's input are wanted.
        """
        k, program = self._recorder()
        k.where = type(loss).__name__
        if loss.curvature is None:
            hint = "give it one as minicnn.nn.losses.Loss says, or train with MSE or CrossEntropy"
            raise ContractError(k.where, "expected a method curvature, got none", hint)
        hy = self.second(len(self.setting.layers)).reshape(-1, self.setting.lanes)
        record(k.where, loss.curvature, k, self.loss_names(loss, slot, scale) | {"hy": hy}, loss.consts())
        for bound in reversed(self.setting.layers):
            if bound.layer.curvature is not None and not bound.plan.view:
                names = self._all_names(bound, of_input)
                names |= {f"h{p}": total[f"{bound.name}.{p}"] for p in bound.plan.params}
                k.where = f"{bound.name} curvature"
                for name in _squared(bound):
                    k.square(names[name], names[f"{name}2"])
                record(bound.who, bound.layer.curvature, k, names, bound.plan.consts)
        return program

    def _all_names(self, bound: Bound, of_input: bool) -> dict[str, Any]:
        """The arrays that the curvature of a layer may name, but for those of its parameters."""
        names = self._names(bound)
        names |= {n: self[f"{bound.name}.{n}"] for n in (*bound.plan.curvature, *(f"{s}2" for s in _squared(bound)))}
        names["dy"] = self._shaped(self._dy_of[bound.index + 1], bound.plan.out_shape)
        names["hy"] = self.second(bound.index + 1)
        first = not of_input and all(b.plan.view for b in self.setting.layers[: bound.index])
        names["dx"] = None if first else self._shaped(self._dy_of[bound.index], bound.in_shape)
        names["hx"] = None if first else self.second(bound.index)
        return names


def _squared(bound: Bound) -> list[str]:
    """The arrays whose squares a layer's curvature names: x, parameters, consts, derived and saved ones."""
    wanted = [] if bound.layer.curvature is None else signature_of(bound.layer.curvature)
    have = {"x", *bound.shared, *bound.plan.saved}
    return [name[:-1] for name in wanted if name.endswith("2") and name[:-1] in have and name not in have]


def curvature(
    setting: Setting,
    team: Team,
    prepare: Program,
    loss: Loss,
    source: inputs.Source,
    targets: Targets,
    chosen: Array,
    step: int,
    of_input: bool = False,
) -> tuple[FlatVector, Array | None]:
    """The second derivatives of the loss of the chosen images, by the parameters and, where they are wanted, by the images.

    Memory is taken for one group, and given back: this is for once a pass over the data, not for every step.

    Args:
        setting: what groups have in common.
        team: who runs programs.
        prepare: refreshes what is derived from the parameters.
        loss: the loss.
        source: where the images are.
        targets: what they should come to.
        chosen: their numbers.
        step: the training step, for random numbers.
        of_input: whether those by the images are wanted.

    Raises:
        ContractError: a layer, or the loss, has no curvature.
    """
    backend, count = setting.backend, len(chosen)
    group = Curved(replace(setting, lanes=backend.group_lanes(count, setting.lanes)))
    shapes = {f"{b.name}.{p}": q.shape for b in setting.layers for p, q in b.plan.params.items()}
    gradient, total = (FlatVector(shapes, setting.dtype, backend.lend) for _ in range(2))
    slot = Slot(gradient, np.zeros(2, np.int64), backend)
    batch = Batch(count, setting.dtype, backend.pinned)
    backend.to_device(*batch.fill(chosen, targets.labels, step))
    stage = stage_of(backend)
    origin = stage.take("in", source, chosen)
    programs = [group.choose(batch), group.load(origin.source, "in", origin.in_order)]
    if targets.vectors is not None:
        vectors = stage.take("target", targets.vectors, chosen)
        programs.append(group.load(vectors.source, "target", vectors.in_order))
    programs += [group.forward, group.loss(loss, slot, batch.scale, targets.labels is not None)]
    programs += [group.backward(slot, of_input), group.curvature(loss, slot, batch.scale, total, of_input)]
    hx = np.empty((count, *setting.in_shape), setting.dtype) if of_input else None
    programs += [] if hx is None else [group.unpack(group.second(0), hx)]
    prepare.run()
    team.run([group.job(programs, 0, -(-count // group.setting.lanes), 1)])
    if hx is not None:
        backend.to_host(hx)
    return total, hx
