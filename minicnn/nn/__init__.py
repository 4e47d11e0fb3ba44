"""The layers. Each file states one layer's mathematics; ``base`` states the contract they all keep."""

from .activation import LeakyReLU, ReLU, ScaledTanh, Sigmoid, Softmax, Softplus, Tanh
from .base import Layer
from .conv import Conv2d
from .dense import Dense
from .dropout import Dropout
from .flatten import Flatten
from .pool import AvgPool2d, MaxPool2d
from .rbf import RBF
from .sparse_conv import SparseConv2d
from .subsample import Subsample

__all__ = [
    "RBF",
    "AvgPool2d",
    "Conv2d",
    "Dense",
    "Dropout",
    "Flatten",
    "Layer",
    "LeakyReLU",
    "MaxPool2d",
    "ReLU",
    "ScaledTanh",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "SparseConv2d",
    "Subsample",
    "Tanh",
]
