"""The layers. Each file states one layer's mathematics; ``base`` states the contract they all keep."""

from .base import Layer
from .conv import Conv2d
from .conv1d import Conv1d
from .conv_transpose import ConvTranspose1d, ConvTranspose2d
from .dense import Dense
from .dropout import Dropout, Dropout2d
from .flatten import Flatten, Reshape
from .global_pool import AdaptiveAvgPool2d, GlobalAvgPool2d, GlobalMaxPool2d
from .graph import Add, Concat, Multiply
from .group_norm import GroupNorm, InstanceNorm2d, LayerNorm
from .lane_axis import explained
from .norm import BatchNorm1d, BatchNorm2d
from .pad import Pad2d
from .pool import AvgPool1d, AvgPool2d, MaxPool1d, MaxPool2d
from .rbf import RBF
from .rearrange import IndexSelect, Permute
from .rectifiers import Hardsigmoid, Hardswish, LeakyReLU, PReLU, ReLU, ReLU6
from .residual import Residual
from .resize import Resize
from .sigmoids import ScaledTanh, Sigmoid, Tanh
from .smooth import ELU, GELU, SELU, Mish, SiLU, Softplus
from .softmax import LogSoftmax, Softmax
from .sparse_conv import SparseConv2d
from .subsample import Subsample
from .unpool import MaxUnpool1d, MaxUnpool2d
from .upsample import Upsample

__all__ = [
    "ELU",
    "GELU",
    "RBF",
    "SELU",
    "AdaptiveAvgPool2d",
    "Add",
    "AvgPool1d",
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "Concat",
    "Conv1d",
    "Conv2d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "Dense",
    "Dropout",
    "Dropout2d",
    "Flatten",
    "GlobalAvgPool2d",
    "GlobalMaxPool2d",
    "GroupNorm",
    "Hardsigmoid",
    "Hardswish",
    "IndexSelect",
    "InstanceNorm2d",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "LogSoftmax",
    "MaxPool1d",
    "MaxPool2d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "Mish",
    "Multiply",
    "PReLU",
    "Pad2d",
    "Permute",
    "ReLU",
    "ReLU6",
    "Reshape",
    "Residual",
    "Resize",
    "ScaledTanh",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "SparseConv2d",
    "Subsample",
    "Tanh",
    "Upsample",
]

for _layer in (globals()[_name] for _name in __all__):
    _layer.__doc__ = explained(_layer.__doc__)


def __dir__() -> list[str]:
    """What completion offers: the public names."""
    return sorted(__all__)
