"""The frame of every command-line program: errors become one sentence and an exit code.

Exit codes: 0 for success; 2 for an error in the request, the machine or a file, as in argparse; 1 for a fault of the program
itself; 128 + n after signal n: 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP, 141 if the reader of the output has
closed it.
"""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
import textwrap
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import ParamSpec

from ..backends.signals import ASKING, FINAL, PIPE
from ..errors import MinicnnError, lacking, reason
from ..train.interrupt import end, handled, none_lost
from .streams import flushed, say, usable_streams

TRACEBACK = "MINICNN_TRACEBACK"
"""If this environment variable is set, errors are printed with their traceback."""

OPTIONAL = (
    *("safetensors", "matplotlib", "tqdm", "PIL", "torch", "jax", "onnx", "onnxruntime", "starlette", "uvicorn"),
    *("prometheus_client", "sklearn", "h5py", "httptools", "uvloop", "tensorboardX", "mpi4py"),
)
"""Packages that may be missing."""

REQUEST, FAULT = 2, 1
UNWRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
"""Error numbers of a stream that cannot be written. Errors of files carry a file name instead."""

Given = ParamSpec("Given")


def program(who: str = "error", stopped: str = "") -> Callable[[Callable[Given, int]], Callable[Given, int]]:
    """Decorate the main function of a program: an error becomes one sentence on standard error and an exit code.

    Args:
        who: the prefix of the sentence.
        stopped: printed after Ctrl-C or another signal that ends the program, for example how to resume.

    >>> @program("example")
    ... def main() -> int:
    ...     return 0
    >>> main()
    0
    """

    def made(main: Callable[Given, int]) -> Callable[Given, int]:
        @wraps(main)
        def run(*given: Given.args, **named: Given.kwargs) -> int:
            with usable_streams(), none_lost(), handled(_terminating(), end):
                return _run(lambda: main(*given, **named), who, stopped)

        return run

    return made


def _terminating() -> list[int]:
    """The signals whose handling is the default: they would end the process at once. Handlers of a caller are left alone."""
    return [number for number in FINAL if signal.getsignal(number) is signal.SIG_DFL]


def _run(main: Callable[[], int], who: str, stopped: str) -> int:
    exits: SystemExit | None = None
    words = ""
    try:
        code = main()
    except SystemExit as error:  # argparse has already printed its message
        exits, code = error, 0
    except KeyboardInterrupt as error:
        words, code = _of_a_signal(error, who, stopped)
    except BrokenPipeError:
        code = 128 + PIPE
    except Exception as error:
        words, code = sentence(error)
        words = f"{who}: {words}"
        if os.environ.get(TRACEBACK):
            words = f"{''.join(traceback.format_exception(error))}{words}"
    with handled(ASKING, lambda number, frame: None):  # the program is ending: ignore further signals
        lost = flushed(sys.stdout)
        if lost is not None and code == 0:
            words, code, exits = f"{who}: {_unwritten(lost)}", REQUEST, None
            if isinstance(lost, BrokenPipeError):
                words, code = "", 128 + PIPE
        if words:
            with suppress(OSError, ValueError):
                for line in words.split("\n"):
                    say(line, sys.stderr)
        flushed(sys.stderr)
    if exits is not None:
        raise exits
    return code


def _of_a_signal(error: KeyboardInterrupt, who: str, stopped: str) -> tuple[str, int]:
    number = getattr(error, "number", signal.SIGINT)
    words = "stopped" if number == signal.SIGINT else f"stopped by {signal.Signals(number).name}"
    words = words if who == "error" else f"{who}: {words}"
    return f"{words}; {stopped}" if stopped else words, 128 + number


def sentence(error: Exception) -> tuple[str, int]:
    """Describe an error in one sentence, with the exit code.

    >>> sentence(FileNotFoundError(2, "No such file or directory", "a.png"))
    ('a.png: expected a file or folder that can be used, got no such file or directory; check it and its permissions', 2)
    """
    words = _expected(error)
    if words is not None:
        return words, REQUEST
    words = f"unexpected {type(error).__name__}" + (f" ({_short(error)})" if str(error) else "")
    return f"{words}: this is a fault of the program; set {TRACEBACK}=1 to see where it is, and report it", FAULT


def _expected(error: Exception) -> str | None:
    """The sentence for an error of the request, the machine or a file; None for any other error."""
    words = None
    match error:
        case MinicnnError():
            words = str(error)
        case MemoryError():
            detail = f" ({_short(error)})" if str(error) else ""
            words = f"memory: expected enough for this, got too little{detail}; take fewer images or smaller batches"
        case ImportError() if (name := (error.name or "").partition(".")[0]) in OPTIONAL:
            words = str(lacking("program", name, error))
        case RuntimeError() if "can't start new thread" in str(error):
            hint = "give --threads 1, or allow more processes (ulimit -u)"
            words = f"threads: expected to start one more, got a refusal of the system; {hint}"
        case OSError() if error.filename is not None:
            what = f"expected a file or folder that can be used, got {reason(error)}"
            words = f"{error.filename}: {what}; check it and its permissions"
        case OSError() if error.errno in UNWRITTEN:
            words = _unwritten(error)
        case OSError():
            what = f"expected the system to do its part, got {reason(error)}"
            words = f"system: {what}; check free space, memory and limits"
        case UnicodeEncodeError():
            what = f"expected text that {error.encoding} can hold, got {error.object[error.start : error.end]!a}"
            words = f"text: {what}; set PYTHONUTF8=1, or choose another name"
    return words


def _short(error: Exception) -> str:
    return textwrap.shorten(str(error), 160)


def _unwritten(lost: OSError) -> str:
    return f"standard output: expected to write to it, got {reason(lost)}; send it to where there is room"


def path(text: str) -> Path:
    """Convert a command-line argument to a path. ``~`` is expanded, because a shell does not expand it in ``--out=~/runs``.

    Raises:
        argparse.ArgumentTypeError: the text is not a path.

    >>> path("runs/classic").parts
    ('runs', 'classic')
    """
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError(f"expected a path, got {text!r}")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise argparse.ArgumentTypeError(f"expected a home folder for {text!r}, got none") from None
