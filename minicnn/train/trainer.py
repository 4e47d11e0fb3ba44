"""The training loop: epochs, validation, callbacks, checkpoints, and exact resumption."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from ..arrays import Array
from ..data.pixels import shuffled
from ..engine.by_name import Losses
from ..engine.score import Score
from ..engine.world import Alone, World
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
from .local_sgd import LocalSteps
from .progress import Log, say
from .ranks import Ranks, digest
from .read_ahead import ReadAhead
from .run import Dataset, TrainingOptions, check_kinds, check_plateau
from .run_folder import LAST, Progress, RunFolder
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
        world: the ranks that train together, as of ``distributed.mpi_world``; each has a trainer of its own with the same
            arguments. Rank 0 writes and reports. None for this process alone.

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
        world: World | None = None,
    ) -> None:
        check_kinds(run, train, validation, log)
        self._ranks = Ranks(Alone() if world is None else world)
        several = self._ranks.world
        self._local = None if several is None or run.local_steps == 1 else LocalSteps(several, run.local_steps)
        self.net, self.loss, self.run = net, loss, run
        self.train, self.validation, self.log = train, validation, log if self._ranks.leads else _silent
        self.callbacks = tuple(c for c in hooks.checked("Trainer", callbacks) if self._ranks.leads or not c.reports)
        self.rows = EpochResults()
        self.lr = optimizer.lr
        self.interrupted = self.stopped = self.has_accuracy = False
        self._given = optimizer
        self._averaging = None if run.average is None else Averaging(optimizer, run.average)
        self.optimizer: Optimizer = optimizer if self._averaging is None else self._averaging.optimizer
        self._tally = Tally()
        self._chosen, self._ahead = train.chosen, ReadAhead(train, run.shuffle_block)
        self._folder = None
        if run.folder is not None and self._ranks.leads:
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
            if self._local is not None and self._ranks.world is not None:
                self._identity |= {"local_steps": self.run.local_steps, "ranks": self._ranks.world.size}
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
            ContractError: ranks train different runs, or come to different parameters.
        """
        self._check()
        if resume and self.run.folder is None:
            raise CheckpointError("resume", "expected a folder with a checkpoint, got none", "give the folder of the run")
        if epochs is not None:
            replace(self.run, epochs=epochs)  # refuses what is no number of epochs
        if self._given.lr != self.lr or self._frozen != self.net.frozen:
            self.lr, self._frozen, self._identity = self._given.lr, self.net.frozen, None
        with nullcontext() if self._folder is None else FolderLock(self._folder.path, "TrainingOptions"):
            if self._folder is not None:  # before training everything that could fail after it
                self._folder.check()
            if self._ranks.world is not None:
                told = json.dumps(self.identity, sort_keys=True).encode()
                self._ranks.check_same("the run", told, "start every rank with the same data and options")
            if resume:
                self._resume(epochs is not None)
            if self.rows and self._folder is not None:
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
        silent = (
            self.log is None or not self._ranks.leads or any(isinstance(callback, ProgressBar) for callback in self.callbacks)
        )
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
            self.interrupted = self._ranks.agreed(interrupt.asked)

    def _compile(self) -> None:
        compile_kernels(self.net, self.loss, self.optimizer, self.run, self.train, self.log)

    def _epoch(self, interrupt: Interrupt) -> bool:
        """Train one epoch, or the rest of one; False if training ends early."""
        epoch, size = len(self.rows) + 1, self.run.step_size
        order = shuffled(self._chosen, self.run.seed, epoch, self.run.shuffle_block)
        total, lr = self.run.epochs * self.steps_per_epoch, self.run.rate(self.lr, self.rows)
        for callback in self._all:
            callback.on_epoch_start(epoch)
        while self._tally.steps < self.steps_per_epoch:
            first = self._tally.steps * size
            number = (epoch - 1) * self.steps_per_epoch + self._tally.steps
            self.optimizer.lr = lr * self.run.decay ** (epoch - 1) * self.run.schedule(number, total)
            self._ahead.before(order, first)
            batch, following = order[first : first + size], order[first + size : first + 2 * size]
            score = self._step(batch, following, number + 1)
            for callback in self._all:
                callback.on_step_end(score)
            due = self._local is None or self._local.due(number + 1, self._tally.steps == self.steps_per_epoch)
            if due and not math.isfinite(loss := score.loss if self._local is None else self._tally.loss):
                self.say(f"warning: the loss of step {number + 1} is {loss}: training stops; lower the learning rate")
                return False
            if self.run.log_every and self._tally.steps % self.run.log_every == 0 and not interrupt.asked:
                self.say(f"epoch {epoch} step {self._tally.steps}/{self.steps_per_epoch} loss {score.loss:.4f}")
            if due and self._ranks.agreed(interrupt.asked):
                self._interrupted(epoch)
                return False
        return self._finish(epoch)

    def _step(self, batch: Array, following: Array, number: int) -> Score:
        """Make a step, counted from 1: together with other ranks, or on a part of the batch, and sometimes an average."""
        local, started = self._local, time.perf_counter()
        world = self._ranks.world if local is None else None
        own = batch if local is None else local.mine(batch)
        score = step(self.net, self.loss, self.optimizer, self.run, self.train, own, following, world)
        self._tally.add(score, 0.0)
        if local is not None and local.due(number, self._tally.steps == self.steps_per_epoch):
            local.average(self.net, self.optimizer)
            local.sum(self._tally)
        self._tally.seconds += time.perf_counter() - started
        return score

    def _finish(self, number: int) -> bool:
        """Validate an epoch, with the average of the parameters where there is one, and save it; False if training ends."""
        if self._ranks.world is not None:
            hint = "run all ranks on processors of one kind, with one version of minicnn"
            self._ranks.check_same(f"the parameters after epoch {number}", digest(self.net).encode(), hint)
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
            score = seen = self.net.evaluate(*given, weight=held_out.weight, world=self._ranks.world)
        losses = (tally.loss / tally.images, tally.accuracy, seen and seen.loss, seen and seen.accuracy)
        row = EpochResult(number, *losses, seconds=tally.seconds, images_per_second=tally.images / tally.seconds)
        if not math.isfinite(score.loss):
            self.say(f"warning: the validation loss of epoch {number} is {score.loss}: training stops; lower the learning rate")
            return None, score
        self.rows.append(row)
        self._take(Tally())
        if self._folder is not None and best(self.rows) is row:
            self._folder.save_best()
        asked = [callback.on_epoch_end(row) for callback in self._all]  # all of them, whoever asks to stop
        self.stopped = self._ranks.agreed(any(asked))
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

    def _take(self, tally: Tally) -> None:
        """Go on from these sums of an epoch."""
        self._tally = tally
        if self._local is not None:
            self._local.begin(tally)

    def _resume(self, extended: bool) -> None:
        known = self.identity, self.run, len(self._chosen), self.validation is not None
        last = Path(self.run.folder or "") / LAST
        with self._ranks.copy_of(last) as file:
            folder = RunFolder(file.parent, self.net, self.optimizer, self.callbacks, self.run.metadata)
            rows, tally, self.stopped = folder.load(*known, extended)
            by = checkpoint.version(file)
        self.rows = EpochResults(rows)
        self._take(tally)
        self._left = None
        self.say(f"resumed from {last} after {len(self.rows)} epochs and {self._tally.steps} steps")
        if by != __version__:
            self.say(f"warning: {by!r} is the minicnn that saved it, and {__version__!r} this one: results may round otherwise")


def _silent(line: str) -> None:
    """The log of ranks that do not report."""
