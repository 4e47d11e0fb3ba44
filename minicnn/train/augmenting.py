"""The images of a training with augmentations, and the targets that go with them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..data.augmentations import Augmentation
from ..data.augmented import Augmented
from ..data.mixing import Mixing
from ..data.pixels import Pixels
from ..errors import OptionError
from .run import Dataset


def augmented(who: str, given: Dataset, augment: Sequence[Augmentation | Mixing], seed: int, classes: int) -> Dataset:
    """A data set whose images are augmented; itself for no augmentations.

    Args:
        who: who asks for it, for messages.
        given: the data set.
        augment: the augmentations.
        seed: of their draws.
        classes: how many classes there are, for mixed targets.

    Raises:
        OptionError: the images are not of uint8, or an augmentation is none or cannot be applied.
        DataError: images are to be mixed whose targets are not class numbers.
    """
    if isinstance(augment, Sequence) and not augment:
        return given
    if not isinstance(given.images, Pixels):
        raise OptionError(who, "expected images of uint8 for augment, got others", "give grey levels or colours from 0 to 255")
    source = Augmented(given.images, augment, seed, given.chosen)
    targets = source.targets(np.asarray(given.targets), classes) if source.mixing else given.targets
    return Dataset(source, targets, given.index, given.weight)
