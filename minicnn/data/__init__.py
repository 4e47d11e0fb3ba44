"""Data sets: reading files, fetching MNIST, and bringing pixels into lanes."""

from .augment import Affine, Distorted, Elastic
from .batches import Normalise, Pixels, shuffled, split
from .idx import read_idx, write_idx
from .mnist import Digits, load_mnist
from .strain import Moved, strains

__all__ = [
    "Affine",
    "Digits",
    "Distorted",
    "Elastic",
    "Moved",
    "Normalise",
    "Pixels",
    "load_mnist",
    "read_idx",
    "shuffled",
    "split",
    "strains",
    "write_idx",
]
