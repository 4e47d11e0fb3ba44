"""A network as boxes and arrows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ...data.outfile import StrPath
from ...engine.bind import PlacedLayer
from ...engine.summary import parameters
from ...network import Network
from ...nn.window import by
from .sheet import Sheet
from .style import GREY, INK, NORMAL, SMALL, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE, GAP, LINE = 2.5, 0.34, 0.17
"""The width of a box, the way between two boxes, and the height of a line of letters, in inches."""

BESIDE = 0.3
"""How far apart boxes stand side by side."""

FILLS = {"input": "#eef1f4", "join": "#fbe3cf", "weights": "#d6e6f4", "plain": "#ffffff"}


class Box(NamedTuple):
    """An input, or a layer with what follows it alone and keeps its shape, such as an activation.

    Attributes:
        lines: what stands in it.
        kind: which colour it has.
        reads: the boxes that it reads.
        rank: how many boxes the longest way from an input to it has.
    """

    lines: tuple[str, ...]
    kind: str
    reads: tuple[int, ...]
    rank: int

    @property
    def height(self) -> float:
        """In inches."""
        return LINE * len(self.lines) + 0.16


def network_diagram(net: Network, path: StrPath | None = None, *, ax: Axes | None = None) -> Figure:
    """The layers with their shapes and numbers of parameters, from the input at the top, and who reads whom.

    A layer that alone reads another and keeps its shape, such as an activation or a normalisation, stands in the box of that
    other one. Layers that may be computed side by side stand side by side.

    Args:
        net: the network, a chain or a graph.
        path: the file to write; none for None.
        ax: axes of a figure of yours to draw in; a new figure for None.

    Returns:
        The figure, which a notebook shows.

    Raises:
        OutputError: the file cannot be written, or matplotlib is not installed.

    >>> from minicnn import models
    >>> from minicnn.train import plots
    >>> figure = plots.network_diagram(models.lenet5_modern(backend="numpy"))
    >>> [text.get_text().splitlines()[0] for text in figure.axes[0].texts][:3]
    ['input', 'C1 Conv2d 5×5', 'S2 MaxPool2d 2×2']
    """
    boxes = boxes_of(net)
    ranks: dict[int, list[int]] = {}
    for number, box in enumerate(boxes):
        ranks.setdefault(box.rank, []).append(number)
    widest = max(map(len, ranks.values()))
    tops, y = {}, 0.0
    for rank in sorted(ranks):
        tops[rank] = y
        y -= max(boxes[number].height for number in ranks[rank]) + GAP
    places = _places(boxes, ranks, widest)
    long = _lanes(boxes)
    left, right = -0.15, widest * (WIDE + BESIDE) - BESIDE + 0.15 + 0.22 * max((lane + 1 for lane in long.values()), default=0)
    sheet = Sheet(ax, right - left + 0.2, -y - GAP + 0.4)
    axes = sheet.one()
    axes.set(xlim=(left, right), ylim=(y + GAP - 0.1, 0.1), aspect="equal")
    axes.set_axis_off()
    from matplotlib.patches import FancyBboxPatch

    for number, box in enumerate(boxes):
        x, top = places[number], tops[box.rank]
        shape = FancyBboxPatch(
            (x + 0.05, top - box.height + 0.05),
            WIDE - 0.1,
            box.height - 0.1,
            boxstyle="round,pad=0.05",
            facecolor=FILLS[box.kind],
            edgecolor=GREY,
            linewidth=1,
        )
        axes.add_patch(shape)
        middle = (x + WIDE / 2, top - box.height / 2)
        axes.text(
            *middle, "\n".join(box.lines), ha="center", va="center", fontsize=sheet.points(SMALL), color=INK, linespacing=1.25
        )
    for number, box in enumerate(boxes):
        for order, read in enumerate(box.reads):
            start = places[read] + WIDE / 2, tops[boxes[read].rank] - boxes[read].height
            end = places[number] + WIDE / 2 + (order - (len(box.reads) - 1) / 2) * 0.3, tops[box.rank]
            lane = long.get((read, number))
            if lane is None:
                _arrow(axes, [start, end])
            else:
                far = widest * (WIDE + BESIDE) - BESIDE + 0.12 + 0.22 * lane
                low, high = tops[boxes[read].rank] - boxes[read].height / 2, tops[box.rank] + 0.5 * GAP
                begin = (places[read] + WIDE, low)
                _arrow(axes, [begin, (far, low), (far, high), (end[0] + 0.3, high), (end[0] + 0.3, end[1])])
    sheet.title(f"{sum(map(parameters, net.layers)):,} parameters")
    return sheet.finish(path)


def boxes_of(net: Network) -> list[Box]:
    """The boxes of a network, inputs first."""
    boxes = [Box((name, by(shape)), "input", (), 0) for name, shape in net.in_shapes.items()]
    box_of = dict(enumerate(range(len(boxes))))
    readers: dict[int, list[PlacedLayer]] = {}
    for placed in net.layers:
        for value in placed.inputs:
            readers.setdefault(value, []).append(placed)
    for placed in net.layers:
        reads = tuple(dict.fromkeys(box_of[value] for value in placed.inputs))
        alone = len(placed.inputs) == 1 and readers[placed.inputs[0]] == [placed] and boxes[reads[0]].kind != "input"
        below = net.layers[placed.inputs[0] - len(net.in_shapes)] if alone else None
        if below is not None and below.name not in net.outputs and _folds(placed):
            boxes[reads[0]] = boxes[reads[0]]._replace(lines=(*boxes[reads[0]].lines, f"then {_words(placed)}"))
            box_of[placed.value] = reads[0]
            continue
        own = parameters(placed)
        shape = by(placed.plan.out_shape)
        kind = "join" if len(placed.inputs) > 1 else "weights" if placed.plan.params else "plain"
        second = f"{shape} · {own:,} parameters" if own else shape
        boxes.append(Box((_words(placed), second), kind, reads, 1 + max(boxes[read].rank for read in reads)))
        box_of[placed.value] = len(boxes) - 1
    for name in net.outputs if len(net.outputs) > 1 else ():
        number = box_of[next(placed.value for placed in net.layers if placed.name == name)]
        boxes[number] = boxes[number]._replace(lines=(*boxes[number].lines, f"output {shortened(name, 18)}"))
    return boxes


def _folds(placed: PlacedLayer) -> bool:
    """Whether a layer stands in the box of what it reads: it keeps the shape, or only changes it."""
    windowed = hasattr(placed.layer, "kernel_size") or type(placed.layer).__name__ == "Dense"
    return placed.plan.view or (placed.plan.out_shape == placed.in_shape and not windowed)


def _words(placed: PlacedLayer) -> str:
    """A layer's name, kind and kernel."""
    unnamed = placed.name in (str(placed.index), placed.layer.label.lower())
    name = "" if unnamed else f"{shortened(placed.name, 16)} "
    size = getattr(placed.layer, "kernel_size", getattr(placed.layer, "window", None))
    kernel = "" if size is None else f" {size}×{size}" if isinstance(size, int) else f" {'×'.join(map(str, size))}"
    once_more = "" if placed.owner == placed.name else f" as {shortened(placed.owner, 10)}"
    return f"{name}{placed.layer.label}{kernel}{once_more}"


