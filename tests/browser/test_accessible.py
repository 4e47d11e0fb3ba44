"""axe-core finds no serious fault, and everything can be reached and is named."""

import os
from pathlib import Path

import drive
import pytest

AXE = os.environ.get("MINICNN_AXE")
"""The file axe.min.js, which .ci/browser fetches."""

RUN = """async rules => { const found = await axe.run(document, {resultTypes: ['violations'], ...rules});
return found.violations.map(v => ({id: v.id, impact: v.impact, nodes: v.nodes.map(n => n.target.join(' '))})); }"""


@pytest.mark.skipif(AXE is None and not os.environ.get("MINICNN_BROWSER"), reason="axe-core is not there; run .ci/browser")
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_no_fault(opened, width):
    page = opened("1998", viewport={"width": width, "height": 860}, bypass_csp=True)
    page.add_script_tag(content=Path(AXE).read_text("utf-8"))
    assert faults(page) == [], "expected none before anything is drawn"
    drive.draw(page)
    drive.choose(page, 2)
    for summary in page.locator("summary").all():
        summary.click()
    page.click("#live-start")
    page.locator("#live-words", has_text="Step").wait_for(timeout=60_000)
    page.click("#live-stop")
    page.locator("#live-words", has_text="Stopped").wait_for()
    assert faults(page) == []
    page.emulate_media(color_scheme="dark")
    assert faults(page, runOnly=["color-contrast"]) == []
    page.click("#clear")
    for stroke in drive.CROSS:
        drive.draw(page, stroke)
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        assert faults(page, runOnly=["color-contrast"]) == [], f"expected none where a drawing is rejected, {scheme}"


def faults(page, **rules):
    return [each for each in page.evaluate(RUN, rules) if each["impact"] in ("serious", "critical")]


def test_every_control_is_reached_by_tab_and_shows_its_focus(opened):
    page = opened("1998")
    reached, thin = [], []
    for _ in range(90):
        page.keyboard.press("Tab")
        name, outline = page.evaluate(
            """() => { const e = document.activeElement, s = getComputedStyle(e);
            const outline = s.outlineStyle === 'none' ? 0 : parseFloat(s.outlineWidth);
            return [e.id || e.getAttribute('aria-label') || e.textContent.trim(), outline]; }"""
        )
        if name in reached[:1] or page.evaluate("document.activeElement === document.body"):
            break
        reached.append(name)
        thin += [name] if outline < 2 else []
    expected = {"network", "pad", "clear", "undo", "change-right", "change-noise", "live-network", "live-start", "live-steps"}
    assert expected <= set(reached)
    assert sum("Arrow keys go from pixel to pixel" in name for name in reached) == 7
    assert thin == []
