"""What the kernels take of a processor, and what they may take."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import prod

from minicnn.backends.cuda.device.operation import Launch

from .assembler import Resources, assemble, occupancy
from .kernels import title
from .source import to_ptx

CAPABILITIES = ((8, 0), (9, 0))

REGISTERS, SHARED, OCCUPANCY = 168, 24 * 1024, 0.18
"""The budget of every kernel: registers of a thread, bytes of a block, and three blocks of 128 threads on a processor; nothing
is spilled."""


@dataclass(frozen=True)
class Taken:
    """What a kernel takes on a card of one compute capability."""

    title: str
    cc: tuple[int, int]
    resources: Resources
    threads: int

    @property
    def occupancy(self) -> float:
        return occupancy(self.resources, self.threads, self.cc)

    def problems(self) -> list[str]:
        """Where it exceeds its budget."""
        exceeded = {
            f"{self.resources.registers} registers, budget {REGISTERS}": self.resources.registers > REGISTERS,
            f"{self.resources.shared} bytes of shared memory, budget {SHARED}": self.resources.shared > SHARED,
            f"{self.resources.spilled} bytes spilled, budget 0": self.resources.spilled > 0,
            f"occupancy {self.occupancy:.0%}, at least {OCCUPANCY:.0%}": self.occupancy < OCCUPANCY,
        }
        return [f"{self.title} for sm_{self.cc[0]}{self.cc[1]}: {what}" for what, is_so in exceeded.items() if is_so]


@cache
def assembled(text: str, cc: tuple[int, int]) -> Resources:
    """A text is assembled once."""
    return assemble(text, cc)


def taken(launch: Launch, cc: tuple[int, int]) -> Taken:
    """What a launch's kernel takes."""
    text = to_ptx(launch.kernel, *launch.arguments, cc=cc)
    return Taken(title(launch.kernel), cc, assembled(text, cc), prod(launch.shape.block))
