"""Stochastic diagonal Levenberg–Marquardt: a learning rate for each parameter, from the curvature of the loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..arrays import Array
from ..errors import ContractError, number
from .groups import ParameterGroup, spans
from .optimizers import Optimizer

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ..engine.source import Images
    from ..network import Network
    from ..nn.losses import Loss


class SDLM(Optimizer):
    """p_k −= ε_k · dp_k,  ε_k = lr / (μ + h_kk): LeCun et al. 1998, appendix C, equations 18 to 21.

    h_kk is the diagonal of the Gauss–Newton matrix, averaged over some hundred patterns. Call ``estimate`` before the first
    step and, as in the paper, again before each pass. In between the estimate is kept, so a step costs little more than plain
    gradient descent. The paper uses the gradient of one pattern, that is, batches of one image.

    Args:
        lr: η, the common rate of all parameters; ``schedules.LENET5_RATES`` has the paper's values.
        mu: μ, above 0; it bounds the rate where the curvature is small: ε_k ≤ lr / μ.
        groups: parameters with a rate of their own; a weight decay it has not.

    Raises:
        OptionError: an option is outside its range.

    >>> from minicnn import MSE, Dense, Network
    >>> net = Network([("F", Dense(1))], in_shape=(1,), dtype="float64", threads=1)
    >>> optimizer = SDLM(lr=0.5, mu=0.5)
    >>> optimizer.estimate(net, MSE(), x=np.full((500, 1), 3.0), target=np.zeros((500, 1)))
    >>> {name: round(rate.item(), 6) for name, rate in optimizer.rates(net).items()}  # h is 2 · 3² and 2
    {'F.W': 0.027027, 'F.b': 0.2}
    """

    names = ("inverse",)
    """1 / (μ + h_kk)."""

    kernel = "sdlm"
    option_names = ("mu",)

    def __init__(self, lr: float = 5e-4, mu: float = 0.02, *, groups: Sequence[ParameterGroup] = ()) -> None:
        super().__init__(lr, groups)
        self.mu = number("SDLM", "mu", mu, 0, math.inf, "()")

    def estimate(
        self,
        net: Network,
        loss: Loss,
        x: Images,
        target: ArrayLike,
        index: ArrayLike | None = None,
        *,
        weight: ArrayLike | None = None,
    ) -> None:
        """Estimate the curvature, as the mean over some patterns.

        Args:
            net: the network.
            loss: the loss.
            x: images (N, C, H, W), or a Source of them.
            target: class numbers (N,), or vectors (N, D) where the loss takes them.
            index: the numbers of the images to use; all for None.
            weight: a weight for each of the N images; see ``Network.loss_and_grads``.

        Raises:
            ContractError: a layer or the loss has no ``curvature``; a curvature is negative or not finite; or this optimiser
                belongs to another network.
            ShapeError, DataError: x, target, index or weight is invalid.
        """
        with net.atomic():
            curvature = net.curvature(loss, x, target, index, weight=weight).flat
            if not (curvature >= 0).all() or np.isinf(curvature).any():
                ends = f"{curvature.min(initial=0):g} to {curvature.max(initial=0):g}"
                what = f"expected finite curvatures of at least 0, got {ends}"
                raise ContractError("SDLM", what, "lower the learning rate, or look at the curvature of layers of your own")
            super()._own(net)
            self._on_host()["inverse"][...] = 1 / (self.mu + curvature)

    def _own(self, net: Network) -> dict[str, Array]:
        """The vector of the estimate."""
        if not self._moments:
            what = "expected an estimate of the curvature before the first step, got none"
            raise ContractError("SDLM", what, "call estimate(net, loss, x, target) before each pass")
        return super()._own(net)

    def _update(self, net: Network, *moments: Array) -> None:
        if moments[0] is not self._moments.get("inverse"):
            what = "expected to make the steps itself, got another optimiser around it"
            raise ContractError("SDLM", what, "use it alone")
        self._run(net, moments)

    def _numbers(self, lr: float, weight_decay: float, step: int) -> tuple[float, ...]:
        return (lr,)

    @property
    def moments(self) -> dict[str, Array]:
        """The vector by name; empty before the first step, because a run that starts there estimates first."""
        return super().moments if self.steps else {}

    def rates(self, net: Network) -> dict[str, Array]:
        """ε_k by parameter name; 0 for frozen layers.

        Raises:
            ContractError: there was no estimate yet, or it belongs to another network.
        """
        self._own(net)
        rates = np.zeros_like(net.params.flat)
        for span in spans("SDLM", net, self.groups, {}):
            rates[span.part] = self.lr * span.lr_factor * self._on_host()["inverse"][span.part]
        ends = np.cumsum([view.size for view in net.params.values()])[:-1]
        return {n: part.reshape(v.shape) for (n, v), part in zip(net.params.items(), np.split(rates, ends), strict=True)}
