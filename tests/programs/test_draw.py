"""``minicnn serve --demo`` and ``minicnn draw``: as processes, and what they refuse in a sentence."""

import queue
import re
import signal
import socket
import subprocess
import sys
import urllib.request
import webbrowser

import numpy as np
import pytest
from serve_models import trained

from minicnn import Classifier, Dense, Flatten, Network, Regressor, cli
from minicnn.cli import draw, serve
from minicnn.serve import Limits
from minicnn.serve.demo import page


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Model files: of grey pictures, of colour pictures, and of a regressor."""
    folder = tmp_path_factory.mktemp("models")
    trained(channels=1).save(folder / "grey.safetensors")
    trained().save(folder / "colour.safetensors")
    regressor = Regressor(Network([Dense(1)], (1, 4, 4), threads=1))
    regressor.fit(np.zeros((20, 4, 4)), np.zeros(20), epochs=1, log=None).save(folder / "regressor.safetensors")
    return folder


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_page_is_served_until_a_signal(models, number, tmp_path, monkeypatch):
    """It ends at once, in the middle of preparing its networks."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    command = [sys.executable, "-m", "minicnn", "serve", str(models / "grey.safetensors"), "--demo", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        found = re.fullmatch(r"draw a digit at (http://127\.0\.0\.1:\d+/); stop with Ctrl-C\n", line)
        assert found, (line, process.stderr.read())
        with urllib.request.urlopen(found[1], timeout=60) as answer:
            assert b"<h1>minicnn</h1>" in answer.read()
        with urllib.request.urlopen(f"{found[1]}demo/networks", timeout=60) as answer:
            assert b'"title":"grey.safetensors"' in answer.read()
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    words = "stopped" if number == signal.SIGINT else "stopped by SIGTERM"
    assert process.returncode == 128 + number
    assert err.splitlines()[-1] == f"minicnn: {words}"
    assert "Traceback" not in err


@pytest.mark.parametrize("command", [["serve", "--demo"], ["draw"]])
def test_models_that_cannot_be_drawn_on_are_refused(models, capsys, command):
    cases = {
        "colour": "expected a network that takes grey pictures (1, H, W), got one for inputs (3, 8, 8); "
        "give a model of one channel, or serve this one without the page",
        "regressor": "expected a file of a Classifier, got one of a Regressor; load it in Python with minicnn.load",
    }
    for name, words in cases.items():
        file = models / f"{name}.safetensors"
        assert cli.main([*command, str(file), "--threads", "1", "--port", "0"]) == 2
        assert capsys.readouterr().err == f"minicnn: {file}: {words}\n"
    assert cli.main([*command, str(models / "none.safetensors"), "--port", "0"]) == 2
    assert capsys.readouterr().err.startswith(f"minicnn: {models / 'none.safetensors'}: expected a ")


def test_no_model_and_no_page_is_refused(capsys):
    assert cli.main(["serve"]) == 2
    assert (
        capsys.readouterr().err
        == "minicnn: MODEL: expected a model file, got none; name one, or give --demo for the page alone\n"
    )


@pytest.mark.parametrize("command", [["serve", "--demo"], ["draw"]])
def test_ports_that_are_taken_or_none(capsys, command):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert cli.main([*command, "--port", str(port)]) == 2
    assert f"got address already in use for 127.0.0.1 port {port}; " in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main([*command, "--port", "x"])
    assert "expected a port from 0 to 65535, got 'x'" in capsys.readouterr().err


def test_draw_opens_a_browser_with_a_window_only(monkeypatch, capsys):
    opened = queue.Queue()

    class Window(webbrowser.BaseBrowser):
        def open(self, url, new=0, autoraise=True):
            opened.put(url)

    def none():
        raise webbrowser.Error("no browser")

    monkeypatch.setattr(draw, "run", lambda app, host, port, queue, say: say("http://127.0.0.1:9/") or 0)
    for browser in (lambda: Window("w"), none, lambda: webbrowser.GenericBrowser("lynx")):
        monkeypatch.setattr(webbrowser, "get", browser)
        assert cli.main(["draw"]) == 0
        assert capsys.readouterr().out == "draw a digit at http://127.0.0.1:9/; stop with Ctrl-C\n"
    assert opened.get(timeout=10) == "http://127.0.0.1:9/"
    assert opened.empty()


def test_a_model_without_training_is_refused_by_its_file(models, tmp_path, capsys):
    file = tmp_path / "new.safetensors"
    Classifier(Network([Flatten(), Dense(2)], (1, 8, 8), threads=1)).save(file)
    assert cli.main(["draw", str(file)]) == 2
    words = "expected a trained classifier, got one that is not; train it before it is saved"
    assert capsys.readouterr().err == f"minicnn: {file}: {words}\n"


def test_the_service_and_the_page_are_one_application():
    app = serve.drawing(None, 1, "127.0.0.1", Limits())
    assert {"/predict", "/health", "/metrics", "/demo/look"} <= {route.path for route in app.routes}
    assert "/predict" not in {route.path for route in page().routes}
