"""Work in forked processes that begin with everything imported but the package, in a copy of the repository."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path

PRELOADED = (
    *("numpy", "pytest", "hypothesis", "coverage", "numba", "numba.np.arraymath", "numba.core.typing.builtins", "torch"),
    *("safetensors.numpy", "PIL.Image", "matplotlib.figure", "onnx", "sklearn.base", "tqdm"),
)
"""What tests import and mutants leave alone: importing takes longer than most tests."""


def copied(top: Path, tree: Path) -> list[str]:
    """Bring a copy of what git knows in the repository up to date; the files that were new."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=top, check=True, capture_output=True, text=True).stdout
    new = []
    for name in filter(None, listed.split("\0")):
        if not (tree / name).exists() or (tree / name).read_bytes() != (top / name).read_bytes():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(top / name, tree / name)
            new.append(name)
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(tree / "minicnn")], check=True)
    return new


def preload(tree: Path) -> None:
    """Import what children share, and let them find the package in the copy."""
    for name in PRELOADED:
        try:
            import_module(name)
        except ImportError:
            print(f"without {name}")
    os.chdir(tree)
    sys.path[:] = [str(tree), *(path for path in sys.path if Path(path or ".").resolve() != tree)]
    os.environ["PYTHONPATH"] = str(tree)
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.dont_write_bytecode = True
    assert "minicnn" not in sys.modules


def forked(work: Callable[[], int], log: Path, seconds: float) -> tuple[str, float]:
    """Do something in a child: how it ended (a code, ``signal 11``, ``time``), and after how long.

    Args:
        work: returns the code.
        log: the file for what it prints.
        seconds: how long it may take; then it is killed, with all processes that it started. What both spend stopped, for the
            sake of a measurement beside them, is not counted.
    """
    started = turn = time.monotonic()
    stopped = 0.0
    child = os.fork()
    if child == 0:
        _work(work, log)

    def took() -> float:
        return time.monotonic() - started - stopped

    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        stopped += max(0.0, time.monotonic() - turn - 5)
        turn = time.monotonic()
        if took() > seconds:
            status = None
            break
        time.sleep(0.02)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # a child that is gone may have left others
    if status is None:
        os.waitpid(child, 0)
        return "time", took()
    code = os.waitstatus_to_exitcode(status)
    return str(code) if code >= 0 else f"signal {-code}", took()


def _work(work: Callable[[], int], log: Path) -> None:
    code = 70
    try:
        os.setsid()
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        code = work()
        sys.stdout.flush()
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)
