"""axe-core finds no fault in any state of the page, in light and dark, and everything can be reached and is named."""

import os

import drive
import pytest


@pytest.mark.skipif(
    drive.AXE is None and not os.environ.get("MINICNN_BROWSER"), reason="axe-core is not there; run .ci/browser"
)
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_no_fault(opened, width):
    page = opened("1998", viewport={"width": width, "height": 860}, bypass_csp=True)
    drive.assert_no_faults(page, "empty")
    drive.draw(page)
    drive.assert_no_faults(page, "drawn")
    drive.choose(page, 2)
    for summary in page.locator("summary").all():
        summary.click()
    drive.assert_no_faults(page, "a number taken apart")
    opened.expected.append("status of 503")  # while kernels of the network in training are compiled
    steps = str(1000 - width // 10)  # another number than that of a training before
    page.fill("#live-steps", steps)
    page.click("#live-start")
    page.locator("#live-words", has_text=f"of {steps}").wait_for(timeout=60_000)
    page.click("#live-use")
    page.locator("#about", has_text="in training").wait_for()
    drive.assert_no_faults(page, "in training")
    page.click("#live-stop")
    page.locator("#live-words", has_text="Stopped").wait_for()
    drive.pick(page, "1998")
    page.click("#clear")
    for stroke in drive.CROSS:
        drive.draw(page, stroke)
    assert page.inner_text("#verdict").startswith("Rejected")
    if width < 940:
        page.click("#pin")
    drive.assert_no_faults(page, "rejected" + ", the pad in view" * (width < 940))


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
