"""minicnn: a convolutional-network engine with hand-written backward passes over Numba kernels."""

from . import models, nn
from .backends import kernel
from .engine.score import Score
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
from .nn import *  # noqa: F403 (the layers)
from .nn.base import Buffer, Param, Plan
from .nn.cross_entropy import BCEWithLogits, CrossEntropy
from .nn.distances import L1, Contrastive, Huber
from .nn.init import Constant, FanInUniform, GlorotUniform, HeNormal, LeCunNormal, TorchDefault
from .nn.losses import MSE
from .nn.penalties import MAP, MLE
from .optim import SDLM, SGD, Adadelta, Adagrad, Adam, AdamW, Lion, NAdam, ParameterGroup, RMSprop

__version__ = "0.1.0"

__all__ = [  # and the layers, which nn lists
    "L1",
    "MAP",
    "MLE",
    "MSE",
    "SDLM",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "BCEWithLogits",
    "BackendError",
    "Buffer",
    "CheckpointError",
    "Constant",
    "ContractError",
    "Contrastive",
    "CrossEntropy",
    "DataError",
    "FanInUniform",
    "GlorotUniform",
    "HeNormal",
    "Huber",
    "LeCunNormal",
    "Lion",
    "MinicnnError",
    "NAdam",
    "Network",
    "OptionError",
    "OutputError",
    "Param",
    "ParameterGroup",
    "Plan",
    "RMSprop",
    "Score",
    "ShapeError",
    "TorchDefault",
    "kernel",
    "models",
]
__all__ += nn.__all__
