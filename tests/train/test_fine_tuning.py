"""Weights of a network with another head: what fits is loaded whole layers at a time, what does not is told."""

import re

import numpy as np
import pytest
import torch

from minicnn import SGD, BatchNorm2d, CheckpointError, Conv2d, Dense, Flatten, Network, ReLU
from minicnn.train.checkpoint import load_training, save_training, save_weights
from minicnn.train.fine_tuning import load_fitting


def network(classes=3, seed=0, more=(), channels=1, dtype="float32", head="F"):
    layers = [("C", Conv2d(2, 3)), ("N", BatchNorm2d()), ReLU(), Flatten(), *more, (head, Dense(classes))]
    return Network(layers, (channels, 5, 5), threads=1, backend="numpy", seed=seed, dtype=dtype)


def trained(**options):
    net = network(**options)
    net.forward(np.random.default_rng(1).standard_normal((8, 1, 5, 5)), train=True)  # for the running statistics
    return net


def values(net):
    return {name: array.copy() for name, array in (*net.params.items(), *net.state.items())}


def test_another_head_keeps_its_own_values_and_is_told(tmp_path):
    old, net, lines = trained(), network(classes=7, seed=1), []
    save_weights(tmp_path / "old", old, {"a": 1})
    before, theirs = values(net), values(old)
    loaded = load_fitting(tmp_path / "old", net, lines.append)
    for name, array in values(net).items():
        np.testing.assert_array_equal(array, before[name] if name[0] == "F" else theirs[name], err_msg=name)
    assert net.state["N.num_batches_tracked"] == 1
    assert loaded.layers == ("C", "N")
    assert loaded.metadata == {"a": 1}
    assert loaded.unused == ("F.bias", "F.weight")
    assert lines == [
        "loaded C, N",
        "F keeps its own: F.weight is (3, 18) in the file and (7, 18) here, F.bias is (3,) in the file and (7,) here",
        "not used: F.bias, F.weight",
    ]
    assert str(loaded) == "\n".join(lines)


def test_a_layer_is_loaded_as_a_whole_or_not_at_all(tmp_path):
    """The bias of the convolution would fit."""
    save_weights(tmp_path / "old", trained(), {})
    net = network(channels=2, seed=1)
    before = values(net)
    loaded = load_fitting(tmp_path / "old", net, lambda line: None)
    assert loaded.layers == ("N", "F")
    assert loaded.kept == {"C": "C.weight is (2, 1, 3, 3) in the file and (2, 2, 3, 3) here"}
    for name in ("C.W", "C.b"):
        np.testing.assert_array_equal(net.params[name], before[name])


def test_layers_that_the_file_has_not_are_told(tmp_path):
    save_weights(tmp_path / "old", trained(), {})
    loaded = load_fitting(tmp_path / "old", network(more=[("H", Dense(18, bias=False))]), lambda line: None)
    assert loaded.layers == ("C", "N", "F")
    assert loaded.kept == {"H": "H.weight is not in the file"}
    assert loaded.unused == ()
    loaded = load_fitting(tmp_path / "old", network(head="G"), lambda line: None)
    assert loaded.kept == {"G": "G.weight is not in the file, G.bias is not in the file"}
    assert loaded.unused == ("F.bias", "F.weight")


def test_a_training_checkpoint_and_a_file_of_pytorch_are_taken(tmp_path):
    save_file = pytest.importorskip("safetensors.torch").save_file
    old, sgd = trained(), SGD(0.1, momentum=0.9)
    sgd.step(old)
    save_training(tmp_path / "last", old, sgd, {})
    net = network(classes=4, seed=1)
    assert load_fitting(tmp_path / "last", net, lambda line: None).unused == ("F.bias", "F.weight")
    np.testing.assert_array_equal(net.params["C.W"], old.params["C.W"])
    with pytest.raises(CheckpointError, match=r"expected 'F.weight' of shape"):
        load_training(tmp_path / "last", net, SGD(0.1, momentum=0.9))
    weight = torch.randn(2, 1, 3, 3)
    save_file({"C.weight": weight, "C.bias": torch.zeros(2), "G.weight": weight.clone()}, tmp_path / "torch")
    for dtype in ("float32", "float64"):
        net = network(dtype=dtype)
        loaded = load_fitting(tmp_path / "torch", net, lambda line: None)
        assert (loaded.layers, loaded.unused, loaded.metadata) == (("C",), ("G.weight",), {})
        np.testing.assert_array_equal(net.params["C.W"], weight.numpy())


def test_what_is_refused_changes_nothing(tmp_path):
    save_weights(tmp_path / "old", trained(), {})
    net = network(dtype="float64")
    before = values(net)
    with pytest.raises(CheckpointError, match=r"expected 'C.weight' as float64, got float32; make the network with"):
        load_fitting(tmp_path / "old", net)
    other = Network([("A", Dense(2))], (3,), threads=1, backend="numpy")
    what = "expected a layer that fits one of A, got none (A.weight is not in the file, A.bias is not in the file)"
    words = f"{tmp_path / 'old'}: {what}; give the layers the names that they have in the file"
    with pytest.raises(CheckpointError, match=f"^{re.escape(words)}$"):
        load_fitting(tmp_path / "old", other)
    with pytest.raises(CheckpointError):
        load_fitting(tmp_path / "none", net)
    for name, array in values(net).items():
        np.testing.assert_array_equal(array, before[name])


def test_the_report_is_printed_where_no_log_is_given(tmp_path, capsys):
    save_weights(tmp_path / "old", trained(), {})
    load_fitting(tmp_path / "old", network(classes=5))
    assert "F keeps its own" in "".join(capsys.readouterr())
