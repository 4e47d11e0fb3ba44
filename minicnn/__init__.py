"""minicnn: a convolutional-network engine with hand-written backward passes over Numba kernels."""

from . import models
from .backends import kernel
from .engine.runner import Score
from .errors import (
    BackendError,
    CheckpointError,
    ContractError,
    DataError,
    MinicnnError,
    OptionError,
    OutputError,
    ShapeError,
)
from .network import Network
from .nn import (
    RBF,
    Add,
    AvgPool2d,
    BatchNorm1d,
    BatchNorm2d,
    Concat,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    Layer,
    LeakyReLU,
    MaxPool2d,
    ReLU,
    ScaledTanh,
    Sigmoid,
    Softmax,
    SparseConv2d,
    Subsample,
    Tanh,
)
from .nn.base import Buffer, Param, Plan
from .nn.init import Constant, FanInUniform, GlorotUniform, HeNormal, LeCunNormal, TorchDefault
from .nn.losses import MAP, MLE, MSE, CrossEntropy
from .optim import SDLM, SGD, Adam, AdamW

__version__ = "0.1.0"

__all__ = [
    "MAP",
    "MLE",
    "MSE",
    "RBF",
    "SDLM",
    "SGD",
    "Adam",
    "AdamW",
    "Add",
    "AvgPool2d",
    "BackendError",
    "BatchNorm1d",
    "BatchNorm2d",
    "Buffer",
    "CheckpointError",
    "Concat",
    "Constant",
    "ContractError",
    "Conv2d",
    "CrossEntropy",
    "DataError",
    "Dense",
    "Dropout",
    "FanInUniform",
    "Flatten",
    "GlorotUniform",
    "HeNormal",
    "Layer",
    "LeCunNormal",
    "LeakyReLU",
    "MaxPool2d",
    "MinicnnError",
    "Network",
    "OptionError",
    "OutputError",
    "Param",
    "Plan",
    "ReLU",
    "ScaledTanh",
    "Score",
    "ShapeError",
    "Sigmoid",
    "Softmax",
    "SparseConv2d",
    "Subsample",
    "Tanh",
    "TorchDefault",
    "kernel",
    "models",
]
