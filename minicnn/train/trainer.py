"""The training loop: epochs, validation, callbacks, checkpoints, and exact resumption."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from ..data.pixels import shuffled
from ..engine.by_name import Losses
from ..engine.score import Score
from ..errors import CheckpointError, OptionError
from ..network import Network
from ..optim import Optimizer
from ..optim.schedules import ConstantRate
from ..version import __version__
from . import callbacks as hooks
from . import checkpoint
from .average import Averaging
from .callbacks import Callback, ProgressBar
from .diagnostics import Diagnosis
from .document import Document
from .folder_lock import FolderLock
from .history import EpochResult, EpochResults, Tally, best
from .interrupt import Interrupt
from .progress import Log, say
from .run import Dataset, TrainingOptions, check_kinds, check_plateau
from .run_folder import Progress, RunFolder
from .run_identity import describe_run
from .step import compile_kernels, step
from .weights import Weights


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
            lowest loss; do not use the test set. Without them, None, the last weights are the best.
        log: called with each line of the log; None for silence, but for a line on stderr where compiling takes long.
        callbacks: what else is done at the start and the end, and after steps and epochs; each is called in its turn.

    Raises:
        OptionError: an argument is not of its kind.

    Attributes:
        rows: a result for each finished epoch.
        interrupted: whether the last ``fit`` ended by Ctrl-C or a signal.
        stopped: whether it ended by a callback.
    """

    def __init__(
        self,
        net: Network,
        loss: Losses,
        optimizer: Optimizer,
        run: TrainingOptions,
        train: Dataset,
        validation: Dataset | None = None,
        log: Log | None = say,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        check_kinds(run, train, validation, log)
        self.net, self.loss, self.run = net, loss, run
        self.train, self.validation, self.log = train, validation, log
        self.callbacks = hooks.checked("Trainer", callbacks)
        self.rows = EpochResults()
        self.lr = optimizer.lr
        self.interrupted = self.stopped = self.has_accuracy = False
        self._given = optimizer
        self._averaging = None if run.average is None else Averaging(optimizer, run.average)
        self.optimizer: Optimizer = optimizer if self._averaging is None else self._averaging.optimizer
        self._tally = Tally()
        self._chosen = train.chosen
        self._folder = None
        if run.folder is not None:
            self._folder = RunFolder(Path(run.folder), net, self.optimizer, self.callbacks, run.metadata)
        self._identity: Document | None = None
        self._frozen = net.frozen
        self._diagnosis, self._all = Diagnosis(self.say), self.callbacks
        self._left: tuple[Weights, Weights] | None = None
        """The weights to go on from, and those that the end of ``fit`` put into the network in their place."""

    def __dir__(self) -> list[str]:
        """What completion offers: the public names alone."""
        return [name for name in super().__dir__() if not name.startswith("_")]

    def say(self, line: str) -> None:
        """Give a line to the log."""
        if self.log is not None:
            self.log(line)

    @property
    def steps_per_epoch(self) -> int:
        """Steps in an epoch; the last batch may be smaller."""
        return math.ceil(len(self._chosen) / self.run.step_size)

    @property
    def images_done(self) -> tuple[int, int]:
        """Images that were trained on in the current epoch, and how many it has."""
        return self._tally.images, len(self._chosen)

    @property
    def identity(self) -> Document:
        """The identity of this run as JSON: everything that shapes its result, the data by a hash. It must match to resume."""
        if self._identity is None:
            given = self.net, self.loss, self.optimizer, self.lr, self.run, self.train, self.validation
            self._identity = describe_run(*given)
        return self._identity

    def fit(self, resume: bool = False, *, epochs: int | None = None) -> list[EpochResult]:
        """Train until ``run.epochs`` epochs are done; a second call continues where the first one ended.

        Stops early, with a log line, on Ctrl-C (after the current step), when a callback asks for it, and when the loss is not
        finite. SIGTERM and SIGHUP act like Ctrl-C and are sent again after saving, so that they still end the program. A run
        that a callback has stopped goes on only with ``epochs``.

        Args:
            resume: continue from the checkpoint in ``run.folder``.
            epochs: train so many epochs more than are finished, whatever ``run.epochs`` said. A schedule is spread over all
                epochs, so with one this is refused after the first step; a new ``Trainer`` begins it anew.

        Returns:
            One result for each epoch.

        Raises:
            CheckpointError: with ``resume``, the checkpoint is missing, damaged or of another run; or nothing can be saved.
            OptionError: the folder is not writable, or another process holds it; epochs is no number of epochs; or a plateau or
                a callback watches what there is not.
            ShapeError, DataError: images, targets or weights, for training or validation, are invalid.
        """
        self._check()
        if resume and self._folder is None:
            raise CheckpointError("resume", "expected a folder with a checkpoint, got none", "give the folder of the run")
        if epochs is not None:
            replace(self.run, epochs=epochs)  # refuses what is no number of epochs
        if self._given.lr != self.lr or self._frozen != self.net.frozen:
            self.lr, self._frozen, self._identity = self._given.lr, self.net.frozen, None
        with nullcontext() if self._folder is None else FolderLock(self._folder.path, "TrainingOptions"):
            if self._folder is not None:  # before training everything that could fail after it
                self._folder.check()
                if resume:
                    self._resume(self._folder, epochs is not None)
                if self.rows:
                    self._folder.check_best()
            if epochs is not None:
                self._extend(len(self.rows) + epochs)
            self._begin()
            finished = False
            try:
                for callback in self._all:
                    callback.on_fit_start(self)
                self._train()
                finished = not self.interrupted
            finally:
                self._end(finished)
        return self.rows

    def _check(self) -> None:
        """Refuse data and options that training would come upon later."""
        for examples in (self.train, self.validation):
            if examples is not None:
                given = self.loss, examples.images, examples.targets, examples.chosen
                self.has_accuracy = self.net.check(*given, weight=examples.weight)
        check_plateau(self.run, self.validation, self.has_accuracy)

    def _extend(self, epochs: int) -> None:
        """Let the run have so many epochs in all."""
        if self.run.schedule != ConstantRate():
            if (self.rows or self._tally.steps) and epochs != self.run.epochs:
                what = f"expected {self.run.epochs} epochs, over which the schedule is spread, got {epochs}"
                raise OptionError("Trainer.fit", what, "train on by a new Trainer with the same network and optimiser")
            self._identity = None  # which has the number of epochs then
        self.run, self.stopped = replace(self.run, epochs=epochs), False

    def _begin(self) -> None:
        """Put what is to be trained further into network and optimiser."""
        if self._left is not None and self._left[1].are_in(self.net):
            self._left[0].put(self.net)
        self._left, self.optimizer.lr = None, self.lr
        if self._averaging is not None and not self.rows and not self._tally.steps:
            self._averaging.begin(self.net)
        silent = self.log is None or any(isinstance(callback, ProgressBar) for callback in self.callbacks)
        self._all = self.callbacks if silent else (ProgressBar(), *self.callbacks)

    def _end(self, finished: bool) -> None:
        """Give back the rate, and let the average and the callbacks put their weights into the network."""
        self.optimizer.lr = self.lr
        last = Weights.of(self.net) if finished and (self.callbacks or self._averaging) else None
        if self._averaging is not None:
            self._averaging.give_back()
            if last is not None and self.rows:
                self._averaging.show(self.net, self.train, self.run.batch_size)
        try:
            hooks.end(self._all, finished)
        finally:
            if last is not None and not last.are_in(self.net):
                self._left = last, Weights.of(self.net)

    def _train(self) -> None:
        self.interrupted = False
        if len(self.rows) >= self.run.epochs or self.stopped:
            return
        self._compile()
        with Interrupt() as interrupt:
            while len(self.rows) < self.run.epochs and not self.stopped and self._epoch(interrupt):
                pass
            self.interrupted = interrupt.asked

    def _compile(self) -> None:
        compile_kernels(self.net, self.loss, self.optimizer, self.run, self.train, self.log)

    def _epoch(self, interrupt: Interrupt) -> bool:
        """Train one epoch, or the rest of one; False if training ends early."""
        epoch, size = len(self.rows) + 1, self.run.step_size
        order = shuffled(self._chosen, self.run.seed, epoch)
        total, lr = self.run.epochs * self.steps_per_epoch, self.run.rate(self.lr, self.rows)
        for callback in self._all:
            callback.on_epoch_start(epoch)
        while self._tally.steps < self.steps_per_epoch:
            first = self._tally.steps * size
            number = (epoch - 1) * self.steps_per_epoch + self._tally.steps
            self.optimizer.lr = lr * self.run.decay ** (epoch - 1) * self.run.schedule(number, total)
            batch, following = order[first : first + size], order[first + size : first + 2 * size]
            started = time.perf_counter()
            score = step(self.net, self.loss, self.optimizer, self.run, self.train, batch, following)
            self._tally.add(score, time.perf_counter() - started)
            for callback in self._all:
                callback.on_step_end(score)
            if not math.isfinite(score.loss):
                self.say(f"warning: the loss of step {number + 1} is {score.loss}: training stops; lower the learning rate")
                return False
            if self.run.log_every and self._tally.steps % self.run.log_every == 0 and not interrupt.asked:
                self.say(f"epoch {epoch} step {self._tally.steps}/{self.steps_per_epoch} loss {score.loss:.4f}")
            if interrupt.asked:
                self._interrupted(epoch)
                return False
        return self._finish(epoch)

    def _finish(self, number: int) -> bool:
        """Validate an epoch, with the average of the parameters where there is one, and save it; False if training ends."""
        last = None if self._averaging is None else Weights.of(self.net)
        try:
            if self._averaging is not None:
                self._averaging.show(self.net, self.train, self.run.batch_size)
            row, score = self._judge(number)
        finally:
            if last is not None:
                last.put(self.net)
            if len(self.rows) == number:  # also where a callback failed
                self._save()  # before logging, since the reader of the log may be gone
        if row is None:
            return False
        self.say(str(row))
        self._diagnosis.look(self.net, score, self.validation or self.train)
        return True

    def _judge(self, number: int) -> tuple[EpochResult | None, Score]:
        """Validate, keep the best weights, and tell the callbacks; None for a validation loss that is not finite."""
        tally, held_out, seen = self._tally, self.validation, None
        score = Score(tally.loss / tally.images, tally.correct, tally.images, tally.counted)
        if held_out is not None:
            given = self.loss, held_out.images, held_out.targets, held_out.chosen
            score = seen = self.net.evaluate(*given, weight=held_out.weight)
        losses = (tally.loss / tally.images, tally.accuracy, seen and seen.loss, seen and seen.accuracy)
        row = EpochResult(number, *losses, seconds=tally.seconds, images_per_second=tally.images / tally.seconds)
        if not math.isfinite(score.loss):
            self.say(f"warning: the validation loss of epoch {number} is {score.loss}: training stops; lower the learning rate")
            return None, score
        self.rows.append(row)
        self._tally = Tally()
        if self._folder is not None and best(self.rows) is row:
            self._folder.save_best()
        asked = [callback.on_epoch_end(row) for callback in self._all]  # all of them, whoever asks to stop
        self.stopped = any(asked)
        return row, score

    def _interrupted(self, number: int) -> None:
        saved = "nothing was saved, because no folder was given"
        if self._folder is not None:
            self._save()
            saved = f"saved to {self._folder.last}, go on with fit(resume=True)"
        self.say(f"stopped in epoch {number} after step {self._tally.steps} of {self.steps_per_epoch}; {saved}")

    def _save(self) -> None:
        if self._folder is not None:
            self._folder.save(self.identity, Progress(self.rows, self._tally, self.stopped))

    def _resume(self, folder: RunFolder, extended: bool) -> None:
        known = self.identity, self.run, len(self._chosen), self.validation is not None
        rows, self._tally, self.stopped = folder.load(*known, extended)
        self.rows = EpochResults(rows)
        self._left = None
        self.say(f"resumed from {folder.last} after {len(self.rows)} epochs and {self._tally.steps} steps")
        if (by := checkpoint.version(folder.last)) != __version__:
            self.say(f"warning: {by!r} is the minicnn that saved it, and {__version__!r} this one: results may round otherwise")
