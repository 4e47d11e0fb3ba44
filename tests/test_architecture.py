"""The architecture, read from the syntax trees: who imports whom, what a backend offers, what an import costs."""

import ast
import inspect
import sys
from pathlib import Path

import pytest

import minicnn
from minicnn.backends import cpu, cuda, numpy, places, protocol

ROOT = Path(minicnn.__file__).parent
MAY_IMPORT = {
    "errors": "",
    "arrays": "errors",
    "options": "errors",
    "need": "arrays bind errors",
    "geometry": "errors",
    "initialisers": "arrays errors",
    "plan": "arrays errors initialisers",
    "fair": "",
    "fork": "fair",
    "lock": "errors fair fork",
    "placeholder": "arrays errors",
    "shared": "arrays bind memory program",
    "parallel": "errors lock program",
    "batch": "arrays",
    "rows": "arrays",
    "stage": "arrays door rows",
    "slots": "arrays memory parallel program",
    "runner": "arrays batch door group losses parallel program single slots stage targets",
    "single": "arrays door group losses parallel prepare program slots stage",
    "prepare": "arrays bind program",
    "targets": "arrays door errors losses",
    "curvature": "arrays batch bind door errors group losses memory parallel plan program slots stage targets",
    "trace": "arrays batch bind door group parallel program rooms slots stage",
    "chain": "arrays bind errors layers.base plan",
    "memory": "arrays plan",
    "rooms": "arrays memory",
    "program": "arrays errors placeholder plan rooms backends.protocol",
    "door": "arrays errors rows",
    "schedules": "errors geometry options",
    "optim": "arrays errors memory options plan",
    "sdlm": "arrays errors optim",
    "losses": "arrays errors backends.protocol",
    "penalties": "arrays errors losses backends.protocol",
    "layers": "layers arrays errors geometry initialisers options plan backends.protocol",
    "backends.protocol": "arrays",
    "backends.places": "arrays",
    "backends.log": "",
    "backends.defaults": "arrays",
    "backends.numpy": "backends.numpy backends.defaults backends.log arrays",
    "backends.cpu": "backends.cpu backends.defaults backends.log arrays errors rooms",
    "backends.cuda": "backends.cuda backends.defaults backends.log arrays errors",
    "backends": "errors",
    "bind": "arrays errors placeholder plan layers.base",
    "summary": "arrays bind geometry",
    "group": "arrays batch bind door errors losses memory plan program rooms slots",
    "handle": "arrays backends bind chain group lock memory parallel runner shared slots trace",
    "network": "arrays backends chain curvature door errors handle lock losses memory need parallel program runner shared "
    "summary targets",
    "models": "errors initialisers layers network",
    "": "models network runner layers losses optim penalties sdlm schedules initialisers plan errors arrays backends testing",
}
"""The core: a module, or all modules of a package, and what of minicnn it may import. Everything else is the periphery,
which may import anything, and which nothing here names."""

EXTRAS = {"torch", "matplotlib", "safetensors", "tqdm", "hypothesis", "pytest"}
LONGEST = 400

FILES = sorted(ROOT.rglob("*.py"))


def name_of(path):
    """The dotted name of a file below minicnn, "" for minicnn itself."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix("__init__").removesuffix(".")


MODULES = {name_of(path) for path in FILES}


def checked_for_types_only(node):
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imports(path, inside_functions=True):
    """Every module that a file imports when it runs, minicnn's own as ".name"."""
    package = [*name_of(path).split(".")] if path.name == "__init__.py" else name_of(path).split(".")[:-1]
    package = [part for part in package if part]
    found, waiting = set(), list(ast.parse(path.read_text()).body)
    while waiting:
        node = waiting.pop()
        if checked_for_types_only(node) or (not inside_functions and isinstance(node, ast.FunctionDef)):
            continue
        waiting.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = (
                [*package[: len(package) + 1 - node.level], *filter(None, [node.module])]
                if node.level
                else node.module.split(".")
            )
            whole = ".".join(base)
            for alias in node.names:  # ``from . import x`` may mean a module
                inner = f"{whole}.{alias.name}".removeprefix("minicnn.").removeprefix(".")
                own = node.level or whole.split(".")[0] == "minicnn"
                found.add(
                    f".{inner}"
                    if own and inner in MODULES
                    else f".{whole.removeprefix('minicnn').removeprefix('.')}"
                    if own
                    else whole
                )
    return {f".{name[8:]}" if name.startswith("minicnn.") else name for name in found}


def rule_of(module):
    """The line of the table that holds for a module, or None for the periphery."""
    fitting = [rule for rule in MAY_IMPORT if module == rule or (rule and module.startswith(f"{rule}."))]
    return max(fitting, key=len, default=None)


def test_the_table_names_modules_that_there_are():
    named = set(MAY_IMPORT) | {module for allowed in MAY_IMPORT.values() for module in allowed.split()}
    assert named <= MODULES


def test_the_core_imports_only_what_it_may():
    wrong = []
    for path in FILES:
        module, rule = name_of(path), rule_of(name_of(path))
        if rule is not None:
            own = {name[1:] for name in imports(path) if name.startswith(".")} - {module}
            allowed = MAY_IMPORT[rule].split()
            wrong += [f"{module} → {name}" for name in own if not any(name == a or name.startswith(f"{a}.") for a in allowed)]
    assert not wrong, "expected only imports that MAY_IMPORT above lists"


