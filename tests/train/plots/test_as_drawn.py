"""Every picture as it was when somebody looked at it: places, sizes, words, colours and the numbers that are drawn.

A picture that is meant to change is looked at, and then ``python tests/train/plots/test_as_drawn.py`` writes ``as_drawn.json``
anew; ``--look FOLDER`` writes the pictures themselves.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")
sys.path.insert(0, str(Path(__file__).parents[2]))  # where it runs as a program

from described_figures import described
from matplotlib.figure import Figure

import minicnn as m
from minicnn.data import RandomFlip
from minicnn.train import EpochResult, plots
from minicnn.train.learning_rate import FoundRate

KEPT = Path(__file__).with_name("as_drawn.json")


def network(layers, shape=(1, 8, 8)):
    """With weights that hang on no generator."""
    net = m.Network(layers, shape, "float64", backend="numpy")
    with net.update():
        net.params.flat[...] = waves(len(net.params.flat))
    net.grads.flat[...] = waves(len(net.grads.flat)) ** 2
    return net


def waves(*shape):
    return np.sin(1.0 + np.arange(np.prod(shape))).reshape(shape)


def small(channels=1):
    return network([("C", m.Conv2d(2, 3)), m.ReLU(), m.Flatten(), ("F", m.Dense(3))], (channels, 8, 8))


def graph():
    layers = [("a", m.Conv2d(2, 3, padding=1)), m.ReLU(), ("b", m.Conv2d(2, 3, padding=1)), ("c", m.Conv2d(2, 1), "a")]
    layers += [("sum", m.Add(), ("b", "c", "a")), ("d", m.Conv2d(2, 3, padding=1)), ("end", m.Concat(), ("d", "sum", "a"))]
    return network(layers)


def rows(*accuracies):
    results = [EpochResult(n, 1 / n, None, 1.1 / n, None, 1.0, 10.0) for n in (1, 2, 3)]
    known = zip(results, accuracies, strict=True) if accuracies else ()
    return [replace(row, train_accuracy=own, val_accuracy=own - 0.1) for row, own in known] or results


SQUARES = np.zeros((10, 8, 8), np.uint8)
SQUARES[:, 2:6, 2:6] = np.linspace(50, 250, 10).astype(np.uint8)[:, None, None]
COLOURS = np.stack([SQUARES, 255 - SQUARES, SQUARES // 2], axis=-1)
SHARES = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.5, 0.4, 0.1], [0.2, 0.2, 0.6]] * 2)
LABELS = np.array([0, 1, 1, 2, 2, 1, 0, 0, 1, 2])
COUNTS = np.array([[5, 1, 0], [2, 6, 0], [0, 1, 9]])
MANY = np.diag(np.arange(44)) + np.eye(44, k=1, dtype=int) * 3
LONG = ["a-long-name-of-a-class-indeed", "cat", "$5"]
RATES = FoundRate(np.geomspace(0.01, 1, 5), np.array([2.0, 1.5, 1.0, 1.25, 3.0]), 0.1)
TABLE = ((0, 1), (2,), (0, 2), (1, 2, 3))

CASES = {
    "augmentations": lambda **o: plots.augmentations(SQUARES, [RandomFlip()], shown=3, **o),
    "calibration": lambda **o: plots.calibration(SHARES, LABELS, **o),
    "codes": plots.codes,
    "codes, with units": lambda **o: plots.codes(waves(4, 6), units=waves(6), classes=["a", "b", "c", "d"], columns=3, **o),
    "confused_pairs": lambda **o: plots.confused_pairs(COUNTS, classes=LONG, **o),
    "confused_pairs, none": lambda **o: plots.confused_pairs(np.eye(2, dtype=int), **o),
    "confused_pairs, many": lambda **o: plots.confused_pairs(MANY, **o),
    "confusion_matrix": lambda **o: plots.confusion_matrix(COUNTS, **o),
    "confusion_matrix, long names": lambda **o: plots.confusion_matrix(5000 * COUNTS, classes=LONG, **o),
    "confusion_matrix, many": lambda **o: plots.confusion_matrix(MANY, **o),
    "confusion_matrix, ten": lambda **o: plots.confusion_matrix(MANY[:10, :10], **o),
    "connections": lambda **o: plots.connections(TABLE, **o),
    "connections, many": lambda **o: plots.connections(TABLE * 12, names=("map below", "map"), **o),
    "feature_maps": lambda **o: plots.feature_maps(small(), waves(8, 8), **o),
    "feature_maps, many": lambda **o: plots.feature_maps(
        network([("C", m.Conv2d(33, 3)), ("D", m.Conv2d(10, 6)), m.Flatten()]), waves(8, 8), **o
    ),
    "histograms": lambda **o: plots.histograms(small(), **o),
    "kernels": lambda **o: plots.kernels(waves(2, 3, 4), **o),
    "kernels, by channel": lambda **o: plots.kernels(waves(40, 3, 3, 2), **o),
    "kernels, in rows": lambda **o: plots.kernels(waves(40, 3, 3), **o),
    "learning_curves": lambda **o: plots.learning_curves(rows(0.5, 0.75, 0.875), **o),
    "learning_curves, losses": lambda **o: plots.learning_curves(rows(), **o),
    "learning_curves, of 0": lambda **o: plots.learning_curves(rows(0.5, 0.75, 1.0), **o),
    "learning_rates": lambda **o: plots.learning_rates(RATES, **o),
    "misclassified": lambda **o: plots.misclassified(SQUARES, LABELS, SHARES, **o),
    "misclassified, long names": lambda **o: plots.misclassified(COLOURS, SHARES.argmax(axis=1), -SHARES, classes=LONG, **o),
    "misclassified, none": lambda **o: plots.misclassified(SQUARES[:1], LABELS[:1], SHARES[:1], **o),
    "network_diagram": lambda **o: plots.network_diagram(small(), **o),
    "network_diagram, graph": lambda **o: plots.network_diagram(graph(), **o),
    "occlusion": lambda **o: plots.occlusion(small(), waves(8, 8), size=3, stride=2, **o),
    "occlusion, of its own size": lambda **o: plots.occlusion(
        network([m.Flatten(), m.Dense(2)], (3, 20, 14)), waves(3, 20, 14), target=1, fill=0.5, classes=LONG, **o
    ),
    "receptive_field": lambda **o: plots.receptive_field(small(), "C", **o),
    "receptive_field, of a unit": lambda **o: plots.receptive_field(small(), "C", at=(1, 0, 2), image=waves(8, 8), **o),
    "rows_of_images": lambda **o: plots.rows_of_images({"a": SQUARES[:3] / 255, "the second row": SQUARES[3:6] / 255}, **o),
    "rows_of_images, in colours": lambda **o: plots.rows_of_images({"a": COLOURS[:2] / 255}, **o),
    "saliency": lambda **o: plots.saliency(small(), waves(8, 8), **o),
    "saliency, in colours": lambda **o: plots.saliency(small(3), waves(3, 8, 8), target=1, **o),
}
INSIDE = ("calibration", "codes, with units", "confused_pairs", "feature_maps", "histograms", "kernels", "learning_curves")
"""What is also drawn into axes of the caller's, smaller than a figure of its own."""


def figures():
    """By name, each drawn when its turn comes."""
    return CASES | {f"{name}, in other axes": lambda name=name: inside(CASES[name]) for name in INSIDE}


def inside(draw):
    return draw(ax=Figure(figsize=(2.5, 2)).subplots())


def test_every_public_picture_is_described():
    assert {name.partition(",")[0] for name in CASES} == set(plots.__all__) - {"blank", "calibration_bins", "save"}
    assert list(json.loads(KEPT.read_text("utf-8"))) == list(figures())


@pytest.mark.parametrize("name", figures())
def test_a_picture_is_as_it_was_looked_at(name):
    assert described(figures()[name]()) == json.loads(KEPT.read_text("utf-8"))[name]


def write():
    """The pictures to a folder, or their descriptions."""
    found = {}
    for name, draw in figures().items():
        figure = draw()
        found[name] = described(figure)
        if sys.argv[1:2] == ["--look"]:
            Path(sys.argv[2]).mkdir(parents=True, exist_ok=True)
            plots.save(figure, Path(sys.argv[2], f"{name}.png"))
    if not sys.argv[1:]:
        KEPT.write_text(json.dumps(found, indent=0, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    write()
