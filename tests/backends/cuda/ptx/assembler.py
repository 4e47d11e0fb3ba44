"""``ptxas``: what a kernel takes of a processor, and how many of its threads fit there at once."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

WARP = 32


@dataclass(frozen=True)
class Resources:
    """What one thread, or for shared memory one block, takes.

    Attributes:
        registers: 32-bit registers of a thread.
        shared: bytes of shared memory of a block.
        spilled: bytes that a thread keeps in memory for want of registers, and the rest of its stack.
    """

    registers: int
    shared: int
    spilled: int


@dataclass(frozen=True)
class Processor:
    """What a multiprocessor has: *CUDA C++ Programming Guide*, table of technical specifications for compute capabilities."""

    registers: int = 65_536
    warps: int = 64
    blocks: int = 32
    shared: int = 0
    reserved: int = 1024


PROCESSORS = {(8, 0): Processor(shared=164 * 1024), (9, 0): Processor(shared=228 * 1024)}
REGISTER_UNIT, WARP_UNIT, SHARED_UNIT = 256, 4, 128
"""Registers are given to a warp in units of 256, warps have them in fours, shared memory comes in units of 128 bytes."""


def ptxas() -> str | None:
    """The assembler: the one that came with the wheel, else the one on the path."""
    wheel = Path(sysconfig.get_path("purelib")) / "nvidia" / "cu13" / "bin" / "ptxas"
    return str(wheel) if wheel.exists() else shutil.which("ptxas")


def assemble(text: str, cc: tuple[int, int]) -> Resources:
    """Assemble a module of one entry.

    Raises:
        RuntimeError: there is no assembler, or it refuses the module.
    """
    program = ptxas()
    if program is None:
        what = "expected it in the wheel nvidia-cuda-nvcc or on the path, got none"
        raise RuntimeError(f'ptxas: {what}: install "minicnn-engine[test]"')
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "kernel.ptx"
        source.write_text(text)
        command = [program, "-v", f"-arch=sm_{cc[0]}{cc[1]}", str(source), "-o", str(source.with_suffix(".cubin"))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"ptxas: expected it to accept the module, got: {done.stderr.strip() or done.stdout.strip()}")
    return read(done.stdout + done.stderr)


def read(report: str) -> Resources:
    """The numbers of a report."""

    def number(pattern: str) -> int:
        found = re.search(pattern, report)
        return int(found[1]) if found else 0

    spilled = number(r"(\d+) bytes stack frame") + number(r"(\d+) bytes spill stores") + number(r"(\d+) bytes spill loads")
    return Resources(number(r"Used (\d+) registers"), number(r"(\d+) bytes smem"), spilled)


def up(number: int, unit: int) -> int:
    """To the next multiple."""
    return -(-number // unit) * unit


def occupancy(resources: Resources, threads: int, cc: tuple[int, int]) -> float:
    """Which part of a multiprocessor's places for warps is taken, when as many blocks run on it as fit.

    The rule of NVIDIA's occupancy calculator.

    >>> occupancy(Resources(32, 0, 0), 256, (8, 0)), occupancy(Resources(64, 0, 0), 256, (8, 0))
    (1.0, 0.5)
    """
    has, warps = PROCESSORS[cc], up(threads, WARP) // WARP
    by_registers = (
        has.registers // up(resources.registers * WARP, REGISTER_UNIT) // WARP_UNIT * WARP_UNIT // up(warps, WARP_UNIT)
    )
    by_shared = has.shared // (up(resources.shared, SHARED_UNIT) + has.reserved)
    blocks = min(has.warps // warps, has.blocks, by_registers, by_shared)
    return blocks * warps / has.warps
