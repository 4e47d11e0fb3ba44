"""The folder of a run: the weights of its best epoch, and its last state, from which it resumes exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from ..errors import CheckpointError
from ..network import Network
from ..optim import Optimizer
from . import callbacks as hooks
from . import checkpoint, identity
from .callbacks import Callback
from .document import Document
from .history import EpochResult, Tally, restore
from .run import TrainingOptions
from .run_identity import completed

LAST, BEST = "last.safetensors", "model.safetensors"


class Progress(NamedTuple):
    """How far a run has come.

    Attributes:
        rows: a result for each finished epoch.
        tally: the sums of the current one.
        stopped: whether a callback ended it.
    """

    rows: list[EpochResult]
    tally: Tally
    stopped: bool


class RunFolder:
    """Saves and loads a run.

    Args:
        path: the folder.
        net: the network.
        optimizer: its optimiser.
        callbacks: what keeps a state beside them.
        metadata: the caller's, for both files.
    """

    def __init__(
        self, path: Path, net: Network, optimizer: Optimizer, callbacks: Sequence[Callback], metadata: Mapping[str, object]
    ) -> None:
        self.path, self.last = path, path / LAST
        self._net, self._optimizer, self._callbacks, self._metadata = net, optimizer, callbacks, metadata

    def check(self) -> None:
        """Refuse before training what could not be saved after it.

        Raises:
            CheckpointError: it could not.
        """
        for name in (LAST, BEST):
            checkpoint.check_saving(self.path / name, self._net, self._metadata)

    def check_best(self) -> None:
        """Refuse to go on where the weights of the best epoch cannot be read.

        Raises:
            CheckpointError: they cannot.
        """
        checkpoint.read_weights(self.path / BEST, self._net)

    def save_best(self) -> None:
        """Save the weights as those of the best epoch."""
        checkpoint.save_weights(self.path / BEST, self._net, self._metadata)

    def save(self, run: Document, progress: Progress) -> None:
        """Save the state of the run with this identity."""
        told: Document = {"run": run, "rows": [asdict(row) for row in progress.rows], "tally": asdict(progress.tally)}
        told["callbacks"], kept = hooks.stored(self._callbacks)
        told["stopped"] = progress.stopped
        checkpoint.save_training(self.last, self._net, self._optimizer, {**self._metadata, **told}, kept)

    def load(self, run: Document, options: TrainingOptions, images: int, validated: bool, extended: bool) -> Progress:
        """Load the state of the run with this identity.

        Args:
            run: the identity.
            options: the options of the run.
            images: the number of images in an epoch.
            validated: whether epochs have a validation.
            extended: whether there may be more epochs than the options say.

        Raises:
            CheckpointError: it is missing, damaged or of another run.
        """
        metadata = checkpoint.read_metadata(self.last)
        identity.check(self.last, run, completed(metadata.get("run")), "resume with the settings it was started with")
        rows, tally = restore(self.last, metadata, images, options.step_size, validated)
        if not extended and (len(rows) > options.epochs or (len(rows) == options.epochs and tally.steps)):
            what = f"expected a run of at most {options.epochs} epochs, got one of {len(rows) + bool(tally.steps)}"
            raise CheckpointError(str(self.last), what, "give more epochs")
        hooks.restore(str(self.last), self._callbacks, metadata.get("callbacks"), checkpoint.read_kept(self.last), self._net)
        checkpoint.load_training(self.last, self._net, self._optimizer)
        return Progress(rows, tally, metadata.get("stopped") is True)
