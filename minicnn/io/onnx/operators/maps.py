"""Maps in another shape or size."""

from __future__ import annotations

from ....nn import Flatten, Pad2d, Reshape, Upsample
from ....nn.window import sides
from .steps import Place

MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge"}
"""Kinds of borders, by ours."""


def flatten(at: Place, layer: Flatten) -> str:
    """``Flatten``."""
    return at.node("Flatten", at.x)


def reshape(at: Place, layer: Reshape) -> str:
    """``Reshape``; 0 is the batch as it is."""
    return at.node("Reshape", at.x, at.constant("shape", [0, *at.out_shape]))


def pad(at: Place, layer: Pad2d) -> str:
    """``Pad``."""
    before, after = sides("Pad2d", "padding", layer.padding)
    return at.node("Pad", at.x, at.constant("pads", [0, 0, *before, 0, 0, *after]), mode=MODES[layer.mode])


def upsample(at: Place, layer: Upsample) -> str:
    """``Resize``."""
    if layer.mode == "nearest":
        options = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    else:
        way = "align_corners" if layer.align_corners else "half_pixel"
        options = {"mode": "linear", "coordinate_transformation_mode": way}
    return at.node("Resize", at.x, "", "", at.constant("sizes", at.out_shape[1:]), axes=[2, 3], **options)
