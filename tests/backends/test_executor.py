"""Threads: how many there are to use, and threads that share work, pass errors on and survive a fork."""

import gc
import os
import re
import threading
import time
from functools import partial
from unittest import mock

import numpy as np
import pytest

from minicnn import BackendError, CrossEntropy, Dense, Network, OptionError, kernel
from minicnn.backends import cpu, processors
from minicnn.backends.cpu import CHECK, INTERPRET
from minicnn.backends.cpu.runtime import native_threads
from minicnn.backends.executor import Executor
from minicnn.backends.processors import cgroup_quota, thread_count, usable_cpus
from minicnn.backends.program import Call, Program, Schedule, Task
from minicnn.engine.record import Recorder


def write(root, **files):
    """A fake control-group tree: cpu_max is version 2, quota and period are version 1."""
    (root / "cpu").mkdir()
    paths = {"cpu_max": "cpu.max", "quota": "cpu/cpu.cfs_quota_us", "period": "cpu/cpu.cfs_period_us"}
    for name, text in files.items():
        (root / paths[name]).write_text(f"{text}\n")
    return root


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu_max": "150000 100000"}, 1.5),
        ({"cpu_max": "50000 100000"}, 0.5),
        ({"cpu_max": "max 100000"}, None),
        ({"quota": "400000", "period": "100000"}, 4.0),
        ({"quota": "-1", "period": "100000"}, None),
        ({"cpu_max": "200000 100000", "quota": "400000", "period": "100000"}, 2.0),
        ({"cpu_max": "", "quota": "400000", "period": "100000"}, 4.0),
        ({}, None),
    ],
)
def test_the_quota_of_a_control_group(tmp_path, files, expected):
    assert cgroup_quota(write(tmp_path, **files)) == expected


def test_no_control_groups_at_all(tmp_path):
    assert cgroup_quota(tmp_path / "missing") is None


@pytest.mark.parametrize(
    ("allowed", "cpu_max", "expected"),
    [(8, "250000 100000", 3), (2, "800000 100000", 2), (8, "max 100000", 8), (8, "10000 100000", 1), (1, "50000 100000", 1)],
)
def test_usable_processors_are_the_affinity_mask_cut_to_the_quota(tmp_path, monkeypatch, allowed, cpu_max, expected):
    monkeypatch.setattr(processors, "CGROUP", write(tmp_path, cpu_max=cpu_max))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(allowed)), raising=False)
    assert usable_cpus() == thread_count(None) == expected


def test_where_there_is_no_affinity_the_processors_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(processors, "CGROUP", tmp_path)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert usable_cpus() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cpus() == 1


@pytest.mark.parametrize("threads", [0, -1, 1.0, "2", True])
def test_a_number_of_threads_that_is_none(threads):
    message = f"threads: expected a whole number of at least 1, got {threads!r}; give threads=1 or leave it out"
    with pytest.raises(OptionError, match=f"^{re.escape(message)}$"):
        Network([Dense(1)], (1,), threads=threads)


@pytest.mark.parametrize("threads", [1025, 10**6, 10**30])
def test_more_threads_than_any_machine_has_processors_for(threads):
    message = f"threads: expected at most 1024 threads, got {threads}; give as many as there are processors, or leave it out"
    with pytest.raises(OptionError, match=f"^{re.escape(message)}$"):
        Network([Dense(1)], (1,), threads=threads)


NONE_LEFT = (
    "threads: expected to start a helper thread, got: can't start new thread; "
    "give threads=1, or raise the limit on threads (ulimit -u, or that of the container)"
)


def test_where_no_thread_is_left_a_sentence_says_so_and_one_thread_goes_on(monkeypatch):
    net, x = Network([Dense(2)], (3,), threads=4), np.ones((64, 3))
    start, given = threading.Thread.start, []

    def few(thread):
        if len(given) == 2:
            raise RuntimeError("can't start new thread")
        given.append(start(thread))

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", few)
        for _ in range(2):
            with pytest.raises(BackendError, match=f"^{re.escape(NONE_LEFT)}$"):
                net.predict(x)
        assert len(given) == 2
        y = net.share(threads=1).predict(x)
    assert np.array_equal(net.predict(x), y)


def test_where_no_thread_is_left_for_plain_python_no_job_runs_on_behind_the_caller(monkeypatch):
    start, given, done = threading.Thread.start, [], []

    def few(thread):
        if len(given) == 1:
            raise RuntimeError("can't start new thread")
        given.append(start(thread))

    def work(thread):
        time.sleep(0.1)
        done.append(thread)

    executor = Executor(4, cpu.BACKEND)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", few)
        with pytest.raises(BackendError, match=f"^{re.escape(NONE_LEFT)}$"):
            executor.run(interpreted(work, 4))
    before = list(done)
    time.sleep(0.3)
    assert done == before
    done.clear()
    executor.run(interpreted(work, 4))
    assert sorted(done) == [0, 1, 2, 3]


