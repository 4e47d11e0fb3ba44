"""Optimisers, learning-rate schedules, and averages of the parameters."""

from .optimizers import SGD, Adam, AdamW, Optimizer
from .sdlm import SDLM

__all__ = ["SDLM", "SGD", "Adam", "AdamW", "Optimizer"]
