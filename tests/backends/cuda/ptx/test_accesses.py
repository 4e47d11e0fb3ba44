"""Every load and store of the table: values, extension to wider registers, bounds, alignment."""

import numpy as np
import pytest

from ptx import PtxError, launch
from ptx.snippets import HEAD, kernel, memory_of
from ptx.syntax import SIZES
from ptx.table import ACCESSES

THREADS = 5


def taken_apart(op):
    """move, space, how many side by side, type"""
    move, *middle, kind = op.split(".")
    count = next((int(part[1]) for part in middle if part in ("v2", "v4")), 1)
    space = next((part for part in middle if part not in ("v2", "v4")), "generic")
    return move, space, count, kind


def wide_register(kind):
    """A register that holds the type, integers in 64 bits."""
    return kind if kind[0] == "f" else f"{kind[0]}64"


def numbers(kind, count):
    """Numbers with their top bits in use."""
    return np.frombuffer(np.random.default_rng(3).bytes(THREADS * count * SIZES[kind]), memory_of(kind)).copy()


def several(register, count):
    names = ", ".join(f"%{register}{k}" for k in range(count))
    return f"{{{names}}}" if count > 1 else names


def declared(space, count, kind, data):
    """The variable that the access goes to."""
    size = SIZES[kind]
    if space == "const":
        values = ", ".join(map(str, data.view(np.uint8)))
        return f".const .align 8 .b8 there[{data.nbytes}] = {{{values}}};\n"
    return f".shared .align 16 .b8 there[{THREADS * count * size}];\n" if space == "shared" else ""


def copies(space, count, kind, data, op, off=0, store=False):
    """A kernel that copies array a to array b, by way of the space, with ``op`` as the access in question."""
    size = SIZES[kind]
    lines = [f"\tmov.u32 %r0, %tid.x;\n\tmul.wide.u32 %rd20, %r0, {count * size};"]
    lines += ["\tadd.s64 %rd30, %rd0, %rd20;\n\tadd.s64 %rd31, %rd1, %rd20;"]
    if space in ("shared", "const"):
        lines += ["\tmov.u64 %rd32, there;\n\tadd.s64 %rd32, %rd32, %rd20;"]
    if space == "local":
        lines += [f"\t.local .align 16 .b8 mine[{2 * count * size}];\n\tmov.u64 %rd32, mine;"]
    for k in range(count):
        lines += [f"\tld.global.{kind} %x{k}, [%rd30+{k * size}];"]
    if store:
        place = "%rd31" if space in ("global", "generic") else "%rd32"
        lines += [f"\t{op} [{place}+{off}], {several('x', count)};"]
        if space in ("shared", "local"):
            for k in range(count):
                lines += [f"\tld.{space}.{kind} %y{k}, [%rd32+{k * size}];\n\tst.global.{kind} [%rd31+{k * size}], %y{k};"]
    else:
        if space in ("shared", "local"):
            lines += [f"\tst.{space}.{kind} [%rd32+{k * size}], %x{k};" for k in range(count)]
        place = "%rd30" if space in ("global", "generic") else "%rd32"
        lines += [f"\t{op} {several('y', count)}, [{place}+{off}];", f"\tmul.wide.u32 %rd20, %r0, {8 * count};"]
        wide = wide_register(kind)
        lines += [f"\tadd.s64 %rd31, %rd1, %rd20;\n\tst.global.{wide} [%rd31], %y0;"]
        lines += [f"\tst.global.{wide} [%rd31+{8 * k}], %y{k};" for k in range(1, count)]
    registers = f"\t.reg .{wide_register(kind).replace('s', 'b').replace('u', 'b')} %x<{count}>, %y<{count}>;"
    return kernel(["a", "b"], registers, "\n".join(lines), declared(space, count, kind, data))


@pytest.mark.parametrize("op", sorted(ACCESSES - {op for op in ACCESSES if ".param." in op}))
def test_an_access_reads_or_writes(op):
    move, space, count, kind = taken_apart(op)
    a = numbers(kind, count)
    store = move == "st"
    b = np.zeros_like(a) if store else np.zeros(a.size, memory_of(wide_register(kind)) if kind[0] != "f" else f"f{8}")
    if not store and kind == "f32":
        b = np.zeros(2 * a.size, "f")
    launch(copies(space, count, kind, a, op, store=store), 1, THREADS, a, b)
    got = b[::2] if not store and kind == "f32" else b
    assert got.tobytes() == (a if store or kind[0] == "f" else a.astype(b.dtype)).tobytes()
    whole = count * SIZES[kind]
    wrong = [("bounds", THREADS * whole, THREADS), ("bounds", -whole, THREADS)]
    if whole > 1:  # one thread fewer, lest the last one leave the array
        wrong += [("alignment", 1, THREADS - 1), ("alignment", whole // 2, THREADS - 1)]
    for expected, off, threads in wrong:
        with pytest.raises(PtxError) as caught:
            launch(copies(space, count, kind, a, op, off, store), 1, threads, a, b)
        assert caught.value.kind == expected
        assert op in str(caught.value)


@pytest.mark.parametrize("op", sorted(op for op in ACCESSES if ".param." in op))
def test_a_parameter_is_read(op):
    kind = op.split(".")[-1]
    wide = wide_register(kind)
    out = ",\n".join(f"\t.param .u64 out_{n}" for n in range(7))
    text = f"""{HEAD}.visible .entry k(\n\t.param .{kind} x,\n{out}\n)
{{
\t.reg .{wide.replace("s", "b").replace("u", "b")} %x;
\t.reg .b64 %rd<2>;
\t{op} %x, [x];
\tld.param.u64 %rd0, [out_4];
\tst.global.{wide} [%rd0], %x;
\tret;
}}
"""
    value = numbers(kind, 1)[0]
    got = np.zeros(1, f"f{SIZES[kind]}" if kind[0] == "f" else memory_of(wide))
    launch(text, 1, 1, value, got)
    assert got.tobytes() == np.array([value]).astype(got.dtype).tobytes()
