"""CHANGELOG.md and CONTRIBUTING.md lie beside docs/ and are pages of the site; links out of docs/ become names of files."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
PAGES = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md", "README.md": "index.md"}
SEARCHED_LAST = "---\nsearch:\n  boost: 0.2\n---\n"
"""The changelog has a word about everything, and the answer to nothing."""
LINK = re.compile(r"\[([^\]]*)\]\(((?:\.\./)+)([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the two pages, with their links as they are from within docs/."""
    for name in ("CHANGELOG.md", "CONTRIBUTING.md"):
        text = SEARCHED_LAST + (ROOT / name).read_text("utf-8").replace("](docs/", "](")
        files.append(File.generated(config, PAGES[name], content=text))
    return files


def on_page_markdown(text: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to files outside docs/, which work where the repository is read, lead to a page of the site or nowhere."""
    here = Path("docs", page.file.src_uri).parent

    def there(link: re.Match[str]) -> str:
        words, up, name, part = link.groups()
        at = (ROOT / here / up / name).resolve().relative_to(ROOT)
        if at.parts[0] == "docs":
            return link[0]
        found = PAGES.get(str(at))
        return f"[{words}]({'../' * (len(here.parts) - 1)}{found}{part or ''})" if found else words

    return LINK.sub(there, text)
