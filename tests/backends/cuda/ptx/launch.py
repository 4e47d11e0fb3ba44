"""A launch: arguments become parameters and regions of memory, and machines execute the grid, some blocks at a time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from .errors import PtxError
from .known import accesses_shared, analyse, stored_parameters
from .lanes import Array
from .machine import Budget, Code, Machine
from .memory import REGION_BITS, Region
from .registers import dtype_of
from .shadow import GlobalShadow, PrivateShadow, SharedShadow
from .syntax import SIZES, Variable, parse
from .team import Shape, Team

LANES = 16384
"""About as many threads are executed in step: enough to hide the interpreter, few enough for the cache."""

LIMIT = 50_000_000
PADDING = 16
"""Shared and local variables of one block or thread begin at multiples of 16 bytes."""


@lru_cache(maxsize=256)
def code_of(text: str, name: str | None = None) -> Code:
    """An entry of a module, the only one unless it is named, with what is known of it."""
    entries = parse(text)
    if name is None and len(entries) != 1:
        raise PtxError("arguments", f"expected the name of one of {', '.join(entries)}, got none")
    if name is not None and name not in entries:
        raise PtxError("arguments", f"expected one of {', '.join(entries)}, got {name}")
    entry = entries[name or next(iter(entries))]
    return Code(entry, analyse(entry), stored_parameters(entry))


def shape_of(size: int | Sequence[int], what: str, most: int) -> Shape:
    """One to three numbers as three."""
    numbers = (size,) if isinstance(size, int | np.integer) else tuple(size)
    if not 1 <= len(numbers) <= 3 or min(numbers) < 1:
        raise PtxError("arguments", f"expected a {what} of one to three numbers from 1, got {numbers}")
    x, y, z = (*map(int, numbers), 1, 1)[:3]
    if x * y * z > most:
        raise PtxError("arguments", f"expected a {what} of at most {most}, got {x} × {y} × {z}")
    return x, y, z


def launch(
    text: str,
    grid: int | Sequence[int],
    block: int | Sequence[int],
    *arguments: object,
    entry: str | None = None,
    limit: int = LIMIT,
) -> int:
    """Execute an entry of PTX, as Numba writes it, for a whole grid.

    Args:
        text: the module.
        grid: how many blocks, on one to three axes.
        block: how many threads a block has, likewise.
        arguments: C-contiguous arrays, changed in place, and scalars.
        entry: which entry, where there are several.
        limit: how many instructions may be executed, each for some thousand threads at once.

    Returns:
        How many were.

    Raises:
        PtxError: whatever went wrong; see ``errors``.
    """
    code = code_of(text, entry)
    shape, threads = shape_of(grid, "grid", 2**31 - 1), shape_of(block, "block", 1024)
    constants, arrays = parameters(code, arguments)
    constants |= addresses(code)
    together = max(1, LANES // (threads[0] * threads[1] * threads[2]))
    budget, shadows = Budget(limit), Shadows(code, arrays)
    blocks = shape[0] * shape[1] * shape[2]
    with np.errstate(all="ignore"):
        machines: dict[int, Machine] = {}
        for first in range(0, blocks, together):
            count = min(together, blocks - first)
            if count not in machines:
                machines[count] = Machine(code, Team(shape, threads, count), constants, budget)
                shadows.place(machines[count])
            machines[count].start(first)
            declare(machines[count])
            machines[count].run()
        shadows.finish()
    return limit - budget.steps


# ----------------------------------------------------------------------------------------------------------- parameters


class Argument:
    """An array of a launch: its address keeps what its data is off a multiple of 256 bytes in the array it is a view of."""

    def __init__(self, number: int, parameter: str, array: Array) -> None:
        self.number, self.parameter, self.array = number, parameter, array
        owner = array
        while isinstance(owner.base, np.ndarray):
            owner = owner.base
        self.start = array.__array_interface__["data"][0]
        off = (self.start - owner.__array_interface__["data"][0]) % 256
        self.base = (number << REGION_BITS) + off
        shape = "×".join(map(str, array.shape))
        self.name = f"argument {number - 1} ({array.dtype} {shape})"
        self.data = array.reshape(-1).view(np.uint8) if array.size else np.empty(0, np.uint8)


def parameters(code: Code, arguments: tuple[object, ...]) -> tuple[dict[str, Array], list[Argument]]:
    """The values of all parameters: of an array meminfo, parent, nitems, itemsize, data, shape, strides, as Numba has them."""
    names = list(code.entry.parameters)
    values: list[object] = []
    arrays = []
    for number, argument in enumerate(arguments):
        if not isinstance(argument, np.ndarray):
            values.append(argument)
            continue
        if not argument.flags.c_contiguous:
            raise PtxError("arguments", f"expected C-contiguous arrays, got argument {number} with strides {argument.strides}")
        parameter = names[len(values) + 4] if len(values) + 4 < len(names) else ""
        arrays.append(Argument(number + 1, parameter, argument))
        values += [0, 0, argument.size, argument.itemsize, arrays[-1].base, *argument.shape, *argument.strides]
    if len(values) != len(names):
        raise PtxError("arguments", f"expected arguments for {len(names)} parameters, got {len(values)} values")
    constants = {}
    for name, value in zip(names, values, strict=True):
        kind = code.entry.parameters[name]
        dtype = dtype_of(kind)
        constants[name] = np.array([value]).astype(dtype)
    return constants, arrays


def addresses(code: Code) -> dict[str, Array]:
    """The addresses of the variables, in regions of their own after those of the arguments."""
    return {name: np.array([(1 << 20 | n) << REGION_BITS], np.uint64) for n, name in enumerate(code.entry.variables)}


# -------------------------------------------------------------------------------------------------------------- regions


def granule(code: Code, shared: bool) -> int:
    """The smallest access to shared memory, or to other memory, in bytes."""
    ops = [i.op for i in code.entry.code if i.op.startswith(("ld.", "st.", "atom.", "red.")) and ".param." not in i.op]
    sizes = [SIZES[op.split(".")[-1]] for op in ops if accesses_shared(op) or not shared]
    return min(sizes, default=4)


class Shadows:
    """The shadows of the arrays that an entry writes, and of those that overlap them; arrays that overlap share one."""

    def __init__(self, code: Code, arrays: list[Argument]) -> None:
        self.arrays, self.granule = arrays, granule(code, shared=False)
        self.writer: dict[int, tuple[Array, int]] = {}
        self.made: list[GlobalShadow] = []
        ordered = sorted((a for a in arrays if a.array.size), key=lambda a: a.start)
        while ordered:
            group = [ordered.pop(0)]
            end = group[0].start + group[0].array.nbytes
            while ordered and ordered[0].start < end:
                end = max(end, ordered[0].start + ordered[0].array.nbytes)
                group.append(ordered.pop(0))
            if any(a.parameter in code.stored for a in group):
                writer = np.full((end - group[0].start) // self.granule + 1, -1, np.int64)
                for a in group:
                    self.writer[a.number] = writer, (a.start - group[0].start) // self.granule

    def place(self, machine: Machine) -> None:
        """Give a machine the arrays as regions."""
        for a in self.arrays:
            region = Region(a.name, "global", a.base, a.array.nbytes, a.data)
            if a.number in self.writer:
                region.shadow = GlobalShadow(*self.writer[a.number], self.granule, machine.team)
                self.made.append(region.shadow)
            machine.memory.add(a.number, region)

    def finish(self) -> None:
        """The races that only the end of a launch can tell."""
        for shadow in self.made:
            shadow.finish()


def declare(machine: Machine) -> None:
    """Give a machine the variables of its module as regions."""
    code = machine.code
    for n, variable in enumerate(code.entry.variables.values()):
        number = 1 << 20 | n
        machine.memory.add(number, region_of(machine, variable, number << REGION_BITS))


def region_of(machine: Machine, variable: Variable, base: int) -> Region:
    size = -(-variable.size // PADDING) * PADDING
    if variable.space in ("global", "const"):
        data = np.frombuffer((variable.data or b"").ljust(size, b"\0"), np.uint8)
        return Region(variable.name, variable.space, base, variable.size, data)
    team, code = machine.team, machine.code
    owner = team.place if variable.space == "shared" else np.arange(team.thread.size)
    data = np.full(size * (int(owner[-1]) + 1), 0xAB, np.uint8)
    shadow: PrivateShadow
    if variable.space == "shared":
        exposed = {code.entry.code[place] for place in code.flow.exposed}
        shadow = SharedShadow(data.size, granule(code, shared=True), team, exposed)
    else:
        shadow = PrivateShadow(data.size, granule(code, shared=False), team)
    return Region(variable.name, variable.space, base, variable.size, data, owner * size, shadow)
