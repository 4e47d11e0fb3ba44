"""The architecture of a network as JSON, and a network made from that again, after everything in it was checked."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from reprlib import repr as short
from typing import NamedTuple

import numpy as np

from ..arrays import Shape
from ..data.outfile import StrPath
from ..engine.accumulate import MOST_SLOTS, SLOTS
from ..engine.balance import may_be_lanes
from ..engine.bind import PlacedLayer
from ..engine.graph import Item, checked_shapes, items_of, plan_graph
from ..engine.required_memory import check_memory
from ..errors import BackendError, CheckpointError, MinicnnError, OptionError, ShapeError
from ..network import Network
from ..nn import AdaptiveAvgPool2d, AvgPool1d, AvgPool2d, Flatten, Pad2d, Resize, Upsample
from ..nn.base import Layer
from ..nn.losses import Loss
from ..nn.window import sides
from . import safetensors_file
from .described import FAULTS, MOST, Decoder, encode
from .document import Document, Json

MOST_LAYERS = 10_000
TABLES = 2**22
"""So many entries the tables of a layer may have that follow from its options and the size of its input."""

FIELDS: dict[str, type] = {
    "inputs": dict,
    "layers": list,
    "outputs": list,
    "dtype": str,
    "lanes": int,
    "slots": int,
    "seed": int,
    "steps": int,
    "frozen": list,
}


def describe(net: Network) -> Document:
    """The architecture of a network; residual blocks as the layers that they stand for.

    Args:
        net: the network.

    Raises:
        OptionError: a layer has options that JSON cannot hold, or is not what its options make.

    >>> from minicnn import Dense
    >>> describe(Network([("F1", Dense(3))], in_shape=(4,), threads=1))["inputs"]
    {'input': [4]}
    """
    layers: list[Json] = []
    for placed, (name, what, read) in zip(net.layers, items_of(net.layers, net.in_shapes), strict=True):
        layers.append([name, what if isinstance(what, str) else _layer(placed.who, what), list(read)])
    found: Document = {"inputs": {name: list(shape) for name, shape in net.in_shapes.items()}, "layers": layers}
    return found | {
        "outputs": list(net.outputs),
        "dtype": str(net.dtype),
        "lanes": net.lanes,
        "slots": net.slots,
        "seed": net.seed,
        "steps": net.steps,
        "frozen": list(net.frozen),
    }


def _layer(who: str, layer: Layer) -> Json:
    """A layer as JSON from which a layer of the same JSON can be made."""
    found = encode(who, layer)
    hint = "save the weights alone with train.checkpoint.save_weights, and make the network in code"
    try:
        again = encode(who, Decoder(who, _classes(layer)).layer(found))
    except CheckpointError as error:
        raise OptionError(who, error.what, hint) from None
    if not _is_part(found, again):
        raise OptionError(who, "expected a layer that its options make again, got one that they change", hint)
    return found


def _classes(value: object) -> set[type]:
    """The classes of a layer and of the layers and losses among its options."""
    if isinstance(value, Layer | Loss):
        return {type(value)}.union(*map(_classes, vars(value).values()))
    return set().union(*map(_classes, value)) if isinstance(value, tuple | list) else set()


def _is_part(found: Json, again: Json) -> bool:
    """Whether JSON is what other JSON is, without the initialisers that were left out."""
    if isinstance(found, dict) and isinstance(again, dict):
        return all(name in again and _is_part(each, again[name]) for name, each in found.items())
    if isinstance(found, list) and isinstance(again, list):
        return len(found) == len(again) and all(_is_part(*pair) for pair in zip(found, again, strict=True))
    return type(found) is type(again) and found == again


class Architecture(NamedTuple):
    """What a file says of a network, checked as far as no memory is needed."""

    items: list[Item]
    in_shapes: dict[str, Shape]
    outputs: list[str]
    dtype: str
    lanes: int
    slots: int
    seed: int
    steps: int
    frozen: list[str]
    placed: list[PlacedLayer]

    @property
    def parameters(self) -> int:
        """How many numbers its parameters are."""
        own = [placed for placed in self.placed if placed.owner == placed.name]
        return sum(prod(param.shape) for placed in own for param in placed.plan.params.values())

    def network(self, path: StrPath, threads: int | None, backend: str) -> Network:
        """The network, with any parameters.

        Raises:
            OptionError, BackendError: as of ``Network``.
            CheckpointError: parameters cannot be drawn as the file says.
        """
        kinds = {"dtype": self.dtype, "lanes": self.lanes, "slots": self.slots, "seed": self.seed, "outputs": self.outputs}
        try:
            with np.errstate(all="ignore"):  # parameters are drawn as the file says, and replaced
                net = Network(self.items, self.in_shapes, threads=threads, backend=backend, **kinds)  # type: ignore[arg-type]
        except BackendError:
            raise
        except FAULTS as fault:
            Network([Flatten()], (1,), threads=threads, backend=backend)  # refuses what is not the file's fault
            safetensors_file.refuse(path, "a network that can be made", str(fault))
        net.steps = self.steps
        return net


def read(path: StrPath, found: Json, decoder: Decoder) -> Architecture:
    """Read the architecture of a network.

    Args:
        path: the file, for messages.
        found: the JSON.
        decoder: makes the layers.

    Raises:
        CheckpointError: it is that of no network, or of one that is too large for this machine.
    """
    if isinstance(found, dict):
        found = {"slots": SLOTS} | found  # which files did not say while there was no choice
    if not isinstance(found, dict) or found.keys() != FIELDS.keys():
        safetensors_file.refuse(path, f"a network as an object of {', '.join(FIELDS)}", short(found))
    for name, kind in FIELDS.items():
        if type(found[name]) is not kind or (kind is int and not 0 <= found[name] < 2**63):
            safetensors_file.refuse(path, f"{name} of the network as {kind.__name__}", short(found[name]))
    for name in ("outputs", "frozen"):
        if not all(isinstance(each, str) for each in found[name]):
            safetensors_file.refuse(path, f"{name} of the network as names", short(found[name]))
    lanes = found["lanes"]
    if found["dtype"] not in ("float32", "float64") or not may_be_lanes(lanes) or lanes > MOST:
        safetensors_file.refuse(path, "a dtype and lanes of a network", short((found["dtype"], lanes)))
    if not 1 <= found["slots"] <= MOST_SLOTS:
        safetensors_file.refuse(path, f"slots of the network from 1 to {MOST_SLOTS}", str(found["slots"]))
    shapes = {name: _shape(path, shape) for name, shape in found["inputs"].items()}
    if not 0 < len(found["layers"]) <= MOST_LAYERS:
        safetensors_file.refuse(path, f"1 to {MOST_LAYERS:,} layers", str(len(found["layers"])))
    items = [_item(path, item, decoder) for item in found["layers"]]
    try:
        _check_tables(items, shapes)
        placed = plan_graph(items, checked_shapes(shapes), found["outputs"])
        check_memory(placed, shapes.values(), np.dtype(found["dtype"]), lanes)
    except MinicnnError as error:
        safetensors_file.refuse(path, "a network that can be made", f"{error.who}: {error.what}")
    except MemoryError:
        safetensors_file.refuse(path, "a network that fits into memory", "a larger one")
    except FAULTS as fault:  # of a layer of the user's own
        safetensors_file.refuse(path, "a network that can be made", str(fault))
    rest = {name: found[name] for name in ("outputs", "dtype", "lanes", "slots", "seed", "steps", "frozen")}
    return Architecture(items=items, in_shapes=shapes, placed=placed, **rest)


def freeze(path: StrPath, net: Network, names: Sequence[str]) -> None:
    """Freeze the layers that a file says are frozen.

    Raises:
        CheckpointError: there is no such layer.
    """
    known = {placed.name for placed in net.layers if placed.plan.params or placed.plan.state}
    if unknown := [name for name in names if name not in known]:
        safetensors_file.refuse(path, "names of layers that are frozen", short(unknown[0]))
    if names:
        net.freeze(*names)


def _shape(path: StrPath, found: Json) -> Shape:
    if not isinstance(found, list) or not all(type(n) is int and 0 < n <= MOST for n in found) or not found:
        safetensors_file.refuse(path, "shapes of inputs as whole numbers from 1 to 2^24", short(found))
    return tuple(found)


def _item(path: StrPath, found: Json, decoder: Decoder) -> Item:
    """A layer, or the name of an earlier one, with its own name and the names that it reads."""
    well = isinstance(found, list) and len(found) == 3 and isinstance(found[0], str) and isinstance(found[2], list)
    if not well or not found[2] or not all(isinstance(name, str) for name in found[2]):
        safetensors_file.refuse(path, "a name, a layer and the names that it reads", short(found))
    name, what, read = found
    return name, what if isinstance(what, str) else decoder.layer(what), tuple(read)


def _check_tables(items: Sequence[Item], in_shapes: dict[str, Shape]) -> None:
    """Refuse layers that would list too many numbers when they are planned; other faults are left to ``plan_graph``.

    Raises:
        ShapeError: there is one.
    """
    shapes, layers = dict(in_shapes), dict[str, Layer]()
    for name, what, read in items:  # type: ignore[misc]  # all of them have three parts
        layer = layers.get(what) if isinstance(what, str) else what
        own = [shapes[each] for each in read if each in shapes]
        if not isinstance(layer, Layer) or len(own) < len(read) or (len(own) > 1 and not layer.joins):
            return
        if listed(layer, max(own[0])) > TABLES:
            raise ShapeError(layer.label, f"expected tables of at most {TABLES:,} numbers, got more", "make it smaller")
        try:
            shapes[name], layers[name] = layer.plan(*own).out_shape, layer
        except (MinicnnError, MemoryError):
            return


def listed(layer: Layer, size: int) -> int:
    """About how many numbers a layer lists along an axis of that size."""
    if isinstance(layer, Upsample):
        return 2 * size * _largest(layer.scale_factor)
    if isinstance(layer, Resize):
        return 2 * size + 4 * _largest(layer.size)
    if isinstance(layer, Pad2d):
        return size + sum(map(sum, sides("Pad2d", "padding", layer.padding)))
    if isinstance(layer, AvgPool1d | AvgPool2d):
        return max(k * (size // s + 2) for k, s in zip(layer.window.kernel, layer.window.stride, strict=True))
    return size + 2 * _largest(layer.output_size) if isinstance(layer, AdaptiveAvgPool2d) else 0


def _largest(option: int | tuple[int | None, ...]) -> int:
    """The larger number of an option for both axes."""
    return max(each or 0 for each in (option if isinstance(option, tuple) else (option,)))
