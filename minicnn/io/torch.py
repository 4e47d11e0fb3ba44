"""Weights of PyTorch: a ``state_dict`` into a network, and a network's as a ``state_dict``.

Layouts are the same on both sides: convolutions (filters, channels/groups, rows, columns), transposed ones (channels,
filters/groups, rows, columns), dense layers (units, inputs), and maps flattened as (C, H, W). So loading is to find which layer
is which module. By name where the names are the same; else by the order of layers, which is that of modules in a
``state_dict``, with all shapes checked; or as the caller says. Order alone tells layers of equal shapes apart: where modules
were defined in another order than they are used, say which is which.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Union

import numpy as np

from ..arrays import Array
from ..data.infile import shown
from ..data.outfile import StrPath
from ..errors import CheckpointError, OptionError, lacking
from ..network import Network
from ..train.checkpoint import read_any_weights
from . import torch_file
from .fitting import COUNT, check_dtype, layers_of, listed, shapes

if TYPE_CHECKING:
    import torch

Modules = tuple[str, ...]
"""The names of one module; several where it is registered several times."""

Names = Mapping[str, str | Sequence[str]]
"""The name of the module for each layer, dotted as in the ``state_dict``; several where it is registered several times."""

Tensor = Union[Array, "torch.Tensor"]

Weights = Mapping[str, Tensor] | StrPath
"""A ``state_dict``, or a file: ``.safetensors``, or anything that ``torch.load`` reads."""

NAME = 'give names, such as {"C1": "features.0"}'


def load(net: Network, weights: Weights, names: Names | None = None) -> None:
    """Load weights and running statistics of a PyTorch module; all of them or none.

    Args:
        net: the network; it is unchanged after an error.
        weights: a ``state_dict`` of tensors or NumPy arrays, or the path of a file. A ``.safetensors`` file needs no PyTorch;
            any other one is read by ``torch.load(weights_only=True)``, which executes nothing. Numbers must be exact in the
            network's dtype.
        names: the module of each layer, such as ``{"C1": "features.0"}``; a layer that is left out has the same name there. For
            None they are those of ``match``.

    Raises:
        CheckpointError: the weights cannot be read, or do not match the network.
        OptionError: names are not what they should be.

    >>> import torch
    >>> from minicnn import Conv2d, Dense, Flatten, Network, ReLU
    >>> module = torch.nn.Sequential(torch.nn.Conv2d(1, 6, 5), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(96, 10))
    >>> net = Network([("C1", Conv2d(6, 5)), ReLU(), Flatten(), ("F2", Dense(10))], (1, 8, 8), threads=1)
    >>> load(net, module.state_dict())
    >>> bool((net.params["F2.W"] == module[3].weight.detach().numpy()).all())
    True
    """
    who, tensors, ordered = _read(weights)
    taken = _found(who, tensors, ordered, net) if names is None else _checked(net, names)
    modules, values, own = _modules(tensors), dict[str, Array](), {**net.params, **net.state}
    for layer, parts in layers_of(net).items():
        first: dict[str, Array] = {}
        for module in taken[layer]:
            if module not in modules:
                what = f"expected a module {module!r} for layer {layer!r}, got {listed(list(modules))}"
                raise CheckpointError(who, what, NAME)
            _check(who, layer, {part: own[name] for part, name in parts.items()}, module, modules[module])
            given = {part: _array(who, _key(module, part), value, own[parts[part]]) for part, value in modules[module].items()}
            first = first or given
            if any(not np.array_equal(given[part], array, equal_nan=True) for part, array in first.items()):
                what = f"expected the numbers of {taken[layer][0]!r} in {module!r} too, as both are {layer!r}, got others"
                raise CheckpointError(who, what, "leave one of them out, or use two layers")
        values |= {name: first[part] if part in first else np.zeros((), np.int64) for part, name in parts.items()}
    used = {module for each in taken.values() for module in each}
    if more := [module for module in modules if module not in used]:
        raise CheckpointError(who, f"expected modules for the network's layers only, got {listed(more)} too", NAME)
    net.load_params(values)


def state_dict(net: Network, names: Names | None = None) -> dict[str, torch.Tensor]:
    """The parameters and running statistics as a ``state_dict`` for ``module.load_state_dict``: copies, in the network's dtype.

    Args:
        net: the network.
        names: the module of each layer, as for ``load``; ``match`` finds them. For None every layer keeps its name.

    Raises:
        OptionError: names are not what they should be.
        OutputError: PyTorch is not installed.

    >>> import torch
    >>> from minicnn import Dense, Network
    >>> net, module = Network([("F1", Dense(3))], (4,), threads=1), torch.nn.Sequential(torch.nn.Linear(4, 3))
    >>> names = match(net, module.state_dict())
    >>> names, module.load_state_dict(state_dict(net, names))
    ({'F1': '0'}, <All keys matched successfully>)
    """
    try:
        import torch
    except ImportError as fault:
        raise lacking("state_dict", "torch", fault) from fault
    taken, found = _checked(net, names or {}), dict[str, torch.Tensor]()
    with net.atomic():  # a whole update, even if another thread trains
        own = {**net.params, **net.state}
        for layer, parts in layers_of(net).items():
            tensors = {part: torch.from_numpy(own[name].copy()) for part, name in parts.items()}
            found |= {_key(module, part): tensor for module in taken[layer] for part, tensor in tensors.items()}
    return found


def match(net: Network, weights: Weights) -> dict[str, str | Modules]:
    """Which module of a ``state_dict`` is which layer: by name where these are the same, else by order, with shapes checked.

    Args:
        net: the network.
        weights: a ``state_dict`` or a file, as for ``load``. A ``.safetensors`` file does not tell the order of modules, unless
            they have numbers, as in ``nn.Sequential``.

    Returns:
        The module's name by the layer's; a tuple of names where a module is registered several times.

    Raises:
        CheckpointError: the weights cannot be read, or do not match the network.

    See ``state_dict`` for an example.
    """
    found = _found(*_read(weights), net)
    return {layer: each[0] if len(each) == 1 else each for layer, each in found.items()}


def _read(weights: Weights) -> tuple[str, Mapping[str, Tensor], bool]:
    """A name for messages, the tensors, and whether their order is that of the modules."""
    tensors: Mapping[str, Tensor]
    if isinstance(weights, Mapping):
        who, tensors, ordered = "state_dict", weights, True
    elif not isinstance(weights, str | os.PathLike):
        what = f"expected a state_dict or the path of a file, got {type(weights).__name__}"
        raise OptionError("weights", what, "give module.state_dict()")
    elif os.fspath(weights).endswith(".safetensors"):
        who, tensors, ordered = shown(weights), read_any_weights(weights)[1], False
    else:
        who, tensors, ordered = shown(weights), torch_file.read(weights), True
    for name, value in tensors.items():
        if not isinstance(name, str) or not _dense(value):
            what = f"expected tensors or arrays by name, got {type(value).__name__} as {name!r:.60}"
            raise CheckpointError(who, what, "give module.state_dict()")
    return who, tensors, ordered


def _dense(value: object) -> bool:
    """Whether this is an array, or a tensor with one of real numbers."""
    torch = sys.modules.get("torch")  # a tensor has imported it
    if torch is None or not isinstance(value, torch.Tensor):
        return isinstance(value, np.ndarray)
    real = value.is_floating_point() or str(value.dtype).startswith(("torch.int", "torch.uint"))
    return real and not (value.is_nested or value.is_quantized or value.is_meta) and value.layout is torch.strided


def _array(who: str, name: str, value: Tensor, own: Array) -> Array:
    """A tensor or an array of the right shape as an array that the network's holds exactly."""
    if not isinstance(value, np.ndarray):
        plain = value.detach().cpu().resolve_neg()
        short = plain.is_floating_point() and str(plain.dtype) not in ("torch.float16", "torch.float32", "torch.float64")
        value = (plain.float() if short else plain).numpy()  # which knows no bfloat16 and no float8
    check_dtype(who, name, value.dtype, own.dtype)
    return value


