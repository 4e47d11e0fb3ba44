"""What a network reads its images from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Optional, Protocol, Union

from ..arrays import Array, DType, Shape

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class Source(Protocol):
    """N images that know how to write some of themselves into lanes.

    An ``ArraySource`` can be copied to a device a batch at a time, and its memory is not kept when the caller gives it up. Any
    other source is copied there as a whole, once, and is remembered with the last few kinds of batch.
    """

    @property
    def shape(self) -> Shape:
        """(N, C, H, W): the images as the network sees them."""
        ...

    @property
    def load(self) -> Callable[..., None]:
        """A method that records the kernels that write images[index[l]] into lane l of x, finite numbers into padding lanes.

        Like a layer's it takes ``k`` and binds the rest by name: ``index`` (L,), ``lanes``, ``x``, and ``rng`` (seed, step, …)
        where what it writes depends on the training step.
        """
        ...


class ArraySource(Source, Protocol):
    """A source whose images are the rows of an array."""

    @property
    def rows(self) -> Array:
        """The images as they are stored, one a row."""
        ...

    @property
    def dtype(self) -> DType:
        """What kernels read them as."""
        ...

    @property
    def fixed(self) -> bool:
        """Whether nobody changes the images while there is a network that reads them."""
        ...

    def over(self, rows: Array) -> Source:
        """The same source over other rows."""
        ...


Images = Union[Source, "ArrayLike"]
"""What a network takes as images: a source, or an array."""

Index = Optional["ArrayLike"]
"""The numbers of the images of a batch; all for None."""
