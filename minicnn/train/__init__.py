"""Training: the loop over epochs, checkpoints, and what a person sees of both."""

from .history import Row
from .run import Examples, Run
from .trainer import BEST, LAST, Trainer

__all__ = ["BEST", "LAST", "Examples", "Row", "Run", "Trainer"]
