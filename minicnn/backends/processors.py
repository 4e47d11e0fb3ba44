"""The processors: whether kernels can be compiled for them, and how many threads there are to use."""

from __future__ import annotations

import os
import platform
import sys
from math import ceil
from pathlib import Path

from ..errors import BackendError, OptionError

CGROUP = Path("/sys/fs/cgroup")
KNOWN = ("x86_64", "amd64", "aarch64", "arm64")
"""What systems call the processors that kernels are compiled for: x86-64 and AArch64."""


def check_processor() -> None:
    """Refuse to compile for a processor whose registers are not known here.

    Raises:
        BackendError: it is neither x86-64 nor AArch64, or Python runs in 32 bits.
    """
    name = platform.machine()
    if name.lower() not in KNOWN or sys.maxsize < 1 << 32:
        bits = "" if sys.maxsize > 1 << 32 else " and Python in 32 bits"
        what = f"expected an x86-64 or AArch64 processor, got {name or 'one without a name'}{bits}"
        raise BackendError("backend cpu", what, 'give backend="numpy"')


_SHARE: list[int] = []
"""How many processors are left to this process by others of its job; nothing where there are none."""


def share_processors(share: int) -> None:
    """Count on so many processors at most, as other processes of the same job use the rest."""
    _SHARE[:] = [share]


def usable_cpus() -> int:
    """The processors this process may use: its affinity mask, cut to the quota of its control group and its share of a job."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cgroup_quota(CGROUP)
    return min([allowed if quota is None else max(1, min(allowed, ceil(quota))), *_SHARE])


def cgroup_quota(root: Path) -> float | None:
    """How many processors' time the control group grants (version 2, else 1), or None where it sets no limit."""
    try:
        granted, period = (root / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            granted = (root / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (root / "cpu" / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    if granted == "max" or int(granted) <= 0:
        return None
    return int(granted) / int(period)


MOST = 1024
"""Threads that a network may have: more than any machine has processors for, and fewer than it has memory for."""


def thread_count(threads: int | None) -> int:
    """The number of threads to use: the given one, or all usable processors for None.

    Raises:
        OptionError: not a whole number from 1 to 1024.
    """
    if threads is None:
        return min(usable_cpus(), MOST)
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise OptionError(
            "threads", f"expected a whole number of at least 1, got {threads!r}", "give threads=1 or leave it out"
        )
    if threads > MOST:
        what = f"expected at most {MOST} threads, got {threads}"
        raise OptionError("threads", what, "give as many as there are processors, or leave it out")
    return threads
