"""Whatever a GPU may not forgive is an error that says what, where in the PTX, which thread, and which line of Python."""

import inspect
import re

import numpy as np
import pytest
from numba import cuda, float32

from ptx import PtxError, launch, run, to_ptx
from ptx.launch import LANES
from ptx.snippets import HEAD, kernel

SIZE = 64


def caught(kind, call, *arguments, **options):
    """The message of the error that a call ends with."""
    with pytest.raises(PtxError) as error:
        call(*arguments, **options)
    assert error.value.kind == kind, str(error.value)
    return str(error.value)


def floats(*shape):
    return np.zeros(shape, np.float32)


# --- bounds


def past_the_end(x, y):
    i = cuda.grid(1)
    y[i] = x[i + 1]


def test_a_read_past_the_end_names_the_array_the_thread_and_the_line():
    x = np.zeros(40, np.float32)
    message = caught("bounds", run, past_the_end, (5, 2), (2, 2), x[:10], floats(10))
    line = inspect.getsourcelines(past_the_end)[1] + 2
    assert message == (
        re.search(r"bounds in line \d+ of the PTX, `ld.global.f32 %f\d+, \[%rd\d+(?:\+\d+)?\];`", message)[0]
        + f" from {__file__}:{line}, block (4, 0, 0), thread (1, 0, 0): "
        "expected 4 bytes inside the 40 of argument 0 (float32 10), got those at 40"
    )


def test_a_write_past_the_end_is_one_too():
    message = caught("bounds", run, past_the_end, 1, 9, floats(11), floats(8))
    assert "st.global.f32" in message
    assert "the 32 of argument 1 (float32 8), got those at 32" in message


def test_an_empty_array_has_no_element():
    caught("bounds", run, past_the_end, 1, 1, floats(0), floats(1))


def test_a_pointer_to_nothing_is_in_no_array():
    text = kernel(["a"], "\t.reg .f32 %x;", "\tmov.u64 %rd5, 64;\n\tld.global.f32 %x, [%rd5];")
    assert caught("bounds", launch, text, 1, 1, floats(4)).endswith(
        "expected an address in global memory, got one in 0x40, which is in no array"
    )


def test_shared_memory_is_not_global_memory():
    variables = ".shared .align 4 .b8 s[64];\n"
    text = kernel(["a"], "\t.reg .f32 %x;", "\tmov.u64 %rd5, s;\n\tld.global.f32 %x, [%rd5];", variables)
    assert caught("bounds", launch, text, 1, 1, floats(4)).endswith("expected an address in global memory, got one in shared s")


def past_shared(y):
    s = cuda.shared.array(8, float32)
    t = cuda.shared.array(8, float32)
    i = cuda.threadIdx.x
    s[i] = float32(1)
    t[i] = float32(2)
    cuda.syncthreads()
    y[i] = s[i] + t[i]


def test_shared_arrays_have_bounds_of_their_own():
    y = floats(16)
    run(past_shared, 1, 8, y)
    assert (y[:8] == 3).all()
    assert "the 32 of _cudapy_smem" in caught("bounds", run, past_shared, 1, 9, y)


def test_constants_cannot_be_written():
    variables = ".const .align 4 .b8 c[8] = {1, 2, 3, 4, 5, 6, 7, 8};\n"
    body = "\tmov.u64 %rd5, c;\n\tld.const.u32 %r1, [%rd5+4];\n\tst.u32 [%rd5], %r1;"
    assert caught("bounds", launch, kernel(["a"], "", body, variables), 1, 1, floats(4)).endswith("expected no write to c")


