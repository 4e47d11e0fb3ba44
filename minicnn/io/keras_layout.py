"""Layers in Keras's layouts: which variables stand for a layer, of which shapes, and how they become its parameters.

Keras's maps have their channels last. So a kernel is (rows, columns, channels/groups, filters), a depthwise one (rows, columns,
channels, filters of each), a transposed one (rows, columns, filters, channels), a dense one (inputs, units). A flattened map is
in the order (rows, columns, channels), so what reads one, here in the order (channels, rows, columns), has its inputs permuted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import NoReturn

import numpy as np

from ..arrays import Array, Shape
from ..engine.bind import PlacedLayer
from ..errors import CheckpointError
from ..network import Network
from ..nn import BatchNorm1d, BatchNorm2d, Concat, Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d, Dense, GroupNorm

GIVE = "leave it out, or set its parameters by net.load_params"


@dataclass(frozen=True)
class Form:
    """A shape in which Keras may have a parameter, and how it is turned into ours."""

    shape: Shape
    turn: Callable[[Array], Array]


Variable = tuple[str, str, tuple[Form, ...]]
"""Our name of an array, Keras's name of the variable, and the forms that it may have."""


@dataclass(frozen=True)
class Counterpart:
    """What stands for a layer in Keras.

    Attributes:
        layer: its name.
        kinds: the classes that it may be, in snake case.
        variables: Keras's, in order.
    """

    layer: str
    kinds: tuple[str, ...]
    variables: tuple[Variable, ...]

    def fits(self, shapes: list[Shape]) -> bool:
        """Whether variables of these shapes may stand for the layer."""
        forms = [[form.shape for form in each] for _, _, each in self.variables]
        return len(shapes) == len(forms) and all(shape in each for shape, each in zip(shapes, forms, strict=True))


def counterparts(who: str, net: Network) -> list[Counterpart]:
    """What stands for each layer with parameters, in order.

    Args:
        who: what is loaded, for messages.
        net: the network.

    Raises:
        CheckpointError: a layer has no counterpart in Keras.
    """
    orders = _orders(who, net)
    own = [placed for placed in net.layers if placed.owner == placed.name and (placed.plan.params or placed.plan.state)]
    return [_counterpart(who, placed, orders.get(placed.name)) for placed in own]


def _counterpart(who: str, placed: PlacedLayer, order: Array | None) -> Counterpart:
    layer, params = placed.layer, placed.plan.params
    dims = 1 if isinstance(layer, Conv1d | ConvTranspose1d) else 2

    def plain(array: Array) -> Array:
        return array if order is None else array[order]

    if isinstance(layer, BatchNorm1d | BatchNorm2d) and layer.affine and layer.track_running_stats:
        names = (("W", "gamma"), ("b", "beta"), ("running_mean", "moving_mean"), ("running_var", "moving_variance"))
        form = (Form(params["W"].shape, plain),)
        statistics: list[Variable] = [(f"{placed.name}.{ours}", theirs, form) for ours, theirs in names]
        return Counterpart(placed.name, ("batch_normalization",), tuple(statistics))
    kinds: tuple[str, ...] = ("dense",)
    if isinstance(layer, Dense):
        forms = [Form(params["W"].shape[::-1], lambda kernel: plain(kernel).T)]
    elif isinstance(layer, Conv1d | Conv2d | ConvTranspose1d | ConvTranspose2d):
        filters, channels, *taps = params["W"].shape
        turned = [Form((*taps, channels, filters), lambda kernel: kernel.transpose(dims + 1, dims, *range(dims)))]
        kinds, forms = (f"conv{dims}d", f"depthwise_conv{dims}d", f"separable_conv{dims}d"), turned
        if isinstance(layer, ConvTranspose1d | ConvTranspose2d):
            kinds = (f"conv{dims}d_transpose",)
            if layer.groups > 1:
                _refuse(who, placed, "groups=1, as transposed convolutions have in Keras")
        elif layer.groups > 1 and channels == 1:
            each = (*taps, layer.groups, filters // layer.groups)
            forms.append(Form(each, lambda k: k.reshape(*taps, filters)[..., None].transpose(dims, dims + 1, *range(dims))))
    else:
        _refuse(who, placed, "a convolution, a dense layer or a batch normalisation with all its options")
    variables: list[Variable] = [(f"{placed.name}.W", "kernel", tuple(forms))]
    if layer.bias:
        variables.append((f"{placed.name}.b", "bias", (Form(params["b"].shape, lambda bias: bias),)))
    return Counterpart(placed.name, kinds, tuple(variables))


def _refuse(who: str, placed: PlacedLayer, expected: str) -> NoReturn:
    raise CheckpointError(who, f"expected {expected}, got {placed.who}", GIVE)


def _orders(who: str, net: Network) -> dict[str, Array]:
    """For each layer that reads a flattened map: which of Keras's numbers is at each place of it."""
    orders: dict[int, Array] = {}  # by the number of the value; the others are in one order here and there
    found: dict[str, Array | None] = {}
    for placed in net.layers:
        reads = [orders.get(value) for value in placed.inputs]
        order, out = reads[0], placed.plan.out_shape
        flattened = isinstance(placed.layer, Dense) or (placed.plan.view and len(out) == 1)
        if flattened and len(placed.in_shape) > 1:
            order = _channels_last(placed.in_shape)
        if placed.plan.params:
            known = found.setdefault(placed.owner, order)
            if not _equal(known, order):
                _refuse(who, placed, f"the numbers in the order in which {placed.owner!r} reads them")
        if isinstance(placed.layer, Dense):
            continue
        if isinstance(placed.layer, Concat) and len(out) == 1:
            order = _joined([shape[0] for shape in placed.in_shapes], reads)
        elif placed.layer.joins and not all(_equal(each, order) for each in reads):
            _refuse(who, placed, "numbers in one order in all that is joined")
        elif placed.plan.view and len(out) > 1 and out != placed.in_shape:
            if order is not None or min(out[0], prod(out[1:])) > 1 or len(placed.in_shape) > 1:
                _refuse(who, placed, "no numbers that stand in another order in Keras")
        elif order is not None and (len(out) != 1 or len(order) != out[0] or isinstance(placed.layer, GroupNorm)):
            _refuse(who, placed, "no flattened map, which stands in another order in Keras")
        if order is not None:
            orders[placed.value] = order
    return {name: order for name, order in found.items() if order is not None}


def _channels_last(shape: Shape) -> Array | None:
    """Which number of a flattened (H, W, C) each of a flattened (C, H, W) is; None where it is the same.

    >>> _channels_last((2, 1, 3)).tolist()
    [0, 2, 4, 1, 3, 5]
    """
    order: Array = np.moveaxis(np.arange(prod(shape)).reshape(*shape[1:], shape[0]), -1, 0).ravel()
    return order if min(shape[0], prod(shape[1:])) > 1 else None


def _joined(sizes: list[int], orders: list[Array | None]) -> Array | None:
    """The order of vectors behind each other."""
    if all(order is None for order in orders):
        return None
    starts = np.cumsum([0, *sizes[:-1]])
    parts = zip(starts, sizes, orders, strict=True)
    return np.concatenate([start + (np.arange(size) if order is None else order) for start, size, order in parts])


def _equal(one: Array | None, other: Array | None) -> bool:
    return one is other or (one is not None and other is not None and np.array_equal(one, other))
