"""One group of lanes: an arena, and the programs recorded on it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Array, Shape
from ..backends.derived import Derived
from ..backends.interface import Backend
from ..backends.program import Call, Kernel, Part, Program, Task
from ..backends.scratch import Scratch
from ..backends.workspace import Workspace
from ..errors import BackendError, ContractError
from ..nn.base import Spec
from ..nn.losses import Loss, told_apart
from .accumulate import Slot
from .batch import Batch
from .bind import PlacedLayer
from .inputs import Arrays, Source
from .memory import Arena
from .record import Recorder, record, signature_of


@dataclass(frozen=True)
class Context:
    """What all groups of a network have in common."""

    layers: Sequence[PlacedLayer]
    in_shape: Shape
    dtype: np.dtype[Any]
    lanes: int
    backend: Backend
    seed: int
    derived: Derived

    @property
    def out_shape(self) -> Shape:
        """Shape of the network's output, without lanes."""
        return self.layers[-1].plan.out_shape

    def spec(self, shape: Shape, dtype: np.dtype[Any] | None = None) -> Spec:
        """A buffer with lanes."""
        return (*shape, self.lanes), dtype or self.dtype


class LaneGroup:
    """The memory for one group of images on their way through the network.

    A training group keeps the activations that the backward pass needs; its gradients take turns in two buffers. An inference
    group's activations take turns too. Where a layer allows it and nobody needs x any more, y is written over x.

    Args:
        context: the network's.
        train: whether this is training.
        keep: keep every activation, also those that only a person wants to see; there is a backward pass in any case.
        scratch: work space, if the group shares it with others that never run beside it.
    """

    def __init__(self, context: Context, train: bool, keep: bool = False, scratch: Scratch | None = None) -> None:
        self.context, self.train, self._keep = context, train, keep
        self._workspace = None if context.backend.lowering is None else Workspace(context.derived, scratch or Scratch())
        s = context
        self._y_of, activations = self._activations()
        one: dict[str, Spec] = {"index": ((s.lanes,), np.dtype(np.int64)), "lanes": ((1,), np.dtype(np.int64))}
        one |= {"labels": ((s.lanes,), np.dtype(np.int64)), "number": ((1,), np.dtype(np.int64))}
        one |= {"place": ((s.lanes,), np.dtype(np.int64))}
        one |= {"target": s.spec(s.out_shape), "in": s.spec(s.in_shape)}
        one |= {"rng": ((len(s.layers), 4), np.dtype(np.uint64))}
        for placed in s.layers:
            one |= {f"{placed.name}.{n}": b.spec(s.dtype, s.lanes) for n, b in placed.plan.saved.items()}
        regions: list[Sequence[dict[str, Spec]]] = [[one]]
        regions += activations
        if train or keep:
            self._dy_of, turns = self._gradients()
            regions += turns
        regions.append([{f"{b.name}.{n}": w.spec(s.dtype, s.lanes) for n, w in b.plan.work.items()} for b in s.layers])
        self.arena = Arena(regions, guards=s.backend.checked)
        self["rng"][:, 0] = s.seed
        self["rng"][:, 2] = np.arange(len(s.layers))
        self._loads: dict[str, tuple[Source | Array, Program]] = {}
        self._programs: dict[Hashable, Program] = {}
        self.forward = self._record_forward()

    def _activations(self) -> tuple[list[str], list[list[dict[str, Spec]]]]:
        """Which buffer holds each layer's output, and the regions: one for training, two that take turns for inference."""
        held, writer = "in", None
        names: list[str] = []
        buffers: list[dict[str, Spec]] = []
        for placed in self.context.layers:
            if not placed.plan.view and not self._over(placed, writer):
                held = f"{placed.name}.y"
                buffers.append({held: self.context.spec(placed.plan.out_shape)})
            writer = writer if placed.plan.view else placed
            names.append(held)
        kept = self.train or self._keep
        turns = [[buffer] for buffer in buffers] if kept else [buffers[0::2], buffers[1::2]]
        return names, [region for region in turns if region]

    def _over(self, placed: PlacedLayer, writer: PlacedLayer | None) -> bool:
        """Whether a layer may write y over x, which ``writer`` wrote."""
        if self._keep or writer is None or not placed.plan.inplace:
            return False
        needed = "x" in signature_of(placed.layer.backward) or "y" in signature_of(writer.layer.backward)
        return not (self.train and needed)

    def _gradients(self) -> tuple[list[str], list[list[dict[str, Spec]]]]:
        """Which buffer holds the gradient of each layer's input and, last, of the network's output."""
        held = "dy"
        names = [held]
        regions: list[list[dict[str, Spec]]] = [[{held: self.context.spec(self.context.out_shape)}], []]
        turn = 1
        for placed in reversed(self.context.layers):
            if not placed.plan.view and not placed.plan.inplace:
                held = f"{placed.name}.dx"
                regions[turn].append({held: self.context.spec(placed.in_shape)})
                turn = 1 - turn
            names.append(held)
        return names[::-1], [region for region in regions if region]

    def fill(self, value: float) -> None:
        """Set every number of every buffer, for tests that look for reads of what nobody wrote."""
        self.arena.fill(value)
        if self._workspace is not None:
            self._workspace.fill(value, self.context.dtype)

    def __getitem__(self, name: str) -> Array:
        return self.arena.arrays[name]

    def _shaped(self, name: str, shape: Shape) -> Array:
        """A buffer in the shape of one of the views of it."""
        return self[name].reshape(*shape, self.context.lanes)

    def output(self, index: int) -> Array:
        """The output of a layer, with lanes."""
        return self._shaped(self._y_of[index], self.context.layers[index].plan.out_shape)

    @property
    def y(self) -> Array:
        """The network's output, with lanes."""
        return self.output(len(self.context.layers) - 1)

    @property
    def dx(self) -> Array:
        """The gradient of the network's input, with lanes."""
        return self._shaped(self._dy_of[0], self.context.in_shape)

    def _names(self, placed: PlacedLayer) -> dict[str, object]:
        """The arrays that both passes of a layer may name."""
        x = self[("in", *self._y_of)[placed.index]].reshape(*placed.in_shape, self.context.lanes)
        own = [*placed.plan.saved, *placed.plan.work]
        names: dict[str, object] = {**placed.shared, **{n: self[f"{placed.name}.{n}"] for n in own}}
        names |= {"x": x, "y": self.output(placed.index), "lanes": self["lanes"]}
        return names | {"train": self.train, "rng": self["rng"][placed.index]}

    def _recorder(self) -> tuple[Recorder, Program]:
        program = Program()
        return Recorder(self.context.backend, program), program

    def _lowered(self, program: Program, **options: bool) -> Program:
        """A recorded program in the backend's kernels."""
        lowering, workspace = self.context.backend.lowering, self._workspace
        return program if lowering is None or workspace is None else lowering.lower(program, workspace, **options)

    def _record_forward(self) -> Program:
        k, program = self._recorder()
        for placed in self.context.layers:
            if not placed.plan.view:
                k.where = f"{placed.name} forward"
                first = len(program)
                record(placed.who, placed.layer.forward, k, self._names(placed), placed.plan.consts)
                self._check_written(placed, program.calls[first:])
        return self._lowered(program)

    def _check_written(self, placed: PlacedLayer, calls: Sequence[Call]) -> None:
        """Refuse a layer whose calls leave y alone; one of plain Python may know it without being given it."""
        y = self.output(placed.index)
        if all(isinstance(call.kernel, Kernel) and not call.given(y) for call in calls) and y.size:
            what = "expected forward to record a call that is given y, got none"
            raise ContractError(placed.who, what, "write y with a kernel such as k.relu(x, y)")

    def backward(self, slot: Slot, input_grad: bool, fresh: bool = False) -> Program:
        """The program that carries ``dy`` back and adds the gradients to a slot; recorded once for each.

        Args:
            slot: the slot.
            input_grad: whether the gradient of the network's input is wanted.
            fresh: nothing was added to the slot yet, and what it holds does not count.
        """
        if fresh:
            key: Hashable = ("fresh", id(slot), input_grad)
            if key not in self._programs:
                adding = self.backward(slot, input_grad)
                self._programs[key] = adding.from_zero(self.context.backend, slot.grads.memory)
            return self._programs[key]
        key = ("backward", id(slot), input_grad)
        if key not in self._programs:
            k, program = self._recorder()
            for placed in reversed(self.context.layers):
                if placed.plan.view:
                    continue
                names = self._names(placed)
                names["dy"] = self._shaped(self._dy_of[placed.index + 1], placed.plan.out_shape)
                first = not input_grad and all(b.plan.view for b in self.context.layers[: placed.index])
                names["dx"] = None if first else self._shaped(self._dy_of[placed.index], placed.in_shape)
                names |= {f"d{p}": slot.grads[f"{placed.name}.{p}"] for p in placed.plan.params}
                k.where = f"{placed.name} backward"
                record(placed.who, placed.layer.backward, k, names, placed.plan.consts)
            self._programs[key] = self._lowered(program, moving=not self._keep)
        return self._programs[key]

    def loss_names(self, loss: Loss, slot: Slot, scale: Array) -> dict[str, object]:
        """The arrays that the passes of a loss may name."""
        consts = {n: np.array(v, self.context.dtype) for n, v in loss.consts().items()}
        rows = {n: self[n].reshape(-1, self.context.lanes) for n in ("target", *(["dy"] if self.train else []))}
        names = consts | rows | {n: self[n] for n in ("labels", "lanes")} | {"scale": scale}
        return names | {"y": self.y.reshape(-1, self.context.lanes), "value": slot.value}

    def loss(self, loss: Loss, slot: Slot, scale: Array, labelled: bool) -> Program:
        """The program from the output to the loss, the hits and, in training, ``dy``."""
        key = ("loss", told_apart(loss), id(slot), id(scale), labelled)
        if key not in self._programs:
            k, program = self._recorder()
            k.where = type(loss).__name__
            names = self.loss_names(loss, slot, scale)
            if labelled:
                if "on_off" in names:
                    k.one_hot(self["labels"], self["lanes"], names["on_off"], names["target"])
                count = k.count_least if self.context.layers[-1].layer.least_wins else k.count_hits
                count(names["y"], self["labels"], self["lanes"], slot.hits)
            record(k.where, loss.forward, k, names, loss.consts())
            if self.train:
                record(k.where, loss.backward, k, names, loss.consts())
            self._programs[key] = program
        return self._programs[key]

    def load(self, source: Source, into: str, in_order: bool = False) -> Program:
        """The program that writes the group's images of a source into a buffer; the last one is remembered.

        Args:
            source: where the images are.
            into: the buffer.
            in_order: the source holds the images in the order of the batch, and not at their numbers.
        """
        origin = source.values if isinstance(source, Arrays) else source
        if into not in self._loads or self._loads[into][0] is not origin:
            k, program = self._recorder()
            k.where = "load"
            names = {"index": self["place" if in_order else "index"], "x": self[into]}
            record("load", source.load, k, names | {"lanes": self["lanes"], "rng": self["rng"][0]})
            self._loads[into] = (origin, program)
        return self._loads[into][1]

    def choose(self, batch: Batch) -> Program:
        """The program that takes the images of group ``number`` of a batch; the other lanes are padding."""
        key = ("choose", id(batch))
        if key not in self._programs:
            k, program = self._recorder()
            k.where = "load"
            own = [self[name] for name in ("number", "place", "index", "labels", "lanes", "rng")]
            k.choose_group(batch.index, batch.labels, batch.count, batch.step, *own)
            self._programs[key] = program
        return self._programs[key]

    def unpack(self, values: Array, out: Array) -> Program:
        """The program that writes lanes to the places of their images in an array (N, …)."""
        k, program = self._recorder()
        k.where = "load"
        k.scatter(values.reshape(-1, self.context.lanes), self["place"], self["lanes"], out.reshape(len(out), -1))
        return program

    def task(self, programs: Sequence[Program], first: int, end: int, stride: int) -> Task:
        """Running programs for the groups first, first + stride, … below end."""
        return self.work([(programs, (first, end, stride))])

    def work(self, parts: Sequence[Part]) -> Task:
        """A task on this group's memory."""
        return Task(parts, self["number"], self._check)

    def run(self, *programs: Program) -> None:
        """Run programs call by call, for the group that was chosen last."""
        number = int(self["number"][0])
        self.task(programs, number, number + 1, 1).run(self.context.backend.memory)

    def _check(self) -> None:
        """Look at the guard bands, where there are any."""
        if broken := self.arena.broken_guards():
            what = f"expected kernels to keep to their buffers, got a write past the end of {', '.join(broken)}"
            raise BackendError("arena", what, "look at the kernels that write there in print(net.program())")
