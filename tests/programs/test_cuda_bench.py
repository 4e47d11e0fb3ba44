"""Training against PyTorch on a GPU, as far as it goes without one: what is refused, and what a device that idles is given."""

import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from cuda_device import Idle

from minicnn.backends.cpu.compile.mode import CHECK, INTERPRET
from minicnn.backends.cuda.device import target
from minicnn.backends.cuda.device.mirror import use

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
harness, cases, train_bench = (importlib.import_module(name) for name in ("harness", "harness.cases", "train_bench"))

pytestmark = pytest.mark.skipif(INTERPRET or CHECK, reason="kernels are not what they are when they are measured")


@pytest.fixture(autouse=True)
def _own_device():
    use(None)
    yield
    use(None)


def train(*given):
    return harness.run("train_bench", train_bench.benchmark, ["--quick", "--repeats", "1", *map(str, given)])


def test_without_a_gpu_one_sentence_says_so(monkeypatch, capsys):
    monkeypatch.setattr(target, "cuda", SimpleNamespace(cuda_error=lambda: None, gpus=()))
    assert train("--backend", "cuda") == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == ('train_bench: backend cuda: expected a GPU, got a driver without one; give backend="cpu"\n')


def test_a_backend_that_is_not_there(capsys):
    assert train("--backend", "tpu") == 2
    assert capsys.readouterr().err == ("train_bench: argument --backend: invalid choice: 'tpu' (choose from 'cpu', 'cuda')\n")


def test_batches_of_a_gpu_are_those_of_the_recipe_and_large_ones(monkeypatch, tmp_path, capsys):
    use(Idle())
    monkeypatch.setattr(harness, "peer", lambda name: None)
    monkeypatch.setattr(train_bench, "AGREE", 2)
    assert train("--backend", "cuda", "--only", "modern", "--json", tmp_path / "t.json") == 0, capsys.readouterr().err
    printed = capsys.readouterr().out
    assert "graphs s" in printed
    assert "on ordinary memory; control" in printed
    report = json.loads((tmp_path / "t.json").read_text())
    assert [row["batch"] for row in report["rows"]] == [64, 512, 4096]
    assert all({*row["timings"]} == {"own", "control"} for row in report["rows"])
    assert report["settings"]["backend"] == "cuda"


@pytest.mark.torch
def test_steps_before_a_graph_is_recorded_leave_no_trace():
    pytest.importorskip("torch")
    train_torch, train_torch_cuda = (importlib.import_module(name) for name in ("peers.train_torch", "peers.train_torch_cuda"))
    for case in (cases.CASES[0], cases.CASES[3]):  # gradient descent with momentum, Adam
        own = train_bench.Own(case, 1)
        fresh, used = (train_torch.Torch(case, own.net, own.data, False, False) for _ in range(2))
        index = np.arange(case.batch)
        train_torch_cuda.undone(used.optimizer, lambda learner=used, i=index: [learner.learn(i) for _ in range(3)])
        assert [float(used.step()) for _ in range(4)] == [float(fresh.step()) for _ in range(4)]


@pytest.mark.torch
def test_a_masked_convolution_goes_where_its_network_goes():
    torch = pytest.importorskip("torch")
    module = importlib.import_module("peers.torch_peers").classic(cases.CASES[0].make(threads=1)).to("meta")
    assert {str(b.device) for b in module.buffers()} == {"meta"}
    assert all(not torch.is_floating_point(b) for b in module.buffers())
    assert not any("index" in name for name in module.state_dict())
