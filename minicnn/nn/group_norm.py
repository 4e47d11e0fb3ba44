"""Normalisation of every image by itself: over groups of channels, over each channel, or over all of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from ..arrays import Array, Shape
from ..backends.kernels import Kernels
from ..errors import ShapeError, flag, number
from .base import Buffer, Layer, Param, Plan
from .init import Constant
from .window import count


def _planned(in_shape: Shape, groups: int, weights: Shape | None, eps: float, bias: bool = True) -> Plan:
    """The plan of a layer with so many groups, whose weights have a shape; None for no weights."""
    rows = prod(weights or in_shape[:1])
    names = {"W": 1.0} | ({"b": 0.0} if bias else {})
    trained = {} if weights is None else {name: Param(weights, Constant(start)) for name, start in names.items()}
    fixed = {name: np.full(rows, start) for name, start in {"W": 1.0, "b": 0.0}.items() if name not in trained}
    consts = {"eps": np.array([float(eps)])}
    return Plan(in_shape, trained, consts | fixed, saved={"stats": Buffer((groups, 4))})


def _cut(x: Array, W: Array, stats: Array) -> tuple[int, int, int, int]:
    """x as groups of rows of pixels, each row with a W of its own."""
    groups, lanes = len(stats), x.shape[-1]
    return groups, W.size // groups, x.size // (W.size * lanes), lanes


@dataclass(frozen=True)
class _ByImage(Layer):
    normalizes: ClassVar[bool] = True

    def forward(self, k: Kernels, x: Array, eps: Array, W: Array, b: Array, stats: Array, y: Array) -> None:
        """y = W · x̂ + b."""
        cut = _cut(x, W, stats)
        k.group_stats(x.reshape(cut), eps, stats)
        k.group_normalize(x.reshape(cut), stats, W.reshape(cut[:2]), b.reshape(cut[:2]), y.reshape(cut))

    def backward(
        self,
        k: Kernels,
        x: Array,
        dy: Array,
        W: Array,
        stats: Array,
        dx: Array | None,
        dW: Array | None = None,
        db: Array | None = None,
    ) -> None:
        """dx = 1/√(var x + ε) · (W·dy − mean W·dy − x̂ · mean W·dy·x̂); dW += Σ dy·x̂, db += Σ dy over pixels and images."""
        cut = _cut(x, W, stats)
        if dW is not None:
            k.group_norm_dW_add(x.reshape(cut), dy.reshape(cut), stats, dW.reshape(cut[:2]))
        if db is not None:
            k.row_sum_add(dy.reshape(cut[0] * cut[1], -1), db.reshape(-1))
        if dx is not None:
            k.group_norm_dx(x.reshape(cut), dy.reshape(cut), stats, W.reshape(cut[:2]), dx.reshape(cut))


@dataclass(frozen=True)
class GroupNorm(_ByImage):
    """y = W · x̂ + b, x̂ = (x − mean x)/√(var x + ε), over groups of channels of an image: ``torch.nn.GroupNorm``.

    x (C, …, L), W (C,), b (C,) (Wu and He, 2018).

    Args:
        num_groups: the channels are cut into so many groups of equally many.
        eps: ε, which keeps a variance of 0 from being divided by.
        affine: whether W and b are trained; else they are 1 and 0.

    Raises:
        OptionError: an option is outside its range.
        ShapeError: the groups do not divide the channels.

    >>> from minicnn import Conv2d, Network
    >>> net = Network([Conv2d(6, 3), ("norm", GroupNorm(2))], (1, 8, 8), threads=1)
    >>> net.params["norm.W"].shape
    (6,)
    """

    num_groups: int
    eps: float = 1e-5
    affine: bool = True

    def __post_init__(self) -> None:
        count("GroupNorm", "num_groups", self.num_groups)
        number("GroupNorm", "eps", self.eps, 0, math.inf)
        flag("GroupNorm", "affine", self.affine)

    def plan(self, in_shape: Shape) -> Plan:
        """The shape stays."""
        if in_shape[0] % self.num_groups:
            what = f"expected a number of channels that {self.num_groups} groups divide, got {in_shape[0]}"
            raise ShapeError("GroupNorm", what, "change num_groups or the channels below it")
        return _planned(in_shape, self.num_groups, in_shape[:1] if self.affine else None, self.eps)


@dataclass(frozen=True)
class InstanceNorm2d(_ByImage):
    """``GroupNorm`` with a group for every channel, by default without W and b: ``torch.nn.InstanceNorm2d``.   x (C, H, W, L).

    Args:
        eps: as there.
        affine: whether there are W and b.

    Raises:
        OptionError: an option is outside its range.
        ShapeError: the input is not (C, H, W).
    """

    order: ClassVar[str] = "channels are inferred: give the options by name"

    eps: float = 1e-5
    affine: bool = False

    def __post_init__(self) -> None:
        number("InstanceNorm2d", "eps", self.eps, 0, math.inf)
        flag("InstanceNorm2d", "affine", self.affine)

    def plan(self, in_shape: Shape) -> Plan:
        """The shape stays; a channel has more than one pixel."""
        if len(in_shape) != 3:
            raise ShapeError("InstanceNorm2d", f"expected an input (C, H, W), got {in_shape}", "put it before Flatten")
        if prod(in_shape[1:]) == 1:
            what = f"expected channels of several pixels, as one is its own mean, got {in_shape}"
            raise ShapeError("InstanceNorm2d", what, "leave it out here")
        return _planned(in_shape, in_shape[0], in_shape[:1] if self.affine else None, self.eps)


@dataclass(frozen=True)
class LayerNorm(_ByImage):
    """``GroupNorm`` with one group for all of an image, and a W and a b for every number of it: ``torch.nn.LayerNorm``.

    x (…, L), W (…), b (…) (Ba, Kiros and Hinton, 2016).

    Args:
        eps: ε, which keeps a variance of 0 from being divided by.
        elementwise_affine: whether W and b are trained; else they are 1 and 0.
        bias: whether b is.

    Raises:
        OptionError: an option is outside its range.
    """

    order: ClassVar[str] = "the shape is inferred: give the options by name"

    eps: float = 1e-5
    elementwise_affine: bool = True
    bias: bool = True

    def __post_init__(self) -> None:
        number("LayerNorm", "eps", self.eps, 0, math.inf)
        flag("LayerNorm", "elementwise_affine", self.elementwise_affine)
        flag("LayerNorm", "bias", self.bias)

    def plan(self, in_shape: Shape) -> Plan:
        """The shape stays."""
        return _planned(in_shape, 1, in_shape if self.elementwise_affine else None, self.eps, self.bias)
