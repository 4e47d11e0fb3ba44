"""Softmax over the classes, its derivative, and its diagonal second derivative. A thread handles one lane.

Legend: x, y, dy, dx, hy, hx (D, L): D classes, L lanes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from ....arrays import Array, Number
from ..device.launch import images
from ..device.operation import Launch, launch, operation
from ..device.target import cuda, inline


@inline
def largest(x: Array, lane: int) -> Number:
    """max_d x[d, lane]."""
    D, L = x.shape
    top = x.flat[lane]
    for d in range(1, D):
        value = x.flat[d * L + lane]
        top = value if value > top else top
    return top


@inline
def softmax_lane(x: Array, lane: int, y: Array) -> None:
    """y[d] = e^(x[d] − m) / Σ_d e^(x[d] − m), m = max_d x[d], of one lane."""
    D, L = x.shape
    top, total = largest(x, lane), x.dtype.type(0)
    for d in range(D):
        power = math.exp(x.flat[d * L + lane] - top)
        y.flat[d * L + lane] = power
        total += power
    for d in range(D):
        y.flat[d * L + lane] = y.flat[d * L + lane] / total


def softmax_kernel(x: Array, y: Array) -> None:
    """y[d] = e^x[d] / Σ_c e^x[c]."""
    lane = cuda.grid(1)
    if lane < x.shape[1]:
        softmax_lane(x, lane, y)


def softmax_dx_kernel(y: Array, dy: Array, dx: Array) -> None:
    """dx[d] = y[d] (dy[d] − Σ_c y[c] dy[c])."""
    D, L = y.shape
    lane = cuda.grid(1)
    if lane < L:
        total = y.dtype.type(0)
        for d in range(D):
            total += y.flat[d * L + lane] * dy.flat[d * L + lane]
        for d in range(D):
            dx.flat[d * L + lane] = y.flat[d * L + lane] * (dy.flat[d * L + lane] - total)


def softmax_hx_kernel(y: Array, hy: Array, hx: Array) -> None:
    """hx[d] = y[d]² ((1 − 2 y[d]) hy[d] + Σ_c y[c]² hy[c])."""
    D, L = y.shape
    lane = cuda.grid(1)
    if lane < L:
        one, two = y.dtype.type(1), y.dtype.type(2)
        total = y.dtype.type(0)
        for d in range(D):
            total += y.flat[d * L + lane] * y.flat[d * L + lane] * hy.flat[d * L + lane]
        for d in range(D):
            p = y.flat[d * L + lane]
            hx.flat[d * L + lane] = p * p * ((one - two * p) * hy.flat[d * L + lane] + total)


@operation
def softmax(x: Array, y: Array) -> Iterator[Launch]:
    """y = e^x / Σ e^x over the D elements of each image."""
    yield launch(softmax_kernel, images(x.shape[1]), x, y)


@operation
def softmax_dx(y: Array, dy: Array, dx: Array) -> Iterator[Launch]:
    """dx = y · (dy − Σ dy·y)."""
    yield launch(softmax_dx_kernel, images(y.shape[1]), y, dy, dx)


@operation
def softmax_hx(y: Array, hy: Array, hx: Array) -> Iterator[Launch]:
    """hx = y² · ((1 − 2y) · hy + Σ y²·hy)."""
    yield launch(softmax_hx_kernel, images(y.shape[1]), y, hy, hx)
