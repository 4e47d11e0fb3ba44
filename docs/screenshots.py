"""Draw on the page in Chromium and take the pictures of docs/page.md. Run: python docs/screenshots.py [FOLDER]

It needs Chromium and the package playwright, which .ci/browser installs. Pictures go to docs/pictures unless a folder is given.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))

from drive import browser, choose, draw, opened, serving

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
    """The pictures of one window."""
    draw(page)
    page.mouse.move(0, 0)
    page.evaluate("window.scrollTo(0, 0)")
    page.wait_for_timeout(200)
    page.screenshot(path=folder / f"page-{name}.png")
    choose(page, 2, 0.2, 0.3)
    page.mouse.move(0, 0)
    page.locator("article[aria-labelledby=stage-2]").screenshot(path=folder / f"page-sum-{name}.png")
    page.locator("article[aria-labelledby=stage-5]").screenshot(path=folder / f"page-codes-{name}.png")
    page.screenshot(path=folder / f"page-whole-{name}.png", full_page=True)
    page.click("#live-start")
    page.locator("#live-words", has_text="Step 2").wait_for(timeout=60_000)
    page.click("#live-stop")
    page.locator("#live-words", has_text="Stopped").wait_for()
    page.wait_for_timeout(200)
    page.locator("section[aria-labelledby=live-title]").screenshot(path=folder / f"page-training-{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
