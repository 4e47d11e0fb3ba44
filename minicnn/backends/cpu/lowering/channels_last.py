"""Inference for one image with its numbers pixel by pixel, (H, W, C), so that vectors hold channels or filters.

Convolutions, pools, sums and activation functions of a pass are replaced by the kernels of ``channels_last/``. What they hand
on to each other lies in frames (``frames.py``). For the other calls a map is copied to where they look for it, as late as
possible, so that most never are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod

import numpy as np

from ....arrays import Array, same
from ...convolution import WIDE
from ...program import SOLE_READER, Call, Kernel
from ...workspace import Workspace
from ..channels_last import conv, pack, winograd
from ..channels_last.maps import (
    add_maps,
    avg_pool_channels_last,
    concat_channels_last,
    from_channels_last,
    max_pool_channels_last,
    to_channels_last,
)
from ..compile.host import HOST
from ..tiles.activation import NONE, RELU
from .frames import Framed, Frames, framed, sides_of
from .rewrite import activation_of

WORTH = 32
"""So many multiply-adds are worth one number that is copied."""

ENOUGH = 16
"""Convolutions of fewer filters are as fast with vectors along the rows of a map."""

ROWS = 1.5
"""Vectors along rows take so many times as long for as many products, with the copy of the map that follows."""

HALVES = (2, 2, 2, 2, 0, 0, 1, 1)

KEEP_ZERO = {"relu", "tanh", "scaled_tanh", "leaky_relu", "hardswish", "elu", "gelu", "swish", "mish"}
"""Activation functions f with f(0) = 0: they can be applied to a whole frame."""


def lowered(calls: Sequence[Call], workspace: Workspace, results: Sequence[Array] | None) -> list[Call]:
    """The same pass, with these kernels where they are faster.

    Args:
        calls: the recorded calls.
        workspace: makes packed weights, and has memory for temporary arrays.
        results: what is read after the pass; None where that may be anything.
    """
    given = calls[0].arrays[0] if calls and calls[0].arrays else None
    if results is None or given is None or given.shape[-1] != 1 or given.dtype != np.float32:
        return list(calls)
    made = Pass(calls, workspace).run(results)
    return made if pays(made) else list(calls)


def pays(calls: Sequence[Call]) -> bool:
    """Whether convolutions of many filters are worth the maps that are copied for them, and for the other calls."""
    found = sum(products(call) for call in calls if convolves(call) and len(call.recorded[0].arrays[1]) >= ENOUGH)
    copied = sum(call.arrays[2].size for call in calls if call.name in ("to_channels_last", "from_channels_last"))
    return bool(found > WORTH * copied)


def convolves(call: Call) -> bool:
    """Whether a call is a convolution by a kernel of this kind."""
    return "_channels_last" in call.name and [one.name for one in call.recorded[:1]] == ["conv2d"]


def products(call: Call) -> int:
    """How many multiply-adds a convolution has by its definition."""
    _, W, _, _, y = call.recorded[0].arrays
    return int(W.size * y[0].size)


def supported(call: Call, workspace: Workspace) -> bool:
    """Whether there is a kernel here for a convolution."""
    x, W, b, _, y = call.arrays
    whole = W.shape[1] == len(x) or by_itself(x, W, y)
    auto = call.options.get("algorithm", "auto") == "auto" and y[0].size > 1
    top, left, bottom, right = sides_of(x, [call])
    wide = (top + bottom + x.shape[1]) * (left + right + x.shape[2]) > WIDE * (x[0].size + y[0].size)
    plain = W.flags.c_contiguous and b.flags.c_contiguous and workspace.derived.follows(W)
    return whole and auto and plain and not wide


def by_itself(x: Array, W: Array, y: Array) -> bool:
    """Whether each filter reads one channel, its own."""
    return W.shape[1] == 1 and len(W) == len(x) == len(y) > 1


def by_rows(call: Call) -> bool:
    """Whether vectors along the rows of a map leave so much less empty than vectors of filters that a copy of it pays."""
    _, W, _, window, y = call.arrays
    filters, columns = len(W), y.shape[2]
    return bool(window[3] == 1 and ROWS * filters * filled(columns) < filled(filters) * columns)


def by_winograd(window: Array, depth: int, filters: int) -> bool:
    """Whether Winograd's transforms pay for a convolution."""
    plain = tuple(window[:4]) == (3, 3, 1, 1) and tuple(window[6:]) == (1, 1)
    return plain and depth % winograd.STEPS == 0 and min(depth, filters) >= winograd.FEWEST


