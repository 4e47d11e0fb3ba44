"""Training: the loop over epochs, checkpoints, log lines and plots."""

from .history import EpochResult
from .run import Dataset, TrainingOptions
from .trainer import BEST, LAST, Trainer

__all__ = ["BEST", "LAST", "Dataset", "EpochResult", "Trainer", "TrainingOptions"]
