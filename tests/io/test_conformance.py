"""ONNX's own tests of single operators: how many are imported and right, and that the page says so."""

from importlib.metadata import version

import conformance
import pytest

pytest.importorskip("onnx")


def test_no_test_is_imported_and_wrong():
    assert not [each.name for each in conformance.outcomes() if not each.right and not each.refused]


def test_most_tests_are_imported():
    whole = conformance.outcomes()
    assert len({each.operator for each in whole}) == len(conformance.FILES)
    assert sum(each.right for each in whole) >= 150, "expected as many as before"


@pytest.mark.skipif(version("onnx").startswith("1.19."), reason="the page has the tests of a later version")
def test_the_table_of_the_page_is_what_the_tests_give():
    found = conformance.PAGE.read_text().partition(conformance.BEGIN)[2].partition(conformance.END)[0]
    assert found == conformance.table(), "run python tests/io/conformance.py"
