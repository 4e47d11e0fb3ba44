"""A learning rate that falls when a validation loss, or another number, does not get better."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from ..errors import OptionError, Options, number


@dataclass(frozen=True, kw_only=True)
class ReduceOnPlateau(Options):
    """The rate is multiplied by ``factor`` after more than ``patience`` epochs without a better value.

    It is ``torch.optim.lr_scheduler.ReduceLROnPlateau``, as a function of all values so far, so that it has no state to save.
    ``Trainer`` gives it the validation losses (``TrainingOptions(plateau=…)``), with ``mode="max"`` the validation accuracies.

    Args:
        mode: ``"min"`` where less is better, or ``"max"``.
        factor: the factor, in [0, 1).
        patience: how many epochs without a better value are accepted.
        threshold: by how much a value must be better.
        threshold_mode: ``"rel"`` for a share of the best value, ``"abs"`` for a difference.
        cooldown: so many epochs after a reduction are not counted.
        min_lr: the rate falls no further.
        eps: a reduction by no more than this is left out.

    Raises:
        OptionError: an option is outside its range.

    >>> ReduceOnPlateau(patience=1).rate(0.5, [3.0, 2.0, 2.0, 2.5])
    0.05
    """

    mode: str = "min"
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    threshold_mode: str = "rel"
    cooldown: int = 0
    min_lr: float = 0.0
    eps: float = 1e-8
    order: ClassVar[str] = "the trainer gives it the optimiser's rate: give mode, factor and patience by name"

    def __post_init__(self) -> None:
        for name, words in (("mode", ("min", "max")), ("threshold_mode", ("rel", "abs"))):
            if getattr(self, name) not in words:
                what = f'expected {name} "{words[0]}" or "{words[1]}", got {getattr(self, name)!r}'
                raise OptionError("ReduceOnPlateau", what, f'give {name}="{words[0]}" or leave it out')
        number("ReduceOnPlateau", "factor", self.factor, 0, 1)
        for name in ("patience", "cooldown"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                what = f"expected {name} as a whole number of at least 0, got {value!r}"
                raise OptionError("ReduceOnPlateau", what, f"give {name}=0 or more")
        for name in ("threshold", "min_lr", "eps"):
            number("ReduceOnPlateau", name, getattr(self, name), 0, math.inf)

    def rate(self, lr: float, values: Iterable[float]) -> float:
        """The rate of the next epoch, after epochs with these values.

        Args:
            lr: the rate of the first epoch.
            values: the number that is watched, of every epoch so far.
        """
        best = math.inf if self.mode == "min" else -math.inf
        bad = cooling = 0
        for value in values:
            if self._better(value, best):
                best, bad = value, 0
            else:
                bad += 1
            if cooling > 0:
                cooling, bad = cooling - 1, 0
            if bad > self.patience:
                lower = max(lr * self.factor, self.min_lr)
                lr = lower if lr - lower > self.eps else lr
                cooling, bad = self.cooldown, 0
        return lr

    def _better(self, value: float, best: float) -> bool:
        """Whether a value is better than the best one by more than the threshold."""
        sign = 1 if self.mode == "max" else -1
        bound = best * (1 + sign * self.threshold) if self.threshold_mode == "rel" else best + sign * self.threshold
        return value > bound if self.mode == "max" else value < bound
