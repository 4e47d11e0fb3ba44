"""Looking at a network and what becomes of a batch in it: the whole batch at once, every activation kept."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..arrays import Array, Shape
from ..backends.program import Program
from ..errors import ContractError, DataError, ShapeError
from . import inputs
from .by_name import ArrayByOutput, ImagesByInput, Losses, TargetsByOutput, Weights, by_name, sources
from .curvature import curvature
from .html import network_html
from .inputs import Targets
from .memory import ParameterVector
from .sharing import Shareable
from .source import Index, Source
from .summary import table


class Inspectable(Shareable):
    """What ``Network`` has for looking and checking."""

    def _sources(self, x: ImagesByInput) -> list[Source]:
        """Where to read the images of each input."""
        raise NotImplementedError

    def _checked(
        self, loss: Losses, x: ImagesByInput, target: TargetsByOutput, index: Index, weight: Weights = None
    ) -> tuple[list[Source], Array, list[Targets]]:
        """Sources, the numbers of the images, and what each output should come to."""
        raise NotImplementedError

    def check(
        self, loss: Losses, x: ImagesByInput, target: TargetsByOutput, index: Index = None, *, weight: Weights = None
    ) -> bool:
        """Refuse what ``evaluate`` would refuse, before training and not after it. Arguments as for ``loss_and_grads``.

        Returns:
            Whether the target is class numbers, so that there is an accuracy.

        Raises:
            ShapeError, DataError: x, target, index or weight is not what it should be.
        """
        return any(given.counted > 0 for given in self._checked(loss, x, target, index, weight)[2])

    def curvature(
        self, loss: Losses, x: ImagesByInput, target: TargetsByOutput, index: Index = None, *, weight: Weights = None
    ) -> ParameterVector:
        """The diagonal of the Gauss–Newton matrix for a batch: second derivatives by each parameter, by name and in ``flat``.

        Arguments as for ``loss_and_grads``. ``grads`` stays as it is.

        Raises:
            ContractError: a layer, or the loss, has no ``curvature``.
            ShapeError, DataError: x, target, index or weight is not what it should be.
        """
        sources, chosen, given = self._checked(loss, x, target, index, weight)
        with self._lock.call():
            return curvature(self._context, self._executor, self._preparation, sources, given, chosen, self.steps)[0]

    def predict(self, x: ImagesByInput, index: Index = None) -> Array:
        """The outputs (N, …) for images (N, C, H, W) or a Source, without dropout; one image alone may differ by rounding.

        Args:
            x: images.
            index: which of them, and in which order; all for None.

        Raises:
            ContractError: there are several outputs.
            ShapeError, DataError: x is not what it should be.
        """
        if len(self.outputs) > 1:
            what = f"expected a network of one output, got {', '.join(self.outputs)}"
            raise ContractError("predict", what, "call predict_outputs(x)")
        return self._predict(x, index)[0]

    def predict_outputs(self, x: ImagesByInput, index: Index = None) -> dict[str, Array]:
        """Every output by its name; arguments as for ``predict``."""
        return dict(zip(self.outputs, self._predict(x, index), strict=True))

    def _predict(self, x: ImagesByInput, index: Index) -> list[Array]:
        sources = self._sources(x)
        chosen = inputs.index("index", index, sources[0].shape[0])
        with self._lock.call():
            return self._runner.predict(sources, chosen, self.steps)

    def forward(self, x: ImagesByInput, index: Index = None, check_finite: bool = False, train: bool = False) -> Array:
        """The outputs (N, …) for images (N, C, H, W); every activation is kept for ``backward`` and ``activation``.

        Of several outputs it is the first; ``activation`` gives the others.

        Args:
            x: images, or a Source of them.
            index: which of them, and in which order; all for None.
            check_finite: refuse NaN and infinity in these images.
            train: as in a training step, with dropout; else as in ``predict``.

        Raises:
            ShapeError, DataError: x is not what it should be.
        """
        given = sources("x", x, self.dtype, self.in_shapes)
        chosen = inputs.index("index", index, given[0].shape[0])
        if check_finite:
            for source in given:
                _check_finite("x", source, chosen)
        with self._lock.call(update=train and self._tracks):
            return self._trace.forward(given, chosen, self.steps, train)

    def backward(self, dy: ArrayByOutput, input_grad: bool = True) -> Array | None:
        """From dE/dy (N, …) of the last ``forward``: the gradients of the parameters in ``grads``, and dE/dx.

        Args:
            dy: the gradient of the outputs; of several a dict.
            input_grad: whether dE/dx is wanted; it costs the first layer's part.

        Returns:
            dE/dx (N, C, H, W), of several inputs the first's, or None.

        Raises:
            ContractError: there was no ``forward``.
            ShapeError, DataError: dy is not what it should be.
        """
        with self._lock.call():
            if not self._trace.groups:
                raise ContractError("backward", "expected a forward pass before it, got none", "call forward(x) first")
            pairs = zip(by_name("dy", dy, self.outputs), self.out_shapes.values(), strict=True)
            dys = [inputs.arrays("dy", own, self.dtype, shape) for own, shape in pairs]
            for values in dys:
                if values.shape[0] != self._trace.images:
                    what = f"expected {self._trace.images} images as in the last forward, got {values.shape[0]}"
                    raise ShapeError("dy", what, "give a gradient for every output")
            self._input_grads = self._trace.backward(dys, input_grad)
            return self._input_grads[0] if input_grad else None

    @property
    def input_grads(self) -> dict[str, Array]:
        """What the last ``backward`` found for each input by its name; nothing where it was not wanted."""
        return dict(zip(self.in_shapes, self._input_grads, strict=False))

    def activation(self, name: str) -> Array:
        """The output (N, …) of a layer in the last ``forward``.

        Raises:
            ContractError: no such layer, or there was no ``forward``.
        """
        names = {b.name: b for b in self.layers}
        with self._lock.call():
            if name not in names or not self._trace.groups:
                what = f"expected one of {', '.join(names)} after a forward pass, got {name!r}"
                raise ContractError("activation", what, "call forward(x) first and give a layer's name")
            return self._trace.activation(names[name])

    def program(self, train: bool = True) -> Program:
        """The program of one group. ``print`` lists what was recorded and, behind an arrow, what lowering made of it.

        >>> from minicnn import Dense, Network
        >>> print(Network([("F1", Dense(2))], in_shape=(3,), threads=1).program())
        F1 forward       gemm_bias(2×3, 3×16, 2, 2×16)
        F1 backward      outer_add(2×16, 3×16, 2×3)  →  outer_add(2×16, 3×16, 16×32, 2×3)
        F1 backward      row_sum_add(2×16, 2)
        """
        with self._lock.call():
            group = self._runner.group(0, train, self._context.lanes)
            programs = [group.forward]
            if train:
                programs.append(group.backward(self._slots.take(1)[0], input_grad=False))
            return sum(programs, self._preparation.of(programs))

    def summary(self) -> str:
        """The layers as a table: name, layer with what it reads, output shape, parameters and connections."""
        return table(self.in_shapes, self.layers, self.outputs)

    def _repr_html_(self) -> str:
        return network_html(self)

    def __dir__(self) -> list[str]:
        """What completion offers: the public names alone."""
        return [name for name in super().__dir__() if not name.startswith("_")]

    def load_params(self, values: Mapping[str, Array]) -> None:
        """Set all parameters at once, or none; with them all of ``state``, where values of that are given too.

        Raises:
            ShapeError: names or shapes are not the network's.
            DataError: a value is not an array of numbers.
        """
        own = {**self.params, **self.state}
        if set(values) not in (set(self.params), set(own)):
            differ = ", ".join(sorted(set(values) ^ set(own)))
            raise ShapeError(
                "parameters", f"expected the names {', '.join(self.params)}, got a difference in {differ}", "rename them"
            )
        taken = {name: _parameter(name, value, own[name].shape) for name, value in values.items()}
        with self.update():
            for name, value in taken.items():
                own[name][...] = value


def _check_finite(who: str, images: Source, chosen: Array) -> None:
    """Refuse chosen images of an array that are not finite in the network's dtype.

    Raises:
        DataError: there are such.
    """
    if isinstance(images, inputs.Arrays):
        each = (images.values[image].astype(images.dtype, copy=False) for image in chosen)
        if wrong := sum(int((~np.isfinite(image)).sum()) for image in each):
            raise DataError(who, f"expected finite numbers, got {wrong} that are not", "clean the data")


def _parameter(name: str, value: object, shape: Shape) -> Array:
    """A parameter as an array of real numbers.

    Raises:
        DataError: not an array of real numbers.
        ShapeError: another shape.
    """
    given = inputs.array(name, value)
    if given.dtype.kind not in "fiub":
        raise DataError(name, f"expected an array of numbers, got dtype {given.dtype}", "convert it to float32")
    if given.shape != shape:
        what = f"expected {name} of shape {shape}, got {given.shape}"
        raise ShapeError("parameters", what, "load them into the network they were made for")
    return given
