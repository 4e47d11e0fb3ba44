"""What people are told: confusion, warnings about sick networks, lines beside a progress bar, and Ctrl-C."""

import os
import signal
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from minicnn import Constant, Conv2d, Dense, LeakyReLU, Network, ReLU, ScaledTanh, Sigmoid, Tanh
from minicnn.train.diagnostics import SAMPLE, chance, saturation
from minicnn.train.interrupt import Interrupt, none_lost
from minicnn.train.metrics import confusion, confusion_table
from minicnn.train.progress import Bar, say

IMAGES = np.random.default_rng(0).standard_normal((100, 4))


def test_confusion_counts_every_pair():
    rng = np.random.default_rng(0)
    labels, answers = rng.integers(0, 7, 500), rng.integers(0, 7, 500)
    expected = np.zeros((7, 7), int)
    np.add.at(expected, (labels, answers), 1)
    np.testing.assert_array_equal(confusion(answers, labels, 7), expected)
    assert confusion(answers, labels.astype(np.uint8), 7).sum() == 500


def test_confusion_of_classes_that_never_occur():
    counts = confusion(np.array([2]), np.array([0], np.uint8), 300)
    assert counts.shape == (300, 300)
    assert counts[0, 2] == counts.sum() == 1


def test_the_confusion_table_has_a_row_for_each_class_and_columns_in_line():
    lines = confusion_table(np.array([[98, 2, 0], [0, 0, 0], [1, 0, 12345]])).splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["0", "98", "2", ".", "98.0", "%"],
        ["1", ".", ".", ".", "0.0", "%"],
        ["2", "1", ".", "12345", "100.0", "%"],
    ]
    head = lines[0].split()
    assert head == ["true\\answer", "0", "1", "2", "right"]
    for column, cell in ((1, "98"), (3, "12345")):  # numbers end where their column's title ends
        row = next(line for line in lines[1:] if cell in line.split())
        assert row.index(cell) + len(cell) == lines[0].index(f" {head[column]} ") + 2


@pytest.mark.parametrize(
    ("accuracy", "classes", "images", "warns"),
    [
        (0.1, 10, 5000, True),
        (0.12, 10, 5000, True),
        (0.2, 10, 5000, False),
        (0.2, 10, 20, True),
        (0.6, 2, 100, True),
        (0.9, 2, 100, False),
    ],
)
def test_accuracy_at_chance(accuracy, classes, images, warns):
    assert (chance(accuracy, classes, images) is not None) == warns


@pytest.mark.parametrize("activation", [Sigmoid(), Tanh(), ScaledTanh()])
def test_a_saturated_layer_is_named(activation):
    net = Network([("F", Dense(50, init=Constant(0), bias_init=Constant(30))), ("f", activation)], (4,), threads=1)
    (warning,) = saturation(net, IMAGES, np.arange(100))
    start = "f: 100 % of the outputs are saturated: its gradients vanish; lower the learning rate"
    assert warning.startswith(start)
    net.params.flat[...] = 0
    assert saturation(net, IMAGES, np.arange(100)) == []


def test_a_half_saturated_layer_is_not_yet_sick():
    net = Network([("F", Dense(100)), ("f", Tanh())], (4,), threads=1)
    net.params.flat[...] = 0
    net.params["F.b"][:50] = 30
    assert saturation(net, IMAGES, np.arange(100)) == []
    net.params["F.b"][:51] = 30
    (warning,) = saturation(net, IMAGES, np.arange(100))
    assert warning.startswith("f: 51 % ")


def test_a_dead_layer_is_named():
    net = Network([("C", Conv2d(20, 2)), ("f", ReLU())], (1, 4, 4), threads=1)
    images = np.random.default_rng(0).random((80, 1, 4, 4))
    assert saturation(net, images, np.arange(80)) == []
    net.params["C.b"][...] = -100
    assert saturation(net, images, np.arange(80)) == ["f: 100 % of the units are zero for every image: lower the learning rate"]


def test_units_that_some_image_wakes_are_not_dead():
    net = Network([("F", Dense(10, init=Constant(1), bias_init=Constant(0))), ("f", ReLU())], (1,), threads=1)
    images = np.full((20, 1), -1.0)
    images[7] = 0.5
    assert saturation(net, images, np.arange(20)) == []
    assert len(saturation(net, images, np.arange(7))) == 1


