"""minicnn: a convolutional-network engine with hand-written backward passes over Numba kernels."""

import sys
from typing import TYPE_CHECKING

if sys.version_info < (3, 11):  # noqa: UP036 (a folder of the source can be imported by any Python)
    raise ImportError(
        f"minicnn: expected Python 3.11 or newer, got {sys.version.split()[0]}; "
        "make an environment with python3.11 -m venv .venv"
    )
if sys.byteorder != "little":
    raise ImportError("minicnn: expected a little-endian processor, got a big-endian one; use an x86-64 or AArch64 machine")

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
from .version import __version__ as __version__

if TYPE_CHECKING:
    from .train.classifier import Classifier, Regressor, load, save


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
    "Classifier",
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
    "Regressor",
    "Score",
    "ShapeError",
    "TorchDefault",
    "kernel",
    "load",
    "models",
    "save",
]
__all__ += nn.__all__


def __getattr__(name: str) -> object:
    """What needs training and data, which are imported when it is first asked for."""
    if name not in ("Classifier", "Regressor", "load", "save"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .train import classifier

    found = globals()[name] = getattr(classifier, name)
    return found


MODULES = ("data", "io", "nn", "optim", "serve", "sklearn", "testing", "train")
"""The modules for users, beside ``models``."""


def __dir__() -> list[str]:
    """What completion offers: the public names, and public modules that are imported."""
    return sorted([*__all__, "__version__", *(name for name in MODULES if name in globals())])
