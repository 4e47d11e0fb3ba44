"""The script for a machine with a GPU, with other programs in the place of Python, and on this machine, which may have none."""

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu_check.sh"


@pytest.fixture
def check(tmp_path):
    """Runs the script with a shell script in the place of Python."""

    def call(body):
        python = tmp_path / "python"
        python.write_text(f"#!/bin/sh\n{body}\n")
        python.chmod(0o755)
        done = subprocess.run([SCRIPT, python, tmp_path / "found"], capture_output=True, text=True, timeout=60, check=False)
        return done, tmp_path / "found"

    return call


def test_every_part_runs_and_its_words_are_kept(check):
    done, folder = check('echo "$@"')
    assert done.returncode == 0, done.stderr
    assert (folder / "machine.txt").read_text() == "-m minicnn doctor\n"
    assert (folder / "tests.txt").read_text() == "-m pytest -q -m gpu -n 0 tests\n"
    training = (folder / "training.txt").read_text().split()
    assert training[:4] == ["benchmarks/train_bench.py", "--backend", "cuda", "--quick"]
    assert done.stdout.splitlines()[-3:] == [f"| {part} | passed | 0 s |" for part in ("machine", "tests", "training")]


def test_a_part_that_fails_leaves_the_others_running_and_fails_the_whole(check):
    done, folder = check('case "$*" in *"-m pytest"*) echo broken; exit 3;; esac; echo "$1"')
    assert done.returncode == 1
    assert (folder / "tests.txt").read_text() == "broken\n"
    assert [line.split()[3] for line in done.stdout.splitlines()[-3:]] == ["passed", "FAILED", "passed"]


def test_a_second_run_begins_a_new_list(check):
    check("true")
    _, folder = check("true")
    assert len((folder / "parts.txt").read_text().splitlines()) == 3
