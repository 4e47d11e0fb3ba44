"""Training: an epoch of 60,000 images, minicnn against PyTorch.

Both start from the same weights, take the same images in the same order, and use the same loss and optimiser; their losses
over the first 100 steps are compared before anything is timed. Images are in memory, each engine's in its own form: 8-bit
pixels for minicnn, normalised float32 for PyTorch, in the faster of contiguous and channels_last, with fused optimisers.
Validation is outside. Run: python benchmarks/train_bench.py [--threads N] [--quick] [--json FILE]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import harness
import numpy as np
from harness import BenchmarkError, Column, Peak, say

from minicnn import MSE, SGD, Adam, CrossEntropy, models
from minicnn.data import Normalise, Pixels, load_mnist
from minicnn.losses import Loss
from minicnn.network import Network
from minicnn.optim import Optimizer

IMAGES = 60_000
AGREE = 100
"""Steps whose losses are compared."""


@dataclass(frozen=True)
class Case:
    """One network with its recipe.

    Attributes:
        name: the model's name in ``minicnn.models``.
        peer: its name in ``torch_peers``.
        normalise: what a grey level becomes.
        size: rows and columns of the padded image.
        loss: the loss.
        adam: Adam at 1e-3 rather than gradient descent with momentum 0.9.
        rate: the learning rate.
        batch: images a step.
        multiply_adds: nominal multiply-adds an image and step, where the facts are known: links that exist, forward and
            twice backward, without the input gradient of C1.
    """

    name: str
    peer: str
    normalise: Normalise
    size: int
    loss: Loss
    adam: bool
    rate: float
    batch: int
    multiply_adds: int | None = None


PAPER, TORCH = Normalise.between(-0.1, 1.175), Normalise.standard(0.1307, 0.3081)
CASES = (
    Case("lenet5", "classic", PAPER, 32, MSE(1, -1), False, 0.1, 32, 862_000),
    Case("lenet5s", "lenet5s", TORCH, 32, MSE(), False, 0.01, 32),
    Case("lenet5_modern", "modern", TORCH, 28, CrossEntropy(), True, 1e-3, 64),
)
COLUMNS = (
    Column("network", 14),
    Column("batch", 5, "d"),
    Column("minicnn s", 9, ".2f"),
    Column("torch s", 8, ".2f"),
    Column("layout", 10),
    Column("ratio", 6, ".2f"),
    Column("control", 7, ".2f"),
    Column("% peak", 6, ".0%"),
)


class Own:
    """minicnn at its training loop: one call makes some steps."""

    def __init__(self, case: Case, images: Any, labels: Any, threads: int, steps: int) -> None:
        self.net: Network = getattr(models, case.name)(threads=threads, seed=1)
        self.case, self.steps, self.images = case, steps, images
        self.source, self.labels = Pixels(images, case.normalise, case.size), labels
        self.optimizer: Optimizer = Adam(case.rate) if case.adam else SGD(case.rate, momentum=0.9)
        self._next = order(len(images), case.batch)

    def step(self) -> float:
        """One step; its loss."""
        loss = self.net.loss_and_grads(self.case.loss, self.source, self.labels, self._next())
        self.optimizer.step(self.net)
        return loss

    def __call__(self) -> None:
        """Some steps."""
        for _ in range(self.steps):
            self.step()


class Torch:
    """PyTorch at the same."""

    def __init__(self, case: Case, own: Own, channels_last: bool) -> None:
        import torch
        import torch_peers

        self.case, self.steps = case, own.steps
        form = torch.channels_last if channels_last else torch.contiguous_format
        self.module = getattr(torch_peers, case.peer)(own.net).to(memory_format=form)
        pad = (case.size - own.images.shape[1]) // 2
        padded = np.pad(own.images, ((0, 0), (pad, pad), (pad, pad)))
        values = padded.astype(np.float32) * np.float32(case.normalise.scale) + np.float32(case.normalise.shift)
        self.images = torch.from_numpy(values[:, None]).contiguous(memory_format=form)
        self.labels = torch.from_numpy(own.labels.astype(np.int64))
        vectors = np.where(np.arange(10) == own.labels[:, None], getattr(case.loss, "on", 1), getattr(case.loss, "off", 0))
        self.targets = self.labels if case.adam else torch.from_numpy(vectors.astype(np.float32))
        self.loss = torch.nn.CrossEntropyLoss() if case.adam else torch.nn.MSELoss()
        parameters = self.module.parameters()
        if case.adam:
            self.optimizer: Any = torch.optim.Adam(parameters, lr=case.rate, fused=True)
        else:
            self.optimizer = torch.optim.SGD(parameters, lr=case.rate, momentum=0.9, fused=True)
        self._next, self._index = order(len(own.images), case.batch), torch.from_numpy

    def step(self) -> Any:
        """One step; its loss as a tensor, which nobody waits for."""
        index = self._index(self._next())
        self.optimizer.zero_grad()
        loss = self.loss(self.module(self.images[index]), self.targets[index])
        loss.backward()
        self.optimizer.step()
        return loss

    def __call__(self) -> None:
        """Some steps."""
        for _ in range(self.steps):
            self.step()


def order(images: int, batch: int) -> Callable[[], Any]:
    """A function that gives the images of one batch after another, shuffled anew every epoch."""
    rng, waiting = np.random.default_rng(0), np.arange(0)

    def following() -> Any:
        nonlocal waiting
        if len(waiting) < batch:
            waiting = rng.permutation(images)
        taken, waiting = waiting[:batch], waiting[batch:]
        return taken

    return following


def compare(case: Case, own: Own, theirs: Sequence[Torch]) -> None:
    """Train all contenders for ``AGREE`` steps.

    Raises:
        BenchmarkError: their losses differ.
    """
    expected = np.array([own.step() for _ in range(AGREE)])
    for peer in theirs:
        got = np.array([float(peer.step().detach()) for _ in range(AGREE)])
        worst = float(np.max(np.abs(got - expected) / np.maximum(expected, 0.05)))
        if not worst < 0.02:  # rounding grows with the steps; another rule differs by far more
            raise BenchmarkError(f"{case.name}: losses differ by {worst:.1%} within {AGREE} steps; nothing was timed", code=1)


def measure(case: Case, images: Any, labels: Any, torch: Any | None, peak: Peak, rounds: int, steps: int) -> dict[str, Any]:
    """One row of the table."""
    own = Own(case, images, labels, peak.threads, steps)
    control = Own(case, images, labels, peak.threads, steps)
    peers = {} if torch is None else {"contiguous": Torch(case, own, False), "last": Torch(case, own, True)}
    compare(case, own, list(peers.values()))
    found = harness.interleaved({"own": own, "control": control, "peak": peak, **peers}, rounds, 0.0, peak.threads)
    epoch = {name: timing.median / steps * IMAGES / case.batch for name, timing in found.items() if name != "peak"}
    layout = min(peers, key=lambda name: epoch[name], default=None)
    rate = None if case.multiply_adds is None else 2e-9 * case.multiply_adds * IMAGES / epoch["own"]
    row = {"network": case.name, "batch": case.batch, "minicnn_s": epoch["own"], "torch_s": epoch[layout] if layout else None}
    row |= {"layout": layout, "ratio": epoch[layout] / epoch["own"] if layout else None}
    row |= {"control": epoch["control"] / epoch["own"], "share_of_peak": rate / peak.best if rate else None}
    return row | {"timings": {name: timing.facts() for name, timing in found.items()}}


def benchmark(given: Sequence[str]) -> None:
    """Measure, print, write."""
    parser = harness.arguments("Training: an epoch of 60,000 images, minicnn against PyTorch.")
    options = parser.parse_args(given)
    harness.check_arguments(options)
    machine = harness.machine_facts(options.threads)
    say(harness.machine_line(machine))
    torch = harness.peer("torch")
    if torch is not None:
        torch.set_num_threads(options.threads)
    digits = load_mnist(source="subset", announce=lambda line: None)
    images, labels = (np.concatenate([part] * 10) for part in (digits.train_images, digits.train_labels))
    rounds, steps = options.repeats or (3 if options.quick else 11), 10 if options.quick else 60
    peak = Peak(options.threads)
    say(f"an epoch of {IMAGES:,} images, float32, medians of {rounds} samples of {steps} steps\n{harness.heading(COLUMNS)}")
    rows = []
    for case in CASES:
        rows.append(measure(case, images, labels, torch, peak, rounds, steps))
        say(harness.line(COLUMNS, list(rows[-1].values())[: len(COLUMNS)]))
    say("ratio: torch / minicnn; control: minicnn against itself, 1 on a quiet machine")
    if options.json is not None:
        settings = {"threads": options.threads, "quick": options.quick, "samples": rounds, "steps": steps}
        harness.write_json(options.json, {"benchmark": "train", "machine": machine, "settings": settings, "rows": rows})


if __name__ == "__main__":
    sys.exit(harness.run("train_bench", benchmark, sys.argv[1:]))
