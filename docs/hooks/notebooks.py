"""The notebooks of docs/tutorials as pages: run while the site is built, and shown with all that they print and draw.

A notebook is kept in the repository without outputs. One that was run since it and the package last changed is not run again.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from nbclient import NotebookClient
from nbconvert import MarkdownExporter
from traitlets.config import Config

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "tutorials").glob("*.ipynb"))
RUN = ROOT / "build" / "tutorials"


def executed(path: Path) -> Path:
    """The notebook with its outputs, in build/tutorials."""
    made = RUN / path.name
    sources = [path, *(ROOT / "minicnn").rglob("*.py"), *(ROOT / "examples").glob("*.py")]
    if not made.exists() or made.stat().st_mtime < max(source.stat().st_mtime for source in sources):
        notebook = nbformat.read(path, as_version=4)
        RUN.mkdir(parents=True, exist_ok=True)
        where, quiet = {"metadata": {"path": str(RUN)}}, ["--IPKernelApp.log_level=ERROR"]
        NotebookClient(notebook, timeout=300, coalesce_streams=True, resources=where, extra_arguments=quiet).execute()
        nbformat.write(notebook, made)
    return made


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """A page for every notebook, and a file for every picture that it draws."""
    order = ["image/svg+xml", "image/png", "text/plain"]
    exporter = MarkdownExporter(config=Config({"NbConvertBase": {"display_data_priority": order}}))
    with ThreadPoolExecutor(2) as pool:  # each has a process of its own
        ready = list(pool.map(executed, NOTEBOOKS))
    for path, made in zip(NOTEBOOKS, ready, strict=True):
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
