"""The command line, and how much is compiled before the first step."""

import re
from pathlib import Path

import pytest

from minicnn import cli
from minicnn.backends.cpu.compile.cache import cache_root
from minicnn.backends.cpu.compile.mode import INTERPRET
from minicnn.cli import warmup

EXAMPLES = Path(__file__).parents[2] / "examples"

BUDGET = {"lenet5": 30, "lenet5s": 30, "lenet5_modern": 32}
"""Compiled specialisations that a training step of each model may take."""


def test_warmup_says_what_it_compiles(capsys):
    assert cli.main(["warmup", "--threads", "1"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in printed[:-1]] == list(warmup.ZOO)
    assert all(re.fullmatch(r"\w+: \d+ kernels compiled in \d+\.\d s", line) for line in printed[:-1])
    assert re.fullmatch(r"\d+ kernels ready, \d+ of them from the cache", printed[-1])


EVERYTHING = """
import contextlib, io, sys
import numpy as np
from minicnn import cli, models
from minicnn.backends.cpu.compile import jit
from minicnn.data import Normalise, Pixels
asked, make = [], jit._made
def noted(function, signature, compiles):
    found = make(function, signature, compiles)
    if found is not None:
        asked.append(f"{{function.__name__}} {{signature}}")
    return found
jit._made = noted
with contextlib.redirect_stdout(io.StringIO()):
    cli.main(["warmup"])
    warm = len(asked)
    sys.path.insert(0, {examples!r})
    import train_mnist
    train_mnist.draw = lambda *arguments: None
    small = ["--limit", "160", "--epochs", "1"]  # 147 images to learn from and 13 to validate
    for extra in (
        ["--model", "classic", "--threads", "1", *small],
        ["--model", "lenet5s", "--threads", "2", "--optimizer", "adamw", "--batch-size", "146", *small],
        ["--model", "modern", "--optimizer", "sgd", *small],
        ["--model", "modern", "--limit", "12", "--epochs", "1"],
        ["--fast"],
    ):
        sys.argv = ["train_mnist.py", "--source", "subset", "--out", "runs", *extra]
        assert train_mnist.main() == 0
    for name, size in (("lenet5", 32), ("lenet5s", 32), ("lenet5_modern", 28)):
        net = getattr(models, name)()
        for fit in ("pad", "resize"):
            images = Pixels(np.zeros((40, 28, 28), np.uint8), Normalise.between(0, 1), size, fit)
            net.predict(images), net.predict(images, index=[3])
print(warm > 50, asked[warm:])
"""


@pytest.mark.skipif(INTERPRET, reason="nothing is compiled")
def test_after_warmup_the_examples_compile_nothing(python):
    assert python(EVERYTHING.format(examples=str(EXAMPLES)), MINICNN_CACHE=cache_root()) == "True []\n"


OF_A_FILE = """
import contextlib, io
import numpy as np
import minicnn as m
from PIL import Image
from minicnn import cli
from minicnn.backends.cpu.compile import jit
images = np.random.default_rng(0).integers(0, 256, (20, 3, 9, 8), np.uint8)
layers = [("C1", m.Conv2d(4, kernel_size=3)), m.ReLU(), m.Flatten(), ("F", m.Dense(2))]
net = m.Network(layers, (3, 9, 8), threads=1, backend="numpy")
m.save("n", net)
m.Classifier(net).fit(images, np.arange(20) % 2, log=None, epochs=1).save("c")
Image.fromarray(images[0].transpose(1, 2, 0)).save("a.png")
asked, make = [], jit._made
def noted(function, signature, compiles):
    found = make(function, signature, compiles)
    if found is not None:
        asked.append(f"{function.__name__} {signature}")
    return found
jit._made = noted
said = io.StringIO()
with contextlib.redirect_stdout(said):
    assert cli.main(["warmup", "--model", "n"]) == 0
    warm = [len(asked)]
    net = m.load("n")
    x = images / np.float32(255)
    net.predict(x), net.predict(x[:1])
    warm.append(len(asked))
    assert cli.main(["warmup", "--model", "c"]) == 0
    warm.append(len(asked))
    assert cli.main(["predict", "c", "a.png"]) == 0
    assert cli.main(["predict", "c", *20 * ["a.png"]]) == 0
    again = m.load("c")
    again.fit(np.tile(images, (9, 1, 1, 1)), np.arange(180) % 2, log=None, epochs=1)
    again.evaluate(images, np.arange(20) % 2)
print(warm[0] > 10, warm[1] - warm[0], warm[2] > warm[1], asked[warm[2]:])
print(*(line.partition(":")[0] for line in said.getvalue().splitlines() if " compiled in " in line), sep="; ")
"""


@pytest.mark.skipif(INTERPRET, reason="nothing is compiled")
def test_after_the_warmup_of_a_file_nothing_of_it_is_compiled(python):
    printed = python(OF_A_FILE, MINICNN_CACHE=cache_root()).splitlines()
    assert printed == ["True 0 True []", "prediction; training, by mean squares; prediction; training"]


RECOMMENDED = """
import contextlib, io
import minicnn as m
from minicnn import cli
from minicnn.backends import log
log.PATIENCE = 0.0
m.save("n", m.Network([m.Dense(2)], (3,), threads=1, backend="numpy"))
said = io.StringIO()
with contextlib.redirect_stderr(said):
    assert cli.main(["warmup", "--model", "n", "--threads", "1"]) == 0
print(repr(said.getvalue()))
"""


@pytest.mark.skipif(INTERPRET, reason="nothing is compiled")
def test_warmup_does_not_recommend_itself(python, tmp_path):
    """The line about compiling stood within that of the first model."""
    *compiled, said = python(RECOMMENDED, MINICNN_CACHE=str(tmp_path / "empty")).splitlines()
    assert re.match(r"prediction: [1-9]\d* kernels compiled", compiled[0])
    assert said == "''"


def test_a_file_that_is_none_is_not_warmed_up(capsys, tmp_path):
    assert cli.main(["warmup", "--model", str(tmp_path / "nothing")]) == 2
    words = "expected a readable file, got no such file or directory; check the path and its permissions"
    assert capsys.readouterr().err == f"minicnn: {tmp_path / 'nothing'}: {words}\n"


def test_a_wrong_number_of_threads_is_one_sentence(capsys):
    assert cli.main(["warmup", "--threads", "0"]) == 2
    message = "minicnn: threads: expected a whole number of at least 1, got 0; give threads=1 or leave it out\n"
    assert capsys.readouterr().err == message


def test_no_command_is_reported_with_the_usage(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([])
    assert ended.value.code == 2
    assert "the following arguments are required: command" in capsys.readouterr().err


def test_the_module_runs_as_a_program(python):
    assert "warmup" in python("import sys, runpy; sys.argv = ['minicnn', '--help']; runpy.run_module('minicnn')")


@pytest.mark.skipif(INTERPRET, reason="nothing is compiled")
@pytest.mark.parametrize("model", BUDGET)
def test_a_training_step_keeps_to_its_budget_of_kernels(python, model):
    code = f"""
import numpy as np
from minicnn.backends.cpu import LOG
from minicnn.cli.warmup import ZOO, Normalise, Pixels
model, loss, optimizer, size = ZOO[{model!r}]
net = model(threads=1)
images = Pixels(np.zeros((32, 28, 28), np.uint8), Normalise.between(0, 1), size)
net.loss_and_grads(loss, images, np.zeros(32, np.int64))
optimizer(0.01).step(net)
print(LOG.bound)
"""
    bound = int(python(code))
    assert bound <= BUDGET[model], f"expected at most {BUDGET[model]} kernels before the first step is done, got {bound}"
