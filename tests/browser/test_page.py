"""The page in Chromium: what is drawn is read, by mouse, finger and keyboard, in light and dark, wide and narrow."""

import itertools
import re

import drive
import pytest


def said(page):
    return page.inner_text("#digit")


def test_a_three_drawn_with_the_mouse_is_a_three(opened):
    page = opened()
    assert page.inner_text("#verdict") == "Nothing is drawn yet."
    drive.draw(page)
    assert said(page) == "3"
    assert page.inner_text("#verdict").startswith("It reads 3, ")
    page.locator("#spoken", has_text="It reads 3").wait_for(state="attached", timeout=5000)
    page.click("#clear")
    drive.settled(page)
    assert (said(page), page.inner_text("#verdict")) == ("–", "Nothing is drawn yet.")
    drive.draw(page, drive.SEVEN)
    assert said(page) == "7"


def test_browsers_that_tell_of_moves_once_a_frame_draw_too(opened):
    page = opened()
    page.add_init_script("delete window.onpointerrawupdate")
    page.reload()
    page.wait_for_selector("#samples button")
    assert not page.evaluate("'onpointerrawupdate' in window")
    drive.draw(page)
    assert said(page) == "3"


COLOURS = """n => { const c = document.querySelector(`article[aria-labelledby=stage-${n}] canvas`);
const pixels = c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer;
return new Set(new Uint32Array(pixels)).size; }"""
LIT = """[...document.querySelectorAll('.links td i')].filter(
i => Number(getComputedStyle(i).backgroundColor.match(/[/] ([\\d.]+)/)?.[1] ?? 1) > 0.05).length"""


def test_every_network_reads_it_and_shows_its_layers(opened):
    page = opened()
    drive.draw(page)
    for network in ("1998", "classic", "modern"):
        drive.pick(page, network)
        drive.settled(page)
        assert said(page) == "3"
        names = page.locator("#stages h3").all_inner_texts()
        assert names == ["C1", "S2", "C3", "S4", "C5", "F6", "output"]
        assert page.locator(".codes figure").count() == (10 if network == "1998" else 0)
        assert page.locator(".links td.linked").count() == (96 if network == "modern" else 60)
        assert page.evaluate(LIT) > 40
        assert all(page.evaluate(COLOURS, number) > 3 for number in range(7)), network


KEYS = (
    ["ArrowLeft"] * 6 + [" "] + ["ArrowRight"] * 12 + ["ArrowDown"] * 9 + ["ArrowLeft"] * 9 + ["ArrowRight"] * 9
    + ["ArrowDown"] * 9 + ["ArrowLeft"] * 12 + [" "]
)  # fmt: skip


def test_a_three_drawn_by_keyboard_is_a_three(opened):
    page = opened("modern")
    page.keyboard.press("Tab")
    for _ in range(30):
        if page.evaluate("document.activeElement.id") == "pad":
            break
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "pad", "expected Tab to reach the pad"
    for key in KEYS:
        page.keyboard.press(key)
    drive.settled(page)
    assert said(page) == "3"
    page.locator("#spoken-place", has_text=re.compile(r"Pen up, row \d+, column \d+ of 128")).wait_for(state="attached")
    page.keyboard.press("Control+z")
    drive.settled(page)
    assert page.inner_text("#verdict") == "Nothing is drawn yet."
    for key in [" ", "ArrowDown", "ArrowDown", "Delete"]:
        page.keyboard.press(key)
    drive.settled(page)
    assert page.inner_text("#verdict") == "Nothing is drawn yet."


def test_a_three_drawn_with_a_finger_is_a_three(opened):
    page = opened(viewport=drive.NARROW, has_touch=True, is_mobile=True)
    page.locator("#pad").scroll_into_view_if_needed()
    session = page.context.new_cdp_session(page)
    points = [drive.at(page, point) for point in drive.THREE]
    before = page.evaluate("window.scrollY")

    def touch(kind, *touching):
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in touching]})

    touch("touchStart", points[0])
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        for n in range(1, 6):
            touch("touchMove", (x0 + (x1 - x0) * n / 5, y0 + (y1 - y0) * n / 5))
    touch("touchEnd")
    drive.settled(page)
    assert said(page) == "3"
    assert page.evaluate("window.scrollY") == before, "expected a finger on the pad to draw and not to scroll"


