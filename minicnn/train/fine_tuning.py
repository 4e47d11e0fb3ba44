"""Fine-tuning: weights of a network in which some layers were others, such as the last one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from ..arrays import Array
from ..data.outfile import StrPath
from ..errors import CheckpointError
from ..network import Network
from . import checkpoint
from .document import Document
from .progress import Log, say


@dataclass(frozen=True)
class Loaded:
    """What was loaded and what was not; as text, in words.

    Attributes:
        layers: the names of the layers that were loaded.
        kept: the others with parameters, which keep what they have, and why.
        unused: names in the file that no layer took, sorted.
        metadata: as ``load_weights`` returns it.
    """

    layers: tuple[str, ...]
    kept: Mapping[str, str]
    unused: tuple[str, ...]
    metadata: Document

    def __str__(self) -> str:
        lines = [f"loaded {', '.join(self.layers)}", *(f"{layer} keeps its own: {why}" for layer, why in self.kept.items())]
        return "\n".join([*lines, *([f"not used: {', '.join(self.unused)}"] if self.unused else [])])


def load_fitting(path: StrPath, net: Network, log: Log = say) -> Loaded:
    """Load the layers of a weights file that fit, by name and shape, and say in words which did not.

    A layer is loaded whole, with its running statistics, or not at all. ``load_weights`` is for a file that fits as a whole.

    Args:
        path: a weights file or a training checkpoint, or another program's file, as for ``load_weights``.
        net: the network; it is unchanged after an error.
        log: called with each line of the report.

    Raises:
        CheckpointError: the file cannot be read, is of another dtype, or no layer fits.

    >>> import tempfile
    >>> from minicnn import Dense
    >>> old, net = (Network([("F1", Dense(3)), ("F2", Dense(units))], (4,), threads=1) for units in (10, 2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     checkpoint.save_weights(f"{folder}/old.safetensors", old, {})
    ...     _ = load_fitting(f"{folder}/old.safetensors", net, log=print)
    loaded F1
    F2 keeps its own: F2.weight is (10, 3) in the file and (2, 3) here, F2.bias is (10,) in the file and (2,) here
    not used: F2.bias, F2.weight
    """
    metadata, tensors, foreign = checkpoint.read_any_weights(path)
    own, names = {**net.params, **net.state}, checkpoint.stored_names(path, net)
    layers: dict[str, list[str]] = {}
    for theirs, ours in names.items():
        layers.setdefault(ours.partition(".")[0], []).append(theirs)
    reasons = {layer: _differences(tensors, {name: own[names[name]] for name in of}) for layer, of in layers.items()}
    fitting = [layer for layer, why in reasons.items() if not why]
    kept = {layer: ", ".join(why) for layer, why in reasons.items() if why}
    taken = {name: names[name] for layer in fitting for name in layers[layer]}
    if not taken:
        what = f"expected a layer that fits one of {', '.join(layers) or 'none'}, got none ({'; '.join(kept.values())})"
        raise CheckpointError(os.fspath(path), what, "give the layers the names that they have in the file")
    checkpoint.check_tensors(path, net, {name: tensors[name] for name in taken}, {n: own[o] for n, o in taken.items()}, foreign)
    current = {name: array.copy() for name, array in own.items()}
    net.load_params(current | {ours: tensors[theirs] for theirs, ours in taken.items()})
    loaded = Loaded(tuple(fitting), kept, tuple(sorted(tensors.keys() - taken.keys())), metadata)
    for line in str(loaded).splitlines():
        log(line)
    return loaded


def _differences(tensors: Mapping[str, Array], own: Mapping[str, Array]) -> list[str]:
    """In words what a layer misses in a file."""
    found = []
    for name, array in own.items():
        if name not in tensors:
            found.append(f"{name} is not in the file")
        elif tensors[name].shape != array.shape:
            found.append(f"{name} is {tensors[name].shape} in the file and {array.shape} here")
    return found
