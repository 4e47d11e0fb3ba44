"""The hunt for faults that the tests would miss, on a few kernels; ``docs/cuda/tables.md`` has the whole of it."""

import json
from pathlib import Path

from minicnn.backends.cuda.kernels import elementwise, gemm, reduce
from ptx import PtxError
from ptx.hunt import Finding, cause, concerned, key, names_behind
from ptx.mutants import mutants_of

TESTS = Path(__file__).parents[1]
CODE = f"""
import json, sys
sys.path[:0] = [{str(TESTS)!r}, {str(TESTS.parents[1])!r}]
from ptx.hunt import hunt
names = ("elementwise.tanh_kernel", "gemm.bring_transposed", "gemm.gemm_tn_kernel", "reduce.add_partials_kernel")
paths = [{str(TESTS)!r} + "/ptx/test_kernels_" + name + ".py" for name in ("elementwise", "conv")]
found = hunt(paths, only=names, select="derivative and tanh or gemm_bias or gemm_tn or gemm_nt or row_sum")
print(json.dumps([(f.place, f.mutant.kind, f.caught, f.mutant.before) for f in found]))
"""


def test_faults_in_a_few_kernels_are_noticed(python):
    found = json.loads(python(CODE).splitlines()[-1])
    assert {place for place, *_ in found} == {
        "elementwise.tanh_kernel",
        "gemm.bring_transposed",
        "gemm.gemm_tn_kernel",
        "reduce.add_partials_kernel",
    }
    assert {kind for _, kind, *_ in found} == {"operator", "offset", "bound", "barrier", "swap", "number"}
    assert len(found) >= 15
    assert {caught for _, kind, caught, _ in found if kind == "barrier"} <= {"race", "unwritten"}
    assert [f for f in found if not f[2]] == [], (
        "expected gemm_nt, both of whose factors are transposed, to notice ones for zeros"
    )


def test_a_helper_is_known_behind_the_kernels_that_use_it():
    assert key(elementwise.tanh_kernel) == "elementwise.tanh_kernel"
    assert names_behind(elementwise.tanh_kernel) == set()
    assert {"gemm.bring_transposed", "gemm.multiply_add"} <= names_behind(gemm.gemm_nt_kernel)
    assert "reduce.fold" in names_behind(reduce.row_sums_kernel)


def test_the_tests_concerned_are_those_that_name_an_operation_of_the_module():
    assert [Path(path).name for path in concerned(["lanes.scatter"])] == ["test_kernels_lane.py"]
    assert {"test_kernels_conv.py", "test_kernels_loss.py"} <= {Path(path).name for path in concerned(["reduce.fold"])}
    assert "test_kernels_networks.py" not in {Path(path).name for path in concerned(["kernel"])}
    assert concerned(["no function"]) == []


def test_what_gave_a_mutant_away_is_named():
    assert cause([ValueError(), PtxError("race", "…")]) == "race"
    assert cause([AssertionError()]) == "values"
    mutant = mutants_of(elementwise.tanh_kernel)[0]
    assert Finding(mutant, "elementwise.tanh_kernel", "", "").caught == ""


def test_a_hunt_without_tests_or_with_tests_that_fail_says_so(python, tmp_path):
    broken = tmp_path / "test_broken.py"
    broken.write_text("def test_it():\n    assert False\n")
    code = """
import sys
sys.path[:0] = {tests!r}
from ptx.hunt import hunt
try:
    hunt([{path!r}])
except RuntimeError as error:
    print(error)
"""
    printed = python(code.format(tests=[str(TESTS), str(TESTS.parents[1])], path=str(broken))).splitlines()[-1]
    assert printed.startswith("hunt: expected the tests to pass without mutants, got a failure of ")
    broken.write_text("def test_it():\n    pass\n")
    printed = python(code.format(tests=[str(TESTS), str(TESTS.parents[1])], path=str(broken))).splitlines()[-1]
    assert printed == "hunt: expected tests that execute kernels, got none"
