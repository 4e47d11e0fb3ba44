"""The benchmark of wide dense layers: its networks are wide, and results are compared before they are timed."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from minicnn.backends.cpu.compile.mode import CHECK, INTERPRET

torch = pytest.importorskip("torch")

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
harness = importlib.import_module("harness")
mlp_bench = importlib.import_module("mlp_bench")

pytestmark = pytest.mark.torch
measurable = pytest.mark.skipif(INTERPRET or CHECK, reason="kernels are not what they are when they are measured")
SMALL = ("--quick", "--repeats", 1, "--networks", "784-512-512-10")


def main(*options):
    return harness.run("mlp_bench", mlp_bench.benchmark, list(map(str, options)))


@measurable
@pytest.mark.parametrize("name", mlp_bench.SIZES)
def test_groups_meet_in_all_hidden_layers(name):
    net = mlp_bench.network(mlp_bench.SIZES[name], threads=1)
    lines = [line for line in str(net.program()).splitlines() if "all groups at once" in line]
    assert len(lines) == 5  # of two layers both passes, and of the second one the input gradient


@pytest.mark.parametrize("name", mlp_bench.SIZES)
def test_operations_are_counted(name):
    first, second, third, last = mlp_bench.SIZES[name]
    connections = first * second + second * third + third * last
    assert mlp_bench.operations(mlp_bench.SIZES[name], "infer") == connections
    assert mlp_bench.operations(mlp_bench.SIZES[name], "train") == 2 * connections + second * third + third * last


@measurable
def test_training_and_inference_are_measured_beside_pytorchs(tmp_path, capsys):
    assert main(*SMALL, "--json", tmp_path / "m.json") == 0, capsys.readouterr().err
    out = capsys.readouterr().out
    rows = json.loads((tmp_path / "m.json").read_text())["rows"]
    assert [(row["network"], row["what"], row["batch"]) for row in rows] == [
        ("784-512-512-10", "train", 32),
        ("784-512-512-10", "infer", 32),
    ]
    for row in rows:
        assert set(row["timings"]) == {"own", "control", "eager contiguous"}
        assert row["ratio"] == pytest.approx(row["torch_ms"] / row["minicnn_ms"])
        assert f"{row['network']:17}  {row['what']:5}" in out


@measurable
def test_other_outputs_are_found_before_anything_is_timed(monkeypatch, capsys):
    linear = torch.nn.Linear.forward
    monkeypatch.setattr(torch.nn.Linear, "forward", lambda self, x: linear(self, x) + 1)
    monkeypatch.setattr(mlp_bench, "Peak", lambda threads: None)
    monkeypatch.setattr(harness, "interleaved", lambda *_: pytest.fail("timed before it was compared"))
    assert main(*SMALL) == 1
    assert "mlp_bench: 784-512-512-10: losses of eager contiguous differ by" in capsys.readouterr().err


@measurable
def test_without_peers_the_networks_are_timed_alone(monkeypatch, capsys):
    monkeypatch.setattr(harness, "peer", lambda name: None)
    assert main(*SMALL) == 0
    assert "784-512-512-10     infer     32" in capsys.readouterr().out


@measurable
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--networks", "10-10"], "expected --networks out of 784-512-512-10, 3072-1024-1024-10, got '10-10'"),
        (["--batch", 32, 1], "expected --batch of at least 2, got 1"),
    ],
)
def test_a_wrong_request_is_one_sentence(options, sentence, capsys):
    assert main(*options) == 2
    assert capsys.readouterr().err == f"mlp_bench: {sentence}\n"


@measurable
def test_predictions_are_compared(monkeypatch):
    peers = {"eager contiguous": lambda: np.zeros((32, 10), np.float32)}
    monkeypatch.setattr(mlp_bench.zoo_bench, "torch_predicting", lambda net, x, compiled: peers)
    with pytest.raises(harness.BenchmarkError, match="outputs of eager contiguous differ by"):
        mlp_bench.infer("784-512-512-10", 32, 1)
