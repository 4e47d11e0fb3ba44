"""The table and figures of the runs of ``reproduce.py``: all finished runs in a folder."""

from __future__ import annotations

import os
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from passes import PAPER, RESULT, WEIGHTS, Pass, Row, Task

from minicnn import models
from minicnn.data import ImageDataset, Pixels
from minicnn.train import checkpoint, history, plots
from minicnn.train.metrics import read_json

PUBLISHED = {(60_000, False): 0.95, (60_000, True): 0.8, (30_000, False): 1.15, (15_000, False): 1.7}
"""Published test errors in per cent, by the number of training images and whether they were distorted; those of fewer images
are read off the paper's figure 6."""

SHOWN = 96  # more images than a network of this size misclassifies
FIELDS = {"size": int, "distorted": bool, "batch": int, "seed": int, "error": float, "passes": list}
Found = dict[Row, list[dict[str, Any]]]


def results(folder: Path, task: Task) -> Found:
    """The results of this task, by row and in the order of the seeds."""
    found: Found = defaultdict(list)
    for path in folder.glob(f"*/seed-*/{RESULT}"):
        metadata = read_json(path, {"error": float})
        if {name: metadata.get(name) for name in task.common} == task.common:
            metadata = read_json(path, FIELDS)
            if not history.records(path, Pass, metadata["passes"]):
                history.refuse(path, "passes", [])
            row = history.record(path, Row, {name: metadata.get(name) for name in ("size", "distorted", "batch")})
            found[row].append(metadata)
    for runs in found.values():
        runs.sort(key=lambda metadata: metadata["seed"])
    return dict(sorted(found.items(), key=lambda item: (-item[0].size, item[0].distorted, item[0].batch)))


def table(found: Found) -> str:
    """Published and measured errors as a Markdown table: a column for each batch size, with every seed."""
    batches = sorted({row.batch for row in found})
    heads = ["training images", "published", *("one image a step" if b == 1 else f"batches of {b}" for b in batches)]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for size, distorted in dict.fromkeys((row.size, row.distorted) for row in found):
        published = PUBLISHED.get((size, distorted))
        cells = [f"{size:,}{', distorted' * distorted}", "–" if published is None else f"{published:.2f}"]
        cells += [cell(found.get(Row(size, distorted, batch), [])) for batch in batches]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def cell(runs: list[dict[str, Any]]) -> str:
    """Mean ± standard deviation, then the error of every seed."""
    if not runs:
        return "–"
    errors = [metadata["error"] for metadata in runs]
    spread = f" ± {statistics.stdev(errors):.2f}" if len(errors) > 1 else ""
    seeds = ", ".join(f"{metadata['seed']}: {metadata['error']:.2f}" for metadata in runs)
    return f"{statistics.mean(errors):.2f}{spread} (seed {seeds})"


def draw(folder: Path, found: Found, digits: ImageDataset) -> None:
    """The paper's figures 5, 6 and 8 from the runs of one image a step; figure 8 uses the first seed of the largest row."""
    single = {row: runs for row, runs in found.items() if row.batch == 1}
    if not single:
        return
    most = next(iter(single))
    with tempfile.TemporaryDirectory(prefix=".pictures-", dir=folder) as own:  # another process may be drawing too
        curves({row.name: runs for row, runs in single.items() if row.size == most.size}, Path(own) / "figure-5.png")
        sizes({row.size: runs for row, runs in single.items() if not row.distorted}, Path(own) / "figure-6.png")
        net = models.lenet5_1998(threads=1)
        checkpoint.load_weights(folder / most.name / f"seed-{single[most][0]['seed']}" / WEIGHTS, net)
        penalties = net.predict(Pixels(digits.test_images, PAPER, 32))
        plots.misclassified(digits.test_images, digits.test_labels, -penalties, Path(own) / "misclassified.png", SHOWN)
        for picture in Path(own).iterdir():
            os.replace(picture, folder / picture.name)
    print(f"wrote figure-5.png, figure-6.png and misclassified.png to {folder}")


def errors_of(runs: list[dict[str, Any]], which: str) -> Any:
    """The mean error after each pass that all runs have finished."""
    passes = min(len(metadata["passes"]) for metadata in runs)
    return np.mean([[done[which] for done in metadata["passes"][:passes]] for metadata in runs], axis=0)


def curves(rows: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Training and test error by pass, means over the seeds."""
    figure, axes = axes_of("pass")
    for (name, runs), color in zip(rows.items(), ("#2563eb", "#c2410c"), strict=False):
        for which, words, style in (("judged_error", "test", "-"), ("train_error", "training", "--")):
            values = errors_of(runs, which)
            axes.plot(np.arange(1, len(values) + 1), values, style, color=color, label=f"{name}, {words}")
    axes.xaxis.get_major_locator().set_params(integer=True)
    save(figure, axes, path)


def sizes(rows: dict[int, list[dict[str, Any]]], path: Path) -> None:
    """Training and test error after the last pass by the number of training images, means over the seeds."""
    figure, axes = axes_of("training images")
    order = sorted(rows)
    for which, words, color in (("judged_error", "test", "#c2410c"), ("train_error", "training", "#2563eb")):
        axes.plot(order, [errors_of(rows[size], which)[-1] for size in order], "o-", color=color, label=words)
    known = sorted(size for size, distorted in PUBLISHED if not distorted)
    axes.plot(known, [PUBLISHED[size, False] for size in known], "x", color="#1f2933", label="test, published")
    save(figure, axes, path)


def axes_of(label: str) -> tuple[Any, Any]:
    """An empty figure for errors."""
    figure = plots.blank(6, 4)
    axes = figure.subplots()
    axes.set(xlabel=label, ylabel="error (%)")
    return figure, axes


def save(figure: Any, axes: Any, path: Path) -> None:
    """Finish and write a figure."""
    axes.set_ylim(0, None)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    plots.save(figure, path, 120)
