"""One number of a network taken apart, as JSON."""

from __future__ import annotations

import numpy as np

from ...arrays import Array
from .field import Place, fields, terms
from .frames import finite
from .look import Viewer
from .stages import formula

DIGITS = 6
"""So many significant digits the numbers of an answer have."""

MOST_PRODUCTS = 20_000
"""A sum of more products is not listed."""


def taken_apart(viewer: Viewer, image: Array, number: int, map: int, row: int, column: int) -> dict[str, object]:
    """Where a number comes from.

    Args:
        viewer: the network.
        image: (28, 28) uint8.
        number: of the stage.
        map: which map of it, or which unit of a vector.
        row: of the pixel.
        column: of the pixel.

    Returns:
        ``value``, and ``sum`` before the activation; ``terms`` and ``bias``, which add up to that, or None where the layer is
        no sum or has too many ``products``; and ``fields``, the receptive field on every stage below and on the input, under
        -1. A number that is not finite is None.
    """
    stage, place = viewer.stages[number], Place(map, row, column)
    seen, before, params = viewer.opened(image, number)
    values = seen.values[number]
    at = (map, row, column) if len(stage.shape) == 3 else (map,)
    value, total = (float(each.reshape(stage.shape)[at]) for each in (values, before))
    x = seen.x if stage.source in (-1, None) else seen.values[stage.source]
    found = None if stage.source is None else terms(stage, params, x, place)
    products = 0 if found is None else sum(term.products.size for term in found[0])
    said: dict[str, object] = {"value": finite(value), "sum": finite(total), "activation": formula(stage)}
    said |= {"products": products, "terms": None, "bias": 0.0}
    if found is not None and products <= MOST_PRODUCTS:
        said["terms"] = [
            {
                "map": term.map,
                "at": list(term.rectangle),
                "x": _listed(term.x),
                "weights": _listed(term.weights),
                "products": _listed(term.products),
                "sum": finite(term.products.sum()),
            }
            for term in found[0]
        ]
        said["bias"] = finite(found[1])
    size = (viewer.net.in_shape[1], viewer.net.in_shape[2])
    said["fields"] = {
        str(n): {"at": list(each.rectangle), "maps": each.maps}
        for n, each in fields(viewer.stages, number, place, size).items()
    }
    return said


def _listed(values: Array) -> list[list[float | None]]:
    """Numbers as short as they may be: they are there to be read."""
    return [[finite(float(f"{v:.{DIGITS}g}")) for v in row] for row in np.asarray(values, np.float64)]
