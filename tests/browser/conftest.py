"""One server and one Chromium for all tests of the page, which are skipped where there is no Chromium or playwright."""

import importlib.util
import os
from pathlib import Path

import drive
import pytest

ASKED = bool(os.environ.get("MINICNN_BROWSER"))
"""Set by .ci/browser, under which nothing may be skipped."""


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    reason = ""
    if importlib.util.find_spec("playwright") is None:
        reason = "playwright is not installed; run .ci/browser"
    elif drive.CHROMIUM is None:
        reason = "Chromium is not installed; run .ci/browser"
    for item in items:
        if here in item.path.parents:
            item.add_marker("browser")
            if reason and not ASKED:
                item.add_marker(pytest.mark.skip(reason=reason))


OURS = "willReadFrequently"
"""What the browser says of tests that look at pixels."""


@pytest.fixture(scope="session")
def address(tmp_path_factory):
    """Where the page is served, with networks that are trained in the background."""
    cache = os.environ.get("MINICNN_BROWSER_CACHE") or tmp_path_factory.mktemp("cache")
    with drive.serving(cache=cache) as found:
        yield found


@pytest.fixture(scope="session")
def chromium():
    with drive.browser() as made:
        yield made


@pytest.fixture
def opened(chromium, address):
    """Opens the page in windows of their own; afterwards nothing may have been reported or asked for elsewhere.

    What contains a text of ``opened.expected`` may be reported.
    """
    contexts, said, asked, addresses = [], [], [], set()

    def make(network=None, address=address, **options):
        addresses.add(address)
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 860}} | options)
        contexts.append(context)
        context.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        context.on("weberror", lambda error: said.append(str(error.error)))
        context.on("request", lambda request: asked.append(request.url))
        return drive.opened(context, address, network)

    make.expected = [OURS]
    yield make
    for context in contexts:
        context.close()
    assert [each for each in said if not any(text in each for text in make.expected)] == []
    assert [url for url in asked if not url.startswith(tuple(addresses))] == []
    assert asked
