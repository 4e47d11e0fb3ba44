"""The reference: every public name is on one page, and its docstring says what a caller must know."""

import dataclasses
import importlib
import inspect
import pkgutil
import re
import types
from functools import cache
from pathlib import Path

import pytest

import minicnn

ROOT = Path(minicnn.__file__).parents[1]
PAGES = sorted((ROOT / "docs" / "reference").glob("*.md"))
MODULES = ("minicnn", "minicnn.nn", "minicnn.optim", "minicnn.data", "minicnn.models", "minicnn.train", "minicnn.testing")
MODULES += ("minicnn.sklearn", "minicnn.serve")
"""Modules whose ``__all__`` is public."""
FURTHER = {
    "minicnn.optim.schedules": "ConstantRate StepDecay PiecewiseConstant Cosine OneCycle LinearWarmUp",
    "minicnn.optim.plateau": "ReduceOnPlateau",
    "minicnn.optim.averaging": "ParameterAverage update_bn",
    "minicnn.nn.losses": "Loss",
    "minicnn.io.torch": "load state_dict match",
    "minicnn.io.keras": "load",
    "minicnn.io.onnx": "load export",
    "minicnn.train.checkpoint": "save_weights load_weights read_metadata save_training load_training",
    "minicnn.train.fine_tuning": "load_fitting",
    "minicnn.train.distributed": "mpi_world",
}
"""Public names of modules that have other names, too."""
SAFE = {"minicnn.data.perturbations"}
"""Functions of which no argument of the right type is refused."""
FILES = {"BEST", "LAST"}
"""Names of files: text, which has no docstring."""


@cache
def public():
    """Every public object by the module that shows it and its name, once for each object."""
    found, seen = {}, []
    names = [(name, sorted(importlib.import_module(name).__all__)) for name in MODULES]
    names += [(name, given.split()) for name, given in FURTHER.items()]
    for module, each in names:
        for name in each:
            thing = getattr(importlib.import_module(module), name)
            if not isinstance(thing, types.ModuleType) and not any(thing is other for other in seen):
                seen.append(thing)
                found[f"{module}.{name}"] = thing
    return found


@cache
def shown():
    """The objects of the reference pages, with their pages."""
    found = []
    for page in PAGES:
        for path in re.findall(r"^::: ([\w.]+)$", page.read_text("utf-8"), re.M):
            module, _, name = path.rpartition(".")
            parent = pkgutil.resolve_name(module)
            found.append((getattr(parent, name, None) or importlib.import_module(path), page.name))
    return found


@cache
def examples():
    """The code of the reference pages."""
    return "\n".join(
        code for page in PAGES for code in re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)
    )


CALLABLE = sorted(name for name, thing in public().items() if callable(thing))


@pytest.mark.parametrize("name", sorted(set(public()) - {f"minicnn.train.{file}" for file in FILES}))
def test_every_public_name_is_on_one_page_of_the_reference(name):
    pages = [page for thing, page in shown() if thing is public()[name]]
    assert len(pages) == 1, f"expected {name} on one page of docs/reference, got {pages or 'none'}"


def problems(thing, code):
    """What a docstring lacks: a sentence, an argument, what is raised, an example."""
    text = inspect.getdoc(thing) if thing.__doc__ else ""
    own = thing.__doc__ or ""
    found = [] if re.match(r"[^\n]*(?:\n[^\n]+)*[.:](?:\s|$)", text, re.S) else ["a sentence"]
    named = set(re.findall(r"^ *\*{0,2}(\w+)(?: \([^)]*\))?: ", text, re.M)) | set(re.findall(r"``(\w+)``", text))
    arguments = [] if re.search(r"arguments as of ``", own) else parameters(thing)
    found += [f"the argument {name}" for name in arguments if name not in named]
    if arguments and not is_record(thing) and not re.search(r"Raises:|raises? \w+Error", own):
        found.append("what is raised")
    if ">>>" not in own and not re.search(rf"\b{thing.__name__}\b", code):
        found.append("an example")
    return found


def parameters(thing):
    """The names of what a caller gives."""
    if isinstance(thing, type) and issubclass(thing, Exception) and "__init__" not in vars(thing):
        return []  # raised by minicnn, and caught by its users
    given = inspect.signature(thing).parameters
    return [name for name in given if name not in {"self", "args", "kwargs"} and not name.startswith("_")]


def is_record(thing):
    """Whether it only holds values: a dataclass without checks, a named tuple, a base class or an error."""
    plain = dataclasses.is_dataclass(thing) and not hasattr(thing, "__post_init__")
    return isinstance(thing, type) and (plain or issubclass(thing, tuple | Exception))


@pytest.mark.parametrize("name", CALLABLE)
def test_a_public_docstring_names_arguments_and_errors_and_has_an_example(name):
    lacking = [part for part in problems(public()[name], examples()) if not (name in SAFE and part == "what is raised")]
    assert not lacking, f"the docstring of {name} lacks {lacking}"


def test_what_a_docstring_lacks_is_seen():
    def bare(size, colour):
        """Something without an end

        Args:
            size: in pixels.
        """

    assert problems(bare, "") == ["a sentence", "the argument colour", "what is raised", "an example"]
    assert problems(bare, "bare(1, 2)")[-1] == "what is raised"
    assert not problems(minicnn.Conv2d, "")
