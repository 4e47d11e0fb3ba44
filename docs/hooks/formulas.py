r"""Formulas between dollars become MathML while the site is built, so that a browser needs no script for them."""

import re
from html import unescape

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.S)
"""A formula as pymdownx.arithmatex marks it."""


def on_page_content(html: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Replace the formulas of a page."""

    def drawn(found: re.Match[str]) -> str:
        return str(convert(unescape(found[2]), display="inline" if found[1] == "span" else "block"))

    return FORMULA.sub(drawn, html)
