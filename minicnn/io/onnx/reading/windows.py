"""Where windows lie, by ONNX's rules: padding of each side, and how many places there are."""

from __future__ import annotations

from dataclasses import dataclass

from .node import Node

KINDS = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")


@dataclass(frozen=True)
class Along:
    """A window along one axis.

    Attributes:
        size: pixels of the map.
        kernel, stride, dilation: of the window.
        before, after: background before and behind the map.
        places: how many places it has.
    """

    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int
    places: int

    @property
    def reach(self) -> int:
        """Pixels from its first tap to its last, with both."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def needed(self) -> int:
        """How much background behind the map the last place needs: less than nothing where it ends before the map does."""
        return (self.places - 1) * self.stride + self.reach - self.before - self.size

    @property
    def even(self) -> bool:
        """Whether there is as much background on both sides, at most half a window, as pools of a layer have it."""
        return self.before == self.after and 2 * self.before <= self.kernel


def along(node: Node, size: tuple[int, ...], kernel: list[int], ceil: bool = False) -> list[Along]:
    """The window of a node along each axis of its map.

    Raises:
        DataError: its attributes are no window's, or it has no place on the map.
    """
    axes = len(size)
    strides, dilations = node.sizes("strides", axes, 1), node.sizes("dilations", axes, 1)
    pads, kind = node.sizes("pads", 2 * axes, 0), node.text("auto_pad", "NOTSET", KINDS)
    if len(kernel) != axes or min((*kernel, *strides, *dilations), default=0) < 1:
        node.refuse(f"kernel, strides and dilations of {axes} whole numbers of at least 1", f"{kernel}, {strides}, {dilations}")
    found = []
    for at, (n, k, s, d) in enumerate(zip(size, kernel, strides, dilations, strict=True)):
        before, after, reach = pads[at], pads[axes + at], d * (k - 1) + 1
        if kind in ("SAME_UPPER", "SAME_LOWER"):
            total = max((-(-n // s) - 1) * s + reach - n, 0)
            before = total // 2 if kind == "SAME_UPPER" else total - total // 2
            after = total - before
        elif kind == "VALID":
            before = after = 0
        extent = n + before + after - reach
        places = extent // s + 1
        if ceil and extent % s and places * s < n + before:
            places += 1
        if places < 1:
            node.refuse(
                f"a map of at least {reach} pixels along axis {2 + at}, the reach of its window", f"{n + before + after}"
            )
        found.append(Along(n, k, s, d, before, after, places))
    return found
