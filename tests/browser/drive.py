"""A browser in front of the page: what its tests and docs/screenshots.py share."""

import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

NARROW = {"width": 360, "height": 740}
AXE = os.environ.get("MINICNN_AXE")
"""The file axe.min.js, which .ci/browser fetches."""

ROOT = Path(__file__).parents[2]
CHROMIUM = os.environ.get("MINICNN_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")

THREE = [(40, 32), (58, 20), (80, 24), (88, 40), (78, 54), (60, 62), (78, 66), (92, 80), (86, 98), (64, 108), (42, 100)]
"""A 3 as the points of a stroke on the pad of 128 × 128."""

CROSS = [[(20, 20), (108, 108)], [(108, 20), (20, 108)]]
"""No digit, in two strokes."""

SEVEN = [(36, 30), (60, 28), (90, 28), (80, 52), (70, 80), (62, 108)]


@contextmanager
def serving(*given, cache=None):
    """The address of a process that serves the page."""
    env = dict(os.environ) | ({"XDG_CACHE_HOME": str(cache)} if cache is not None else {})
    command = [sys.executable, "-m", "minicnn", "serve", *map(str, given), "--demo", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=ROOT)
    try:
        line = process.stdout.readline()
        found = re.fullmatch(r"draw a digit at (http://127\.0\.0\.1:\d+/); stop with Ctrl-C\n", line)
        assert found, (line, process.stderr.read())
        yield found[1]
    finally:
        process.terminate()
        process.communicate(timeout=30)


@contextmanager
def browser():
    """Chromium without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


def opened(context, address, network=None):
    """The page, once a network is ready; another one than the first if its name is given."""
    context.set_default_timeout(30_000)
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("#samples button", timeout=120_000)
    if network is not None:
        pick(page, network)
    return page


def pick(page, network):
    """Show a network, once it is ready."""
    page.wait_for_selector(f'#network option[value="{network}"]:not([disabled])', state="attached", timeout=120_000)
    before = page.locator("#stages > :first-child").element_handle()
    if page.input_value("#network") == network:
        return
    page.select_option("#network", network)
    while page.evaluate("element => element.isConnected", before):
        page.wait_for_timeout(20)


def at(page, point):
    """Where a point of the pad is in the window."""
    box = page.locator("#pad").bounding_box()
    return box["x"] + point[0] / 128 * box["width"], box["y"] + point[1] / 128 * box["height"]


def draw(page, points=THREE, steps=1, scroll=True):
    """Draw a stroke with the mouse, in so many moves from point to point, and wait until it is answered."""
    if scroll:
        page.locator("#pad").scroll_into_view_if_needed()
    page.mouse.move(*at(page, points[0]))
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*at(page, point), steps=steps)
    page.mouse.up()
    settled(page)


def settled(page):
    """Wait until the answer no longer changes."""
    settled_for(page, ".answer")


def settled_for(page, selector):
    """Wait until the text of an element no longer changes."""
    before = None
    while (now := page.inner_text(selector)) != before:
        before = now
        page.wait_for_timeout(120)


def choose(page, stage, x=0.3, y=0.3):
    """Choose a pixel of a stage, at a share of its canvas's width and height; what the page says of it."""
    article = page.locator(f"article[aria-labelledby=stage-{stage}]")
    article.locator(".atlas canvas").scroll_into_view_if_needed()
    box = article.locator(".atlas canvas").bounding_box()
    page.mouse.move(box["x"] + x * box["width"] + 1, box["y"] + y * box["height"] + 1)
    said = article.locator(".readout", has_text=":").inner_text()
    page.mouse.down()
    page.mouse.up()
    page.locator(".sum h4", has_text=said.split(":")[0]).wait_for()
    return said


RUN = """async (rules) => { const found = await axe.run(document, {resultTypes: ['violations'], ...rules});
return found.violations.map(v => ({id: v.id, impact: v.impact, nodes: v.nodes.map(n => n.target.join(' '))})); }"""


def assert_no_faults(page, state):
    """By all rules of axe-core, in dark by those of colours and where the window is wide. Open the page with ``bypass_csp``."""
    if AXE is None and not os.environ.get("MINICNN_BROWSER"):
        return
    if not page.evaluate("'axe' in window"):
        page.add_script_tag(content=Path(AXE).read_text("utf-8"))
    wide = page.viewport_size["width"] > NARROW["width"]
    schemes = {"dark": {"runOnly": ["color-contrast", "link-in-text-block"]}, "light": {}}
    for scheme, rules in schemes.items() if wide else [("light", {})]:  # no colour depends on the width
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate(RUN, rules) == [], f"expected no fault in the state {state}, {scheme}"
