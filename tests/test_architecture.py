"""The architecture, read from the syntax trees: who imports whom, what a backend offers, what an import costs."""

import ast
import graphlib
import inspect
import sys
from pathlib import Path

import pytest

import minicnn
from minicnn.backends import cpu, cuda, kernels, numpy, program

ROOT = Path(minicnn.__file__).parent
MAY_IMPORT = {
    "arrays": "",
    "errors": "",
    "backends": "arrays errors",
    "backends.cpu.compile": "arrays errors backends",
    "backends.cpu.tiles": "arrays backends.cpu.compile",
    "backends.cpu.kernels": "arrays backends.cpu.compile backends.cpu.tiles backends.cpu.runtime",
    "backends.cpu.conv": "arrays backends backends.cpu.compile backends.cpu.tiles",
    "backends.cpu.single_image": "arrays backends.cpu.compile backends.cpu.tiles backends.cpu.kernels backends.cpu.conv",
    "backends.cpu.channels_last": "arrays backends.cpu.compile backends.cpu.tiles backends.cpu.conv",
    "backends.cpu.runtime": "arrays errors backends backends.cpu.compile",
    "backends.cpu": "arrays backends backends.cpu.compile backends.cpu.tiles backends.cpu.kernels backends.cpu.conv "
    "backends.cpu.single_image backends.cpu.channels_last backends.cpu.runtime",
    "backends.cuda.device": "arrays errors backends",
    "backends.cuda.kernels": "arrays backends.cuda.device",
    "backends.cuda": "arrays errors backends backends.cuda.device backends.cuda.kernels",
    "backends.numpy": "arrays backends",
    "nn": "arrays errors backends",
    "optim": "arrays errors nn engine",
    "engine": "arrays errors backends nn",
    "network": "arrays errors backends nn engine",
    "data": "arrays errors backends engine",
    "models": "arrays errors nn network",
    "testing": "arrays backends nn engine network data",
    "version": "",
    "train": "arrays errors version backends nn optim engine network data",
    "sklearn": "arrays errors nn optim engine network data models train",
    "io": "arrays errors version nn engine network data train",
    "minicnn": "errors version backends nn optim engine network models train",
    "serve": "arrays errors data train",
    "serve.demo": "arrays errors nn optim engine network data models train serve",
    "cli": "arrays errors version backends backends.cpu.compile nn optim engine network models testing data train serve "
    "serve.demo io",
}
"""Every module, a folder or a file of the package, with the modules that it may import; "minicnn" is the package's own list."""

MOST_FLOORS = 9
MOST_NAMES = {".": 16, "backends/cpu": 10}
"""How many names may lie at the top of a folder; ``__init__`` and its like, and the mark py.typed, are no names to a reader."""