def interpreted(work, usable_threads):
    """Jobs whose only call is plain Python, so that the interpreter's threads run them."""
    programs = [Program([Call("test", "work", partial(work, thread), ())]) for thread in range(usable_threads)]
    return [Task([([program], (0, 1, 1))], np.zeros(1, np.int64)) for program in programs]


@pytest.mark.parametrize("usable_threads", [1, 2, 3])
def test_a_team_runs_every_member_once_each_in_a_thread_of_its_own(usable_threads):
    together, seen = threading.Barrier(usable_threads, timeout=10), {}

    def work(thread):
        together.wait()  # nobody passes unless all run at the same time
        seen[thread] = threading.get_ident()

    executor = Executor(3, cpu.BACKEND)
    for _ in range(3):
        seen.clear()
        executor.run(interpreted(work, usable_threads))
        assert sorted(seen) == list(range(usable_threads))
        assert len(set(seen.values())) == usable_threads
        assert seen[0] == threading.get_ident()


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_an_error_in_any_member_reaches_the_caller_and_the_team_goes_on(failing):
    def work(thread):
        if thread == failing:
            raise ValueError(f"member {thread}")

    executor, done = Executor(3, cpu.BACKEND), []
    with pytest.raises(ValueError, match=f"member {failing}"):
        executor.run(interpreted(work, 3))
    executor.run(interpreted(done.append, 3))
    assert sorted(done) == [0, 1, 2]


@pytest.mark.parametrize("failing", [0, 1])
def test_a_team_that_fails_returns_when_all_members_are_done(failing):
    """Else a helper still writes into its arena while the next batch runs on it."""
    finished = threading.Event()

    def work(thread):
        if thread == failing:
            raise ValueError("failed")
        if thread == 2:
            time.sleep(0.3)
            finished.set()

    with pytest.raises(ValueError, match="failed"):
        Executor(3, cpu.BACKEND).run(interpreted(work, 3))
    assert finished.is_set(), f"expected every member to be done when the error of member {failing} arrives, got one at work"


@kernel
def count_up(number, total):
    """total += number + 1."""
    total[0] += number[0] + 1


@pytest.mark.skipif(INTERPRET or CHECK, reason="there is no machine code to run without the interpreter")
@pytest.mark.parametrize("pause", [0.0, 0.05])
def test_machine_code_runs_on_helpers_that_wait_or_sleep(pause):
    executor, totals, tasks = Executor(3, cpu.BACKEND), [np.zeros(1, np.int64) for _ in range(3)], []
    for thread, total in enumerate(totals):
        number, program = np.zeros(1, np.int64), Program()
        Recorder(cpu.BACKEND, program).call(count_up, number, total)
        tasks.append(Task([([program, program], (thread, 9, 3))], number))
    for _ in range(20):
        executor.run(tasks)
        time.sleep(pause)  # longer than a helper's patience, or not at all
    assert [int(total[0]) for total in totals] == [20 * 2 * sum(range(thread + 1, 10, 3)) for thread in range(3)]


@kernel
def note_order(number, log, place):
    """log[place] = the largest number in the log before, and one more."""
    most = 0
    for i in range(log.size):
        most = max(most, log[i])
    log[place[0]] = most + 1


def noting(log, places, turns=1):
    """Jobs that note in each of their places that it was their turn, several times over."""
    tasks = []
    for place in places:
        number, program = np.zeros(1, np.int64), Program()
        Recorder(cpu.BACKEND, program).call(note_order, number, log, np.array([place]))
        tasks.append(Task([([program], (0, turns, 1))], number))
    return tasks


MACHINE_CODE = pytest.mark.skipif(INTERPRET or CHECK, reason="there is no machine code to run without the interpreter")


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_stage_begins_when_the_one_before_is_done(threads):
    """With more threads than processors, or in check mode, stages are handed over one by one."""
    executor, log = Executor(threads, cpu.BACKEND), np.zeros(8, np.int64)
    work = Schedule([noting(log, [0], 2000), noting(log, [1, 2, 3][:threads]), noting(log, [4], 2000), noting(log, [5])])
    for _ in range(50):
        log[:] = 0
        executor.run_schedule(work)
        assert log[0] == 2000
        assert all(2000 < entry < 2010 for entry in log[1 : 1 + threads])
        assert 4000 < log[4] < log[5] == log.max()


