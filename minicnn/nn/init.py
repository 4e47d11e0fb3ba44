"""How parameters start. All draw from the generator they are given, so a seed fixes a network.

Legend: ``fan_in`` is how many inputs a unit has, ``fan_out`` how many units an input feeds; both may be arrays that
broadcast to the parameter's shape, as the maps of a sparse convolution have different fan-ins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..arrays import Array, Shape

Fan = int | Array

Nested = tuple["float | Nested", ...]
"""Numbers in the form of an array."""


class Init(Protocol):
    """Anything that makes starting values: a function of a generator, a shape and the fans."""

    def __call__(self, rng: np.random.Generator, shape: Shape, fan_in: Fan, fan_out: Fan) -> Array:
        """Float64 values of the shape."""
        ...


def _uniform(rng: np.random.Generator, shape: Shape, bound: float | Array) -> Array:
    drawn: Array = rng.uniform(-1.0, 1.0, shape) * bound
    return drawn


@dataclass(frozen=True)
class Constant:
    """Every element is ``value``.

    >>> Constant(1.0)(np.random.default_rng(0), (2,), 1, 1)
    array([1., 1.])
    """

    value: float

    def __call__(self, rng: np.random.Generator, shape: Shape, fan_in: Fan, fan_out: Fan) -> Array:
        """The value everywhere."""
        return np.full(shape, self.value)


@dataclass(frozen=True)
class Values:
    """These numbers.

    >>> Values(((1.0, 2.0),))(np.random.default_rng(0), (1, 2), 1, 1)
    array([[1., 2.]])
    """

    values: Nested

    def __call__(self, rng: np.random.Generator, shape: Shape, fan_in: Fan, fan_out: Fan) -> Array:
        """The numbers, in the shape."""
        return np.array(self.values, np.float64).reshape(shape)


@dataclass(frozen=True)
class FanInUniform:
    """Uniform in ±gain/fan_in: the 1998 paper's rule with ``gain`` 2.4 (appendix A; there is no square root)."""

    gain: float = 2.4

    def __call__(self, rng: np.random.Generator, shape: Shape, fan_in: Fan, fan_out: Fan) -> Array:
        """Draw from ±gain/fan_in."""
        return _uniform(rng, shape, self.gain / np.asarray(fan_in))


@dataclass(frozen=True)
class LeCunNormal:
    """Normal with variance 1/fan_in (LeCun et al., *Efficient BackProp*, 1998, section 4.6)."""

    def __call__(self, rng: np.random.Generator, shape: Shape, fan_in: Fan, fan_out: Fan) -> Array:
        """Draw with standard deviation fan_in^-1/2."""
        return rng.standard_normal(shape) * np.sqrt(1.0 / np.asarray(fan_in))


@dataclass(frozen=True)
class GlorotUniform:
    """Uniform in ±√(6 / (fan_in + fan_out)) (Glorot and Bengio 2010, equation 16)."""

    def __call__(self, rng: np.random.Generator, shape: Shape, fan_in: Fan, fan_out: Fan) -> Array:
        """Draw from ±√(6 / (fan_in + fan_out))."""
        return _uniform(rng, shape, np.sqrt(6.0 / (np.asarray(fan_in) + np.asarray(fan_out))))


@dataclass(frozen=True)
class HeNormal:
    """Normal with variance 2/fan_in, for rectifiers (He et al. 2015, equation 10)."""

    def __call__(self, rng: np.random.Generator, shape: Shape, fan_in: Fan, fan_out: Fan) -> Array:
        """Draw with standard deviation √(2/fan_in)."""
        return rng.standard_normal(shape) * np.sqrt(2.0 / np.asarray(fan_in))


@dataclass(frozen=True)
class TorchDefault:
    """Uniform in ±1/√fan_in: what PyTorch's ``Conv2d`` and ``Linear`` do for weights and biases alike."""

    def __call__(self, rng: np.random.Generator, shape: Shape, fan_in: Fan, fan_out: Fan) -> Array:
        """Draw from ±fan_in^-1/2."""
        return _uniform(rng, shape, 1.0 / np.sqrt(np.asarray(fan_in)))
