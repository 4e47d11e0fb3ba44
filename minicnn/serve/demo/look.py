"""What a network makes of one image: the numbers of every stage, the strength of every link, and its answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...arrays import Array
from ...data.pixels import Pixels
from ...network import Network
from ...nn import RBF, Flatten, SparseConv2d
from ...train.classifier import Classifier
from .field import convolved
from .ink import SIDE
from .reading import read
from .stages import Stage, formula, grid, stages


@dataclass(frozen=True)
class Seen:
    """An image in a network.

    Attributes:
        image: (28, 28) uint8, as it was given.
        x: what the network reads, (1, H, W).
        values: what every stage shows, by its number.
    """

    image: Array
    x: Array
    values: list[Array]


class Viewer:
    """A classifier of grey pictures, looked into.

    Args:
        model: it, trained.

    """

    def __init__(self, model: Classifier) -> None:
        self.model, self.net = model, model.net
        self.stages = stages(model.net)
        self._reader = Network([Flatten()], model.net.in_shape, str(model.net.dtype), threads=1)
        # programs read a source where it lies, so that what changes stays in one place
        self._x = np.zeros((1, *model.net.in_shape), model.net.dtype)
        self._source = read(model, np.zeros((1, SIDE, SIDE), np.uint8))
        self._range = [float(self._read(np.full((SIDE, SIDE), level, np.uint8)).max()) for level in (0, 255)]

    def see(self, image: Array) -> Seen:
        """Send an image (28, 28) of uint8 through the network."""
        with self.net.atomic():
            return self._see(image)

    def _see(self, image: Array) -> Seen:
        self._x[0] = self._read(image)
        self.net.forward(self._x)
        values = [self.net.activation(stage.shown)[0] for stage in self.stages]
        return Seen(image, self._x[0].copy(), values)

    def taken_apart(self, image: Array, number: int) -> tuple[Seen, Array]:
        """``see``, with the numbers of a stage before its activation."""
        with self.net.atomic():
            seen = self._see(image)
            return seen, self.net.activation(self.stages[number].name)[0]

    def _read(self, image: Array) -> Array:
        """An image as numbers for the network, by its own preprocessing."""
        given = read(self.model, image[None])
        if isinstance(given, Pixels) and isinstance(self._source, Pixels):
            self._source.images[...] = given.images
            given = self._source
        return self._reader.predict(given).reshape(self.net.in_shape)

    def links(self, seen: Seen) -> dict[str, Array]:
        """For each stage with a table of connections the root mean square of what every link adds to its map."""
        found = {}
        for stage in self.stages:
            links = stage.links
            if links is not None and stage.source is not None:
                x = seen.x if stage.source < 0 else seen.values[stage.source]
                found[stage.name] = strengths(stage, links, x)
        return found

    def described(self) -> dict[str, object]:
        """The stages as JSON."""
        shown = []
        for stage in self.stages:
            plan, layer = stage.placed.plan, stage.placed.layer
            size = list(grid(stage.shape[0])) if len(stage.shape) == 1 else list(stage.shape[1:])
            shown.append(
                {
                    "name": stage.name,
                    "words": stage.words,
                    "activation": None if stage.activation is None else formula(stage),
                    "shape": list(stage.shape),
                    "grid": size,
                    "maps": stage.shape[0] if len(stage.shape) == 3 else 1,
                    "parameters": sum(int(np.prod(param.shape)) for param in plan.params.values()),
                    "connections": plan.connections,
                    "links": stage.links,
                    "source": stage.source,
                    "codes": codes(layer),
                    "penalty": bool(layer.least_wins),
                }
            )
        classes = [str(name) for name in np.asarray(self.model.classes)]
        return {
            "input": list(self.net.in_shape[1:]),
            "range": self._range,
            "stages": shown,
            "classes": classes,
            "parameters": int(self.net.params.flat.size),
        }


def codes(layer: object) -> list[list[int]] | None:
    """The codes that an output layer compares F6 with, if they are pictures of 84 numbers that stay as they are."""
    if isinstance(layer, RBF) and not layer.trainable and len(layer.centres[0]) == 84:
        return [[int(v > 0) for v in code] for code in layer.centres]
    return None


def strengths(stage: Stage, links: list[tuple[int, int]], x: Array) -> Array:
    """The root mean square of each link's own map, in the order of the links."""
    layer = stage.placed.layer
    W = np.asarray(stage.placed.shared["W"])
    if isinstance(layer, SparseConv2d):
        kernels = W[[kernel for _, _, kernel in layer.links]]
    else:
        kernels = np.stack([W[f, c % W.shape[1]] for f, c in links])
    maps = convolved(layer, x, [c for _, c in links], kernels)
    return np.asarray(np.sqrt((maps**2).mean(axis=(1, 2))), np.float32)
