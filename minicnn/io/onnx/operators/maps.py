"""Maps in another shape, order or size."""

from __future__ import annotations

from ....errors import OptionError
from ....nn import Flatten, IndexSelect, Pad2d, Permute, Reshape, Resize, Upsample
from ....nn.window import sides
from .steps import Option, Place

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


def resize(at: Place, layer: Resize) -> str:
    """``Resize``, whose rules are the layer's; of size and scales it takes one."""
    options: dict[str, Option] = {"mode": layer.mode, "coordinate_transformation_mode": layer.coordinate_transformation_mode}
    options |= {"nearest_mode": layer.nearest_mode} if layer.mode == "nearest" else {"antialias": int(layer.antialias)}
    sizes = zip(at.out_shape[1:], at.in_shape[1:], strict=True)
    if layer.scales not in (None, tuple(out / size for out, size in sizes)):
        what = f"expected scales as size of y over size of x, as ONNX takes one of both alone, got {layer.scales}"
        raise OptionError(at.name, what, "leave scales out")
    return at.node("Resize", at.x, "", "", at.constant("sizes", at.out_shape[1:]), axes=[2, 3], **options)


def permute(at: Place, layer: Permute) -> str:
    """``Transpose``."""
    return at.node("Transpose", at.x, perm=[0, *(axis + 1 for axis in layer.dims)])


def index_select(at: Place, layer: IndexSelect) -> str:
    """``Gather`` of rows and of columns."""
    value = at.x
    for axis, name in ((2, "rows"), (3, "columns")):
        taken = getattr(layer, name)
        if taken is not None:
            value = at.node("Gather", value, at.constant(name, list(taken)), axis=axis)
    return value
