"""One group of lanes: an arena, and the programs recorded on it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..arrays import Array, Shape
from ..backends.alignment import aligned
from ..backends.meeting import Barrier
from ..backends.program import SOLE_READER, Call, Kernel, Part, Program, Task
from ..backends.scratch import Scratch
from ..backends.workspace import Workspace
from ..errors import BackendError, ContractError
from ..nn.base import Spec
from ..nn.losses import Loss, cache_key
from .accumulate import Slot
from .batch import Batch
from .bind import PlacedLayer
from .context import Context
from .frozen import unwanted_gradients, without
from .inputs import Arrays
from .memory import Arena
from .record import Recorder, record, signature_of
from .rows import address
from .shared import rows_of
from .source import Source
from .values import Activations, Gradients, LiveRange, Values, numbered
from .weights import Passes, Shares, record_each


def _nothing() -> None:
    """The function of a barrier, which is never called: programs are cut there."""


class LaneGroup:
    """The memory for one group of images on their way through the network.

    A training group keeps the activations that the backward pass needs; its gradients share two buffers. An inference
    group's activations share buffers too. Where a layer allows it and nobody needs x any more, y is written over x.

    Args:
        context: the network's.
        train: whether this is training.
        keep: keep every activation, also those that only a person wants to see; there is a backward pass in any case.
        scratch: work space, if the group shares it with others that never run beside it.
        rows: the measurements of all groups of a batch, by layer and name; None for a group that is the whole batch.
        number: its place among them.
        allocate: gives the memory of the arena.
    """

    def __init__(
        self,
        context: Context,
        train: bool,
        keep: bool = False,
        scratch: Scratch | None = None,
        rows: Mapping[str, Array] | None = None,
        number: int = 0,
        allocate: Callable[[int], Array] = aligned,
    ) -> None:
        self.context, self.train, self._keep, self._place = context, train, keep, 0 if rows is None else number
        self._rows = rows_of(context.layers, context.dtype, 1) if rows is None else rows
        s, values, fitted = context, context.values, context.backend.fitted
        self._backend = context.backend if fitted is None else fitted(context.lanes, context.dtype)
        self._activations = Activations(values, train, keep)
        rows_of_buffers = self._activations.rows
        if train or keep:
            self._back = self._gradients(values)
            rows_of_buffers = rows_of_buffers + self._back.rows
        regions: list[Sequence[Mapping[str, Spec]]] = [[self._own()], *map(self._region, rows_of_buffers)]
        regions.append([{f"{b.name}.{n}": w.spec(s.dtype, s.lanes) for n, w in b.plan.work.items()} for b in s.layers])
        self.arena = Arena(regions, s.backend.checked, allocate)
        self._workspace = (
            Workspace(s.derived, scratch or Scratch(), self.arena.bytes, train) if self._backend.lowering else None
        )
        self["number"][0], self["rng"][:, 0] = number, s.seed
        self["rng"][:, 2] = np.arange(len(s.layers))
        self._loads: dict[int, tuple[Source | Array, Program]] = {}
        self._programs: dict[Hashable, Program] = {}
        self.forward = self._record_forward()

    def _own(self) -> dict[str, Spec]:
        """What a group has for itself: which images it holds, its inputs, the target, and what layers save."""
        s = self.context
        whole = np.dtype(np.int64)
        own: dict[str, Spec] = {"index": ((s.lanes,), whole), "lanes": ((1,), whole)}
        own |= dict.fromkeys(self._ends("labels"), ((s.lanes,), whole))
        own |= {"number": ((1,), whole), "place": ((s.lanes,), whole)}
        own |= {target: s.spec(placed.plan.out_shape) for target, placed in zip(self._ends("target"), s.outputs, strict=True)}
        own |= {name: s.spec(shape) for name, shape in zip(self._activations.names, s.in_shapes, strict=False)}
        own |= {"rng": ((len(s.layers), 4), np.dtype(np.uint64))}
        for placed in s.layers:
            own |= {f"{placed.name}.{n}": b.spec(s.dtype, s.lanes) for n, b in placed.plan.saved.items()}
        return own

    def _gradients(self, values: Values) -> Gradients:
        """Where gradients lie, which take turns."""
        return Gradients(values, reuse=True)

    def _region(self, row: Sequence[LiveRange]) -> list[dict[str, Spec]]:
        """Buffers over each other."""
        return [{live.name: self.context.spec(live.shape)} for live in row]

    def fill(self, value: float) -> None:
        """Set every number of every buffer, for tests that look for reads of what nobody wrote."""
        self.arena.fill(value)
        if self._workspace is not None:
            self._workspace.fill(value, self.context.dtype)

    def __getitem__(self, name: str) -> Array:
        return self.arena.arrays[name]

    def _ends(self, kind: str) -> list[str]:
        """The buffers of a kind at the outputs."""
        return numbered(kind, len(self.context.values.outputs))

    def end(self, kind: str, output: int = 0) -> Array:
        """A buffer at an output: ``"labels"``, ``"target"``, ``"class_map"``, which is a part of it, or ``"dy"``.

        Args:
            kind: which.
            output: the number of the output.
        """
        if kind == "class_map":  # targets are written over it class by class, the last one last
            return self.end("target", output)[-1:]
        return self[self._ends(kind)[output]]

    def _shaped(self, name: str, shape: Shape) -> Array:
        """A buffer in the shape of one of the views of it."""
        return self[name].reshape(*shape, self.context.lanes)

    def output(self, index: int) -> Array:
        """The output of a layer, with lanes."""
        placed = self.context.layers[index]
        return self._shaped(self._activations.names[placed.value], placed.plan.out_shape)

    @property
    def ys(self) -> list[Array]:
        """The network's outputs, with lanes."""
        return [self.output(placed.index) for placed in self.context.outputs]

    @property
    def y(self) -> Array:
        """The first of them."""
        return self.ys[0]

    @property
    def xs(self) -> list[Array]:
        """The network's inputs, with lanes."""
        return [self[name] for name in self._activations.names[: len(self.context.in_shapes)]]

    @property
    def dxs(self) -> list[Array]:
        """The gradients of the network's inputs, with lanes."""
        return [self._shaped(self._back.names[n], shape) for n, shape in enumerate(self.context.in_shapes)]

    def _names(self, placed: PlacedLayer) -> dict[str, object]:
        """The arrays that both passes of a layer may name."""
        xs = tuple(self._shaped(self._activations.names[v], s) for v, s in zip(placed.inputs, placed.in_shapes, strict=True))
        own = [*placed.plan.saved, *placed.plan.work]
        names: dict[str, object] = {**placed.shared, **{n: self[f"{placed.name}.{n}"] for n in own}}
        for name in placed.plan.measured:
            names[name] = self._rows[f"{placed.name}.{name}"][self._place]
        if not placed.measures(self.train):
            names |= {n: placed.shared.get(f"running_{n}", placed.shared[n]) for n in placed.plan.merged}
        names |= {"x": xs[0], "y": self.output(placed.index), "lanes": self["lanes"]} | (
            {"xs": xs} if placed.layer.joins else {}
        )
        return names | {"train": placed.trains(self.train), "rng": self["rng"][placed.index]}

    def _recorder(self) -> tuple[Recorder, Program]:
        program = Program()
        return Recorder(self._backend, program), program

    def _lowered(
        self, program: Program, moving: bool = False, fuse: bool = True, results: Sequence[Array] | None = None
    ) -> Program:
        """A recorded program in the backend's kernels."""
        lowering, workspace = self._backend.lowering, self._workspace
        return program if lowering is None or workspace is None else lowering.lower(program, workspace, moving, fuse, results)

    def _record_forward(self) -> Program:
        k, program = self._recorder()
        for placed in self.context.layers:
            if not placed.plan.view:
                k.where = f"{placed.name} forward"
                if placed.measures(self.train):
                    assert placed.layer.measure is not None
                    record(placed.who, placed.layer.measure, k, self._names(placed), placed.plan.consts)
                    track = placed.layer.track if placed.trains(self.train) else None
                    self._record_barrier(k, program, placed, placed.layer.merge, track)
                first = len(program)
                record(placed.who, placed.layer.forward, k, self._names(placed), placed.plan.consts)
                self._check_written(placed, program.calls[first:])
                if not (self.train or self._keep or self.context.values.read_by_one(placed) is None):
                    program.calls[first:] = [
                        replace(call, options={**call.options, **SOLE_READER}) for call in program.calls[first:]
                    ]
        return self._lowered(program, results=None if self.train or self._keep else self.ys)

    def _record_barrier(self, k: Recorder, program: Program, placed: PlacedLayer, *methods: Callable[..., None] | None) -> None:
        """Let all groups of the batch come to this place, and record what then runs once."""
        rows = {n: self._rows[f"{placed.name}.{n}"] for n in placed.plan.measured}

        def merge(groups: int) -> Program:
            names = placed.shared | {f"rows{n[3:]}": each[:groups] for n, each in rows.items()}
            once = Program()
            own = Recorder(self._backend, once)
            own.where = f"{placed.name} merge"
            for method in methods:
                if method is not None:
                    record(placed.who, method, own, names, placed.plan.consts)
            return once

        read = {name for method in methods if method is not None for name in signature_of(method)}
        measured = [each for n, each in rows.items() if f"rows{n[3:]}" in read]
        program.append(Barrier(k.where, "barrier", _nothing, (), merge=merge, rows=measured))

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
            input_grad: whether the gradients of the network's inputs are wanted.
            fresh: nothing was added to the slot yet, and what it holds does not count.
        """
        if fresh:
            key: Hashable = ("fresh", id(slot), input_grad)
            if key not in self._programs:
                adding = self.backward(slot, input_grad)
                self._programs[key] = adding.from_zero(self._backend, slot.grads.memory)
            return self._programs[key]
        key = ("backward", id(slot), input_grad)
        if key not in self._programs:
            k, program = self._recorder()
            wanted = self.context.values.wanted(input_grad)
            for placed in reversed(self.context.layers):
                if placed.plan.view or not wanted[placed.value]:
                    continue
                dxs, sums = self._dx_of(placed, wanted)
                names = self._names(placed) | {"dx": dxs[0]} | ({"dxs": dxs} if placed.layer.joins else {})
                names["dy"] = self._shaped(self._back.names[placed.value], placed.plan.out_shape)
                unwanted: dict[str, Array] = {}
                if placed.frozen:
                    unwanted = unwanted_gradients(placed)
                    names |= unwanted
                else:
                    names |= {f"d{p}": slot.grads[f"{placed.owner}.{p}"] for p in placed.plan.params}
                k.where, first = f"{placed.name} backward", len(program)
                if placed.layer.measure_back is not None and not (placed.frozen and not placed.measures(self.train)):
                    record(placed.who, placed.layer.measure_back, k, names, placed.plan.consts)
                    if placed.measures(self.train):
                        self._record_barrier(k, program, placed, placed.layer.merge_back)
                record(placed.who, placed.layer.backward, k, names, placed.plan.consts)
                if unwanted:
                    program.calls[first:] = without(program.calls[first:], unwanted.values(), self._backend.kernels)
                for part, total in sums:
                    k.add(part, total)
            self._programs[key] = self._lowered(program, moving=not self._keep)
        return self._programs[key]

    def _dx_of(
        self, placed: PlacedLayer, wanted: Sequence[bool], buffer: Callable[[str], str] = str
    ) -> tuple[tuple[Array | None, ...], list[tuple[Array, Array]]]:
        """Where a layer writes the gradients of what it reads, and what is then added to what.

        Args:
            placed: the layer.
            wanted: for each value whether its gradient is.
            buffer: which buffer stands for one of gradients.
        """
        dxs: list[Array | None] = []
        sums: list[tuple[Array, Array]] = []
        for value, shape, writes in zip(placed.inputs, placed.in_shapes, self._back.writes[placed.index], strict=True):
            dx = self._shaped(buffer(writes.name), shape) if wanted[value] else None
            dxs.append(dx)
            if dx is not None and writes.total is not None:
                sums.append((dx, self._shaped(buffer(writes.total), shape)))
        return tuple(dxs), sums

    def loss_names(self, loss: Loss, slot: Slot, output: int = 0) -> dict[str, Array]:
        """The arrays that the passes of a loss of an output may name, but for ``scale``."""
        consts = {n: np.array(v, self.context.dtype) for n, v in loss.consts().items()}
        kinds = ("target", "class_map", *(["dy"] if self.train else []))
        rows = {n: self.end(n, output).reshape(-1, self.context.lanes) for n in kinds}
        names = consts | rows | {"labels": self.end("labels", output), "lanes": self["lanes"]}
        return names | {"y": self.ys[output].reshape(-1, self.context.lanes), "value": slot.values[output]}

    def loss(self, loss: Loss, slot: Slot, scale: Array | Shares, classes: str, output: int = 0) -> Program:
        """The program from an output to its loss, its hits and, in training, its ``dy``.

        Args:
            loss: the loss.
            slot: where loss and hits are added.
            scale: one over the number of images; or the share of each image.
            classes: what the target's class numbers are, ``"labels"`` or ``"class_map"``; nothing where it has none.
            output: the number of the output.
        """
        key = ("loss", cache_key(loss), id(slot), id(scale), classes, output)
        if key not in self._programs:
            k, program = self._recorder()
            k.where, last = type(loss).__name__, self.context.outputs[output].layer
            if (warning := loss.warning(last)) is not None:
                warnings.warn(warning, stacklevel=2)
            names = self.loss_names(loss, slot, output)
            lanes = self["lanes"]
            if classes == "labels":
                labels = self.end("labels", output)
                if "on_off" in names:
                    k.one_hot(labels, lanes, names["on_off"], names["target"])
                count = k.count_least if last.least_wins else k.count_hits
                count(names["y"], labels, lanes, slot.hits[output])
            if classes == "class_map":  # before the targets are written over them
                ignored = np.array([-1 if (number := loss.ignores()) is None else number], self.context.dtype)
                y = self.ys[output]
                k.count_map_hits(y.reshape(len(y), -1, y.shape[-1]), names["class_map"], ignored, lanes, slot.hits[output])
            if loss.prepare_target is not None:
                record(k.where, loss.prepare_target, k, names, loss.consts())
            passes = [loss.forward, loss.backward] if self.train else [loss.forward]
            self._record_loss(k, loss, passes, names, scale)
            self._programs[key] = program
        return self._programs[key]

    def _record_loss(self, k: Recorder, loss: Loss, passes: Passes, names: dict[str, Array], scale: Array | Shares) -> None:
        if isinstance(scale, Shares):
            record_each(k, loss, passes, names, scale, self["place"])
            return
        for each in passes:
            record(k.where, each, k, names | {"scale": scale}, loss.consts())

    def load_input(self, number: int, source: Source, in_order: bool = False) -> Program:
        """The program that writes the group's images of a source into an input of the network; see ``load``."""
        return self.load(source, self.xs[number], in_order)

    def load(self, source: Source, into: Array, in_order: bool = False) -> Program:
        """The program that writes the group's images of a source into a buffer; the last one is remembered.

        Args:
            source: where the images are.
            into: the buffer.
            in_order: the source holds the images in the order of the batch, and not at their numbers.
        """
        origin, key = source.values if isinstance(source, Arrays) else source, address(into)
        if key not in self._loads or self._loads[key][0] is not origin:
            k, program = self._recorder()
            k.where = "load"
            names = {"index": self["place" if in_order else "index"], "x": into}
            record("load", source.load, k, names | {"lanes": self["lanes"], "rng": self["rng"][0]})
            self._loads[key] = (origin, program)
        return self._loads[key][1]

    def choose(self, batch: Batch, number: int | None = None) -> Program:
        """The program that takes the images of a group of a batch, else of group ``number``; the other lanes are padding."""
        key = ("choose", id(batch), number)
        if key not in self._programs:
            k, program = self._recorder()
            k.where = "load"
            which = self["number"] if number is None else np.array([number])
            for labels, own in zip(batch.labels, self._ends("labels"), strict=True):
                names = ("place", "index", own, "lanes", "rng")
                k.choose_group(batch.index, labels, batch.count, batch.step, which, *(self[name] for name in names))
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
        return Task(parts, self["number"], self.check)

    def run(self, *programs: Program) -> None:
        """Run programs call by call, for the group that was chosen last."""
        number = int(self["number"][0])
        self.task(programs, number, number + 1, 1).run(self.context.backend.memory)

    def check(self) -> None:
        """Look at the guard bands, where there are any."""
        if broken := self.arena.broken_guards():
            what = f"expected kernels to keep to their buffers, got a write past the end of {', '.join(broken)}"
            raise BackendError("arena", what, "look at the kernels that write there in print(net.program())")
