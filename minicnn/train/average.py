"""The running average of the parameters in training, by which epochs are judged."""

from __future__ import annotations

from ..errors import OptionError
from ..network import Network
from ..optim import Optimizer
from ..optim.averaging import ParameterAverage
from .run import Dataset


class Averaging:
    """An optimiser with a running average of the parameters around it, for as long as a trainer trains.

    Args:
        optimizer: the user's optimiser, which may have taken steps before; it goes on from there, and ends with all steps.
        decay: of the average.

    Raises:
        OptionError: the optimiser is an average itself.

    Attributes:
        optimizer: what makes the steps.
    """

    def __init__(self, optimizer: Optimizer, decay: float) -> None:
        if isinstance(optimizer, ParameterAverage):
            what = "expected an optimiser without an average for average, got a ParameterAverage"
            raise OptionError("TrainingOptions", what, "give the optimiser in it, or leave average out")
        self._given = optimizer
        self.optimizer = ParameterAverage(optimizer, decay)

    def begin(self, net: Network) -> None:
        """Begin with the user's steps, and if there are any with the parameters as the average so far."""
        given = self._given
        given.check(net)
        if given.moments:
            self.optimizer.load(given.steps, given.moments | {"average": net.params.flat}, given.missed)

    def give_back(self) -> None:
        """Give the user's optimiser the steps that were made in its place."""
        moments, steps = self.optimizer.moments, self.optimizer.steps
        if steps:
            own = {name: moments[name] for name in self._given.names}
            self._given.load(steps, own, self.optimizer.missed)

    def show(self, net: Network, train: Dataset, batch_size: int) -> None:
        """Put the average into the network, with running statistics of its own."""
        self.optimizer.copy_to(net, train.images, train.chosen, batch_size)
