"""Arguments for every kernel of the manual, drawn from a seed: what backends are compared on."""

from __future__ import annotations

from collections.abc import Iterable

from . import activations, augmentation, norm, passes, training
from .draw import Draw, Drawing

SHARED: dict[Drawing, tuple[str, ...]] = {
    activations.of_x: ("copy", "square", "sigmoid", "tanh", "scaled_tanh", "relu", "hardswish", "gelu", "mish"),
    activations.of_x_and_dy: ("hardswish_dx", "gelu_dx", "mish_dx"),
    activations.leaky_relu: ("softplus",),
    activations.leaky_relu_dx: ("softplus_dx",),
    activations.of_y_and_dy: ("sigmoid_dx", "tanh_dx", "scaled_tanh_dx", "relu_dx"),
    activations.softmax: ("log_softmax",),
    activations.softmax_dx: ("softmax_hx",),
    activations.log_softmax_dx: ("log_softmax_hx",),
    training.count: ("count_hits", "count_least"),
    training.mse: ("absolute",),
    training.mse_dy: ("absolute_dy",),
    training.huber: ("contrastive",),
    training.huber_dy: ("contrastive_dy",),
    training.soft_cross_entropy_dy: ("soft_cross_entropy_hy",),
    training.bce_logits_dy: ("bce_logits_hy",),
    training.adam: ("adamw",),
}
"""Kernels that take the same."""


def drawings(names: Iterable[str]) -> dict[str, Drawing]:
    """For each kernel what draws its arguments.

    >>> arguments, written = drawings(["add"])["add"](Draw(seed=0, dtype="float32", lanes=16))
    >>> len(arguments), written
    (2, [1])
    """
    made = {name: draw for draw, several in SHARED.items() for name in several}
    named = {name: draw for file in (activations, augmentation, norm, passes, training) for name, draw in vars(file).items()}
    return {name: made.get(name) or named[name] for name in sorted(names)}


__all__ = ["SHARED", "Draw", "Drawing", "drawings"]
