"""The tests of the CPU's kernels, for the kernels of another backend: the same oracles, strategies and tolerances."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from unittest import mock

import strategies

import minicnn.backends
from minicnn.backends import cpu


def borrowed(name, kernels, share, leave=()):
    """The tests of a file, made anew over other kernels.

    Args:
        name: the file, without its ending.
        kernels: by name, called as the CPU's are.
        share: of the examples that the CPU's kernels get.
        leave: the beginnings of names of tests that are left out.
    """
    path = Path(__file__).parent / "backends" / "cpu" / f"{name}.py"
    module = importlib.util.module_from_spec(importlib.util.spec_from_file_location(f"{name}_over_others", path))
    originals = {n: m for n, m in sys.modules.items() if n == cpu.__name__ or n.startswith(f"{cpu.__name__}.")}
    others = {n: stand_in(m, kernels) for n, m in originals.items()}
    whole = others[cpu.__name__]
    for n, other in others.items():  # ``from minicnn.backends.cpu import pointwise`` asks the package, not sys.modules
        package, _, child = n.rpartition(".")
        if package in others and getattr(originals[package], child, None) is originals[n]:
            setattr(others[package], child, other)
    with mock.patch.object(minicnn.backends, "cpu", whole), mock.patch.object(strategies, "SHARE", share * strategies.SHARE):
        try:
            sys.modules.update(others)
            module.__spec__.loader.exec_module(module)
        finally:
            sys.modules.update(originals)  # only these: what was imported for the first time meanwhile stays
    tests = {n: test for n, test in vars(module).items() if n.startswith("test_")}
    return {n: test for n, test in tests.items() if not n.startswith(tuple(leave))}


def stand_in(module, kernels):
    """A module as it is, with other kernels under the names of its own."""
    other = ModuleType(module.__name__)
    vars(other).update(vars(module))
    vars(other).update({n: kernels[n] for n, value in vars(module).items() if hasattr(value, "bind") and n in kernels})
    return other