EXTRAS = {
    "torch",
    "matplotlib",
    "safetensors",
    "tqdm",
    "PIL",
    "hypothesis",
    "pytest",
    "starlette",
    "uvicorn",
    "prometheus_client",
    "sklearn",
    "onnx",
    "h5py",
    "mpi4py",
}
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
        if checked_for_types_only(node) or (not inside_functions and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
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


def module_of(file):
    """The module that a file, by its dotted name, belongs to: the longest of the table's names that it begins with."""
    if file == "__main__":
        return "cli"
    fitting = [module for module in MAY_IMPORT if file == module or file.startswith(f"{module}.")]
    return max(fitting, key=len, default="minicnn")


def arrows():
    """Which modules each module imports, read from the files."""
    found = {module: set() for module in MAY_IMPORT}
    for path in FILES:
        module = module_of(name_of(path))
        found[module] |= {module_of(name[1:]) for name in imports(path) if name.startswith(".")} - {module}
    return found


def floors(imported):
    """The floor of each module: one above the highest that it imports.

    Raises:
        graphlib.CycleError: modules import each other in a cycle.
    """
    found = {}
    for module in graphlib.TopologicalSorter(imported).static_order():
        found[module] = 1 + max((found[below] for below in imported[module]), default=0)
    return found


def test_every_file_has_a_module_and_every_module_files():
    named = set(MAY_IMPORT) | {module for allowed in MAY_IMPORT.values() for module in allowed.split()}
    assert {module_of(module) for module in MODULES} == named == set(MAY_IMPORT)
    assert [module for module in MODULES if module_of(module) == "minicnn"] == [""], "expected a module for every other file"


def test_a_module_imports_only_the_modules_that_it_may():
    wrong = [f"{module} → {other}" for module, others in arrows().items() for other in others - set(MAY_IMPORT[module].split())]
    assert not wrong, "expected only imports that MAY_IMPORT above lists"


def test_modules_stand_on_few_floors_without_cycles_or_imports_upward():
    allowed = floors({module: set(others.split()) for module, others in MAY_IMPORT.items()})
    found = floors(arrows())
    assert max(found.values()) <= max(allowed.values()) <= MOST_FLOORS
    assert all(allowed[other] < allowed[module] for module, others in arrows().items() for other in others)


@pytest.mark.parametrize("folder", MOST_NAMES)
def test_a_folder_has_few_names_at_its_top(folder):
    names = {path.relative_to(ROOT / folder).parts[0] for path in (ROOT / folder).rglob("*.py")}
    assert len({name for name in names if not name.startswith("__")}) <= MOST_NAMES[folder], sorted(names)


def test_the_reader_of_imports_sees_them_all():
    cpu = ROOT / "backends" / "cpu"
    assert {".arrays", ".backends.cpu.compile.jit", "numba.extending"} <= imports(cpu / "conv" / "direct.py")
    assert {".backends.cpu.compile.jit", "numpy"} <= imports(cpu / "conv" / "sparse.py")
    assert {".backends", ".engine.inputs", ".engine.inspection"} <= imports(ROOT / "network.py")
    assert {".models", ".network"} <= imports(ROOT / "__init__.py")
    assert ".network" not in imports(ROOT / "optim" / "optimizers.py"), "expected imports for types only to be left out"
    assert "tqdm" in imports(ROOT / "train" / "progress.py")
    assert "tqdm" not in imports(ROOT / "train" / "progress.py", inside_functions=False)


DERIVED = {"sklearn": {"sklearn"}, "train.plots.drawing": {"matplotlib"}}
"""The files whose classes have an extra's as bases, so that they import it at once; others import them where they are used."""


def test_extras_are_imported_where_they_are_used():
    for path in FILES:
        loaded = {name.split(".")[0] for name in imports(path, inside_functions=False)}
        assert loaded & EXTRAS == DERIVED.get(name_of(path), set()), name_of(path)


def test_nothing_is_imported_but_numpy_numba_extras_and_the_standard_library():
    for path in FILES:
        roots = {name.split(".")[0] for name in imports(path) if not name.startswith(".")} - {"minicnn"}
        third = roots - set(sys.stdlib_module_names) - EXTRAS
        compiler = {"numba", "llvmlite"} if name_of(path).startswith(("backends.cpu", "backends.cuda")) else set()
        assert third <= {"numpy"} | compiler, name_of(path)


def arrays_of(functions):
    """The arrays that kernels take; options, which are given by name, are for lowering alone."""
    parameters = {name: inspect.signature(function).parameters.values() for name, function in functions.items()}
    return {name: [p.name for p in found if p.kind is not p.KEYWORD_ONLY] for name, found in parameters.items()}


BACKENDS = pytest.mark.parametrize("backend", [cpu.BACKEND, numpy.BACKEND, cuda.BACKEND], ids=lambda backend: backend.name)


@BACKENDS
def test_the_backend_has_the_kernels_of_the_manual_with_the_same_arguments(backend):
    stated = arrays_of({n: getattr(kernels.Kernels, n) for n in dir(kernels.Kernels) if not n.startswith("_")})
    stated = {name: arguments[1:] for name, arguments in stated.items() if name != "call"}
    written = arrays_of(backend.kernels)
    assert sorted(stated) == sorted(kernels.NAMES)
    if backend.name == "cuda":  # which may lack some, and refuses layers that need them
        stated = {name: arguments for name, arguments in stated.items() if name in written}
    assert written == stated


@BACKENDS
def test_every_kernel_of_the_backend_has_its_name_and_is_documented(backend):
    assert all(kernel.__name__ == name for name, kernel in backend.kernels.items())
    assert all(kernel.__doc__ for kernel in backend.kernels.values())
    assert all(getattr(kernels.Kernels, name).__doc__ for name in backend.kernels)


@BACKENDS
def test_every_kernel_that_a_backend_has_is_stated_in_the_manual(backend):
    """What a backend's package holds beside them is no kernel."""
    package = sys.modules[f"minicnn.backends.{backend.name}"]
    bound = {name for name, value in vars(package).items() if isinstance(value, program.Kernel)}
    assert bound <= set(backend.kernels)


def test_no_part_of_the_seam_between_engine_and_backends_is_untyped():
    """Neither modules in place of objects, nor names looked up as text, nor Any for the project's own types."""
    seam = [path for path in FILES if name_of(path).startswith(("engine", "network", "backends")) and path.stem != "__init__"]
    typed = [path for path in seam if not name_of(path).startswith(("backends.cpu.", "backends.cuda.", "backends.numpy."))]
    assert not [name_of(path) for path in seam if "ModuleType" in path.read_text() and "dependencies" not in path.name]
    for path in typed:
        texts = [ast.unparse(node) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        assert not [text for text in texts if text.startswith("getattr(") and "backend" in text], name_of(path)
    for name in ("backends.interface", "backends.program", "backends.executor", "backends.convolution", "engine.accumulate"):
        tree = ast.parse((ROOT / f"{name.replace('.', '/')}.py").read_text())
        assert "Any" not in set(names_in(tree)), name


ANY = {
    "arrays": "NumPy: an array of any dtype. Numba: a number of any type that a kernel is compiled for",
    "backends.placeholder": "NumPy: the overloads of the methods of an array that are overridden",
    "backends.cpu.compile.jit": "Numba: what njit takes and gives",
    "backends.cpu.compile.mode": "Numba: its settings",
    "backends.cpu.compile.narrow": "Numba: types of arrays",
    "backends.cpu.compile.settings": "Numba and llvmlite: their settings",
    "backends.cpu.runtime.atomics": "Numba and llvmlite: intrinsics",
    "backends.cpu.runtime.denormals": "Numba and llvmlite: intrinsics",
    "backends.cpu.runtime.driver": "Numba and llvmlite: intrinsics",
    "backends.cpu.tiles.activation_vectors": "llvmlite: values of its builder",
    "backends.cpu.tiles.channel_tile": "Numba and llvmlite: intrinsics",
    "backends.cpu.tiles.emit": "llvmlite: values of its builder",
    "backends.cpu.tiles.functions": "Numba: options of njit",
    "backends.cpu.tiles.group_tile": "Numba and llvmlite: intrinsics",
    "backends.cpu.tiles.pool_tile": "Numba and llvmlite: intrinsics",
    "backends.cpu.tiles.row_emit": "llvmlite: values of its builder",
    "backends.cpu.tiles.row_tile": "Numba and llvmlite: intrinsics",
    "backends.cpu.tiles.tap_tile": "Numba and llvmlite: intrinsics",
    "backends.cpu.tiles.tile": "Numba and llvmlite: intrinsics",
    "backends.cpu.tiles.tile_products": "Numba and llvmlite: intrinsics",
    "backends.cpu.tiles.vectors": "Numba and llvmlite: intrinsics",
    "backends.cuda.device.target": "Numba: its CUDA target and the arrays of that",
    "engine.sharing": "pickle: the state that __setstate__ is given",
    "sklearn": "scikit-learn, which has no types",
    "train.document": "json: what it reads",
}
"""The files that may import ``Any``, and what forces it."""


def test_any_stands_only_where_another_package_forces_it():
    trees = {name_of(path): ast.parse(path.read_text()) for path in FILES}
    assert [name for name, tree in trees.items() if "Any" in set(names_in(tree))] == sorted(ANY)


MACHINE = {"register", "registers", "tile", "tiles", "block", "blocks", "pack", "packed", "packing", "simd"}
"""Words of kernels, which no name in a layer has a part of."""


def names_in(tree):
    """Every name that a file's code uses or gives."""
    for node in ast.walk(tree):
        for field in ("id", "attr", "arg", "name", "asname"):
            if isinstance(found := getattr(node, field, None), str):
                yield found


@pytest.mark.parametrize("path", [path for path in FILES if name_of(path).startswith("nn")], ids=name_of)
def test_layers_are_mathematics_and_know_no_kernel(path):
    """They name no lanes that kernels come in, no registers, tiles, blocks and packed weights, and choose by no size."""
    tree = ast.parse(path.read_text())
    named = {name for name in names_in(tree) if MACHINE & set(name.lower().replace(".", "_").split("_"))}
    assert not named, f"expected names of mathematics, got {sorted(named)}"
    assert not {"LANES", "VECTORS", "WIDTH"} & set(names_in(tree)), "expected no number of lanes"
    compared = [node for node in ast.walk(tree) if isinstance(node, ast.Compare | ast.BinOp) and is_lanes(node)]
    assert not compared, f"expected no choice by the number of lanes, got {[ast.unparse(node) for node in compared]}"
    assert not {name for name in imports(path) if name.startswith(".backends.")} - {".backends.kernels", ".backends.log"}


def is_lanes(node):
    """Whether something is compared with, or divided by, the length of an array's last axis."""
    return any(ast.unparse(part).endswith(("shape[-1]", "shape[3]")) for part in ast.iter_child_nodes(node))


def test_a_convolution_can_be_read_at_a_glance():
    lines = len((ROOT / "nn" / "conv.py").read_text().splitlines())
    assert lines <= 180, f"expected at most 180 lines of Conv2d, got {lines}"


def test_no_method_of_a_layer_or_loss_takes_more_than_nine_arguments():
    """Itself and the recorder counted."""
    own = [path for path in FILES if name_of(path).startswith("nn.")]
    classes = [node for path in own for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]
    methods = {f"{c.name}.{f.name}": f.args for c in classes for f in c.body if isinstance(f, ast.FunctionDef)}
    counts = {name: len([*a.posonlyargs, *a.args, *a.kwonlyargs]) for name, a in methods.items()}
    assert counts["_Conv.backward"] > 5
    assert not {name: n for name, n in counts.items() if n > 9}


def test_one_file_names_the_compiler_of_the_cuda_backend():
    own = [path for path in FILES if path.is_relative_to(ROOT / "backends" / "cuda")]
    naming = [name_of(path) for path in own if any(name.split(".")[0] == "numba" for name in imports(path))]
    assert naming == ["backends.cuda.device.target"]


def test_the_numpy_backend_can_be_read_in_an_hour():
    own = [path for path in FILES if path.is_relative_to(ROOT / "backends" / "numpy")]
    lines = sum(len(path.read_text().splitlines()) for path in own)
    most = 700 + 9 * (len(kernels.NAMES) - 79)
    assert lines <= most, f"expected at most {most} lines for {len(kernels.NAMES)} formulas, got {lines}"


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
started = time.process_time()  # of the processor: other work on the machine does not count
import minicnn
seconds = time.process_time() - started
print(seconds, *(name for name in EXTRAS if name in sys.modules))
"""
    runs = [python(code).split() for _ in range(2)]
    assert runs[0][1:] == [], f"expected none of these to be loaded: {runs[0][1:]}"
    seconds = min(float(run[0]) for run in runs)
    assert seconds <= 1.5, (
        f"expected import minicnn to take at most 1.5 s, got {seconds:.2f} s; it was 0.6 when this was written"
    )
