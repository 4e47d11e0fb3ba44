"""Looks for faults that the tests would miss: mutants of every kernel against the tests that execute it, the quickest first.

``PYTHONPATH=tests:tests/backends/cuda python -m ptx.hunt`` runs the tests of the CUDA backend once, noting which kernels each
executes, then for some mutants of every kernel, and of every helper that kernels share, the tests concerned, until one fails.
"""

from __future__ import annotations

import ast
import inspect
import pkgutil
import random
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import Phase, settings
from mutants.changes import KINDS

import ptx
from minicnn.backends.cuda import kernels as backend
from minicnn.backends.cuda.device.operation import Operation
from minicnn.backends.cuda.device.target import inline

from .mutants import Mutant, mutants_of

TESTS = sorted(str(path) for path in Path(__file__).parent.glob("test_kernels_*.py"))


@dataclass(frozen=True)
class Finding:
    """What became of a mutant.

    Attributes:
        place: the key of the function.
        caught: by what: a kind of PtxError, ``values`` where a comparison failed, or nothing.
        test: which test failed.
    """

    mutant: Mutant
    place: str
    caught: str
    test: str


def key(function: FunctionType) -> str:
    """A function by module and name, the same for all closures of one text."""
    return f"{function.__module__.removeprefix(backend.__name__ + '.')}.{function.__name__}"


def modules() -> list[ModuleType]:
    """The backend's modules."""
    return [import_module(f"{backend.__name__}.{info.name}") for info in pkgutil.iter_modules(backend.__path__)]


def helpers() -> dict[str, Any]:
    """What kernels share, by its key."""
    found = {}
    for module in modules():
        for value in vars(module).values():
            if hasattr(value, "py_func") and value.py_func.__module__.startswith(backend.__name__):
                found[key(value.py_func)] = value
    return found


def names_behind(function: FunctionType) -> set[str]:
    """The keys of the helpers that a function uses, and of those that they use."""
    found: set[str] = set()
    for name in function.__code__.co_names:
        value = function.__globals__.get(name)
        if hasattr(value, "py_func") and key(value.py_func) not in found:
            found |= {key(value.py_func)} | names_behind(value.py_func)
    return found


