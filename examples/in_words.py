"""How an example ends where something is wrong with what it was given: in one sentence, rather than with a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps

from minicnn import MinicnnError


def in_words(main: Callable[[], int]) -> Callable[[], int]:
    """Let a program's main function print its error and give exit code 2, as argparse does for arguments it cannot read."""

    @wraps(main)
    def told() -> int:
        try:
            return main()
        except MinicnnError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2

    return told
