"""The notebooks of docs/tutorials as pages: run while the site is built, and shown with all that they print and draw."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from nbconvert import MarkdownExporter
from traitlets.config import Config

sys.path.insert(0, str(Path(__file__).parents[1]))
from notebooks_run import NOTEBOOKS, all_executed


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """A page for every notebook, and a file for every picture that it draws."""
    order = ["image/svg+xml", "image/png", "text/plain"]
    exporter = MarkdownExporter(config=Config({"NbConvertBase": {"display_data_priority": order}}))
    for path, made in zip(NOTEBOOKS, all_executed(), strict=True):
        note = f"*This page is a notebook, which was run when the site was built: [{path.name}]({path.name}).*\n\n"
        resources = {"output_files_dir": f"{path.stem}_files"}
        text, resources = exporter.from_filename(str(made), resources=resources)
        title, rest = text.lstrip().split("\n", 1)
        files.append(File.generated(config, f"tutorials/{path.stem}.md", content=f"{title}\n\n{note}{rest}"))
        for name, content in resources["outputs"].items():
            files.append(File.generated(config, f"tutorials/{name}", content=content))
    return files


def on_page_markdown(text: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to notebooks lead to their pages, except the one to the notebook itself."""
    if page.file.src_uri.removesuffix(".md") in {f"tutorials/{path.stem}" for path in NOTEBOOKS}:
        return text
    return re.sub(r"(\]\([^)\s:]*tutorials/[^)\s]*|\]\([\w-]+)\.ipynb\)", r"\1.md)", text)
