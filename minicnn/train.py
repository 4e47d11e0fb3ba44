"""The training loop: epochs, validation, warnings, checkpoints, and exact resumption."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from . import checkpoint, watch
from .data.batches import shuffled
from .errors import CheckpointError, OptionError, number
from .interrupt import Interrupt
from .losses import Loss
from .network import Network
from .optim import Optimizer
from .progress import Announce, Bar, say
from .runner import Score
from .schedules import Fixed, Schedule

LAST, BEST = "last.safetensors", "model.safetensors"


@dataclass(frozen=True, eq=False)
class Examples:
    """Images with their targets, or some of them.

    Args:
        images: (N, C, H, W), or a Source.
        targets: class numbers (N,), or vectors (N, D).
        index: the numbers of those that count; all for None.
    """

    images: Any
    targets: Any
    index: Any = None

    @property
    def chosen(self) -> np.ndarray[Any, Any]:
        """The numbers of the images that count."""
        return np.arange(self.images.shape[0]) if self.index is None else np.asarray(self.index)


@dataclass(frozen=True)
class Row:
    """One epoch: losses are means over images, accuracies shares, ``seconds`` training alone."""

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float
    images_per_second: float

    def __str__(self) -> str:
        train = f"train loss {self.train_loss:.4f} accuracy {100 * self.train_accuracy:.2f} %"
        validation = f"validation loss {self.val_loss:.4f} accuracy {100 * self.val_accuracy:.2f} %"
        return f"epoch {self.epoch:2}  {train}  {validation}  {self.seconds:.2f} s  {self.images_per_second:,.0f} images/s"


@dataclass(frozen=True)
class Run:
    """How a network is trained.

    Args:
        epochs: passes over the training images.
        batch_size: images a step.
        seed: of the order of the images.
        schedule: factor on the optimiser's learning rate for each step.
        folder: where checkpoints go; nothing is saved for None.
        facts: what else to write into checkpoints.
        log_every: announce the loss every so many steps; never for 0.
        decay: factor on the learning rate after every epoch, whatever their number, so that a run can be continued.

    Raises:
        OptionError: epochs or batch_size below 1.
    """

    epochs: int
    batch_size: int = 32
    seed: int = 0
    schedule: Schedule = Fixed()
    folder: Path | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    log_every: int = 0
    decay: float = 1.0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise OptionError(
                    "Run", f"expected {name} as a whole number of at least 1, got {value!r}", f"give {name}=1 or more"
                )
        number("Run", "decay", self.decay, 0, 1, "(]")


@dataclass
class _Tally:
    """Sums over the steps of an epoch so far."""

    steps: int = 0
    loss: float = 0.0
    correct: int = 0
    images: int = 0
    seconds: float = 0.0

    def add(self, score: Score, seconds: float) -> None:
        self.steps += 1
        self.loss += score.loss * score.images
        self.correct += score.correct
        self.images += score.images
        self.seconds += seconds


class Trainer:
    """Trains a network.

    Args:
        net: the network.
        loss: the loss.
        optimizer: the optimiser; its rate is the schedule's unit.
        run: how to train.
        train: images to learn from.
        validation: images to choose by; the test set has no place here.
        announce: where lines go.
    """

    def __init__(
        self,
        net: Network,
        loss: Loss,
        optimizer: Optimizer,
        run: Run,
        train: Examples,
        validation: Examples,
        announce: Announce = say,
    ) -> None:
        self.net, self.loss, self.optimizer, self.run = net, loss, optimizer, run
        self.train, self.validation, self.announce = train, validation, announce
        self.rows: list[Row] = []
        self.lr = optimizer.lr
        self.interrupted = False
        self._tally = _Tally()
        self._chosen = train.chosen

    @property
    def steps_per_epoch(self) -> int:
        """Steps of a pass; the last batch may be smaller."""
        return math.ceil(len(self._chosen) / self.run.batch_size)

    def fit(self, resume: bool = False) -> list[Row]:
        """Train for ``run.epochs`` epochs, or go on where the checkpoint in ``run.folder`` stopped.

        Stops early, with a word, on Ctrl-C (after the step in progress) and when the loss is not a finite number.

        Returns:
            One row an epoch.

        Raises:
            CheckpointError: resume, and the checkpoint is missing, damaged or of another run.
        """
        if resume:
            self._resume()
        self._compile()
        with Interrupt() as interrupt:
            while len(self.rows) < self.run.epochs and self._epoch(interrupt):
                pass
        self.interrupted = interrupt.asked
        return self.rows

    def _compile(self) -> None:
        """Run every kernel once on a batch, so that no epoch's time holds a compilation; nothing of it stays."""
        log = self.net.backend.LOG
        log.announce = lambda: self.announce(log.words())
        params, steps = self.net.params.flat.copy(), self.net.steps
        few = self._chosen[: self.run.batch_size]
        self.net.score_and_grads(self.loss, self.train.images, self.train.targets, few)
        copy.deepcopy(self.optimizer).step(self.net)
        self.net.params.flat[...], self.net.steps = params, steps
        self.net.evaluate(self.loss, self.train.images, self.train.targets, few)
        log.announce = None

    def _epoch(self, interrupt: Interrupt) -> bool:
        """One epoch, or the rest of one; False where training ends early."""
        epoch, size = len(self.rows) + 1, self.run.batch_size
        order = shuffled(self._chosen, self.run.seed, epoch)
        total = self.run.epochs * self.steps_per_epoch
        with Bar(f"epoch {epoch}/{self.run.epochs}", len(order), self._tally.images) as bar:
            while self._tally.steps < self.steps_per_epoch:
                first = self._tally.steps * size
                step = (epoch - 1) * self.steps_per_epoch + self._tally.steps
                self.optimizer.lr = self.lr * self.run.decay ** (epoch - 1) * self.run.schedule(step, total)
                score = self._step(order[first : first + size], order[first + size : first + 2 * size])
                bar.advance(score.images, score.loss)
                if not math.isfinite(score.loss):
                    self.announce(
                        f"warning: the loss of step {step + 1} is {score.loss}: training stops; lower the learning rate"
                    )
                    return False
                if self.run.log_every and self._tally.steps % self.run.log_every == 0:
                    self.announce(f"epoch {epoch} step {self._tally.steps}/{self.steps_per_epoch} loss {score.loss:.4f}")
                if interrupt.asked:
                    self._stopped(epoch)
                    return False
        return self._finish(epoch)

    def _step(self, index: np.ndarray[Any, Any], following: np.ndarray[Any, Any]) -> Score:
        started = time.perf_counter()
        then = following if len(following) else None
        score = self.net.score_and_grads(self.loss, self.train.images, self.train.targets, index, then)
        self.optimizer.step(self.net)
        self._tally.add(score, time.perf_counter() - started)
        return score

    def _finish(self, number: int) -> bool:
        tally = self._tally
        held_out = self.validation
        score = self.net.evaluate(self.loss, held_out.images, held_out.targets, held_out.chosen)
        rate = tally.images / tally.seconds
        losses = (tally.loss / tally.images, tally.correct / tally.images, score.loss, score.accuracy)
        row = Row(number, *losses, seconds=tally.seconds, images_per_second=rate)
        if not math.isfinite(score.loss):
            self.announce(
                f"warning: the validation loss of epoch {number} is {score.loss}: training stops; lower the learning rate"
            )
            return False
        best = all(row.val_accuracy > earlier.val_accuracy for earlier in self.rows)
        self.rows.append(row)
        self._tally = _Tally()
        self.announce(str(row))
        self._warn(row)
        if self.run.folder is not None:
            if best:
                checkpoint.save_weights(self.run.folder / BEST, self.net, self.run.facts)
            self._save()
        return True

    def _warn(self, row: Row) -> None:
        guessing = watch.chance(row.val_accuracy, math.prod(self.net.out_shape), len(self.validation.chosen))
        for warning in [guessing] if guessing else watch.saturation(self.net, self.validation.images, self.validation.chosen):
            self.announce(f"warning: {warning}")

    def _stopped(self, number: int) -> None:
        where = f"stopped in epoch {number} after step {self._tally.steps} of {self.steps_per_epoch}"
        if self.run.folder is None:
            self.announce(f"{where}; nothing was saved, because no folder was given")
            return
        self._save()
        self.announce(f"{where}; saved to {self.run.folder / LAST}, go on with --resume")

    def _identity(self) -> dict[str, Any]:
        """What must be the same for a run to go on."""
        run = self.run
        identity: dict[str, Any] = {"batch_size": self.run.batch_size, "seed": self.run.seed, "decay": self.run.decay}
        identity |= {"images": len(self._chosen), "lr": self.lr, "network_seed": self.net.seed}
        if run.schedule != Fixed():  # it is spread over all epochs, so their number counts
            identity |= {"schedule": repr(run.schedule), "epochs": run.epochs}
        return identity

    def _save(self) -> None:
        assert self.run.folder is not None
        facts = {**self.run.facts, "run": self._identity(), "rows": [asdict(row) for row in self.rows]}
        checkpoint.save_training(self.run.folder / LAST, self.net, self.optimizer, facts | {"tally": asdict(self._tally)})

    def _resume(self) -> None:
        if self.run.folder is None:
            raise CheckpointError("resume", "expected a folder with a checkpoint, got none", "give the folder of the run")
        path = self.run.folder / LAST
        facts = checkpoint.read_facts(path)
        saved = facts.get("run")
        if saved != self._identity():
            what = f"expected a run with {self._identity()}, got {saved}"
            raise CheckpointError(str(path), what, "resume with the settings it was started with")
        try:
            rows, tally = [Row(**row) for row in facts["rows"]], _Tally(**facts["tally"])
        except (KeyError, TypeError) as error:
            raise CheckpointError(str(path), f"expected the rows of a run, got {error}", "start anew without resume") from None
        checkpoint.load_training(path, self.net, self.optimizer)
        self.rows, self._tally = rows, tally
        self.announce(f"resumed from {path} after {len(rows)} epochs and {tally.steps} steps")