def test_an_address_may_lie_in_one_array_for_some_threads_and_in_another_for_others():
    body = """
    mov.u32 %r0, %tid.x;
    mul.wide.u32 %rd5, %r0, 4;
    setp.lt.u32 %p0, %r0, 3;
    selp.b64 %rd6, %rd0, %rd1, %p0;
    add.s64 %rd7, %rd6, %rd5;
    ld.global.u32 %r1, [%rd7];
    add.s32 %r1, %r1, 100;
    st.global.u32 [%rd7], %r1;"""
    a, b = np.arange(8, dtype=np.int32), np.arange(10, 18, dtype=np.int32)
    launch(kernel(["a", "b"], "", body), 1, 8, a, b)
    assert a.tolist() == [100, 101, 102, 3, 4, 5, 6, 7]
    assert b.tolist() == [10, 11, 12, 113, 114, 115, 116, 117]
    assert "thread (6, 0, 0)" in caught("bounds", launch, kernel(["a", "b"], "", body), 1, 8, a, b[:6].copy())


def test_a_view_keeps_its_alignment_in_the_vector_it_is_a_view_of():
    body = "\tld.global.v2.f32 {%x, %y}, [%rd0];\n\tst.global.f32 [%rd0], %y;"
    text = kernel(["a"], "\t.reg .f32 %x, %y;", body)
    flat = np.arange(8, dtype=np.float32)
    launch(text, 1, 1, flat[2:])
    assert flat[2] == 3
    assert "expected an address that 8 divides, got byte 0" in caught("alignment", launch, text, 1, 1, flat[1:])


# --- races


def neighbours(y, before, after):
    s = cuda.shared.array(SIZE, float32)
    i = cuda.threadIdx.x
    s[i] = float32(i)
    if before[0] != 0:
        cuda.syncthreads()
    v = s[(i + 1) % SIZE]
    if after[0] != 0:
        cuda.syncthreads()
    s[i] = v
    y[cuda.grid(1)] = s[i]


def flags(*values):
    return [np.array([v], np.int64) for v in values]


def test_a_barrier_between_a_write_and_a_read_and_between_a_read_and_a_write():
    y = floats(3 * SIZE)
    run(neighbours, 3, SIZE, y, *flags(1, 1))
    assert np.array_equal(y, np.tile((np.arange(SIZE) + 1) % SIZE, 3))
    written = caught("race", run, neighbours, 3, SIZE, y, *flags(0, 1))
    assert re.search(
        r"`ld.shared.f32 .*expected a barrier between this access to \w+ and the write of thread 1 of block 0", written
    )
    read = caught("race", run, neighbours, 3, SIZE, y, *flags(1, 0))
    assert re.search(
        r"`st.shared.f32 .*expected a barrier between this access to \w+ and the read of thread 63 of block 0", read
    )


