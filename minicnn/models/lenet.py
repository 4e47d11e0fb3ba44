"""The LeNet-5 family.

"The paper" is LeCun, Bottou, Bengio and Haffner, *Gradient-Based Learning Applied to Document Recognition*, Proc. IEEE
86(11), 1998. Layers have the paper's names: C convolution, S subsampling, F fully connected, then the number of the layer;
f(C1) is the activation after C1.

Legend: the ``options`` of every model are passed on to ``Network``: dtype, backend, threads, seed, lanes.
"""

from __future__ import annotations

from typing import TypedDict, Unpack

from ..errors import OptionError
from ..network import Network
from ..nn import (
    RBF,
    AvgPool2d,
    Conv2d,
    Dense,
    Flatten,
    Layer,
    MaxPool2d,
    ReLU,
    ScaledTanh,
    Sigmoid,
    SparseConv2d,
    Subsample,
)
from ..nn.init import FanInUniform, GlorotUniform, Init, TorchDefault
from .options import NetworkOptions

C3_CONNECTIONS = """
O . . . O O O . . O O O O . O O
O O . . . O O O . . O O O O . O
O O O . . . O O O . . O . O O O
. O O O . . O O O O . . O . O O
. . O O O . . O O O O . O O . O
. . . O O O . . O O O O . O O O
"""
"""Table I of the paper: row = map of S2, column = map of C3, O = connected. 60 of 96 links."""


def c3_table() -> tuple[tuple[int, ...], ...]:
    """Table I as the list of S2 maps that each C3 map reads.

    >>> c3_table()[0], c3_table()[15]
    ((0, 1, 2), (0, 1, 2, 3, 4, 5))
    """
    rows = [line.split() for line in C3_CONNECTIONS.splitlines() if line]
    return tuple(tuple(s for s, row in enumerate(rows) if row[c] == "O") for c in range(len(rows[0])))


def cyclic_table() -> tuple[tuple[int, ...], ...]:
    """Table I's channel sets in the cyclic order of ``lenet5s``: a shared kernel meets its channels in turn.

    >>> cyclic_table()[5], cyclic_table()[14]
    ((5, 0, 1), (2, 3, 5, 0))
    """
    turns = [(tuple(range(3)), 6), (tuple(range(4)), 6), ((0, 1, 3, 4), 3), (tuple(range(6)), 1)]
    return tuple(tuple((s + turn) % 6 for s in steps) for steps, count in turns for turn in range(count))


class _Inits(TypedDict):
    init: Init
    bias_init: Init


def lenet5(activation: str = "scaled_tanh", **options: Unpack[NetworkOptions]) -> Network:
    """The network of the paper (section II.B), with ten dense output units: 60,850 parameters.

    32×32 → C1 6 maps 5×5 → S2 trainable 2×2 → C3 16 maps 5×5 by table I → S4 → C5 120 → F6 84 → 10; an activation follows
    every layer up to F6. The paper's images are MNIST **padded** to 32×32, background −0.1 and ink 1.175. Published code often
    resizes instead, or makes C3 dense.

    Args:
        activation: ``"scaled_tanh"``, the paper's 1.7159 · tanh(2a/3) with initial weights in ±2.4/fan_in, or ``"sigmoid"``.
        **options: see ``Network``.

    Raises:
        OptionError: another activation.

    >>> len(lenet5(threads=1).params.flat)
    60850
    """
    activations: dict[str, tuple[Layer, Init]] = {
        "scaled_tanh": (ScaledTanh(), FanInUniform(2.4)),
        "sigmoid": (Sigmoid(), GlorotUniform()),
    }
    if activation not in activations:
        expected = " or ".join(activations)
        raise OptionError("lenet5", f"expected activation {expected}, got {activation!r}", 'give activation="scaled_tanh"')
    function, init = activations[activation]
    return Network([*_up_to_f6(function, init), ("output", Dense(10, init=init))], (1, 32, 32), **options)


