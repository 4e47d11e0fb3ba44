"""The service over a socket: what clients send that are slow, greedy, or speak HTTP badly."""

import socket
import threading
import time

import pytest
import uvicorn
from serve_models import trained
from test_endpoints import npy, png

from minicnn.cli.serve import configured
from minicnn.serve import Limits, guard, service

MOST = 20_000


@pytest.fixture(scope="module")
def address():
    """Where a service listens that takes few connections, in a thread of its own."""
    server = uvicorn.Server(configured(service(trained(), limits=Limits(bytes=MOST)), 8))
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listening.getsockname()
    server.should_exit = True
    thread.join(30)


def said(own):
    """Everything that comes until the other side closes."""
    own.settimeout(20)
    found = b""
    try:
        while piece := own.recv(65536):
            found += piece
    except ConnectionResetError:
        pass
    return found.decode()


def answer(address, head, body=b""):
    """The status and the text of an answer; the connection is closed behind it."""
    with socket.create_connection(address, timeout=20) as own:
        own.sendall(
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nConnection: close\r\n" + head + b"\r\n" + body
        )
        text = said(own)
    return int(text.split()[1]), text


def alive(address):
    return answer(address, b"Content-Length: %d\r\n" % len(png()), png())[0] == 200


def chunked(pieces):
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def drip(own):
    """Send headers a byte at a time."""
    for byte in b"POST /predict HTTP/1.1\r\nHost: " + b"x" * 10_000:
        own.sendall(bytes([byte]))
        time.sleep(0.05)


def test_headers_that_come_a_byte_at_a_time_are_given_up(address, monkeypatch):
    monkeypatch.setattr(guard, "SECONDS", 0.5)
    with socket.create_connection(address, timeout=20) as own, pytest.raises((BrokenPipeError, ConnectionResetError)):
        drip(own)
    with socket.create_connection(address, timeout=20) as own:
        own.sendall(b"POST /pre")
        assert said(own).endswith("headers: expected all of them within 0.5 s, got a part")
    assert alive(address)


@pytest.mark.parametrize("before", [b"", b"\r\n", b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_a_connection_that_says_nothing_more_is_closed(address, monkeypatch, before):
    monkeypatch.setattr(guard, "SECONDS", 0.5)
    with socket.create_connection(address, timeout=20) as own:
        own.sendall(before)
        if before.startswith(b"GET"):
            own.settimeout(20)
            assert own.recv(65536).startswith(b"HTTP/1.1 200")
            own.sendall(b"\r\n")  # which would stop the server's own clock
        assert "408 Request Timeout" in said(own)


def test_headers_that_are_too_long_are_refused(address):
    text = b"GET / HTTP/1.1\r\nX-A: " + b"y" * guard.MOST_BYTES
    with socket.create_connection(address, timeout=20) as own:
        own.sendall(text)
        assert "headers: expected at most 65536 bytes, got more" in said(own)
    assert alive(address)


def test_connections_are_as_many_as_are_allowed(address):
    most = 4 * 8 + 64 + guard.SPARE
    opened = [socket.create_connection(address, timeout=20) for _ in range(most + 40)]
    try:
        time.sleep(0.5)
        closed = 0
        for own in opened:
            own.setblocking(False)
            try:
                closed += own.recv(1) == b""
            except BlockingIOError:
                pass
            except ConnectionResetError:
                closed += 1
        assert closed == 40
    finally:
        for own in opened:
            own.close()
    time.sleep(0.2)
    assert alive(address)


LENGTHS = {
    b"+5": 400,
    b"-1": 400,
    b"1e3": 400,
    b"5 5": 400,
    b"0x10": 400,
    b"5, 6": 400,
    b"9" * 30: 400,
    b"%d" % (MOST + 1): 413,
    b"0000000000%d" % (MOST + 1): 413,
    b"0" * 40 + b"%d" % (MOST + 1): 413,
    b"18446744073709551615": 413,
}


@pytest.mark.parametrize("length", LENGTHS)
def test_lengths_that_are_none_or_too_large_are_refused_without_a_body(address, length):
    assert answer(address, b"Content-Length: " + length + b"\r\n")[0] == LENGTHS[length]


def test_lengths_are_numbers_however_they_are_written(address):
    body = png()
    assert answer(address, b"Content-Length: 000000000000%d\r\n" % len(body), body)[0] == 200
    twice = b"Content-Length: %d\r\n" % len(body)
    assert answer(address, twice + b"Content-Length: 3\r\n", body)[0] == 400
    assert answer(address, twice + twice, body)[0] in (200, 400)
    assert answer(address, twice + b"Transfer-Encoding: chunked\r\n", body)[0] == 400
    assert alive(address)


def test_a_body_is_asked_for(address):
    status, text = answer(address, b"")
    assert status == 411
    assert "Content-Length: expected the length of a body, got none; send a picture with its length" in text
    status, text = answer(address, b"Content-Length: 0\r\n")
    assert status == 400
    assert "body: expected a picture, got none; send its bytes as the body" in text
    assert answer(address, b"Transfer-Encoding: chunked\r\n", chunked([]))[0] == 400


def test_pieces_are_counted(address):
    body = png()
    assert answer(address, b"Transfer-Encoding: chunked\r\n", chunked([body[:20], body[20:]]))[0] == 200
    status, text = answer(address, b"Transfer-Encoding: chunked\r\n", b"%x\r\n" % (1 << 30) + bytes(MOST + 1))
    assert status == 413
    assert f"body: expected at most {MOST:,} bytes, got more; send a smaller picture" in text
    assert answer(address, b"Transfer-Encoding: chunked\r\n", b"nonsense\r\n")[0] == 400
    assert answer(address, b"Content-Length: %d\r\n" % len(npy([1])), npy([1]))[0] == 400
    assert alive(address)
