"""A layer of your own with its own kernels, checked by minicnn's contract suite and trained for a few steps.

Swish with a trainable slope for every channel: y = x · σ(βx) (Ramachandran, Zoph and Le 2017, section 5).
Run: python examples/custom_layer.py
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass

import numpy as np

from minicnn import SGD, Constant, Conv2d, CrossEntropy, Dense, Layer, MaxPool2d, Network, Param, Plan, kernel
from minicnn.cli.console import program
from minicnn.testing import check_layer


@kernel
def swish(x, beta, y):
    """y = x · σ(βx).   x and y (C, H, W, L), beta (C,)."""
    one = x.dtype.type(1)
    for c in range(x.shape[0]):
        b = beta[c]
        for h in range(x.shape[1]):
            for w in range(x.shape[2]):
                for i in range(x.shape[3]):
                    v = x[c, h, w, i]
                    y[c, h, w, i] = v / (one + math.exp(-b * v))


@kernel
def swish_dx(x, beta, dy, dx):
    """dx = dy · σ · (1 + βx · (1 − σ))."""
    one = x.dtype.type(1)
    for c in range(x.shape[0]):
        b = beta[c]
        for h in range(x.shape[1]):
            for w in range(x.shape[2]):
                for i in range(x.shape[3]):
                    v = x[c, h, w, i]
                    s = one / (one + math.exp(-b * v))
                    dx[c, h, w, i] = dy[c, h, w, i] * s * (one + b * v * (one - s))


@kernel
def swish_dbeta_add(x, beta, dy, dbeta):
    """dβ += Σ dy · x² · σ · (1 − σ)."""
    one = x.dtype.type(1)
    for c in range(x.shape[0]):
        b, total = beta[c], x.dtype.type(0)
        for h in range(x.shape[1]):
            for w in range(x.shape[2]):
                for i in range(x.shape[3]):
                    v = x[c, h, w, i]
                    s = one / (one + math.exp(-b * v))
                    total += dy[c, h, w, i] * v * v * s * (one - s)
        dbeta[c] += total


@dataclass(frozen=True)
class Swish(Layer):
    """y = x · σ(β[c]·x), with one trainable β for each channel, initially 1."""

    def plan(self, in_shape):
        return Plan(out_shape=in_shape, params={"beta": Param((in_shape[0],), Constant(1.0))})

    def forward(self, k, x, y, beta):
        k.call(swish, x, beta, y)

    def backward(self, k, x, dy, beta, dx, dbeta):
        k.call(swish_dbeta_add, x, beta, dy, dbeta)
        if dx is not None:
            k.call(swish_dx, x, beta, dy, dx)


@program()
def main() -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    for check in check_layer(Swish(), in_shape=(3, 5, 4)):
        check()
    print("Swish keeps the layer contract: gradients, buffers, lanes, threads")

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 256)
    x = 0.5 * rng.standard_normal((256, 1, 12, 12)).astype("float32")
    x[np.arange(256), 0, :, 3 * labels] += 0.5  # a bar whose column depends on the class
    net = Network([("C1", Conv2d(4, 3)), ("swish", Swish()), MaxPool2d(2), Dense(4)], in_shape=(1, 12, 12), seed=1)
    optimizer, loss = SGD(0.05, momentum=0.9), CrossEntropy()
    for step in range(31):
        value = net.loss_and_grads(loss, x, labels)
        optimizer.step(net)
        if step % 10 == 0:
            print(f"step {step:2}  loss {value:.4f}")
    print(f"accuracy {net.evaluate(loss, x, labels).accuracy:.3f}, slopes {np.round(net.params['swish.beta'], 3)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
