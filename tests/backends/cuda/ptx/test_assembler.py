"""``ptxas`` is found, read and obeyed; occupancy is NVIDIA's."""

import pytest

from ptx.assembler import Resources, assemble, occupancy, ptxas, read
from ptx.snippets import kernel

REPORT = """ptxas info    : 8 bytes gmem
ptxas info    : Compiling entry function 'k' for 'sm_90'
ptxas info    : Function properties for k
    96 bytes stack frame, 12 bytes spill stores, 16 bytes spill loads
ptxas info    : Used 255 registers, used 1 barriers, 2112 bytes smem, 568 bytes cmem[0]
"""


def test_a_report_is_read():
    assert read(REPORT) == Resources(registers=255, shared=2112, spilled=124)
    assert read("") == Resources(0, 0, 0)


@pytest.mark.parametrize(
    ("registers", "shared", "threads", "cc", "warps"),
    [
        (32, 0, 256, (8, 0), 64),
        (33, 0, 256, (8, 0), 48),  # 1,280 registers a warp, 51 warps, of which 48 in fours: six blocks of eight
        (255, 0, 128, (9, 0), 8),
        (16, 48 * 1024, 128, (8, 0), 12),
        (16, 48 * 1024, 128, (9, 0), 16),
        (16, 0, 32, (9, 0), 32),  # no more than 32 blocks
        (40, 0, 1024, (8, 0), 32),
        (128, 0, 1024, (8, 0), 0),
        (16, 0, 33, (8, 0), 64),
    ],
)
def test_occupancy(registers, shared, threads, cc, warps):
    assert occupancy(Resources(registers, shared, 0), threads, cc) * 64 == warps


def test_a_module_is_assembled():
    assert ptxas() is not None, 'expected ptxas: install "minicnn-engine[test]"'
    variables = ".shared .align 4 .b8 s[400];\n"
    body = "\tmov.u64 %rd5, s;\n\tst.shared.u32 [%rd5], 1;\n\tld.shared.u32 %r1, [%rd5+8];\n\tst.global.u32 [%rd0], %r1;"
    for cc in ((8, 0), (9, 0)):
        found = assemble(kernel(["a"], "", body, variables), cc)
        assert found.shared == 400
        assert 2 <= found.registers <= 16
        assert found.spilled == 0


def test_what_the_assembler_refuses_is_said():
    with pytest.raises(RuntimeError, match=r"ptxas: expected it to accept the module, got: .*line"):
        assemble(kernel(["a"], "", "\tnonsense.u32 %r1;"), (8, 0))


def test_a_missing_assembler_is_named(monkeypatch):
    monkeypatch.setattr("ptx.assembler.ptxas", lambda: None)
    with pytest.raises(RuntimeError, match=r"ptxas: expected it .* got none: install \"minicnn-engine\[test\]\""):
        assemble("", (8, 0))
