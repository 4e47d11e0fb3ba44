"""The LeNet-5 family.

"The paper" is LeCun, Bottou, Bengio and Haffner, *Gradient-Based Learning Applied to Document Recognition*, Proc. IEEE
86(11), 1998. Layers have the paper's names: C convolution, S subsampling, F fully connected, then the number of the layer;
f(C1) is the activation after C1.

Legend: the ``options`` of every model are passed on to ``Network``: dtype, backend, threads, seed, lanes, slots.
"""

from __future__ import annotations

from typing import TypedDict, Unpack

from ..arrays import Shape
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
    Tanh,
)
from ..nn.digit_codes import DIGITS, Code
from ..nn.init import FanInUniform, GlorotUniform, HeNormal, Init, TorchDefault
from ..nn.sparse_conv import Table
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


TABLE_I = c3_table()


def cyclic_table() -> tuple[tuple[int, ...], ...]:
    """Table I's channel sets in the cyclic order of ``lenet5s``: a shared kernel meets its channels in turn.

    >>> cyclic_table()[5], cyclic_table()[14]
    ((5, 0, 1), (2, 3, 5, 0))
    """
    turns = [(tuple(range(3)), 6), (tuple(range(4)), 6), ((0, 1, 3, 4), 3), (tuple(range(6)), 1)]
    return tuple(tuple((s + turn) % 6 for s in steps) for steps, count in turns for turn in range(count))


ACTIVATIONS: dict[str, Layer] = {"scaled_tanh": ScaledTanh(), "sigmoid": Sigmoid(), "tanh": Tanh(), "relu": ReLU()}
"""The activations that have a name."""

INITS: dict[type[Layer], Init] = {ScaledTanh: FanInUniform(2.4), Sigmoid: GlorotUniform(), Tanh: GlorotUniform()}
"""How weights before an activation start: those of the paper before its own, ``HeNormal`` before any that is not here."""


def _activation(who: str, given: str | Layer) -> Layer:
    """An activation by its name, or a layer as it is."""
    if isinstance(given, Layer):
        return given
    if not isinstance(given, str) or given not in ACTIVATIONS:
        what = f"expected activation as a layer or one of {', '.join(ACTIVATIONS)}, got {given!r}"
        raise OptionError(who, what, 'give activation="scaled_tanh"')
    return ACTIVATIONS[given]


class _Inits(TypedDict):
    init: Init
    bias_init: Init


def lenet5(
    activation: str | Layer = "scaled_tanh",
    connections: Table | None = TABLE_I,
    num_classes: int = 10,
    in_shape: Shape = (1, 32, 32),
    **options: Unpack[NetworkOptions],
) -> Network:
    """The network of the paper (section II.B), with ten dense output units: 60,850 parameters.

    32×32 → C1 6 maps 5×5 → S2 trainable 2×2 → C3 16 maps 5×5 by table I → S4 → C5 120 → F6 84 → 10; an activation follows
    every layer up to F6. The paper's images are MNIST **padded** to 32×32, background −0.1 and ink 1.175. Published code often
    resizes instead, or makes C3 dense.

    Args:
        activation: ``"scaled_tanh"``, the paper's 1.7159 · tanh(2a/3) with initial weights in ±2.4/fan_in; ``"sigmoid"`` or
            ``"tanh"``, with Glorot's; ``"relu"``, with He's; or a layer, with He's unless it is one of these.
        connections: the maps of S2 that each map of C3 reads, a tuple for each; None for all, a ``Conv2d`` of 16 maps.
        num_classes: number of outputs.
        in_shape: shape of one image, (C, H, W), at least 32×32.
        **options: see ``Network``.

    Raises:
        OptionError: another activation, or connections that are no table.
        ShapeError: images that are too small, or connections to maps that S2 has not.

    >>> len(lenet5(threads=1).params.flat), len(lenet5("relu", connections=None, threads=1).params.flat)
    (60850, 61750)
    """
    function = _activation("lenet5", activation)
    output = Dense(num_classes, init=INITS.get(type(function), HeNormal()))
    return Network([*_up_to_f6(function, connections, 84), ("output", output)], in_shape, **options)


