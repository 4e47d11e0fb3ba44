"""A network of one's own beside the others: other shapes, layers and names; then its server ends."""

import os
from contextlib import ExitStack

import drive
import numpy as np
import pytest

from minicnn import BatchNorm2d, Classifier, Conv2d, Dense, Flatten, GlobalAvgPool2d, LeakyReLU, MaxPool2d, Network, ReLU
from minicnn.data import Normalise
from minicnn.data.preprocessing import Preprocessing

NAMES = ("a cat", "an Irish wolfhound", "<b>no animal</b>")


def odd():
    """A classifier of pictures of 20 × 14 grey levels that has hardly a layer of LeNet-5."""
    layers = [
        ("stem", Conv2d(8, kernel_size=3, padding=1)),
        ("leak", LeakyReLU()),
        ("norm", BatchNorm2d()),
        ("pool", MaxPool2d(2)),
        ("groups", Conv2d(12, kernel_size=3, groups=4)),
        ("relu", ReLU()),
        ("mean", GlobalAvgPool2d()),
        ("flat", Flatten()),
        ("animal", Dense(len(NAMES))),
    ]
    made = Classifier(Network(layers, (1, 20, 14), threads=1, seed=1), classes=NAMES)
    made.preprocessing = Preprocessing(uint8=True, normalise=Normalise.between(0, 1), layout="NCHW")
    with made.net.update():
        made.net.params.flat[...] += np.random.default_rng(0).normal(0, 0.1, len(made.net.params.flat))
    return made


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a server of that network, and what ends it."""
    folder = tmp_path_factory.mktemp("own")
    odd().save(folder / "odd.safetensors")
    with ExitStack() as stack:
        cache = os.environ.get("MINICNN_BROWSER_CACHE") or folder
        yield stack.enter_context(drive.serving(folder / "odd.safetensors", cache=cache)), stack.close


@pytest.mark.parametrize("width", [360, 1280])
def test_a_network_of_one_s_own_is_shown_and_without_fault(opened, server, width):
    page = opened(address=server[0], viewport={"width": width, "height": 800}, bypass_csp=True)
    assert page.input_value("#network") == "own"
    assert page.inner_text("#live-words") == "No training has been started."
    assert page.is_disabled("#live-use")
    assert page.is_hidden("#own-hint")
    drive.draw(page)
    assert page.locator("#stages h3").all_inner_texts() == ["stem", "leak", "norm", "pool", "groups", "mean", "animal"]
    assert page.locator("#scores li > span:first-child").all_inner_texts() == list(NAMES)
    assert page.inner_text("#digit") in NAMES
    assert "No answer is rejected" in page.inner_text("#scores-note")
    caption = page.locator(".links caption").inner_text()
    assert caption.startswith("The maps of pool (rows) that each map of groups (columns) reads.")
    for stage in (0, 2, 4, 6):
        drive.choose(page, stage, 0.2)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert "animal, unit 0 (a cat)" in page.inner_text(".sum h4")
    assert "20 × 14 pixels of the input" in page.inner_text(".sum")
    drive.assert_no_faults(page, "own")


def test_a_training_in_another_window_is_followed(opened, server):
    """A page that reads by the network in training changes with it, also if a training of another network takes its place."""
    opened.expected.append("status of 503")  # while kernels of the network in training are compiled
    first = opened("modern", address=server[0])
    drive.draw(first)
    first.fill("#live-steps", "1000")
    first.click("#live-start")
    first.click("#live-use", timeout=60_000)
    first.locator("#scores-note", has_text="Probabilities").wait_for()
    first.locator("#about", has_text="in training on this page, 1000 steps").wait_for()
    second = opened("modern", address=server[0])
    second.locator("#live-words", has_text="of 1000").wait_for()
    assert second.is_enabled("#live-stop")
    second.select_option("#live-network", "1998")
    second.fill("#live-steps", "999")
    second.click("#live-start")
    first.locator("#live-words", has_text="of 999").wait_for(timeout=60_000)
    first.locator("#scores-note", has_text="Penalties").wait_for(timeout=60_000)
    drive.settled_for(first, "#digit")
    second.click("#live-stop")
    for page in (first, second):
        page.locator("#live-words", has_text="Stopped.").wait_for()
    assert first.is_disabled("#live-stop")


def test_a_server_that_is_gone_is_said(opened, server):
    """The last one: it ends the server of these tests."""
    opened.expected.append("ERR_CONNECTION_REFUSED")
    page = opened("modern", address=server[0])
    server[1]()
    drive.draw(page, drive.THREE[:2])
    assert page.inner_text("#trouble") == page.inner_text("#verdict") == "The server does not answer. Is it still running?"
    page.locator("#live-title").scroll_into_view_if_needed()
    assert page.evaluate("document.querySelector('#trouble').getBoundingClientRect().top") >= 0
