"""The networks that people train on a CPU: five steps are PyTorch's, whatever the threads.

Each is written twice (``chains``, ``branched``). Dropout stays in its place but drops nothing, as PyTorch draws other numbers.
Every day they see images as small as their layers allow; with ``--full``, of the size that they are made for.
"""

from functools import cache

import branched
import chains
import numpy as np
import pytest
import torch
from case import OURS, THEIRS, Case

import minicnn as m

pytestmark = pytest.mark.torch
IMAGES, STEPS, MOMENTUM = 37, 5, 0.9
CASES = {name.lower(): case for module in (chains, branched) for name, case in vars(module).items() if isinstance(case, Case)}


def shape_of(name, size):
    return CASES[name].shape if size == "small" else CASES[name].real


@cache
def data(name, size):
    """Images by the input's name and what is to be learnt of each; the same in every test."""
    task, shape = CASES[name].task, shape_of(name, size)
    shapes = shape if isinstance(shape, dict) else {"input": shape}
    rng, images = np.random.default_rng(17), STEPS * IMAGES
    x = {key: (rng.random if task == "image" else rng.standard_normal)((images, *own)) for key, own in shapes.items()}
    out = network(name, size).out_shapes
    if task == "heads":
        return x, {"class": rng.integers(0, *out["class"], images), "size": rng.standard_normal((images, 1))}
    (out_shape,) = out.values()
    if task == "classes":
        return x, rng.integers(0, *out_shape, images)
    return x, x["input"] if task == "image" else rng.integers(0, 2, (images, *out_shape)).astype(float)


def tensors(values, rows):
    """Some rows of an array, or of every array of a dict."""
    if isinstance(values, dict):
        return {key: tensors(value, rows) for key, value in values.items()}
    return torch.from_numpy(values[rows])


def network(name, size, **options):
    """With noise on what starts as 0 or 1, biases above all: whatever is compared by its largest number has one."""
    net = CASES[name].network(shape_of(name, size), **{"dtype": "float64", "threads": 2, "seed": 3} | options)
    rng = np.random.default_rng(5)
    for value in net.params.values():
        if value.ndim == 1:
            value[...] += rng.uniform(-0.05, 0.05, value.shape)
    return net


def trained(name, size, **options):
    """The network after five steps."""
    net, (x, target) = network(name, size, **options), data(name, size)
    update, loss = m.SGD(CASES[name].rate, momentum=MOMENTUM), OURS[CASES[name].task]
    for step in range(STEPS):
        net.loss_and_grads(loss, x, target, np.arange(IMAGES) + step * IMAGES)
        update.step(net)
    return net


@cache
def both(name, size):
    """Ours and PyTorch's after five steps from the same parameters, and what the parameters were."""
    start, (x, target), case = network(name, size), data(name, size), CASES[name]
    theirs = case.theirs().double().eval()
    theirs(*tensors(x, slice(1)).values())  # lazy layers find out their size
    values = list(start.params.values())
    assert [tuple(p.shape) for p in theirs.parameters()] == [value.shape for value in values]
    for parameter, value in zip(theirs.parameters(), values, strict=True):
        parameter.data[...] = torch.from_numpy(value.copy())
    update = torch.optim.SGD(theirs.parameters(), case.rate, momentum=MOMENTUM)
    theirs.train()
    for step in range(STEPS):
        rows = slice(step * IMAGES, (step + 1) * IMAGES)
        update.zero_grad()
        THEIRS[case.task](theirs(*tensors(x, rows).values()), tensors(target, rows)).backward()
        update.step()
    return trained(name, size), theirs.eval(), start


def furthest(ours, theirs):
    """The largest difference, as a share of the largest number."""
    theirs = theirs.detach().numpy()
    return np.abs(ours - theirs).max() / np.abs(theirs).max()


def check_outputs(net, theirs, x, most):
    """Refuse predictions that are not PyTorch's."""
    expected = theirs(*tensors(x, slice(IMAGES)).values())
    found = net.predict_outputs({key: value[:IMAGES] for key, value in x.items()})
    for (key, value), y in zip(found.items(), expected if isinstance(expected, tuple) else (expected,), strict=True):
        assert furthest(value, y) <= most, key


def names(size):
    return [pytest.param(name, size, id=f"{name}-{size}") for name in CASES]


@pytest.mark.parametrize(("name", "size"), names("small") + names("real"))
def test_five_steps_of_sgd_with_momentum_are_pytorchs(name, size):
    net, theirs, start = both(name, size)
    for (key, value), expected in zip(net.params.items(), theirs.parameters(), strict=True):
        assert furthest(value, expected) <= 1e-12, key
        if key.endswith(".W"):  # what a batch normalisation takes away again has no gradient: biases before it stay
            assert not np.array_equal(value, start.params[key]), f"expected {key} to have been trained"
    for (key, value), expected in zip(net.state.items(), theirs.buffers(), strict=True):
        assert furthest(value, expected) <= 1e-12, key
    check_outputs(net, theirs, data(name, size)[0], 1e-12)


@pytest.mark.parametrize(("name", "size"), names("small") + names("real"))
def test_float32_outputs_are_pytorchs(name, size):
    trained, theirs, _ = both(name, size)
    net = network(name, size, dtype="float32")
    net.load_params({**trained.params, **trained.state})
    check_outputs(net, theirs, data(name, size)[0], 1e-5)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", CASES)
def test_bits_do_not_depend_on_threads(name, dtype):
    found = set()
    for threads in (1, 2, 3, 8):
        net = trained(name, "small", threads=threads, dtype=dtype)
        found.add((net.params.flat.tobytes(), *(array.tobytes() for array in net.state.values())))
    assert len(found) == 1
