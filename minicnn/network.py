"""Network: plan, bind, run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from . import backends
from .arrays import Array, Shape
from .backends.executor import shares, within
from .backends.lock import shared_lock
from .backends.program import Function, Program, Schedule, Task
from .engine import inputs
from .engine.accumulate import MOST_SLOTS, SLOTS
from .engine.balance import LANES, may_be_lanes
from .engine.bind import PlacedLayer
from .engine.by_name import ImagesByInput, Losses, TargetsByOutput, Weights, by_name, losses
from .engine.by_name import sources as sources_of
from .engine.dense_targets import dense_targets, source_targets
from .engine.graph import Item, checked_shapes, plan_graph
from .engine.inputs import Targets
from .engine.inspection import Inspectable
from .engine.levels import warn_of_levels
from .engine.memory import Identity, ParameterVector
from .engine.parts import score_in_parts
from .engine.record import Recorder
from .engine.required_memory import check_memory
from .engine.score import Score
from .engine.shared import initialise, shapes_of
from .engine.source import Index, Source
from .engine.weights import weighted
from .engine.world import World
from .errors import OptionError
from .nn.losses import Loss, is_immutable
from .nn.window import count


class Network(Inspectable):
    """Layers in a row or a graph, bound to memory.

    Args:
        layers: layers, or pairs (name, layer); unnamed ones are called by their number. A layer reads what stands before it. In
            an item (name, layer, inputs) it reads the values of these names, of which the network's input is ``"input"``; and
            the name of an earlier item in place of a layer is that layer once more, with the same parameters.
        in_shape: shape of one image, (C, H, W) or (D,); where there are several inputs, the shape of each by name, and images,
            sources and ``dx`` are dicts with these names everywhere.
        outputs: names of the layers whose values are the outputs, where there are several or it is not the last. Losses,
            targets and ``dy`` are dicts with these names then; a loss may be a pair of it and its weight, a number above 0.
        dtype: ``"float32"`` or ``"float64"``.
        backend: ``"cpu"``; ``"numpy"``, the same in plain NumPy, slowly, on one thread; or ``"cuda"`` for an NVIDIA GPU, where
            params, grads and an optimiser's moments are brought when they are asked for: ask anew after a step, and write
            before the next one.
        threads: how many threads work on a batch; all usable processors for None. Results do not depend on it.
        seed: of the initial parameters and of dropout.
        lanes: images in a group: 4, 8, a multiple of 16, or 1. Groups are what threads share: a batch of 32 is two groups of
            16, or four of 8. A batch of one image is a group of one on a CPU in any case; a GPU takes a whole batch as one.
        slots: where groups add their gradients, from 1 to 64: so many threads at most work on a batch in training. Lanes and
            slots fix the order of sums, so results follow from them, and ``minicnn doctor`` says which suit a machine.

    Raises:
        OptionError: an option is outside its range, or a network that is larger than the machine's memory.
        ShapeError: a layer does not fit its input.
        ContractError: a layer does not keep the layer contract.

    >>> from minicnn import Dense, Network, Sigmoid
    >>> net = Network([("F1", Dense(3)), Sigmoid()], in_shape=(4,), threads=1)
    >>> net.predict(np.zeros((5, 4))).shape, list(net.params)
    ((5, 3), ['F1.W', 'F1.b'])

    Two inputs, whose layer C is the same, and two outputs:

    >>> from minicnn import MSE, Concat, CrossEntropy
    >>> items = [("C", Dense(4), "a"), ("once more", "C", "b"), ("both", Concat(), ("C", "once more"))]
    >>> items += [("class", Dense(3), "both"), ("size", Dense(1), "both")]
    >>> net = Network(items, {"a": (2,), "b": (2,)}, outputs=("class", "size"), threads=1)
    >>> x, target = {"a": np.ones((5, 2)), "b": np.zeros((5, 2))}, {"class": [0, 1, 2, 0, 1], "size": np.ones((5, 1))}
    >>> score = net.score_and_grads({"class": CrossEntropy(), "size": (MSE(), 0.1)}, x, target)
    >>> sorted(score.outputs), net.predict_outputs(x)["class"].shape
    (['class', 'size'], (5, 3))
    """

    def __init__(
        self,
        layers: Sequence[Item],
        in_shape: Shape | Mapping[str, Shape],
        dtype: str = "float32",
        backend: str = "cpu",
        threads: int | None = None,
        seed: int = 0,
        lanes: int = LANES,
        outputs: Sequence[str] | None = None,
        slots: int = SLOTS,
    ) -> None:
        if str(dtype) not in ("float32", "float64"):
            raise OptionError("Network", f"expected dtype float32 or float64, got {dtype!r}", 'give dtype="float32"')
        if isinstance(lanes, bool) or not isinstance(lanes, int) or not may_be_lanes(lanes):
            what = f"expected lanes as 1, 4, 8 or a multiple of 16, got {lanes!r}"
            raise OptionError("Network", what, f"give lanes={LANES} or leave it out")
        if isinstance(slots, bool) or not isinstance(slots, int) or not 1 <= slots <= MOST_SLOTS:
            what = f"expected slots as a whole number from 1 to {MOST_SLOTS}, got {slots!r}"
            raise OptionError("Network", what, f"give slots={SLOTS} or leave it out")
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**64:
            raise OptionError("Network", f"expected seed as a whole number from 0 to 2^64 − 1, got {seed!r}", "give seed=0")
        self.in_shapes = checked_shapes(in_shape)
        self.in_shape = next(iter(self.in_shapes.values()))
        self.dtype, self.seed, self.steps = np.dtype(dtype), seed, 0
        self._looked = False  # at an array of uint8
        self.backend = backends.get(backend)
        self.layers = plan_graph(layers, self.in_shapes, outputs)
        self.outputs = (self.layers[-1].name,) if outputs is None else tuple(outputs)
        check_memory(self.layers, self.in_shapes.values(), self.dtype, lanes)
        shapes = shapes_of(self.layers)
        self.params = ParameterVector(shapes, self.dtype, self.backend.memory)
        initialise(self.layers, self.params, seed)
        self.identity = Identity(shapes, self.dtype)
        self._begin(threads, lanes, slots, shared_lock(self.backend.memory is not None))

    # --- one batch, depth first ---

    def loss_and_grads(
        self,
        loss: Losses,
        x: ImagesByInput,
        target: TargetsByOutput,
        index: Index = None,
        *,
        part: int | None = None,
        weight: Weights = None,
    ) -> float:
        """The loss of a batch, its gradients in ``grads``: every group goes forward and backward while it is in cache.

        Args:
            loss: the loss; of several outputs a dict of losses, or of pairs of a loss and its weight.
            x: images (N, C, H, W), or a Source of them; for several inputs a dict of such.
            target: class numbers (N,), or numbers in the shape of the output, or class numbers (N, H, W), where the loss
                takes them; or the ``targets`` of ``data.Augmented``; for several outputs a dict of such.
            index: which of the N images make the batch; all for None.
            part: gradient accumulation: at most so many images go through the network together, and the gradients of all
                parts are added, as those of one batch. Only layers that measure the batch need that, as any other network
                takes a batch of any size in the same memory; it runs as a whole then. Batch normalisation goes by the
                statistics of each part, which its running ones follow one after another.
            weight: a weight w for each of the N images, at least 0, which may differ from output to output in a dict: the loss
                is Σ w·l / Σ w over the batch then, l that of an image alone. With class weights the divisor is Σ w times the
                weight of the image's class. An image of weight 0 takes part in statistics of the batch alone.

        Raises:
            OptionError: part is not a whole number of at least 1.
            ShapeError, DataError: x, target, index or weight is not what it should be.

        >>> from minicnn import MSE, Dense, Network
        >>> net, x, target = Network([Dense(1)], (1,), threads=1), np.zeros((4, 1)), np.array([[0.0], [1.0], [2.0], [1.0]])
        >>> net.loss_and_grads(MSE(), x, target), net.loss_and_grads(MSE(), x, target, weight=[1, 3, 0, 0])
        (1.5, 0.75)
        """
        return self._score(loss, x, target, index, True, part=part, weight=weight).loss

    def score_and_grads(
        self,
        loss: Losses,
        x: ImagesByInput,
        target: TargetsByOutput,
        index: Index = None,
        then: Index = None,
        *,
        part: int | None = None,
        weight: Weights = None,
        world: World | None = None,
    ) -> Score:
        """``loss_and_grads``, with the number of recognised images or places; arguments as there.

        ``then`` says which images make the next batch, where that is known: a GPU gets them while it works on this one.
        All ranks of a ``world`` share the work for the same batch.
        """
        return self._score(loss, x, target, index, True, then, part, weight, world)

    def evaluate(
        self,
        loss: Losses,
        x: ImagesByInput,
        target: TargetsByOutput,
        index: Index = None,
        *,
        weight: Weights = None,
        world: World | None = None,
    ) -> Score:
        """Loss and accuracy without gradients; dropout is off. Arguments as for ``loss_and_grads``.

        The accuracy is the share of images, over maps of places, that were recognised; None without class numbers. It goes by
        no weights. All ranks of a ``world`` share the work.
        """
        return self._score(loss, x, target, index, False, weight=weight, world=world)

    def _checked(
        self, loss: Losses, x: ImagesByInput, target: TargetsByOutput, index: Index, weight: Weights = None
    ) -> tuple[list[Source], Array, list[Targets]]:
        sources = self._sources(x)
        images = sources[0].shape[0]
        chosen = inputs.index("index", index, images)
        if isinstance(loss, Loss) and len(self._ends) == 1 and not isinstance(target, dict):
            given = [self._targets(self._ends[0], loss, target, images, chosen)]
        else:
            wanted = zip(self._ends, losses(loss, self.outputs), by_name("target", target, self.outputs), strict=True)
            given = [self._targets(end, own, each, images, chosen)._replace(weight=part) for end, (own, part), each in wanted]
        if weight is not None:
            given = weighted(given, weight, self.outputs, images, chosen)
        return sources, chosen, given

    def _sources(self, x: ImagesByInput) -> list[Source]:
        if len(self.in_shapes) == 1 and not isinstance(x, dict):
            found = [inputs.source("x", x, self.dtype, self.in_shape)]  # type: ignore[arg-type]  # a dict is looked at below
        else:
            found = sources_of("x", x, self.dtype, self.in_shapes)
        if not self._looked and isinstance(found[0], inputs.Arrays) and found[0].values.dtype == np.uint8:
            self._looked = warn_of_levels(found[0].values, self.layers)
        return found

    def _targets(self, end: PlacedLayer, loss: Loss, target: object, images: int, chosen: Array) -> Targets:
        shape = end.plan.out_shape
        dense = loss.dense and (len(shape) > 1 or getattr(target, "ndim", 2) > 1)  # anything but an array of class numbers
        checked = source_targets if hasattr(target, "load") else dense_targets if dense else inputs.targets
        return checked(loss, target, images, chosen, self.dtype, shape, partial(self._loss_for, end, loss))

    def _loss_for(self, output: PlacedLayer, loss: Loss, kind: str) -> Loss:
        """The loss for targets of a kind; that of an output's last loss is remembered, where nothing about it can change."""
        known = self._losses.get(output.name)  # read once: another thread may come with another loss
        if known is None or known[0] is not loss:
            known = self._losses[output.name] = (loss, {})
        found = known[1].get(kind)
        if found is None:
            found = loss.for_targets(kind, output.plan.out_shape[0])
            if is_immutable(loss):
                known[1][kind] = found
        return found

    def _score(
        self,
        loss: Losses,
        x: ImagesByInput,
        target: TargetsByOutput,
        index: Index,
        train: bool,
        then: Index = None,
        part: int | None = None,
        weight: Weights = None,
        world: World | None = None,
    ) -> Score:
        sources, chosen, given = self._checked(loss, x, target, index, weight)
        following = None if then is None else inputs.index("then", then, sources[0].shape[0])
        if part is not None:
            count("Network", "part", part)
        with self._lock.call(update=train and self._tracks):
            if part is not None and part < len(chosen) and self._context.measures(train):
                score, parts = score_in_parts(self._runner, self.grads, sources, given, chosen, self.steps, part, world)
                self.steps += parts
                return score
            score = self._runner.score(sources, given, chosen, self.steps, train, following, world)
            self.steps += train
        return score

    def over_parameters(
        self, kernel: Function, vectors: Sequence[Array], spans: Sequence[tuple[slice, Array]]
    ) -> Callable[[], None]:
        """What calls an elementwise kernel on parts of the parameters, of their gradients and of vectors as long.

        It is to be called inside ``update()`` or ``updated``.

        Args:
            kernel: takes (params, grads, *vectors, numbers).
            vectors: as long as the parameters.
            spans: the parts, and the numbers that the kernel takes for each.
        """
        tasks = []
        for share in shares(len(self.params.memory), self._executor.threads):
            program = Program()
            for span, numbers in spans:
                part = within(span, share)
                if part.start < part.stop:
                    pieces = (vector[part] for vector in (self.params.memory, self.grads.memory, *vectors))
                    Recorder(self.backend, program).call(kernel, *pieces, numbers)
            tasks += [Task([([program], (0, 1, 1))], np.zeros(1, np.int64))] if program.calls else []
        return partial(self._executor.run_schedule, Schedule([tasks])) if tasks else lambda: None
