"""Data sets: reading files, fetching MNIST, and bringing pixels into lanes."""

from .augment import Affine, Distorted, Elastic
from .batches import Normalise, Pixels, shuffled, split
from .idx import read_idx, write_idx
from .mnist import Digits, load_mnist

__all__ = [
    "Affine",
    "Digits",
    "Distorted",
    "Elastic",
    "Normalise",
    "Pixels",
    "load_mnist",
    "read_idx",
    "shuffled",
    "split",
    "write_idx",
]
