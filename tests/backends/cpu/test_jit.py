"""Compilation: the kernel cache between processes, the budget, the modes, the flags, and what is private to Numba."""

import gc
import inspect
import json
import os
import re
import shutil
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from llvmlite import binding
from numba import njit, types
from numba.core import config
from numba.core.datamodel import default_manager

from minicnn import kernel
from minicnn.backends import cpu
from minicnn.backends.cpu import CHECK, INTERPRET
from minicnn.backends.cpu.compile import cache, jit
from minicnn.backends.cpu.compile.machine import NativeCall, ObjectCode, loaded
from minicnn.backends.cpu.compile.uninterrupted import uninterrupted
from minicnn.backends.cpu.kernels import pool
from minicnn.backends.signals import ASKING

BUDGET = 28
"""Specialisations for one training step and one evaluation of lenet5(); 26 when this was written."""

BUDGET_ALONE = 16
"""Further ones for a training step on one image, which has kernels of its own; 14 when this was written."""

compiled = pytest.mark.skipif(INTERPRET, reason="nothing is compiled")
x86 = pytest.mark.skipif("x86_64" not in binding.get_default_triple(), reason="feature names of x86")

USER = """
from minicnn import kernel

@kernel(flat=True)
def double(x, y):
    for i in range(x.size):
        y[i] = x[i] + x[i]

@kernel
def total(x, y):
    for i in range(x.shape[0]):
        y[0] += x[i]

def scaling(factor):
    @kernel(flat=True)
    def scaled(x, y):
        for i in range(x.size):
            y[i] = factor * x[i]
    return scaled
"""

RUN = """
import json, os
from pathlib import Path
import numpy as np
from minicnn.backends.cpu import LOG
LOG.on_compile = lambda: print("announced")
import user
wrong = 0
for dtype in ("float32", "float64"):
    x = np.arange(5, dtype=dtype)
    y, z = np.zeros_like(x), np.zeros(1, dtype)
    user.double(x, y)
    user.total(x, z)
    wrong += not np.array_equal(y, 2 * x) or z[0] != 10
    for factor in FACTORS:
        user.scaling(factor)(x, y)
        wrong += not np.array_equal(y, factor * x)
print(json.dumps({"wrong": int(wrong), "compiled": LOG.compiled, "bound": LOG.bound}))
"""


GATE = """
Path(f"ready-{os.getpid()}").touch()
while len(list(Path().glob("ready-*"))) < 2:
    pass
"""


def program(*factors, gate=""):
    """Code that runs every kernel of ``user.py``, ``scaled`` for each factor."""
    return RUN.replace("import user\n", f"import user\n{gate}").replace("FACTORS", repr(factors))


@pytest.fixture
def user(python):
    """A process with the kernels of a user: what it found out, and what it printed before."""
    (python.folder / "user.py").write_text(USER)

    def run(*factors, **settings):
        *before, last = python(program(*factors), **settings).splitlines()
        return json.loads(last) | {"said": before}

    return run


# --- the cache ---


def test_a_second_process_compiles_nothing(user):
    first, second = user(3), user(3)
    assert sorted(first["compiled"]) == sorted(2 * ["double", "total", "scaled"])
    assert second["compiled"] == []
    assert (first["wrong"], second["wrong"]) == (0, 0)
    assert first["bound"] == second["bound"] == 6
    assert (first["said"], second["said"]) == (["announced"], []), "expected one announcement, before the first compilation"


def test_processes_that_compile_at_the_same_time_leave_a_sound_cache(user, python):
    user()  # the directory is there
    shutil.rmtree(python.cache)
    both = [python.start(program(*factors, gate=GATE)) for factors in (range(1, 9), range(9, 17))]
    for process in both:
        assert json.loads(python.finish(process).splitlines()[-1])["wrong"] == 0
    third = user(*range(1, 17))
    assert third["wrong"] == 0, (
        f"expected every kernel to be loaded as it was compiled, got {third['wrong']} of 34 wrong results"
    )
    assert third["compiled"] == []


