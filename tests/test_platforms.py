"""Other platforms, by substitution: what a system lacks is taken away, and the rest still does its work.

No Windows and no macOS ran these tests. They show that what differs there is in few places, and that those do without it.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import minicnn
from minicnn.backends import processors
from minicnn.data import system
from minicnn.errors import BackendError

ROOT = Path(minicnn.__file__).parent

PLACES = {
    "fcntl": {"data.system"},
    "msvcrt": {"data.system"},
    "posix_fallocate": {"data.system"},
    "O_NONBLOCK": {"data.system"},
    "kill": {
        "data.system",
        "train.interrupt",
        "backends.cpu.compile.ahead",
    },  # the latter sends the process a signal that it lost
    "sched_getaffinity": {"backends.processors", "train.distributed.mpi"},
    "register_at_fork": {"backends.fork"},
    "fork": {"backends.cpu.compile.ahead"},  # which asks first whether there is one
    "SIGTERM": {"backends.signals", "train.distributed.mpi"},
    "SIGHUP": {"backends.signals"},
    "SIGPIPE": {"backends.signals"},
    "replace": {"data.outfile", "data.folder"},  # of os: the latter gives a mapped file its name
    "sysconf": {"engine.required_memory"},
    "getloadavg": {"cli.doctor"},
    "geteuid": set(),
    "getuid": set(),
    "SIGKILL": {"backends.cpu.compile.ahead"},
    "setsid": set(),
    "symlink": set(),
    "mkfifo": set(),
}
"""What not every system has, or each has in its own way, and the files that name it."""


def named(tree):
    """What a file takes from modules of the system, by attribute or as text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("os", "signal"):
            yield node.attr
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Constant) and node.value in PLACES.keys() - {"replace", "kill"}:  # as text, they are words
            yield node.value


