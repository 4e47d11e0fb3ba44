"""Compiling says so after two seconds: once, on stderr, and it never stops a run."""

import io
import sys
import time

import pytest

from minicnn.backends import log
from minicnn.backends.cpu.compile.mode import INTERPRET
from minicnn.backends.log import CompileLog


class Clock:
    """A timer that only notes how long it should wait, beside a clock that is set by hand."""

    waits: list

    def __init__(self, interval, function):
        self.waits.append(interval)
        self.cancelled = False

    def start(self):
        pass

    def cancel(self):
        self.cancelled = True


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    Clock.waits = []
    monkeypatch.setattr(log, "Timer", Clock)
    monkeypatch.setattr(log.time, "perf_counter", lambda: now[0])
    return now


def test_the_two_seconds_are_of_compiling_altogether(clock):
    notes = CompileLog(lambda: "words")
    for seconds in (1.5, 0.75, 1.0):
        with notes.binding("kernel") as binding:
            clock[0] += 10  # looking for it, and loading others
            binding.missed()
            clock[0] += seconds
    assert Clock.waits == [2.0, 0.5, 0.0]
    assert notes.compiled == 3 * ["kernel"]
    assert (notes.bound, notes.seconds) == (3, 33.25)


def test_loading_is_not_compiling(clock):
    notes = CompileLog(lambda: "words")
    with notes.binding("kernel"):
        clock[0] += 10
    assert Clock.waits == []
    assert (notes.bound, notes.compiled) == (1, [])


def test_a_kernel_that_cannot_be_compiled_is_not_counted(clock):
    notes = CompileLog(lambda: "words")
    binding = notes.binding("kernel")
    binding.missed()
    binding.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
    assert notes.bound == 0


def wait_until_reported(notes):
    end = time.monotonic() + 30
    while not notes.reported and time.monotonic() < end:
        time.sleep(0.001)


def test_the_line_is_said_once_while_a_kernel_is_compiled(monkeypatch, capsys):
    monkeypatch.setattr(log, "PATIENCE", 0.0)
    notes = CompileLog(lambda: "compiling for the café")
    for _ in range(2):
        with notes.binding("kernel") as binding:
            binding.missed()
            wait_until_reported(notes)
    assert capsys.readouterr().err == "minicnn: compiling for the caf\\xe9\n"


def test_who_was_told_otherwise_is_not_told_again(clock):
    notes, said = CompileLog(lambda: "words"), []
    notes.on_compile = lambda: said.append("announced")
    for _ in range(2):
        with notes.binding("kernel") as binding:
            binding.missed()
    assert said == ["announced"]
    assert Clock.waits == []


def test_what_is_quick_says_nothing(capsys):
    notes = CompileLog(lambda: "words")
    with notes.binding("kernel") as binding:
        binding.missed()
    assert not notes.reported
    assert capsys.readouterr().err == ""


class Gone(io.StringIO):
    def write(self, text):
        raise BrokenPipeError(32, "Broken pipe")


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [lambda: None, closed, Gone], ids=["none", "closed", "reader gone"])
def test_a_stderr_that_takes_nothing_stops_nobody(monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", stream())
    notes = CompileLog(lambda: "words")
    notes.report()
    assert notes.reported


def test_where_no_thread_can_be_had_nothing_is_said(monkeypatch):
    class Refused(Clock):
        def start(self):
            raise RuntimeError("can't start new thread")

    Clock.waits = []
    monkeypatch.setattr(log, "Timer", Refused)
    notes = CompileLog(lambda: "words")
    with notes.binding("kernel") as binding:
        binding.missed()
    assert (notes.bound, notes.reported) == (1, False)


@pytest.mark.skipif(INTERPRET, reason="nothing is compiled")
def test_a_script_that_predicts_says_that_it_compiles(python):
    code = """
import io, sys
import numpy as np
from minicnn import Dense, Network
from minicnn.backends import log
log.PATIENCE, sys.stderr = 0.0, io.StringIO()
Network([Dense(2)], (3,), threads=1).predict(np.zeros((1, 3), np.float32))
print(sys.stderr.getvalue(), end="")
"""
    assert (
        python(code)
        == "minicnn: compiling kernels; later runs load them from the cache, and minicnn warmup compiles them beforehand\n"
    )
    assert python(code) == ""
    assert python(code, MINICNN_CACHE="/dev/null/x").startswith("minicnn: compiling kernels, anew in every run, as no cache")
