"""Whole processes: how long they take from start to end, how much memory they need, and what they print."""

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
    """A process that has ended well.

    Attributes:
        seconds: from its start to its end.
        megabytes: peak memory, as the system counts it (ru_maxrss).
        output: what it printed.
    """

    seconds: float
    megabytes: float
    output: str


def python(arguments: Sequence[str], variables: Mapping[str, str]) -> Finished:
    """Run this Python with some arguments and further environment variables.

    Raises:
        BenchmarkError: it failed.
    """
    started = time.perf_counter()
    child = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True, env={**os.environ, **variables})
    assert child.stdout is not None
    with child.stdout as pipe:
        output = pipe.read()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise BenchmarkError(f"expected {arguments[0]} to end with 0, got {child.returncode}", code=1)
    return Finished(seconds, usage.ru_maxrss / 1024, output)
