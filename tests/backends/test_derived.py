"""Arrays made of parameters: which of them a program needs, in which order."""

import numpy as np

from minicnn.backends.derived import Derived
from minicnn.backends.program import Call, Program


def double(x, y):
    y[...] = 2 * x


def reads(*arrays):
    return Program([Call("layer forward", "read", double, arrays)])


def test_what_is_read_is_made_and_what_it_is_made_of_before_it():
    params = np.arange(12.0)
    derived = Derived(params)
    first = [derived.array("a", double, params[n : n + 2], (2,))[0] for n in range(0, 12, 2)]
    second = [derived.array("b", double, array, (2,))[0] for array in first]
    nothing = reads(params, np.zeros(3))
    assert derived.refresh([nothing]).calls == []
    for program, expected in (
        (reads(first[3]), [first[3]]),
        (reads(second[4][1:]), [first[4], second[4]]),
        (reads(second[2], first[5], first[2], params), [first[2], first[5], second[2]]),
    ):
        calls = derived.refresh([nothing, program]).calls
        assert [call.arrays[1].ctypes.data for call in calls] == [array.ctypes.data for array in expected]


def test_an_array_of_several_results_is_made_once_for_any_of_them():
    params = np.arange(4.0)
    derived = Derived(params)

    def both(x, y, z):
        y[...], z[...] = x, -x

    made = [derived.several("a", both, (params,), ((4,), (4,))) for _ in range(2)]
    assert made[0][1] is made[1][1]
    for read in made[0]:
        assert [call.name for call in derived.refresh([reads(read), reads(*made[0])]).calls] == ["both"]


def test_what_no_parameter_is_part_of_is_made_by_a_call_of_its_own():
    derived = Derived(np.arange(4.0))
    squares = np.ones(4)
    made, calls = derived.array("a", double, squares, (4,))
    assert [call.arrays for call in calls] == [(squares, made)]
    assert derived.refresh([reads(made)]).calls == []
