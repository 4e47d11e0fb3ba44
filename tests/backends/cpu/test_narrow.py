"""Groups of fewer lanes than a register has numbers: the same kernels over narrower vectors, and nothing else changed."""

import json

import numpy as np
import pytest
from numba.extending import register_jitable

import minicnn as m
from minicnn import kernel
from minicnn.backends.cpu import BACKEND, CHECK, INTERPRET
from minicnn.backends.cpu.compile import narrow
from minicnn.backends.cpu.compile.host import HOST, VectorUnit
from minicnn.backends.cpu.compile.jit import Selection, fitted
from minicnn.backends.cpu.compile.narrow import Fit, fit_of
from minicnn.backends.cpu.kernels import elementwise, pool
from minicnn.backends.cpu.tiles import tile_store, tile_width, vector_load
from minicnn.data import Normalise, Pixels

F32, F64 = np.dtype("float32"), np.dtype("float64")


@register_jitable
def width_in_a_helper(x):
    return tile_width(x)


def widths_kernel():
    """A kernel that has not been compiled yet."""

    @kernel
    def widths(x, found):
        found[0], found[1], found[2] = tile_width(x), tile_width(x[0]), tile_width(x.reshape(x.size))
        row = x[1:]
        found[3], found[4] = tile_width(row[0, 1:]), width_in_a_helper(row)
        tile_store(vector_load(x, 0), found, 5, 0, 1)

    return widths


@pytest.mark.parametrize("dtype", [F32, F64], ids=str)
@pytest.mark.parametrize("order", [(64, 32, 16), (16, 32, 64)], ids=["wide first", "narrow first"])
def test_every_view_and_every_helper_has_the_width_of_the_kernel(dtype, order):
    """Numba remembers code by types: one that was compiled for a width must not serve another."""
    widths = widths_kernel()
    x = np.arange(64, dtype=dtype).reshape(2, 2, 16)
    for vector_bytes in (each for each in order if each <= HOST.bytes):
        w, found = vector_bytes // dtype.itemsize, np.zeros(5 + 16, dtype)
        fitted(widths, Fit(4, vector_bytes))(x, found)
        assert found[:5].tolist() == [w] * 5
        assert found[5 : 5 + w].tolist() == x.reshape(-1)[:w].tolist()
        assert not found[5 + w :].any()


def test_a_kernel_without_vectors_is_not_compiled_again():
    fit = Fit(4, 8)
    assert fitted(elementwise.relu, fit) is elementwise.relu
    assert fitted(pool.avg_pool_dx, fit) is pool.avg_pool_dx
    assert fitted(pool.max_pool, fit) is not pool.max_pool
    assert fitted(pool.max_pool, fit) is fitted(pool.max_pool, fit) is fitted(fitted(pool.max_pool, fit), fit)
    assert fitted(pool.max_pool, Fit(16, HOST.bytes)) is pool.max_pool
    assert fitted(print, fit) is print


@pytest.mark.parametrize("lanes", [1, 16, 32, 48])
@pytest.mark.parametrize("dtype", [F32, F64], ids=str)
def test_usual_lanes_have_the_backend_as_it_is(lanes, dtype):
    """So nothing that ran before there were others runs in another way."""
    assert BACKEND.of_lanes(lanes, dtype) is BACKEND
    net = m.Network([m.Dense(2)], (3,), str(dtype), threads=1, lanes=lanes)
    assert net._runner.group(0, True, lanes)._backend is BACKEND


