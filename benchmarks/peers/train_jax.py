"""JAX in the same training loop: one jitted function for a step, images in NHWC, buffers donated.

The network is built from minicnn's layers, so that it is the same network. NHWC is XLA's faster layout for these networks on a
CPU; the weights of the first dense layer are permuted once to match.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from harness.cases import Case, Data, order
from jax import lax

from minicnn import Network
from peers.nhwc import groups_of, parameters_of, table_of

Parameters = dict[str, Any]


def _convolve(x: Any, W: Any, padding: Any) -> Any:
    """x (N, H, W, C), W (F, C, KH, KW)."""
    return lax.conv_general_dilated(x, W, (1, 1), padding, dimension_numbers=("NHWC", "OIHW", "NHWC"))


def _layer(bound: Any, p: Parameters, x: Any) -> Any:
    """The output of one of minicnn's layers."""
    layer, name = bound.layer, bound.name
    kind = type(layer).__name__
    if kind == "Conv2d":
        return _convolve(x, p[f"{name}.W"], [(n, n) for n in layer.window.padding]) + p[f"{name}.b"]
    if kind == "SparseConv2d":
        kernels = jnp.concatenate([p[f"{name}.W"], jnp.zeros((1, *p[f"{name}.W"].shape[1:]))])
        return _convolve(x, kernels[table_of(layer)], "VALID") + p[f"{name}.b"][groups_of(layer)]
    if kind in ("Subsample", "AvgPool2d"):
        total = lax.reduce_window(x, 0.0, lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        return total * p[f"{name}.W"] + p[f"{name}.b"] if kind == "Subsample" else total / 4
    if kind == "MaxPool2d":
        return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    if kind == "Dense":
        return x.reshape(len(x), -1) @ p[f"{name}.W"].T + p[f"{name}.b"]
    return _elementwise(kind, x)


def _elementwise(kind: str, x: Any) -> Any:
    """The output of an elementwise layer without parameters, or x if there is none."""
    if kind == "ScaledTanh":
        return 1.7159 * jnp.tanh(2 / 3 * x)
    return jnp.maximum(x, 0) if kind == "ReLU" else x


class Jax:
    """Each call of ``step`` is one training step.

    Args:
        case: the network and its recipe.
        net: minicnn's network, which has the initial parameters.
        data: the images.
    """

    def __init__(self, case: Case, net: Network, data: Data) -> None:
        self.images = jnp.asarray(data.images.transpose(0, 2, 3, 1))
        on, off = getattr(case.loss, "on", 1.0), getattr(case.loss, "off", 0.0)
        classes = type(case.loss).__name__ == "CrossEntropy"
        self.labels = jnp.asarray(data.labels)
        layers, rate = list(net.layers), case.rate

        def loss(p: Parameters, x: Any, labels: Any) -> Any:
            for bound in layers:
                x = _layer(bound, p, x)
            y = x.reshape(len(x), -1)
            if classes:
                return -jnp.mean(jax.nn.log_softmax(y)[jnp.arange(len(y)), labels])
            return jnp.mean((y - jnp.where(jax.nn.one_hot(labels, 10) > 0, on, off)) ** 2)

        def adam(p: Parameters, g: Parameters, m: Parameters, v: Parameters, t: Any) -> Any:
            m = {k: 0.9 * m[k] + 0.1 * g[k] for k in p}
            v = {k: 0.999 * v[k] + 0.001 * g[k] ** 2 for k in p}
            c1, c2 = -jnp.expm1(t * np.log(0.9)), -jnp.expm1(t * np.log(0.999))  # 1 − βᵗ without cancellation
            return {k: p[k] - rate * (m[k] / c1) / (jnp.sqrt(v[k] / c2) + 1e-8) for k in p}, m, v

        def momentum(p: Parameters, g: Parameters, m: Parameters, v: Parameters, t: Any) -> Any:
            m = {k: 0.9 * m[k] + g[k] for k in p}
            return {k: p[k] - rate * m[k] for k in p}, m, v

        def step(state: Any, images: Any, labels: Any, index: Any) -> Any:
            p, m, v, t = state
            value, g = jax.value_and_grad(loss)(p, images[index], labels[index])
            return (*(adam if case.adam else momentum)(p, g, m, v, t), t + 1), value

        self._step = jax.jit(step, donate_argnums=0)
        p = {name: jnp.asarray(value) for name, value in parameters_of(net).items()}
        zeros = [{k: jnp.zeros_like(value) for k, value in p.items()} for _ in range(2)]
        self._state: Any = (p, *zeros, jnp.float32(1))
        self._next = order(len(data.images), case.batch)

    def step(self) -> Any:
        """One step; returns its loss without waiting for it."""
        self._state, loss = self._step(self._state, self.images, self.labels, self._next())
        return loss

    def finish(self) -> None:
        """Wait until all steps are done."""
        jax.tree.leaves(self._state)[0].block_until_ready()
