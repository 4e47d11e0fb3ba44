"""One step of a small network that has a layer of each kind LeNet-5 is made of: its loss, gradients and predictions.

Run: python smoke.py FILE writes them to FILE; python smoke.py FILE OTHER says how far apart two such files are, and fails
where that is further than rounding explains.
"""

from __future__ import annotations

import sys

import numpy as np

TOLERANCE = 1e-5
"""Of the largest number of an array in float32: vectors of another width add up in another order."""


def results() -> dict[str, np.ndarray]:
    """Loss, gradients and predictions for 20 images: a whole group of lanes and a part of one."""
    from minicnn import MSE, Conv2d, Dense, Flatten, MaxPool2d, Network, ScaledTanh, SparseConv2d, Subsample

    layers = [
        ("conv", Conv2d(4, 3, padding=1)),
        ScaledTanh(),
        ("subsample", Subsample(2)),
        ("sparse", SparseConv2d(((0, 1), (1, 2, 3), (0, 3)), 3)),
        MaxPool2d(2),
        Flatten(),
        ("dense", Dense(5)),
    ]
    net = Network(layers, in_shape=(1, 12, 12), threads=1)
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((20, 1, 12, 12)).astype(np.float32), rng.integers(0, 5, 20)
    found = {"loss": np.array(net.loss_and_grads(MSE(1, -1), x, labels))}
    return found | {f"d({name})": grad.copy() for name, grad in net.grads.items()} | {"predictions": net.predict(x)}


def apart(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> dict[str, float]:
    """The largest difference in each array, as a share of its largest number."""
    if set(one) != set(other):
        raise SystemExit(f"smoke: expected the same names in both files, got {sorted(set(one) ^ set(other))} in one")
    return {name: float(np.abs(one[name] - other[name]).max() / np.abs(one[name]).max()) for name in one}


def main() -> int:
    """Write a file, or compare two."""
    if len(sys.argv) == 2:
        np.savez(sys.argv[1], **results())
        return 0
    differences = apart(*(dict(np.load(path)) for path in sys.argv[1:]))
    for name, difference in differences.items():
        print(f"{name:16} {difference:.1e}")
    if not max(differences.values()) <= TOLERANCE:  # a NaN is no agreement
        print(f"smoke: expected differences of at most {TOLERANCE:g}, got {max(differences.values()):g}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
