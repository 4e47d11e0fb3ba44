"""What a backend says about its compiling."""

from __future__ import annotations

from collections.abc import Callable


class CompileLog:
    """What was compiled in this process: for the start-up budget, and for telling the user why it takes a while.

    Attributes:
        compiled: names of the kernels that no cache held.
        bound: how many specialisations were compiled or loaded.
        seconds: how long that took.
        announce: called once, before the next compilation; None where nobody wants to know.
    """

    def __init__(self) -> None:
        self.compiled: list[str] = []
        self.bound = 0
        self.seconds = 0.0
        self.announce: Callable[[], None] | None = None

    def missed(self, name: str) -> Callable[[], None]:
        """What to do when no cache holds the kernel ``name``."""

        def note() -> None:
            announce, self.announce = self.announce, None
            if announce is not None:
                announce()
            self.compiled.append(name)

        return note