def test_ctrl_c_that_python_could_not_raise_is_sent_again(monkeypatch):
    """It comes to a destructor, say, where Python only reports it; other reports go where they went."""
    came, told = threading.Event(), []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    before = signal.signal(signal.SIGINT, lambda number, frame: came.set())
    try:
        with none_lost():
            other = SimpleNamespace(exc_type=ValueError, exc_value=None)
            sys.unraisablehook(other)
            sys.unraisablehook(SimpleNamespace(exc_type=KeyboardInterrupt, exc_value=None))
            assert came.wait(20)
    finally:
        signal.signal(signal.SIGINT, before)
    assert told == [other]


def test_a_leaky_unit_that_is_negative_is_not_dead():
    """Its output and its gradient are slope times what they were, not zero."""
    net = Network([("F", Dense(5, bias_init=Constant(-100))), ("f", LeakyReLU(0.5))], (4,), threads=1)
    assert saturation(net, IMAGES, np.arange(100)) == []


def test_only_the_images_of_the_index_are_looked_at():
    net = Network([("F", Dense(3, init=Constant(1))), ("f", ReLU())], (4,), threads=1)
    images = np.ones((SAMPLE + 40, 4))
    images[:40] = -1
    assert saturation(net, images, np.arange(40)) != []
    assert saturation(net, images, np.arange(40, SAMPLE + 40)) == []


class Terminal:
    """A stream that says whether it is a terminal, and remembers."""

    def __init__(self, terminal):
        self.terminal, self.text = terminal, ""

    def isatty(self):
        return self.terminal

    def write(self, text):
        self.text += text

    def flush(self):
        pass


@pytest.mark.parametrize("tqdm", [True, False])
def test_say_prints_the_line(monkeypatch, capsys, tqdm):
    if not tqdm:
        monkeypatch.setitem(sys.modules, "tqdm", None)
    say("epoch  1  train loss 0.5")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("epoch  1  train loss 0.5\n", "")


def test_a_bar_on_a_terminal_shows_title_images_and_loss(monkeypatch):
    pytest.importorskip("tqdm")
    screen = Terminal(True)
    monkeypatch.setattr(sys, "stderr", screen)
    with Bar("epoch 1/2", 100, done=20) as bar:
        bar.advance(30, 0.25)
        bar.advance(50, 0.125)
        bar._bar.refresh()
    assert "epoch 1/2: 100%" in screen.text
    assert "100/100" in screen.text
    assert "loss 0.1250" in screen.text


@pytest.mark.parametrize(("terminal", "tqdm"), [(False, True), (True, False)])
def test_there_is_no_bar_without_a_terminal_or_tqdm(monkeypatch, terminal, tqdm):
    screen = Terminal(terminal)
    monkeypatch.setattr(sys, "stderr", screen)
    if not tqdm:
        monkeypatch.setitem(sys.modules, "tqdm", None)
    with Bar("epoch 1/2", 100) as bar:
        bar.advance(100, 0.5)
    assert screen.text == ""


def test_without_streams_there_is_silence(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    say("lost")
    with Bar("epoch 1/2", 100) as bar:
        bar.advance(100, 0.5)


@pytest.fixture
def listening():
    """Python's own handler: a process that a shell started in the background ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("listening")
def test_the_first_ctrl_c_only_asks_and_the_second_raises():
    before = signal.getsignal(signal.SIGINT)
    with Interrupt() as interrupt:
        assert not interrupt.asked
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupt.asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.usefixtures("listening")
def test_the_handler_is_given_back_without_a_ctrl_c_and_after_an_error():
    before = signal.getsignal(signal.SIGINT)
    with Interrupt():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(ValueError, match="broken"), Interrupt():
        raise ValueError("broken")
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_only_asks_and_comes_again_when_all_is_saved(number):
    said = []
    before = signal.signal(number, lambda *_: said.append("the program's own handler"))
    with Interrupt() as interrupt:
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)  # a terminal that closes sends it twice
        assert interrupt.asked
        said.append("saved")
    own = signal.signal(number, before)
    assert said == ["saved", "the program's own handler"]
    assert own.__name__ == "<lambda>"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_ignored_signal_stays_ignored(number):
    before = signal.signal(number, signal.SIG_IGN)
    with Interrupt() as interrupt:
        os.kill(os.getpid(), number)
        assert not interrupt.asked
    assert signal.signal(number, before) is signal.SIG_IGN


def test_outside_the_main_thread_nothing_is_caught():
    before, asked = signal.getsignal(signal.SIGINT), []

    def work():
        with Interrupt() as interrupt:
            asked.append(interrupt.asked)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(timeout=10)
    assert asked == [False]
    assert signal.getsignal(signal.SIGINT) is before
