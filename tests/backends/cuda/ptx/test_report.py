"""The tables of ``docs/cuda/tables.md`` say what is so, and the kernels keep to their budget."""

import re

import pytest

from ptx.assembler import Resources
from ptx.kernels import kernel_names, launches_of_the_rest, launches_of_the_zoo, title
from ptx.report import DOCUMENT, costs, merged, part, replaced
from ptx.resources import CAPABILITIES, Taken, taken


@pytest.fixture(scope="module")
def launches():
    return [*launches_of_the_zoo(), *launches_of_the_rest()]


def test_the_launches_are_of_all_kernels(launches):
    assert {launch.kernel.__name__ for launch in launches} == kernel_names()


@pytest.mark.parametrize("cc", CAPABILITIES)
def test_every_kernel_is_assembled_within_its_budget(launches, cc):
    assert [problem for launch in launches for problem in taken(launch, cc).problems()] == []


def test_a_budget_that_is_exceeded_is_named():
    much = Taken("k", (9, 0), Resources(registers=200, shared=50_000, spilled=8), 128)
    assert much.problems() == [
        "k for sm_90: 200 registers, budget 168",
        "k for sm_90: 50000 bytes of shared memory, budget 24576",
        "k for sm_90: 8 bytes spilled, budget 0",
        "k for sm_90: occupancy 12%, at least 18%",
    ]


def test_the_table_of_resources_has_every_kernel(launches):
    stated = re.findall(r"^\| ([^|]+) \| \d+ \|", part("resources"), re.M)
    assert {*stated} == {title(launch.kernel) for launch in launches}


def test_the_cost_model_is_that_of_the_programs():
    assert part("costs") == costs()


def test_the_table_of_mutants_has_every_kernel_and_explains_every_survivor():
    stated = re.findall(r"^\| \w+\.(\w+) \|", part("mutants"), re.M)
    assert {name.removesuffix("_kernel") for name in kernel_names()} <= {*stated}
    assert "Not explained" not in part("mutants")


def test_the_short_page_has_the_totals_of_the_tables():
    page = (DOCUMENT.parents[1] / "cuda.md").read_text("utf-8")
    total = re.search(r"^\| a step \| (\d+) \| (.+) \|$", part("costs"), re.M)
    cells = total[2].split(" | ")
    bytes_of = re.findall(r"takes ([\d,]+) bytes to the device and (\d+) back", part("costs"))
    for images, (size, adds, floor), (up, back) in zip(("512", "4,096"), (cells[:3], cells[3:]), bytes_of, strict=True):
        assert f"| {images} | {size} | {adds} | {floor} µs | {up} bytes | {back} bytes |" in page
    assert f"takes {total[1]} launches" in page
    tried, caught, survived = re.search(r"(\d+) mutants, (\d+) caught, (\d+) survived", part("mutants")).groups()
    assert f"Of {tried} such mutants {caught} were caught. The {survived} others" in page


def test_rows_of_functions_that_were_tried_again_take_the_place_of_the_old_ones():
    head = "| function | operator | caught by |\n|---|---|---|\n"
    old = head + "| a.f | 1/2 | values 1 |\n| a.g | 1/1 | race 1 |\n\n3 mutants, 2 caught, 1 survived:\n\n- a.f: `x` → `y`. W."
    new = head + "| a.f | 1/1 | values 1 |\n| b.h | 0/1 |  |\n\n2 mutants, 1 caught, 1 survived:\n\n- b.h: `u` → `v`. So."
    both = head + "| a.f | 1/1 | values 1 |\n| a.g | 1/1 | race 1 |\n| b.h | 0/1 |  |\n\n"
    assert merged(old, new) == both + "3 mutants, 2 caught, 1 survived:\n\n- b.h: `u` → `v`. So."


def test_a_part_is_replaced():
    text = "a\n<!-- x -->\nold\n<!-- end of x -->\nb"
    assert replaced(text, "x", "new\nlines") == "a\n<!-- x -->\nnew\nlines\n<!-- end of x -->\nb"
    with pytest.raises(ValueError, match=r"docs/cuda/tables.md: expected the marks of y, got none"):
        replaced(text, "y", "")