def test_the_pad_can_stay_in_view_on_a_phone(opened):
    page = opened("1998", viewport=drive.NARROW, has_touch=True, is_mobile=True)
    page.click("#pin")
    page.locator("#live-title").scroll_into_view_if_needed()
    page.locator("article[aria-labelledby=stage-2]").scroll_into_view_if_needed()
    drive.draw(page, scroll=False)
    assert said(page) == "3"
    top, bottom = page.evaluate("(({top, bottom}) => [top, bottom])(document.querySelector('.left').getBoundingClientRect())")
    assert (top, bottom < 0.3 * drive.NARROW["height"]) == (0, True)
    page.click("#pin")
    assert page.evaluate("document.querySelector('#pad').getBoundingClientRect().bottom") < 0


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_is_wider_than_the_window(opened, width):
    page = opened("1998", viewport={"width": width, "height": 740})
    drive.draw(page)
    drive.choose(page, 2)
    page.locator(".sum summary").click()
    page.locator(".numbers table").first.wait_for()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        lightness = sum(map(int, re.findall(r"\d+", paper)[:3])) / 3
        assert lightness > 240 if scheme == "light" else lightness < 40


def test_a_change_of_colours_is_painted_at_once(opened):
    page = opened("1998")
    drive.draw(page)
    corner = "[...document.querySelector('#input-atlas canvas').getContext('2d').getImageData(0, 0, 1, 1).data].slice(0, 3)"
    assert min(page.evaluate(corner)) > 240
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(200)
    assert max(page.evaluate(corner)) < 40


def number(text):
    return float(text.replace("−", "-").replace("(", "").replace(")", ""))


def test_chosen_numbers_add_up_on_the_page(opened):
    page = opened("1998")
    drive.draw(page)
    for stage in range(7):
        shown = number(drive.choose(page, stage, 0.3 if stage < 6 else 0.05).split(": ")[1])
        formula, then = page.locator(".sum .formula").all_inner_texts()
        formula = formula.removeprefix("a = ")
        terms, total = formula.rsplit(" = ", 1) if " = " in formula else (formula, formula)
        parts = [number(each) for each in terms.replace(" − ", " + −").split(" + ")]
        assert sum(parts) == pytest.approx(number(total), abs=0.0011 * (len(parts) + 1))
        listed = [number(each.split("= ")[1]) for each in page.locator(".terms b").all_inner_texts()]
        assert listed == pytest.approx(parts[: len(listed)])
        found = number(then.split("= ")[1]) if stage < 6 else number(total)
        assert found == pytest.approx(shown, abs=0.0011 if stage < 6 else 0.11)
        assert page.locator("#input-atlas .mark.field").count() == 1
    page.locator(".sum button").click()
    assert page.locator(".sum, .mark.field, .mark.chosen").count() == 0


def test_a_number_is_chosen_by_keyboard(opened):
    page = opened("1998")
    drive.draw(page)
    canvas = page.locator("article[aria-labelledby=stage-2] .atlas canvas")
    canvas.focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "PageDown", "Enter"):
        page.keyboard.press(key)
    page.locator(".sum h4", has_text="C3, map 1, row 1, column 2").wait_for()
    lit = page.locator(".links td.linked.lit").count()
    assert lit == 3, "expected the three links of map 1"
    page.locator("#spoken-place", has_text="Where C3, map 1, row 1, column 2 comes from: a = ").wait_for(state="attached")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Close"
    page.keyboard.press("Enter")
    assert page.locator(".sum").count() == 0
    assert page.evaluate("document.activeElement === document.querySelector('article[aria-labelledby=stage-2] canvas')")
    page.keyboard.press("ArrowRight")
    page.locator("#spoken-place", has_text="C3, map 1, row 1, column 3: ").wait_for(state="attached")
    page.keyboard.press("Enter")
    page.locator(".sum").wait_for()
    page.keyboard.press("Escape")
    assert page.locator(".sum").count() == 0


