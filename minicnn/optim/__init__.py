"""Optimisers, learning-rate schedules, and averages of the parameters."""

from .adam import Adam, AdamW
from .adaptive import Adadelta, Adagrad, Lion, NAdam, RMSprop
from .clipping import clip_grad_norm, clip_grad_value
from .groups import ParameterGroup
from .optimizers import SGD, Optimizer
from .sdlm import SDLM

__all__ = [
    "SDLM",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Lion",
    "NAdam",
    "Optimizer",
    "ParameterGroup",
    "RMSprop",
    "clip_grad_norm",
    "clip_grad_value",
]


def __dir__() -> list[str]:
    """What completion offers: the public names, and public modules that are imported."""
    return sorted([*__all__, *(name for name in ("averaging", "schedules") if name in globals())])
