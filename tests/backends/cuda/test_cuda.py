"""The CUDA backend where there is no GPU: what it says, what it refuses, and its launch code on Numba's simulator."""

from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest
from cuda_device import Idle

import minicnn as m
from minicnn.backends import cuda
from minicnn.backends.cuda.device import launch, target
from minicnn.backends.cuda.device.mirror import use
from minicnn.testing import check_layer

PACKAGES = 'run pip install "numba-cuda[cu13]" "cuda-toolkit[nvjitlink]==13.0.*", or give backend="cpu"'
HINT = f"install an NVIDIA driver and {PACKAGES}"


def driver(error=None, gpus=(), compiler=True, capability=(9, 0)):
    """Numba's target on some machine."""
    device = SimpleNamespace(compute_capability=capability, name=b"a card")
    answers = {"cuda_error": lambda: error, "is_available": lambda: compiler, "get_current_device": lambda: device}
    return SimpleNamespace(**answers, gpus=gpus)


MACHINES = {
    "no driver": (
        driver("\nlibcuda.so\ncannot be found.\n"),
        f"backend cuda: expected an NVIDIA driver, got: libcuda.so cannot be found; {HINT}",
    ),
    "no GPU": (driver(), 'backend cuda: expected a GPU, got a driver without one; give backend="cpu"'),
    "no compiler": (
        driver(gpus=[0], compiler=False),
        f"backend cuda: expected NVIDIA's compiler library libNVVM, got none; {HINT}",
    ),
    "an old card": (
        driver(gpus=[0], capability=(7, 5)),
        'backend cuda: expected a GPU of compute capability 8.0 or newer, got 7.5; use a newer card, or give backend="cpu"',
    ),
}


@pytest.mark.parametrize("name", MACHINES)
def test_where_there_is_no_gpu_a_network_says_why_and_what_to_do(name, monkeypatch):
    machine, message = MACHINES[name]
    monkeypatch.setattr(target, "cuda", machine)
    use(None)
    with pytest.raises(m.BackendError) as error:
        m.models.lenet5(backend="cuda")
    assert str(error.value) == message


def test_a_gpu_that_will_do_is_known_by_name(monkeypatch):
    monkeypatch.setattr(target, "cuda", driver(gpus=[0]))
    assert target.capability() == (9, 0)
    assert target.device_name() == "a card"


def test_a_missing_package_is_named(python):
    code = """
import sys
sys.modules["numba.cuda"] = None
import minicnn
try:
    minicnn.models.lenet5(backend="cuda")
except minicnn.BackendError as error:
    print(error)
"""
    assert python(code).strip() == (
        "backend cuda: expected the packages of that backend, got: import of numba.cuda halted; None in sys.modules; "
        f"{PACKAGES}"
    )


def test_memory_that_there_is_not(monkeypatch):
    def refuse(size, dtype):
        raise MemoryError(f"no room for {size}")

    gpu = cuda.device.gpu.Gpu.__new__(cuda.device.gpu.Gpu)
    monkeypatch.setattr(target, "cuda", SimpleNamespace(device_array=refuse))
    with pytest.raises(m.BackendError) as error:
        gpu.allocate(123456)
    assert str(error.value) == (
        "backend cuda: expected 123,456 bytes of free device memory, got: no room for 123456; "
        "give smaller batches, or fewer images at a time"
    )


@pytest.fixture
def idle():
    device = Idle()
    use(device)
    yield device
    use(None)


class Doubling(m.Layer):
    """y = 2x, by NumPy."""

    def plan(self, in_shape):
        return m.Plan(in_shape)

    def forward(self, k, x, y):
        k.call(np.add, x, x, y)

    def backward(self, k, dy, dx):
        k.call(np.add, dy, dy, dx)


def test_a_layer_that_calls_the_host_is_refused(idle):
    with pytest.raises(m.BackendError) as error:
        m.Network([("twice", Doubling())], (3,), backend="cuda").predict(np.zeros((2, 3)))
    assert str(error.value) == (
        "twice forward: expected an operation of the cuda backend, got k.call of add; "
        'give backend="cpu", or plan launches with minicnn.backends.cuda.device.operation'
    )
    for check in check_layer(Doubling(), (3,)):
        check()


def test_a_network_has_one_thread_and_lists_its_operations(idle):
    net = m.models.lenet5(backend="cuda", threads=3)
    assert net.threads == 1
    assert "sparse_conv2d_dx" in str(net.program())
    assert repr(cuda.conv2d) == "<operation conv2d>"


def test_cos_and_sin_of_any_angle():
    of = import_module("minicnn.backends.cuda.kernels.warp").cos_sin.py_func
    angles = [*np.linspace(-10, 10, 401), *np.arange(-8, 9) * np.pi / 4, 1e4]
    np.testing.assert_allclose([of(a) for a in angles], np.stack([np.cos(angles), np.sin(angles)], axis=1), rtol=0, atol=1e-12)
    assert of(0.0) == (1, 0)


# --- shapes of launches ---


@pytest.mark.parametrize("width", range(1, 70))
def test_pixels_of_a_thread_fit_the_row_and_waste_little(width):
    pixels = launch.pixels(width)
    assert 1 <= pixels <= min(width, 8)
    assert launch.parts(width, pixels) * pixels - width <= max(3, width // 6)


def test_blocks_have_whole_warps_and_grids_are_not_too_long_on_any_axis():
    shapes = [launch.each(10**9), launch.lanes(4096, 10**7), launch.images(4096), launch.tiles(5000, 10**6, 64)]
    for shape in shapes:
        assert np.prod(shape.block) % 32 == 0
        assert np.prod(shape.block) <= 1024
        assert all(n < 2**16 for n in shape.grid[1:])
        assert shape.grid[0] < 2**31


@pytest.mark.parametrize("sums", [1, 5, 60, 512, 10_000])
@pytest.mark.parametrize("rows", [1, 5, 28])
@pytest.mark.parametrize("L", [32, 512, 4096])
def test_slices_cover_all_rows_of_all_images_once(sums, rows, L):
    height, count = launch.share_rows(sums, rows, L)
    warps = launch.parts(L, 32)
    covered = [
        row for s in range(0, count, warps) for row in range(s // warps * height, min(s // warps * height + height, rows))
    ]
    assert covered == [*range(rows)]
    assert count % warps == 0


# --- Numba's simulator: the launch code and the transfers of ``Gpu`` ---

SIMULATED = """
import numpy as np
import minicnn as m

layers = [("C", m.Conv2d(2, 2)), m.Tanh(), m.MaxPool2d(2), m.Flatten(), ("F", m.Dense(3))]
rng = np.random.default_rng(0)
x, t = rng.standard_normal((3, 1, 3, 3)).astype("float32"), np.array([0, 2, 1])
nets = [m.Network(layers, (1, 3, 3), backend=backend, threads=1) for backend in ("cuda", "cpu")]
updates = [m.SGD(0.1, momentum=0.9) for _ in nets]
for index in ([0, 1], [2]):
    losses = [net.loss_and_grads(m.CrossEntropy(), x, t, index) for net in nets]
    for net, update in zip(nets, updates):
        update.step(net)
    print(abs(losses[0] - losses[1]) < 1e-6, np.allclose(nets[0].params.flat, nets[1].params.flat, atol=1e-6))
print(np.allclose(nets[0].predict(x), nets[1].predict(x), atol=1e-6))
"""


def test_launches_and_transfers_on_the_simulator(python):
    assert python(SIMULATED, NUMBA_ENABLE_CUDASIM=1).split() == ["True"] * 5
