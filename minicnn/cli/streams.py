"""Standard output and error as a program needs them: they exist, take every character, and end without a complaint."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

PLAIN = {"×": "x", "✗": "x", "·": "*", "−": "-", "–": "-", "±": "+-", "…": "...", "→": ">", "°": "'", "²": "2", "³": "3"}
PLAIN |= {"µ": "u", "μ": "mu", "α": "alpha", "β": "beta", "σ": "sigma", "ᵀ": "'", "⟨": "<", "⟩": ">"}
"""What stands for a character where the encoding lacks it. Some are wider: see ``shown``."""


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)  # it is given to streams that are written to
    lacking = error.object[error.start : error.end]
    return "".join(PLAIN.get(c, c.encode("ascii", "backslashreplace").decode()) for c in lacking), error.end


ERRORS = "minicnn.plain"
codecs.register_error(ERRORS, _stand_in)


@contextmanager
def usable_streams() -> Iterator[None]:
    """While it is entered, both streams exist and take every character; afterwards they are as they were.

    What goes to a closed stream is lost in silence. The numbers of closed streams are taken, so that no file of the program
    gets one and is written to by whatever takes it for a stream.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest number that is free
    before: dict[str, tuple[Any, str | None]] = {}
    try:
        for name in ("stdout", "stderr"):
            stream: Any = getattr(sys, name)
            before[name] = stream, getattr(stream, "errors", None)
            if stream is None:
                setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 – closed below
            elif hasattr(stream, "reconfigure"):
                stream.reconfigure(errors=ERRORS)
        yield
    finally:
        for name, (stream, errors) in before.items():
            if stream is None:
                getattr(sys, name).close()
                setattr(sys, name, None)
            elif hasattr(stream, "reconfigure"):
                with suppress(OSError, ValueError):
                    stream.reconfigure(errors=errors)


def shown(text: str) -> str:
    """A text as standard output is going to show it: what a column is aligned by."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, ERRORS).decode(encoding)


def flushed(stream: Any) -> OSError | None:
    """Write what waits in a stream; the error where that fails, after which the stream leads nowhere.

    Otherwise Python would try again at its end, and complain.
    """
    try:
        stream.flush()
    except OSError as error:
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
            stream.flush()
        return error
    except ValueError:  # it was closed by the program itself
        pass
    return None
