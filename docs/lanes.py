"""Two drawings for docs/lane-groups.md: how a group of images lies in memory, and which way a batch takes through a network.

Run after a change: python docs/lanes.py
"""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.append(str(DOCS))
from drawings import COLOURS, Page  # noqa: E402

SHADES = ("#d5e3f5", "#fde7c4", "#cfe8d5", "#eee0f0")
"""A colour for each of four images."""
LAYERS = ("C1", "S2", "C3", "S4", "C5")


def layouts() -> str:
    """The pixels of four images in memory: one image after another, and one pixel of all images after another."""
    page = Page("The order of numbers in memory, image by image and pixel by pixel")
    rows = (
        ("(N, C, H, W): one image after another", lambda place: (place // 4, place % 4)),
        ("(C, H, W, L): one pixel of all images, then the next pixel", lambda place: (place % 4, place // 4)),
    )
    for row, (title, which) in enumerate(rows):
        top = 20 + 110 * row
        page.words(16, top + 10, title, 14, bold=True)
        for place in range(16):
            image, pixel = which(place)
            left = 16 + 44 * place + 6 * (place // 4)
            page.box(left, top + 22, 40, 34, SHADES[image])
            page.words(left + 20, top + 38, f"img {image}", 10, middle=True)
            page.words(left + 20, top + 51, f"px {pixel}", 10, middle=True)
        if row:
            for register in range(4):
                left = 16 + 182 * register
                page.words(left + 86, top + 76, "one register", 12, middle=True)
    return str(page)


def ways() -> str:
    """Three groups through five layers: layer by layer, and depth first."""
    page = Page("The order of work, layer by layer and depth first")
    for part, (title, depth_first) in enumerate((("layer by layer", False), ("depth first, as minicnn does", True))):
        top = 20 + 200 * part
        page.words(16, top + 10, title, 14, bold=True)
        for column, layer in enumerate(LAYERS):
            page.words(130 + 92 * column, top + 34, layer, 12, bold=True, middle=True)
        for group in range(3):
            page.words(16, top + 62 + 42 * group, f"group {group}", 12)
            for column in range(len(LAYERS)):
                step = group * len(LAYERS) + column + 1 if depth_first else column * 3 + group + 1
                left = 92 + 92 * column
                page.box(left, top + 42 + 42 * group, 76, 32, COLOURS["engine"] if group % 2 else COLOURS["backends"])
                page.words(left + 38, top + 62 + 42 * group, f"step {step}", 12, middle=True)
    return str(page)


def made() -> dict[Path, str]:
    """The files that this script writes."""
    return {DOCS / "pictures" / "lanes.svg": layouts(), DOCS / "pictures" / "depth-first.svg": ways()}


if __name__ == "__main__":
    for path, text in made().items():
        path.write_text(text, "utf-8")
