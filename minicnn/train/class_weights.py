"""Weights of classes, so that rare ones count as much as frequent ones."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from reprlib import repr as short

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Array
from ..errors import DataError, OptionError, number

ClassWeight = str | Mapping[Hashable, float] | ArrayLike
"""``"balanced"``, a weight for each class in their order, or weights by class, of which those that are left out are 1."""


def class_weights(labels: ArrayLike, classes: int | Sequence[Hashable], weight: ClassWeight = "balanced") -> Array:
    """A weight for each class: ``sklearn.utils.class_weight.compute_class_weight``.

    ``"balanced"`` is w_k = N / (K · N_k) for N_k of N labels in class k of K; a class without labels has weight 0. Give them
    to a ``Trainer`` as ``Dataset(images, labels, weight=w[labels])``; ``CrossEntropy(weight=w)`` counts in validation too.

    Args:
        labels: class numbers (N,), at least one.
        classes: how many classes there are, or their names in the order of their numbers.
        weight: ``"balanced"``, or weights of at least 0: a number for each class, or a dict by name.

    Raises:
        OptionError: weight is not one of these.
        DataError: labels are not class numbers.

    >>> class_weights([0, 0, 0, 1], 2)
    array([0.66666667, 2.        ])
    """
    names = list(range(classes)) if isinstance(classes, int) else list(classes)
    given = np.asarray(labels)
    if given.ndim != 1 or given.dtype.kind not in "iu" or not given.size or given.min() < 0 or given.max() >= len(names):
        what = f"expected class numbers (N,) from 0 to {len(names) - 1}, got {given.dtype} of shape {given.shape}"
        raise DataError("class_weights", what, "give one class number for each image")
    if isinstance(weight, str) and weight == "balanced":
        counts = np.bincount(given, minlength=len(names))
        return np.divide(len(given), len(names) * counts, out=np.zeros(len(names)), where=counts > 0)
    if isinstance(weight, Mapping):
        if unknown := [name for name in weight if name not in names]:
            what = f"expected weights by the names of classes, {short(names)}, got {unknown[0]!r}"
            raise OptionError("class_weight", what, "use the names of the labels")
        values = [weight.get(name, 1.0) for name in names]
    else:
        numbers = None if isinstance(weight, str) else np.asarray(weight)
        if numbers is None or numbers.shape != (len(names),) or numbers.dtype.kind not in "fiu":
            what = f'expected "balanced", a dict, or {len(names)} numbers, one for each class, got {short(weight)}'
            raise OptionError("class_weight", what, 'give class_weight="balanced"')
        values = numbers.tolist()
    return np.array(
        [
            number("class_weight", f"the weight of {name!r}", value, 0, math.inf)
            for name, value in zip(names, values, strict=True)
        ]
    )
