"""``minicnn serve`` as a process: it answers over a socket, ends gracefully, and refuses in a sentence."""

import http.client
import io
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import numpy as np
import pytest
from PIL import Image
from serve_models import trained

from minicnn import cli


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("serve") / "model.safetensors"
    trained().save(path)
    return path


@pytest.fixture
def serving(model):
    """A process that serves, and its address."""
    command = [sys.executable, "-m", "minicnn", "serve", model, "--port", "0", "--threads", "1", "--megabytes", "1"]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        found = re.fullmatch(rf"serving {re.escape(str(model))} at (http://127\.0\.0\.1:\d+)/predict; stop with Ctrl-C\n", line)
        assert found, (line, process.stderr.read())
        yield process, found[1]
    finally:
        process.kill()
        process.communicate()


def picture():
    file = io.BytesIO()
    Image.new("RGB", (20, 20), "red").save(file, "PNG")
    return file.getvalue()


def ask(address, body, kind="image/png"):
    request = urllib.request.Request(f"{address}/predict", data=body, headers={"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def test_it_answers_over_a_socket_and_ends_on_a_signal(serving):
    process, address = serving
    assert ask(address, picture())["class"] == "red"
    with urllib.request.urlopen(f"{address}/health", timeout=10) as answer:
        assert answer.read() == b"ok\n"
    with urllib.request.urlopen(f"{address}/metrics", timeout=10) as answer:
        assert b'minicnn_requests_total{status="200"} 1.0' in answer.read()
    host, port = address.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    connection.putrequest("POST", "/predict")
    connection.putheader("Content-Type", "image/png")
    connection.putheader("Content-Length", str(2 << 20))  # refused for that alone: the body need not come
    connection.endheaders()
    assert connection.getresponse().status == 413
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    said = [line for line in err.splitlines() if "compiling kernels" not in line]  # it is said where that takes long
    assert (process.returncode, said) == (143, ["minicnn: stopped by SIGTERM"])


def until_in_hand(address):
    """Wait until the service has begun with a request."""
    for _ in range(300):
        with urllib.request.urlopen(f"{address}/metrics", timeout=30) as answer:
            if b"minicnn_requests_in_hand 1.0" in answer.read():
                return
        time.sleep(0.1)
    pytest.fail("no request came")


def test_requests_in_hand_are_answered_before_the_end(serving):
    process, address = serving
    host, port = address.removeprefix("http://").split(":")
    body, answered = picture(), []
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    connection.putrequest("POST", "/predict")
    connection.putheader("Content-Type", "image/png")
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body[:10])
    until_in_hand(address)
    process.send_signal(signal.SIGINT)

    def finish():
        time.sleep(0.3)
        connection.send(body[10:])
        answered.append(connection.getresponse().status)

    thread = threading.Thread(target=finish)
    thread.start()
    thread.join(30)
    process.communicate(timeout=30)
    assert (answered, process.returncode) == ([200], 130)


def test_malformed_requests_leave_it_alive(serving):
    process, address = serving
    host, port = address.removeprefix("http://").split(":")
    rng = np.random.default_rng(0)
    for n in range(60):
        with socket.create_connection((host, int(port)), timeout=10) as own:
            own.sendall(rng.bytes(200) if n % 2 else b"POST /predict HTTP/1.1\r\nContent-Length: -1\r\n\r\n" + rng.bytes(20))
            if n % 3:
                own.recv(1000)
    assert ask(address, picture())["class"] == "red"
    assert process.poll() is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--host", "203.0.113.7"], "--host, --port: expected an address of this machine and a free port, got "),
        (["--host", "a" * 100], "--host, --port: expected an address of this machine and a free port, got "),
    ],
)
def test_an_address_that_is_not_ours_is_refused(model, capsys, given, words):
    assert cli.main(["serve", str(model), "--threads", "1", "--port", "0", *given]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"minicnn: {words}")
    assert err.endswith("choose others; --port 0 takes any free one\n")
    assert err.count("\n") == 1


def test_a_port_in_use_is_refused(model, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert cli.main(["serve", str(model), "--threads", "1", "--port", str(port)]) == 2
    assert f"got address already in use for 127.0.0.1 port {port}; " in capsys.readouterr().err


@pytest.mark.parametrize("text", ["-1", "65536", "x", "9" * 5000])
def test_a_port_that_is_none_is_refused(model, capsys, text):
    with pytest.raises(SystemExit) as caught:
        cli.main(["serve", str(model), f"--port={text}"])
    assert caught.value.code == 2
    assert f"expected a port from 0 to 65535, got {text!r}" in capsys.readouterr().err
