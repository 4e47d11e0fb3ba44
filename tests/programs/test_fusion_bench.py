"""The benchmark of the rewriting rules: a row for each, results compared first, complaints in one sentence."""

import importlib
import json
import sys
from pathlib import Path

import pytest

from minicnn.backends.cpu import CHECK, INTERPRET, lowering
from minicnn.backends.cpu.compile.host import HOST

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
harness = importlib.import_module("harness")
fusion_bench = importlib.import_module("fusion_bench")

pytestmark = pytest.mark.skipif(INTERPRET or CHECK, reason="kernels are not what they are when they are measured")


def test_every_rule_has_a_row(tmp_path, capsys):
    report = tmp_path / "fusion.json"
    assert harness.run("fusion_bench", fusion_bench.benchmark, ["--quick", "--repeats", "1", "--json", str(report)]) == 0
    rows = json.loads(report.read_text())["rows"]
    wide = {"sparse_convolution_by_rows", "sparse_convolution_backward_by_rows"}  # they want 32 registers
    assert {row["rule"] for row in rows} == {rule.__name__ for rule in lowering.RULES} - (
        set() if HOST.registers >= 32 else wide
    )
    out = capsys.readouterr().out
    assert all(f"{row['rule']:36}  {row['network']:18}" in out for row in rows)


def test_another_result_is_not_timed(monkeypatch, capsys):
    monkeypatch.setattr(fusion_bench, "ROUNDING", -1.0)
    assert harness.run("fusion_bench", fusion_bench.benchmark, ["--quick"]) == 1
    assert "gives something else than its calls; nothing was timed" in capsys.readouterr().err


def test_it_is_a_matter_of_one_thread(monkeypatch, capsys):
    monkeypatch.setattr(harness, "usable_cpus", lambda: 2)
    assert harness.run("fusion_bench", fusion_bench.benchmark, ["--threads", "2"]) == 2
    assert "expected --threads 1, a call being one thread's, got 2" in capsys.readouterr().err