def filled(channels: int) -> int:
    """So many channels filled up to whole vectors."""
    return conv.vectors_of(channels) * HOST.width(4)


class Pass:
    """A pass on its way into these kernels.

    Args:
        calls: the recorded calls.
        workspace: makes packed weights, and has memory for temporary arrays.
    """

    def __init__(self, calls: Sequence[Call], workspace: Workspace) -> None:
        self._calls, self._workspace = calls, workspace
        self._frames, self._done, self._where = Frames(), list[Call](), ""
        self._rules = {"conv2d": self._conv2d, "add": self._add, "copy": self._copy}
        self._rules |= dict.fromkeys(("max_pool", "avg_pool"), self._pool) | dict.fromkeys(KEEP_ZERO, self._elementwise)

    def run(self, results: Iterable[Array]) -> list[Call]:
        """The calls that do what those of the pass say.

        Args:
            results: what is read afterwards.
        """
        at = 0
        while at < len(self._calls):
            call = self._calls[at]
            self._where, rule = call.where, self._rules.get(call.name)
            taken = 0 if rule is None else rule(at)
            if not taken:
                self._bring_back(call.arrays)
                self._done.append(call)
                self._frames.forget(call.arrays)
            at += max(1, taken)
        self._bring_back(results)
        return self._done

    def _make(self, taken: Sequence[Call], kernel: Kernel, *arrays: Array) -> None:
        """Call a kernel in the place of recorded calls."""
        name = " + ".join([kernel.__name__, *(call.name for call in taken[1:])])
        does = tuple(one for call in taken for one in call.recorded)
        self._done.append(Call(self._where, name, kernel, arrays, replaces=does))

    def _bring_back(self, arrays: Iterable[Array]) -> None:
        """Copy maps that other calls read to where they look for them."""
        for each in self._frames.missing(arrays):
            self._make((), from_channels_last, each.frame, np.array(each.corner), each.array)

    def _read(self, at: int, array: Array, depth: int) -> Framed:
        """The frame that holds a map, which is copied into one if none does."""
        found = self._frames.find_map(array)
        if found is None:
            self._bring_back([array])
            found = framed(array, depth, self._calls[at:])
            if not found.is_view:
                self._make((), to_channels_last, array, found.area, found.frame)
            self._frames.copied(found)
        return found

    def _spent(self, call: Call, source: Framed) -> None:
        """A call reads a map, which nobody may need after it."""
        if SOLE_READER.items() <= call.options.items():
            self._frames.forget([source.array])

    def _call_at(self, at: int) -> Call | None:
        return self._calls[at] if at < len(self._calls) else None

    def _activation(self, at: int, y: Array) -> int:
        """The number of the activation function that is applied to y next."""
        call = self._call_at(at)
        return NONE if call is None or not call.arrays else activation_of(call, y)

    def _conv2d(self, at: int) -> int:
        """A convolution, and what may follow it: an activation function, maxima of 2 × 2."""
        call = self._calls[at]
        x, W, _, _, y = call.arrays
        known, alone, out = self._frames.find_map(x), by_itself(x, W, y), y
        if not supported(call, self._workspace) or (alone and known is not None and known.depth % HOST.width(4)):
            return 0
        if known is None and not alone and by_rows(call):
            return 0
        kind = self._activation(at + 1, y)
        count = 1 if kind == NONE else 2
        following = self._call_at(at + count)
        if following is not None and not alone and halved(following, y) and not self._winners_are_read(following):
            out, count = following.arrays[2], count + 1
            if kind == NONE and self._activation(at + count, out) == RELU:  # which commutes with a maximum
                kind, count = RELU, count + 1
        source = self._read(at, x, filled(len(x)) if alone or len(x) >= HOST.width(4) else len(x))
        self._spent(call, source)
        taken = self._calls[at : at + count]
        if alone:
            self._depthwise(taken, source, kind)
        elif by_winograd(call.arrays[3], source.depth, len(y)):
            self._winograd(taken, source, out, kind)
        else:
            self._direct(taken, source, out, kind)
        return count

    def _depthwise(self, taken: Sequence[Call], source: Framed, kind: int) -> None:
        _, W, b, window, y = taken[0].arrays
        target = self._target(y, source.depth)
        packed, bias = self._packed(pack.pack_depthwise, W, b, (*W.shape[2:], source.depth), source.depth)
        _, KW, _, stride, _, _, _, dilation = window.tolist()
        kernel = conv.depthwise_conv2d(conv.pixels_for(y.shape[2], KW), KW, stride, dilation, kind)
        self._make(taken, kernel, source.frame, packed, bias, inside(window, source), target.area, target.frame)
        self._frames.written(target)

    def _direct(self, taken: Sequence[Call], source: Framed, out: Array, kind: int) -> None:
        _, W, b, window, y = taken[0].arrays
        pooled = out is not y
        band = (2 if pooled else y.shape[1]) * (2 * out.shape[2] if pooled else y.shape[2])
        m, n = conv.tile_for(len(y), band)
        size, numbers = m * HOST.width(4), conv.numbers_for(W.shape[1], source.depth)
        steps = conv.steps_for(numbers * (W.shape[3] if window[7] == 1 and numbers == source.depth else 1))
        blocks = -(-len(y) // size)
        target = self._target(out, blocks * size)
        packed, bias = self._packed(pack.pack_channels_last, W, b, (blocks, *W.shape[2:], numbers, size), target.depth)
        rows = self._workspace.temporary((band if pooled else 0, size), y.dtype)
        area = np.array([*covered(target, pooled), conv.span_for(packed, pooled)])
        arrays = source.frame, packed, bias, inside(window, source), area, rows, target.frame
        self._make(taken, conv.conv2d(m, n, steps, pooled, kind), *arrays)
        self._frames.written(target)

    def _winograd(self, taken: Sequence[Call], source: Framed, out: Array, kind: int) -> None:
        _, W, b, window, y = taken[0].arrays
        pooled = out is not y
        patches = prod(out.shape[1:3] if pooled else ((side + 1) // 2 for side in y.shape[1:3]))
        together = winograd.patches_at_once(patches)
        m, n = conv.tile_for(len(y), together)
        size, w = m * HOST.width(4), HOST.width(4)
        blocks = -(-len(y) // size)
        target = self._target(out, blocks * size)
        packed, bias = self._packed(winograd.pack_winograd, W, b, (blocks, 16, source.depth, size), target.depth)
        both = self._workspace.temporary((16 * (together * (source.depth + size) + 2 * w),), y.dtype)
        V, M = both[: 16 * (together * source.depth + w)], both[16 * (together * source.depth + w) :]
        corner = inside(window, source)[4:6].copy()
        arrays = source.frame, W, packed, bias, corner, covered(target, pooled), V.reshape(16, -1), M.reshape(16, -1)
        self._make(taken, winograd.winograd(m, n, pooled, kind), *arrays, target.frame)
        self._frames.written(target)

    def _target(self, y: Array, depth: int) -> Framed:
        """A frame for what a call writes."""
        return framed(y, depth, self._calls)

    def _packed(self, kernel: Kernel, W: Array, b: Array, shape: tuple[int, ...], depth: int) -> tuple[Array, Array]:
        """Weights and biases as a kernel reads them."""
        packed, bias, _ = self._workspace.derived.several(self._where, kernel, (W, b), (shape, (depth,), (W.size + b.size,)))
        return packed, bias

    def _pool(self, at: int) -> int:
        """A pool of a map that is in a frame."""
        call = self._calls[at]
        x, window, y = call.arrays[:3]
        source = self._frames.find_map(x)
        if source is None or source.depth % HOST.width(4) or self._winners_are_read(call):
            return 0
        self._spent(call, source)
        target = self._target(y, source.depth)
        kernel = max_pool_channels_last if call.name == "max_pool" else avg_pool_channels_last
        self._make([call], kernel, source.frame, source.area, window, target.area, target.frame)
        self._frames.written(target)
        return 1

    def _winners_are_read(self, pool: Call) -> bool:
        """Whether another call reads which pixels a pool took, which these kernels do not say."""
        argmax = pool.arrays[3:]
        return any(call.given(array) for array in argmax for call in self._calls if call is not pool)

    def _copy(self, at: int) -> int:
        """y = x, y += other, and an activation function that may follow; or copies that fill another map."""
        x, y = self._calls[at].arrays
        adding = self._call_at(at + 1)
        if adding is None or adding.name != "add" or not same(adding.arrays[1], y):
            return self._concat(at)
        return self._sum(at, 2, x, adding.arrays[0], y)

    def _concat(self, at: int) -> int:
        """Copies of maps in frames to parts of another map, one behind the other."""
        copies: list[tuple[Call, Framed]] = []
        start, size = self._calls[at].arrays[1].ctypes.data, 0
        for call in self._calls[at:]:
            source = self._frames.find_map(call.arrays[0]) if call.name == "copy" else None
            if source is None or call.arrays[1].ctypes.data != start + size:
                break
            copies.append((call, source))
            size += call.arrays[1].nbytes
        read = (array for call in self._calls[at + len(copies) :] for array in call.arrays)
        whole = next((y for y in read if y.ndim == 4 and y.ctypes.data == start and y.nbytes == size), None)
        if len(copies) < 2 or whole is None or any(each.array.shape[1:] != whole.shape[1:] for _, each in copies):
            return 0
        target, first = self._target(whole, filled(len(whole))), 0
        for call, source in copies:
            self._spent(call, source)
            part, corner = np.array([first, len(source.array)]), np.array(source.corner)
            self._make([call], concat_channels_last, source.frame, corner, target.area, part, target.frame)
            first += len(source.array)
        self._frames.written(target)
        return len(copies)

    def _add(self, at: int) -> int:
        """y += x, and an activation function that may follow."""
        x, y = self._calls[at].arrays
        return self._sum(at, 1, y, x, y)

    def _sum(self, at: int, count: int, x: Array, other: Array, y: Array) -> int:
        left, right = self._frames.find(x), self._frames.find(other)
        if left is None or right is None or left.array.shape != right.array.shape:
            return 0
        if left.depth != right.depth or left.depth % HOST.width(4):
            return 0
        kind = self._activation(at + count, y)
        count += kind != NONE
        target = self._target(y.reshape(left.array.shape), left.depth)
        arrays = left.frame, np.array(left.corner), right.frame, np.array(right.corner), target.area, target.frame
        self._make(self._calls[at : at + count], add_maps(kind), *arrays)
        self._frames.written(target)
        return count

    def _elementwise(self, at: int) -> int:
        """An activation function, applied in place to a whole frame."""
        call = self._calls[at]
        x, *options, y = call.arrays
        source = self._frames.find(x)
        if source is None or not same(x, y):
            return 0
        self._done.append(Call(self._where, call.name, call.kernel, (source.frame, *options, source.frame), replaces=(call,)))
        self._frames.written(source)
        return 1


def halved(call: Call, y: Array) -> bool:
    """Whether a call takes the maxima of 2 × 2 of a map that nobody else reads; none of them reaches beyond it."""
    pool = call.name == "max_pool" and same(call.arrays[0], y) and SOLE_READER.items() <= call.options.items()
    whole = pool and tuple(call.arrays[1]) == HALVES
    return whole and all(2 * half <= side for half, side in zip(call.arrays[2].shape[1:3], y.shape[1:3], strict=True))


def inside(window: Array, source: Framed) -> Array:
    """A window with the pixel of a frame that its first tap meets in place of the padding."""
    return np.array([*window[:4], *(np.array(source.corner) - window[4:6]), *window[6:]])


def covered(target: Framed, pooled: bool) -> Array:
    """The area of what is convolved for a map, which may be the maxima of it."""
    rows, columns, top, left = target.area.tolist()
    return np.array([rows << pooled, columns << pooled, top, left])