def _places(boxes: Sequence[Box], ranks: dict[int, list[int]], widest: int) -> dict[int, float]:
    """The left edge of each box: boxes of a rank stand side by side in the order of what they read, and in the middle."""
    places: dict[int, float] = {}
    for rank in sorted(ranks):
        row = sorted(ranks[rank], key=lambda number: (_mean(places[read] for read in boxes[number].reads), number))
        start = (widest - len(row)) * (WIDE + BESIDE) / 2
        for order, number in enumerate(row):
            places[number] = start + order * (WIDE + BESIDE)
    return places


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else 0.0


def _lanes(boxes: Sequence[Box]) -> dict[tuple[int, int], int]:
    """For each arrow past a rank, how far right of the boxes it runs: those that run past each other keep apart."""
    lanes: dict[tuple[int, int], int] = {}
    taken: list[list[tuple[int, int]]] = []
    arrows = [(read, number) for number, box in enumerate(boxes) for read in box.reads if box.rank > boxes[read].rank + 1]
    for read, number in sorted(arrows, key=lambda pair: boxes[pair[1]].rank - boxes[pair[0]].rank):
        span = (boxes[read].rank, boxes[number].rank)
        free = (k for k, own in enumerate(taken) if all(span[1] <= a or b <= span[0] for a, b in own))
        lane = next(free, len(taken))
        if lane == len(taken):
            taken.append([])
        taken[lane].append(span)
        lanes[(read, number)] = lane
    return lanes


def _arrow(axes: Axes, points: Sequence[tuple[float, float]]) -> None:
    """A line through points with a head at its end."""
    from matplotlib.patches import FancyArrowPatch

    xs, ys = zip(*points[:-1], strict=True)
    axes.plot(xs, ys, color=GREY, linewidth=1.1, solid_capstyle="butt")
    head = FancyArrowPatch(points[-2], points[-1], arrowstyle="-|>", color=GREY, shrinkA=0, shrinkB=0, mutation_scale=NORMAL)
    axes.add_patch(head)