def _modules(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """The tensors by the name of their module and their own, in order."""
    found: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        module, _, part = key.rpartition(".")
        found.setdefault(module, {})[part] = value
    return found


def _key(module: str, part: str) -> str:
    return f"{module}.{part}" if module else part


def _found(who: str, tensors: Mapping[str, Tensor], ordered: bool, net: Network) -> dict[str, Modules]:
    """The module of each layer, by name or by order."""
    layers, modules, own = layers_of(net), _modules(tensors), {**net.params, **net.state}
    one: dict[object, list[str]] = {}  # a module that is registered several times shows by the memory of its tensors
    for module, parts in modules.items():
        one.setdefault(tuple(sorted((part, *_place(value)) for part, value in parts.items())), []).append(module)
    each: list[Modules] = [tuple(names) for names in one.values()]
    named = {module: names for names in each for module in names}
    if set(layers) <= set(named) and len(layers) == len(each) == len({named[layer] for layer in layers}):
        found = {layer: named[layer] for layer in layers}
    else:
        found = _by_order(who, list(layers), each, ordered)
    for layer, names in found.items():
        _check(who, layer, {part: own[name] for part, name in layers[layer].items()}, names[0], modules[names[0]])
    return found


def _by_order(who: str, layers: list[str], modules: list[Modules], ordered: bool) -> dict[str, Modules]:
    if len(layers) != len(modules):
        firsts = [names[0] for names in modules]
        what = f"expected {len(layers)} modules for the layers {listed(layers)}, got {len(firsts)}, {listed(firsts)}"
        raise CheckpointError(who, what, "load it into a network with the same layers")
    if not ordered:
        modules = sorted(modules, key=lambda names: [(part.isdecimal() and int(part), part) for part in names[0].split(".")])
        if unordered := _without_order([names[0] for names in modules]):
            what = f"expected the names of layers, or numbers that tell their order, got {listed(unordered)}"
            raise CheckpointError(who, what, NAME)
    found = dict(zip(layers, modules, strict=True))
    for layer, names in found.items():
        if other := [name for name in names if name in layers and name != layer and not name.isdecimal()]:
            what = f"expected the module {other[0]!r} where the layer of that name stands, got it where {layer!r} stands"
            raise CheckpointError(who, what, NAME)
    return found


def _without_order(modules: list[str]) -> list[str]:
    """Names beside each other of which numbers do not say which comes first; none where they always do."""
    beside: dict[str, dict[str, None]] = {}
    for module in modules:
        parts = module.split(".")
        for n, part in enumerate(parts):
            beside.setdefault(".".join(parts[:n]), {})[part] = None
    return next((list(names) for names in beside.values() if len(names) > 1 and not all(map(str.isdecimal, names))), [])


def _place(value: Tensor) -> tuple[object, ...]:
    """Where the numbers of a tensor lie."""
    if isinstance(value, np.ndarray):
        return value.ctypes.data, value.shape, value.strides
    return value.data_ptr(), tuple(value.shape), value.stride()


def _check(who: str, layer: str, own: dict[str, Array], module: str, given: dict[str, Tensor]) -> None:
    """Refuse a module whose tensors are not those of a layer; how many batches there were may be left out."""
    ours, theirs = ({part: tuple(array.shape) for part, array in parts.items() if part != COUNT} for parts in (own, given))
    if ours != theirs or (COUNT in given and (COUNT not in own or tuple(given[COUNT].shape) != ())):
        what = f"expected a module for layer {layer!r} with {shapes(own)}, got {module!r} with {shapes(given)}"
        raise CheckpointError(who, what, f"load it into a network with the same layers, or {NAME}")


def _checked(net: Network, names: Names) -> dict[str, Modules]:
    """The modules of each layer, as the caller says."""
    layers = list(layers_of(net))
    right = isinstance(names, Mapping)
    found: dict[str, Modules] = {}
    for layer in [*layers, *(names if right else ())]:
        given = names.get(layer, layer) if right else None
        each = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, list | tuple) else ()
        if layer not in layers or not each or not all(isinstance(name, str) for name in each):
            what = f"expected names of modules by the names of layers ({listed(layers)}), got {names!r:.100}"
            raise OptionError("names", what, NAME)
        found[layer] = each
    all_names = [name for each in found.values() for name in each]
    if twice := [name for name in all_names if all_names.count(name) > 1]:
        raise OptionError("names", f"expected a module of its own for every layer, got {twice[0]!r} twice", NAME)
    return found
