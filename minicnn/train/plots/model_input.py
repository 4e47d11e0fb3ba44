"""An image as a network takes it, for pictures of what becomes of it there."""

from __future__ import annotations

from reprlib import repr as short

import numpy as np
from numpy.typing import ArrayLike

from ...arrays import Array
from ...errors import ContractError, DataError, OptionError
from ...network import Network
from ...nn import Flatten
from ..estimator import Estimator

Model = Network | Estimator[tuple[str | int, ...]] | Estimator[bool]


class Seen:
    """A network and one image in it.

    Args:
        who: the picture that is drawn, for messages.
        model: a network of one input; or a classifier or regressor, whose preprocessing the image goes through.
        image: (C, H, W), or (H, W) for one channel, as the network takes it; of a classifier or regressor as its ``predict``
            takes one.

    Attributes:
        net: another handle on the network's parameters, so that its gradients and its last ``forward`` stay.
        x: the image (C, H, W) as the network takes it.

    Raises:
        OptionError: the model is none.
        ContractError: it has several inputs or outputs, or takes no pictures.
        DataError, ShapeError: the image is none that it takes.
    """

    def __init__(self, who: str, model: Model, image: ArrayLike) -> None:
        net = model.net if isinstance(model, Estimator) else model
        if not isinstance(net, Network):
            raise OptionError(who, f"expected a Network, Classifier or Regressor, got {short(model)}", "give one of these")
        if len(net.in_shapes) > 1 or len(net.outputs) > 1 or len(net.in_shape) != 3:
            what = f"expected a network from one picture (C, H, W) to one output, got inputs {dict(net.in_shapes)}"
            raise ContractError(who, f"{what} and {len(net.outputs)} outputs", "draw another one")
        given = np.asarray(image)
        channels, rows, columns = net.in_shape
        if isinstance(model, Estimator):
            if model.preprocessing is None:
                raise ContractError(who, "expected it to be trained before, got one that is not", "call fit first")
            source = model.preprocessing.source(who, given[None], net.in_shape, net.dtype)
            flat = Network([Flatten()], net.in_shape, str(net.dtype), backend="numpy")  # which gives back what it takes
            self.x = flat.predict(source)[0].reshape(net.in_shape)
        else:
            shaped = given[None] if given.ndim == 2 and channels == 1 else given
            if shaped.dtype.kind not in "fiu" or shaped.shape != net.in_shape:
                what = f"expected one image ({channels}, {rows}, {columns}), got {given.dtype} of shape {given.shape}"
                raise DataError(who, what, "give it as the network takes it, or give a Classifier and a picture")
            self.x = shaped.astype(net.dtype)
        if not np.isfinite(self.x).all():
            raise DataError(who, "expected an image of finite numbers, got one with others", "clean the data")
        self._who, self.net = who, net.share(threads=1)
        self.sign = -1.0 if net.layers[-1].layer.least_wins else 1.0

    def scores(self, images: Array) -> Array:
        """A number for each class (N, K), larger for what the images look more like: the outputs, or penalties negated."""
        outputs = self.net.predict(images)
        return np.asarray(self.sign * outputs.reshape(len(outputs), -1).astype(np.float64))

    def target(self, given: int | None) -> int:
        """The number of a class; that of the highest score for None.

        Raises:
            OptionError: there is no such class.
        """
        count = int(np.prod(self.net.out_shape))
        if given is None:
            return int(self.scores(self.x[None])[0].argmax())
        if isinstance(given, bool) or not isinstance(given, int | np.integer) or not 0 <= given < count:
            what = f"expected target as the number of a class from 0 to {count - 1}, got {given!r}"
            raise OptionError(self._who, what, "leave it out for the class of the highest score")
        return int(given)
