"""Running statistics measured anew, against PyTorch's ``update_bn``, and with averaged parameters."""

import re

import numpy as np
import pytest
import torch

from minicnn import (
    SGD,
    BatchNorm1d,
    BatchNorm2d,
    ContractError,
    Conv2d,
    CrossEntropy,
    DataError,
    Dense,
    Flatten,
    Network,
    OptionError,
    ReLU,
    ShapeError,
)
from minicnn.optim.averaging import ParameterAverage, update_bn


def network(backend="cpu", threads=1, momentum=0.3):
    layers = [("C", Conv2d(3, 3)), ("N", BatchNorm2d(momentum=momentum)), ReLU(), Flatten()]
    layers += [("F", Dense(4)), ("M", BatchNorm1d()), ("G", Dense(3))]
    return Network(layers, (1, 6, 6), threads=threads, backend=backend, dtype="float64", seed=1)


def torch_twin(net):
    parts = [torch.nn.Conv2d(1, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.ReLU(), torch.nn.Flatten()]
    parts += [torch.nn.Linear(48, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 3)]
    twin = torch.nn.Sequential(*parts).double()
    for parameter, value in zip(twin.parameters(), net.params.values(), strict=True):
        parameter.data[...] = torch.from_numpy(value.copy().reshape(parameter.shape))
    return twin


def data(count=45):
    rng = np.random.default_rng(3)
    return rng.standard_normal((count, 1, 6, 6)) + 1, rng.integers(0, 3, count)


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("momentum", [0.3, None, 0.0])
def test_statistics_are_pytorchs(backend, momentum):
    net, (x, labels) = network(backend, momentum=momentum), data()
    net.loss_and_grads(CrossEntropy(), x[:20], labels[:20])  # which leaves statistics behind
    twin, order = torch_twin(net), np.random.default_rng(0).permutation(45)[:40]
    update_bn(net, x, order, batch_size=16)
    batches = [torch.from_numpy(x[order[first : first + 16]]) for first in (0, 16, 32)]
    torch.optim.swa_utils.update_bn(batches, twin)
    for ours, theirs in (("N", twin[1]), ("M", twin[5])):
        np.testing.assert_allclose(net.state[f"{ours}.running_mean"], theirs.running_mean.numpy(), rtol=0, atol=1e-13)
        np.testing.assert_allclose(net.state[f"{ours}.running_var"], theirs.running_var.numpy(), rtol=0, atol=1e-13)
        assert net.state[f"{ours}.num_batches_tracked"] == theirs.num_batches_tracked.item() == 3
    np.testing.assert_allclose(net.predict(x), twin.eval()(torch.from_numpy(x)).detach().numpy(), rtol=0, atol=1e-12)


def test_training_goes_on_with_the_layers_own_momentum():
    net, (x, labels) = network("numpy"), data()
    update_bn(net, x)
    before = net.state["N.running_mean"].copy()
    net.loss_and_grads(CrossEntropy(), x[:20], labels[:20])
    moved = net.state["N.running_mean"].copy()
    update_bn(net, x[:20])
    np.testing.assert_allclose(moved, before + 0.3 * (net.state["N.running_mean"] - before), rtol=0, atol=1e-13)


def test_bits_do_not_depend_on_threads():
    nets = [network(threads=threads) for threads in (1, 2)]
    for net in nets:
        update_bn(net, data()[0], batch_size=37)
    for name, array in nets[0].state.items():
        np.testing.assert_array_equal(array, nets[1].state[name])


def averaged(net):
    optimizer, (x, labels) = ParameterAverage(SGD(0.1), 0.5), data()
    for first in (0, 20):
        net.loss_and_grads(CrossEntropy(), x[first : first + 20], labels[first : first + 20])
        optimizer.step(net)
    return optimizer


def test_averaged_parameters_are_used_with_statistics_of_their_own():
    net, x = network("numpy"), data()[0]
    optimizer = averaged(net)
    before, state = net.params.flat.copy(), {name: array.copy() for name, array in net.state.items()}
    words = "ParameterAverage: expected training images for the running statistics of N, got none; give copy_to(net, images)"
    with pytest.raises(ContractError, match=f"^{re.escape(words)}$"):
        optimizer.copy_to(net)
    with pytest.raises(ShapeError):
        optimizer.copy_to(net, x[:, :, 1:])
    assert np.array_equal(net.params.flat, before)
    assert all(np.array_equal(array, state[name]) for name, array in net.state.items())
    optimizer.copy_to(net, x, np.arange(40), batch_size=20)
    assert np.array_equal(net.params.flat, optimizer.moments["average"])
    twin = torch_twin(net)
    torch.optim.swa_utils.update_bn([torch.from_numpy(x[:20]), torch.from_numpy(x[20:40])], twin)
    np.testing.assert_allclose(net.state["M.running_var"], twin[5].running_var.numpy(), rtol=0, atol=1e-13)


def test_frozen_layers_keep_their_statistics_and_parameters():
    net, x = network("numpy"), data()[0]
    optimizer = averaged(net)
    net.freeze("C", "N")
    kept = {name: value.copy() for name, value in (*net.params.items(), *net.state.items())}
    optimizer.copy_to(net, x)
    for name, value in (*net.params.items(), *net.state.items()):
        assert np.array_equal(value, kept[name]) == (name[0] in "CN"), name
    net.freeze("M")
    optimizer.copy_to(net)


def test_an_error_leaves_the_statistics():
    net, x = network("numpy"), data(33)[0]
    update_bn(net, x[:20])
    state = {name: array.copy() for name, array in net.state.items()}
    with pytest.raises(DataError, match="expected a training batch of at least 2 images, got 1"):
        update_bn(net, x, batch_size=16)
    for name, array in net.state.items():
        np.testing.assert_array_equal(array, state[name])
    with pytest.raises(OptionError, match=r"^update_bn: expected batch_size"):
        update_bn(net, x, batch_size=0)
    plain = Network([Dense(2)], (3,), threads=1, backend="numpy")
    update_bn(plain, np.ones((4, 3)))
