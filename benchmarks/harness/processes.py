"""Runs whole processes, with their time from start to end and their output."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness import BenchmarkError


@dataclass(frozen=True)
class Finished:
    """A process that has ended successfully.

    Attributes:
        started: by ``time.time()``.
        seconds: from its start to its end.
        output: the text it printed.
    """

    started: float
    seconds: float
    output: str


def python(arguments: Sequence[str], variables: Mapping[str, str]) -> Finished:
    """Run this Python with arguments and additional environment variables.

    It may keep its modules compiled to bytecode, as installed packages are, whatever this process was told.

    Raises:
        BenchmarkError: the process failed.
    """
    started, beginning = time.time(), time.perf_counter()
    command = [sys.executable, *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | dict(variables)
    child = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=False)
    seconds = time.perf_counter() - beginning
    if child.returncode != 0:
        raise BenchmarkError(f"expected {arguments[0]} to end with 0, got {child.returncode}", code=1)
    return Finished(started, seconds, child.stdout)
