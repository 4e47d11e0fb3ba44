"""Draw on the page in Chromium and take the pictures of docs/page.md. Run: python docs/screenshots.py [FOLDER]

It needs Chromium and the package playwright, which .ci/browser installs. Pictures go to docs/pictures unless a folder is given.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))

from drive import browser, choose, draw, opened, serving
from PIL import Image

SCREENS = (("wide", 1280, 860), ("narrow", 360, 740))
FOLDER = Path(__file__).parent / "pictures"


def main(folder: Path) -> None:
    """Take every picture."""
    with serving() as address, browser() as chromium:
        for name, width, height in SCREENS:
            for scheme in ("light", "dark"):
                context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
                page = opened(context, address, "1998")
                take(page, folder, f"{name}-{scheme}")
                context.close()


def take(page: Any, folder: Path, name: str) -> None:
    """The pictures of one window; those of its parts for two of the four windows."""
    draw(page)
    page.mouse.move(0, 0)
    page.evaluate("window.scrollTo(0, 0)")
    page.wait_for_timeout(200)
    save(page.screenshot(), folder / f"page-{name}.png")
    if name == "narrow-light":
        page.click("#pin")
        page.evaluate("document.querySelector('article[aria-labelledby=stage-0]').scrollIntoView()")
        page.wait_for_timeout(200)
        save(page.screenshot(), folder / f"page-kept-{name}.png")
    if name not in ("wide-light", "narrow-dark"):
        return
    choose(page, 2)
    page.mouse.move(0, 0)
    page.wait_for_timeout(200)
    save(part(page, "article[aria-labelledby=stage-2]"), folder / f"page-sum-{name}.png")
    if name == "wide-light":
        save(part(page, "article[aria-labelledby=stage-5]"), folder / f"page-codes-{name}.png")
    steps = "300" if name == "wide-light" else "299"  # another number than that of a training before
    page.fill("#live-steps", steps)
    page.click("#live-start")
    page.locator("#live-words", has_text=re.compile(rf"step 1[5-9]\d of {steps}")).wait_for(timeout=60_000)
    page.click("#live-stop")
    page.locator("#live-words", has_text="Stopped").wait_for()
    page.wait_for_timeout(200)
    save(part(page, "section[aria-labelledby=live-title]"), folder / f"page-training-{name}.png")


def part(page: Any, selector: str) -> bytes:
    """An element with a little paper around it."""
    x, y, width, height = page.evaluate(
        "s => { const b = document.querySelector(s).getBoundingClientRect(); return [b.x, b.y + scrollY, b.width, b.height]; }",
        selector,
    )
    return page.screenshot(full_page=True, clip={"x": x - 12, "y": y, "width": width + 24, "height": height})


def save(picture: bytes, path: Path) -> None:
    """A picture of 256 colours, which are enough and take a third of the bytes."""
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(256).save(path, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