def test_closures_of_one_factory_have_files_of_their_own(user, python):
    """In one file two processes overwrite each other's numbers, and the wrong kernel is loaded later."""
    user(2, 3, 4)
    files = [path.name for path in python.cache.glob("kernels-*/*.machine")]
    assert len(files) == 2 * (2 + 3), f"expected a file for each of 10 specialisations, got {len(files)}: {sorted(files)}"


DAMAGE = [
    lambda content: b"",
    lambda content: content[: len(content) // 2],
    lambda content: np.random.default_rng(0).bytes(len(content)),
    lambda content: content[:-100] + bytes([content[-100] ^ 1]) + content[-99:],
]


def test_damaged_files_are_compiled_again_and_replaced(user, python):
    user()
    files = sorted(python.cache.glob("kernels-*/*.machine"))
    for file, damage in zip(files, DAMAGE, strict=True):
        file.write_bytes(damage(file.read_bytes()))
    second = user()
    assert second["wrong"] == 0
    assert len(second["compiled"]) == 4
    assert user()["compiled"] == []


def test_a_file_that_vanished_is_compiled_again(user, python):
    user()
    for file in python.cache.glob("kernels-*/*.machine"):
        file.unlink()
    assert user()["wrong"] == 0
    assert user()["compiled"] == []


def test_a_changed_source_is_compiled_again(user, python):
    user()
    source = python.folder / "user.py"
    source.write_text(USER.replace("factor * x[i]", "factor * x[i] + 1"))
    assert user(3)["wrong"] == 2
    source.write_text(USER)
    assert user(3)["wrong"] == 0


IMPORTED = {
    "constant": ("FACTOR = {0}\n", "FACTOR * x[i]"),
    "array": ("import numpy as np\nFACTORS = np.full(3, {0}.0)\n", "FACTORS[1] * x[i]"),
    "number of NumPy's": ("import numpy as np\nFACTOR = np.float64({0})\n", "FACTOR * x[i]"),
    "helper": (
        "from numba.extending import register_jitable\n@register_jitable\ndef grow(x):\n    return x * {0}\n",
        "grow(x[i])",
    ),
}
IMPORTING = """
from minicnn import kernel
from other import *
@kernel
def grown(x, y):
    for i in range(x.size):
        y[i] = FORMULA
"""


@pytest.mark.parametrize("what", IMPORTED)
def test_a_change_in_what_a_kernel_imports_is_seen(python, what):
    other, formula = IMPORTED[what]
    (python.folder / "user.py").write_text(IMPORTING.replace("FORMULA", formula))
    for factor in (2, 3):
        (python.folder / "other.py").write_text(other.format(factor))
        out = python("import numpy as np, user\ny = np.zeros(2)\nuser.grown(np.ones(2), y)\nprint(y[0])")
        assert float(out) == factor, f"expected {factor}, got {out.strip()} from a kernel that was compiled for other sources"


def test_the_directory_follows_sources_modes_and_versions(monkeypatch, tmp_path):
    folder = tmp_path / "cpu"
    shutil.copytree(Path(cache.__file__).parents[1], folder)
    monkeypatch.setattr(cache, "__file__", str(folder / "compile/cache.py"))
    keys = [cache.sources_key()]
    assert cache.sources_key() == keys[0]
    source = (folder / "kernels/gemm.py").read_text()
    (folder / "kernels/gemm.py").write_text(source + "\n")
    keys.append(cache.sources_key())
    (folder / "kernels/gemm.py").write_text(source)
    (folder / "extra.py").write_text("")
    keys.append(cache.sources_key())
    (folder / "extra.py").unlink()
    assert cache.sources_key() == keys[0]
    for owner, name, value in (
        (cache, "CHECK", not CHECK),
        (cache, "CPU_NAME", "generic"),
        (cache, "CPU_FEATURES", "+avx2"),
        (cache.numba, "__version__", "0"),
        (cache.llvmlite, "__version__", "0"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, value)
            keys.append(cache.sources_key())
    assert len(set(keys)) == len(keys) == 8
    assert re.fullmatch("[0-9a-f]{16}", keys[0])


def test_the_directory_follows_every_file_of_the_backend(monkeypatch, tmp_path):
    folder = tmp_path / "cpu"
    shutil.copytree(Path(cache.__file__).parents[1], folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(cache, "__file__", str(folder / "compile" / "cache.py"))
    before = cache.sources_key()
    files = sorted(folder.rglob("*.py"))
    assert {path.parent.name for path in files} >= {"kernels", "conv", "single_image", "tiles", "compile", "runtime"}
    for path in files:
        source = path.read_bytes()
        path.write_bytes(source + b"\n")
        assert cache.sources_key() != before, path
        path.write_bytes(source)
    assert cache.sources_key() == before
    (folder / "kernels" / "gemm.py").rename(folder / "conv" / "gemm.py")
    assert cache.sources_key() != before, "expected the key to know in which folder a file lies"


def test_the_directory_follows_the_processor(monkeypatch):
    """A home that several machines share: the second to start would overwrite the first one's numbers."""
    key = cache.sources_key()
    monkeypatch.setattr(binding, "get_host_cpu_name", lambda: "another")
    monkeypatch.setattr(binding, "get_host_cpu_features", lambda: {"avx2": True})
    assert cache.sources_key() != key


def test_kernels_import_nothing_that_the_directory_does_not_follow():
    """What is frozen into machine code must stand in the hashed files; types and errors are not frozen."""
    imports = re.compile(
        r"^from \.{3}(\.?)(\S*) import", re.MULTILINE
    )  # four dots where a file lies in a folder of the backend
    for path in Path(cache.__file__).parents[1].rglob("*.py"):
        own = path.parent == Path(cache.__file__).parents[1]
        found = {name for dots, name in imports.findall(path.read_text()) if own or dots}
        assert found <= {"arrays", "errors"}, path.name


def test_directories_that_nobody_used_for_long_are_removed(monkeypatch, tmp_path):
    monkeypatch.setenv("MINICNN_CACHE", str(tmp_path))
    now = time.time()
    old, recent, unstamped = (f"kernels-{digit * 16}" for digit in "012")
    ages = {old: cache.KEEP_SECONDS + 60, recent: cache.KEEP_SECONDS - 60, "kernels-mine": 10 * cache.KEEP_SECONDS}
    for name, age in ages.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.machine").touch()
        (tmp_path / name / "y.nbc").touch()  # of an earlier version
        (tmp_path / name / "used").touch()
        os.utime(tmp_path / name / "used", (now - age, now - age))
    (tmp_path / unstamped).mkdir()  # perhaps not ours
    os.utime(tmp_path / unstamped, (0, 0))
    own = tmp_path / f"kernels-{cache.sources_key()}"
    own.mkdir()
    (own / "used").touch()
    os.utime(own / "used", (0, 0))
    assert cache._directory.__wrapped__("") == own
    assert {path.name for path in tmp_path.iterdir()} == {recent, unstamped, "kernels-mine", own.name}
    assert (own / "used").stat().st_mtime >= now - 1


def test_where_the_cache_lies(monkeypatch, tmp_path):
    monkeypatch.setenv("MINICNN_CACHE", str(tmp_path / "chosen"))
    assert cache.cache_root() == tmp_path / "chosen"
    monkeypatch.delenv("MINICNN_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.cache_root() == tmp_path / "xdg" / "minicnn"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.cache_root() == tmp_path / ".cache" / "minicnn"


@pytest.mark.parametrize(
    "settings",
    [{"MINICNN_CACHE": "/dev/null/x"}, {"MINICNN_CACHE": None, "XDG_CACHE_HOME": None, "HOME": "/dev/null/home"}],
    ids=["unwritable", "no home"],
)
def test_where_nothing_is_writable_kernels_are_compiled_anew(user, settings):
    result = user(**settings)
    assert result["wrong"] == 0
    assert len(result["compiled"]) == 4


def test_a_user_without_a_home_directory_has_no_cache(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("MINICNN_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", staticmethod(homeless))
    assert cache._directory.__wrapped__("") is None


@compiled
def test_a_full_disk_costs_a_compilation_and_no_more(monkeypatch):
    def full(path, content):
        path.touch()
        full.written = path
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.Path, "write_bytes", full)

    @kernel(flat=True)
    def triple(x, y):
        for i in range(x.size):
            y[i] = x[i] + x[i] + x[i]

    x, y = np.ones(4, np.float32), np.zeros(4, np.float32)
    triple(x, y)
    assert (y == 3).all()
    assert not full.written.exists()


@pytest.mark.parametrize("settings", [{}, {"MINICNN_CACHE": "/dev/null/x"}], ids=["cache", "no cache"])
def test_threads_that_need_the_same_kernel_compile_it_once(python, settings):
    (python.folder / "user.py").write_text(USER)
    code = """
import threading, numpy as np, user
from minicnn.backends.cpu import LOG
gate = threading.Barrier(3)
def work():
    x, y = np.ones(4), np.zeros(4)
    gate.wait()
    user.double(x, y)
    assert (y == 2).all()
threads = [threading.Thread(target=work) for _ in range(3)]
for t in threads: t.start()
for t in threads: t.join()
print(LOG.compiled)
"""
    assert python(code, **settings) == "['double']\n"


# --- memory ---


@pytest.mark.skipif(INTERPRET, reason="nothing is compiled")
@pytest.mark.parametrize("frozen", [False, True])
def test_compiling_freezes_nothing_for_good_and_thaws_nothing(frozen):
    @kernel
    def add_one(x, y):
        for i in range(x.size):
            y[i] = x[i] + (2 if frozen else 1)

    gc.freeze() if frozen else gc.unfreeze()
    try:
        y = np.empty(2)
        add_one(np.zeros(2), y)
        assert y.sum() == (4 if frozen else 2)
        assert (gc.get_freeze_count() > 0) == frozen
    finally:
        gc.unfreeze()


# --- the budget ---


def test_lenet5_keeps_to_its_budget_of_compilations(python):
    code = """
import numpy as np
from minicnn import MSE
from minicnn.backends.cpu import LOG
from minicnn.models import lenet5
net, x, t = lenet5(threads=1), np.zeros((32, 1, 32, 32)), np.zeros(32, int)
net.loss_and_grads(MSE(), x, t)
net.evaluate(MSE(), x, t)
first = LOG.bound
counts = []
for n in (2, 16, 33, 100, 1, 1):
    net.loss_and_grads(MSE(), np.zeros((n, 1, 32, 32)), np.zeros(n, int))
    counts.append(LOG.bound)
print(first, *counts[-3:])
"""
    first, after, alone, again = map(int, python(code, MINICNN_CACHE=python.kept).split())
    assert first <= BUDGET, f"expected at most {BUDGET} specialisations for a step and an evaluation of lenet5(), got {first}"
    assert after == first, "expected batches of other sizes to need no compilation"
    assert alone - after <= BUDGET_ALONE, f"expected at most {BUDGET_ALONE} more for one image, got {alone - after}"
    assert again == alone


# --- what compiled kernels keep to ---


def test_kernels_release_the_interpreter():
    @kernel
    def wait_for(flag, rounds, limit):
        while flag[0] == 0 and rounds[0] < limit[0]:
            rounds[0] += 1

    flag, rounds, limit = (np.array([n]) for n in (0, 0, 4_000_000_000))
    wait_for(flag, rounds, np.array([1]))  # compiled now
    rounds[0] = 0
    thread = threading.Thread(target=wait_for, args=(flag, rounds, limit))
    thread.start()
    while rounds[0] == 0:
        time.sleep(0.001)
    flag[0] = 1
    thread.join()
    assert 0 < rounds[0] < limit[0], "expected this thread to run beside the kernel, it had to wait for its end"


def test_nan_and_infinity_survive_the_flags():
    @kernel(flat=True)
    def look(x, y, z):
        for i in range(x.size):
            y[i] = np.isnan(x[i])
            z[i] = np.isinf(x[i]) + (2 if x[i] != x[i] else 0)

    for dtype in ("float32", "float64"):
        x = np.array([1, np.nan, np.inf, -np.inf, 0], dtype)
        y, z = np.zeros(5, np.int64), np.zeros(5, np.int64)
        look(x, y, z)
        assert y.tolist() == [0, 1, 0, 0, 0]
        assert z.tolist() == [0, 2, 1, 1, 0]


def test_the_flags_promise_no_finite_numbers():
    assert not {"nnan", "ninf", "fast"} & jit.FLAGS


def test_division_by_zero_is_numpys():
    @kernel(flat=True)
    def divide(x, y, z):
        for i in range(x.size):
            z[i] = x[i] / y[i]

    z = np.zeros(3)
    with np.errstate(all="ignore"):
        divide(np.array([1.0, -1.0, 0.0]), np.zeros(3), z)
    np.testing.assert_array_equal(z, [np.inf, -np.inf, np.nan])


FLOAT32 = ["adam", "avg_pool", "leaky_relu_dx", "sgd", "softmax", "tanh"]


@compiled
@pytest.mark.parametrize("name", FLOAT32)
def test_float32_arithmetic_stays_float32(name):
    """A bare 0.0 turns a float32 sum into float64, at half the speed."""
    function = (pool.avg_pool if name == "avg_pool" else getattr(cpu, name)).function
    rank = {"avg_pool": 4, "softmax": 2}.get(name, 1)
    arrays = [
        types.Array(types.int64 if a == "window" else types.float32, 1 if a == "window" else rank, "C")
        for a in inspect.signature(function).parameters
    ]
    dispatcher = njit(fastmath=jit.FLAGS, error_model="numpy")(function)
    dispatcher.compile(tuple(arrays))
    (text,) = dispatcher.inspect_llvm().values()
    body = [line for line in text.splitlines() if re.search(r"= (f(add|sub|mul|div|cmp)|fpext) .*\bdouble\b", line)]
    once = {"avg_pool": 4, "adam": 4}.get(name, 0)  # before the loops: a scale, bias corrections
    assert len(body) <= once, f"expected float32 throughout, got {body}"


def test_results_have_the_dtype_of_the_network():
    from minicnn import MSE, Conv2d, Dense, Network, Tanh

    for dtype in ("float32", "float64"):
        net = Network([("C", Conv2d(2, 3)), Tanh(), ("F", Dense(2))], (1, 5, 5), dtype=dtype, threads=1)
        x = np.ones((3, 1, 5, 5))
        results = [net.predict(x), net.forward(x), net.activation("C"), net.backward(np.ones((3, 2)))]
        results += [net.params.flat, net.grads.flat, *net.params.values()]
        assert {array.dtype for array in results} == {np.dtype(dtype)}
        assert isinstance(net.loss_and_grads(MSE(), x, [0, 1, 0]), float)


# --- kernels of one's own ---


def test_a_flat_kernel_takes_arrays_of_any_rank():
    @kernel(flat=True)
    def negate(x, y):
        """y = −x."""
        for i in range(x.size):
            y[i] = -x[i]

    for shape in ((6,), (2, 3), (1, 2, 3), ()):
        x, y = np.ones(shape, np.float32), np.zeros(shape, np.float32)
        negate(x, y)
        np.testing.assert_array_equal(y, -x)
    assert repr(negate) == "<kernel negate>"
    assert (negate.__name__, negate.__doc__, negate.__module__) == ("negate", "y = −x.", __name__)
    assert list(inspect.signature(negate).parameters) == ["x", "y"]


def test_a_kernel_takes_arrays_of_any_layout():
    @kernel
    def transpose(x, y):
        for i in range(x.shape[0]):
            for j in range(x.shape[1]):
                y[j, i] = x[i, j]

    x = np.arange(24.0).reshape(4, 6)
    for form in (x, x[:, ::2], x[::-1], np.asfortranarray(x), x.astype(np.int32)):
        y = np.zeros(form.shape[::-1], form.dtype)
        transpose(form, y)
        np.testing.assert_array_equal(y, form.T)


@compiled
def test_a_kernel_is_compiled_once_for_each_signature():
    @kernel
    def fill(x):
        for i in range(x.shape[0]):
            x[i] = 1

    before = jit.LOG.bound
    for array in (np.zeros(3), np.zeros(5), np.zeros(3, np.float32), np.zeros((3, 2)), np.zeros(6)[::2], np.zeros(4)):
        fill(array)
        assert (array == 1).all()
    assert jit.LOG.bound == before + 4


# --- check mode ---

CHECKED = """
import numpy as np
import minicnn as m
from minicnn.backends.cpu.tiles import tile_bias, tile_store, tile_zeros
from minicnn.testing import check_layer

def raises(error, run):
    try:
        run()
    except error as caught:
        return str(caught)
    raise AssertionError(f"expected {error.__name__}, got nothing")

@m.kernel
def one_past(x, y):
    for i in range(x.size + 1):
        y[0] += x[i]

@m.kernel
def tile_load(x, at, y):
    tile_store(tile_bias(tile_zeros(x, 1, 1), x, at[0], 1), y, 0, 0, 1)

@m.kernel
def tile_write(x, at, y):
    tile_store(tile_zeros(x, 1, 1), y, at[0], 0, 1)
"""


def test_check_mode_stops_at_bounds(python):
    code = """
x, y = np.ones(40, np.float32), np.zeros(64, np.float32)
print(raises(IndexError, lambda: one_past(x, y)))
for at in (-1, 40):
    print(raises(IndexError, lambda: tile_load(x, np.array([at]), y)))
for at in (-1, 64):
    print(raises(IndexError, lambda: tile_write(x, np.array([at]), y)))
tile_load(x, np.array([39]), y)
tile_write(x, np.array([0]), y)
"""
    lines = python(CHECKED + code, MINICNN_CHECK=1).splitlines()
    assert "out of bounds" in lines[0]
    assert lines[1:] == 4 * ["a tile load or store lies outside its array"]


def test_check_mode_names_the_buffer_that_was_written_past(python):
    code = """
from spilling import Spill
net = m.Network([("ok", m.Tanh()), ("L", Spill()), m.Tanh()], (3,), threads=1)
print(raises(m.BackendError, lambda: net.forward(np.ones((5, 3)))))
"""
    tests = Path(__file__).parents[2]
    message = python(
        CHECKED + code, MINICNN_CHECK=1, MINICNN_CACHE=python.kept, PYTHONPATH=f"{tests.parent}:{tests}"
    ).splitlines()
    what = "expected kernels to keep to their buffers, got a write past the end of L.y"
    assert message == [f"arena: {what}; look at the kernels that write there in print(net.program())"]


def test_sound_layers_pass_in_check_mode(python):
    code = """
for layer in (m.Conv2d(3, 3, padding=1), m.Conv2d(3, 2, algorithm="im2col"), m.MaxPool2d(2), m.SparseConv2d(((0,), (0, 1)), 2)):
    for check in check_layer(layer, (2, 4, 5)):
        check()
print("ok")
"""
    assert python(CHECKED + code, MINICNN_CHECK=1, MINICNN_CACHE=python.kept) == "ok\n"


# --- other machines ---

CONVOLUTION = """
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from minicnn import Conv2d, Dense, Network
from minicnn.backends.cpu.compile.host import HOST
print(HOST.name, HOST.bytes, HOST.registers, HOST.fma)
for dtype in ("float32", "float64"):
    rng = np.random.default_rng(0)
    net = Network([("C", Conv2d(9, 3)), ("F", Dense(3))], (5, 7, 6), dtype=dtype, threads=1)
    x, dz = rng.standard_normal((19, 5, 7, 6)), rng.standard_normal((19, 3))
    z = net.forward(x)
    dx = net.backward(dz)
    W, b, V, c = (net.params[n].astype(float) for n in ("C.W", "C.b", "F.W", "F.b"))
    windows = sliding_window_view(x, (3, 3), (2, 3))
    y = np.einsum("nchwij,fcij->nfhw", windows, W) + b[:, None, None]
    dy = (dz @ V).reshape(y.shape)
    expected = {"C.W": np.einsum("nfhw,nchwij->fcij", dy, windows), "C.b": dy.sum((0, 2, 3)), "F.b": dz.sum(0)}
    expected["F.W"] = dz.T @ y.reshape(19, -1)
    turned = sliding_window_view(np.pad(dy, ((0, 0), (0, 0), (2, 2), (2, 2))), (3, 3), (2, 3))
    back = np.einsum("nfhwij,fcij->nchw", turned, W[:, :, ::-1, ::-1])
    tolerance = 2e-4 if dtype == "float32" else 1e-11
    for got, right in ((z, y.reshape(19, -1) @ V.T + c), (dx, back), *((net.grads[n], g) for n, g in expected.items())):
        np.testing.assert_allclose(got, right, rtol=tolerance, atol=tolerance)
"""


@x86
@pytest.mark.parametrize(
    ("features", "host"),
    [("+avx,+avx2,+fma", "AVX2 32 16 True"), ("+avx,+avx2", "AVX2 32 16 False"), ("+sse2", "SSE2 16 16 False")],
)
def test_a_smaller_machine_gets_smaller_tiles_and_right_results(python, features, host):
    here = {name for name, present in binding.get_host_cpu_features().items() if present}
    if missing := {name[1:] for name in features.split(",")} - here:
        pytest.skip(f"this machine has no {', '.join(missing)}")
    out = python(CONVOLUTION, NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES=features, MINICNN_CACHE=python.kept)
    assert out.strip() == host


def test_this_machine_as_it_is(python):
    name, width, registers, _ = python(CONVOLUTION, MINICNN_CACHE=python.kept).split()
    assert (name, int(width), int(registers)) in {
        ("AVX-512", 64, 32),
        ("AVX2", 32, 16),
        ("AVX", 32, 16),
        ("SSE2", 16, 16),
        ("NEON", 16, 32),
    }


# --- the canary ---


@compiled
def test_what_minicnn_relies_on_in_numba_is_still_there():
    """Not documented by Numba. A failure here means: look at the file named, then change it or pin Numba."""

    def probe(x):
        x[0] = 1

    def has(owner, *names):
        missing = [name for name in names if not hasattr(owner, name)]
        assert not missing, f"Numba changed: {owner!r} has no {', '.join(missing)}"

    dispatcher = njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, _nrt=False)(probe)
    dispatcher.compile((types.Array(types.float64, 1, "C"),))
    (result,) = dispatcher.overloads.values()
    has(result.library, "_get_compiled_object", "_final_module", "_codegen")  # compile/jit.py
    has(result.library._codegen._engine._ee, "remove_module")
    machine, x = loaded(ObjectCode(result.fndesc.llvm_func_name, result.library._get_compiled_object())), np.zeros(2)
    NativeCall(machine, (x,))()
    assert x.tolist() == [1, 0], "compile/machine.py: what the compiler makes of a function, and how that takes its arrays"
    has(config, "CPU_FEATURES", "CPU_NAME", "DISABLE_JIT")  # compile/mode.py
    fields = default_manager[types.Array(types.float32, 2, "C")]._fields
    assert fields == ("meminfo", "parent", "nitems", "itemsize", "data", "shape", "strides"), (
        "tiles/tile.py, compile/machine.py: the fields of an array"
    )


@compiled
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_until_a_kernel_is_compiled(monkeypatch, number):
    def ended(number, frame):
        raise KeyboardInterrupt(number)

    seen = []
    monkeypatch.setattr(jit, "find", lambda function: None)
    monkeypatch.setattr(jit, "_forget_module", lambda library: (signal.raise_signal(number), seen.append("compiled")))
    kernel, x = jit.kernel(lambda x: None), np.zeros(3)
    before = signal.signal(number, ended)
    try:
        with pytest.raises(KeyboardInterrupt, match=str(int(number))):
            kernel(x)
        assert seen == ["compiled"]
        assert signal.getsignal(number) is ended
        kernel(x)
        assert seen == ["compiled"]
    finally:
        signal.signal(number, before)


def test_signals_are_left_alone_where_nobody_handles_them():
    before = {number: signal.getsignal(number) for number in ASKING}
    with uninterrupted():
        for number, handler in before.items():
            assert (signal.getsignal(number) is handler) == (not callable(handler))
    assert {number: signal.getsignal(number) for number in ASKING} == before


def test_other_threads_have_no_signals_to_wait_for():
    def enter():
        with uninterrupted():
            seen.append(signal.getsignal(signal.SIGINT))

    seen = []
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]