@MACHINE_CODE
@pytest.mark.skipif(usable_cpus() < 2, reason="stages are handed over at once where every thread has a processor")
def test_stages_of_machine_code_are_handed_over_at_once():
    executor, log = Executor(2, cpu.BACKEND), np.zeros(8, np.int64)
    work = Schedule([noting(log, [0]), noting(log, [1, 2]), noting(log, [3])])
    with mock.patch.object(Executor, "run", side_effect=AssertionError("expected one native call")):
        executor.run_schedule(work)
    assert len(work.code) == 2
    mixed = Schedule([noting(log, [0]), interpreted(lambda thread: None, 2)])
    executor.run_schedule(mixed)
    assert mixed.code is None


@kernel
def fail(number, x):
    """Raise an error where x is not zero."""
    if x[0]:
        raise ValueError("x")


@MACHINE_CODE
@pytest.mark.parametrize("failing", [0, 1])
def test_a_kernel_that_fails_in_a_stage_is_reported_and_nobody_waits_for_ever(failing):
    executor, log = Executor(2, cpu.BACKEND), np.zeros(8, np.int64)
    tasks = []
    for thread in range(2):
        number, program = np.zeros(1, np.int64), Program()
        Recorder(cpu.BACKEND, program).call(fail, number, np.array([thread == failing], np.int64))
        tasks.append(Task([([program], (0, 1, 1))], number))
    message = "program: expected every kernel to end well, got status"
    for _ in range(3):
        with pytest.raises(BackendError, match=message):
            executor.run_schedule(Schedule([noting(log, [0]), tasks, noting(log, [1, 2])]))
    executor.run_schedule(Schedule([noting(log, [0]), noting(log, [3, 4])]))
    assert log[3] > 0
    assert log[4] > 0


@MACHINE_CODE
@pytest.mark.skipif(usable_cpus() < 2, reason="stages are handed over at once where every thread has a processor")
@pytest.mark.parametrize("given", [True, False])
def test_an_interrupt_between_hand_over_and_run_leaves_nobody_waiting(given):
    executor, log = Executor(2, cpu.BACKEND), np.zeros(8, np.int64)
    work = Schedule([noting(log, [0]), noting(log, [1, 2]), noting(log, [3])])
    executor.run_schedule(work)
    give, calls = native_threads._Helper.give, []

    def interrupted(helper, *call):
        calls.append(call)
        if len(calls) > 1 or given:
            give(helper, *call)
        if len(calls) == 1:
            raise KeyboardInterrupt

    log[:] = 0
    with mock.patch.object(native_threads._Helper, "give", interrupted), pytest.raises(KeyboardInterrupt):
        executor.run_schedule(work)
    assert len(calls) == 2 - given
    assert (log[:4] > 0).all(), "the batch was not finished"
    log[:] = 0
    executor.run_schedule(work)
    assert (log[:4] > 0).all()


def test_the_threads_of_a_network_end_with_it():
    before = set(threading.enumerate())
    net = Network([Dense(2)], (3,), threads=2)
    net.predict(np.zeros((64, 3)))
    (helper,) = set(threading.enumerate()) - before
    assert helper.is_alive()
    del net
    gc.collect()
    helper.join(timeout=10)
    assert not helper.is_alive()


def test_an_error_in_a_helpers_kernel_call_reaches_the_caller():
    class Fussy:
        shape = (64, 3)

        def load(self, k, index, lanes, x):
            k.call(self.read, index, x)

        def read(self, index, x):
            if 16 in index:
                raise RuntimeError("cannot read image 16")
            x[...] = 1

    net = Network([Dense(2)], (3,), threads=2)
    with pytest.raises(RuntimeError, match="cannot read image 16"):
        net.loss_and_grads(CrossEntropy(), Fussy(), np.zeros(64, int))
    assert np.isfinite(net.loss_and_grads(CrossEntropy(), np.ones((64, 3)), np.zeros(64, int)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_can_train(python):
    code = """
import os, warnings, numpy as np
warnings.simplefilter("ignore")
from minicnn import BackendError, CrossEntropy, Dense, Network
net = Network([Dense(4)], (3,), threads=2)
x, t = np.random.default_rng(0).standard_normal((100, 3)), np.arange(100) % 4
loss = net.loss_and_grads(CrossEntropy(), x, t)  # the parent's helper thread is alive now
grads = net.grads.flat.copy()
child = os.fork()
if child == 0:
    same = net.loss_and_grads(CrossEntropy(), x, t) == loss and np.array_equal(net.grads.flat, grads)
    os._exit(0 if same else 3)
print("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print("parent", net.loss_and_grads(CrossEntropy(), x, t) == loss)
"""
    assert python(code, MINICNN_CACHE=python.kept) == "child 0\nparent True\n"