def lenet5_1998(
    activation: str | Layer = "scaled_tanh",
    connections: Table | None = TABLE_I,
    centres: tuple[Code, ...] = DIGITS,
    in_shape: Shape = (1, 32, 32),
    **options: Unpack[NetworkOptions],
) -> Network:
    """The network of the paper with its RBF output: ten distances between F6 and the codes of the digits; 60,000 parameters.

    Up to F6 it is ``lenet5``, with initial weights uniform in ±2.4/fan_in and zero biases. The smallest output wins. Train it
    with ``MLE`` or ``MAP``.

    Args:
        activation: as of ``lenet5``.
        connections: as there.
        centres: the code of each class; F6 has as many units as a code has numbers.
        in_shape: shape of one image, (C, H, W), at least 32×32.
        **options: see ``Network``.

    Raises:
        OptionError: as ``lenet5``, or centres that are no tuple of codes.
        ShapeError: as ``lenet5``.

    >>> len(lenet5_1998(threads=1).params.flat)
    60000
    """
    output = RBF(centres)
    layers = _up_to_f6(_activation("lenet5_1998", activation), connections, len(centres[0]))
    return Network([*layers, ("output", output)], in_shape, **options)


def _up_to_f6(activation: Layer, connections: Table | None, units: int) -> list[tuple[str, Layer]]:
    """The six layers with parameters, each followed by the activation; F6 has so many units."""
    init = INITS.get(type(activation), HeNormal())
    layers: list[tuple[str, Layer]] = [
        ("C1", Conv2d(6, 5, init=init)),
        ("S2", Subsample(2, init=init)),
        ("C3", Conv2d(16, 5, init=init) if connections is None else SparseConv2d(connections, 5, init=init)),
        ("S4", Subsample(2, init=init)),
        ("C5", Conv2d(120, 5, init=init)),
        ("F6", Dense(units, init=init)),
    ]
    return [layer for name, block in layers for layer in ((name, block), (f"f({name})", activation))]


def lenet5s(num_classes: int = 10, in_shape: Shape = (1, 32, 32), **options: Unpack[NetworkOptions]) -> Network:
    """LeNet-5 with shared C3 kernels: 59,719 parameters.

    C3's 16 maps form four groups, each with one shared kernel set and one bias: 3 channels at 6 cyclic positions, 4 at 6, 4 of
    5 (without the third) at 3, and all 6 once: 17 kernels. Average pooling, ReLU, linear output. Its images are MNIST
    **resized** to 32×32 and normalised by (x − 0.1307)/0.3081.

    Published code for this network defines the class but trains another one. The channel order here is the cyclic one. It
    matters, because the kernels are shared.

    Args:
        num_classes: number of outputs.
        in_shape: shape of one image, (C, H, W); one that is too small raises ShapeError.
        **options: see ``Network``.

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
            ("output", Dense(num_classes, **torch)),
        ],
        in_shape,
        **options,
    )


def lenet5_modern(
    num_classes: int = 10, in_shape: Shape = (1, 28, 28), activation: str | Layer = "relu", **options: Unpack[NetworkOptions]
) -> Network:
    """LeNet-5 as it is usually written today, for images of 28×28: 61,706 parameters for ten classes.

    28×28 → C1 6 maps 5×5 with padding 2 → ReLU → max-pooling → C3 16 maps, each reading all 6 → ReLU → max-pooling → 120 →
    84 → num_classes logits. Published code claims an input of 32×32, but with padding 2 it is 28×28: 32×32 would give C5
    16·6·6 = 576 inputs instead of 400.

    Args:
        num_classes: number of outputs.
        in_shape: shape of one image, (C, H, W).
        activation: a layer, or its name as for ``lenet5``; weights start as PyTorch's in any case.
        **options: see ``Network``.

    Raises:
        OptionError: another activation.

    >>> len(lenet5_modern(threads=1).params.flat)
    61706
    """
    function = _activation("lenet5_modern", activation)
    torch: _Inits = {"init": TorchDefault(), "bias_init": TorchDefault()}
    return Network(
        [
            ("C1", Conv2d(6, 5, padding=2, **torch)),
            ("f(C1)", function),
            ("S2", MaxPool2d(2)),
            ("C3", Conv2d(16, 5, **torch)),
            ("f(C3)", function),
            ("S4", MaxPool2d(2)),
            ("flatten", Flatten()),
            ("C5", Dense(120, **torch)),
            ("f(C5)", function),
            ("F6", Dense(84, **torch)),
            ("f(F6)", function),
            ("output", Dense(num_classes, **torch)),
        ],
        in_shape,
        **options,
    )
