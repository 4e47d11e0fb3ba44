"""The kernel cache's key, which every setting that shapes code belongs to, and a cache that can be read but not written."""

import os
import shutil
from pathlib import Path

import numba
import numpy as np
import pytest
from numba.core import config

from minicnn.backends.cpu.compile import cache, jit, settings
from minicnn.backends.cpu.compile.mode import INTERPRET
from minicnn.cli import info

compiled = pytest.mark.skipif(INTERPRET, reason="nothing is compiled")

CHANGED = {
    "NUMBA_OPT": "0",
    "NUMBA_LOOP_VECTORIZE": "0",
    "NUMBA_SLP_VECTORIZE": "1",
    "NUMBA_BOUNDSCHECK": "1",
    "NUMBA_ENABLE_AVX": "0",
    "NUMBA_DISABLE_INTEL_SVML": "1",
    "NUMBA_CPU_NAME": "generic",
    "NUMBA_CPU_FEATURES": "+avx",
    "NUMBA_DEBUGINFO": "1",
    "NUMBA_EXTEND_VARIABLE_LIFETIMES": "1",
    "NUMBA_ENABLE_PROFILING": "1",
    "NUMBA_NRT_STATS": "1",
    "NUMBA_DEBUG_NRT": "1",
    "NUMBA_DEBUG_ARRAY_OPT_RUNTIME": "1",
    "NUMBA_LLVM_REFPRUNE_PASS": "0",
    "NUMBA_LLVM_REFPRUNE_FLAGS": "per_bb",
    "NUMBA_USE_LLVMLITE_MEMORY_MANAGER": "1",
    "NUMBA_PARFOR_MAX_TUPLE_SIZE": "5",
    "LLVMLITE_ENABLE_IR_LAYER_TYPED_POINTERS": "0",
}
"""Environment variables that shape code, each with a value that is not the usual one."""


@pytest.fixture
def environment(monkeypatch):
    """The environment, which Numba reads anew once a test is over."""
    yield monkeypatch
    monkeypatch.undo()
    config.reload_config()


@pytest.mark.parametrize("name", CHANGED)
def test_a_setting_of_the_environment_that_shapes_code_is_in_the_key(environment, name):
    environment.delenv(name, raising=False)
    before = cache.sources_key()
    environment.setenv(name, CHANGED[name])
    assert cache.sources_key() != before


NUMBA = tuple(map(int, numba.__version__.split(".")[:2]))
SETTINGS = [name for name in vars(config) if name.isupper() and not name.startswith(("_", "CUDA_"))]


@pytest.mark.parametrize("name", sorted(set(SETTINGS) - settings.SHAPELESS))
def test_every_setting_counts_that_is_not_known_to_shape_no_code(monkeypatch, name):
    before = settings.shaping()
    monkeypatch.setattr(config, name, "another")
    assert settings.shaping() != before


@pytest.mark.parametrize("name", sorted(settings.SHAPELESS))
def test_settings_that_shape_no_code_do_not_split_the_cache(monkeypatch, name):
    if name == "CACHE_LOCATOR_CLASSES" and NUMBA < (0, 62):
        pytest.skip("a setting of later versions of Numba")
    assert name in SETTINGS, "expected a setting of Numba's; it has no such one any more"
    before = settings.shaping()
    monkeypatch.setattr(config, name, "another")
    assert settings.shaping() == before


def test_an_option_of_llvm_is_in_the_key(python):
    code = """
from llvmlite import binding
from minicnn.backends.cpu.compile import cache
keys = [cache.sources_key()]
binding.set_option("test", "-enable-misched=false")
keys.append(cache.sources_key())
binding.options.set_option("test", "-x86-use-vzeroupper=false")
keys.append(cache.sources_key())
print(len(set(keys)))
"""
    assert python(code) == "3\n"


USER = """
from minicnn import kernel

@kernel
def second(x, y):
    y[0] = x[1]

@kernel
def third(x, y):
    y[0] = x[2]
"""

RUN = """
import os
import numpy as np
import user
from minicnn.backends.cpu import LOG
x, y = np.arange(3.0), np.zeros(1)
user.second(x, y)
assert y[0] == 1
BETWEEN
user.third(x, y)
assert y[0] == 2
print(LOG.compiled)
"""


@pytest.fixture
def run(python):
    """Runs two kernels in a process of its own; says which were compiled."""
    (python.folder / "user.py").write_text(USER)

    def call(between="", before="", **settings):
        return python(before + RUN.replace("BETWEEN", between), **settings).strip()

    return call


@compiled
def test_kernels_of_another_setting_are_not_loaded(run):
    both = "['second', 'third']"
    assert run(NUMBA_OPT=0) == both
    assert run() == both
    assert run(NUMBA_OPT=0) == "[]"


@compiled
def test_a_setting_that_changes_while_the_program_runs_is_seen(run):
    change = 'os.environ["NUMBA_OPT"] = "0"'
    assert run(change) == "['second', 'third']"
    assert run() == "['third']", "expected the second kernel to be kept under the settings it was compiled with"
    assert run(change) == "[]"


