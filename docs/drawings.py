"""Two drawings for docs/design.md: the modules with their imports, and the way from ``loss_and_grads`` to a kernel.

Both are read from the code: the imports from the syntax trees, as ``tests/test_architecture.py`` reads them, and the way from a
traced call. Run after a change of either: python docs/drawings.py
"""

from __future__ import annotations

import ast
import gc
import inspect
import sys
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

import minicnn
from minicnn import CrossEntropy, Dense, Network, models

DOCS = Path(__file__).parent
sys.path.append(str(DOCS.parent / "tests"))
from test_architecture import MAY_IMPORT, arrows, floors  # noqa: E402

PACKAGE = Path(minicnn.__file__).parent
FONT = "font-family='Verdana, DejaVu Sans, sans-serif'"
INK, LINE = "#222222", "#8a8a8a"
COLOURS = {
    "nn": "#fde7c4",
    "optim": "#fde7c4",
    "engine": "#cfe8d5",
    "backends": "#d5e3f5",
    "train": "#eee0f0",
    "data": "#eee0f0",
    "io": "#eee0f0",
    "cli": "#eee0f0",
    "testing": "#eee0f0",
}
"""By the first part of a name; what a user holds, and what all share, is grey."""


# --- a page of boxes, lines and words ---


class Page:
    """An SVG that is written top down.

    Args:
        title: what a screen reader says.
    """

    def __init__(self, title: str) -> None:
        self._title, self._parts, self._right, self._bottom = title, list[str](), 0.0, 0.0

    def box(self, x: float, y: float, width: float, height: float, colour: str, dashes: str = "") -> None:
        """A box by its upper left corner."""
        dashed = f" stroke-dasharray='{dashes}'" if dashes else ""
        shape = f"x='{x:.0f}' y='{y:.0f}' width='{width:.0f}' height='{height:.0f}' rx='6'"
        self._parts.append(f"<rect {shape} fill='{colour}' stroke='{INK}' stroke-width='1'{dashed}/>")
        self._right, self._bottom = max(self._right, x + width), max(self._bottom, y + height)

    def words(self, x: float, y: float, text: str, size: int = 13, bold: bool = False, middle: bool = False) -> None:
        """A line of text by its baseline."""
        more = " font-weight='bold'" * bold + " text-anchor='middle'" * middle
        self._parts.append(f"<text x='{x:.0f}' y='{y:.0f}' font-size='{size}' fill='{INK}' {FONT}{more}>{escape(text)}</text>")
        self._right = max(self._right, x + (0.5 if middle else 1) * width_of(text, size))
        self._bottom = max(self._bottom, y)

    def arrow(self, points: Sequence[tuple[float, float]], dashes: str = "") -> None:
        """A line through points, with a head at its end; from point to point it leaves and arrives upright."""
        (x, y), *rest = points
        path = f"M {x:.0f} {y:.0f}"
        for a, b in rest:
            half = (y + b) / 2
            path += f" C {x:.0f} {half:.0f} {a:.0f} {half:.0f} {a:.0f} {b:.0f}"
            x, y = a, b
        dashed = f" stroke-dasharray='{dashes}'" if dashes else ""
        self._parts.append(f"<path d='{path}' fill='none' stroke='{LINE}' stroke-width='1.4'{dashed}/>")
        head = f"{x - 4:.0f},{y - 8:.0f} {x + 4:.0f},{y - 8:.0f} {x:.0f},{y:.0f}"
        self._parts.append(f"<polygon points='{head}' fill='{LINE}'/>")

    def __str__(self) -> str:
        size = f"{self._right + 16:.0f} {self._bottom + 16:.0f}"
        width, height = size.split()
        start = f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' viewBox='0 0 {size}' role='img'>"
        paper = f"<rect width='{width}' height='{height}' fill='#ffffff'/>"
        return "\n".join([start, f"<title>{escape(self._title)}</title>", paper, *self._parts, "</svg>", ""])


def width_of(text: str, size: int) -> float:
    """About how wide a line of text is, in a wide font."""
    return 0.64 * size * len(text)


# --- the modules ---

ROW, GAP, HIGH = 84, 26, 32


class Node(NamedTuple):
    """A box of the graph, or a point that a long arrow goes through on a floor between.

    Attributes:
        name: of the module; of a point its two ends.
        floor: counted from below.
    """

    name: str
    floor: int

    @property
    def width(self) -> float:
        """Of its box."""
        return 0 if "→" in self.name else width_of(label(self.name), 13) + 18


