"""Writes the tables of ``docs/cuda/tables.md``.

``PYTHONPATH=tests:tests/backends/cuda python -m ptx.report resources costs mutants`` writes all of them;
``python -m ptx.report mutants --only relu pool`` tries the functions with these in their names, and leaves the other rows.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mutants.changes import KINDS

from .costs import Cost, by_kernel
from .hunt import TESTS, Finding, concerned, hunt
from .kernels import different, launches_of_the_rest, launches_of_the_zoo
from .recording import training_step
from .resources import CAPABILITIES, taken
from .survivors import explanation

DOCUMENT = Path(__file__).parents[4] / "docs" / "cuda" / "tables.md"
BATCHES = (512, 4096)
EACH = 1
"""How many mutants of every kind of every function."""


def resources() -> str:
    """Kernels with what they take."""
    rows: set[str] = set()
    for launch in different([*launches_of_the_zoo(), *launches_of_the_rest()]):
        each = [taken(launch, cc) for cc in CAPABILITIES]
        columns = [
            [t.resources.registers for t in each],
            [t.resources.shared for t in each],
            [t.resources.spilled for t in each],
            [f"{t.occupancy:.0%}" for t in each],
        ]
        shown = " | ".join(" / ".join(map(str, column if len({*column}) > 1 else column[:1])) for column in columns)
        rows.add(f"| {each[0].title} | {each[0].threads} | {shown} |")
    head = ["| kernel | threads | registers | shared bytes | spilled | occupancy |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *sorted(rows)])


def costs() -> str:
    """LeNet-5's training step by kernel, for both batches."""
    steps = [training_step("lenet5", batch) for batch in BATCHES]
    by_name = [by_kernel(step.launches) for step in steps]
    head = " | ".join(f"MB, {b:,} | 10⁶ multiply-adds, {b:,} | floor µs, {b:,}" for b in BATCHES)
    lines = [f"| kernel | launches | {head} |", "|---|---|" + "---|---|---|" * len(BATCHES)]
    for name in by_name[-1]:
        shown = " | ".join(numbers(costs[name]) for costs in by_name)
        lines.append(f"| {name} | {by_name[0][name].launches} | {shown} |")
    totals = [sum(costs.values(), Cost()) for costs in by_name]
    shown = " | ".join(numbers(total) for total in totals)
    lines.append(f"| a step | {totals[0].launches} | {shown} |")
    for step, batch in zip(steps, BATCHES, strict=True):
        lines.append("")
        lines.append(f"A step of {batch:,} images takes {step.uploaded:,} bytes to the device and {step.downloaded:,} back.")
    return "\n".join(lines)


def numbers(cost: Cost) -> str:
    """A cost as three cells."""
    multiplied = f"{cost.multiply_adds / 1e6:,.1f}" if cost.multiply_adds else ""
    return f"{cost.bytes / 1e6:,.2f} | {multiplied} | {cost.seconds * 1e6:,.1f}"


def mutants(only: Sequence[str] = ()) -> str:
    """What becomes of some mutants of every function, or of some functions, with the rows that there are of the others."""
    table = found_out(hunt(concerned(only) if only else TESTS, each=EACH, only=only))
    return merged(part("mutants"), table) if only else table


def merged(old: str, new: str) -> str:
    """A table of mutants with the rows, and the survivors, of functions in another one anew, and with the totals of both."""
    again = rows_of(new, r"\| (\w+\.\w+) \|")
    rows = rows_of(old, r"\| (\w+\.\w+) \|") | again
    kept = {place: lines for place, lines in rows_of(old, r"- (\w+\.\w+): ").items() if place not in again}
    survivors = kept | rows_of(new, r"- (\w+\.\w+): ")
    cells = [cell for (row,) in rows.values() for cell in re.findall(r" (\d+)/(\d+) ", row)]
    caught, tried = sum(int(c) for c, _ in cells), sum(int(t) for _, t in cells)
    lines = [*new.splitlines()[:2], *(row for _, (row,) in sorted(rows.items()))]
    lines += ["", totals_of(tried, caught), "", *(line for _, found in sorted(survivors.items()) for line in found)]
    return "\n".join(lines)


def rows_of(table: str, start: str) -> dict[str, list[str]]:
    """The lines that start so, by the function they name."""
    found: dict[str, list[str]] = {}
    for line in table.splitlines():
        if match := re.match(start, line):
            found.setdefault(match[1], []).append(line)
    return found


def totals_of(tried: int, caught: int) -> str:
    """The sentence above the survivors."""
    return f"{tried} mutants, {caught} caught, {tried - caught} survived:"


def found_out(findings: list[Finding]) -> str:
    """What became of mutants, which survived, and why."""
    places: dict[str, list[Finding]] = {}
    for finding in findings:
        places.setdefault(finding.place, []).append(finding)
    lines = [f"| function | {' | '.join(KINDS)} | caught by |", "|---|" + "---|" * (len(KINDS) + 1)]
    for place, found in sorted(places.items(), key=lambda item: item[0].removesuffix("_kernel")):
        cells = [cell([f for f in found if f.mutant.kind == kind]) for kind in KINDS]
        by = ", ".join(f"{what} {n}" for what, n in Counter(f.caught for f in found if f.caught).most_common())
        lines.append(f"| {place.removesuffix('_kernel')} | {' | '.join(cells)} | {by} |")
    survivors = [finding for finding in findings if not finding.caught]
    lines += ["", totals_of(len(findings), len(findings) - len(survivors)), ""]
    for f in survivors:
        lines.append(f"- {f.place.removesuffix('_kernel')}: `{f.mutant.before}` → `{f.mutant.after}`. {explanation(f)}")
    return "\n".join(lines)


def cell(findings: list[Finding]) -> str:
    """Caught of all."""
    return f"{sum(bool(f.caught) for f in findings)}/{len(findings)}" if findings else ""


def replaced(text: str, name: str, table: str) -> str:
    """A document with the part of that name anew."""
    begin, end = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
    if begin not in text or end not in text:
        raise ValueError(f"docs/cuda/tables.md: expected the marks of {name}, got none")
    return text[: text.index(begin) + len(begin)] + table + text[text.index(end) :]


def part(name: str) -> str:
    """What the document has in the part of that name."""
    (found,) = re.findall(rf"<!-- {name} -->\n(.*?)\n<!-- end of {name} -->", DOCUMENT.read_text(), re.S)
    return str(found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m ptx.report")
    parser.add_argument("tables", nargs="*", metavar="TABLE", help="resources, costs, mutants; all by default")
    parser.add_argument("--only", nargs="+", default=[], help="parts of the names of the functions to make mutants of")
    options = parser.parse_args()
    tables = {"resources": resources, "costs": costs, "mutants": lambda: mutants(options.only)}
    for wanted in options.tables or tables:
        DOCUMENT.write_text(replaced(DOCUMENT.read_text(), wanted, tables[wanted]()))
