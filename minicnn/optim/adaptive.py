"""Optimisers whose steps have the size of the rate whatever that of the gradients, with PyTorch's conventions.

All but ``Lion`` divide by a root of squares of the gradients so far.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..arrays import Array
from ..errors import flag, number
from .adam import Adam
from .groups import ParameterGroup
from .optimizers import Optimizer

if TYPE_CHECKING:
    from ..network import Network


class RMSprop(Optimizer):
    """v = αv + (1 − α)g²;  p −= lr · g / (√v + ε), g = dp + λp: ``torch.optim.RMSprop``.

    With momentum u = μu + g / (√v + ε), and p −= lr · u. Centred, v − m² stands for v under the root, with the mean gradient
    m = αm + (1 − α)g (Tieleman and Hinton, lecture 6.5, 2012; Graves, *Generating Sequences*, 2013, equations 38 to 41).

    Args:
        lr: learning rate.
        alpha: α in [0, 1).
        eps: ε.
        weight_decay: λ, added to the gradient.
        momentum: μ in [0, 1).
        centered: whether the mean gradient is taken off.
        groups: parameters with a rate or a weight decay of their own.

    Raises:
        OptionError: an option is outside its range.
    """

    kernel = "rmsprop"
    option_names = ("alpha", "eps", "weight_decay", "momentum", "centered")

    def __init__(
        self,
        lr: float = 0.01,
        *,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        groups: Sequence[ParameterGroup] = (),
    ) -> None:
        super().__init__(lr, groups)
        self.alpha = number("RMSprop", "alpha", alpha, 0, 1)
        self.eps = number("RMSprop", "eps", eps, 0, math.inf)
        self.weight_decay = number("RMSprop", "weight_decay", weight_decay, 0, math.inf)
        self.momentum = number("RMSprop", "momentum", momentum, 0, 1)
        flag("RMSprop", "centered", centered)
        self.centered = centered
        self.names = ("square_avg", *(["grad_avg"] if centered else []), *(["momentum_buffer"] if momentum else []))

    def _update(self, net: Network, *moments: Array) -> None:
        square, *more = moments
        mean = more[0] if self.centered else square  # which the kernel does not look at then
        steps = more[-1] if self.momentum else square
        self._run(net, (square, mean, steps))

    def _numbers(self, lr: float, weight_decay: float, step: int) -> tuple[float, ...]:
        return lr, self.alpha, self.eps, weight_decay, self.momentum, self.centered


class Adagrad(Optimizer):
    """v += g²;  p −= lr/(1 + (t − 1)η) · g / (√v + ε) in step t = 1, 2, …, g = dp + λp: ``torch.optim.Adagrad``.

    Duchi, Hazan and Singer, *Adaptive Subgradient Methods*, 2011.

    Args:
        lr: learning rate.
        lr_decay: η.
        weight_decay: λ, added to the gradient.
        initial_accumulator_value: v before the first step.
        eps: ε.
        groups: parameters with a rate or a weight decay of their own.

    Raises:
        OptionError: an option is outside its range.
    """

    names = ("sum",)
    kernel = "adagrad"
    option_names = ("lr_decay", "weight_decay", "initial_accumulator_value", "eps")

    def __init__(
        self,
        lr: float = 0.01,
        *,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        groups: Sequence[ParameterGroup] = (),
    ) -> None:
        super().__init__(lr, groups)
        self.lr_decay = number("Adagrad", "lr_decay", lr_decay, 0, math.inf)
        self.weight_decay = number("Adagrad", "weight_decay", weight_decay, 0, math.inf)
        start = number("Adagrad", "initial_accumulator_value", initial_accumulator_value, 0, math.inf)
        self.initial_accumulator_value = start
        self.eps = number("Adagrad", "eps", eps, 0, math.inf)

    def _start(self, name: str, params: Array) -> Array:
        return np.full_like(params, self.initial_accumulator_value)

    def _numbers(self, lr: float, weight_decay: float, step: int) -> tuple[float, ...]:
        return lr / (1 + (step - 1) * self.lr_decay), self.eps, weight_decay


class Adadelta(Optimizer):
    """v = ρv + (1 − ρ)g²;  s = g · √(u + ε) / √(v + ε);  u = ρu + (1 − ρ)s²;  p −= lr · s, g = dp + λp.

    ``torch.optim.Adadelta``; Zeiler, *Adadelta*, 2012, algorithm 1, which has no rate: there lr is 1.

    Args:
        lr: learning rate.
        rho: ρ in [0, 1).
        eps: ε.
        weight_decay: λ, added to the gradient.
        groups: parameters with a rate or a weight decay of their own.

    Raises:
        OptionError: an option is outside its range.
    """

    names = ("square_avg", "acc_delta")
    kernel = "adadelta"
    option_names = ("rho", "eps", "weight_decay")

    def __init__(
        self,
        lr: float = 1.0,
        *,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        groups: Sequence[ParameterGroup] = (),
    ) -> None:
        super().__init__(lr, groups)
        self.rho = number("Adadelta", "rho", rho, 0, 1)
        self.eps = number("Adadelta", "eps", eps, 0, math.inf)
        self.weight_decay = number("Adadelta", "weight_decay", weight_decay, 0, math.inf)

    def _numbers(self, lr: float, weight_decay: float, step: int) -> tuple[float, ...]:
        return lr, self.rho, self.eps, weight_decay


class NAdam(Adam):
    """Adam whose step looks ahead: p −= lr · [(1 − μₜ)/(1 − Πμ) · g + μₜ₊₁/(1 − Πμ·μₜ₊₁) · m] / (√v̂ + ε), in step t = 1, 2, …

    μₜ = β₁ · (1 − 0.96^(t·ψ)/2), Πμ = μ₁ · … · μₜ, and g, m, v̂ as in ``Adam``: ``torch.optim.NAdam``; Dozat, *Incorporating
    Nesterov Momentum into Adam*, 2016, algorithm 2. PyTorch keeps Πμ in its default dtype, here it is float64.

    Args:
        lr: learning rate.
        betas: β₁ and β₂ in [0, 1).
        eps: ε.
        weight_decay: λ, added to the gradient.
        momentum_decay: ψ.
        decoupled_weight_decay: p −= lr · λ · p in addition to the step, instead of λp in the gradient.
        groups: parameters with a rate or a weight decay of their own.

    Raises:
        OptionError: an option is outside its range.
    """

    kernel = "nadam"
    option_names = (*Adam.option_names, "momentum_decay", "decoupled_weight_decay")

    def __init__(
        self,
        lr: float = 2e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        groups: Sequence[ParameterGroup] = (),
    ) -> None:
        super().__init__(lr, betas, eps, weight_decay, groups=groups)
        self.momentum_decay = number("NAdam", "momentum_decay", momentum_decay, 0, math.inf)
        flag("NAdam", "decoupled_weight_decay", decoupled_weight_decay)
        self.decoupled_weight_decay = decoupled_weight_decay
        self._products: dict[int, float] = {}

    def _momentum(self, step: int) -> float:
        """μ of a step."""
        share: float = self.betas[0] * (1 - 0.5 * 0.96 ** (step * self.momentum_decay))
        return share

    def _product(self, step: int) -> float:
        """Πμ of a step; of a run that was resumed, all factors again in their order."""
        if step not in self._products:
            first, product = (step, self._products.pop(step - 1)) if step - 1 in self._products else (1, 1.0)
            for each in range(first, step + 1):
                product *= self._momentum(each)
            self._products[step] = product
        return self._products[step]

    def _numbers(self, lr: float, weight_decay: float, step: int) -> tuple[float, ...]:
        (b1, b2), product = self.betas, self._product(step)
        mu, following = self._momentum(step), self._momentum(step + 1)
        now, ahead = lr * (1 - mu) / (1 - product), lr * following / (1 - product * following)
        coupled, keep = weight_decay, 1.0
        if self.decoupled_weight_decay:
            coupled, keep = 0.0, 1 - lr * weight_decay
        return now, ahead, b1, b2, self.eps, coupled, keep, 1 - b2**step


class Lion(Optimizer):
    """p −= lr · (sign(β₁m + (1 − β₁)dp) + λp), then m = β₂m + (1 − β₂)dp.

    Chen et al., *Symbolic Discovery of Optimization Algorithms*, 2023, algorithm 2. Every step has the size of the rate, which
    is to be 3 to 10 times as small as for AdamW, and λ as many times as large (section 5 there).

    Args:
        lr: learning rate.
        betas: β₁ and β₂ in [0, 1).
        weight_decay: λ, decoupled.
        groups: parameters with a rate or a weight decay of their own.

    Raises:
        OptionError: an option is outside its range.
    """

    names = ("m",)
    kernel = "lion"
    option_names = ("betas", "weight_decay")

    def __init__(
        self,
        lr: float = 1e-4,
        *,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        groups: Sequence[ParameterGroup] = (),
    ) -> None:
        super().__init__(lr, groups)
        self.betas = (number("Lion", "betas[0]", betas[0], 0, 1), number("Lion", "betas[1]", betas[1], 0, 1))
        self.weight_decay = number("Lion", "weight_decay", weight_decay, 0, math.inf)

    def _numbers(self, lr: float, weight_decay: float, step: int) -> tuple[float, ...]:
        return lr, *self.betas, weight_decay
