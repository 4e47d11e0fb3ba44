"""Training: an epoch of 60,000 images with minicnn, PyTorch (eager and compiled), JAX and TensorFlow.

All start from the same weights, take the same images in the same order, and use the same loss and optimiser. Their losses over
the first 100 steps are compared before timing. Images are in memory in each library's own form: 8-bit pixels for minicnn,
except in the rows that say floats and for ``cifar_cnn``, where it gets PyTorch's float32 (N, C, H, W) array; PyTorch in the
faster of contiguous and channels_last; JAX in NHWC; TensorFlow in NHWC, with the loop over steps inside one graph. Validation
is excluded. The process is limited to as many processors as there are threads.
Run: python benchmarks/train_bench.py [--threads N] [--quick]

With ``--backend cuda`` minicnn and PyTorch are compared on the same GPU; PyTorch runs eagerly and as CUDA graphs. Both use
float32 without TF32, with the images on the device; batches are those of the recipes, 512 and 4,096.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import harness
import numpy as np
from harness import BenchmarkError, Column, Peak, say
from harness.cases import CASES, Case, Data, data_of, multiply_adds, order

from minicnn import SGD, Adam, BackendError, backends
from minicnn.optim import Optimizer

IMAGES = 60_000
AGREE = 100
"""Number of steps whose losses are compared."""

LARGE = (512, 4096)
"""Batch sizes on a GPU in addition to that of the recipe."""

FASTEST = {"cpu": "compiled", "cuda": "graphs"}
"""PyTorch's second form on each backend."""

COLUMNS = (
    Column("network", 14),
    Column("batch", 5, "d"),
    Column("minicnn s", 9, ".3f"),
    Column("eager s", 7, ".3f"),
    Column("layout", 10),
    Column("compiled s", 10, ".3f"),  # graphs s on a GPU
    Column("jax s", 7, ".3f"),
    Column("tf s", 7, ".3f"),
    Column("/ eager", 7, ".2f"),
    Column("/ best", 6, ".2f"),
    Column("control", 7, ".2f"),
    Column("% peak", 6, ".0%"),
)


class Own:
    """minicnn's training loop: each call of ``step`` is one step.

    Args:
        case: the network and its recipe.
        threads: the number of threads that share a batch.
    """

    def __init__(self, case: Case, threads: int) -> None:
        self.case, self.net = case, case.make(threads=threads, seed=1)
        self.data = data_of(case, self.net.in_shape[1])
        self.optimizer: Optimizer = Adam(case.rate) if case.adam else SGD(case.rate, momentum=0.9)
        self._next = order(len(self.data.images), case.batch)

    def step(self) -> float:
        """One step; returns its loss."""
        loss = self.net.loss_and_grads(self.case.loss, self.data.source, self.data.labels, self._next())
        self.optimizer.step(self.net)
        return loss


def peers_of(case: Case, own: Own, backend: str) -> dict[str, Any]:
    """All other installed contenders, with the same initial weights."""
    if backend == "cuda":
        return peers_on_gpu(case, own)
    found: dict[str, Any] = {}
    data: Data = own.data
    if harness.peer("torch") is not None:
        from peers.train_torch import Torch, forget_compiled

        forget_compiled()
        for compiled, form in ((False, "eager"), (True, "compiled")):
            found |= {f"{form} {name}": Torch(case, own.net, data, name == "last", compiled) for name in ("contiguous", "last")}
    if harness.peer("jax") is not None:
        from peers.train_jax import Jax

        found["jax"] = Jax(case, own.net, data)
    if harness.peer("tensorflow") is not None:
        from peers.train_tensorflow import TensorFlow

        found["tensorflow"] = TensorFlow(case, own.net, data)
    return found


def peers_on_gpu(case: Case, own: Own) -> dict[str, Any]:
    """PyTorch on this GPU, if it is installed with CUDA."""
    torch = harness.peer("torch")
    if torch is None or not torch.cuda.is_available():
        return {}
    from peers.train_torch_cuda import FORMS, without_tf32

    without_tf32()
    return {
        f"{form} {name}": make(case, own.net, own.data, name == "last")
        for form, make in FORMS.items()
        for name in ("contiguous", "last")
    }


def compare(case: Case, own: Own, theirs: Mapping[str, Any]) -> None:
    """Train all contenders for ``AGREE`` steps.

    Raises:
        BenchmarkError: their losses differ.
    """
    expected = np.array([own.step() for _ in range(AGREE)])
    for name, peer in theirs.items():
        got = np.array([float(peer.step()) for _ in range(AGREE)])
        worst = float(np.max(np.abs(got - expected) / np.maximum(expected, 0.05)))
        if not worst < 0.02:  # rounding grows with the steps, but a different update rule differs by far more
            what = f"{case.name}: losses of {name} differ by {worst:.1%} within {AGREE} steps; nothing was timed"
            raise BenchmarkError(what, code=1)


