"""Training: the loop over epochs, checkpoints, log lines and plots."""

from .best_weights import BestWeights, EarlyStopping
from .callbacks import Callback, ProgressBar
from .class_weights import class_weights
from .history import EpochResult
from .learning_rate import find_learning_rate
from .loggers import CSVLog, TensorBoard
from .run import Dataset, TrainingOptions
from .run_folder import BEST, LAST
from .trainer import Trainer

__all__ = [
    "BEST",
    "LAST",
    "BestWeights",
    "CSVLog",
    "Callback",
    "Dataset",
    "EarlyStopping",
    "EpochResult",
    "ProgressBar",
    "TensorBoard",
    "Trainer",
    "TrainingOptions",
    "class_weights",
    "find_learning_rate",
]


def __dir__() -> list[str]:
    """What completion offers: the public names, and public modules that are imported."""
    return sorted([*__all__, *(name for name in ("checkpoint", "fine_tuning", "metrics", "plots") if name in globals())])
