"""Parameter updates against their oracles and PyTorch's optimisers, over ten steps."""

import naive
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

from minicnn.backends.cpu.kernels.update import adam, adamw, add, sdlm, sgd

DTYPES = [np.float32, np.float64]
STEPS = 10
few = examples(12)
sgd_options = st.tuples(st.sampled_from([0.0, 0.5, 0.9]), st.booleans(), st.sampled_from([0.0, 0.01]))


def start(dtype, size=37, seed=0):
    """Parameters, and a gradient for every step."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal(size).astype(dtype), rng.standard_normal((STEPS, size)).astype(dtype)


def close(actual, expected, dtype):
    np.testing.assert_allclose(actual, expected, rtol=1e3 * np.finfo(dtype).eps, atol=20 * np.finfo(dtype).eps)


def torch_path(make, p, gradients):
    """The parameters after every step of a PyTorch optimiser."""
    t = torch.tensor(p, requires_grad=True)
    optimiser, path = make([t]), []
    for gradient in gradients:
        t.grad = torch.tensor(gradient)
        optimiser.step()
        path.append(t.detach().numpy().copy())
    return path


def sgd_path(p, gradients, momentum, nesterov, weight_decay):
    """The parameters after every step of ours; the velocity starts as NaN, so that reading it too early shows."""
    p, v, path = p.copy(), np.full_like(p, np.nan), []
    for step, gradient in enumerate(gradients):
        sgd(p, gradient, v, np.array([0.1, momentum, nesterov, weight_decay, step == 0], p.dtype))
        path.append(p.copy())
    return path, v


@pytest.mark.parametrize("dtype", DTYPES)
@few
@given(options=sgd_options)
def test_sgd(dtype, options):
    p, gradients = start(dtype)
    momentum, nesterov, weight_decay = options
    path, v = sgd_path(p, gradients, *options)
    q, w = p.astype(np.float64), None
    for step, (gradient, ours) in enumerate(zip(gradients, path, strict=True)):
        q, w = naive.sgd(q, gradient.astype(np.float64), w, 0.1, momentum, nesterov, weight_decay, step == 0)
        close(ours, q, dtype)
    if momentum:
        close(v, w, dtype)
    else:
        assert np.isnan(v).all()


@pytest.mark.torch
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)])
def test_sgd_as_in_pytorch(dtype, momentum, nesterov, weight_decay):
    p, gradients = start(dtype)
    options = {"lr": 0.1, "momentum": momentum, "nesterov": nesterov, "weight_decay": weight_decay}
    theirs = torch_path(lambda params: torch.optim.SGD(params, **options), p, gradients)
    ours, _ = sgd_path(p, gradients, momentum, nesterov, weight_decay)
    for a, b in zip(ours, theirs, strict=True):
        close(a, b, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sdlm(dtype):
    """A rate for each parameter, through one vector of inverses."""
    p, gradients = start(dtype)
    curvature = np.random.default_rng(1).random(p.size).astype(dtype)
    q, inverse = p.astype(np.float64), 1 / (dtype(0.02) + curvature)
    for gradient in gradients:
        sdlm(p, gradient, inverse, np.array([0.05]))
        q = naive.sdlm(q, gradient.astype(np.float64), curvature.astype(np.float64), 0.05, 0.02)
        close(p, q, dtype)


BETAS = [(0.8, 0.95), (0.9, 0.999)]


def adam_path(kernel, p, gradients, betas, weight_decay, numbers):
    """The parameters after every step, with the numbers h in the given dtype."""
    p, m, v, path, (b1, b2) = p.copy(), np.zeros_like(p), np.zeros_like(p), [], betas
    for t, gradient in enumerate(gradients, start=1):
        kernel(p, gradient, m, v, np.array([0.05, b1, b2, 1e-6, weight_decay, 1 - b1**t, 1 - b2**t], numbers))
        path.append(p.copy())
    return path, m, v


@pytest.mark.parametrize("numbers", DTYPES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("kernel", [adam, adamw], ids=["adam", "adamw"])
def test_adam(kernel, weight_decay, dtype, numbers):
    p, gradients = start(dtype)
    path, m, v = adam_path(kernel, p, gradients, BETAS[0], weight_decay, numbers)
    q, m64, v64 = p.astype(np.float64), np.zeros(p.size), np.zeros(p.size)
    coarsest = max(dtype, numbers, key=lambda d: np.finfo(d).eps)
    for t, (gradient, ours) in enumerate(zip(gradients.astype(np.float64), path, strict=True), start=1):
        q, m64, v64 = naive.adam(q, gradient, m64, v64, 0.05, *BETAS[0], 1e-6, weight_decay, t, kernel is adamw)
        close(ours, q, coarsest)
    close(m, m64, coarsest)
    close(v, v64, coarsest)


@pytest.mark.torch
@pytest.mark.parametrize("betas", BETAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("kernel", [adam, adamw], ids=["adam", "adamw"])
def test_adam_as_in_pytorch(kernel, weight_decay, dtype, betas):
    """With h in float64: 1 − β₂ of a float32 β₂ = 0.999 is off by 10⁻⁵."""
    p, gradients = start(dtype)
    theirs = {adam: torch.optim.Adam, adamw: torch.optim.AdamW}[kernel]
    options = {"lr": 0.05, "betas": betas, "eps": 1e-6, "weight_decay": weight_decay}
    expected = torch_path(lambda params: theirs(params, **options), p, gradients)
    path, _, _ = adam_path(kernel, p, gradients, betas, weight_decay, np.float64)
    for a, b in zip(path, expected, strict=True):
        close(a, b, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_add(dtype):
    x, y = np.arange(7).astype(dtype), np.ones(7, dtype)
    add(x, y)
    assert np.array_equal(y, np.arange(1, 8))


@pytest.mark.torch
@pytest.mark.parametrize("large", [1e10, 1e19, 3e19, 1e20, 4e20])
@pytest.mark.parametrize("kernel", [adam, adamw], ids=["adam", "adamw"])
def test_adam_squares_a_large_gradient_as_pytorch_does(kernel, large):
    """From 2 · 10¹⁹ on g² has no float32, but (1 − β₂) g² has one."""
    dtype = np.float32
    p = start(dtype)[0]
    gradients = np.random.default_rng(2).standard_normal((4, p.size)).astype(dtype)
    gradients[1, ::3] = np.sign(gradients[1, ::3]) * dtype(large)
    theirs = {adam: torch.optim.Adam, adamw: torch.optim.AdamW}[kernel]
    options = {"lr": 0.05, "betas": BETAS[1], "eps": 1e-6, "weight_decay": 0.1}
    expected = torch_path(lambda params: theirs(params, **options), p, gradients)
    path, _, v = adam_path(kernel, p, gradients, BETAS[1], 0.1, np.float64)
    assert np.isfinite(v).all()
    for a, b in zip(path, expected, strict=True):
        close(a, b, dtype)