def test_what_systems_do_in_their_own_way_is_in_one_file_each():
    found = {name: set() for name in PLACES}
    for path in ROOT.rglob("*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for name in set(named(ast.parse(path.read_text()))) & PLACES.keys():
            found[name].add(module)
    assert {name: places for name, places in found.items() if not places <= PLACES[name]} == {}
    assert found["SIGHUP"] == {"backends.signals"}, "expected the search to find what is there"


LACKING = """
import asyncio, builtins, os, random, signal, subprocess, sys, tempfile, threading, types
import numpy, safetensors.numpy
{numba}
for module, names in {taken!r}.items():
    for name in names:
        if hasattr(sys.modules[module], name):
            delattr(sys.modules[module], name)
for name in {modules!r}:
    sys.modules[name] = None
plain = builtins.open
def opened(path, *given, **named):
    if str(path).startswith(("/proc", "/sys")):
        raise FileNotFoundError(2, "No such file or directory", str(path))
    return plain(path, *given, **named)
builtins.open = __import__("io").open = opened
sys.platform = {platform!r}
"""
WINDOWS = {
    "os": (
        *("fork", "register_at_fork", "sched_getaffinity", "sched_setaffinity", "sysconf", "getloadavg", "posix_fallocate"),
        *("O_NONBLOCK", "O_CLOEXEC", "killpg", "getuid", "geteuid", "mkfifo", "setsid", "WNOHANG"),
    ),
    "signal": ("SIGHUP", "SIGPIPE", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGALRM", "setitimer", "pthread_sigmask"),
}
MACOS = {"os": ("sched_getaffinity", "sched_setaffinity", "posix_fallocate")}

LOCKING = """
locked = {}
def locking(descriptor, how, count):
    place = os.fstat(descriptor).st_ino, os.lseek(descriptor, 0, os.SEEK_CUR)
    holder = locked.get(place)
    if holder is not None and holder != descriptor and open_still(holder, place[0]):
        raise PermissionError(13, "Permission denied")
    locked[place] = descriptor
def open_still(descriptor, inode):
    try:
        return os.fstat(descriptor).st_ino == inode
    except OSError:
        return False
sys.modules["msvcrt"] = types.SimpleNamespace(locking=locking, LK_NBLCK=2)
def kill(pid, number):
    raise SystemExit("expected no signal, which would end the process")
os.kill = kill
rename, unlink = os.replace, os.unlink
def closed(path):
    for number in range(3, 64):
        try:
            if os.path.samestat(os.fstat(number), os.stat(path)):
                raise PermissionError(13, "The process cannot access the file because another process has it open", str(path))
        except (FileNotFoundError, PermissionError) as error:
            if error.errno == 13:
                raise
        except OSError:
            pass
def replace(part, path):
    closed(part)
    closed(path)
    rename(part, path)
os.replace = replace
def remove(path, **more):
    closed(path)
    unlink(path, **more)
os.unlink = os.remove = remove
"""

WORK = """
from pathlib import Path
import minicnn as m
from minicnn.backends.processors import usable_cpus
from minicnn.data.idx import read_idx, write_idx
from minicnn.data.outfile import sweep
from minicnn.train.folder_lock import FolderLock
from minicnn.train import Dataset, Trainer, TrainingOptions

assert usable_cpus() >= 1
rng = numpy.random.default_rng(0)
x, labels = rng.standard_normal((64, 1, 8, 8)).astype("float32"), numpy.arange(64) % 3
def net():
    return m.Network([m.Conv2d(2, 3), m.ReLU(), m.Flatten(), m.Dense(3)], (1, 8, 8), threads=2, backend={backend!r})
folder = Path("run")
with FolderLock(folder), FolderLock(folder):  # the lock is reentrant
    pass
def trained(epochs, resume):
    options = TrainingOptions(epochs, batch_size=16, folder=folder)
    data = Dataset(x, labels)
    trainer = Trainer(net(), m.CrossEntropy(), m.SGD(0.05), options, data, data, log=None)
    assert [row.epoch for row in trainer.fit(resume=resume)] == list(range(1, epochs + 1))
    return trainer
trained(2, resume=False)
again = trained(3, resume=True)
m.save("model.safetensors", again.net)
m.save("model.safetensors", again.net)
found = m.load("model.safetensors", backend={backend!r})
assert found.predict(x).tobytes() == again.net.predict(x).tobytes()
write_idx("numbers", numpy.arange(5, dtype="uint8"))
write_idx("numbers", numpy.arange(6, dtype="uint8"))
assert read_idx("numbers").tolist() == list(range(6))
Path(f".{{16 * '0'}}.part").write_bytes(b"left behind")
sweep(Path())
assert not list(Path().glob("*.part")) + list(Path().glob(".*.part")), list(Path().iterdir())
print("done")
"""


def lacking(platform, backend):
    """The beginning of a program on a system that lacks what another one has."""
    taken, modules = (WINDOWS, ["fcntl", "resource", "termios", "pwd", "grp"]) if platform == "win32" else (MACOS, [])
    numba = "import numba, llvmlite.binding" if backend == "cpu" else ""
    start = LACKING.format(taken=taken, modules=modules, platform=platform, numba=numba)
    return start + (LOCKING if platform == "win32" else "")


@pytest.mark.parametrize("platform", ["win32", "darwin"])
@pytest.mark.parametrize("backend", ["numpy", "cpu"])
def test_training_and_files_do_without_what_a_system_lacks(python, platform, backend):
    code = lacking(platform, backend) + WORK.format(backend=backend)
    assert python(code, MINICNN_CACHE=python.kept).splitlines()[-1] == "done"


def test_a_folder_that_is_locked_on_windows_is_refused_to_others(python):
    code = """
from minicnn.data.system import claim, may_run
with open("file", "wb") as one, open("file", "r+b") as other:
    one.write(b"x")
    print(claim(one.fileno()), claim(other.fileno()), one.tell(), may_run(2**22 + 1))
"""
    assert python(lacking("win32", "numpy") + code).split() == ["True", "False", "1", "True"]


@pytest.mark.parametrize(("name", "shown"), [("riscv64", "riscv64"), ("s390x", "s390x"), ("", "one without a name")])
def test_a_processor_without_kernels_is_refused_in_words(monkeypatch, name, shown):
    monkeypatch.setattr(processors.platform, "machine", lambda: name)
    with pytest.raises(BackendError) as caught:
        minicnn.Network([minicnn.Dense(2)], (3,), threads=1)
    assert str(caught.value) == (f'backend cpu: expected an x86-64 or AArch64 processor, got {shown}; give backend="numpy"')
    assert minicnn.Network([minicnn.Dense(2)], (3,), threads=1, backend="numpy").predict([[1.0, 2.0, 3.0]]).shape == (1, 2)


def test_python_in_32_bits_is_refused_in_words(monkeypatch):
    monkeypatch.setattr(processors.sys, "maxsize", 2**31 - 1)
    monkeypatch.setattr(processors.platform, "machine", lambda: "AMD64")
    with pytest.raises(BackendError, match="got AMD64 and Python in 32 bits; "):
        processors.check_processor()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            "sys.version_info = (3, 10, 13); sys.version = '3.10.13 (main)'",
            "minicnn: expected Python 3.11 or newer, got 3.10.13; make an environment with python3.11 -m venv .venv",
        ),
        (
            "sys.byteorder = 'big'",
            "minicnn: expected a little-endian processor, got a big-endian one; use an x86-64 or AArch64 machine",
        ),
    ],
    ids=["Python 3.10", "big-endian"],
)
def test_what_cannot_run_minicnn_is_said_at_once(python, change, words):
    code = "try:\n    import minicnn\nexcept ImportError as error:\n    print(error, 'numpy' in sys.modules)"
    assert python(f"import sys; {change}\n{code}") == f"{words} False\n"


def test_a_process_that_ended_does_not_run():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    assert system.may_run(ended.pid)
    ended.wait()
    assert not system.may_run(ended.pid)
