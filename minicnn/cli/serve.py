"""``minicnn serve``: a model as a service over HTTP, and the page where one draws digits."""

from __future__ import annotations

import argparse
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CheckpointError, OptionError, need
from .command import Commands, add_command, add_threads, count
from .console import path
from .model import classifier, fit_of
from .streams import say

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from uvicorn import Config

    from ..serve import Limits

EXAMPLE = """  minicnn serve model.safetensors --port 8000
  curl -s --data-binary @photo.jpg -H "Content-Type: image/jpeg" http://127.0.0.1:8000/predict
  minicnn serve --demo   # a page where one draws a digit and sees every layer"""
GRACE = 20
"""Seconds that requests in hand get to end after Ctrl-C or SIGTERM."""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(commands, "serve", "answer requests over HTTP: POST /predict, GET /health, GET /metrics", EXAMPLE)
    add_optional_model(parser)
    parser.add_argument("--demo", action="store_true", help="serve the page where one draws digits, too; needs no MODEL")
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="address to listen on; 0.0.0.0 for every one (default 127.0.0.1)"
    )
    parser.add_argument("--port", type=port, default=8000, metavar="N", help="port; 0 for any free one (default 8000)")
    parser.add_argument("--batch", type=count, default=64, metavar="N", help="so many waiting requests go together; 1 for none")
    parser.add_argument("--queue", type=count, default=256, metavar="N", help="more requests than this get a 503 (default 256)")
    parser.add_argument("--megabytes", type=count, default=16, metavar="N", help="of a request at most (default 16)")
    add_threads(parser)
    parser.set_defaults(run=serve)


def add_optional_model(parser: argparse.ArgumentParser) -> None:
    """A model file, which the page can do without."""
    parser.add_argument("model", nargs="?", type=path, metavar="MODEL", help="a model file, as train writes it")


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
    from ..serve import Limits, service

    limits = Limits(options.batch, options.queue, options.megabytes << 20)
    file: Path | None = options.model
    if options.demo:
        return run(drawing(file, options.threads, options.host, limits), options.host, options.port, options.queue, say_page)
    if file is None:
        raise OptionError("MODEL", "expected a model file, got none", "name one, or give --demo for the page alone")
    app = service(classifier(file, options.threads), fit_of(file), limits)
    return run(
        app,
        options.host,
        options.port,
        options.queue,
        lambda address: say(f"serving {file} at {address}predict; stop with Ctrl-C"),
    )


def say_page(address: str) -> None:
    """Say where the page is."""
    say(f"draw a digit at {address}; stop with Ctrl-C")


def drawing(file: Path | None, threads: int | None, host: str, limits: Limits) -> Starlette:
    """The page with the service of a model file; without a file that of the network that the package brings along.

    Raises:
        CheckpointError: the file is not that of a classifier of grey pictures.
    """
    from ..serve import service
    from ..serve.demo import packaged, page

    if file is None:
        return page(None, service(packaged(), "pad", limits), host)
    model = classifier(file, threads)
    try:
        return page((model, file.name), service(model, fit_of(file), limits), host)
    except CheckpointError as error:
        raise CheckpointError(str(file), error.what, error.hint) from None


def run(app: Starlette, host: str, port: int, queue: int, ready: Callable[[str], None]) -> int:
    """Serve an application until Ctrl-C or SIGTERM.

    Args:
        app: it.
        host: the address to listen on.
        port: the port; 0 for any free one.
        queue: so many requests may be in hand.
        ready: called with the address, once it can be asked.
    """
    from uvicorn import Server

    listening = _listening(host, port)
    address, number = listening.getsockname()[:2]
    shown = f"[{address}]" if ":" in address else address
    ready(f"http://{shown}:{number}/")
    Server(configured(app, queue)).run([listening])
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