@compiled
def test_numbas_bounds_check_is_not_lost_to_kernels_that_were_compiled_without_it(python):
    (python.folder / "user.py").write_text(USER)
    code = """
import numpy as np
import user
try:
    user.third(np.arange(2.0), np.zeros(1))
except IndexError:
    print("IndexError")
else:
    print("nothing")
"""
    assert python(code) == "nothing\n"
    assert python(code, NUMBA_BOUNDSCHECK=1) == "IndexError\n"


@compiled
def test_numbas_locators_do_not_lead_the_files_elsewhere(run, python):
    run(NUMBA_CACHE_LOCATOR_CLASSES="InTreeCacheLocator")
    assert run() == "[]"
    assert not list(python.folder.glob("__pycache__/*.nbi"))


# --- sources ---


@pytest.mark.parametrize("place", ["kernels", "conv", "one/new"])
def test_a_change_in_any_subfolder_is_in_the_key(monkeypatch, tmp_path, place):
    folder = tmp_path / "cpu"
    shutil.copytree(Path(cache.__file__).parents[1], folder)
    monkeypatch.setattr(cache, "__file__", str(folder / "compile" / "cache.py"))
    keys = [cache.sources_key()]
    (folder / place).mkdir(parents=True, exist_ok=True)
    file = folder / place / "another.py"
    for text in ("A = 1\n", "A = 2\n"):
        file.write_text(text)
        keys.append(cache.sources_key())
    file.rename(folder / "moved.py")
    keys.append(cache.sources_key())
    assert len(set(keys)) == 4


def test_closures_over_large_arrays_have_names_of_their_own():
    def reading(table):
        def read(x, y):
            y[0] = table[1000]

        return read

    one, other = np.zeros(2000), np.zeros(2000)
    other[1000] = 1
    assert repr(one) == repr(other)
    names = {jit._renamed(reading(table), ()).__qualname__ for table in (one, other)}
    assert len(names) == 2


# --- a cache that can be read but not written ---

READ_ONLY = """
import os, sys
folder, access = os.environ["MINICNN_CACHE"], os.access
def refuse(event, args):
    writes = event in ("os.mkdir", "os.remove", "os.rename", "os.utime")
    writes = writes or event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if writes and str(args[0]).startswith(folder):
        raise OSError(30, "Read-only file system", args[0])
sys.addaudithook(refuse)
os.access = lambda path, mode: not (mode & os.W_OK and str(path).startswith(folder)) and access(path, mode)
"""
"""Lets a process only read its cache, whoever runs it: to root, permissions say nothing."""


def files(folder):
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


@compiled
def test_a_warmed_cache_is_used_where_it_can_only_be_read(run, python):
    run()
    before = files(python.cache)
    assert run(before=READ_ONLY) == "[]"
    assert files(python.cache) == before


@compiled
def test_what_a_cache_lacks_that_can_only_be_read_is_compiled(run, python):
    run()
    for path in python.cache.glob("kernels-*/*second*"):
        path.write_bytes(b"damaged")
    for path in python.cache.glob("kernels-*/*third*"):
        path.unlink()
    before = files(python.cache)
    assert run(before=READ_ONLY) == "['second', 'third']"
    assert files(python.cache) == before
    shutil.rmtree(python.cache)
    python.cache.mkdir()
    assert run(before=READ_ONLY) == "['second', 'third']"
    assert files(python.cache) == {}


def test_a_file_in_place_of_the_directory_is_no_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MINICNN_CACHE", str(tmp_path))
    path = tmp_path / f"kernels-{cache.sources_key()}"
    path.touch(mode=0o777)
    assert cache._directory.__wrapped__("") is None


def test_a_directory_that_another_process_removes_meanwhile_is_no_obstacle(monkeypatch, tmp_path):
    monkeypatch.setenv("MINICNN_CACHE", str(tmp_path))
    (tmp_path / "kernels-gone").symlink_to("nowhere")
    assert cache._directory.__wrapped__("") == tmp_path / f"kernels-{cache.sources_key()}"


def test_info_says_where_kernels_are_and_whether_they_are_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(cache, "kernel_directory", lambda: tmp_path)
    assert info.installation()["kernel cache"] == str(tmp_path)
    monkeypatch.setattr(cache, "kept", lambda: False)
    hint = "is compiled in every run; set MINICNN_CACHE to a folder that can be written"
    read = f"{tmp_path}, which can only be read: what it lacks {hint}"
    assert info.installation()["kernel cache"] == read
    monkeypatch.setattr(cache, "kernel_directory", lambda: None)
    assert info.installation()["kernel cache"] == f"none: every kernel {hint}"


def test_the_words_for_those_who_wait_tell_whether_kernels_are_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(cache, "kernel_directory", lambda: tmp_path)
    assert (
        cache.words() == "compiling kernels; later runs load them from the cache, and minicnn warmup compiles them beforehand"
    )
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    lacking = "compiling kernels, anew in every run, as no cache can be written; set MINICNN_CACHE to a folder that can"
    assert cache.words() == lacking
    monkeypatch.setattr(cache, "kernel_directory", lambda: None)
    assert cache.words() == lacking
