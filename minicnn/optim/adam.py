"""Adam, and Adam with a weight decay of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from ..errors import number
from .groups import ParameterGroup
from .optimizers import Optimizer


class Adam(Optimizer):
    """m = β₁m + (1 − β₁)g;  v = β₂v + (1 − β₂)g²;  p −= lr · m̂ / (√v̂ + ε), g = dp + λp: ``torch.optim.Adam``.

    Kingma and Ba, *Adam*, 2015, algorithm 1. In float32, as in PyTorch, v can hold squares of gradients from about 10⁻²⁰ to
    10²⁰. For smaller gradients the step is m̂ / ε, for larger ones 0.

    Args:
        lr: learning rate.
        betas: β₁ and β₂ in [0, 1).
        eps: ε.
        weight_decay: λ, added to the gradient.
        groups: parameters with a rate or a weight decay of their own.

    Raises:
        OptionError: an option is outside its range.
    """

    names = ("m", "v")
    kernel = "adam"
    option_names: ClassVar[tuple[str, ...]] = ("betas", "eps", "weight_decay")

    def __init__(
        self,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        groups: Sequence[ParameterGroup] = (),
    ) -> None:
        super().__init__(lr, groups)
        who = type(self).__name__
        self.betas = (number(who, "betas[0]", betas[0], 0, 1), number(who, "betas[1]", betas[1], 0, 1))
        self.eps = number(who, "eps", eps, 0, math.inf)
        self.weight_decay = number(who, "weight_decay", weight_decay, 0, math.inf)

    def _numbers(self, lr: float, weight_decay: float, step: int) -> tuple[float, ...]:
        b1, b2 = self.betas
        return lr, b1, b2, self.eps, weight_decay, 1 - b1**step, 1 - b2**step


class AdamW(Adam):
    """Adam with decoupled weight decay: p −= lr · λ · p in addition to the step, instead of λp in the gradient.

    ``torch.optim.AdamW``; Loshchilov and Hutter, *Decoupled Weight Decay Regularization*, 2019, algorithm 2.

    Args:
        lr: learning rate.
        betas: β₁ and β₂ in [0, 1).
        eps: ε.
        weight_decay: λ.
        groups: parameters with a rate or a weight decay of their own.

    Raises:
        OptionError: an option is outside its range.
    """

    kernel = "adamw"

    def __init__(
        self,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        *,
        groups: Sequence[ParameterGroup] = (),
    ) -> None:
        super().__init__(lr, betas, eps, weight_decay, groups=groups)
