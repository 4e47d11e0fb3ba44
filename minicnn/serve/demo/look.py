"""What a network makes of one image: the numbers of every stage, the strength of every link, and its answer."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from ...arrays import Array
from ...data.pixels import Pixels
from ...engine.graph import items_of
from ...models.lenet import TABLE_I
from ...network import Network
from ...nn import RBF, Flatten, SparseConv2d
from ...train.classifier import Classifier
from .field import windows
from .ink import SIDE
from .reading import read
from .stages import VIEWS, Stage, formula, grid, stages


@dataclass(frozen=True)
class Seen:
    """An image in a network.

    Attributes:
        x: what the network reads, (1, H, W).
        values: what every stage shows, by its number.
    """

    x: Array
    values: list[Array]


class Viewer:
    """A classifier of grey pictures, looked into; several threads may look.

    Args:
        model: it, trained or in training.
    """

    def __init__(self, model: Classifier) -> None:
        net = model.net
        self.model, self.net, self.stages = model, net, stages(net)
        self._lock = threading.Lock()
        # one pass of a network whose outputs are all stages takes a tenth of forward() with activation() for each
        layers = list(net.layers)
        while len(layers) > 1 and isinstance(layers[-1].layer, VIEWS):  # it has no numbers of its own to give out
            layers.pop()
        items, shown = items_of(layers, net.in_shapes), [stage.shown for stage in self.stages]
        self._open = Network(items, net.in_shape, str(net.dtype), threads=1, outputs=shown)
        self._steps = -1
        self._reader = Network([Flatten()], net.in_shape, str(net.dtype), threads=1)
        # programs read a source where it lies, so that what changes stays in one place
        self._x = np.zeros((1, *net.in_shape), net.dtype)
        self._source = read(model, np.zeros((1, SIDE, SIDE), np.uint8))
        self._range = [float(self._read(np.full((SIDE, SIDE), level, np.uint8)).max()) for level in (0, 255)]

    def see(self, image: Array) -> Seen:
        """Send an image (28, 28) of uint8 through the network."""
        with self._lock:
            if self._steps != self.net.steps:
                with self.net.atomic():  # it may be in training
                    self._steps = self.net.steps
                    self._open.load_params({**self.net.params, **self.net.state})
            self._x[0] = self._read(image)
            found = self._open.predict_outputs(self._x)
            return Seen(self._x[0].copy(), [found[stage.shown][0] for stage in self.stages])

    def opened(self, image: Array, number: int) -> tuple[Seen, Array, dict[str, Array]]:
        """An image in the network as ``see`` gives it, a stage before its activation, and the parameters of its layer."""
        stage = self.stages[number]
        with self._lock, self.net.atomic():
            self._x[0] = self._read(image)
            self.net.forward(self._x)
            values = [self.net.activation(each.shown)[0] for each in self.stages]
            before = self.net.activation(stage.name)[0]
            params = {name: np.array(array) for name, array in stage.placed.shared.items()}
        return Seen(self._x[0].copy(), values), before, params

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
            size = list(grid(stage.maps)) if len(stage.shape) == 1 else list(stage.shape[1:])
            shown.append(
                {
                    "name": stage.name,
                    "words": stage.words,
                    "activation": None if stage.activation is None else formula(stage),
                    "shape": list(stage.shape),
                    "grid": size,
                    "maps": stage.maps if len(stage.shape) == 3 else 1,
                    "shown": stage.maps,
                    "parameters": sum(int(np.prod(param.shape)) for param in plan.params.values()),
                    "connections": plan.connections,
                    "links": stage.links,
                    "table_1": isinstance(layer, SparseConv2d) and layer.table == TABLE_I,
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
    W, (maps, channels) = np.asarray(stage.placed.shared["W"]), np.array(links).T
    kernels = W[maps, channels % W.shape[1]] if stage.kernels is None else W[stage.kernels]
    wide = np.zeros((len(x), stage.shape[0], kernels[0].size), W.dtype)
    wide[channels, maps] = kernels.reshape(len(links), -1)
    found = windows(stage.placed.layer, x) @ wide.transpose(0, 2, 1)
    return np.asarray(np.sqrt((found**2).mean(axis=1))[channels, maps], np.float32)
