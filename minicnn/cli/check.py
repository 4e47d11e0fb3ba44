"""``minicnn check``: whether the hand-written gradients of a network are right."""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np

from ..arrays import Array
from ..engine.graph import items_of
from ..errors import ContractError
from ..network import Network
from ..testing.gradients import check_direction
from .command import Commands, add_command, add_network, add_threads
from .model import network

EXAMPLE = """  minicnn check model.safetensors
  minicnn check resnet8"""
IMAGES = 3
DIRECTIONS = 12
STEP = 1e-8
"""Smaller than the steps of ``testing``, since the more elements there are, the more often one of them bends."""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(commands, "check", "compare the gradients of a network with differences, in float64", EXAMPLE)
    add_network(parser)
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of images and directions (default 0)")
    add_threads(parser)
    parser.set_defaults(run=check)


def check(options: argparse.Namespace) -> int:
    """Check the gradients of x and of every parameter, in inference and in training."""
    own = network(options.model, options.threads)
    if len(own.in_shapes) > 1 or len(own.outputs) > 1:
        what = f"expected a network of one input and one output, got {len(own.in_shapes)} and {len(own.outputs)}"
        raise ContractError("check", what, "check its layers with minicnn.testing.check_layer")
    net = Network(items_of(own.layers, own.in_shapes), own.in_shapes, "float64", threads=options.threads)
    net.load_params({**own.params, **own.state})
    x = np.random.default_rng(options.seed).standard_normal((IMAGES, *net.in_shape))
    for train in (False, True):
        _check(net, x, options, train)
    print(f"right: gradients of x and of {len(net.params)} arrays, {len(net.params.flat):,} parameters, to 1e-6 of differences")
    return 0


def _check(net: Network, x: Array, options: argparse.Namespace, train: bool) -> None:
    """Compare every gradient with differences along random directions, of which one has to agree.

    Where ReLU or max pooling bends within a step, differences say nothing. In a network of many elements that happens often,
    but not along every direction, while a gradient that is wrong agrees with none.
    """
    rng = np.random.default_rng(options.seed)
    dy = rng.standard_normal((IMAGES, *net.out_shape))
    net.forward(x, train=train)
    dx = net.backward(dy)
    assert dx is not None
    gradients = {"x": dx} | {name: view.copy() for name, view in net.grads.items()}

    size = float(np.abs(dy * net.forward(x, train=train)).sum())
    noise = 10 * float(np.finfo(np.float64).eps) * size / STEP  # what rounding may do to the differences

    def energy(name: str, step: Array) -> float:
        """⟨dy, y⟩ after a step."""
        if name == "x":
            return float(np.vdot(dy, net.forward(x + step, train=train)))
        value = net.params[name].copy()
        net.params[name][...] += step
        found = float(np.vdot(dy, net.forward(x, train=train)))
        net.params[name][...] = value
        return found

    for name, gradient in gradients.items():
        for left in reversed(range(DIRECTIONS)):
            try:
                check_direction(name, gradient, rng, partial(energy, name), True, STEP, noise)
                break
            except AssertionError as error:
                if not left:
                    hint = "look at that layer with minicnn.testing.check_layer"
                    raise ContractError(options.model, str(error), hint) from None