def test_the_reader_of_imports_sees_them_all():
    assert {".arrays", ".backends.cpu.jit", "numba.extending"} <= imports(ROOT / "backends" / "cpu" / "conv.py")
    assert {".backends.cpu.jit", "numpy"} <= imports(ROOT / "backends" / "cpu" / "sparse_conv.py")
    assert {".backends", ".door", ".handle"} <= imports(ROOT / "network.py")
    assert {".models", ".network"} <= imports(ROOT / "__init__.py")
    assert ".network" not in imports(ROOT / "optim.py"), "expected what is imported for types only to be left out"
    assert "tqdm" in imports(ROOT / "progress.py")
    assert "tqdm" not in imports(ROOT / "progress.py", inside_functions=False)


def test_extras_are_imported_where_they_are_used():
    for path in FILES:
        loaded = {name.split(".")[0] for name in imports(path, inside_functions=False)}
        assert not loaded & EXTRAS, name_of(path)


def test_nothing_is_imported_but_numpy_numba_extras_and_the_standard_library():
    for path in FILES:
        roots = {name.split(".")[0] for name in imports(path) if not name.startswith(".")} - {"minicnn"}
        third = roots - set(sys.stdlib_module_names) - EXTRAS
        compiler = {"numba", "llvmlite"} if name_of(path).startswith(("backends.cpu", "backends.cuda")) else set()
        assert third <= {"numpy"} | compiler, name_of(path)


def signatures(functions):
    return {name: list(inspect.signature(function).parameters) for name, function in functions.items()}


ALONE = {"conv2d_image", "conv2d_image_dW_add", "conv2d_image_dx"}
"""Kernels for groups of one image, which a GPU never has."""


BACKENDS = pytest.mark.parametrize("backend", [cpu, numpy, cuda], ids=["cpu", "numpy", "cuda"])


def kernels_of(backend):
    """The kernels of a backend by name: those of the manual, and what is bound to arrays as they are."""
    return {name: value for name, value in vars(backend).items() if name in protocol.NAMES or hasattr(value, "bind")}


def offered(backend):
    """The names that a backend offers."""
    return set(getattr(backend, "__all__", vars(backend)))


@pytest.mark.parametrize(("backend", "missing"), [(cpu, set()), (numpy, set()), (cuda, ALONE)], ids=["cpu", "numpy", "cuda"])
def test_the_backend_has_the_kernels_of_the_protocol_with_the_same_arguments(backend, missing):
    stated = signatures({n: f for n, f in vars(protocol.Kernels).items() if inspect.isfunction(f) and not n.startswith("_")})
    assert missing <= set(stated)
    stated = {name: arguments[1:] for name, arguments in stated.items() if name not in {"call", *missing}}
    written = signatures(kernels_of(backend))
    assert sorted(written) == sorted(stated)
    assert written == stated


@BACKENDS
def test_every_kernel_of_the_backend_is_exported_and_documented(backend):
    kernels = set(kernels_of(backend))
    assert kernels <= offered(backend)
    assert all(getattr(backend, name).__doc__ for name in kernels)
    assert all(vars(protocol.Kernels)[name].__doc__ for name in kernels)


@BACKENDS
def test_a_backend_says_where_its_kernels_work(backend):
    stated = {name for name in vars(places.Place) if not name.startswith("_")} | set(places.Place.__annotations__)
    assert stated <= offered(backend)
    functions = {n: f for n, f in vars(places.Place).items() if inspect.isfunction(f) and not n.startswith("_")}
    stated = {name: arguments[1:] for name, arguments in signatures(functions).items()}
    assert signatures({name: getattr(backend, name) for name in stated}) == stated


def test_one_file_names_the_compiler_of_the_cuda_backend():
    own = [path for path in FILES if path.is_relative_to(ROOT / "backends" / "cuda")]
    naming = [name_of(path) for path in own if any(name.split(".")[0] == "numba" for name in imports(path))]
    assert naming == ["backends.cuda.target"]


def test_the_numpy_backend_can_be_read_in_an_hour():
    own = [path for path in FILES if path.is_relative_to(ROOT / "backends" / "numpy")]
    lines = sum(len(path.read_text().splitlines()) for path in own)
    assert lines <= 700, f"expected at most 700 lines of formulas, got {lines}"


def test_every_public_name_is_there_and_documented():
    assert sorted(minicnn.__all__) == sorted(set(minicnn.__all__))
    for name in minicnn.__all__:
        assert inspect.getdoc(getattr(minicnn, name)), f"expected a docstring of {name}"


def test_a_file_has_one_purpose_and_fits_on_a_few_screens():
    lengths = {path: len(path.read_text().splitlines()) for path in FILES}
    longer = {name_of(path): n for path, n in lengths.items() if n > LONGEST}
    assert not longer, f"expected at most {LONGEST} lines: these ask to be two files"
    silent = [name_of(path) for path in FILES if not ast.get_docstring(ast.parse(path.read_text()))]
    assert not silent, "expected every file to say its purpose first"


def test_importing_minicnn_loads_no_extras_and_takes_little_time(python):
    code = """
import sys, time
EXTRAS = "matplotlib", "safetensors", "tqdm", "torch", "numba", "llvmlite", "minicnn.train", "minicnn.data"
started = time.perf_counter()
import minicnn
seconds = time.perf_counter() - started
print(seconds, *(name for name in EXTRAS if name in sys.modules))
"""
    runs = [python(code).split() for _ in range(2)]
    assert runs[0][1:] == [], f"expected none of these to be loaded: {runs[0][1:]}"
    seconds = min(float(run[0]) for run in runs)
    assert seconds <= 1.5, (
        f"expected import minicnn to take at most 1.5 s, got {seconds:.2f} s; it was 0.6 when this was written"
    )
