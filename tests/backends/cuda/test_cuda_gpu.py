"""The CUDA backend on a GPU. Where there is none, the same comparisons are made of the CPU backend in float32, which shows
that they hold where nothing is wrong.

What a network should compute is what the CPU backend computes in float64.
"""

import gc
import sys
from pathlib import Path

import numpy as np
import pytest
from cuda_device import Idle
from lenets import LENETS, Training, growth

from minicnn import BackendError
from minicnn.backends.cuda.device import target
from minicnn.backends.cuda.device.mirror import use

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


def missing():
    """Why there is no GPU to test, or nothing."""
    if target.SIMULATED:
        return "expected a GPU, got Numba's simulator"
    try:
        target.capability()
    except BackendError as error:
        return str(error)
    return ""


on_gpu = [pytest.mark.gpu, pytest.mark.skipif(bool(missing()), reason=missing())]


def needs_gpu(test):
    """Run a test where there is a GPU."""
    return on_gpu[0](on_gpu[1](test))


everywhere = pytest.mark.parametrize("backend", ["cpu", pytest.param("cuda", marks=on_gpu)])


@pytest.fixture(autouse=True)
def _own_device():
    """Every test begins with the GPU itself and without device copies."""
    use(None)
    yield
    use(None)


def on_device():
    """Bytes of the device that are taken."""
    gc.collect()
    target.cuda.synchronize()
    free, whole = target.cuda.current_context().get_memory_info()
    return whole - free


@everywhere
@pytest.mark.parametrize("name", LENETS)
def test_a_lenet_has_the_gradients_and_outputs_of_the_formulas(name, backend):
    ours, exact = Training(name, backend=backend), Training(name, dtype="float64", threads=1)
    predictions = [each.net.predict(each.x) for each in (ours, exact)]
    np.testing.assert_allclose(predictions[0], predictions[1], rtol=0, atol=2e-5)
    assert ours.step(0) == pytest.approx(exact.step(0), rel=1e-5)
    scale = np.abs(exact.net.grads.flat).max()
    np.testing.assert_allclose(ours.net.grads.flat, exact.net.grads.flat, rtol=0, atol=2e-5 * scale)


@everywhere
@pytest.mark.parametrize("name", LENETS)
def test_ten_steps_lead_where_the_formulas_lead(name, backend):
    """Losses, and parameters as far as they have moved; Adam divides small gradients by small gradients."""
    ours, exact = Training(name, backend=backend), Training(name, dtype="float64", threads=1)
    start = exact.net.params.flat.copy()
    np.testing.assert_allclose(ours.losses(10), exact.losses(10), rtol=1e-3)
    moved, error = np.linalg.norm(exact.net.params.flat - start), ours.net.params.flat - exact.net.params.flat
    assert np.linalg.norm(error) < 1e-2 * moved


def test_memory_is_measured_between_two_rounds_of_steps():
    idle = Idle()
    use(idle)
    training = Training("modern", backend="cuda")
    assert growth(lambda: idle.used, lambda: training.losses(5)) == 0
    kept = []
    assert growth(lambda: len(kept), lambda: kept.append(training.step(0))) == 1


@needs_gpu
@pytest.mark.parametrize("name", LENETS)
def test_device_memory_does_not_grow_over_a_thousand_steps(name):
    training = Training(name, backend="cuda")
    assert growth(on_device, lambda: training.losses(1000)) <= 0


@needs_gpu
def test_the_training_benchmark_runs(capsys):
    sys.path.insert(0, str(BENCHMARKS))
    import harness
    import train_bench

    assert harness.run("train_bench", train_bench.benchmark, ["--backend", "cuda", "--quick", "--only", "modern"]) == 0
    assert "lenet5_modern" in capsys.readouterr().out
