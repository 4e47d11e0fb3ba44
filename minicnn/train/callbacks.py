"""Callbacks: what is done at the start and the end of training, and after steps and epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from reprlib import repr as short
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..arrays import Array
from ..engine.score import Score
from ..errors import CheckpointError, OptionError
from .document import Json
from .history import EpochResult
from .progress import Bar

if TYPE_CHECKING:
    from ..network import Network
    from .trainer import Trainer


class Callback:
    """Base of callbacks, whose methods do nothing. Write those that you need into a class of your own.

    A callback belongs to one ``Trainer`` at a time. In training on several ranks every rank has one, and all go by the same
    results; one that only ``reports`` has work on rank 0 alone.

    Attributes:
        reports: whether it does nothing but show or write results.

    >>> import numpy as np
    >>> from minicnn import MSE, SGD, Dense, Network
    >>> from minicnn.train import Callback, Dataset, Trainer, TrainingOptions
    >>> class UntilSmall(Callback):
    ...     def on_epoch_end(self, result):
    ...         return result.train_loss < 0.1
    >>> data = Dataset(np.ones((8, 1)), np.ones((8, 1)))
    >>> net = Network([Dense(1)], in_shape=(1,), threads=1, backend="numpy")
    >>> trainer = Trainer(net, MSE(), SGD(0.1), TrainingOptions(epochs=100), data, log=None, callbacks=[UntilSmall()])
    >>> len(trainer.fit()) < 100, trainer.stopped
    (True, True)
    """

    reports: ClassVar[bool] = False

    def on_fit_start(self, trainer: Trainer) -> None:
        """Called before the first step of every ``fit``, also where nothing is left to train.

        Args:
            trainer: what trains; ``trainer.rows`` has the epochs so far, ``trainer.net`` the network.
        """

    def on_epoch_start(self, epoch: int) -> None:
        """Called before the first step of an epoch, or of the rest of one; the first is 1."""

    def on_step_end(self, score: Score) -> None:
        """Called after every step with what its batch came to before it."""

    def on_epoch_end(self, result: EpochResult) -> bool | None:
        """Called after the validation of an epoch; the network has the weights that were validated. True ends training."""
        return None

    def on_fit_end(self, finished: bool) -> None:
        """Called when training ends in any way; ``finished`` is False after Ctrl-C, a signal or an error."""

    def state_dict(self) -> Mapping[str, object]:
        """What a checkpoint stores so that a resumed run goes on exactly: JSON data and arrays by name."""
        return {}

    def load_state_dict(self, state: Mapping[str, Json], net: Network) -> None:
        """Take back what ``state_dict`` gave.

        Args:
            state: it.
            net: the network, whose weights are not loaded yet.

        Raises:
            CheckpointError: it is not what ``state_dict`` gives.
        """


class ProgressBar(Callback):
    """A progress bar for each epoch, on a terminal or in a notebook; it needs tqdm. A ``Trainer`` with a log has one."""

    reports = True

    def __init__(self) -> None:
        self._trainer: Trainer | None = None
        self._bar: Bar | None = None

    def on_fit_start(self, trainer: Trainer) -> None:
        """Note whose progress it is."""
        self._trainer = trainer

    def on_epoch_start(self, epoch: int) -> None:
        """Show a bar."""
        if self._trainer is not None:
            title = f"epoch {epoch}/{self._trainer.run.epochs}"
            done, images = self._trainer.images_done
            self._bar = Bar(title, images, done)

    def on_step_end(self, score: Score) -> None:
        """Move it."""
        if self._bar is not None:
            self._bar.advance(score.images, score.loss)
            if self._trainer is not None and len(set(self._trainer.images_done)) == 1:
                self._close()

    def on_fit_end(self, finished: bool) -> None:
        """Remove it."""
        self._close()

    def __getstate__(self) -> dict[str, object]:
        return vars(self) | {"_trainer": None, "_bar": None}

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def checked(who: str, callbacks: object) -> tuple[Callback, ...]:
    """Callbacks as a tuple.

    Raises:
        OptionError: something is no callback.
    """
    given = callbacks if isinstance(callbacks, Sequence) else [callbacks]
    for each in given:
        if not isinstance(each, Callback):
            what = f"expected callbacks as a list of Callback, got {short(each)}"
            raise OptionError(who, what, "write for example callbacks=[EarlyStopping()]")
    return tuple(given)


def end(callbacks: Sequence[Callback], finished: bool) -> None:
    """Call ``on_fit_end`` of all callbacks, also if one fails; its error is raised afterwards."""
    errors = []
    for callback in callbacks:
        try:
            callback.on_fit_end(finished)
        except Exception as error:
            errors.append(error)
    if errors:
        raise errors[0]


def stored(callbacks: Sequence[Callback]) -> tuple[list[dict[str, object]], dict[str, Array]]:
    """The states of callbacks as JSON, one for each, and their arrays by names such as ``0.params``."""
    documents: list[dict[str, object]] = []
    arrays: dict[str, Array] = {}
    for place, callback in enumerate(callbacks):
        state = callback.state_dict()
        mine = {name: value for name, value in state.items() if isinstance(value, np.ndarray)}
        arrays |= {f"{place}.{name}": value for name, value in mine.items()}
        rest = {name: value for name, value in state.items() if name not in mine}
        documents.append({"class": type(callback).__name__, "state": rest})
    return documents, arrays


def restore(path: str, callbacks: Sequence[Callback], documents: Json, arrays: Mapping[str, object], net: Network) -> None:
    """Give callbacks back their states from a checkpoint; each takes the first that is left of its class, if any is.

    Args:
        path: the file, for messages.
        callbacks: the callbacks.
        documents: what ``stored`` made, from the file; None for none.
        arrays: the arrays, likewise.
        net: the network.

    Raises:
        CheckpointError: it is not what ``stored`` makes.
    """
    left = [] if documents is None else documents
    if not isinstance(left, list) or not all(isinstance(one, dict) and isinstance(one.get("state"), dict) for one in left):
        what = f"expected states of callbacks in what it tells of its run, got {short(documents)}"
        raise CheckpointError(path, what, "start anew without resume")
    waiting = list(enumerate(left))
    for callback in callbacks:
        found = next((one for one in waiting if one[1].get("class") == type(callback).__name__), None)
        if found is not None:
            waiting.remove(found)
            start = f"{found[0]}."
            mine = {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}
            callback.load_state_dict(found[1]["state"] | mine, net)
