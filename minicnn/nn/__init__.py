"""The layers. Each file states one layer's mathematics; ``base`` states the contract they all keep."""

from .activation import LeakyReLU, ReLU, ScaledTanh, Sigmoid, Softmax, Softplus, Tanh
from .base import Layer
from .conv import Conv2d
from .dense import Dense
from .dropout import Dropout
from .flatten import Flatten
from .graph import Add, Concat, Multiply
from .group_norm import GroupNorm, InstanceNorm2d, LayerNorm
from .norm import BatchNorm1d, BatchNorm2d
from .pool import AvgPool2d, MaxPool2d
from .rbf import RBF
from .residual import Residual
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
    "GroupNorm",
    "InstanceNorm2d",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "MaxPool2d",
    "Multiply",
    "ReLU",
    "Residual",
    "ScaledTanh",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "SparseConv2d",
    "Subsample",
    "Tanh",
]
