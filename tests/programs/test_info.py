"""``python -m minicnn info``: what is usable, on this machine and on others."""

import pytest
from cuda_device import Idle

from minicnn import cli
from minicnn.backends.cuda.device.mirror import use
from minicnn.cli import info


@pytest.fixture
def shown(capsys):
    """What the command prints, by the name before the colon."""

    def lines():
        assert cli.main(["info"]) == 0
        return {name: value.strip() for name, value in (line.split(":", 1) for line in capsys.readouterr().out.splitlines())}

    yield lines
    use(None)


def test_versions_threads_vectors_and_the_cache(shown):
    metadata = shown()
    assert metadata["numba"][0].isdigit()
    assert metadata["minicnn"] == info.__version__
    assert metadata["threads"].endswith("processors")
    assert "float32" in metadata["backend cpu"]
    assert list(metadata) == list(info.installation())


def test_a_gpu_is_named_with_its_compute_capability(shown):
    gpu = Idle()
    gpu.name, gpu.capability = "Some Card", (9, 0)
    use(gpu)
    assert shown()["backend cuda"] == "usable: Some Card, compute capability 9.0"


def test_a_missing_gpu_is_explained(shown, monkeypatch):
    monkeypatch.setattr("minicnn.backends.cuda.device.target.cuda.cuda_error", lambda: "no driver here")
    assert shown()["backend cuda"].startswith("not usable: expected an NVIDIA driver, got: no driver here; install")


def test_a_package_that_is_not_installed():
    assert info.version("a package that is not") == "not installed"
