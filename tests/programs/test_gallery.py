"""The gallery: its program draws every kind of picture, and its page shows them with the lines that made them."""

import re
import runpy
import sys
from pathlib import Path

import pytest

from minicnn.backends.cpu.compile.mode import CHECK, INTERPRET
from minicnn.train import plots

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "gallery.md").read_text("utf-8")
SOURCE = (ROOT / "examples" / "gallery.py").read_text("utf-8")
SHOWN = re.findall(r"\]\(pictures/gallery/([\w-]+\.png)\)", PAGE)


@pytest.mark.skipif(CHECK or INTERPRET, reason="it trains networks")
def test_the_program_draws_every_picture_of_the_page(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    given = ["--out", str(tmp_path), "--limit", "100", "--epochs", "1"]
    monkeypatch.setattr(sys, "argv", ["gallery.py", *given])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "examples" / "gallery.py"), run_name="__main__")
    assert ended.value.code == 0, capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(SHOWN)
    assert max(path.stat().st_size for path in tmp_path.iterdir()) <= 60_000


def test_the_page_shows_every_kind_and_every_picture_is_there_and_small():
    kinds = set(plots.__all__) - {"blank", "calibration_bins", "rows_of_images", "save"}
    assert kinds == set(re.findall(r"plots\.(\w+)\(", PAGE))
    there = {path.name: path.stat().st_size for path in (ROOT / "docs" / "pictures" / "gallery").iterdir()}
    assert sorted(there) == sorted(SHOWN)
    assert max(there.values()) <= 60_000


def test_a_line_on_the_page_is_that_of_the_program():
    lines = re.findall(r"`(plots\.\w+\([^`]*\))`", PAGE)
    assert len(lines) == len(SHOWN)
    own = re.sub(r'out / ("[\w-]+\.png")', r"\1", SOURCE)
    assert [line for line in lines if line not in own] == []


@pytest.mark.skipif(CHECK or INTERPRET, reason="it trains networks")
def test_every_line_on_the_page_runs(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    steps = re.findall(r"^```python\n(.*?)^```|^`(plots\.\w+\([^`]*\))`", PAGE, re.M | re.S)
    whole = "\n".join(block or line for block, line in steps)
    code = whole.replace("[:6000]", "[:200]").replace("epochs=4", "epochs=1, log=None")
    (tmp_path / "page.py").write_text(code, "utf-8")
    runpy.run_path(str(tmp_path / "page.py"))
    assert sorted(path.name for path in tmp_path.glob("*.png")) == sorted(SHOWN)


def test_the_readme_shows_four():
    assert len(re.findall(r"\]\(docs/pictures/gallery/[\w-]+\.png\)", (ROOT / "README.md").read_text("utf-8"))) == 4
