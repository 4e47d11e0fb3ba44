"""PTX written by hand for the tests: one instruction at work on arrays, in the form that Numba gives to a kernel."""

from __future__ import annotations

import numpy as np

from ptx.registers import dtype_of
from ptx.syntax import SIZES

HEAD = ".version 9.0\n.target sm_80\n.address_size 64\n"


def parameters(arrays):
    """The seven parameters of every one-dimensional array, of which the fifth is its address: ``a_4`` of array a."""
    return ",\n".join(f"\t.param .u64 {array}_{n}" for array in arrays for n in range(7))


def kernel(arrays, registers, body, variables=""):
    """A module of one entry that has these arrays, and %rd0, %rd1, … as their addresses."""
    loads = "\n".join(f"\tld.param.u64 %rd{n}, [{array}_4];" for n, array in enumerate(arrays))
    return f"""{HEAD}{variables}
.visible .entry k(
{parameters(arrays)}
)
{{
\t.reg .b64 %rd<40>;
\t.reg .b32 %r<20>;
\t.reg .pred %p<9>;
{registers}
{loads}
{body}
\tret;
}}
"""


def register_of(kind):
    """The type of register that holds a type: the smallest are held in 16 bits."""
    return "pred" if kind == "pred" else f"{'f' if kind[0] == 'f' else 'b'}{8 * max(2, SIZES[kind])}"


def memory_of(kind):
    """The NumPy type in which a type lies in memory: predicates as bytes."""
    return np.dtype(np.uint8) if kind == "pred" else dtype_of(kind)


def loaded(kind, register, address, predicate):
    """Load a value of a type; a predicate from a byte."""
    if kind == "pred":
        return f"\tld.global.u8 %byte, [{address}];\n\tsetp.ne.u16 {predicate}, %byte, 0;"
    return f"\tld.global.{kind} {register}, [{address}];"


def stored(kind, register, address):
    """Store a value of a type."""
    if kind == "pred":
        return f"\tselp.u16 %byte, 1, 0, {register};\n\tst.global.u8 [{address}], %byte;"
    return f"\tst.global.{kind} [{address}], {register};"


def one_instruction(op, target, sources):
    """A kernel whose thread i applies an instruction to element i of its arrays, and stores what it gets as the last one's."""
    names = [f"s{n}" for n in range(len(sources))]
    registers = [f"\t.reg .{register_of(kind)} %{name};" for name, kind in zip(names, sources, strict=True)]
    registers += [f"\t.reg .{register_of(target)} %t;", "\t.reg .b16 %byte;"]
    body = ["\tmov.u32 %r0, %tid.x;"]
    for n, kind in enumerate((*sources, target)):
        size = memory_of(kind).itemsize
        body.append(f"\tmul.wide.u32 %rd{20 + n}, %r0, {size};\n\tadd.s64 %rd{30 + n}, %rd{n}, %rd{20 + n};")
        if n < len(sources):
            body.append(loaded(kind, f"%s{n}", f"%rd{30 + n}", f"%s{n}"))
    operands = ", ".join(["%t", *(f"%{name}" for name in names)])
    body += [f"\t{op} {operands};", stored(target, "%t", f"%rd{30 + len(sources)}")]
    return kernel([*names, "out"], "\n".join(registers), "\n".join(body))
