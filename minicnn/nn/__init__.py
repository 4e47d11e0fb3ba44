"""The layers. Each file states one layer's mathematics; ``base`` states the contract they all keep."""

from .activation import LeakyReLU, ReLU, ScaledTanh, Sigmoid, Softmax, Softplus, Tanh
from .base import Layer
from .conv import Conv2d
from .dense import Dense
from .dropout import Dropout
from .flatten import Flatten
from .global_pool import GlobalAvgPool2d
from .graph import Add, Concat
from .norm import BatchNorm1d, BatchNorm2d
from .pool import AvgPool2d, MaxPool2d
from .rbf import RBF
from .sparse_conv import SparseConv2d
from .subsample import Subsample

__all__ = [
    "RBF",
    "Add",
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "Concat",
    "Conv2d",
    "Dense",
    "Dropout",
    "Flatten",
    "GlobalAvgPool2d",
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
