"""Data sets: reading files, downloading MNIST, and loading pixels into lanes."""

from .distortions import Affine, Distorted, Elastic
from .idx import read_idx, write_idx
from .mnist import ImageDataset, load_mnist
from .perturbations import Moved, perturbations
from .pixels import Normalise, Pixels, shuffled, split

__all__ = [
    "Affine",
    "Distorted",
    "Elastic",
    "ImageDataset",
    "Moved",
    "Normalise",
    "Pixels",
    "load_mnist",
    "perturbations",
    "read_idx",
    "shuffled",
    "split",
    "write_idx",
]
