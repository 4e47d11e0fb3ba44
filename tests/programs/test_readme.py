"""The command lines of README.md run in their order, in one folder, as a reader types them; with few pictures and epochs."""

import importlib.util
import json
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minicnn import cli

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")

SHORTER = {
    "train": ["--model", "mnist_convnet", "--size", "16", "--epochs", "1", "--threads", "1"],
    "make_pictures": ["--count", "40", "--test", "10"],
}
"""What is added to a command so that it ends soon."""

INSTEAD = {"FILE": "model.onnx", "MODEL": "model.safetensors", "PICTURE": "kernels.png"}
"""What stands for a word of a reader's own."""

ELSEWHERE = (".venv/bin/pip", ". .venv/bin/activate", "examples/train_mnist.py", "-m pytest", "minicnn warmup", "minicnn draw")
"""Commands that other tests run, or that make an environment."""


def commands():
    """The lines of the blocks of shell, and what stands within a line of text, in the order of the page, without comments."""
    found = []
    for block, inline in re.findall(r"```sh\n(.*?)```|`((?:minicnn|curl) [^`]+)`", README, re.S):
        found += [line for line in (block or inline).splitlines() if line.strip()]
    return [line for line in found if not any(part in line for part in ELSEWHERE)]


def made(words):
    """Run a script of the examples."""
    spec = importlib.util.spec_from_file_location("script", ROOT / words[0])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.argv = [words[0], *words[1:], *SHORTER[Path(words[0]).stem]]
    return module.main()


class Serving:
    """A service that was started by a command, and is asked by the next one."""

    def __init__(self):
        self.process, self.address = None, ""

    def start(self, words):
        assert words[-2] == "--port"
        command = [sys.executable, "-m", "minicnn", *words[:-1], "0", "--threads", "1"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.address = re.search(r"http://\S+/predict", self.process.stdout.readline())[0].rstrip(";")
        return 0

    def ask(self, words):
        """What curl does with these words."""
        body, header, url = words[words.index("--data-binary") + 1], words[words.index("-H") + 1], words[-1]
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/predict", url)
        request = urllib.request.Request(self.address, Path(body.removeprefix("@")).read_bytes(), dict([header.split(": ")]))
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert "class" in json.loads(answer.read())
        return 0

    def stop(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.communicate(timeout=60)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the pictures that README speaks of, and nothing of the user's caches."""
    (tmp_path / "more_photos").mkdir()
    for name in ("photo.jpg", "more_photos/one.png"):
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["minicnn"])
    return tmp_path


def test_the_command_lines_run_in_their_order(here, capsys):
    lines, serving, ran = commands(), Serving(), []
    try:
        for line in lines:
            words = [INSTEAD.get(word, word) for word in shlex.split(line, comments=True)]
            if words[0] == "curl":
                code = serving.ask(words)
            elif words[0] == "python":
                code = made(words[1:])
            elif words[:2] == ["minicnn", "serve"]:
                code = serving.start(words[1:])
            else:
                assert words[0] == "minicnn", f"expected a command that this test knows, got {line}"
                code = cli.main([*words[1:], *SHORTER.get(words[1], [])])
            assert code == 0, (line, capsys.readouterr().err)
            ran.append(words[1])
    finally:
        serving.stop()
    assert {"train", "evaluate", "predict", "serve", "export", "import", "summary", "-s"} <= set(ran)
    assert "examples/make_pictures.py" in ran
