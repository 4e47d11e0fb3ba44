"""What is asked of every input: a refusal is one sentence, and none takes much time or memory."""

import time
import tracemalloc
from contextlib import contextmanager

LONGEST = 1200
"""Characters of a refusal."""


def refused(error):
    """Check that an error is a refusal as it is promised, one printable line, and return False."""
    said = str(error)
    assert said.isprintable(), f"expected one printable line, got {said!r}"
    assert len(said) <= LONGEST, f"expected at most {LONGEST} characters, got {len(said)}"
    assert "expected " in said, f"expected words of what was expected, got {said!r}"
    assert "; " in said, f"expected words of what to do, got {said!r}"
    return False


class Bounds:
    """Counts inputs, and checks time of the processor, and memory where ``tracemalloc`` is on."""

    def __init__(self, target):
        self._target = target
        self.accepted = self.refused = self.bytes = 0
        self.seconds = 0.0

    def check(self, data):
        """Try an input."""
        traced = tracemalloc.is_tracing()
        if traced:
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
        started = time.thread_time()
        accepted = self._target.check(data)
        seconds = time.thread_time() - started
        if traced:
            taken = tracemalloc.get_traced_memory()[1] - before
            self.bytes = max(self.bytes, taken)
            assert taken <= self._target.MOST_BYTES, f"expected at most {self._target.MOST_BYTES:,} bytes, got {taken:,}"
        self.seconds = max(self.seconds, seconds)
        assert seconds <= self._target.SECONDS, f"expected at most {self._target.SECONDS} s, got {seconds:.1f}"
        self.accepted += accepted
        self.refused += not accepted


@contextmanager
def traced():
    """A block in which memory is traced."""
    tracemalloc.start(1)
    try:
        yield
    finally:
        tracemalloc.stop()
