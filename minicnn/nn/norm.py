"""Batch normalisation: every channel by the mean and variance that it has in the whole batch (Ioffe and Szegedy, 2015)."""

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
from .views import by_channel


@dataclass(frozen=True)
class _BatchNorm(Layer):
    order: ClassVar[str] = "channels are inferred: give the options by name"
    shapes: ClassVar[str]
    axes: ClassVar[tuple[int, ...]]
    normalizes: ClassVar[bool] = True

    eps: float = 1e-5
    momentum: float | None = 0.1
    affine: bool = True
    track_running_stats: bool = True

    def __post_init__(self) -> None:
        number(self.label, "eps", self.eps, 0, math.inf)
        if self.momentum is not None:
            number(self.label, "momentum", self.momentum, 0, 1, "[]")
        flag(self.label, "affine", self.affine)
        flag(self.label, "track_running_stats", self.track_running_stats)

    def plan(self, in_shape: Shape) -> Plan:
        """The shape stays; a training batch must hold two numbers of each channel."""
        if len(in_shape) not in self.axes:
            raise ShapeError(
                self.label, f"expected an input {self.shapes}, got {in_shape}", "put it where its input has that shape"
            )
        channels = in_shape[0]
        ones, zeros = Param((channels,), Constant(1.0)), Param((channels,), Constant(0.0))
        own, two = Buffer((channels,)), Buffer((2, channels))
        doubles, row = (Buffer((n, channels), "float64") for n in (2, 3))
        consts = {"eps": np.array([float(self.eps)])}
        consts |= {"momentum": np.array([-1.0 if self.momentum is None else float(self.momentum)])}
        consts |= {} if self.affine else {"W": np.ones(channels), "b": np.zeros(channels)}
        tracked = {"running_mean": own, "running_var": Buffer((channels,), start=1.0)}
        tracked["num_batches_tracked"] = Buffer((), "int64")
        return Plan(
            in_shape,
            params={"W": ones, "b": zeros} if self.affine else {},
            consts=consts,
            derived={"running_stats": two, "running_means": doubles} if self.track_running_stats else {},
            measured={"row": row, "row_back": row},
            merged={"moments": doubles, "stats": two, "means": doubles},
            state=tracked if self.track_running_stats else {},
            inplace=True,
            images=2 if prod(in_shape[1:]) == 1 else 1,
        )

    def measures(self, train: bool) -> bool:
        """In training; without running statistics always."""
        return train or not self.track_running_stats

    def prepare(
        self,
        k: Kernels,
        eps: Array,
        running_mean: Array | None = None,
        running_var: Array | None = None,
        running_stats: Array | None = None,
    ) -> None:
        """running_stats = running mean and 1/√(running var + ε)."""
        if running_mean is not None and running_var is not None and running_stats is not None:
            k.fixed_stats(running_mean, running_var, eps, running_stats)

    def track(
        self,
        k: Kernels,
        rows: Array,
        moments: Array,
        momentum: Array,
        running_mean: Array | None = None,
        running_var: Array | None = None,
        num_batches_tracked: Array | None = None,
    ) -> None:
        """The running statistics follow those of the batch."""
        if running_mean is not None and running_var is not None and num_batches_tracked is not None:
            k.track_moments(rows, moments, momentum, running_mean, running_var, num_batches_tracked.reshape(1))

    def measure(self, k: Kernels, x: Array, lanes: Array, row: Array) -> None:
        """row = n, mean x and Σ (x − mean x)² of a group."""
        k.channel_moments(by_channel(x), lanes, row)

    def merge(self, k: Kernels, rows: Array, eps: Array, moments: Array, stats: Array) -> None:
        """stats = mean x and 1/√(var x + ε) over the batch."""
        k.merge_moments(rows, eps, moments, stats)

    def forward(self, k: Kernels, x: Array, stats: Array, W: Array, b: Array, y: Array) -> None:
        """y = W · x̂ + b."""
        k.normalize(by_channel(x), stats, W, b, by_channel(y))

    def measure_back(
        self,
        k: Kernels,
        x: Array,
        dy: Array,
        stats: Array,
        lanes: Array,
        row_back: Array,
        dW: Array | None = None,
        db: Array | None = None,
    ) -> None:
        """row_back = n, Σ dy and Σ dy·x̂ of a group; db += Σ dy, dW += Σ dy·x̂."""
        k.normalize_sums(by_channel(x), by_channel(dy), stats, lanes, row_back)
        if dW is not None and db is not None:
            k.add_sums(row_back, dW, db)

    def merge_back(self, k: Kernels, rows_back: Array, means: Array) -> None:
        """means = the means of dy and of dy·x̂ over the batch."""
        k.merge_sums(rows_back, means)

    def backward(
        self, k: Kernels, x: Array, dy: Array, stats: Array, W: Array, means: Array, lanes: Array, dx: Array | None
    ) -> None:
        """dx = W/√(var x + ε) · (dy − mean dy − x̂ · mean dy·x̂)."""
        if dx is not None:
            k.normalize_dx(by_channel(x), by_channel(dy), stats, W, means, lanes, by_channel(dx))


@dataclass(frozen=True)
class BatchNorm2d(_BatchNorm):
    """y = W · x̂ + b, x̂ = (x − mean x)/√(var x + ε), by channel: ``torch.nn.BatchNorm2d``.   x (C, H, W, L).

    In training mean and variance are those of the whole batch, whatever its size and the number of threads; else the
    running ones, which follow r += momentum · (mean or unbiased variance of the batch − r).

    Args:
        eps: ε, which keeps a variance of 0 from being divided by.
        momentum: how far a batch moves the running statistics; None for the mean over all batches.
        affine: whether W and b are trained; else they are 1 and 0.
        track_running_stats: whether there are running statistics; else a batch is normalised by its own in any case.

    Raises:
        OptionError: an option is outside its range.
        ShapeError: the input is not (C, H, W).

    >>> from minicnn import Conv2d, Network
    >>> net = Network([Conv2d(6, 3, bias=False), ("norm", BatchNorm2d())], (1, 8, 8), threads=1)
    >>> list(net.params)
    ['0.W', 'norm.W', 'norm.b']
    """

    shapes: ClassVar[str] = "(C, H, W)"
    axes: ClassVar[tuple[int, ...]] = (3,)


@dataclass(frozen=True)
class BatchNorm1d(_BatchNorm):
    """``BatchNorm2d`` for vectors and sequences: ``torch.nn.BatchNorm1d``.   x (C, L) or (C, W, L).

    Args:
        eps: as there.
        momentum: as there.
        affine: as there.
        track_running_stats: as there.

    Raises:
        OptionError: an option is outside its range.
        ShapeError: the input is not (C,) or (C, W).
    """

    shapes: ClassVar[str] = "(C,) or (C, W)"
    axes: ClassVar[tuple[int, ...]] = (1, 2)
