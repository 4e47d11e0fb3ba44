"""Memory that lowering asks for: what is derived from parameters is made once, a copy only where its array may have changed."""

import numpy as np
import pytest

from minicnn.backends.derived import Derived
from minicnn.backends.program import Call, Program
from minicnn.backends.scratch import Scratch
from minicnn.backends.workspace import Workspace


def doubled(source, made):
    made[...] = 2 * source


def negated(source, made):
    made[...] = -source


PARAMS = np.arange(12.0)
WINDOW = np.array([3, 3, 1, 1, 1, 1, 1, 1])


def reading(*arrays):
    """A program whose calls read arrays."""
    return Program([Call("", "copy", np.copyto, (np.empty_like(array), array)) for array in arrays])


def test_a_part_of_the_parameters_is_derived_once_and_shared():
    derived = Derived(PARAMS)
    first, before = derived.array("C1 forward", doubled, PARAMS[2:6], (4,))
    again, none = derived.array("C1 backward", doubled, PARAMS[2:6], (4,))
    assert first is again
    assert before == none == []
    for other in ((doubled, PARAMS[2:6], (2, 2)), (negated, PARAMS[2:6], (4,)), (doubled, PARAMS[6:10], (4,))):
        assert not np.may_share_memory(derived.array("C2 forward", *other)[0], first)


def test_another_array_is_derived_anew_each_time():
    derived, squares = Derived(PARAMS), np.ones(4)
    (first, (call,)), (again, (other,)) = (derived.array("C1 curvature", doubled, squares, (4,)) for _ in range(2))
    assert not np.may_share_memory(first, again)
    assert (call.where, call.name, other.arrays[1] is again) == ("C1 curvature", "doubled", True)
    Program([call]).run()
    np.testing.assert_array_equal(first, 2)
    assert derived.refresh([reading(first, again)]).calls == []


def test_refreshing_makes_exactly_what_the_programs_read_of_the_parameters_as_they_are():
    params = np.arange(12.0)
    derived = Derived(params)
    first, _ = derived.array("C1 forward", doubled, params[:4], (4,))
    second, _ = derived.array("C2 forward", doubled, params[4:8], (4,))
    third, _ = derived.array("C2 backward", negated, params[4:8], (4,))
    nothing = Program([Call("", "add", np.add, (params, None))])
    assert derived.refresh([reading(params), nothing]).calls == []
    params += 1
    refresh = derived.refresh([reading(first), reading(third)])
    assert [(call.where, call.name) for call in refresh.calls] == [("C1 prepare", "doubled"), ("C2 prepare", "negated")]
    refresh.run()
    np.testing.assert_array_equal(first, [2, 4, 6, 8])
    np.testing.assert_array_equal(third, [-5, -6, -7, -8])
    assert not second.any()


@pytest.fixture
def workspace():
    return Workspace(Derived(PARAMS), Scratch())


def copied(workspace, x):
    """Whether a copy of x has to be written."""
    return workspace.copy(x, WINDOW, (2, 5, 5, 1))[1]


def test_a_copy_is_written_once_in_a_program_unless_its_array_may_have_changed(workspace):
    x, other = np.zeros((2, 3, 3, 1)), np.zeros((2, 3, 3, 1))
    workspace.begin()
    assert [copied(workspace, x), copied(workspace, x), copied(workspace, other)] == [True, False, True]
    workspace.changed([None, x[:, 1]])  # a callable of one's own may be given None
    assert [copied(workspace, x), copied(workspace, other)] == [True, False]
    memory, _ = workspace.copy(x, WINDOW, (2, 5, 5, 1))
    assert not np.may_share_memory(memory, workspace.copy(x, 2 * WINDOW, (2, 5, 5, 1))[0])


def test_later_programs_find_what_the_first_one_left_and_nothing_of_each_other(workspace):
    x, overwritten, own = (np.zeros((2, 3, 3, 1)) for _ in range(3))
    workspace.begin()
    assert copied(workspace, x)
    assert copied(workspace, overwritten)
    workspace.changed([overwritten])
    workspace.end()
    for _ in range(2):
        workspace.begin()
        assert [copied(workspace, each) for each in (x, overwritten, own, own)] == [False, True, True, False]
        workspace.changed([x])
        assert copied(workspace, x)
        workspace.end()


def test_everything_is_filled_for_tests(workspace):
    workspace.begin()
    temporary = workspace.temporary((3,), np.dtype("float32"))
    copy, _ = workspace.copy(np.zeros((2, 3, 3, 1)), WINDOW, (2, 5, 5, 1))
    workspace.fill(np.nan, np.dtype("float32"))
    assert np.isnan(temporary).all()
    assert np.isnan(copy).all()
