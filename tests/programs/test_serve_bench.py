"""The benchmark of serving: that it counts what it says."""

import importlib
import json
import sys
from pathlib import Path

import pytest

from minicnn.backends.cpu.compile.mode import CHECK, INTERPRET

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
harness = importlib.import_module("harness")
serve_bench = importlib.import_module("serve_bench")

pytestmark = pytest.mark.skipif(INTERPRET or CHECK, reason="kernels are not what they are when they are measured")


def test_services_are_measured_and_survive_malformed_requests(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(serve_bench, "MODELS", {"lenet5_modern": (1, 28, 28)})
    file = tmp_path / "serve.json"
    assert harness.run("serve_bench", serve_bench.benchmark, ["--quick", "--json", str(file)]) == 0
    report = json.loads(file.read_text())
    on, off = report["rows"]
    assert (on["batching"], off["batching"]) == ("on", "off")
    assert on["failed"] == off["failed"] == 0
    assert on["ratio"] == pytest.approx(on["rate"] / off["rate"])
    assert on["p99_ms"] >= on["median_ms"] > 0
    hostile = report["malformed"]
    assert set(hostile["statuses"]) <= {"400", "415"}
    assert sum(hostile["statuses"].values()) == 100
    assert hostile["then"] == {"200": 1}
    assert f"{on['rate']:10.0f}" in capsys.readouterr().out
