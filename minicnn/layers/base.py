"""The layer contract: a layer is a frozen value that plans its arrays and states its passes over named arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from ..arrays import Shape
from ..options import Options
from ..plan import Plan


@dataclass(frozen=True)
class Layer(Options):
    """Base of all layers.

    A layer holds hyper-parameters and no arrays. Its methods run once, when a network is bound, and record kernel calls
    on ``k``; nothing in them depends on data, and one that computes is refused. **The signature is the contract**: every
    argument after ``k`` is bound by its name, from

    - ``x y dx dy``: input, output and their gradients, with lanes last; ``dx`` is None where nobody needs it;
    - ``lanes`` (int64[1], how many lanes are real), ``rng`` (uint64[4]: seed, step, layer, first image);
    - ``train`` (a bool): a layer that differs in training asks for it in both passes, as there is a backward pass of either;
    - the names of the plan: parameters, their gradients (``d`` + name), consts, derived, saved, work, state.

    A name with a default is bound where it exists. Activations and ``dx`` are **written**, gradients of parameters are
    **added**. The dead lanes of ``dy`` are exactly zero, and a layer keeps them so.

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

    least_wins: ClassVar[bool] = False
    """Whether its outputs are penalties, of which the smallest one names the class."""

    curvature: ClassVar[Callable[..., None] | None] = None
    """Record hx from hy, and add the curvatures of the parameters."""

    def plan(self, in_shape: Shape) -> Plan:
        """Shapes, parameters and buffers for an input of this shape; ShapeError where it does not fit."""
        raise NotImplementedError

    @property
    def label(self) -> str:
        """The layer's name in messages."""
        return type(self).__name__

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        LAYERS.append(cls)


LAYERS: list[type[Layer]] = []
"""Every layer class that was defined: the contract tests go through them."""
