"""A training that one can watch: a few hundred steps, slowly, with loss, kernels and gradients."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import numpy as np

from ...arrays import Array
from ...errors import MinicnnError
from ...train.classifier import Classifier
from ..body import Refused
from .judge import Judge, kind_of, package_digits
from .look import Viewer
from .networks import Ready
from .reading import read
from .recipes import BATCH, Recipe

PACE = 0.03
"""Seconds of a step at least, so that one can watch."""

JUDGED, EVERY = 200, 20
"""So many test digits are read every so many steps."""

MOST_STEPS = 1000


@dataclass
class Run:
    """A training.

    Attributes:
        number: counted from 1.
        recipe: of which network.
        steps: how many there will be.
        losses: of the steps so far.
        accuracies: pairs of a step and the accuracy after it.
        state: "running", "done", "stopped" or a sentence on what failed.
    """

    number: int
    recipe: Recipe
    steps: int
    model: Classifier
    losses: list[float] = field(default_factory=list)
    accuracies: list[tuple[int, float]] = field(default_factory=list)
    state: str = "running"
    ready: Ready | None = None
    stop: threading.Event = field(default_factory=threading.Event)


class Live:
    """One training at a time: a new one ends the one before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._run: Run | None = None
        self._thread: threading.Thread | None = None

    def start(self, recipe: Recipe, steps: int, rate: float) -> int:
        """Begin to train.

        Args:
            recipe: which network.
            steps: how many.
            rate: the learning rate of Adam.

        Returns:
            The number of the training.
        """
        with self._lock:
            before, thread = self._run, self._thread
            number = 1 if before is None else before.number + 1
            run = self._run = Run(number, recipe, steps, recipe.classifier(rate))
            _end(before, thread)  # after a page can see the new one: it follows no training that has been stopped
            self._thread = threading.Thread(target=_train, args=(run,), name="train", daemon=True)
            self._thread.start()
            return number

    def stop(self) -> None:
        """End the training."""
        with self._lock:
            _end(self._run, self._thread)

    def ready(self) -> Ready:
        """The network in training.

        Raises:
            Refused: there is none.
        """
        run = self._run
        if run is None:
            raise Refused(400, "network: expected one in training, got none; start a training first")
        if run.ready is None:
            raise Refused(503, "network: expected one that is ready, got live (compiling); wait")
        return run.ready

    def snapshot(self, after: int) -> tuple[dict[str, object], dict[str, Array]]:
        """The training as it stands.

        Args:
            after: losses of the steps behind this one are wanted.

        Returns:
            JSON data, and arrays: the losses, the kernels of the first layer and their gradients, and for each layer the root
            mean square of its weights' gradient.
        """
        run = self._run
        if run is None:
            return {"run": 0, "state": "none"}, {}
        net = run.model.net
        first = net.layers[0].name
        names = [placed.name for placed in net.layers if f"{placed.name}.W" in net.params]
        with net.atomic():
            kernels, grads = (np.array(vector[f"{first}.W"], np.float32) for vector in (net.params, net.grads))
            sizes = np.array([np.sqrt(np.mean(net.grads[f"{name}.W"] ** 2)) for name in names], np.float32)
            done = len(run.losses)
        head = {"run": run.number, "network": run.recipe.key, "state": run.state, "steps": run.steps, "step": done}
        head |= {"layers": names, "first": first, "accuracies": run.accuracies, "looked": run.ready is not None}
        losses = np.array(run.losses[max(0, after) : done], np.float32)
        return head, {"losses": losses, "kernels": kernels[:, 0], "grads": grads[:, 0], "sizes": sizes}


def _end(run: Run | None, thread: threading.Thread | None) -> None:
    """End a training, if there is one, and wait until its step is done."""
    if run is not None and thread is not None:
        run.stop.set()
        thread.join(30)


def _train(run: Run) -> None:
    """Make the steps of a training."""
    try:
        _steps(run)
    except MinicnnError as error:
        run.state = f"failed: {error}"
    except Exception as error:  # the page would wait for ever
        run.state = f"failed: {type(error).__name__}: {error}"


def _steps(run: Run) -> None:
    digits, model = package_digits(), run.model
    pixels, labels = read(model, digits.train_images), digits.train_labels
    judged = read(model, digits.test_images[:JUDGED])
    assert model.loss is not None
    assert model.optimizer is not None
    net, rng = model.net, np.random.default_rng(run.number)
    viewer = Viewer(model)
    viewer.links(viewer.see(digits.test_images[0]))
    run.ready = Ready(viewer, Judge(kind_of(model), None, None, []), f"in training on this page, {run.steps} steps", run.number)
    for step in range(run.steps):
        started = time.monotonic()
        batch = rng.choice(len(labels), BATCH, replace=False)
        with net.atomic():
            loss = net.loss_and_grads(model.loss, pixels, labels, batch)
            model.optimizer.step(net)
            run.losses.append(float(loss))
        if not np.isfinite(loss):
            run.state = "failed: the loss is no longer finite; take a lower learning rate"
            return
        if (step + 1) % EVERY == 0 or step + 1 == run.steps:
            score = net.evaluate(model.loss, judged, digits.test_labels[:JUDGED])
            run.accuracies.append((step + 1, score.accuracy or 0.0))
        if run.stop.wait(max(0.0, PACE - (time.monotonic() - started))):
            run.state = "stopped"
            return
    run.state = "done"
