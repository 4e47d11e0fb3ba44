"""The pages: their drawings are what the code gives, and the names in them exist."""

import ast
import contextlib
import importlib.util
import inspect
import re
import tomllib
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import minicnn
from minicnn.backends.kernels import Kernels

ROOT = Path(minicnn.__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
SOURCES = ("minicnn", "tests", "benchmarks", "examples", "docs")

BELOW = ("", "minicnn", "minicnn/backends/cpu", "tests", "benchmarks", "examples", "docs")
"""Where a file may be that a page names."""

FILE = re.compile(r"[\w./-]*\w\.(?:py|md|svg|png|toml|safetensors|json)|[\w.-]+(?:/[\w.-]+)*/")
DOTTED = re.compile(r"(?<![\w./-])[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
CLASS = re.compile(r"(?<![\w./-])[A-Z]\w*[a-z]\w*")
SNAKE = re.compile(r"(?<![\w./-])[a-z]+(?:_[a-z0-9]+)+(?![\w/.-])")

MADE = re.compile(r"runs/.*|model\.safetensors|first\.py")
"""Files that programs and readers write."""

VARIABLES = {"net": minicnn.Network, "k": Kernels, "x": np.empty(0), "W": np.empty(0)}
VARIABLES |= {"classifier": minicnn.Classifier}
"""What pages call by these names."""

OTHERS = {"True", "False", "None", "Any", "DeprecationWarning", "cuda.blockIdx.x", "numba.cuda", "sm_80", "sm_90"}
OTHERS |= {"ru_maxrss", "sched_yield", "check_estimator", "model.get_weights", "pixels.npy", "model.onnx"}
OTHERS |= {"GridSearchCV", "MPI_Allreduce", "SyncBatchNorm"}
"""Names of others: Python, CUDA, the operating system and other libraries; and files that pages make up."""


def load_script(name="drawings"):
    """A script of docs as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["drawings", "lanes"])
def test_drawings_and_tables_are_what_the_script_makes(name):
    for path, text in load_script(name).made().items():
        assert path.read_text("utf-8") == text, f"expected {path.name} to be what the code gives: run python docs/{name}.py"


@pytest.mark.parametrize(("backend", "end"), [("numpy", "conv2d"), ("cpu", "NativeThreads.run_schedule")])
def test_the_traced_way_ends_at_the_first_kernel(backend, end):
    way = load_script().traced(backend)
    assert (way.hops[0].name, way.hops[-1].name) == ("Network.loss_and_grads", end)
    assert {hop.file for hop in way.hops} <= set(way.files)


def test_no_boxes_of_the_drawing_of_modules_overlap():
    script = load_script()
    drawn = script.modules()
    boxes = [tuple(map(float, found)) for found in re.findall(r"<rect x='(\d+)' y='(\d+)' width='(\d+)' height='(\d+)'", drawn)]
    assert len(boxes) == len(script.MAY_IMPORT)
    for n, (x, y, width, height) in enumerate(boxes):
        for x2, y2, width2, height2 in boxes[:n]:
            assert x + width <= x2 or x2 + width2 <= x or y + height <= y2 or y2 + height2 <= y


# --- names ---


@cache
def trees():
    """The syntax trees of the project's code, by path."""
    paths = [path for folder in SOURCES for path in (ROOT / folder).rglob("*.py")]
    return {path: ast.parse(path.read_text("utf-8")) for path in paths}


@cache
def classes():
    """Every class of the project, with the modules that define one of that name."""
    found = {}
    for path, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(".".join(path.relative_to(ROOT).with_suffix("").parts))
    return found


@cache
def names():
    """Every name that a definition, an argument or an assignment of the project gives, and every name of a file."""
    found = set()
    for path, tree in trees().items():
        found |= {path.stem, path.parent.name}
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                found.add(node.name)
            elif isinstance(node, ast.arg | ast.keyword):
                found.add(node.arg)
            elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
                found.add(node.id if isinstance(node, ast.Name) else node.attr)
    return found


def exists(name):
    """Whether a dotted name is a module, or an attribute of a module, a class or a variable that pages use."""
    first, *rest = name.split(".")
    starts = [VARIABLES[first]] if first in VARIABLES else []
    for module in classes().get(first, ()):
        with contextlib.suppress(ImportError):
            starts.append(getattr(importlib.import_module(module), first, None))
    for base in ("minicnn.", "minicnn.backends.", "minicnn.train.", ""):
        with contextlib.suppress(ImportError):
            starts.append(importlib.import_module(base + first))
    return any(has(start, rest) for start in starts)


def has(start, parts):
    """Whether attributes lead on from an object; a submodule is imported, and a field may have no default."""
    for n, part in enumerate(parts):
        if isinstance(start, ModuleType) and not hasattr(start, part):
            with contextlib.suppress(ImportError):
                importlib.import_module(f"{start.__name__}.{part}")
        if not hasattr(start, part):
            return n == len(parts) - 1 and part in inspect.get_annotations(start) if isinstance(start, type) else False
        start = getattr(start, part)
    return True


def quoted(page):
    """What stands in backticks on a page, outside blocks of code."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
    return sorted(set(re.findall(r"`([^`\n]+)`", text)))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_exists(page):
    named = {word for text in quoted(page) for word in text.split() if FILE.fullmatch(word) and not MADE.fullmatch(word)}
    missing = [name for name in named if not any((ROOT / folder / name).exists() for folder in BELOW)]
    assert not missing, f"expected files of the project, got {sorted(missing)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_name_of_the_code_that_a_page_names_exists(page):
    texts = [text for text in quoted(page) if not FILE.search(text)]
    missing = {name for text in texts for name in DOTTED.findall(text) if name not in OTHERS and not exists(name)}
    missing |= {name for text in texts for name in CLASS.findall(text) if name not in classes()}
    missing |= {name for text in texts for name in SNAKE.findall(text) if name not in names()}
    assert not missing - OTHERS, f"expected names of the code, got {sorted(missing - OTHERS)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if not link.startswith("http"):
            name, _, part = link.partition("#")
            other = page.parent / name if name else page
            assert other.exists(), link
            assert not part or part in anchors(other), link


def anchors(page):
    """The headings of a page, as links name them."""
    heads = [line.lstrip("# ").lower() for line in page.read_text("utf-8").splitlines() if line.startswith("#")]
    return [re.sub(r"[^\w -]", "", head).replace(" ", "-") for head in heads]


def test_the_names_of_today_in_the_list_of_renames_exist():
    rows = re.findall(r"^\| (.+) \| (.+) \|$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)[1:]
    today = [re.sub(r"^(\w+\()?([\w.-]+).*", r"\2", name) for _, now in rows for name in re.findall(r"`([^`]+)`", now)]
    assert len(today) > 50
    assert not [name for name in today if not exists(name) and name not in names() | {"BoundCall", "minicnn-engine"}]


def test_a_name_that_is_gone_is_seen():
    assert exists("Network.share")
    assert exists("Score.correct")
    assert exists("nn.rbf.reject_scores")
    assert not exists("Network.shares")
    assert not exists("minicnn.slots.Slot")
    assert "Room" not in classes()
    assert "rooms_of" not in names()


# --- words ---

PRIVATE = re.compile(
    r"\b(doors?|crews?|squash(?:es|ed|ing)?|twins?|lends?|lent|lending|aside|strains?|aims?|aimed|aiming)\b", re.IGNORECASE
)
"""Words that pages and docstrings once used in senses of their own; the standard ones are in the glossary of docs/design.md."""


def prose():
    """The text of every page and notebook, without code, and every docstring and comment of the project's code."""
    for page in [*PAGES, ROOT / "CHANGELOG.md"]:
        yield page, re.sub(r"^```.*?^```|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.M | re.S)
    for notebook in (ROOT / "docs").rglob("*.ipynb"):
        yield notebook, notebook.read_text("utf-8")
    for path in trees():
        if path.parts[len(ROOT.parts)] in {"minicnn", "examples", "benchmarks", "docs"}:
            yield path, path.read_text("utf-8")


def test_words_in_a_sense_of_ones_own_are_gone():
    found = {(str(path.relative_to(ROOT)), word) for path, text in prose() for word in PRIVATE.findall(text)}
    assert not found, f"expected standard words, got {sorted(found)}"


@pytest.mark.parametrize(
    "text", ["ReLU does not squash.", "at the door", "The crew of a batch", "Set it aside, twin.", "it aims at"]
)
def test_a_word_in_a_sense_of_ones_own_is_seen(text):
    assert PRIVATE.search(text)


# --- the name of the distribution ---

FOREIGN = re.compile(r"pip3? +install[^\n|;&]*?[\s'\"]minicnn(?=[\[\s'\"=<>~,)]|$)|(?<![\w-])minicnn\[[a-z]")
"""What asks for the distribution ``minicnn``, which is another project's: as an argument of pip, or with an extra."""


def test_no_text_tells_a_user_to_install_the_foreign_distribution():
    folders = (*SOURCES, ".ci")
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in {".py", ".md", ".toml", ""}]
    paths += [path for path in ROOT.iterdir() if path.suffix in {".md", ".toml", ".cff"}]
    texts = {path: path.read_text("utf-8") for path in paths if path.is_file() and path != Path(__file__)}
    assert not {path.name: found[0] for path, text in texts.items() if (found := FOREIGN.search(text))}
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert metadata["name"] == "minicnn-engine"


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("run pip install minicnn", True),
        ("pip install -q 'minicnn>=0.1'", True),
        ('run pip install "minicnn[train]"', True),
        ("install minicnn[test]", True),
        ("run pip install minicnn-engine", False),
        ('pip install "minicnn-engine[train]"', False),
        ("pip install -e '.[train]' && python -m minicnn info", False),
        ("run pip install safetensors", False),
    ],
)
def test_a_hint_that_installs_the_foreign_distribution_is_seen(text, foreign):
    assert bool(FOREIGN.search(text)) == foreign
