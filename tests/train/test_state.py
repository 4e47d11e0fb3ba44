"""What training keeps beside the parameters, such as running statistics: saved, loaded, resumed, exchanged with PyTorch."""

import numpy as np
import pytest

import minicnn as m
from minicnn.errors import CheckpointError
from minicnn.train.checkpoint import load_training, load_weights, save_training, save_weights

NORMED = [("conv", m.Conv2d(2, 3)), ("norm", m.BatchNorm2d()), ("out", m.Dense(3))]


def normed(seed=0, steps=2):
    net = m.Network(NORMED, (1, 5, 5), threads=1, seed=seed)
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        net.loss_and_grads(m.CrossEntropy(), rng.standard_normal((8, 1, 5, 5)), rng.integers(0, 3, 8))
    return net


def test_running_statistics_are_saved_and_loaded(tmp_path):
    net, other = normed(), normed(seed=1, steps=1)
    save_weights(tmp_path / "net", net, {})
    load_weights(tmp_path / "net", other)
    x = np.random.default_rng(2).standard_normal((4, 1, 5, 5))
    np.testing.assert_array_equal(other.predict(x), net.predict(x))
    assert {name: array.tolist() for name, array in other.state.items()} == {n: a.tolist() for n, a in net.state.items()}
    assert other.state["norm.num_batches_tracked"] == 2


def test_a_network_with_running_statistics_goes_on_with_the_same_bits(tmp_path):
    net, sgd = normed(), m.SGD(0.1, momentum=0.9)
    sgd.step(net)
    save_training(tmp_path / "net", net, sgd, {})
    again, other = normed(seed=1, steps=0), m.SGD(0.1, momentum=0.9)
    load_training(tmp_path / "net", again, other)
    x, labels = np.random.default_rng(3).standard_normal((8, 1, 5, 5)), np.arange(8) % 3
    for subject, optimizer in ((net, sgd), (again, other)):
        subject.loss_and_grads(m.CrossEntropy(), x, labels)
        optimizer.step(subject)
    np.testing.assert_array_equal(again.params.flat, net.params.flat)
    np.testing.assert_array_equal(again.predict(x), net.predict(x))


def test_pytorch_takes_running_statistics_by_its_own_names(tmp_path):
    torch = pytest.importorskip("torch")
    load_file = pytest.importorskip("safetensors.torch").load_file
    net = normed()
    save_weights(tmp_path / "net", net, {})
    parts = {"conv": torch.nn.Conv2d(1, 2, 3), "norm": torch.nn.BatchNorm2d(2), "flat": torch.nn.Flatten()}
    theirs = torch.nn.Sequential()
    for name, part in (parts | {"out": torch.nn.Linear(18, 3)}).items():
        theirs.add_module(name, part)
    theirs.load_state_dict(load_file(tmp_path / "net"))
    x = np.random.default_rng(2).standard_normal((4, 1, 5, 5)).astype(np.float32)
    np.testing.assert_allclose(net.predict(x), theirs.eval()(torch.from_numpy(x)).detach().numpy(), rtol=0, atol=1e-5)


def test_a_file_without_running_statistics_is_refused(tmp_path):
    net = normed()
    plain = m.Network([NORMED[0], ("norm", m.BatchNorm2d(track_running_stats=False)), NORMED[2]], (1, 5, 5), threads=1)
    save_weights(tmp_path / "net", plain, {})
    with pytest.raises(CheckpointError, match=r"expected a tensor 'norm\.running_mean', got none of that name"):
        load_weights(tmp_path / "net", net)
