"""Make standard output and error usable: open, able to encode every character, and flushed without a traceback."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

PLAIN = {"×": "x", "✗": "x", "·": "*", "−": "-", "–": "-", "±": "+-", "…": "...", "→": ">", "°": "'", "²": "2", "³": "3"}
PLAIN |= {"µ": "u", "μ": "mu", "α": "alpha", "β": "beta", "σ": "sigma", "ᵀ": "'", "⟨": "<", "⟩": ">"}
"""Replacements for characters that the encoding lacks. Some are longer than one character: see ``shown``."""


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)  # registered for writing only
    lacking = error.object[error.start : error.end]
    return "".join(PLAIN.get(c, c.encode("ascii", "backslashreplace").decode()) for c in lacking), error.end


ERRORS = "minicnn.plain"
codecs.register_error(ERRORS, _stand_in)


@contextmanager
def usable_streams() -> Iterator[None]:
    """A context in which both streams are open and accept every character; on exit they are restored.

    Output to a closed stream is discarded. The file descriptors 0 to 2 are filled, so that a file that the program opens is
    never mistaken for a standard stream.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free descriptor
    before: dict[str, tuple[TextIO | None, str | None]] = {}
    try:
        for name in ("stdout", "stderr"):
            stream: TextIO | None = getattr(sys, name)
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


def plain(text: str) -> str:
    r"""A line with control characters escaped, which a name may have and a terminal may obey.

    >>> print(plain("red\x1b[2J\nblue"))
    red\x1b[2J\nblue
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def say(line: str, to: TextIO | None = None) -> None:
    """Print a line of a command, ``plain``, as names of files, classes and layers come from others.

    Args:
        line: it.
        to: a stream; standard output for None.
    """
    print(plain(line), file=to, flush=True)


def shown(text: str) -> str:
    """The text as standard output will show it, for aligning columns."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, ERRORS).decode(encoding)


def flushed(stream: TextIO) -> OSError | None:
    """Flush a stream and return the error if that fails. A failed stream is redirected to the null device.

    Otherwise Python would flush again at exit and print a traceback.
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
    except ValueError:  # the program has closed the stream itself
        pass
    return None
