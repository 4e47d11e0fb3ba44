"""How the package is built and what it says of itself: Pythons, oldest versions, the refusal of an old Python."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import minicnn
from minicnn.data import mnist_files

ROOT = Path(minicnn.__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def constant(name):
    """A constant of the noxfile, which is not imported, as nox need not be there."""
    tree = ast.parse((ROOT / "noxfile.py").read_text())
    return next(
        ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == name
    )


def test_what_the_package_says_that_it_runs_on_is_what_nox_tests():
    classifiers = PROJECT["project"]["classifiers"]
    numbered = [each.rpartition(" ")[2] for each in classifiers if each.startswith("Programming Language :: Python :: 3.")]
    assert tuple(numbered) == constant("PYTHONS")
    assert PROJECT["project"]["requires-python"] == f">={numbered[0]}"
    assert [each for each in classifiers if each.startswith("Operating System")] == ["Operating System :: POSIX :: Linux"]


def test_what_nox_tests_exists_and_needs_no_pytorch():
    assert all((ROOT / "tests" / place).exists() for place in (*constant("CORE"), *constant("KERNELS")))
    extras = PROJECT["project"]["optional-dependencies"]
    assert constant("EXTRAS") in extras
    assert not [each for each in extras[constant("EXTRAS")] if "torch" in each]


def test_every_package_that_users_need_has_a_least_version():
    extras = PROJECT["project"]["optional-dependencies"]
    given = [*PROJECT["project"]["dependencies"], *(each for name, own in extras.items() if name != "docs" for each in own)]
    assert not [each for each in given if not each.startswith("minicnn-engine[") and ">=" not in each and "==" not in each]


AS_AN_OLD_PYTHON = """
import sys
sys.version_info = (3, 10, 13, "final", 0)
sys.path.insert(0, "building")
import backend
"""


def test_an_old_python_is_told_so_by_pip_before_anything_is_downloaded():
    system = PROJECT["build-system"]
    assert (system["build-backend"], system["backend-path"]) == ("backend", ["building"])
    assert all(each.endswith("; python_version >= '3.11'") for each in system["requires"])
    run = subprocess.run([sys.executable, "-c", AS_AN_OLD_PYTHON], cwd=ROOT, capture_output=True, text=True, check=False)
    words = "minicnn: expected Python 3.11 or newer, got 3.10.13; make an environment with python3.11 -m venv .venv\n"
    assert (run.returncode, run.stdout, run.stderr) == (1, "", words)


def test_the_backend_is_hatchling():
    pytest.importorskip("hatchling")
    code = "import sys; sys.path.insert(0, 'building'); import backend; print(backend.build_wheel.__module__)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == "hatchling.build\n"


def test_every_file_that_is_downloaded_has_a_checksum():
    """``tests/data/test_mnist.py`` shows that one with another is not taken."""
    assert len(mnist_files.FILES) == 4
    assert all(len(bytes.fromhex(file.sha256)) == 32 for file in mnist_files.FILES.values())
    opening = [path for path in (ROOT / "minicnn").rglob("*.py") if "urlopen" in path.read_text()]
    assert [path.name for path in opening] == ["download.py"]