def lenet5_1998(**options: Unpack[NetworkOptions]) -> Network:
    """The network of the paper with its RBF output: ten distances between F6 and the codes of the digits; 60,000 parameters.

    Up to F6 it is ``lenet5``, with initial weights uniform in ±2.4/fan_in and zero biases. The smallest output wins. Train it
    with ``MLE`` or ``MAP``.

    >>> len(lenet5_1998(threads=1).params.flat)
    60000
    """
    return Network([*_up_to_f6(ScaledTanh(), FanInUniform(2.4)), ("output", RBF())], (1, 32, 32), **options)


def _up_to_f6(activation: Layer, init: Init) -> list[tuple[str, Layer]]:
    """The six layers with parameters, each followed by the activation."""
    layers: list[tuple[str, Layer]] = [
        ("C1", Conv2d(6, 5, init=init)),
        ("S2", Subsample(2, init=init)),
        ("C3", SparseConv2d(c3_table(), 5, init=init)),
        ("S4", Subsample(2, init=init)),
        ("C5", Conv2d(120, 5, init=init)),
        ("F6", Dense(84, init=init)),
    ]
    return [layer for name, block in layers for layer in ((name, block), (f"f({name})", activation))]


def lenet5s(**options: Unpack[NetworkOptions]) -> Network:
    """LeNet-5 with shared C3 kernels: 59,719 parameters.

    C3's 16 maps form four groups, each with one shared kernel set and one bias: 3 channels at 6 cyclic positions, 4 at 6, 4 of
    5 (without the third) at 3, and all 6 once: 17 kernels. Average pooling, ReLU, linear output. Its images are MNIST
    **resized** to 32×32 and normalised by (x − 0.1307)/0.3081.

    Published code for this network defines the class but trains another one. The channel order here is the cyclic one. It
    matters, because the kernels are shared.

    >>> len(lenet5s(threads=1).params.flat)
    59719
    """
    torch: _Inits = {"init": TorchDefault(), "bias_init": TorchDefault()}
    return Network(
        [
            ("C1", Conv2d(6, 5, **torch)),
            ("f(C1)", ReLU()),
            ("S2", AvgPool2d(2)),
            ("C3", SparseConv2d(cyclic_table(), 5, group_sizes=(6, 6, 3, 1), **torch)),
            ("f(C3)", ReLU()),
            ("S4", AvgPool2d(2)),
            ("flatten", Flatten()),
            ("C5", Dense(120, **torch)),
            ("f(C5)", ReLU()),
            ("F6", Dense(84, **torch)),
            ("f(F6)", ReLU()),
            ("output", Dense(10, **torch)),
        ],
        (1, 32, 32),
        **options,
    )


def lenet5_modern(num_classes: int = 10, **options: Unpack[NetworkOptions]) -> Network:
    """LeNet-5 as it is usually written today, for images of 28×28: 61,706 parameters for ten classes.

    28×28 → C1 6 maps 5×5 with padding 2 → ReLU → max-pooling → C3 16 maps, each reading all 6 → ReLU → max-pooling → 120 →
    84 → num_classes logits. Published code claims an input of 32×32, but with padding 2 it is 28×28: 32×32 would give C5
    16·6·6 = 576 inputs instead of 400.

    Args:
        num_classes: number of outputs.
        **options: see ``Network``.

    >>> len(lenet5_modern(threads=1).params.flat)
    61706
    """
    torch: _Inits = {"init": TorchDefault(), "bias_init": TorchDefault()}
    return Network(
        [
            ("C1", Conv2d(6, 5, padding=2, **torch)),
            ("f(C1)", ReLU()),
            ("S2", MaxPool2d(2)),
            ("C3", Conv2d(16, 5, **torch)),
            ("f(C3)", ReLU()),
            ("S4", MaxPool2d(2)),
            ("flatten", Flatten()),
            ("C5", Dense(120, **torch)),
            ("f(C5)", ReLU()),
            ("F6", Dense(84, **torch)),
            ("f(F6)", ReLU()),
            ("output", Dense(num_classes, **torch)),
        ],
        (1, 28, 28),
        **options,
    )
