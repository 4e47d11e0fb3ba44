"""The training loop: epochs, validation, warnings, checkpoints, and exact resumption."""

from __future__ import annotations

import copy
import math
import time
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

from ..arrays import Array
from ..data.pixels import shuffled
from ..engine.by_name import Losses
from ..engine.score import Score
from ..errors import CheckpointError, OptionError
from ..network import Network
from ..optim import Optimizer, clip_grad_norm, clip_grad_value
from ..optim.schedules import ConstantRate
from ..version import __version__
from . import checkpoint, diagnostics, identity
from .document import Document
from .folder_lock import FolderLock
from .history import EpochResult, Tally, best, restore
from .interrupt import Interrupt
from .progress import Bar, Log, say
from .run import Dataset, TrainingOptions

LAST, BEST = "last.safetensors", "model.safetensors"


class Trainer:
    """Trains a network.

    Args:
        net: the network.
        loss: the loss; of several outputs a dict of losses, or of pairs of a loss and its weight.
        optimizer: the optimiser, which may have taken steps before; schedule, decay and plateau follow from its rate, which is
            not changed.
        run: the options.
        train: images to train on.
        validation: images to choose the best weights by: the highest accuracy, or where targets are not class numbers the
            lowest loss; do not use the test set.
        log: called with each line of the log.
    """

    def __init__(
        self,
        net: Network,
        loss: Losses,
        optimizer: Optimizer,
        run: TrainingOptions,
        train: Dataset,
        validation: Dataset,
        log: Log = say,
    ) -> None:
        self.net, self.loss, self.optimizer, self.run = net, loss, optimizer, run
        self.train, self.validation, self.log = train, validation, log
        self.rows: list[EpochResult] = []
        self.lr = optimizer.lr
        self.interrupted = False
        self._tally = Tally()
        self._chosen = train.chosen
        self._folder = None if run.folder is None else Path(run.folder)
        self._identity: Document | None = None
        self._frozen = net.frozen

    @property
    def steps_per_epoch(self) -> int:
        """Steps in an epoch; the last batch may be smaller."""
        return math.ceil(len(self._chosen) / self.run.step_size)

    @property
    def identity(self) -> Document:
        """The identity of this run as JSON: everything that shapes its result, the data by a hash. It must match to resume."""
        if self._identity is None:
            run, train, held_out = self.run, self.train, self.validation
            known: Document = {"batch_size": run.batch_size, "seed": run.seed, "decay": run.decay, "lr": self.lr}
            known |= {"network_seed": self.net.seed, "network": identity.network(self.net)}
            known |= {"accumulate": run.accumulate} if run.accumulate > 1 else {}
            parts: dict[str, object] = {"loss": self.loss, "optimizer": self.optimizer}
            parts["training"] = identity.examples(train.images, train.targets, self._chosen)
            parts["validation"] = identity.examples(held_out.images, held_out.targets, held_out.chosen)
            weights = {"training_weight": train.weight, "validation_weight": held_out.weight}
            parts |= {name: identity.weights(value) for name, value in weights.items() if value is not None}
            given = {name: getattr(run, name) for name in ("plateau", "clip_norm", "clip_value")}
            parts |= {name: value for name, value in given.items() if value is not None}
            if run.schedule != ConstantRate():  # spread over all epochs, so the number of epochs matters
                known, parts = known | {"epochs": run.epochs}, parts | {"schedule": run.schedule}
            self._identity = known | identity.describe(parts)
        return self._identity

    def fit(self, resume: bool = False) -> list[EpochResult]:
        """Train until ``run.epochs`` epochs are done; a second call continues where the first one ended.

        Stops early, with a log line, on Ctrl-C (after the current step) and when the loss is not finite. SIGTERM and SIGHUP act
        like Ctrl-C and are sent again after saving, so that they still end the program.

        Args:
            resume: continue from the checkpoint in ``run.folder``.

        Returns:
            One result for each epoch.

        Raises:
            CheckpointError: with ``resume``, the checkpoint is missing, damaged or of another run; or nothing can be saved.
            OptionError: the folder is not writable, or another process holds it; or a plateau of an accuracy that there is not.
            ShapeError, DataError: images, targets or weights, for training or validation, are invalid.
        """
        for examples in (self.train, self.validation):
            given = self.loss, examples.images, examples.targets, examples.chosen
            classes = self.net.check(*given, weight=examples.weight)
        if not classes and self.run.plateau is not None and self.run.plateau.mode == "max":
            what = 'expected plateau with mode="min" for targets that are not class numbers, got mode="max"'
            raise OptionError("TrainingOptions", what, "watch the loss: there is no accuracy")
        if resume and self._folder is None:
            raise CheckpointError("resume", "expected a folder with a checkpoint, got none", "give the folder of the run")
        if self.optimizer.lr != self.lr or self._frozen != self.net.frozen:
            self.lr, self._frozen, self._identity = self.optimizer.lr, self.net.frozen, None
        with nullcontext() if self._folder is None else FolderLock(self._folder, "TrainingOptions"):
            if self._folder is not None:
                self._prepare(self._folder, resume)
            try:
                self._train()
            finally:
                self.optimizer.lr = self.lr
        return self.rows

    def _prepare(self, folder: Path, resume: bool) -> None:
        """Check before training everything that could otherwise fail after the first epoch or at the end."""
        for name in (LAST, BEST):
            checkpoint.check_saving(folder / name, self.net, self.run.metadata)
        if resume:
            self._resume(folder)
        if self.rows:
            checkpoint.read_weights(folder / BEST, self.net)

    def _train(self) -> None:
        if len(self.rows) < self.run.epochs:
            self._compile()
        with Interrupt() as interrupt:
            while len(self.rows) < self.run.epochs and self._epoch(interrupt):
                pass
            self.interrupted = interrupt.asked

    def _compile(self) -> None:
        """Run every kernel once on a batch, so that no epoch includes compilation; then restore the network's state."""
        log = self.net.backend.log
        log.on_compile = lambda: self.log(log.words())
        few, train = self._chosen[: self.run.step_size], self.train
        with self.net.update():  # hides the step from other threads
            params, steps = self.net.params.flat.copy(), self.net.steps
            state = {name: array.copy() for name, array in self.net.state.items()}
            try:
                given = self.loss, train.images, train.targets, few
                self.net.score_and_grads(*given, part=self.run.batch_size, weight=train.other_weight)
                copy.deepcopy(self.optimizer).step(self.net)
            finally:
                self.net.params.flat[...], self.net.steps = params, steps
                for name, array in self.net.state.items():
                    array[...] = state[name]
        self.net.evaluate(self.loss, train.images, train.targets, few, weight=train.other_weight)
        log.on_compile = None

    def _epoch(self, interrupt: Interrupt) -> bool:
        """Train one epoch, or the rest of one; False if training ends early."""
        epoch, size = len(self.rows) + 1, self.run.step_size
        order = shuffled(self._chosen, self.run.seed, epoch)
        total, lr = self.run.epochs * self.steps_per_epoch, self._rate()
        with Bar(f"epoch {epoch}/{self.run.epochs}", len(order), self._tally.images) as bar:
            while self._tally.steps < self.steps_per_epoch:
                first = self._tally.steps * size
                step = (epoch - 1) * self.steps_per_epoch + self._tally.steps
                self.optimizer.lr = lr * self.run.decay ** (epoch - 1) * self.run.schedule(step, total)
                score = self._step(order[first : first + size], order[first + size : first + 2 * size])
                bar.advance(score.images, score.loss)
                if not math.isfinite(score.loss):
                    self.log(f"warning: the loss of step {step + 1} is {score.loss}: training stops; lower the learning rate")
                    return False
                if self.run.log_every and self._tally.steps % self.run.log_every == 0 and not interrupt.asked:
                    self.log(f"epoch {epoch} step {self._tally.steps}/{self.steps_per_epoch} loss {score.loss:.4f}")
                if interrupt.asked:
                    self._stopped(epoch)
                    return False
        return self._finish(epoch)

    def _rate(self) -> float:
        """The optimiser's rate after the epochs so far."""
        plateau = self.run.plateau
        if plateau is None:
            return self.lr
        lower = plateau.mode == "min"
        watched = (row.val_loss if lower or row.val_accuracy is None else row.val_accuracy for row in self.rows)
        return plateau.rate(self.lr, watched)

    def _step(self, index: Array, following: Array) -> Score:
        started = time.perf_counter()
        then = following if len(following) else None
        with self.net.atomic():  # so that another thread cannot replace the gradients
            given, weight = (self.loss, self.train.images, self.train.targets, index, then), self.train.weight
            score = self.net.score_and_grads(*given, part=self.run.batch_size, weight=weight)
            if self.run.clip_value is not None:
                clip_grad_value(self.net, self.run.clip_value)
            if self.run.clip_norm is not None:
                clip_grad_norm(self.net, self.run.clip_norm)
            self.optimizer.step(self.net)
        self._tally.add(score, time.perf_counter() - started)
        return score

    def _finish(self, number: int) -> bool:
        tally = self._tally
        held_out = self.validation
        given = self.loss, held_out.images, held_out.targets, held_out.chosen
        score = self.net.evaluate(*given, weight=held_out.weight)
        rate = tally.images / tally.seconds
        losses = (tally.loss / tally.images, tally.accuracy, score.loss, score.accuracy)
        row = EpochResult(number, *losses, seconds=tally.seconds, images_per_second=rate)
        if not math.isfinite(score.loss):
            self.log(f"warning: the validation loss of epoch {number} is {score.loss}: training stops; lower the learning rate")
            return False
        self.rows.append(row)
        self._tally = Tally()
        if self._folder is not None:  # before logging, since the reader of the log may be gone
            if best(self.rows) is row:
                checkpoint.save_weights(self._folder / BEST, self.net, self.run.metadata)
            self._save(self._folder)
        self.log(str(row))
        self._warn(row, score)
        return True

    def _warn(self, row: EpochResult, score: Score) -> None:
        shapes, accuracy = self.net.out_shapes, row.val_accuracy
        judged = next((name for name, own in score.outputs.items() if own.counted), self.net.outputs[0])
        guessing = None if accuracy is None else diagnostics.chance(accuracy, shapes[judged][0], score.counted)
        for warning in (
            [guessing] if guessing else diagnostics.saturation(self.net, self.validation.images, self.validation.chosen)
        ):
            self.log(f"warning: {warning}")

    def _stopped(self, number: int) -> None:
        where = f"stopped in epoch {number} after step {self._tally.steps} of {self.steps_per_epoch}"
        if self._folder is None:
            self.log(f"{where}; nothing was saved, because no folder was given")
            return
        self._save(self._folder)
        self.log(f"{where}; saved to {self._folder / LAST}, go on with --resume")

    def _save(self, folder: Path) -> None:
        metadata = {**self.run.metadata, "run": self.identity, "rows": [asdict(row) for row in self.rows]}
        checkpoint.save_training(folder / LAST, self.net, self.optimizer, metadata | {"tally": asdict(self._tally)})

    def _resume(self, folder: Path) -> None:
        path = folder / LAST
        metadata = checkpoint.read_metadata(path)
        identity.check(path, self.identity, metadata.get("run"), "resume with the settings it was started with")
        rows, tally = restore(path, metadata, len(self._chosen), self.run.step_size)
        if len(rows) > self.run.epochs or (len(rows) == self.run.epochs and tally.steps):
            what = f"expected a run of at most {self.run.epochs} epochs, got one of {len(rows) + bool(tally.steps)}"
            raise CheckpointError(str(path), what, "give more epochs")
        checkpoint.load_training(path, self.net, self.optimizer)
        self.rows, self._tally = rows, tally
        self.log(f"resumed from {path} after {len(rows)} epochs and {tally.steps} steps")
        if (by := checkpoint.version(path)) != __version__:
            self.log(f"warning: {by!r} is the minicnn that saved it, and {__version__!r} this one: results may round otherwise")
