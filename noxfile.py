"""The tests with other Pythons, packages and processors: ``nox``, or ``nox -s core-3.13`` for one of its sessions.

None of them has PyTorch, which exists for one Python only: tests that compare with it are left out, as ``tests/conftest.py``
says. What is here needs interpreters, which pyenv or the system brings; a session whose interpreter is missing is skipped.
"""

import re
import sys
import time
import tomllib
from pathlib import Path

import nox

PYTHONS = ("3.11", "3.12", "3.13")
OLD = "3.10"
EXTRAS = "core-test"
CORE = (
    "nn",
    "engine",
    "optim",
    "data",
    "train",
    "serve",
    "io",
    "backends/cpu/test_cache.py",
    "backends/cpu/test_machine.py",
    "backends/cpu/test_compile_ahead.py",
    "test_platforms.py",
    "test_sklearn.py",
)
"""What of ``tests/`` is run everywhere: layers with all their kernels, networks, training, files, services, the cache."""

KERNELS = (
    "nn/test_layers.py",
    "backends/cpu/test_conv_kernels.py",
    "backends/cpu/test_winograd.py",
    "backends/cpu/test_depthwise.py",
    "backends/cpu/test_gathered.py",
    "backends/cpu/test_tap_dw.py",
)
"""What is run for smaller processors: all layers, and the kernels of which the processor decides the form."""

MACHINES = {"avx2": "+avx,+avx2,+fma,+sse4.2", "no-fma": "+avx,+avx2,+sse4.2", "sse2": "+sse2"}
"""Smaller processors by the features that kernels may use."""

SECONDS = 30
"""So long pip may take to refuse an old Python."""

nox.options.default_venv_backend = "venv"
nox.options.sessions = ["core", "oldest", "newest", "machine", "old-python"]


def tested(session, parts):
    """Run parts of the tests, or those that are given behind ``--``."""
    session.env["MINICNN_CACHE"] = str(Path(session.create_tmp(), "kernels"))
    session.run("python", "-m", "pytest", "-q", *(session.posargs or [f"tests/{name}" for name in parts]))


@nox.session(python=PYTHONS)
def core(session):
    """The core suite on every Python that minicnn is for."""
    session.install("-e", f".[{EXTRAS}]")
    tested(session, CORE)


@nox.session(python=PYTHONS[0])
def oldest(session):
    """The oldest versions of all packages that pyproject.toml allows, NumPy 2.0 and Numba 0.61 among them."""
    constraints = Path(session.create_tmp(), "oldest.txt")
    constraints.write_text("\n".join(lowest()) + "\n")
    session.install("-e", f".[{EXTRAS}]", "-c", str(constraints))
    tested(session, CORE)


@nox.session(python=PYTHONS[-1])
def newest(session):
    """The newest versions, betas among them."""
    session.install("--pre", "-U", "numpy", "numba", "-e", f".[{EXTRAS}]")
    tested(session, CORE)


@nox.session(python=PYTHONS[0])
@nox.parametrize("machine", list(MACHINES))
def machine(session, machine):
    """Kernels compiled for smaller processors."""
    session.install("-e", f".[{EXTRAS}]")
    session.env.update(NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES=MACHINES[machine])
    tested(session, KERNELS)


@nox.session(python=OLD, name="old-python")
def old_python(session):
    """An older Python is refused in one sentence, before anything is downloaded."""
    started = time.monotonic()
    said = session.run("python", "-m", "pip", "install", "-e", ".[test]", success_codes=[1], silent=True)
    seconds = time.monotonic() - started
    words = "minicnn: expected Python 3.11 or newer, got 3.10."
    if words not in said or "Downloading" in said or seconds > SECONDS:
        session.error(f"expected {words!r} within {SECONDS} s, got in {seconds:.0f} s:\n{said}")
    session.log(f"refused in {seconds:.1f} s")


def lowest():
    """Every package that pyproject.toml names with its least version, at that version; not those of other extras."""
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    extras = ("plot", "train", "images", "sklearn", "serve", "onnx", "keras")
    given = [*project["dependencies"], *(each for extra in extras for each in project["optional-dependencies"][extra])]
    for each in given:
        if match := re.fullmatch(r"([\w-]+)>=([\d.]+)", each):
            yield f"{match[1]}=={match[2]}" + (".*" if match[2].count(".") < 2 else "")


if __name__ == "__main__":
    sys.exit("run nox")
