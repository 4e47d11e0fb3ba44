"""The benchmark of distortions: that it measures what it says, and complains in one sentence."""

import importlib
import json
import sys
from pathlib import Path

import pytest

from minicnn.backends.cpu.compile.mode import CHECK, INTERPRET
from minicnn.backends.processors import usable_cpus

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
harness = importlib.import_module("harness")
augment_bench = importlib.import_module("augment_bench")

pytestmark = pytest.mark.skipif(INTERPRET or CHECK, reason="kernels are not what they are when they are measured")


def test_distortions_are_timed_beside_the_step(tmp_path, capsys):
    report = tmp_path / "augment.json"
    assert harness.run("augment_bench", augment_bench.benchmark, ["--quick", "--repeats", "1", "--json", str(report)]) == 0
    rows = json.loads(report.read_text())["rows"]
    assert [row["network"] for row in rows] == ["lenet5", "lenet5_modern"]
    out = capsys.readouterr().out
    for row in rows:
        assert row["share"] == pytest.approx((row["both"] - row["pixels"]) / row["step"])
        assert f"{row['network']:14}  {row['step']:8.0f}" in out


@pytest.mark.skipif(usable_cpus() < 2, reason="one processor refuses two threads anyway")
def test_distortions_are_a_matter_of_one_thread(capsys):
    assert harness.run("augment_bench", augment_bench.benchmark, ["--threads", "2"]) == 2
    assert "expected --threads 1, a group being one thread's, got 2" in capsys.readouterr().err
