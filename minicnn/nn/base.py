"""The layer contract: what a layer asks for (shapes, parameters, buffers), and the passes that it states over named arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import ClassVar

import numpy as np

from ..arrays import Array, DType, Shape
from ..errors import Options, ShapeError
from .init import Fan, Init

RESERVED = ("x", "xs", "y", "dx", "dxs", "dy", "hx", "hy", "lanes", "train", "rng")
"""Names that the network itself binds; a plan may not use them."""

MOST = 2**40
"""So many numbers an array may have: more than memory holds, and few enough for every product of sizes in 64 bits."""


def check_size(shape: Shape) -> None:
    """Refuse an array that no memory holds."""
    if prod(shape) > MOST:
        what = f"expected arrays of at most 2^40 numbers, got one of shape {'×'.join(map(str, shape))}"
        raise ShapeError("plan", what, "make the layer or its input smaller")


@dataclass(frozen=True)
class Param:
    """A trained array. One that no memory holds raises ShapeError.

    Args:
        shape: its shape, without lanes.
        init: how it starts.
        fan_in: how many inputs a unit has; may be an array that broadcasts to the shape.
        fan_out: how many units an input feeds.
    """

    shape: Shape
    init: Init
    fan_in: Fan = 1
    fan_out: Fan = 1

    def __post_init__(self) -> None:
        check_size(self.shape)


@dataclass(frozen=True)
class Buffer:
    """An array that the network allocates for a layer. One that no memory holds raises ShapeError.

    Args:
        shape: its shape; in ``saved``, ``work`` and ``curvature`` the lanes of a group come as a further last axis.
        dtype: ``"float"`` for the network's own, or the name of a NumPy dtype.
        start: what an array of the state holds at first.
    """

    shape: Shape
    dtype: str = "float"
    start: float = 0.0

    def __post_init__(self) -> None:
        check_size(self.shape)

    def spec(self, dtype: DType, *lanes: int) -> Spec:
        """Shape and dtype in a network of that dtype, with so many lanes or without."""
        return (*self.shape, *lanes), dtype if self.dtype == "float" else np.dtype(self.dtype)


Spec = tuple[Shape, DType]
"""Shape and dtype of an array to be allocated."""


@dataclass(frozen=True)
class Plan:
    """What a layer asks for, given the shape of its input. A reserved name raises ContractError in ``Network``.

    Args:
        out_shape: shape of its output, without lanes.
        params: trained arrays. The gradient of ``W`` is called ``dW``.
        consts: arrays that never change; floats are cast to the network's dtype.
        derived: made from the parameters by the layer's ``prepare`` before every pass; shared by threads, so without lanes.
        saved: written by forward, read by backward.
        work: used inside one call only; layers share the memory.
        curvature: used inside the curvature pass only; there is memory for it only where a curvature is asked for.
        measured: the measurements of a group, without lanes; names begin with ``row``. ``rows`` + the rest
            of the name holds those of all groups.
        merged: written from that once for the batch. Where a pass measures nothing, ``running_`` + its name stands for it.
        state: persists over passes and is not trained; written in ``prepare`` and ``track`` only, as threads share it.
        connections: how many multiplications by a parameter and additions of one an image takes (the paper's count).
        inplace: y may be written over x, and dx over dy, where nobody else needs them.
        view: forward and backward do nothing; y is x, and dx is dy, in another shape.
        images: a training batch must hold so many.
    """

    out_shape: Shape
    params: Mapping[str, Param] = field(default_factory=dict)
    consts: Mapping[str, Array] = field(default_factory=dict)
    derived: Mapping[str, Buffer] = field(default_factory=dict)
    saved: Mapping[str, Buffer] = field(default_factory=dict)
    work: Mapping[str, Buffer] = field(default_factory=dict)
    curvature: Mapping[str, Buffer] = field(default_factory=dict)
    measured: Mapping[str, Buffer] = field(default_factory=dict)
    merged: Mapping[str, Buffer] = field(default_factory=dict)
    state: Mapping[str, Buffer] = field(default_factory=dict)
    connections: int = 0
    inplace: bool = False
    view: bool = False
    images: int = 1

    def __post_init__(self) -> None:
        check_size(self.out_shape)


@dataclass(frozen=True)
class Layer(Options):
    """Base of all layers.

    A layer holds hyper-parameters and no arrays. Its methods run once, when a network is bound, and record kernel calls
    on ``k``; nothing in them depends on data, and one that computes is refused. **The signature is the contract**: every
    argument after ``k`` is bound by its name, from

    - ``x y dx dy``: input, output and their gradients, with lanes last; ``dx`` is None where nobody needs it;
    - ``xs dxs`` for a layer that joins several inputs: all of them in order, and their gradients;
    - ``lanes`` (int64[1], how many lanes are real), ``rng`` (uint64[4]: seed, step, layer, first image);
    - ``train`` (a bool): a layer that differs in training asks for it in both passes, as there is a backward pass of either;
    - the names of the plan: parameters, their gradients (``d`` + name), consts, derived, saved, work, state.

    A name with a default is bound where it exists. Activations and ``dx`` are **written**, gradients of parameters are
    **added**. The padding lanes of ``dy`` are exactly zero, and a layer keeps them so.

    A third pass, ``curvature``, is optional: from ``hy``, the diagonal of the second derivatives by y, it writes
    hx_j = Σ_k (∂y_k/∂x_j)² hy_k and adds hW_i = Σ_k (∂y_k/∂W_i)² hy_k (Gauss and Newton: LeCun et al. 1998, appendix C). It
    binds by name as backward does, and beside that

    - ``hx hy`` and ``hW``, ``hb``, … (``h`` + a parameter's name), to which the same holds as to ``dx dy dW db``;
    - ``x2``, and the name of any parameter, derived or saved array with a 2 behind it: its elementwise square;
    - the plan's buffers ``curvature``.

    For a linear layer it is the backward pass over squares.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Twice(Layer):
    ...     '''y = x + x.'''
    ...     def plan(self, in_shape):
    ...         return Plan(out_shape=in_shape)
    ...     def forward(self, k, x, y):
    ...         k.zero(y); k.add(x, y); k.add(x, y)
    ...     def backward(self, k, dy, dx):
    ...         if dx is not None:
    ...             k.zero(dx); k.add(dy, dx); k.add(dy, dx)
    """

    forward: ClassVar[Callable[..., None]]
    """Record y from x."""
    backward: ClassVar[Callable[..., None]]
    """Record dx from dy, and add the gradients of the parameters."""
    prepare: ClassVar[Callable[..., None] | None] = None
    """Record how ``derived`` follows from the parameters; runs before every pass."""

    measure: ClassVar[Callable[..., None] | None] = None
    """Record the measurements of a group's images, before ``forward``; only where ``measures`` says so."""
    merge: ClassVar[Callable[..., None] | None] = None
    """Record what follows from the measurements of all groups; it runs once, when all have written theirs."""
    track: ClassVar[Callable[..., None] | None] = None
    """Record what training keeps of it, behind ``merge``."""
    measure_back: ClassVar[Callable[..., None] | None] = None
    """Record the measurements of a group's gradients, before ``backward``."""
    merge_back: ClassVar[Callable[..., None] | None] = None
    """Record what follows from that, for ``backward``."""

    joins: ClassVar[bool] = False
    """Whether it reads several inputs; ``plan`` is given the shape of each then."""

    hands_on: ClassVar[bool] = False
    """Whether dx of everything that it reads is dy itself, which may then lie in one place."""

    normalizes: ClassVar[bool] = False
    """Whether its parameters are the scale and shift of a normalisation, which weight decay often leaves out."""

    least_wins: ClassVar[bool] = False
    """Whether its outputs are penalties, of which the smallest one names the class."""

    curvature: ClassVar[Callable[..., None] | None] = None
    """Record hx from hy, and add the curvatures of the parameters."""

    def plan(self, in_shape: Shape) -> Plan:
        """Shapes, parameters and buffers for an input of this shape; ShapeError where it does not fit."""
        raise NotImplementedError

    def measures(self, train: bool) -> bool:
        """Whether a pass needs the measurements of all groups of a batch."""
        return False

    @property
    def label(self) -> str:
        """The layer's name in messages."""
        return type(self).__name__

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if "backward" in vars(cls) and "hands_on" not in vars(cls):
            cls.hands_on = False  # another backward pass than that of the layer it is made from
        LAYERS.append(cls)


LAYERS: list[type[Layer]] = []
"""Every layer class that was defined: the contract tests go through them."""
