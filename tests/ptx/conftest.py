"""Networks of backend "cuda" work on an interpreter of PTX here."""

import pytest
from cuda_device import OLD, PtxDevice

from minicnn.backends.cuda.mirror import use


@pytest.fixture(scope="session")
def device():
    """The one that networks and operations work on; see ``PtxDevice``."""
    return PtxDevice(OLD)


@pytest.fixture(autouse=True)
def _on_device(device):
    use(device)
    yield
    use(None)
