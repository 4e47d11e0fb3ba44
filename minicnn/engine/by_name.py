"""What stands for each input and output of a network: a thing alone where there is one, a dict by their names where not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar, Union

from ..arrays import DType, Shape
from ..errors import DataError, ShapeError, number
from ..nn.losses import Loss
from .inputs import source
from .source import Images, Source

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Losses = Loss | Mapping[str, Loss | tuple[Loss, float]]
"""A loss; or one for each output by its name, alone or with its weight."""

ImagesByInput = Images | Mapping[str, Images]
"""Images; or those of each input by its name."""

ArrayByOutput = Union["ArrayLike", Mapping[str, "ArrayLike"]]
"""An array; or one for each output by its name."""

TargetsByOutput = Union["ArrayLike", Source, Mapping[str, Union["ArrayLike", Source]]]
"""An array, or a source of vectors; or one for each output by its name."""

Weights = ArrayByOutput | None
"""A weight for each image, for all outputs or by their names; all alike for None."""

Given = TypeVar("Given")


def by_name(who: str, given: Given | Mapping[str, Given], names: Sequence[str]) -> list[Given]:
    """What is given for each name, in their order; what is no dict is for the only one.

    Raises:
        DataError: there are several names, and no dict.
        ShapeError: a dict with other names.
    """
    if not isinstance(given, Mapping):
        if len(names) == 1:
            return [given]
        what = f"expected a dict with {', '.join(names)}, got {type(given).__name__}"
        raise DataError(who, what, f"give {{{', '.join(f'{name!r}: …' for name in names)}}}")
    if set(given) != set(names):
        what = f"expected the names {', '.join(names)}, got {', '.join(map(str, given)) or 'none'}"
        raise ShapeError(who, what, "give something for each of them, and nothing else")
    return [given[name] for name in names]


def sources(who: str, x: ImagesByInput, dtype: DType, in_shapes: Mapping[str, Shape]) -> list[Source]:
    """What to read the images of each input from, of which there are as many for all.

    Raises:
        DataError, ShapeError: as ``source`` and ``by_name``; or numbers of images that differ.
    """
    if len(in_shapes) == 1 and not isinstance(x, Mapping):
        return [source(who, x, dtype, *in_shapes.values())]
    images: list[Images] = by_name(who, x, list(in_shapes))
    pairs = zip(in_shapes.items(), images, strict=True)
    found = [source(f"{who}[{name!r}]", own, dtype, shape) for (name, shape), own in pairs]
    counts = [each.shape[0] for each in found]
    if len(set(counts)) > 1:
        said = ", ".join(f"{count} of {name}" for count, name in zip(counts, in_shapes, strict=True))
        raise ShapeError(who, f"expected as many images for every input, got {said}", "give one of each for every image")
    return found


def losses(loss: Losses, names: Sequence[str]) -> Iterable[tuple[Loss, float]]:
    """The loss of each output, and what it weighs.

    Raises:
        DataError, ShapeError: as ``by_name``; or something that is no loss.
        OptionError: a weight that is not above 0.
    """
    each: list[Loss | tuple[Loss, float]] = by_name("loss", loss, names)
    found = []
    for name, given in zip(names, each, strict=True):
        own, weight = given if isinstance(given, tuple) and len(given) == 2 else (given, 1.0)
        if not isinstance(own, Loss):
            what = f"expected a loss, or a pair of it and its weight, for {name}, got {given!r:.60}"
            raise DataError("loss", what, "give for example (MSE(), 0.5)")
        found.append((own, number("loss", f"the weight of {name}", weight, 0, math.inf, "()")))
    return found
