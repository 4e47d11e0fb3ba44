"""One run of the LeNet-5 of 1998: in each pass, estimate the curvature, train on every image, save."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from minicnn import SDLM, Network, models
from minicnn.data import Affine, Distorted, ImageDataset, Normalise, Pixels, split
from minicnn.data.outfile import discard
from minicnn.data.pixels import shuffled
from minicnn.engine.source import Source
from minicnn.errors import CheckpointError
from minicnn.nn.losses import Loss
from minicnn.optim.schedules import LENET5_RATES
from minicnn.train import checkpoint, history
from minicnn.train import identity as identities
from minicnn.train.folder_lock import FolderLock
from minicnn.train.metrics import write_json

PAPER = Normalise.between(-0.1, 1.175)
MU = 84 * 0.02
"""The paper's 0.02, if its loss is a mean over the 84 numbers of F6: this one is their sum; see docs/reproduction.md."""
ESTIMATE = 500  # patterns for the estimate of the curvature
PLAIN = 10  # one batch in ten is not distorted: 60,000 of the paper's 600,000 images
DISTORTIONS = Affine(shift=2, scale=0.15, squeeze=0.15, shear=0.15)
HELD_OUT = 5000
LAST, WEIGHTS, RESULT = "last.safetensors", "model.safetensors", "result.json"
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        size: the number of training images.
        distorted: whether they are distorted again in each pass.
        batch: images in a step; the paper has 1.
    """

    size: int
    distorted: bool
    batch: int = 1

    @property
    def name(self) -> str:
        """The name of the row's folder."""
        return f"{self.size}{'-distorted' * self.distorted}{f'-batch-{self.batch}' * (self.batch > 1)}"


@dataclass(frozen=True)
class Pass:
    """The result of a pass: mean training loss, errors in per cent after the pass, seconds of training alone."""

    number: int
    loss: float
    train_error: float
    judged_error: float
    seconds: float


