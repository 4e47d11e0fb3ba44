"""Progress of training: a bar on a terminal and in a notebook, plain lines elsewhere."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, TextIO

Log = Callable[[str], None]


def say(line: str) -> None:
    """Print a line without breaking a progress bar; does nothing without a standard output."""
    if sys.stdout is None:
        return
    try:
        bars = _bars()
    except ImportError:
        print(line, flush=True)
    else:
        bars.write(line, file=sys.stdout)
        sys.stdout.flush()


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook, which is no terminal and shows bars all the same."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


def _bars() -> _Bars:
    """The class of bars for this place: in a notebook a widget, or text where ipywidgets is not installed."""
    if not in_notebook():
        from tqdm import tqdm
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that there is no ipywidgets, or that it is an experiment
            from tqdm.auto import tqdm
    bars: _Bars = tqdm
    return bars


class _Bars(Protocol):
    """The class of tqdm's bars."""

    def __call__(self, **options: object) -> _Bar: ...

    def write(self, line: str, file: TextIO) -> None: ...


class _Bar(Protocol):
    """A bar of tqdm."""

    def set_postfix_str(self, text: str, refresh: bool) -> None: ...

    def update(self, images: int) -> None: ...

    def close(self) -> None: ...


class Bar:
    """A progress bar over the images of an epoch; invisible without a terminal or notebook, or without tqdm.

    Args:
        title: the text before the bar.
        images: the number of images in the epoch.
        done: how many of them were done in an earlier run.
    """

    def __init__(self, title: str, images: int, done: int = 0) -> None:
        self._bar: _Bar | None = None
        if sys.stderr is None or not (sys.stderr.isatty() or in_notebook()):
            return
        try:
            bars = _bars()
        except ImportError:
            return
        self._bar = bars(total=images, initial=done, desc=title, unit=" images", leave=False, mininterval=0.2)

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
