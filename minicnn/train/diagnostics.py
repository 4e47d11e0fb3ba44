"""Warnings about training that goes wrong without an error: saturated units, dead units, accuracy at chance level."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..engine.by_name import ImagesByInput
from ..engine.score import Score
from ..network import Network
from ..nn import Layer, ReLU, ScaledTanh, Sigmoid, Tanh
from .progress import Log
from .run import Dataset

SAMPLE = 64
"""Number of images on which activations are examined."""

RANGE: dict[type[Layer], tuple[float, float]] = {Sigmoid: (0.0, 1.0), Tanh: (-1.0, 1.0), ScaledTanh: (-1.7159, 1.7159)}


class Diagnosis:
    """Looks after epochs whether training goes wrong, and says each thing once.

    Args:
        log: called with a warning.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._said: set[str] = set()

    def look(self, net: Network, score: Score, images: Dataset) -> None:
        """Look at an epoch.

        Args:
            net: the network.
            score: what it came to.
            images: on these the layers are examined.
        """
        output = next((name for name, own in score.outputs.items() if own.counted), net.outputs[0])
        accuracy = score.accuracy
        guessing = None if accuracy is None else chance(accuracy, net.out_shapes[output][0], score.counted)
        found = {"guessing": guessing} if guessing else {}
        found |= {} if guessing else {line.partition(":")[0]: line for line in saturation(net, images.images, images.chosen)}
        for what, warning in found.items():
            if what not in self._said:
                self._said.add(what)
                self._log(f"warning: {warning}")


def chance(accuracy: float, classes: int, images: int) -> str | None:
    """A warning if the accuracy is at chance level, else None.

    Chance level is a quarter above 1/classes, for classes of unequal size, plus three standard deviations of random guessing.

    >>> print(chance(0.3, 5, 50))
    accuracy 30.0 % of 50 images is not clearly above guessing, 20.0 %: if it stays there, try another learning rate or \
initialisation, and check labels and normalisation
    >>> chance(0.5, 5, 50)
    """
    guess = 1 / classes
    if accuracy > 1.25 * guess + 3 * (guess * (1 - guess) / images) ** 0.5:
        return None
    found = f"accuracy {accuracy:.1%} of {images:,} images is not clearly above guessing, {guess:.1%}".replace("%", " %")
    return f"{found}: if it stays there, try another learning rate or initialisation, and check labels and normalisation"


def saturation(net: Network, x: ImagesByInput, index: Array) -> list[str]:
    """Warnings for layers whose outputs are mostly saturated, or whose units are mostly always zero.

    Args:
        net: the network.
        x: images or a Source; for several inputs a dict of such.
        index: the numbers of the images that may be used.
    """
    looked_at = [placed for placed in net.layers if type(placed.layer) in RANGE or isinstance(placed.layer, ReLU)]
    with net.atomic():
        net.forward(x, index=index[:SAMPLE])
        outputs = {placed.name: net.activation(placed.name) for placed in looked_at}
    warnings = []
    for placed in looked_at:
        y = outputs[placed.name]
        if type(placed.layer) in RANGE:
            low, high = RANGE[type(placed.layer)]
            share = float(np.mean((y < low + 0.01 * (high - low)) | (y > high - 0.01 * (high - low))))
            if share > 0.5:
                advice = "its gradients vanish; lower the learning rate or start from smaller weights"
                warnings.append(f"{placed.name}: {100 * share:.0f} % of the outputs are saturated: {advice}")
        else:
            dead = float(np.mean(y.max(axis=0) <= 0))
            if dead > 0.9:
                warnings.append(
                    f"{placed.name}: {100 * dead:.0f} % of the units are zero for every image: lower the learning rate"
                )
    return warnings
