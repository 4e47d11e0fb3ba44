"""Denormal numbers count as zero in programs that run as machine code, on every thread, and nowhere else."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from minicnn.backends import cpu
from minicnn.backends.cpu import CHECK, INTERPRET
from minicnn.backends.executor import Executor
from minicnn.backends.program import Program, Task
from minicnn.engine.record import Recorder

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))
harness = importlib.import_module("harness")
denormal_bench = importlib.import_module("denormal_bench")

pytestmark = pytest.mark.skipif(INTERPRET or CHECK, reason="only machine code has the mode")
SMALLEST = {"float32": 1e-40, "float64": 1e-310}


def halving(v, dp, p):
    """A step of SGD that multiplies the momentum by a half, as a job."""
    program = Program()
    Recorder(cpu.BACKEND, program).sgd(p, dp, v, np.array([1.0, 0.5, 0, 0, 0]))
    return Task([([program], (0, 1, 1))], np.zeros(1, np.int64))


@pytest.mark.parametrize("dtype", sorted(SMALLEST))
def test_they_are_zero_in_a_program_on_every_thread(dtype):
    small = SMALLEST[dtype]
    arrays = [[np.full(40, value, dtype) for value in (small, 0, 0)] for _ in range(2)]
    Executor(2, cpu.BACKEND).run([halving(*three) for three in arrays])
    for v, _, p in arrays:
        np.testing.assert_array_equal(v, 0)
        np.testing.assert_array_equal(p, 0)


@pytest.mark.parametrize("dtype", sorted(SMALLEST))
def test_normal_numbers_are_what_they_were(dtype):
    least = np.finfo(dtype).smallest_normal
    v, dp, p = np.full(40, 4 * least, dtype), np.zeros(40, dtype), np.zeros(40, dtype)
    Executor(1, cpu.BACKEND).run([halving(v, dp, p)])
    np.testing.assert_array_equal(v, 2 * least)
    np.testing.assert_array_equal(p, -2 * least)


def test_the_mode_of_the_caller_comes_back():
    small = np.full(40, 1e-40, np.float32)
    Executor(1, cpu.BACKEND).run([halving(small.copy(), np.zeros_like(small), np.zeros_like(small))])
    assert np.all(small * np.float32(0.5) > 0)


def test_what_they_cost_is_measured_beside_what_they_cost_in_a_program(tmp_path, capsys):
    report = tmp_path / "denormal.json"
    assert harness.run("denormal_bench", denormal_bench.benchmark, ["--quick", "--json", str(report)]) == 0
    rows = json.loads(report.read_text())["rows"]
    assert [row[0] for row in rows] == ["gemm_bias", "gemm_tn", "sgd", "adam", "scaled_tanh"]
    assert all(f"{row[0]:14}  {row[1]:26}" in capsys.readouterr().out for row in rows[:1])


def test_the_benchmark_is_a_matter_of_one_thread(capsys, monkeypatch):
    monkeypatch.setattr(harness, "usable_cpus", lambda: 2)
    assert harness.run("denormal_bench", denormal_bench.benchmark, ["--threads", "2"]) == 2
    assert "expected --threads 1, a kernel being one thread's, got 2" in capsys.readouterr().err
