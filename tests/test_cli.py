"""The command line, and how much is compiled before the first step."""

import re

import pytest

from minicnn import cli
from minicnn.backends.cpu.mode import INTERPRET

BUDGET = {"lenet5": 30, "lenet5s": 30, "lenet5_modern": 32}
"""Compiled specialisations that a training step of each model may take."""


def test_warmup_says_what_it_compiles(capsys):
    assert cli.main(["warmup", "--threads", "1"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in told[:-1]] == list(cli.ZOO)
    assert all(re.fullmatch(r"\w+: \d+ kernels compiled in \d+\.\d s", line) for line in told[:-1])
    assert re.fullmatch(r"\d+ kernels ready, \d+ of them from the cache", told[-1])


def test_a_wrong_number_of_threads_is_one_sentence(capsys):
    assert cli.main(["warmup", "--threads", "0"]) == 2
    message = "minicnn: threads: expected a whole number of at least 1, got 0; give threads=1 or leave it out\n"
    assert capsys.readouterr().err == message


def test_no_command_is_told_with_the_usage(capsys):
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
from minicnn.cli import ZOO, Normalise, Pixels
model, loss, optimizer, size = ZOO[{model!r}]
net = model(threads=1)
images = Pixels(np.zeros((32, 28, 28), np.uint8), Normalise.between(0, 1), size)
net.loss_and_grads(loss, images, np.zeros(32, np.int64))
optimizer(0.01).step(net)
print(LOG.bound)
"""
    bound = int(python(code))
    assert bound <= BUDGET[model], f"expected at most {BUDGET[model]} kernels before the first step is done, got {bound}"
