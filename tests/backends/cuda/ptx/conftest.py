"""Networks of backend "cuda" work on an interpreter of PTX here."""

import pytest
from cuda_device import OLD, PtxDevice

from minicnn.backends.cuda.device.mirror import use


@pytest.fixture(scope="session")
def device():
    """The one that networks and operations work on; see ``PtxDevice``."""
    return PtxDevice(OLD)


@pytest.fixture(autouse=True)
def _on_device(device, request):
    """A device for a test; one that was borrowed from the CPU's kernels must have executed PTX."""
    use(device)
    before, device.executed = device.executed, set()
    yield
    use(None)
    borrowed = getattr(request.function, "__module__", "").endswith("_over_others")
    assert device.executed or not borrowed, "expected a kernel's PTX to be executed, it was something else that passed"
    device.executed |= before
