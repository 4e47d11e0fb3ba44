"""Up to how many images a batch takes less time image by image than in lanes."""

from __future__ import annotations

from collections.abc import Sequence

from ...program import Call, Program
from .. import channels_last as with_channels
from .. import single_image
from ..compile.host import HOST, LANES
from ..compile.jit import Kernel, Selection
from .channels_last import ENOUGH, convolves, products

HELD = 4 << 20
"""Weights of dense layers of so many bytes are in a cache when the next image needs them."""

ANY = 1 << 62
"""As many images as there may be."""

DENSE = 0.05
"""Dense layers with a larger share of the multiply-adds take longer for one image after another than convolutions gain."""

OF_ONE_IMAGE = (with_channels.__name__, single_image.__name__)


def most_alone(program: Program) -> int:
    """Up to how many images, for the program of one.

    With channels in vectors any that leaves lanes of a group empty, where all work is in kernels that lanes gain little by;
    half of them at most where plain sums of several taps have a share in it. With 16 registers tiles in lanes have few filters:
    there it is any number where most products are Winograd's, or those of single taps. With vectors over pixels a quarter of
    the lanes, or an eighth where dense weights come from memory for every image; none where a kernel has no sibling for one
    image.
    """
    weights = sum(call.arrays[0].nbytes for call in program.calls if call.name.startswith("gemm"))
    made = [call for call in program.calls if convolves(call)]
    if made:
        plain = [call for call in made if call.name.startswith("conv2d") and call.recorded[0].arrays[1][0, 0].size > 1]
        if HOST.few_registers and gains_by_channels(made, plain, weights):
            return ANY
        return LANES // 2 if any(len(call.recorded[0].arrays[1]) >= ENOUGH for call in plain[1:]) else LANES - 1
    if not all(map(has_sibling, program.calls)):
        return 0
    return LANES // 4 if weights <= HELD else LANES // 8


def gains_by_channels(made: Sequence[Call], plain: Sequence[Call], weights: int) -> bool:
    """Whether convolutions with channels in vectors, some of them plain sums, outweigh these and bytes of dense weights."""
    all_of_them = sum(map(products, made))
    return 2 * sum(map(products, plain)) < all_of_them and weights <= min(HELD, 4 * DENSE * all_of_them)


def has_sibling(call: Call) -> bool:
    """Whether the kernel of a call for one image is not one over lanes, all but one of which would be empty."""
    kernel = call.kernel
    while isinstance(kernel, Selection):
        kernel = kernel.choose(*call.arrays)
    return isinstance(kernel, Kernel) and (kernel.flat or kernel.__module__.startswith(OF_ONE_IMAGE))
