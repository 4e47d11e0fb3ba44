"""Stands in for PyTorch where it is not installed: whatever calls it is skipped, so that other tests of the same file run."""

import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec

import pytest

WORDS = "compares with PyTorch, which is not installed"


class Kind(type):
    """The class of everything in the absent package: it has every attribute, can be a base, and skips when it is called."""

    def __getattr__(cls, name):
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return Absent

    def __call__(cls, *given, **named):
        pytest.skip(WORDS, allow_module_level=True)


class Absent(metaclass=Kind):
    """Anything in it."""


class Finder:
    """Finds modules of the package, which have every name."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        return ModuleSpec(name, Finder, is_package=True) if name.partition(".")[0] == "torch" else None

    @staticmethod
    def create_module(spec):
        return None

    @staticmethod
    def exec_module(module):
        module.__getattr__ = lambda name: Absent() if name == "__version__" else getattr(Absent, name)


def install():
    """Let modules import it, if PyTorch is not there."""
    if find_spec("torch") is None:
        sys.meta_path.append(Finder)
