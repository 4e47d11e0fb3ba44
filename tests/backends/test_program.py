"""Programs: what is recorded is what runs, in order, and the listing says it."""

import re

import numpy as np
import pytest

from minicnn import ContractError, kernel
from minicnn.backends import cpu, cuda
from minicnn.backends.program import Call, Program
from minicnn.engine.record import Recorder

ONES = np.ones((2, 3), np.float32)


def recorded(where="C1 forward"):
    program = Program()
    k = Recorder(cpu.BACKEND, program)
    k.where = where
    return k, program


def test_recording_makes_no_call_and_running_makes_all_in_order():
    k, program = recorded()
    y = np.zeros((2, 3), np.float32)
    k.add(ONES, y)
    k.zero(y)
    k.add(ONES, y)
    k.add(ONES, y)
    assert not y.any()
    assert len(program) == 4
    for _ in range(2):
        program.run()
        np.testing.assert_array_equal(y, 2 * ONES)


def test_a_program_reads_its_arrays_when_it_runs():
    k, program = recorded()
    x, y = ONES.copy(), np.zeros((2, 3), np.float32)
    k.copy(x, y)
    x[...] = 7
    program.run()
    np.testing.assert_array_equal(y, x)


def test_the_listing_names_layer_pass_kernel_and_shapes():
    k, program = recorded()
    k.gemm_bias(np.ones((4, 3), np.float32), np.ones((3, 16), np.float32), np.ones(4, np.float32), np.ones((4, 16), np.float32))
    k.where = "output backward"
    k.zero(ONES.copy())
    assert str(program) == "C1 forward       gemm_bias(4×3, 3×16, 4, 4×16)\noutput backward  zero(2×3)"
    assert str(program.calls[0]) == str(program).splitlines()[0]


def test_call_records_a_kernel_of_ones_own_and_any_callable():
    @kernel
    def twice(x, y):
        for i in range(x.shape[0]):
            for j in range(x.shape[1]):
                y[i, j] = x[i, j] + x[i, j]

    k, program = recorded("mine forward")
    y, z = np.zeros((2, 3), np.float32), np.zeros((2, 2), np.float32)
    k.call(twice, ONES, y)
    k.call(np.matmul, y, ONES.T, z)
    assert [call.name for call in program.calls] == ["twice", "matmul"]
    program.run()
    np.testing.assert_array_equal(z, np.full((2, 2), 6))


def test_a_callable_without_a_name_is_listed_by_its_repr():
    class Doubler:
        def __call__(self, x):
            x *= 2

        def __repr__(self):
            return "Doubler()"

    k, program = recorded()
    x = ONES.copy()
    k.call(Doubler(), x)
    program.run()
    assert str(program).endswith("Doubler()(2×3)")
    np.testing.assert_array_equal(x, 2 * ONES)


@pytest.mark.parametrize("name", ["conv3d", "LOG", "get", "CHECK", "__nothing__"])
def test_an_unknown_kernel_is_named_with_those_there_are(name):
    k, program = recorded()
    message = f"C1 forward: expected a kernel of the backend, got k.{name}; use k.call or one of: absolute, absolute_dy, "
    with pytest.raises(ContractError, match=f"^{re.escape(message)}.*gemm_bias.*, zero$"):
        getattr(k, name)(ONES)
    assert len(program) == 0


def test_a_kernel_that_a_gpu_lacks_is_named():
    k = Recorder(cuda.BACKEND, Program())
    k.where = "act forward"
    message = "act forward: expected a kernel of the backend, got k.softplus; use k.call or one of: adam, "
    with pytest.raises(ContractError, match=f"^{re.escape(message)}"):
        k.softplus(ONES, ONES[:1], ONES)


def test_a_call_is_a_value():
    call = Call("C1 forward", "zero", len, (ONES,))
    assert (call.where, call.name, call.kernel) == ("C1 forward", "zero", len)
    with pytest.raises(AttributeError):
        call.name = "one"
