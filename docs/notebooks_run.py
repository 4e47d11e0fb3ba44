"""Run the notebooks of docs/tutorials: ``python docs/notebooks_run.py`` puts them, with all outputs, into build/tutorials.

A notebook is kept in the repository without outputs. One that was run since it and the package last changed is not run again.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
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


def all_executed() -> list[Path]:
    """All of them, two at a time: each has a process of its own."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(executed, NOTEBOOKS))


if __name__ == "__main__":
    all_executed()
