"""Data sets: reading files, downloading MNIST, and loading pixels into lanes."""

from .augmentations import ColorJitter, RandomAffine, RandomCrop, RandomErasing, RandomFlip
from .augmented import Augmented, MixedTargets
from .cifar import load_cifar10, read_batch
from .distortions import Affine, Distorted, Elastic
from .folder import ImageFolder
from .from_arrays import from_arrays
from .idx import read_idx, write_idx
from .mixing import CutMix, Mixup
from .mnist import ImageDataset, load_mnist
from .perturbations import Moved, perturbations
from .picture import read_picture
from .pixels import Normalise, Pixels, shuffled, split
from .shapes import coloured_shapes

__all__ = [
    "Affine",
    "Augmented",
    "ColorJitter",
    "CutMix",
    "Distorted",
    "Elastic",
    "ImageDataset",
    "ImageFolder",
    "MixedTargets",
    "Mixup",
    "Moved",
    "Normalise",
    "Pixels",
    "RandomAffine",
    "RandomCrop",
    "RandomErasing",
    "RandomFlip",
    "coloured_shapes",
    "from_arrays",
    "load_cifar10",
    "load_mnist",
    "perturbations",
    "read_batch",
    "read_idx",
    "read_picture",
    "shuffled",
    "split",
    "write_idx",
]


def __dir__() -> list[str]:
    """What completion offers: the public names."""
    return sorted(__all__)
