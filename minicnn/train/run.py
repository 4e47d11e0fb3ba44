"""The inputs of training: images with their targets, and the options."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..arrays import Array
from ..engine.by_name import ArrayByOutput, TargetsByOutput
from ..engine.source import Source
from ..errors import OptionError, number
from ..optim.plateau import ReduceOnPlateau
from ..optim.schedules import ConstantRate, Schedule

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from .history import EpochResult


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images with their targets, or a selection of them.

    Args:
        images: (N, C, H, W), or a Source; for several inputs a dict of such.
        targets: class numbers (N,), vectors (N, D), or ``targets`` of ``data.Augmented``; for several outputs a dict of such.
        index: the numbers of the selected images; all for None.
        weight: a weight for each image in the loss (``Network.loss_and_grads``); for several outputs it may be a dict. A batch
            of weights that are all 0 is refused.
    """

    images: Source | Array | Mapping[str, Source | Array]
    targets: TargetsByOutput
    index: ArrayLike | None = None
    weight: ArrayByOutput | None = None

    @property
    def chosen(self) -> Array:
        """The numbers of the selected images."""
        if self.index is not None:
            return np.asarray(self.index)
        return np.arange(self._count)

    @property
    def _count(self) -> int:
        images = next(iter(self.images.values())) if isinstance(self.images, Mapping) else self.images
        return images.shape[0]

    @property
    def other_weight(self) -> Array | None:
        """Weights to compile with, of which no batch can be refused; None where there are none."""
        return None if self.weight is None else np.arange(1, self._count + 1)


@dataclass(frozen=True)
class TrainingOptions:
    """Options of a training run.

    Args:
        epochs: number of passes over the training images.
        batch_size: images that go through the network together, and in a step, unless steps accumulate several batches.
        seed: seed of the order of the images.
        schedule: factor on the optimiser's learning rate for each step.
        folder: the folder of the checkpoints, created if missing and locked against other runs; None saves nothing.
        metadata: further data to store in checkpoints.
        log_every: log the loss after this many steps; 0 for never.
        decay: factor on the learning rate after every epoch. It is independent of ``epochs``, so a run can be extended.
        plateau: lowers the optimiser's rate where validation does not get better; schedule and decay multiply the result.
        clip_norm: scale gradients down to this norm before each step; None does not.
        clip_value: clip every gradient to ± this before each step, and before ``clip_norm``; None does not.
        average: keep a running average of the parameters by this decay, in [0, 1), as ``optim.averaging.ParameterAverage``
            does. Epochs are validated with it, the best weights are those of it, and the network has it at the end. Running
            statistics are measured for it each time, in a forward pass over the training images. None keeps none.
        accumulate: so many batches make a step, whose gradients are those of one batch (``Network.loss_and_grads`` with
            ``part``); the last step of an epoch may have fewer.
        local_steps: with several ranks, local SGD: each makes steps of its own on its part of every batch, and after so many
            of them all take the mean of their parameters, running statistics and moments. 1 is none of it: ranks share every
            step. Results depend on the number of ranks then.
        shuffle_block: for images that are read from a file: shuffle blocks of so many neighbours, and then the images of each
            16 blocks that follow each other (``data.shuffled``). None mixes all images with all.

    Raises:
        OptionError: an option is outside its range.
    """

    epochs: int
    batch_size: int = 32
    seed: int = 0
    schedule: Schedule = ConstantRate()
    folder: str | os.PathLike[str] | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)
    log_every: int = 0
    decay: float = 1.0
    plateau: ReduceOnPlateau | None = None
    clip_norm: float | None = None
    clip_value: float | None = None
    accumulate: int = 1
    average: float | None = None
    local_steps: int = 1
    shuffle_block: int | None = None

    @property
    def step_size(self) -> int:
        """Images in a step."""
        return self.batch_size * self.accumulate

    def rate(self, lr: float, rows: Sequence[EpochResult]) -> float:
        """The optimiser's rate after these epochs, without schedule and decay; ``lr`` is that of the first one."""
        if self.plateau is None:
            return lr
        name = "val_loss" if self.plateau.mode == "min" else "val_accuracy"
        return self.plateau.rate(lr, (float(getattr(row, name)) for row in rows))

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "accumulate", "local_steps", "shuffle_block"):
            value = getattr(self, name)
            if name == "shuffle_block" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise OptionError(
                    "TrainingOptions",
                    f"expected {name} as a whole number of at least 1, got {value!r}",
                    f"give {name}=1 or more",
                )
        for name, least in (("seed", 0), ("log_every", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                what = f"expected {name} as a whole number of at least {least}, got {value!r}"
                raise OptionError("TrainingOptions", what, f"give {name}={least} or more")
        if not isinstance(self.metadata, Mapping):
            what = f"expected metadata as a dict, got {self.metadata!r}"
            raise OptionError("TrainingOptions", what, 'give for example metadata={"author": "me"}')
        number("TrainingOptions", "decay", self.decay, 0, 1, "(]")
        for name in ("clip_norm", "clip_value"):
            if getattr(self, name) is not None:
                number("TrainingOptions", name, getattr(self, name), 0, math.inf, "()")
        if self.average is not None:
            number("TrainingOptions", "average", self.average, 0, 1)
        if not isinstance(self.plateau, ReduceOnPlateau | None):
            what = f"expected plateau as a ReduceOnPlateau, got {self.plateau!r}"
            raise OptionError("TrainingOptions", what, "give plateau=ReduceOnPlateau(), or leave it out")
        if isinstance(self.schedule, ReduceOnPlateau):
            what = "expected schedule as a factor for each step, got a ReduceOnPlateau, which follows validation"
            raise OptionError("TrainingOptions", what, "give it as plateau=")
        if not callable(self.schedule):
            what = f"expected schedule as a schedule, got {self.schedule!r}"
            raise OptionError("TrainingOptions", what, "give for example schedule=Cosine()")
        if self.folder is not None and (self.folder == "" or not isinstance(self.folder, str | os.PathLike)):
            raise OptionError(
                "TrainingOptions", f"expected folder as a path, got {self.folder!r}", "give folder='runs' or leave it out"
            )


def check_kinds(run: object, train: object, validation: object, log: object) -> None:
    """Refuse arguments of a trainer that are of other kinds.

    Raises:
        OptionError: one is.
    """
    options, data = ("a TrainingOptions", "write TrainingOptions(epochs=10)"), ("a Dataset", "write Dataset(images, targets)")
    for name, value, right, (wanted, hint) in (
        ("run", run, isinstance(run, TrainingOptions), options),
        ("train", train, isinstance(train, Dataset), data),
        ("validation", validation, isinstance(validation, Dataset | None), data),
        ("log", log, log is None or callable(log), ("a function", "give for example log=print, or log=None for silence")),
    ):
        if not right:
            raise OptionError("Trainer", f"expected {name} as {wanted}, got {type(value).__name__}", hint)


def check_plateau(run: TrainingOptions, validation: Dataset | None, has_accuracy: bool) -> None:
    """Refuse a plateau of what there is not.

    Raises:
        OptionError: there is no validation, or no accuracy.
    """
    if run.plateau is not None and validation is None:
        what = "expected validation images for plateau, got none"
        raise OptionError("TrainingOptions", what, "give Trainer validation images, or leave plateau out")
    if run.plateau is not None and run.plateau.mode == "max" and not has_accuracy:
        what = 'expected plateau with mode="min" for targets that are not class numbers, got mode="max"'
        raise OptionError("TrainingOptions", what, "watch the loss: there is no accuracy")
