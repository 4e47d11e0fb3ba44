"""Callbacks that keep the weights of the best epoch, and that end training when no epoch gets better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..errors import CheckpointError, OptionError, number
from ..nn.window import count
from .callbacks import Callback
from .document import Json
from .history import EpochResult
from .weights import Weights

if TYPE_CHECKING:
    from ..network import Network
    from .trainer import Trainer

MONITORS = ("val_loss", "val_accuracy", "train_loss", "train_accuracy")


class BestWeights(Callback):
    """Keeps the weights of the best epoch in memory, and puts them into the network at the end of training.

    After Ctrl-C the network keeps those of the last step. A run goes on from there, a finished one that is trained further too.

    Args:
        monitor: what is watched: ``"val_loss"``, ``"val_accuracy"``, ``"train_loss"`` or ``"train_accuracy"``. None for that
            by which a ``Trainer`` chooses what it saves: validation accuracy, or where there is none validation loss.

    Raises:
        OptionError: monitor is another word. From ``Trainer.fit``: there is no such number, as there is no validation.

    Attributes:
        best_epoch: the epoch whose weights are kept; 0 for none.
        best: the number that it was chosen by.

    >>> BestWeights("val_loss").best_epoch
    0
    """

    def __init__(self, monitor: str | None = None) -> None:
        if monitor is not None and monitor not in MONITORS:
            what = f"expected monitor as one of {', '.join(MONITORS)}, got {monitor!r}"
            raise OptionError(self._who, what, 'give monitor="val_loss"')
        self.monitor = monitor
        self._watched = monitor or MONITORS[0]
        self._trainer: Trainer | None = None
        self._forget()

    def _forget(self) -> None:
        self.best_epoch, self.best = 0, math.nan
        self._kept: Weights | None = None

    @property
    def _who(self) -> str:
        return type(self).__name__

    def on_fit_start(self, trainer: Trainer) -> None:
        """Look whether there is what is to be watched, and forget what another run left."""
        watched = self.monitor or ("val_accuracy" if trainer.has_accuracy else "val_loss")
        if watched.startswith("val") and trainer.validation is None:
            what = f"expected validation images for {watched}, got none"
            raise OptionError(self._who, what, 'give validation, or monitor="train_loss"')
        if watched.endswith("accuracy") and not trainer.has_accuracy:
            what = f"expected targets that are class numbers for {watched}, got others"
            raise OptionError(self._who, what, f'give monitor="{watched.replace("accuracy", "loss")}"')
        if len(trainer.rows) < self.best_epoch or (self._trainer is not None and self._trainer is not trainer):
            self._forget()
        self._trainer, self._watched = trainer, watched

    def on_epoch_end(self, result: EpochResult) -> bool | None:
        """Keep the weights of an epoch that is better than all before."""
        if self._trainer is not None and self._better(float(getattr(result, self._watched))):
            self.best_epoch, self.best = result.epoch, float(getattr(result, self._watched))
            self._kept = Weights.of(self._trainer.net)
        return None

    def _better(self, value: float, least: float = 0.0) -> bool:
        """Whether a number is better than the best so far, by more than ``least``."""
        if not self.best_epoch:
            return True
        return value - self.best > least if self._watched.endswith("accuracy") else self.best - value > least

    def on_fit_end(self, finished: bool) -> None:
        """Put the best weights into the network."""
        if finished and self._kept is not None and self._trainer is not None and not self._kept.are_in(self._trainer.net):
            self._kept.put(self._trainer.net)
            self._trainer.say(f"the network has the weights of epoch {self.best_epoch}, the best {self._watched}")

    def state_dict(self) -> Mapping[str, object]:
        """The best epoch with its weights."""
        return {} if self._kept is None else {"epoch": self.best_epoch, "best": self.best, **self._kept.arrays()}

    def load_state_dict(self, state: Mapping[str, Json], net: Network) -> None:
        """Take them back.

        Raises:
            CheckpointError: they are no epoch with weights of this network.
        """
        self._forget()
        self._trainer = None
        if state:
            self.best_epoch, self.best = _whole(self._who, state, "epoch"), _finite(self._who, state, "best")
            self._kept = Weights.read(self._who, state, net)

    def __getstate__(self) -> dict[str, object]:
        return vars(self) | {"_trainer": None}


class EarlyStopping(BestWeights):
    """Ends training when no epoch has been better for some time, and puts the weights of the best one into the network.

    Args:
        patience: so many epochs in a row may be no better than the best one; with the last of them training ends.
        min_delta: what is better by no more than this is not better.
        monitor: what is watched, as of ``BestWeights``.

    Raises:
        OptionError: an option is outside its range. From ``Trainer.fit``: as of ``BestWeights``.

    >>> import numpy as np
    >>> from minicnn import MSE, SGD, Dense, Network
    >>> from minicnn.train import Dataset, EarlyStopping, Trainer, TrainingOptions
    >>> x = np.linspace(-1, 1, 40)[:, None]
    >>> data, held_out = Dataset(x[::2], 3 * x[::2]), Dataset(x[1::2], 3 * x[1::2])
    >>> net, stopping = Network([Dense(1)], in_shape=(1,), threads=1, backend="numpy"), EarlyStopping(2, min_delta=0.01)
    >>> rows = Trainer(net, MSE(), SGD(0.5), TrainingOptions(100), data, held_out, None, [stopping]).fit()
    >>> len(rows) - stopping.best_epoch
    2
    """

    def __init__(self, patience: int = 5, min_delta: float = 0.0, monitor: str | None = "val_loss") -> None:
        count(self._who, "patience", patience)
        self.patience, self.min_delta = patience, number(self._who, "min_delta", min_delta, 0, math.inf)
        super().__init__(monitor)

    def _forget(self) -> None:
        super()._forget()
        self._waited = 0

    def on_fit_start(self, trainer: Trainer) -> None:
        """As of ``BestWeights``. A run that had ended here and is trained further gets the whole patience again."""
        super().on_fit_start(trainer)
        if self._waited >= self.patience and not trainer.stopped:
            self._waited = 0

    def on_epoch_end(self, result: EpochResult) -> bool | None:
        """Count epochs that are no better."""
        if self._better(float(getattr(result, self._watched)), self.min_delta):
            self._waited = 0
            return super().on_epoch_end(result)
        self._waited += 1
        return self._waited >= self.patience

    def on_fit_end(self, finished: bool) -> None:
        """Say that it ended training, and put the best weights into the network."""
        if finished and self._trainer is not None and self._trainer.stopped and self._waited >= self.patience:
            since = f"no better {self._watched} since epoch {self.best_epoch}"
            self._trainer.say(f"stopped after epoch {len(self._trainer.rows)}: {since}")
        super().on_fit_end(finished)

    def state_dict(self) -> Mapping[str, object]:
        """The best epoch with its weights, and how long it was waited since."""
        return {**super().state_dict(), "waited": self._waited}

    def load_state_dict(self, state: Mapping[str, Json], net: Network) -> None:
        """Take them back.

        Raises:
            CheckpointError: as of ``BestWeights``.
        """
        super().load_state_dict({name: value for name, value in state.items() if name != "waited"}, net)
        self._waited = _whole(self._who, state, "waited")


def _whole(who: str, state: Mapping[str, Json], name: str) -> int:
    value = state.get(name)
    if type(value) is not int or not 0 <= value < 2**63:
        raise CheckpointError(who, f"expected {name} as a whole number in what it kept, got {value!r:.60}", AGAIN)
    return value


def _finite(who: str, state: Mapping[str, Json], name: str) -> float:
    value = state.get(name)
    if type(value) is not float or not math.isfinite(value):
        raise CheckpointError(who, f"expected {name} as a finite number in what it kept, got {value!r:.60}", AGAIN)
    return value


AGAIN = "start anew without resume"
