"""Data larger than memory: training keeps to a limit below the size of the file."""

import json
from pathlib import Path

import pytest

pytest.importorskip("resource")

SIZE, MOST = 96 << 20, 48 << 20
"""Bytes of the file, and how many more than at the beginning a process may allocate."""


@pytest.mark.parametrize("form", ["idx", "npy", "pictures"])
def test_training_on_a_file_takes_constant_memory(python, form):
    code = f"""
import json, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from faults.larger import keeps_to
print(json.dumps(keeps_to(Path(), {form!r}, {SIZE}, {MOST})))
"""
    grown, fits = json.loads(python(code, MINICNN_CACHE=python.kept))
    assert grown < 16 << 20, f"expected little memory of its own, got {grown:,} bytes more"
    assert not fits, "expected a limit that the whole file does not fit in"
