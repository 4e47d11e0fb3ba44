"""``minicnn draw``: the page where one draws digits, in the browser."""

from __future__ import annotations

import argparse
import threading
import webbrowser

from ..errors import need
from .command import Commands, add_command, add_threads
from .serve import add_optional_model, drawing, port, run, say_page

EXAMPLE = """  minicnn draw
  minicnn draw model.safetensors"""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(commands, "draw", "open a page where one draws a digit and sees every layer of a network", EXAMPLE)
    add_optional_model(parser)
    parser.add_argument("--port", type=port, default=0, metavar="N", help="port; any free one unless given")
    add_threads(parser)
    parser.set_defaults(run=draw)


def draw(options: argparse.Namespace) -> int:
    """Serve the page on this machine and open it, until Ctrl-C or SIGTERM."""
    need("uvicorn", "httptools", "starlette", "prometheus_client", "PIL")
    from ..serve import Limits

    host, limits = "127.0.0.1", Limits()
    return run(drawing(options.model, options.threads, host, limits), host, options.port, limits.queue, _open)


def _open(address: str) -> None:
    """Say where the page is, and open it in a window of its own where there is one."""
    say_page(address)
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return
    if type(browser) is webbrowser.GenericBrowser:  # it would run in this terminal
        return
    threading.Thread(target=browser.open, args=(address,), daemon=True).start()