def several(contender: Any, steps: int) -> harness.Work:
    """Run some steps of a contender and wait for the last."""
    if hasattr(contender, "steps"):  # in one call
        return lambda: contender.steps(steps)
    finish = getattr(contender, "finish", lambda: None)

    def work() -> None:
        for _ in range(steps):
            contender.step()
        finish()

    return work


def measure(case: Case, backend: str, threads: int, peak: Peak | None, rounds: int, steps: int) -> dict[str, Any]:
    """One row of the table; a GPU has no peak figure."""
    own, control = Own(case, threads), Own(case, threads)
    peers = peers_of(case, own, backend)
    compare(case, own, peers)
    works = {name: several(contender, steps) for name, contender in {"own": own, "control": control, **peers}.items()}
    found = harness.interleaved({**works, **({"peak": peak} if peak else {})}, rounds, 0.0, threads)
    epoch = {name: timing.median / steps * IMAGES / case.batch for name, timing in found.items() if name != "peak"}
    eager, other = (best(epoch, form) for form in ("eager", FASTEST[backend]))
    rate = 2e-9 * multiply_adds(own.net) * IMAGES / epoch["own"]
    theirs = {name: epoch[name] for name in peers}
    row = {"network": case.name, "batch": case.batch, "minicnn_s": epoch["own"], "eager_s": eager and epoch[eager]}
    row |= {"layout": eager and eager.split()[1], f"{FASTEST[backend]}_s": other and epoch[other], "jax_s": epoch.get("jax")}
    row |= {"tensorflow_s": epoch.get("tensorflow")}
    row |= {"over_eager": eager and epoch[eager] / epoch["own"]}
    row |= {"over_best": min(theirs.values()) / epoch["own"] if theirs else None}
    row |= {"control": epoch["control"] / epoch["own"], "share_of_peak": rate / peak.best if peak else None}
    return row | {"timings": {name: timing.figures() for name, timing in found.items()}}


def best(epoch: Mapping[str, float], form: str) -> str | None:
    """The faster memory format of a form of PyTorch."""
    return min((name for name in epoch if name.startswith(form)), key=lambda name: epoch[name], default=None)


def on_gpu(cases: Sequence[Case]) -> list[Case]:
    """The cases with networks on a GPU, each with its own batch size and with large ones.

    Raises:
        BenchmarkError: there is no usable GPU.
    """
    try:
        backends.get("cuda")
    except BackendError as error:
        raise BenchmarkError(str(error)) from None
    there = [replace(case, make=partial(case.make, backend="cuda")) for case in cases]
    return [replace(case, batch=batch) for case in there for batch in (case.batch, *LARGE)]


def gpu() -> str:
    """The name of the GPU."""
    from minicnn.backends.cuda.device.mirror import mirror

    return mirror().device.name


def benchmark(given: Sequence[str]) -> None:
    """Measure, print, write."""
    parser = harness.arguments("Training: an epoch of 60,000 images, minicnn against PyTorch, JAX and TensorFlow.")
    parser.add_argument("--only", metavar="NAME", help="the networks whose names hold this")
    parser.add_argument("--backend", choices=[*FASTEST], default="cpu", help="where all contenders compute (default cpu)")
    options = parser.parse_args(given)
    harness.check_arguments(options)
    cases: Sequence[Case] = [case for case in CASES if options.only is None or options.only in case.name]
    if not cases:
        names = ", ".join(case.name for case in CASES)
        raise BenchmarkError(f"expected --only as a part of one of {names}, got {options.only!r}")
    if options.backend == "cuda":
        cases = on_gpu(cases)
    else:
        harness.keep_to(options.threads)
        if harness.peer("tensorflow") is not None:
            from peers.train_tensorflow import limit

            limit(options.threads)
    machine = harness.machine_info(options.threads, ("torch", "jax", "tensorflow"))
    say(harness.machine_line(machine))
    rounds, steps = options.repeats or (3 if options.quick else 9), 10 if options.quick else 60
    peak = Peak(options.threads) if options.backend == "cpu" else None
    columns = [replace(c, title=c.title.replace("compiled", FASTEST[options.backend])) for c in COLUMNS]
    say(f"an epoch of {IMAGES:,} images, float32, medians of {rounds} samples of {steps} steps\n{harness.heading(columns)}")
    rows = []
    for case in cases:
        rows.append(measure(case, options.backend, options.threads, peak, rounds, steps))
        say(harness.line(columns, list(rows[-1].values())[: len(columns)]))
    shown = f"peak: {peak.best:.0f} GFLOP/s" if peak else f"on {gpu()}"
    say(f"{shown}; control: minicnn against itself, 1 on a quiet machine")
    if options.json is not None:
        settings = {"threads": options.threads, "quick": options.quick, "samples": rounds, "steps": steps}
        settings |= {"backend": options.backend}
        harness.write_json(options.json, {"benchmark": "train", "machine": machine, "settings": settings, "rows": rows})


if __name__ == "__main__":
    sys.exit(harness.run("train_bench", benchmark, sys.argv[1:]))