def functions_of(module: ModuleType) -> set[str]:
    """The keys of the functions written in a module, and of the helpers that it uses."""
    tree, short = ast.parse(inspect.getsource(module)), module.__name__.removeprefix(f"{backend.__name__}.")
    written = {f"{short}.{node.name}" for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    used = [value.py_func for value in vars(module).values() if hasattr(value, "py_func")]
    return written.union(*({key(helper)} | names_behind(helper) for helper in used))


def concerned(only: Iterable[str], paths: Iterable[str] = TESTS) -> list[str]:
    """The test files that borrow from one that names an operation of a module with one of these functions.

    Tests of whole networks, which name layers, are left out: they may catch what survives here.
    """
    found = [m for m in modules() if any(part in name for part in only for name in functions_of(m))]
    operations = {n for m in found for n, v in vars(m).items() if isinstance(v, Operation) and v.__module__ == m.__name__}
    named = re.compile(rf"\b({'|'.join(operations)})\b")
    return [path for path in paths if operations and named.search(borrowed_text(Path(path)))]


def borrowed_text(path: Path) -> str:
    """The file of tests that a test file borrows from, or nothing."""
    name = re.search(r'borrowed\("(\w+)"', path.read_text())
    return (path.parents[2] / "cpu" / f"{name[1]}.py").read_text() if name else ""


class Compiler:
    """Stands in for ``ptx.to_ptx`` and ``ptx.launch``: notes what kernels are asked for, and gives a mutant for one of them."""

    def __init__(self) -> None:
        self.to_ptx, self.launch = ptx.to_ptx, ptx.launch
        self.seen: set[FunctionType] = set()
        self.mutant: tuple[str, Mutant] | None = None
        self.stillborn = False
        self.longest = 0
        self._made: dict[FunctionType, FunctionType] = {}

    def compile(self, kernel: FunctionType, *arguments: object, cc: tuple[int, int] = (8, 0)) -> str:
        self.seen.add(kernel)
        if self.mutant is None:
            return self.to_ptx(kernel, *arguments, cc=cc)
        try:
            return self.to_ptx(self._stand_in(kernel), *arguments, cc=(8, 0))
        except Exception:
            self.stillborn = True
            raise

    def execute(self, *arguments: Any, **options: Any) -> int:
        if self.mutant is None:
            steps = self.launch(*arguments, **options)
            self.longest = max(self.longest, steps)
            return steps
        return self.launch(*arguments, **{**options, "limit": 3 * self.longest})

    def _stand_in(self, kernel: FunctionType) -> FunctionType:
        assert self.mutant is not None
        name, mutant = self.mutant
        if kernel not in self._made:
            if key(kernel) == name:
                self._made[kernel] = mutant.build(kernel)
            elif name in names_behind(kernel):  # compiled anew, with the changed helper
                code, space, closure = kernel.__code__, kernel.__globals__, kernel.__closure__
                self._made[kernel] = FunctionType(code, space, kernel.__name__, None, closure)
        return self._made.get(kernel, kernel)

    @contextmanager
    def using(self, name: str, mutant: Mutant) -> Iterator[None]:
        """Give that mutant for the kernel or helper of that key."""
        self.mutant, self.stillborn, self._made = (name, mutant), False, {}
        original = helpers().get(name)
        places = [m for m in modules() if original is not None and getattr(m, mutant.function, None) is original]
        try:
            for module in places:
                setattr(module, mutant.function, inline(mutant.build(original.py_func)))
            yield
        finally:
            for module in places:
                setattr(module, mutant.function, original)
            self.mutant = None


class Hunt:
    """A plugin of pytest that runs the collected tests in its own way.

    Args:
        each: how many mutants of every kind to try of every function.
        only: parts of the keys of the functions to try.
    """

    def __init__(self, each: int, seed: int, only: Iterable[str] = (), tell: Callable[[str], None] = print) -> None:
        self.each, self.only, self.tell = each, tuple(only), tell
        self.seed = seed
        self.compiler = Compiler()
        self.findings: list[Finding] = []
        self.broken: list[str] = []
        self._errors: list[BaseException] = []

    def pytest_exception_interact(self, call: pytest.CallInfo[Any]) -> None:
        assert call.excinfo is not None
        self._errors.append(call.excinfo.value)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        ptx.to_ptx, ptx.launch = self.compiler.compile, self.compiler.execute
        try:
            self._run(session.items)
        finally:
            ptx.to_ptx, ptx.launch = self.compiler.to_ptx, self.compiler.launch
        return True

    def _run(self, items: list[pytest.Item]) -> None:
        users: dict[str, list[tuple[float, pytest.Item]]] = {}
        functions: dict[str, FunctionType] = {name: helper.py_func for name, helper in helpers().items()}
        for item in items:
            self.compiler.seen.clear()
            passed, seconds = self._passes(item)
            if not passed:
                self.broken.append(item.nodeid)
            for name in {n for kernel in self.compiler.seen for n in (key(kernel), *names_behind(kernel))}:
                users.setdefault(name, []).append((seconds, item))
            functions |= {key(kernel): kernel for kernel in self.compiler.seen}
        for name in sorted(users):
            if not self.broken and (not self.only or any(part in name for part in self.only)):
                self._try(name, functions[name], [item for _, item in sorted(users[name], key=lambda user: user[0])])

    def _passes(self, item: pytest.Item) -> tuple[bool, float]:
        """Whether a test passes, and how long it takes; one that fails is not asked for a smaller example."""
        function = getattr(item, "function", None)
        given = getattr(function, "_hypothesis_internal_use_settings", None)
        if given is not None:
            function._hypothesis_internal_use_settings = settings(given, phases=[Phase.explicit, Phase.generate])
        reports = runtestprotocol(item, log=False, nextitem=None)
        return not any(report.failed for report in reports), sum(report.duration for report in reports)

    def _try(self, name: str, function: FunctionType, items: list[pytest.Item]) -> None:
        """Some mutants of a function; one that does not compile is replaced by another."""
        every = mutants_of(function)
        for kind in KINDS:
            left = [mutant for mutant in every if mutant.kind == kind]
            random.Random(f"{self.seed} {name} {kind}").shuffle(left)
            wanted = self.each
            while left and wanted:
                finding = self._find(name, left.pop(), items)
                if finding is not None:
                    self.findings.append(finding)
                    self.tell(f"{finding.caught or 'SURVIVED':10} {kind:8} {name}: {finding.mutant}")
                    wanted -= 1

    def _find(self, name: str, mutant: Mutant, items: list[pytest.Item]) -> Finding | None:
        with self.compiler.using(name, mutant):
            for item in items:
                self._errors.clear()
                passed, _ = self._passes(item)
                if self.compiler.stillborn:
                    return None
                if not passed:
                    return Finding(mutant, name, cause(self._errors), item.nodeid)
        return Finding(mutant, name, "", "")


def cause(errors: list[BaseException]) -> str:
    """What gave a mutant away."""
    kinds = [error.kind for error in errors if isinstance(error, ptx.PtxError)]
    return kinds[0] if kinds else "values"


def hunt(paths: Iterable[str], each: int = 1, seed: int = 0, only: Iterable[str] = (), select: str = "") -> list[Finding]:
    """Try mutants against the tests of some files.

    Raises:
        RuntimeError: there are no tests, or one fails without a mutant.
    """
    plugin = Hunt(each, seed, only)
    options = ["-o", "addopts=", "-p", "no:terminal", "-p", "no:cacheprovider", *(["-k", select] if select else [])]
    pytest.main([*paths, *options], plugins=[plugin])
    if plugin.broken:
        raise RuntimeError(f"hunt: expected the tests to pass without mutants, got a failure of {plugin.broken[0]}")
    if not plugin.findings:
        raise RuntimeError("hunt: expected tests that execute kernels, got none")
    return plugin.findings


if __name__ == "__main__":
    found = hunt(TESTS, each=int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    print(f"{len(found)} mutants, {sum(not f.caught for f in found)} survived")