@dataclass(frozen=True)
class Task:
    """The settings shared by all runs.

    Attributes:
        digits: the data.
        loss: equation 8 or 9.
        passes: the number of passes.
        validate: hold out 5,000 of 60,000 training images for validation; the test images are not read.
        threads: threads, as for ``Network``.
    """

    digits: ImageDataset
    loss: Loss
    passes: int
    validate: bool
    threads: int | None

    @cached_property
    def common(self) -> dict[str, Any]:
        """The settings that must be equal for two runs in one row of the table."""
        digits, (images, labels, judged) = self.digits, self.judged()
        data = {"learned": identities.examples(Pixels(digits.train_images, PAPER, 32), digits.train_labels, self.learn)}
        data["judged"] = identities.examples(images, labels, judged)
        metadata = {"model": "1998", "normalise": asdict(PAPER), "loss": repr(self.loss), "mu": MU, "estimate": ESTIMATE}
        metadata |= {"rates": list(LENET5_RATES), "validate": self.validate, "learn_from": len(self.learn)}
        return metadata | {"network": identities.network(models.lenet5_1998(threads=1))} | identities.describe(data)

    @property
    def learn(self) -> Array:
        """The images that may be trained on."""
        return self._parts[0]

    @property
    def _parts(self) -> tuple[Array, Array]:
        count = len(self.digits.train_images)
        return split(count, count * HELD_OUT // 60_000, 0) if self.validate else (np.arange(count), np.arange(0))

    def judged(self) -> tuple[Pixels, Array, Array]:
        """The images, labels and image numbers on which the result is measured."""
        digits = self.digits
        if self.validate:
            return Pixels(digits.train_images, PAPER, 32), digits.train_labels, self._parts[1]
        return Pixels(digits.test_images, PAPER, 32), digits.test_labels, np.arange(len(digits.test_labels))


def identity(task: Task, row: Row, seed: int) -> dict[str, Any]:
    """Everything that must be equal for a run to resume."""
    distortions = f"{DISTORTIONS}, but for one batch in {PLAIN}" if row.distorted else ""
    return {"seed": seed, **asdict(row), "distortions": distortions} | task.common


def run(task: Task, row: Row, seed: int, folder: Path, resume: bool, log: Callable[[str], None]) -> list[Pass]:
    """Train one network, or resume its training; returns the passes in order. The last one is the result.

    Raises:
        CheckpointError: with ``resume``, the folder holds another run.
        OptionError: the folder is not writable, or another process holds it.
    """
    with FolderLock(folder, "--out"):
        net, optimizer = models.lenet5_1998(threads=task.threads, seed=seed), SDLM(LENET5_RATES[0], MU)
        net.check(task.loss, *task.judged())
        known = identity(task, row, seed)
        resume = resume and (folder / LAST).exists()
        passes = restore(folder / LAST, net, optimizer, known, task.passes) if resume else []
        if not resume:
            discard(folder / RESULT, "a result")
        plain = Pixels(task.digits.train_images, PAPER, 32)
        sources = plain, Distorted(plain, DISTORTIONS, seed=seed) if row.distorted else plain
        net.check(task.loss, plain, task.digits.train_labels, task.learn)
        order = shuffled(task.learn, seed, 0)[: row.size]  # the same in every pass: "a constant random order"
        while len(passes) < task.passes:
            passes.append(one_pass(task, row, net, optimizer, sources, order, len(passes)))
            checkpoint.save_training(folder / LAST, net, optimizer, {"run": known, "passes": [asdict(p) for p in passes]})
            log(f"{row.name} seed {seed} {line(passes[-1])}")
        metadata = known | {"error": passes[-1].judged_error, "passes": [asdict(p) for p in passes]}
        checkpoint.save_weights(folder / WEIGHTS, net, {k: v for k, v in metadata.items() if k != "passes"})
        write_json(folder / RESULT, metadata)
    return passes


def restore(path: Path, net: Network, optimizer: SDLM, known: dict[str, Any], most: int) -> list[Pass]:
    """Load the finished passes, and the network after them."""
    metadata = checkpoint.read_metadata(path)
    hint = "resume with the options it was started with, or give another folder"
    identities.check(path, known, metadata.get("run"), hint)
    passes = history.records(path, Pass, metadata.get("passes"))
    if not 1 <= len(passes) <= most:
        what = f"expected a run of at most {most} passes, got one of {len(passes)}"
        raise CheckpointError(str(path), what, "give more passes, or another folder")
    checkpoint.load_training(path, net, optimizer)
    return passes


def one_pass(
    task: Task, row: Row, net: Network, optimizer: SDLM, sources: tuple[Source, Source], order: Array, number: int
) -> Pass:
    """Estimate the curvature, train on every image once, and measure the errors."""
    labels, (plain, distorted) = task.digits.train_labels, sources
    optimizer.lr = LENET5_RATES[number] * row.batch  # a batch's gradient is a mean; the paper adds the steps of single images
    optimizer.estimate(net, task.loss, plain, labels, order[:ESTIMATE])
    started, loss = time.perf_counter(), 0.0
    for step, first in enumerate(range(0, len(order), row.batch)):
        source = plain if (step + number) % PLAIN == 0 else distorted
        score = net.score_and_grads(task.loss, source, labels, order[first : first + row.batch])
        optimizer.step(net)
        loss += score.loss * score.images
    seconds = time.perf_counter() - started
    train = error(net, task.loss, plain, labels, order)
    return Pass(number + 1, loss / len(order), train, error(net, task.loss, *task.judged()), seconds)


def error(net: Network, loss: Loss, images: Source, labels: Array, chosen: Array) -> float:
    """The share of misclassified images in per cent."""
    score = net.evaluate(loss, images, labels, chosen)
    return 100 * (score.images - score.correct) / score.images


def line(done: Pass) -> str:
    """A pass as one line of text."""
    errors = f"training error {done.train_error:.2f} %, judged {done.judged_error:.2f} %"
    return f"pass {done.number:2}: loss {done.loss:.3f}, {errors}, {done.seconds:.1f} s"