def label(module: str) -> str:
    """A module as a path."""
    return {"minicnn": "minicnn/__init__"}.get(module, module.replace(".", "/"))


def direct(imported: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """The imports that do not follow from others."""
    below = {name: reach(imported, name) for name in imported}
    return {
        name: sorted(other for other in others if not any(other in below[third] for third in others))
        for name, others in imported.items()
    }


def reach(imported: Mapping[str, Iterable[str]], name: str) -> set[str]:
    """Everything that a module imports, directly or not."""
    found: set[str] = set()
    waiting = list(imported[name])
    while waiting:
        if (other := waiting.pop()) not in found:
            found.add(other)
            waiting += imported[other]
    return found


def placed(rows: Mapping[int, list[Node]], lines: Sequence[tuple[Node, Node]]) -> dict[Node, float]:
    """The middle of every node: near the nodes that it has lines to, in an order with few crossings."""
    near: dict[Node, list[Node]] = {node: [] for row in rows.values() for node in row}
    for above, below in lines:
        near[above].append(below)
        near[below].append(above)
    at = {node: float(100 * i) for row in rows.values() for i, node in enumerate(row)}
    for turn in range(60):
        for floor in sorted(rows, reverse=turn % 2 == 0):
            wanted = {n: sum(at[o] for o in near[n]) / len(near[n]) if near[n] else at[n] for n in rows[floor]}
            rows[floor].sort(key=lambda n: (wanted[n], n.name))
            at |= spaced(rows[floor], wanted)
    left = min(at[node] - node.width / 2 for node in at)
    return {node: x - left + 16 for node, x in at.items()}


def spaced(row: Sequence[Node], wanted: Mapping[Node, float]) -> dict[Node, float]:
    """Places near the wanted ones, in this order and without overlap: neighbours that touch move as one."""
    blocks: list[tuple[list[Node], float]] = []  # nodes, and the middle of the first
    for node in row:
        nodes, start = [node], wanted[node]
        while blocks and blocks[-1][1] + length(blocks[-1][0]) + apart(blocks[-1][0][-1], nodes[0]) > start:
            nodes = blocks.pop()[0] + nodes
            start = sum(wanted[n] - length(nodes[: i + 1]) for i, n in enumerate(nodes)) / len(nodes)
        blocks.append((nodes, start))
    return {n: start + length(nodes[: i + 1]) for nodes, start in blocks for i, n in enumerate(nodes)}


def length(nodes: Sequence[Node]) -> float:
    """From the middle of the first to the middle of the last, side by side."""
    return sum(apart(a, b) for a, b in pairwise(nodes))


def apart(a: Node, b: Node) -> float:
    """From middle to middle of two neighbours."""
    return (a.width + b.width) / 2 + GAP


def modules() -> str:
    """The drawing of the modules, one floor above the highest that each imports."""
    imported = arrows()
    floor = floors(imported)
    rows: dict[int, list[Node]] = {n: [] for n in range(1, max(floor.values()) + 1)}
    for name in sorted(floor):
        rows[floor[name]].append(Node(name, floor[name]))
    lines, ways = [], []
    for name, others in direct(imported).items():
        for other in others:
            points = [Node(f"{name}→{other}", n) for n in range(floor[name] - 1, floor[other], -1)]
            way = [Node(name, floor[name]), *points, Node(other, floor[other])]
            for point in points:
                rows[point.floor].append(point)
            lines += list(pairwise(way))
            ways.append(way)
    at, top = placed(rows, lines), max(rows)
    page = Page("The modules of minicnn: an arrow goes from a module to one that it imports.")

    def corner(node: Node, below: bool) -> tuple[float, float]:
        return at[node], 16 + (top - node.floor) * ROW + (HIGH if below else 0)

    for first, *points, last in ways:
        page.arrow(
            [corner(first, True), *(p for n in points for p in (corner(n, False), corner(n, True))), corner(last, False)]
        )
    for node in (node for row in rows.values() for node in row if node.width):
        x, y = corner(node, False)
        page.box(x - node.width / 2, y, node.width, HIGH, COLOURS.get(node.name.split(".")[0], "#e9e9e9"))
        page.words(x, y + 21, label(node.name), middle=True)
    return str(page)


# --- the way of a batch ---


class Hop(NamedTuple):
    """A function on the way.

    Attributes:
        file: where it is, below the package.
        name: its qualified name.
        says: the first sentence of its docstring.
    """

    file: str
    name: str
    says: str


class Way(NamedTuple):
    """What a second call of ``loss_and_grads`` goes through.

    Attributes:
        hops: from the call to the first convolution; on the compiled backend to the loop in machine code.
        files: of which a function runs until there, in this order.
        whole: those of which one runs until the call returns.
    """

    hops: list[Hop]
    files: list[str]
    whole: list[str]


ENDS = {"numpy": "conv2d", "cpu": "NativeThreads.run_schedule"}
"""Where the way ends, by backend."""


def traced(backend: str) -> Way:
    """The way of 32 images on one thread, when the programs are recorded."""
    net = models.lenet5_modern(backend=backend) if backend == "numpy" else Network([Dense(2)], (3,), backend=backend, threads=1)
    x, labels, loss = np.zeros((32, *net.in_shape), np.float32), np.zeros(32, np.int64), CrossEntropy()
    net.loss_and_grads(loss, x, labels)
    files: dict[str, None] = {}
    hops: list[Hop] = []
    until = 0

    def see(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal until
        if event != "call" or (file := file_of(frame)) is None:
            return
        files[file] = None
        if frame.f_code.co_qualname == ENDS[backend] and not hops:
            until = len(files)
            hops.extend(hop for each in stack(frame) if (hop := hop_of(each)))

    gc.disable()
    sys.setprofile(see)
    try:
        net.loss_and_grads(loss, x, labels)
    finally:
        sys.setprofile(None)
        gc.enable()
    return Way(hops, list(files)[:until], list(files))


def file_of(frame: FrameType) -> str | None:
    """The file of a frame below the package, or None."""
    path = Path(frame.f_code.co_filename)
    return path.relative_to(PACKAGE).as_posix() if path.is_relative_to(PACKAGE) else None


def stack(frame: FrameType | None) -> list[FrameType]:
    """The frames that led to one, the first of them first."""
    found = []
    while frame is not None:
        found.append(frame)
        frame = frame.f_back
    return found[::-1]


def hop_of(frame: FrameType) -> Hop | None:
    """A frame of the package as a hop."""
    if (file := file_of(frame)) is None:
        return None
    code = frame.f_code
    owner: Any = sys.modules["minicnn." + file.removesuffix(".py").replace("/", ".")]
    for part in code.co_qualname.split("."):
        owner = getattr(owner, part, None)
    says = (inspect.getdoc(owner) or "–").split("\n\n")[0].replace("\n", " ")
    return Hop(file, code.co_qualname, says.replace("``", "`"))


PHASES = (
    ("1  what follows from the parameters", ("what layers derive, and weights as lowering packs them: one task",)),
    ("2  the groups, depth first", ()),
    ("3  the sums of the gradient slots", ("each thread adds the slots over its part of the vector, in the slots' order",)),
)
PASSES = ("choose", "load", "forward", "loss", "backward")


def way(found: Way) -> str:
    """The drawing of the way: left the calls of a traced step, right the schedule that they run."""
    page = Page("From loss_and_grads to a kernel: the calls, and the schedule that they run.")
    wide, high, step = 400, 44, 62
    page.words(16, 30, "The calls of a step (traced)", 14, bold=True)
    for i, hop in enumerate(found.hops):
        y = 46 + i * step
        if i:
            page.arrow([(216, y - step + high), (216, y)])
        page.box(16, y, wide, high, COLOURS.get(hop.file.split("/")[0], "#e9e9e9"))
        page.words(26, y + 18, hop.name, 13, bold=True)
        page.words(26, y + 35, f"{hop.file}", 11)
    left = 16 + wide + 50
    page.words(left, 30, "What they run: a Schedule, recorded at the first batch of a kind", 14, bold=True)
    low = phase(page, left, 46.0, *PHASES[0])
    page.arrow([(left + 260, low), (left + 260, low + 20)])
    low = threads(page, left, low + 20)
    page.arrow([(left + 260, low), (left + 260, low + 20)])
    phase(page, left, low + 20, *PHASES[2])
    return str(page)


def phase(page: Page, x: float, y: float, title: str, lines: Sequence[str]) -> float:
    """A phase with text alone; returns its lower end."""
    height = 30 + 18 * len(lines)
    page.box(x, y, 540, height, "#f7f7f7", dashes="4 3")
    page.words(x + 10, y + 19, title, 13, bold=True)
    for i, line in enumerate(lines):
        page.words(x + 10, y + 38 + 18 * i, line, 12)
    return y + height


def threads(page: Page, x: float, y: float) -> float:
    """The phase in which two threads work on five groups; returns its lower end."""
    rows = (("thread 0", (0, 2, 4)), ("thread 1", (1, 3)))
    height = 62 + sum(24 + 52 * len(groups) for _, groups in rows)
    page.box(x, y, 540, height, "#f7f7f7", dashes="4 3")
    page.words(x + 10, y + 19, PHASES[1][0], 13, bold=True)
    page.words(x + 10, y + 38, "80 images in lanes of 16 are five groups; group i adds into gradient slot i mod 8", 12)
    at: float = y + 56
    for thread, groups in rows:
        page.words(x + 10, at + 12, f"{thread}: a Task on its own arena", 12, bold=True)
        at += 24
        for group in groups:
            page.words(x + 10, at + 24, f"group {group}", 12)
            for i, name in enumerate(PASSES):
                left = x + 72 + 92 * i
                page.box(left, at, 80, 40, COLOURS["engine"])
                page.words(left + 40, at + 17, name, 12, middle=True)
                page.words(left + 40, at + 32, "program", 10, middle=True)
            at += 52
    return y + height


# --- the parts of docs/design.md that are read from the code ---


def marked(text: str, part: str, inside: Sequence[str]) -> str:
    """A page with the lines between the marks of a part written anew."""
    begin, end = f"<!-- {part}: written by docs/drawings.py -->\n", f"<!-- end of {part} -->"
    before, _, rest = text.partition(begin)
    return before + begin + "\n".join([*inside, ""]) + end + rest.partition(end)[2]


def module_rows() -> list[str]:
    """The table of the modules: purpose and permitted imports, from the ground up."""
    floor = floors({name: others.split() for name, others in MAY_IMPORT.items()})
    names = sorted(floor, key=lambda n: (floor[n], n))
    rows = [f"| `{name}` | {purpose(name)} | {quoted(MAY_IMPORT[name].split()) or '–'} |" for name in names]
    return [
        "| module | purpose | may import |",
        "|---|---|---|",
        *rows,
        "",
        f"These are {max(floor.values())} floors: a module stands one above the highest that it may import.",
        "",
    ]


def purpose(name: str) -> str:
    """The first line of a module's docstring."""
    folder = PACKAGE if name == "minicnn" else PACKAGE / name.replace(".", "/")
    path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    says = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return says.split("\n")[0].replace("``", "`")


def way_rows(found: Way, compiled: Way) -> list[str]:
    """The hops of the way as a table, its files, and where the compiled backend differs."""
    own = [hop for hop in compiled.hops if hop not in found.hops]
    return [
        "| hop | function | file | its docstring |",
        "|---|---|---|---|",
        *(f"| {i} | `{hop.name}` | `{hop.file}` | {hop.says} |" for i, hop in enumerate(found.hops)),
        "",
        f"NumPy backend: **{len(found.hops) - 1} hops**. Until then functions of {len(found.files)} files have run, and of "
        f"**{len(found.whole)} files** until the call returns: {quoted(found.whole)}.",
        "",
        f"Compiled backend: **{len(compiled.hops) + 2} hops**. After `{compiled.hops[-len(own) - 1].name}` come "
        f"{quoted(hop.name for hop in own)} and, in machine code, `run_parts`, `call_native` and the kernel. Functions of "
        f"**{len(compiled.whole)} files** run until the call returns: {quoted(compiled.whole)}.",
        "",
    ]


def quoted(names: Iterable[str]) -> str:
    """Names of the code in a row."""
    return ", ".join(f"`{name}`" for name in names)


def made() -> dict[Path, str]:
    """Every file that this script writes, with its text."""
    found = traced("numpy")
    design = DOCS / "design.md"
    return {
        DOCS / "pictures" / "modules.svg": modules(),
        DOCS / "pictures" / "batch.svg": way(found),
        design: marked(marked(design.read_text("utf-8"), "modules", module_rows()), "way", way_rows(found, traced("cpu"))),
    }


if __name__ == "__main__":
    for file, text in made().items():
        file.write_text(text, "utf-8")