def test_escape_closes_the_sum_wherever_the_focus_is(opened):
    page = opened("1998")
    drive.draw(page)
    drive.choose(page, 0)
    drive.draw(page, drive.SEVEN)
    assert page.evaluate("document.activeElement.id") == "pad"
    page.keyboard.press("Escape")
    assert page.locator(".sum").count() == 0


TOP = "number => document.querySelector(`article[aria-labelledby=stage-${number}] canvas`).getBoundingClientRect().top"
SEEN = "document.querySelector('.sum > p.muted').getBoundingClientRect().bottom < window.innerHeight + 1"


def test_a_sum_comes_into_view_and_the_chosen_map_stays_where_it_was(opened):
    page = opened("1998")
    drive.draw(page)
    drive.choose(page, 0)
    assert page.evaluate(SEEN)
    page.set_viewport_size({"width": 1280, "height": 1400})
    page.evaluate("document.querySelector('article[aria-labelledby=stage-1]').scrollIntoView({block: 'center'})")
    before = page.evaluate(TOP, 1)
    drive.choose(page, 1)
    assert page.evaluate(SEEN)
    assert abs(page.evaluate(TOP, 1) - before) < 1


def test_the_sum_follows_the_drawing(opened):
    page = opened("1998")
    drive.draw(page)
    drive.choose(page, 0, 0.25)
    before = page.locator(".sum .formula").first.inner_text()
    drive.draw(page, [(20, 60), (110, 64)], steps=20)
    drive.settled_for(page, ".sum .formula >> nth=0")
    after = page.locator(".sum .formula").first.inner_text()
    assert after != before
    drive.choose(page, 0, 0.25)
    drive.settled_for(page, ".sum .formula >> nth=0")
    assert page.locator(".sum .formula").first.inner_text() == after, "expected the sum of the whole drawing"


def test_samples_sliders_and_rejection(opened):
    page = opened("modern")
    page.click("#samples button >> nth=7")
    drive.settled(page)
    assert said(page) == "7"
    assert page.get_attribute("#samples button >> nth=7", "aria-pressed") == "true"
    page.focus("#change-rotation")
    for _ in range(18):
        page.keyboard.press("ArrowRight")
    assert page.get_attribute("#change-rotation", "aria-valuetext") == "90°"
    drive.settled(page)
    assert said(page) != "7" or "rejected" in page.get_attribute("#digit", "class")
    page.click("#changes button")
    drive.settled(page)
    assert said(page) == "7"
    label = page.get_attribute("#misread button >> nth=0", "aria-label")
    page.click("#misread button >> nth=0")
    drive.settled(page)
    assert said(page) == re.search(r"read as (\d)", label)[1]
    drive.draw(page, drive.SEVEN)
    assert page.get_attribute("#samples button >> nth=0", "aria-pressed") == "false"


def test_what_is_no_digit_is_rejected_by_the_network_of_1998(opened):
    page = opened("1998")
    for stroke in drive.CROSS:
        drive.draw(page, stroke)
    assert page.inner_text("#verdict").startswith("Rejected: it looks like no class.")
    assert "rejected" in page.get_attribute("#digit", "class")


def test_a_training_is_watched_and_reads_the_drawing(opened):
    page = opened("modern")
    drive.draw(page)
    page.fill("#live-steps", "120")
    page.click("#live-start")
    page.locator("#live-words", has_text=re.compile(r"LeNet-5, modern: step \d+ of 120")).wait_for(timeout=60_000)
    look = (
        "document.querySelector('#live-kernels canvas').toDataURL() + document.querySelector('#live-grads canvas').toDataURL()"
    )
    first = page.evaluate(look)
    page.click("#live-use")
    page.locator("#live-words", has_text=re.compile(r"step 120 of 120.* Done\.")).wait_for(timeout=60_000)
    assert page.evaluate(look) != first
    assert int(re.search(r"reads (\d+)", page.inner_text("#live-words"))[1]) > 60
    assert page.input_value("#network") == "live"
    drive.settled(page)
    assert said(page) == "3"
    assert page.locator("#live-sizes tr").count() == 5