def one_word(y):
    s = cuda.shared.array(4, float32)
    s[cuda.threadIdx.x // 2] = float32(1)
    cuda.syncthreads()
    y[cuda.threadIdx.x] = s[0]


def test_two_threads_may_not_write_one_word_at_once():
    assert "the write of thread 1 of block 0" in caught("race", run, one_word, 1, 8, floats(8))


def read_by_all(y):
    s = cuda.shared.array(SIZE, float32)
    i = cuda.threadIdx.x
    s[i] = float32(i)
    cuda.syncthreads()
    v = s[0]
    s[i] = v + s[i]
    y[i] = s[i]


def test_a_word_that_several_have_read_is_not_written_by_one_of_them():
    assert "the read of other threads" in caught("race", run, read_by_all, 1, SIZE, floats(SIZE))


def shift_in_place(x):
    i = cuda.grid(1)
    if i + 1 < x.size:
        x[i] = x[i + 1]


def shift(x, y):
    i = cuda.grid(1)
    if i + 1 < x.size:
        y[i] = x[i + 1]


def test_a_thread_may_not_read_what_another_writes_in_whatever_order():
    message = caught("race", run, shift_in_place, 2, 8, floats(16))
    assert (
        "expected no other thread to write what this one reads of argument 0 (float32 16), got thread 1 of block 0" in message
    )
    x = np.arange(16, dtype=np.float32)
    run(shift, 2, 8, x.copy(), x)
    assert x[:15].tolist() == list(range(1, 16))
    caught("race", run, shift, 2, 8, x, x)
    caught("race", run, shift, 2, 8, x[1:], x[:-1])
    run(shift, 2, 4, x[:8], x[8:])


def same_element(y):
    y[cuda.threadIdx.x] = float32(cuda.blockIdx.x)


def test_two_blocks_may_not_write_one_element():
    assert "the write of thread 0 of block 1" in caught("race", run, same_element, 2, 8, floats(8))


def every_so_many_blocks(y, apart):
    if cuda.threadIdx.x == 0:
        y[cuda.blockIdx.x % apart[0]] = float32(cuda.blockIdx.x)


def test_blocks_that_are_executed_later_are_watched_too():
    at_once = LANES // 1024
    run(every_so_many_blocks, at_once + 1, 1024, floats(at_once + 1), *flags(at_once + 1))
    message = caught("race", run, every_so_many_blocks, at_once + 1, 1024, floats(at_once + 1), *flags(at_once))
    assert f"block ({at_once}, 0, 0), thread (0, 0, 0)" in message
    assert "the write of thread 0 of block 0" in message


def turns(y):
    i = cuda.threadIdx.x
    y[i] = float32(i)
    cuda.syncthreads()
    v = y[(i + 1) % 8]
    cuda.syncthreads()
    y[i] = v


def test_barriers_order_what_a_block_does_to_an_array():
    y = floats(8)
    run(turns, 1, 8, y)
    assert y.tolist() == [1, 2, 3, 4, 5, 6, 7, 0]
    caught("race", run, turns, 2, 8, y)


# --- barriers


def barrier_for_some(y, least):
    i = cuda.threadIdx.x
    if i >= least[0]:
        cuda.syncthreads()
        y[i] = float32(1)


def barrier_after_some_left(y, least):
    i = cuda.threadIdx.x
    if i < least[0]:
        return
    cuda.syncthreads()
    y[i] = float32(1)


@pytest.mark.parametrize("function", [barrier_for_some, barrier_after_some_left])
def test_a_barrier_is_for_all_threads_of_a_block(function):
    run(function, 1, 8, floats(8), *flags(0))
    message = caught("barrier", run, function, 1, 8, floats(8), *flags(3))
    assert message.endswith("block (0, 0, 0), thread (0, 0, 0): expected all 8 threads of the block, got 5")


# --- what was never written


def unwritten_shared(y):
    s = cuda.shared.array(SIZE, float32)
    i = cuda.threadIdx.x
    if i > 4:
        s[i] = float32(i)
    cuda.syncthreads()
    y[i] = s[i]


def test_a_shared_word_is_written_before_it_is_read():
    message = caught("unwritten", run, unwritten_shared, 1, SIZE, floats(SIZE))
    assert "thread (0, 0, 0): expected a word of _cudapy_smem" in message


def test_a_local_word_too():
    body = """
    .local .align 4 .b8 mine[8];
    mov.u64 %rd5, mine;
    st.local.u32 [%rd5], 3;
    ld.local.u32 %r1, [%rd5];
    ld.local.u32 %r2, [%rd5+4];"""
    message = caught("unwritten", launch, kernel(["a"], "", body), 1, 2, floats(8))
    assert "`ld.local.u32 %r2, [%rd5+4];`, block (0, 0, 0), thread (0, 0, 0): expected a word of mine" in message


def test_a_register_is_written_before_it_is_read():
    body = """
    mov.u32 %r0, %tid.x;
    setp.gt.u32 %p0, %r0, 2;
    @%p0 mov.u32 %r1, 5;
    st.global.u32 [%rd0], %r1;"""
    message = caught("unwritten", launch, kernel(["a"], "", body), 1, 8, floats(8))
    assert "block (0, 0, 0), thread (0, 0, 0): expected %r1 to be written before, it was not" in message
    guarded = "\t@%p1 st.global.u32 [%rd0], 5;"
    assert "expected %p1 to be written" in caught("unwritten", launch, kernel(["a"], "", guarded), 1, 8, floats(8))


def test_a_register_that_is_always_written_in_time_is_not_refused():
    body = """
    mov.u32 %r0, %tid.x;
    mul.wide.u32 %rd5, %r0, 4;
    add.s64 %rd6, %rd0, %rd5;
    setp.gt.u32 %p0, %r0, 2;
    @%p0 mov.u32 %r1, 5;
    @%p0 st.global.u32 [%rd6], %r1;"""
    a = np.zeros(5, np.int32)
    launch(kernel(["a"], "", body), 1, 5, a)
    assert a.tolist() == [0, 0, 0, 5, 5]


# --- the rest


def test_a_launch_ends():
    message = caught("endless", launch, kernel(["a"], "", "$on:\n\tbra $on;"), 1, 1, floats(1), limit=1000)
    assert "`bra $on;`: expected the launch to end within its limit of instructions, it goes on" in message


def test_whole_numbers_are_not_divided_by_zero():
    body = """
    mov.u32 %r0, %tid.x;
    sub.s32 %r1, 3, %r0;
    div.s32 %r2, 12, %r1;"""
    message = caught("undefined", launch, kernel(["a"], "", body), 1, 8, floats(8))
    assert "thread (3, 0, 0): expected a divisor other than 0" in message


@pytest.mark.parametrize("instruction", ["mul.f16 %r1, %r1, %r1;", "add.sat.s32 %r1, %r1, %r1;", "call.uni f, (a);", "trap;"])
def test_what_is_not_in_the_table_is_refused_by_name(instruction):
    message = caught("unknown", launch, kernel(["a"], "", f"\tmov.u32 %r1, 1;\n\t{instruction}"), 1, 1, floats(1))
    assert f"`{instruction}`: expected an instruction of the interpreter's table, got another" in message


def test_operands_that_are_not_known_are_refused():
    assert "%clock" in caught("unknown", launch, kernel(["a"], "", "\tmov.u32 %r1, %clock;"), 1, 1, floats(1))
    assert "nowhere" in caught("unknown", launch, kernel(["a"], "", "\tmov.u64 %rd5, nowhere;"), 1, 1, floats(1))
    few = kernel(["a"], "", "\tadd.s32 %r1, %r2;")
    assert "expected 3 operands, got 2" in caught("unknown", launch, few, 1, 1, floats(1))


def test_text_that_is_no_ptx_is_refused():
    assert "expected an .entry" in caught("syntax", launch, HEAD, 1, 1)
    text = kernel(["a"], "", "\tbra nowhere;")
    assert "expected the label nowhere in k, got none" in caught("syntax", launch, text, 1, 1, floats(1))
    assert "expected a closing brace of k" in caught("syntax", launch, text[: text.rindex("}")], 1, 1, floats(1))
    assert "expected an instruction, got `??`" in caught("syntax", launch, kernel(["a"], "", "\t??;"), 1, 1, floats(1))


def test_a_launch_that_does_not_fit_its_kernel_is_refused():
    text = to_ptx(past_the_end, floats(3), floats(3))
    assert "expected arguments for 14 parameters, got 7 values" in caught("arguments", launch, text, 1, 1, floats(3))
    flipped = np.zeros((4, 4), np.float32)[:, 0]
    assert "expected C-contiguous arrays, got argument 0" in caught("arguments", launch, text, 1, 1, flipped, flipped)
    assert "a block of at most 1024, got 2000 × 1 × 1" in caught("arguments", launch, text, 1, 2000, floats(3), floats(3))
    assert "numbers from 1, got (0,)" in caught("arguments", launch, text, 0, 1, floats(3), floats(3))
    two = text + text[text.index(".visible .entry") :].replace("past_the_end", "other_name")
    assert "expected the name of one of" in caught("arguments", launch, two, 1, 1, floats(3), floats(3))
    assert ", got k" in caught("arguments", launch, two, 1, 1, floats(3), floats(3), entry="k")
