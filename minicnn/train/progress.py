"""Progress of training: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Protocol

Log = Callable[[str], None]


def say(line: str) -> None:
    """Print a line without breaking a progress bar; does nothing without a standard output."""
    if sys.stdout is None:
        return
    try:
        from tqdm import tqdm
    except ImportError:
        print(line, flush=True)
    else:
        tqdm.write(line, file=sys.stdout)
        sys.stdout.flush()


class _Bar(Protocol):
    """A bar of tqdm."""

    def set_postfix_str(self, text: str, refresh: bool) -> None: ...

    def update(self, images: int) -> None: ...

    def close(self) -> None: ...


class Bar:
    """A progress bar over the images of an epoch; invisible if the output is not a terminal or tqdm is missing.

    Args:
        title: the text before the bar.
        images: the number of images in the epoch.
        done: how many of them were done in an earlier run.
    """

    def __init__(self, title: str, images: int, done: int = 0) -> None:
        self._bar: _Bar | None = None
        if sys.stderr is None or not sys.stderr.isatty():
            return
        try:
            from tqdm import tqdm
        except ImportError:
            return
        self._bar = tqdm(total=images, initial=done, desc=title, unit=" images", leave=False, mininterval=0.2)

    def advance(self, images: int, loss: float) -> None:
        """Count this many images as done; ``loss`` is that of the last batch."""
        if self._bar is not None:
            self._bar.set_postfix_str(f"loss {loss:.4f}", refresh=False)
            self._bar.update(images)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
