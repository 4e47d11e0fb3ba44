"""The layers. Each file states one layer's mathematics; ``base`` states the contract they all keep."""

from .activation import LeakyReLU, ReLU, ScaledTanh, Sigmoid, Softmax, Softplus, Tanh
from .base import Layer
from .conv import Conv2d
from .dense import Dense
from .dropout import Dropout
from .flatten import Flatten, Reshape
from .global_pool import AdaptiveAvgPool2d, GlobalAvgPool2d, GlobalMaxPool2d
from .graph import Add, Concat
from .norm import BatchNorm1d, BatchNorm2d
from .pad import Pad2d
from .pool import AvgPool1d, AvgPool2d, MaxPool1d, MaxPool2d
from .rbf import RBF
from .sparse_conv import SparseConv2d
from .subsample import Subsample
from .upsample import Upsample

__all__ = [
    "RBF",
    "AdaptiveAvgPool2d",
    "Add",
    "AvgPool1d",
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "Concat",
    "Conv2d",
    "Dense",
    "Dropout",
    "Flatten",
    "GlobalAvgPool2d",
    "GlobalMaxPool2d",
    "Layer",
    "LeakyReLU",
    "MaxPool1d",
    "MaxPool2d",
    "Pad2d",
    "ReLU",
    "Reshape",
    "ScaledTanh",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "SparseConv2d",
    "Subsample",
    "Tanh",
    "Upsample",
]
