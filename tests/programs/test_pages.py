"""The code of every page runs: its Python from top to bottom in one process, then its commands, in a folder of its own."""

import json
import re
import runpy
import shlex
import warnings
from pathlib import Path

import pytest

import minicnn
from minicnn.backends import processors
from minicnn.cli import main

ROOT = Path(minicnn.__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]

ELSEWHERE = {
    "from minicnn import Adam, Classifier, models\nfrom minicnn.data import ColorJitter, ImageFolder": "test_make_pictures.py",
    "from minicnn import BatchNorm2d, Conv2d, Dense, Flatten, Network, ReLU\nfrom minicnn.io": "test_keras_weights.py",
}
"""Python of the README that another test runs with the data that it needs, by how it begins."""

NOT_RUN = {
    r"python3 -m venv|\.venv/bin/pip|\. \.venv|pip install": "installs an environment: .ci/run does it",
    r"jupyter": "opens an editor; the notebooks run when the site is built",
    r"\.venv/bin/ruff|NUMBA_DISABLE_JIT=1|MINICNN_CHECK=1": "are the tests themselves: .ci/run runs them",
    r"\.venv/bin/python -m minicnn warmup": "compiles for minutes: tests/programs/test_cli.py runs warmup",
    r"python examples/make_pictures.py": "tests/programs/test_make_pictures.py runs it, with the commands below it",
    r"minicnn (train|evaluate|predict) ": "the same test",
    r"mpiexec ": "starts several processes: tests/train/test_mpi.py does",
    r"minicnn (draw|serve)\b": "serves until it is stopped: the tests of the service and of its page run it",
}
"""Commands that are not run here, with the reason."""


def blocks(page, language):
    """The blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)


def python(page):
    """The Python of a page as one program, with less training."""
    whole = "\n".join(block for block in blocks(page, "python") if not block.startswith(tuple(ELSEWHERE)))
    return re.sub(r"(epochs|max_iter)=\d+", r"\1=1", whole.replace("range(1000)", "range(50)"))


def commands(page):
    """The commands of a page that are run."""
    lines = [line for block in blocks(page, "sh") for line in block.replace("\\\n", "").splitlines() if line.strip()]
    return [line for line in lines if not any(re.match(known, line) for known in NOT_RUN)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with what the README's programs find: the weights of the repository, and digits where MNIST is looked for."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.setenv("MINICNN_DATA", str(ROOT / "minicnn" / "data" / "subset"))
    monkeypatch.setattr(processors, "usable_cpus", lambda: 1)
    monkeypatch.chdir(tmp_path)
    return tmp_path


WITH_CODE = [page for page in PAGES if python(page) or commands(page)]


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_code_of_a_page_runs(page, folder, capsys):
    (folder / "page.py").write_text(python(page), "utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of other packages
        runpy.run_path(str(folder / "page.py"))
    for line in commands(page):
        words = shlex.split(line, comments=True)
        assert words[0] == "minicnn", f"expected a command of minicnn or one in NOT_RUN, got {line}"
        assert main(words[1:]) == 0, line


def test_what_is_not_run_is_on_a_page():
    everything = "\n".join(page.read_text("utf-8") for page in PAGES)
    lines = [line for page in PAGES for block in blocks(page, "sh") for line in block.splitlines()]
    assert all(start in everything for start in ELSEWHERE)
    assert all(any(re.match(known, line) for line in lines) for known in NOT_RUN)


def test_every_block_of_code_says_its_language():
    bare = []
    for page in PAGES:
        fences = re.findall(r"^```(.*)$", page.read_text("utf-8"), re.M)
        bare += [page.name for opening in fences[::2] if opening not in {"python", "sh", "text", ""}]
    assert not bare


NOTEBOOKS = sorted((ROOT / "docs").rglob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs_and_begins_with_a_title(path):
    cells = json.loads(path.read_text("utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert not [cell["id"] for cell in code if cell["outputs"] or cell["execution_count"]]
    assert cells[0]["source"][0].startswith("# ")
    assert [cell["id"] for cell in cells] == [f"cell-{number:02}" for number in range(1, len(cells) + 1)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_link_of_a_notebook_leads_somewhere(path):
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        for link in re.findall(r"\]\(([^)\s#]+)", "".join(cell["source"]) if cell["cell_type"] == "markdown" else ""):
            assert (path.parent / link).exists(), link
