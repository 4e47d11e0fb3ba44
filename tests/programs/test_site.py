"""The built site: new users' questions are answered by the first hit, and nothing is loaded from outside."""

import os
import re
import tomllib
from pathlib import Path

import pytest
import test_reference

import minicnn

ROOT = Path(minicnn.__file__).parents[1]
SITE = ROOT / "build" / "site"
QUESTIONS = tomllib.loads((Path(__file__).parent / "questions.toml").read_text("utf-8"))["question"]
LOADED = re.compile(r"<(?:script|img|iframe|source|video|audio|embed|object)\b[^>]*?\b(?:src|data)=[\"']?([^\"'\s>]+)")
STYLES = re.compile(r"<link\b[^>]*?\bhref=[\"']?([^\"'\s>]+)")
OUTSIDE = re.compile(r"(?:https?:)?//")

pytestmark = pytest.mark.skipif(
    not (SITE / "index.html").exists() and "MINICNN_SITE" not in os.environ, reason="the site is not built: .ci/docs builds it"
)


@pytest.fixture(scope="module")
def search():
    site_search = pytest.importorskip("site_search", reason="needs the extra docs", exc_type=ImportError)
    return site_search.Search(SITE / "search" / "search_index.json")


@pytest.fixture(scope="module")
def pages():
    return {path.relative_to(SITE).as_posix(): path.read_text("utf-8") for path in SITE.rglob("*.html")}


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question["words"])
def test_a_question_is_answered_by_the_first_hit(search, question):
    found = search.pages(question["words"])
    assert found[:1] == [question["page"]], f"expected {question['page']} first, got {found[:4]}"


def test_there_are_at_least_ten_questions_about_pages_that_exist(pages):
    assert len(QUESTIONS) >= 10
    assert {question["page"] for question in QUESTIONS} <= set(pages)


def test_nothing_is_loaded_from_outside(pages):
    loaded = {(name, url) for name, text in pages.items() for url in LOADED.findall(text) + STYLES.findall(text)}
    assert not {(name, url) for name, url in loaded if OUTSIDE.match(url)}
    styles = [path.read_text("utf-8") for path in SITE.rglob("*.css")]
    assert not [url for text in styles for url in re.findall(r"(?:url\(|@import )[\"']?((?:https?:)?//[^\"')]+)", text)]


@pytest.mark.parametrize(
    "text",
    ["<script src=https://a.b/c.js>", '<link rel="stylesheet" href="//a.b/c.css">', "<img alt='x' src='http://a.b/c.png'>"],
)
def test_what_is_loaded_from_outside_is_seen(text):
    assert any(OUTSIDE.match(url) for url in LOADED.findall(text) + STYLES.findall(text))


def test_every_page_says_its_version(pages):
    assert not [name for name, text in pages.items() if f"minicnn {minicnn.__version__}" not in text]


def test_every_public_callable_has_a_place_on_a_page_of_the_reference(pages):
    reference = [text for name, text in pages.items() if name.startswith("reference/")]
    places = {place for text in reference for place in re.findall(r'id="([\w.]+)"', text)}
    ends = {place.rpartition(".")[2] for place in places}
    assert not [name for name in test_reference.CALLABLE if name.rpartition(".")[2] not in ends]


def test_tutorials_show_what_they_print_and_draw(pages):
    for notebook in sorted((ROOT / "docs" / "tutorials").glob("*.ipynb")):
        text = pages[f"tutorials/{notebook.stem}.html"]
        assert "Traceback" not in text, notebook
        assert "<img" in text or notebook.stem == "one-layer", notebook


def test_formulas_are_drawn_without_a_script(pages):
    assert "<math" in pages["tutorials/one-layer.html"]
    assert not [name for name, text in pages.items() if "arithmatex" in text]
