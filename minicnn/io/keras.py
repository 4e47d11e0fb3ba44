"""Weights of Keras 3 for a network with the same layers: from ``model.get_weights()`` or from a file, without Keras.

Kernels are turned into the layouts used here, and the inputs of a dense layer behind a flattened map from the order (rows,
columns, channels) into (channels, rows, columns); the network reads images (C, H, W) then. Layers are matched in their order:
that of ``model.layers``, which files tell within each class of layers only. Where the layers of a ``.keras`` file have the
names of the network's, they are matched by name; where a model has branches, give them the same names.

Keras's batch normalisation has ε = 0.001 unless told otherwise. A ``.keras`` file says which, and another ε of the layer is
refused; weights alone do not say it, and there is a warning where the layer has another one than 0.001.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..arrays import Array
from ..data.infile import shown
from ..data.outfile import StrPath
from ..errors import CheckpointError, OptionError
from ..network import Network
from ..nn import BatchNorm1d, BatchNorm2d
from .fitting import COUNT, check_dtype, listed
from .keras_file import Module, read
from .keras_layout import Counterpart, counterparts

EPSILON = 1e-3
"""Keras's default."""
SAME = "load it into a network with the same layers in the same order, or give them the same names and load a .keras file"


class Given(NamedTuple):
    """What Keras has for a layer.

    Attributes:
        names: of the variables, for messages.
        variables: them.
        module: the layer of a file.
    """

    names: Sequence[str]
    variables: Sequence[Array]
    module: Module | None = None


def load(net: Network, weights: Sequence[Array] | StrPath) -> None:
    """Load weights and running statistics of a Keras model; all of them or none.

    Args:
        net: the network; it is unchanged after an error. How many batches made running statistics is 0 then.
        weights: ``model.get_weights()``, or the path of a file that ``model.save_weights`` (``.weights.h5``) or ``model.save``
            (``.keras``) wrote; files need h5py. Numbers must be exact in the network's dtype.

    Raises:
        CheckpointError: the weights cannot be read, or do not match the network, or a layer of it has no counterpart in Keras.
        OptionError: weights are neither arrays nor a path.

    A dense layer of one unit behind maps of one row, two columns and three channels:

    >>> from minicnn import Dense, Flatten, Network
    >>> net = Network([Flatten(), ("F1", Dense(1))], (3, 1, 2), threads=1)
    >>> load(net, [np.arange(6, dtype="float32").reshape(6, 1), np.zeros(1, "float32")])
    >>> net.params["F1.W"]
    array([[0., 3., 1., 4., 2., 5.]], dtype=float32)
    """
    if isinstance(weights, str | os.PathLike):
        who = shown(weights)
        taken = _of_file(who, counterparts(who, net), read(weights))
    elif isinstance(weights, list | tuple) and all(isinstance(array, np.ndarray) for array in weights):
        who = "weights"
        taken = _of_list(counterparts(who, net), weights)
    else:
        what = f"expected a list of arrays or the path of a file, got {type(weights).__name__}"
        raise OptionError("weights", what, "give model.get_weights()")
    own, values = {**net.params, **net.state}, dict[str, Array]()
    for counterpart, given in taken:
        entries = zip(counterpart.variables, given.names, given.variables, strict=True)
        for (ours, theirs, forms), name, variable in entries:
            turns = [form.turn for form in forms if form.shape == variable.shape]
            if not turns:
                shapes = " or ".join(str(form.shape) for form in forms)
                what = f"expected the {theirs} of layer {counterpart.layer!r} as {shapes}, got {name} as {variable.shape}"
                raise CheckpointError(who, what, SAME)
            check_dtype(who, name, variable.dtype, own[ours].dtype)
            values[ours] = turns[0](variable)
    unknown = _check_epsilon(who, net, {counterpart.layer: given.module for counterpart, given in taken})
    counts = {name: np.zeros((), np.int64) for name in net.state if name.endswith(f".{COUNT}")}
    net.load_params(values | counts)
    if unknown:
        warnings.warn(unknown, stacklevel=2)


