"""Data sets: reading files, fetching MNIST, and bringing pixels into lanes."""

from .distortions import Affine, Distorted, Elastic
from .idx import read_idx, write_idx
from .mnist import Digits, load_mnist
from .perturbations import Moved, strains
from .pixels import Normalise, Pixels, shuffled, split

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
