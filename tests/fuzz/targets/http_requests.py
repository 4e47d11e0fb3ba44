"""HTTP requests, byte by byte through the server's own protocol: every answer is whole, none says that the service failed."""

import asyncio
import atexit
import io
import json
import logging
import random
from functools import cache

import numpy as np
from damaged import damaged
from PIL import Image
from serve_models import trained
from uvicorn.server import ServerState

from fuzz.drawn import Drawn
from minicnn.cli.serve import configured
from minicnn.serve import Limits, service

INPUTS, QUICK = 100_000, 800
LONGEST, MOST_BYTES, SECONDS = 2048, 64 << 20, 10
READS = ("minicnn.serve", "minicnn.data")

STATUS = {200, 307, 400, 404, 405, 408, 411, 413, 415, 431, 499, 503}
KINDS = ("image/png", "application/x-npy", "application/json", "image/gif", "image/jpeg", "image/bmp", "text/plain", "")
RAW, REQUEST = range(2)
"""An input's first byte, modulo 2: its other bytes are what the server receives, or choose a request."""


class Transport(asyncio.Transport):
    """A connection in memory."""

    def __init__(self):
        super().__init__()
        self.written, self.closed = bytearray(), False

    def get_extra_info(self, name, default=None):
        return {"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)}.get(name, default)

    def write(self, data):
        self.written += data

    def close(self):
        self.closed = True

    abort = close

    def is_closing(self):
        return self.closed

    def pause_reading(self):
        pass

    resume_reading = pause_reading

    def set_write_buffer_limits(self, high=None, low=None):
        pass


class Server:
    """The service with its loop; one connection after another."""

    def __init__(self):
        self.loop, self.faults = asyncio.new_event_loop(), []
        self.loop.set_exception_handler(lambda loop, context: self.faults.append(context))
        app = service(trained(), limits=Limits(bytes=1 << 16, queue=8))
        self.config = configured(app, 8)
        self.config.load()
        logging.getLogger("uvicorn.error").addHandler(self)
        self.state = ServerState()
        life = app.router.lifespan_context(app)
        self.loop.run_until_complete(life.__aenter__())
        atexit.register(lambda: self.loop.run_until_complete(life.__aexit__(None, None, None)))

    level = logging.ERROR

    def handle(self, record):
        """A line of the server's log that tells of an error."""
        self.faults.append(record.getMessage())

    def answers(self, parts):
        """What a client gets that sends these parts and then hangs up."""
        self.faults.clear()
        return self.loop.run_until_complete(self._talk(parts))

    async def _talk(self, parts):
        protocol = self.config.http_protocol_class(config=self.config, server_state=self.state, app_state={}, _loop=self.loop)
        transport = Transport()
        protocol.connection_made(transport)
        for part in parts:
            if transport.closed:
                break
            protocol.data_received(part)
            await self._settled(protocol)
        protocol.connection_lost(None)
        while self.state.tasks:
            await asyncio.wait(self.state.tasks, timeout=5)
        return bytes(transport.written)

    async def _settled(self, protocol):
        """Wait until the service has answered, or waits for more."""
        for _ in range(3):
            await asyncio.sleep(0)
        while (
            (cycle := protocol.cycle) is not None and not cycle.response_complete and not cycle.more_body and self.state.tasks
        ):
            await asyncio.wait(self.state.tasks, timeout=5, return_when=asyncio.FIRST_COMPLETED)


@cache
def server():
    return Server()


@cache
def bodies():
    """Good bodies."""
    image = np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    found = []
    for kind in ("PNG", "GIF", "JPEG", "BMP"):
        file = io.BytesIO()
        Image.fromarray(image).save(file, kind)
        found.append(file.getvalue())
    file = io.BytesIO()
    np.save(file, image)
    return [*found, file.getvalue(), json.dumps({"image": image.tolist()}).encode(), b"", b"x"]


def head(method, path, *headers):
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode("latin-1")


def seeds():
    found = [head("GET", "/health"), head("GET", "/metrics"), head("POST", "/predict"), head("GET", "/predict"), b"\r\n\r\n"]
    npy = bodies()[4]
    kind = "content-type: application/x-npy"
    found += [head("POST", "/predict?top=1", kind, f"content-length: {len(npy)}") + npy]
    found += [head("POST", "/predict", kind, "transfer-encoding: chunked") + b"%x\r\n" % len(npy) + npy + b"\r\n0\r\n\r\n"]
    found += [
        head("POST", "/predict", kind, "content-length: 99999999"),
        head("POST", "/predict", "content-length: 5", "content-length: 6"),
    ]
    found += [head("GET", "/health") + head("GET", "/health"), b"GET / HTTP/1.0\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    asked = [bytes([REQUEST]) + bytes([0, n, 0, 0, 0, n, 0, k]) + bytes(range(24)) for n in range(8) for k in range(3)]
    return [*(bytes([RAW]) + each for each in found), *asked]


def request(drawn):
    """A request whose parts are chosen: perhaps a damaged body, perhaps a length that is none."""
    body = drawn.choice(bodies())
    kind = drawn.choice((*KINDS, KINDS[1], KINDS[2], "application/json; charset=utf-8", "IMAGE/PNG", "é"))
    if drawn.randrange(3):
        body = damaged(body, random.Random(drawn.randrange(65536))) if body else body
    method = drawn.choice(("POST", "POST", "POST", "POST", "GET", "PUT", "HEAD", "OPTIONS"))
    path = drawn.choice(
        ("/predict",) * 5 + ("/predict?top=2", "/predict?top=%00", "/health", "/metrics", "/predict/", "//", "/%2e%2e")
    )
    length = drawn.choice((str(len(body)),) * 5 + (str(len(body) + 1), "-1", "9" * 30, "", "0x5", "1, 2", None))
    headers = [f"content-type: {kind}"] + ([f"content-length: {length}"] if length is not None else [])
    if length is None:
        headers.append("transfer-encoding: chunked")
        body = b"%x\r\n" % len(body) + body + drawn.choice((b"\r\n0\r\n\r\n", b"\r\n0\r\nx: y\r\n\r\n", b"\r\n"))
    headers += drawn.choice(
        ((), ("connection: close",), ("expect: 100-continue",), ("upgrade: websocket", "connection: upgrade"))
    )
    return head(method, path, *headers) + body + drawn.choice((b"", b"", head("GET", "/health"), b"\0"))


def check(data):
    way, drawn = data[0] % 2 if data else RAW, Drawn(data[1:])
    content = data[1:] if way == RAW else request(drawn)
    cut = len(content) * (content[-1] if content else 0) // 256  # so that the parser meets every place of a cut
    answers = server().answers([part for part in (content[:cut], content[cut:]) if part])
    assert not server().faults, f"expected no error, got {server().faults[0]}"
    found = list(parsed(answers))
    for status, body, kind in found:
        assert status in STATUS, f"expected a refusal or an answer, got {status}"
        if kind == "application/json" and body:
            said = json.loads(body)
            assert said.keys() == ({"class", "probability", "classes"} if status == 200 else {"error"})
            assert status == 200 or "expected " in said["error"]
    return any(status == 200 for status, _, _ in found)


def parsed(content):
    """Status, body and kind of each answer; whatever is no whole answer raises."""
    while content:
        start, _, content = content.partition(b"\r\n\r\n")
        first, *lines = start.decode("latin-1").split("\r\n")
        version, status = first.split(" ")[:2]
        assert version == "HTTP/1.1"
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if int(status) == 100:
            continue
        size = int(headers["content-length"]) if "content-length" in headers else len(content)
        whole = len(content) >= size and not content.startswith(b"HTTP/1.1 ")
        body, content = (content[:size], content[size:]) if whole else (b"", content)  # HEAD has a length and no body
        yield int(status), body, headers.get("content-type")