@pytest.mark.parametrize("name", ["numpy", "cuda"])
def test_other_backends_have_the_same_kernels_for_any_lanes(name):
    if name == "cuda":
        pytest.importorskip("numba_cuda")
    backend = __import__(f"minicnn.backends.{name}", fromlist=["BACKEND"]).BACKEND
    assert all(backend.of_lanes(lanes, F32) is backend for lanes in (1, 4, 8, 16, 32))


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        (VectorUnit(64, 32, True, "AVX-512"), {4: (16, 32), 8: (32, 64)}),
        (VectorUnit(32, 16, True, "AVX2"), {4: (16, 32), 8: (32, 32)}),
        (VectorUnit(16, 32, True, "NEON"), {4: (16, 16), 8: (16, 16)}),
    ],
    ids=["AVX-512", "AVX2", "NEON"],
)
def test_vectors_are_as_wide_as_the_register_or_the_group(unit, expected, monkeypatch):
    monkeypatch.setattr(narrow, "HOST", unit)
    for lanes, widths in expected.items():
        assert tuple(fit_of(lanes, itemsize).vector_bytes for itemsize in (4, 8)) == widths
    assert [fit_of(lanes, 4) for lanes in (1, 16, 32)] == [None] * 3


def test_matrix_products_of_few_columns_take_the_kernels_of_lanes():
    """8 columns are too few for the usual choice, which is for 16 and more."""
    own = BACKEND.of_lanes(8, F32).kernels["gemm_bias"]
    arrays = np.ones((3, 4), F32), np.ones((4, 8), F32), np.ones(3, F32), np.zeros((3, 8), F32)
    assert isinstance(own, Selection)
    assert own.choose(*arrays) is not BACKEND.kernels["gemm_bias"].choose(*arrays)
    own(*arrays)
    assert (arrays[-1] == 5).all()


PARITY = """
import json, sys
import numpy as np
import minicnn as m
from minicnn.data import Normalise, Pixels
from minicnn.backends.cpu.compile.host import HOST
from minicnn.testing import check_backend

failed = []
for check in check_backend("cpu", lanes=(4, 8)):
    if str(check).split(",")[0] in NAMES:
        try:
            check()
        except AssertionError as error:
            failed.append(f"{check}: {error}")
print(json.dumps([HOST.bytes, failed]))
"""
VECTORS = ("conv2d", "conv2d_dx", "conv2d_dW_add", "sparse_conv2d", "sparse_conv2d_dx", "sparse_conv2d_dW_add")
VECTORS += ("gemm_bias", "gemm_tn", "gemm_nt_add", "outer_add", "max_pool", "subsample_dcoef_add", "gather_pixels")
VECTORS += ("channel_moments", "normalize_sums", "outer")


@pytest.mark.skipif(CHECK or INTERPRET, reason="the process is the same in every mode")
def test_kernels_for_registers_of_sixteen_numbers_do_not_leave_a_group_of_four(python):
    """This machine may have no such registers, but the kernels as plain Python do."""
    settings = {"NUMBA_DISABLE_JIT": 1, "NUMBA_CPU_FEATURES": "+avx512f,+avx2,+avx,+fma"}
    assert json.loads(python(PARITY.replace("NAMES", repr(VECTORS)), **settings).splitlines()[-1]) == [64, []]


@pytest.mark.parametrize("lanes", [4, 8, 32])
@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_a_step_of_lenet5_is_the_same_to_rounding(lanes, backend):
    """Of the compiled backend in both dtypes: fused calls, Winograd's forms and loading among them."""
    rng = np.random.default_rng(0)
    x, t = rng.integers(0, 256, (37, 28, 28), dtype=np.uint8), rng.integers(0, 10, 37)
    pixels = Pixels(x, Normalise(scale=1 / 255, shift=0.0), size=32)
    for dtype, tolerance in (("float32", 2e-5), ("float64", 1e-11)):
        usual = m.models.lenet5(dtype=dtype, threads=1, seed=1)
        other = m.models.lenet5(dtype=dtype, threads=1, seed=1, lanes=lanes, slots=3, backend=backend)
        assert other.loss_and_grads(m.MLE(), pixels, t) == pytest.approx(
            usual.loss_and_grads(m.MLE(), pixels, t), rel=tolerance
        )
        size = np.abs(usual.grads.flat).max()
        np.testing.assert_allclose(other.grads.flat, usual.grads.flat, rtol=0, atol=tolerance * size)
        np.testing.assert_allclose(other.predict(pixels), usual.predict(pixels), rtol=0, atol=tolerance * 20)
