"""examples/search.py: the same search on processes of one machine and on the ranks of a job."""

import os
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path

import pytest

pytest.importorskip("sklearn", reason="needs the extra sklearn")
ROOT = Path(__file__).parents[2]
SEARCH = str(ROOT / "examples" / "search.py")
MPIEXEC = Path(sysconfig.get_path("scripts"), "mpiexec")


def ran(*command):
    settings = {
        "PYTHONPATH": str(ROOT),
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.run([*command], env=os.environ | settings, capture_output=True, text=True, timeout=500, check=True).stdout


@cache
def on_processes():
    return ran(sys.executable, SEARCH, "--images", "120")


def test_every_pair_of_options_is_tried():
    lines = on_processes().splitlines()[1:]  # behind that of the images
    assert [line.split("}")[0] + "}" for line in lines[:-1]] == [
        f"{{'batch_size': {batch}, 'learning_rate_init': {rate}}}" for batch in (32, 128) for rate in (0.001, 0.004)
    ]
    assert lines[-1].startswith("best: {'batch_size': ")


def test_ranks_find_the_same():
    pytest.importorskip("mpi4py", reason="needs the extra mpi")
    start = (str(MPIEXEC), "-n", "3", "--map-by", ":OVERSUBSCRIBE", "--bind-to", "none")
    assert ran(*start, sys.executable, "-m", "mpi4py.futures", SEARCH, "--ranks", "--images", "120") == on_processes()
