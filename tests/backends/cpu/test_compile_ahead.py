"""Kernels of a schedule compiled on several processors: by copies of the process, which may fail, hang or not be had."""

import json

import numpy as np
import pytest

from minicnn.backends.cpu.compile.ahead import compile_ahead
from minicnn.backends.cpu.compile.jit import kernel
from minicnn.backends.cpu.compile.mode import INTERPRET
from minicnn.backends.program import Call

pytestmark = pytest.mark.skipif(INTERPRET, reason="nothing is compiled")

STEP = """
import json, os
import numpy as np
from minicnn import Dense, Network, Tanh
from minicnn.backends.cpu import LOG
from minicnn.backends.cpu.compile import ahead, cache
ahead.usable_cpus = lambda: PROCESSORS
forks = []
fork = os.fork
def counted():
    child = fork()
    forks.append(child)
    return child
os.fork = counted
def predict():
    return Network([Dense(3), Tanh(), Dense(2)], (4,), threads=1, seed=3).predict(np.ones((20, 4), np.float32))
BEFORE
y = predict()
files = len(list(cache.kernel_directory().glob("*.machine")))
print(json.dumps({"y": y.tolist(), "compiled": sorted(LOG.compiled), "forks": len(forks), "files": files}))
try:
    os.waitpid(-1, os.WNOHANG)
    print("a copy is left")
except ChildProcessError:
    print("none is left")
"""


@pytest.fixture
def step(python, tmp_path):
    """A first prediction in a process of its own, with so many processors, without a cache."""

    def call(name, processors, before="", **settings):
        code = STEP.replace("PROCESSORS", str(processors)).replace("BEFORE", before)
        return python(code, **{"MINICNN_CACHE": str(tmp_path / name), **settings})

    return call


def told(output):
    """What the process said, and what it says of its copies."""
    line, copies = output.strip().splitlines()
    return json.loads(line), copies


def test_several_processors_compile_the_same_kernels_each_once_with_the_same_bits(step):
    alone, _ = told(step("alone", 1))
    several, copies = told(step("several", 3))
    again, _ = told(step("several", 3))
    assert [each["forks"] for each in (alone, several, again)] == [0, 2, 0]
    assert several["compiled"] == alone["compiled"]
    assert again["compiled"] == []
    assert several["files"] == alone["files"]
    assert several["y"] == alone["y"] == again["y"]
    assert copies == "none is left"


def test_only_this_process_tells_its_caller_that_kernels_are_compiled(step):
    """A log in a file or a pipe is shared with the copies: the line stood in it once for every process."""
    before = "LOG.on_compile = lambda: os.write(1, b'compiling\\n')"
    *said, line, _ = step("told", 3, before).strip().splitlines()
    assert said == ["compiling"]
    assert json.loads(line)["forks"] == 2


ONLY_COPIES = """
take, own = ahead._take, os.getpid()
def failing(reading, missing):
    if os.getpid() == own:
        return take(reading, missing)
    HOW
ahead._take = failing
"""
FAILING = {
    "dies at once": "os._exit(9)",
    "fails at a kernel": "os.read(reading, 2); 1 / 0",
    "hangs": "os.read(reading, 2); import time; time.sleep(1000)",
}


@pytest.mark.parametrize("how", FAILING)
def test_a_copy_that_fails_leaves_its_kernels_to_this_process(step, how):
    before = ONLY_COPIES.replace("HOW", FAILING[how]) + "ahead.PATIENCE = 0.5"
    found, copies = told(step("failing", 2, before))
    alone, _ = told(step("alone", 1))
    assert found["forks"] == 1
    assert (found["y"], found["compiled"]) == (alone["y"], alone["compiled"])
    assert copies == "none is left"


def test_without_a_further_process_kernels_are_compiled_one_by_one(step):
    before = """
def refused():
    raise OSError(11, "no process is left")
os.fork = refused
"""
    found, _ = told(step("refused", 2, before))
    assert len(found["compiled"]) > 3


def test_beside_another_thread_no_copy_is_made(step):
    found, _ = told(
        step("threads", 2, "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()")
    )
    assert found["forks"] == 0
    assert len(found["compiled"]) > 3


def test_an_interrupt_ends_the_copies_too(step):
    before = """
import signal
take = ahead._take
def interrupted(reading, rest, own=os.getpid()):
    if os.getpid() == own:
        raise KeyboardInterrupt
    take(reading, rest)
ahead._take = interrupted
try:
    predict()
except KeyboardInterrupt:
    print("interrupted")
ahead._take = take
"""
    interrupted, *rest = step("interrupted", 2, before).splitlines()
    assert interrupted == "interrupted"
    assert told("\n".join(rest))[1] == "none is left"


def test_a_kernel_without_a_file_is_left_to_its_first_call(python):
    code = """
import os
import numpy as np
from minicnn import kernel
from minicnn.backends.cpu import LOG
from minicnn.backends.cpu.compile import ahead
from minicnn.backends.program import Call
ahead.usable_cpus = lambda: 4
def typed(x):
    x[0] = 1
arrays = [np.zeros(1, dtype) for dtype in (np.float32, np.float64, np.int64, np.int32, np.int16, np.int8)]
calls = [Call("", "typed", kernel(typed), (array,)) for array in arrays]
ahead.compile_ahead(calls)
print(LOG.compiled)
"""
    assert python(code).strip() == "[]"


def test_functions_that_are_no_kernels_and_no_calls_at_all_are_nothing_to_compile():
    compile_ahead([])
    compile_ahead([Call("", "print", print, ())])


def test_a_kernel_says_whether_it_is_ready():
    def first(x, y):
        y[0] = x[0]

    made, arrays = kernel(first), (np.ones(2), np.zeros(1))
    assert not made.ready(arrays)
    made(*arrays)
    assert made.ready(arrays)
    assert made.load(arrays)
    assert made.key(arrays) != made.key((arrays[0].astype(np.float32), arrays[1]))