def _check_epsilon(who: str, net: Network, modules: dict[str, Module | None]) -> str:
    """Refuse another ε than the file's; a warning where nothing says it and it is not Keras's default."""
    unknown = ""
    for placed in net.layers:
        if placed.name not in modules or not isinstance(layer := placed.layer, BatchNorm1d | BatchNorm2d):
            continue
        module = modules[placed.name]
        epsilon = None if module is None else module.epsilon
        if epsilon is None:
            if not math.isclose(layer.eps, EPSILON, rel_tol=1e-6) and not unknown:
                unknown = (
                    f"layer {placed.name!r} has eps={layer.eps:g}, and the weights do not say Keras's, which is {EPSILON:g} by "
                    f"default: make it as {layer.label}(eps={EPSILON:g}), or load a .keras file, which says it"
                )
        elif not math.isclose(layer.eps, epsilon, rel_tol=1e-6):  # Keras may write a rounded one
            what = f"expected eps={layer.eps:g} as layer {placed.name!r} has, got epsilon={epsilon:g}"
            raise CheckpointError(who, what, f"make the layer as {layer.label}(eps={epsilon:g})")
    return unknown


def _of_list(wanted: list[Counterpart], arrays: Sequence[Array]) -> list[tuple[Counterpart, Given]]:
    """The arrays of each layer, one after another."""
    count = sum(len(each.variables) for each in wanted)
    if len(arrays) != count:
        what = f"expected {count} arrays for the layers {listed([each.layer for each in wanted])}, got {len(arrays)}"
        raise CheckpointError("weights", what, SAME)
    found, start = [], 0
    for each in wanted:
        here = range(start, start := start + len(each.variables))
        found.append((each, Given([f"weights[{n}]" for n in here], [arrays[n] for n in here])))
    return found


def _of_file(who: str, wanted: list[Counterpart], modules: list[Module]) -> list[tuple[Counterpart, Given]]:
    """The layer of the file for each layer."""
    named = {module.name: module for module in modules if module.name}
    parts = {name: _parts(module) for name, module in named.items()}
    one_each = len(named) == len(modules) and all(len(each) == 1 for each in parts.values())
    if one_each and set(named) == {each.layer for each in wanted}:
        return [(each, _checked(who, each, parts[each.layer][0])) for each in wanted]
    queues: dict[str, list[Given]] = {}
    for module in modules:
        queues.setdefault(module.kind, []).extend(_parts(module))
    found = []
    for each in wanted:
        heads = {kind: queues[kind][0] for kind in each.kinds if queues.get(kind)}
        fitting = {kind: given for kind, given in heads.items() if each.fits([array.shape for array in given.variables])}
        if len(fitting) > 1:
            paths = listed([given.module.path for given in fitting.values() if given.module])
            what = f"expected one layer that fits {each.layer!r}, got {paths}, whose order the file does not say"
            raise CheckpointError(who, what, "give model.get_weights()")
        if not heads:
            what = f"expected a layer {' or '.join(each.kinds)} for {each.layer!r}, got {_left(queues)}"
            raise CheckpointError(who, what, SAME)
        kind = next(iter(fitting or heads))
        given = _checked(who, each, queues[kind].pop(0))
        assert given.module is not None
        if given.module.name != each.layer and given.module.name in {other.layer for other in wanted}:
            what = f"expected {given.module.name!r} where the layer of that name stands, got it where {each.layer!r} stands"
            raise CheckpointError(who, what, SAME)
        found.append((each, given))
    if any(queues.values()):
        raise CheckpointError(who, f"expected layers for those of the network only, got {_left(queues)} too", SAME)
    return found


def _left(queues: dict[str, list[Given]]) -> str:
    """The layers of a file that are not taken, in words."""
    return listed([given.module.path for queue in queues.values() for given in queue if given.module])


def _parts(module: Module) -> list[Given]:
    """The layers that a layer of a file stands for here: two for a depthwise convolution and one of one tap behind it."""
    names = [f"{module.path}/{n}" for n in range(len(module.variables))]
    cuts = (slice(0, 1), slice(1, None)) if module.kind.startswith("separable_conv") else (slice(None),)
    return [Given(names[cut], module.variables[cut], module) for cut in cuts]


def _checked(who: str, wanted: Counterpart, given: Given) -> Given:
    """What Keras has for a layer, where it is as many variables."""
    if len(given.variables) != len(wanted.variables):
        theirs = ", ".join(name for _, name, _ in wanted.variables)
        what = (
            f"expected {theirs} for layer {wanted.layer!r}, got {len(given.variables)} variables, {listed(list(given.names))}"
        )
        raise CheckpointError(who, what, SAME)
    return given
