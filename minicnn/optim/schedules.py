"""Learning-rate schedules: functions that give the factor on the learning rate for each step of a run.

A schedule is called with the number of the step, from 0, and the number of steps of the run. The learning rate of that step
is the optimiser's initial rate times the result.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol

from ..errors import OptionError, Options, number
from ..nn.window import count


class Schedule(Protocol):
    """The factor on the learning rate at ``step`` of ``total``."""

    def __call__(self, step: int, total: int) -> float:
        """The factor, at least 0."""
        ...


def _share(who: str, name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise OptionError(who, f"expected {name} in [0, 1], got {value!r}", f"choose {name} as a share of the run")


@dataclass(frozen=True)
class ConstantRate:
    """A constant factor of 1.

    >>> ConstantRate()(7, 10)
    1.0
    """

    def __call__(self, step: int, total: int) -> float:
        """1."""
        return 1.0


@dataclass(frozen=True, kw_only=True)
class StepDecay(Options):
    """The factor is multiplied by ``factor`` after each of ``times`` equal parts of the run.

    Args:
        times: the number of equal parts.
        factor: the factor from one part to the next.

    Raises:
        OptionError: an option is outside its range.

    >>> [StepDecay(times=2, factor=0.1)(s, 4) for s in range(4)]
    [1.0, 1.0, 0.1, 0.1]
    """

    times: int = 3
    factor: float = 0.1
    order: ClassVar[str] = "give times, how many parts the run has and not how long one is, and factor by name"

    def __post_init__(self) -> None:
        count("StepDecay", "times", self.times)
        number("StepDecay", "factor", self.factor, 0, math.inf)

    def __call__(self, step: int, total: int) -> float:
        """``factor`` to the power of the parts completed."""
        return float(self.factor ** (step * self.times // total))


@dataclass(frozen=True)
class PiecewiseConstant:
    """Divides the run into equal parts, one for each rate. The optimiser's rate corresponds to the first one.

    Args:
        rates: the rates, finite and at least 0, the first above 0.

    Raises:
        OptionError: there are no rates, or one of them is invalid.

    >>> [PiecewiseConstant((0.5, 0.25))(s, 4) for s in range(4)]
    [1.0, 1.0, 0.5, 0.5]
    """

    rates: tuple[float, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.rates, tuple) or not self.rates:
            raise OptionError(
                "PiecewiseConstant", f"expected rates as a tuple of numbers, got {self.rates!r}", "give rates=(0.1, 0.01)"
            )
        for place, rate in enumerate(self.rates):
            number("PiecewiseConstant", f"rates[{place}]", rate, 0, math.inf, "[)" if place else "()")

    def __call__(self, step: int, total: int) -> float:
        """The rate of the current part, divided by the first rate."""
        return self.rates[step * len(self.rates) // total] / self.rates[0]


LENET5_RATES = (5e-4,) * 2 + (2e-4,) * 3 + (1e-4,) * 3 + (5e-5,) * 4 + (1e-5,) * 8
"""η of ``SDLM`` for each of the 20 passes of LeCun et al. 1998; for a run of 20 passes: ``PiecewiseConstant(LENET5_RATES)``."""


@dataclass(frozen=True)
class Cosine:
    """A half cosine from 1 down to ``floor`` (Loshchilov and Hutter 2017, equation 5, without restarts).

    Args:
        floor: the last factor, in [0, 1].

    Raises:
        OptionError: floor is outside its range.

    >>> round(Cosine()(5, 10), 3)
    0.5
    """

    floor: float = 0.0

    def __post_init__(self) -> None:
        _share("Cosine", "floor", self.floor)

    def __call__(self, step: int, total: int) -> float:
        """floor + (1 − floor) · (1 + cos π·step/total) / 2."""
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * step / total)) / 2


@dataclass(frozen=True, kw_only=True)
class OneCycle(Options):
    """Up from 1/div_factor to 1 along a half cosine, then down: ``torch.optim.lr_scheduler.OneCycleLR``.

    The last factor is 1/(div_factor·final_div_factor). The optimiser's rate is the peak (Smith and Topin,
    *Super-Convergence*, 2018).

    Args:
        pct_start: share of the steps in which the rate rises.
        div_factor: the peak divided by the first rate.
        final_div_factor: the first rate divided by the last.

    Raises:
        OptionError: an option is outside its range.

    >>> round(OneCycle()(0, 100), 6)
    0.04
    """

    pct_start: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4
    order: ClassVar[str] = (
        "the peak is the optimiser's rate, and the run knows its steps: give pct_start, div_factor and final_div_factor by name"
    )

    def __post_init__(self) -> None:
        _share("OneCycle", "pct_start", self.pct_start)
        number("OneCycle", "div_factor", self.div_factor, 0, math.inf, "()")
        number("OneCycle", "final_div_factor", self.final_div_factor, 0, math.inf, "()")

    def __call__(self, step: int, total: int) -> float:
        """The factor; as in PyTorch the phases end at steps pct_start·total − 1 and total − 1."""
        low, last = 1 / self.div_factor, 1 / (self.div_factor * self.final_div_factor)
        top = self.pct_start * total - 1
        if step < top:
            return _anneal(low, 1.0, step / top)
        return _anneal(1.0, last, (step - top) / max(total - 1 - top, 1e-12))


def _anneal(first: float, last: float, share: float) -> float:
    """A half cosine from first to last."""
    return last + (first - last) / 2 * (1 + math.cos(math.pi * min(share, 1.0)))


@dataclass(frozen=True)
class LinearWarmUp:
    """A linear rise over the first ``share`` of the steps, then another schedule over the remaining steps.

    Args:
        share: share of the steps in the rise.
        then: the schedule after the rise.

    Raises:
        OptionError: share is outside [0, 1].

    >>> [LinearWarmUp(0.5)(s, 8) for s in range(5)]
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """

    share: float = 0.1
    then: Schedule = ConstantRate()

    def __post_init__(self) -> None:
        _share("LinearWarmUp", "share", self.share)

    def __call__(self, step: int, total: int) -> float:
        """(step + 1) / steps of the rise, then the factor of ``then``."""
        rise = round(self.share * total)
        return (step + 1) / rise if step < rise else self.then(step - rise, total - rise)
