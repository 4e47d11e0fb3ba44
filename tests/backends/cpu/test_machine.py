"""Machine code in memory: calls from Python, what they raise, and what the compiler refuses."""

import gc
import threading
from unittest import mock

import numpy as np
import pytest
from numba import types
from numba.core.errors import NumbaError

from minicnn import BackendError, kernel
from minicnn.backends.cpu.compile import cache, jit, machine
from minicnn.backends.cpu.compile.machine import WORDS, NativeCall, ObjectCode, loaded, words_of
from minicnn.backends.cpu.compile.mode import INTERPRET

pytestmark = pytest.mark.skipif(INTERPRET, reason="nothing is compiled")

VECTOR = types.float64[::1]


def code_of(function):
    """The object code of a function of one vector."""
    with mock.patch.object(jit, "store") as store:
        jit._compiled(function, (VECTOR,))
    return store.call_args.args[1]


def test_an_array_is_passed_as_words():
    array = np.zeros((5, 6), np.float32)[:, ::2]
    assert words_of(array) == [0, 0, 15, 4, array.ctypes.data, 5, 3, 24, 8]


def test_a_call_takes_the_arrays_that_it_was_made_with_as_they_are_then():
    def double(x, y):
        for i in range(x.size):
            y[i] = 2 * x[i]

    x, y = np.ones(3), np.zeros(3)
    call = NativeCall(jit._compiled(double, (VECTOR, VECTOR)), (x, y))
    call()
    assert y.tolist() == [2, 2, 2]
    x[:] = [1, 2, 3]
    call()
    assert y.tolist() == [2, 4, 6]


@pytest.mark.parametrize("count", [1, 9, 10, 21])
def test_a_kernel_may_have_any_number_of_arrays(count):
    names = ", ".join(f"a{n}" for n in range(count))
    scope = {}
    exec(f"def fill({names}):\n" + "".join(f"    a{n}[0] = {n} + 1\n" for n in range(count)), scope)
    arrays = tuple(np.zeros(1) for _ in range(count))
    assert (count > 9) == (7 * count > WORDS)
    kernel(scope["fill"])(*arrays)
    assert [array[0] for array in arrays] == list(range(1, count + 1))


@kernel
def refusing(x):
    if x[0] == 1:
        raise ValueError("expected no one", 1)
    if x[0] == 2:
        raise  # noqa: PLE0704
    if x[0] == 3:
        raise KeyError
    x[0] = 5


@pytest.mark.parametrize(
    ("number", "kind", "arguments"),
    [
        (1, ValueError, ("expected no one", 1)),
        (2, RuntimeError, ("No active exception to reraise",)),
        (3, KeyError, ()),
    ],
)
def test_what_a_kernel_raises_is_raised_in_python(number, kind, arguments):
    x = np.array([number, 0.0])
    with pytest.raises(kind) as caught:
        refusing(x)
    assert caught.value.args == arguments
    x[0] = 0
    refusing(x)
    assert x[0] == 5


def test_a_status_without_an_exception_is_a_fault_of_the_kernel():
    block = np.zeros(4, np.int64)
    for status in (-1, 1):
        message = rf"^kernel: expected it to end well, got status {status}; run with MINICNN_CHECK=1 to see where$"
        with pytest.raises(BackendError, match=message):
            raise machine._error(status, block)


@pytest.mark.parametrize("statement", ["z = np.zeros(3)\n    x[0] = z[0]", "if x[0] > 0:\n        raise ValueError(x[0])"])
def test_a_kernel_that_allocates_is_refused_with_a_hint(statement):
    scope = {"np": np}
    exec(f"def allocating(x):\n    {statement}\n", scope)
    with pytest.raises(NumbaError) as caught:
        kernel(scope["allocating"])(np.ones(1))
    assert caught.value.__notes__ == [
        "A kernel allocates nothing: it takes the arrays that it writes, and what it raises has constant arguments."
    ]


def test_a_kernel_may_print(python):
    """What it prints is Python's work, with constants that the compiler holds: it is compiled in every process."""
    (python.folder / "user.py").write_text(
        "from minicnn import kernel\n@kernel\ndef told(x):\n    print('first', x[0], x.size)\n    x[0] += 1\n"
    )
    code = (
        "import numpy as np, user\nfrom minicnn.backends.cpu import LOG\nx = np.ones(3)\nuser.told(x)\nuser.told(x)\n"
        "print(x[0], LOG.compiled)"
    )
    for _ in range(2):
        assert python(code).splitlines() == ["first 1.0 3", "first 2.0 3", "3.0 ['told']"]


def test_an_object_file_without_the_function_is_refused():
    code = code_of(lambda x: None)
    with pytest.raises(ValueError, match=r"^no function another in the object file$"):
        loaded(ObjectCode("another", code.content))


def test_functions_of_one_name_are_not_mistaken_for_each_other():
    def adding(number):
        def add(x):
            x[0] += number

        return code_of(add)

    one, two = adding(1), adding(2)
    two = ObjectCode(one.name, two.content.replace(two.name.encode(), one.name.encode()))
    x = np.zeros(1)
    for code in (one, two, one):
        NativeCall(loaded(code), (x,))()
    assert x[0] == 4


def test_code_that_nobody_calls_any_more_is_freed():
    def kept_pages():
        with open("/proc/self/maps") as maps:
            return sum("x" in line.split()[1] for line in maps)

    code = code_of(lambda x: None)
    NativeCall(loaded(code), (np.zeros(1),))()
    before = kept_pages()
    several = [loaded(code) for _ in range(20)]
    assert kept_pages() > before + 10
    del several
    gc.collect()
    assert kept_pages() <= before + 1


def test_one_call_may_be_made_by_several_threads():
    @kernel
    def count(x, total):
        for i in range(x.size):
            total[i] = x[i] + 1

    x, totals = np.arange(64.0), [np.zeros(64) for _ in range(4)]
    calls = [count.bind((x, total)).run for total in totals]
    threads = [threading.Thread(target=lambda: [call() for _ in range(200) for call in calls]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((total == x + 1).all() for total in totals)


def test_functions_of_c_and_of_numba_are_found_by_a_process_that_compiles_nothing(python):
    (python.folder / "user.py").write_text(
        "import math\nfrom minicnn import kernel\n@kernel\ndef reshaped(x, y):\n"
        "    z = x.reshape(2, 3)\n    y[0] = z[1, 2] + math.atan2(x[0], x[1])\n"
    )
    code = "import numpy as np, user\ny = np.zeros(1)\nuser.reshaped(np.arange(6.0), y)\nprint(y[0])"
    assert python(code) == python(code) == "5.0\n"


def test_a_file_of_the_cache_holds_the_hash_the_name_and_the_code(tmp_path, monkeypatch):
    def stored(x):
        x[0] = 1

    monkeypatch.setattr(cache, "kernel_directory", lambda: tmp_path)
    code = code_of(stored)
    assert cache.find(stored) is None
    cache.store(stored, code)
    assert cache.find(stored) == code
    (file,) = tmp_path.iterdir()
    assert file.suffix == ".machine"
    content = file.read_bytes()
    assert content.endswith(code.name.encode() + b"\0" + code.content)
    for damaged in (content[:20], content[:-1], b"\0" + content[1:], content + b"\0"):
        file.write_bytes(damaged)
        assert cache.find(stored) is None
