"""``minicnn serve``: a model as a service over HTTP."""

from __future__ import annotations

import argparse
import os
import socket
from typing import TYPE_CHECKING

from ..errors import OptionError, need
from .command import Commands, add_command, add_model, add_threads, count
from .model import classifier, fit_of
from .streams import say

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from uvicorn import Config

EXAMPLE = """  minicnn serve model.safetensors --port 8000
  curl -s --data-binary @photo.jpg -H "Content-Type: image/jpeg" http://127.0.0.1:8000/predict"""
GRACE = 20
"""Seconds that requests in hand get to end after Ctrl-C or SIGTERM."""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(commands, "serve", "answer requests over HTTP: POST /predict, GET /health, GET /metrics", EXAMPLE)
    add_model(parser)
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="address to listen on; 0.0.0.0 for every one (default 127.0.0.1)"
    )
    parser.add_argument("--port", type=port, default=8000, metavar="N", help="port; 0 for any free one (default 8000)")
    parser.add_argument("--batch", type=count, default=64, metavar="N", help="so many waiting requests go together; 1 for none")
    parser.add_argument("--queue", type=count, default=256, metavar="N", help="more requests than this get a 503 (default 256)")
    parser.add_argument("--megabytes", type=count, default=16, metavar="N", help="of a request at most (default 16)")
    add_threads(parser)
    parser.set_defaults(run=serve)


def port(text: str) -> int:
    """The number of a port.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    if not text.isdecimal() or int(text[:9]) > 65535:
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, got {text!r}")
    return int(text)


def serve(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM."""
    need("uvicorn", "httptools", "starlette", "prometheus_client", "PIL")
    from uvicorn import Server

    from ..serve import Limits, service

    model = classifier(options.model, options.threads)
    limits = Limits(options.batch, options.queue, options.megabytes << 20)
    app = service(model, fit_of(options.model), limits)
    listening = _listening(options.host, options.port)
    address, number = listening.getsockname()[:2]
    shown = f"[{address}]" if ":" in address else address
    say(f"serving {options.model} at http://{shown}:{number}/predict; stop with Ctrl-C")
    Server(configured(app, options.queue)).run([listening])
    return 0


def configured(app: Starlette, queue: int) -> Config:
    """The server's options.

    Args:
        app: the service.
        queue: how many requests may be in hand; four times as many connections, and a few, get an answer.
    """
    from uvicorn import Config

    from ..serve.guard import guarded

    return Config(
        app,
        http=guarded(),
        log_level="error",
        access_log=False,
        proxy_headers=False,
        limit_concurrency=4 * queue + 64,
        timeout_graceful_shutdown=GRACE,
        server_header=False,
    )


def _listening(host: str, number: int) -> socket.socket:
    """A socket that listens."""
    try:
        place = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(place[4][:2], family=place[0], backlog=1024)
    except (OSError, UnicodeError) as fault:
        number_of = None if isinstance(fault, UnicodeError | socket.gaierror) else fault.errno
        words = os.strerror(number_of).lower() if number_of else "no such address"
        what = f"expected an address of this machine and a free port, got {words} for {host} port {number}"
        raise OptionError("--host, --port", what, "choose others; --port 0 takes any free one") from None
