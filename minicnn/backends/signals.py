"""The signals that ask a program to end, of those that this system has: Windows has no SIGHUP and no SIGPIPE."""

from __future__ import annotations

import signal

FINAL = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Signals sent by the system, a supervisor or a closing terminal."""

ASKING = (signal.SIGINT, *FINAL)
"""These, and that of Ctrl-C."""

PIPE = int(getattr(signal, "SIGPIPE", 13))
"""The signal of an output whose reader has closed it; POSIX's number where there is none."""
