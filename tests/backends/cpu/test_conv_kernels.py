"""Convolutions and matrix products against loops, on small whole numbers: their sums are exact, so equality is exact.

What rounding does is left to the adjoint identities, in float64 on real numbers. Arrays are (images, …) as the oracles have
them where they are made and compared, and in lanes inside ``run``.
"""

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from links import by
from strategies import both, examples, option, sides, widths

from minicnn.backends import cpu
from minicnn.backends.cpu import INTERPRET
from minicnn.backends.cpu.conv.direct import conv2d, conv2d_dx, pack_channels, pack_filters
from minicnn.backends.cpu.conv.direct_dw import conv2d_dW_add
from minicnn.backends.cpu.lowering.by_lanes import outer, outer_add, pad, sparse_conv2d, sparse_conv2d_dW_add, sparse_conv2d_dx
from minicnn.backends.cpu.single_image.conv import conv2d_image
from minicnn.backends.cpu.single_image.conv_backward import conv2d_image_dW_add, conv2d_image_dx
from minicnn.backends.packing import BLOCKS, blocks, filter_block
from minicnn.nn.window import Window
from minicnn.testing import check_adjoint

BAND = 512
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])

same = np.testing.assert_array_equal
images = st.sampled_from((16, 32, 1, 1))  # a group of one image has kernels of its own
numbers_of_maps = st.integers(1, 17) if INTERPRET else st.sampled_from((1, 3, 9))  # a kernel for each has to be compiled
seeds = st.integers(0, 2**32 - 1)


def whole(seed, dtype, *shapes):
    """Arrays of whole numbers from −3 to 3."""
    rng = np.random.default_rng(seed)
    return [rng.integers(-3, 4, shape).astype(dtype) for shape in shapes]


def lanes(x):
    """(images, …) in lanes."""
    return naive.to_lanes(x, len(x))


def unpacked(xl):
    """Lanes as (images, …)."""
    return naive.from_lanes(xl, xl.shape[-1])


def in_lanes(shape):
    """The shape in lanes of (images, …)."""
    return (*shape[1:], shape[0])


def banded(array):
    """A copy between two bands of NaN, and the memory with the bands."""
    memory = np.full(array.size + 2 * BAND, np.nan, array.dtype)
    view = memory[BAND:-BAND].reshape(array.shape)
    view[...] = array
    return view, memory


def run(kernel, *inputs, out):
    """What a kernel writes over NaN into an array of shape ``out``, or makes of the array ``out``.

    Everything lies between bands of NaN: a read outside would spoil the result, a write outside is seen. Inputs stay.
    """
    start = np.full(out, np.nan, inputs[0].dtype) if isinstance(out, tuple) else out
    views = [banded(a)[0] if a.dtype.kind == "f" else a for a in inputs]
    view, memory = banded(start)
    kernel(*views, view)
    assert np.isnan(memory[:BAND]).all(), "wrote before the output"
    assert np.isnan(memory[-BAND:]).all(), "wrote behind the output"
    for before, after in zip(inputs, views, strict=True):
        same(after, before, err_msg="an input was changed")
    return view


# --- the direct convolution ---


@st.composite
def windows(draw):
    """A window and a map that it fits at least once.

    Strides larger than the kernel, dilation, uneven padding, kernels larger than the map, places without any tap on the map.
    """
    kernel = both(draw(option(1, 4) | st.tuples(st.integers(1, 2), st.integers(5, 6))))
    stride, dilation = both(draw(option(1, 4))), both(draw(option(1, 3)))
    before, after = both(draw(option(0, 3))), draw(st.none() | st.tuples(*[st.integers(0, 3)] * 2))
    window = Window(kernel, stride, before, dilation, after)
    frame = window.padded_size((0, 0))
    least = [max(1, d * (k - 1) + 1 - p) for k, d, p in zip(kernel, dilation, frame, strict=True)]
    return window, sides(draw, least)


@st.composite
def convolutions(draw):
    """A window and the shapes of x, W and y."""
    window, size = draw(windows())
    N, C, F = draw(images), draw(numbers_of_maps), draw(numbers_of_maps)
    return window, (N, C, *size), (F, C, *window.kernel), (N, F, *window.out_size(size))


def framed(x, window):
    """x in lanes with its background."""
    C, H, W, L = x.shape
    return run(pad, x, window.array(), out=(C, *window.padded_size((H, W)), L))


def packed(kernel, W, maps, others):
    """Weights in blocks of ``maps`` maps, the axis that is not ``others``."""
    size = filter_block(maps)
    return run(kernel, W, out=(blocks(maps, size), others, *W.shape[2:], size))


def forward(x, W, b, window):
    """y in lanes: pack, convolve; one image alone meets the weights as they are."""
    F, C, _, _ = W.shape
    out = (F, *window.out_size(x.shape[1:3]), x.shape[3])
    if x.shape[3] == 1:
        return run(conv2d_image, x, W, b, window.array(), out=out)
    return run(conv2d, x, packed(pack_filters, W, F, C), b, window.array(), out=out)


def input_gradient(dy, W, window, size):
    """The adjoint of ``forward`` in x."""
    F, C, _, _ = W.shape
    if dy.shape[3] == 1:
        return run(conv2d_image_dx, dy, W, window.array(), out=(C, *size, 1))
    return run(conv2d_dx, dy, packed(pack_channels, W, C, F), window.array(), out=(C, *size, dy.shape[3]))


def weight_gradient(x, dy, window, dW):
    """The adjoint of ``forward`` in W, added to dW."""
    kernel = conv2d_image_dW_add if x.shape[3] == 1 else conv2d_dW_add
    return run(kernel, x, dy, window.array(), out=dW)


def check_convolution(dtype, window, x_shape, w_shape, y_shape, seed):
    """The three passes against their oracles."""
    x, W, b, dy, dW = whole(seed, dtype, x_shape, w_shape, w_shape[:1], y_shape, w_shape)
    g, size = window.array(), x_shape[2:]
    same(unpacked(forward(lanes(x), W, b, window)), naive.conv2d(x, W, b, g, *y_shape[2:]))
    same(unpacked(input_gradient(lanes(dy), W, window, size)), naive.conv2d_dx(dy, W, g, *size))
    same(weight_gradient(lanes(x), lanes(dy), window, dW), dW + naive.conv2d_dW(x, dy, g))


@DTYPES
@pytest.mark.parametrize("size", [*BLOCKS, 2, 1])
@pytest.mark.parametrize("maps", [1, 7, 8, 9, 17])
def test_packed_weights_lie_in_blocks_filled_up_with_zeros(dtype, maps, size):
    (W,) = whole(maps, dtype, (maps, 3, 2, 4))
    filled = np.concatenate([W, np.zeros((blocks(maps, size) * size - maps, 3, 2, 4))]).reshape(-1, size, 3, 2, 4)
    expected = np.moveaxis(filled, 1, -1)
    same(run(pack_filters, W, out=expected.shape), expected)
    same(run(pack_channels, W.swapaxes(0, 1).copy(), out=expected.shape), expected)


@DTYPES
@examples(15)
@given(case=convolutions(), seed=seeds)
def test_pad_puts_zeros_around_every_map(dtype, case, seed):
    window, x_shape, _, _ = case
    (x,) = whole(seed, dtype, x_shape)
    same(unpacked(framed(lanes(x), window)), naive.pad(x, window.array(), *window.padded_size(x_shape[2:])))


@examples(200 if INTERPRET else 40)
@given(case=convolutions(), dtype=st.sampled_from(("float32", "float64")), seed=seeds)
def test_convolutions_of_any_window_are_their_sums(case, dtype, seed):
    check_convolution(dtype, *case, seed)


@DTYPES
@pytest.mark.parametrize("filters", range(1, 18))
def test_convolutions_of_any_number_of_maps_are_their_sums(dtype, filters):
    """From 1 to 17 filters and channels: blocks of every size, filled up or not."""
    window, channels = Window((3, 3), padding=(1, 0)), 18 - filters
    check_convolution(dtype, window, (16, channels, 4, 5), (filters, channels, 3, 3), (16, filters, 4, 3), filters)


TALL_AND_WIDE = [
    (Window((1, 2), after=(0, 1)), (3, 3)),
    (Window((2, 2), after=(1, 1)), (1, 1)),
    (Window((2, 4), padding=(0, 1), after=(1, 2)), (3, 2)),
    (Window((6, 6), padding=(2, 3), after=(3, 2)), (1, 1)),
    (Window((1, 1), (1, 1), (2, 3)), (1, 1)),
    (Window((1, 2), (3, 5), (1, 4), (1, 1), (0, 7)), (2, 1)),
    (Window((3, 3), (2, 2), (0, 0), (3, 3), (6, 6)), (2, 3)),
]
"""Windows and maps: padding on one side only, more padding than kernel, more kernel than map, steps beyond the map."""


@pytest.mark.parametrize(("window", "size"), TALL_AND_WIDE)
def test_convolutions_at_and_beyond_the_border(window, size):
    out = window.out_size(size)
    check_convolution("float32", window, (16, 5, *size), (3, 5, *window.kernel), (16, 3, *out), 0)


@examples(20)
@given(case=convolutions(), seed=seeds)
def test_conv2d_and_its_gradients_are_adjoint(case, seed):
    window, x_shape, w_shape, y_shape = case
    rng = np.random.default_rng(seed)
    x, W, none = rng.standard_normal(in_lanes(x_shape)), rng.standard_normal(w_shape), np.zeros(w_shape[0])
    check_adjoint(
        lambda x: forward(x, W, none, window),
        lambda dy: input_gradient(dy, W, window, x_shape[2:]),
        in_lanes(x_shape),
        in_lanes(y_shape),
    )
    check_adjoint(
        lambda W: forward(x, W, none, window),
        lambda dy: weight_gradient(x, dy, window, np.zeros(w_shape)),
        w_shape,
        in_lanes(y_shape),
    )


@examples(10)
@given(case=convolutions())
def test_padding_and_cutting_out_are_adjoint(case):
    window, x_shape, _, _ = case
    (top, left), (N, C, H, W) = window.padding, x_shape
    check_adjoint(
        lambda x: framed(x, window),
        lambda y: y[:, top : top + H, left : left + W],
        in_lanes(x_shape),
        (C, *window.padded_size((H, W)), N),
    )


# --- columns ---


def some(draw, rows):
    """A range of output rows."""
    first = draw(st.integers(0, rows - 1))
    return slice(first, first + draw(st.integers(1, rows - first)))


@DTYPES
@examples(20)
@given(case=convolutions(), seed=seeds, data=st.data())
def test_im2col_writes_the_windows_of_some_rows_as_columns(dtype, case, seed, data):
    window, x_shape, _, y_shape = case
    (x,) = whole(seed, dtype, x_shape)
    rows = some(data.draw, y_shape[2])
    expected = naive.im2col(x, window.array(), *y_shape[2:])[..., rows, :]
    got = run(cpu.im2col, lanes(x), window.array(), np.array([rows.start]), out=in_lanes(expected.shape))
    same(unpacked(got), expected)


@DTYPES
@examples(20)
@given(case=convolutions(), seed=seeds, data=st.data())
def test_col2im_adds_the_columns_of_some_rows_to_their_windows(dtype, case, seed, data):
    window, x_shape, _, y_shape = case
    cols, dx = whole(seed, dtype, (*x_shape[:2], *window.kernel, *y_shape[2:]), x_shape)
    rows = some(data.draw, y_shape[2])
    got = run(cpu.col2im_add, lanes(cols[..., rows, :]), window.array(), np.array([rows.start]), out=lanes(dx))
    cols[..., : rows.start, :] = cols[..., rows.stop :, :] = 0
    same(unpacked(got), dx + naive.col2im(cols, window.array(), *x_shape[2:]))


@examples(15)
@given(case=convolutions())
def test_im2col_and_col2im_are_adjoint(case):
    window, x_shape, _, (N, _, OH, OW) = case
    x_shape, cols_shape, g, row = in_lanes(x_shape), (x_shape[1], *window.kernel, OH, OW, N), window.array(), np.array([0])
    check_adjoint(
        lambda x: run(cpu.im2col, x, g, row, out=cols_shape),
        lambda cols: run(cpu.col2im_add, cols, g, row, out=np.zeros(x_shape)),
        x_shape,
        cols_shape,
    )


# --- the sparse convolution ---


@st.composite
def tables(draw):
    """Links in any number and order, kernels shared at times; a window and the shapes."""
    C, F, K = draw(st.integers(1, 6)), draw(st.integers(1, 9)), draw(st.integers(1, 9))
    pairs = draw(st.lists(st.tuples(st.integers(0, F - 1), st.integers(0, C - 1)), min_size=1, max_size=20, unique=True))
    links = sorted((f, c, draw(st.integers(0, K - 1))) for f, c in pairs)
    window = Window(both(draw(option(1, 5) | st.just((2, 6)))))
    out = (draw(st.integers(1, 4)), draw(widths))
    N = draw(st.sampled_from((1, 32 if out[1] == 1 else 16)))
    size = [o + k - 1 for o, k in zip(out, window.kernel, strict=True)]
    return links, window.array(), (N, C, *size), (K, *window.kernel), (N, F, *out)


def sparse_forward(x, W, b, links, out):
    """y in lanes over the links."""
    return run(sparse_conv2d, x, W, b, *by(links, 0, len(b)), out=(len(b), *out, x.shape[3]))


def sparse_input_gradient(dy, W, links, x_shape):
    """The adjoint of ``sparse_forward`` in x."""
    return run(sparse_conv2d_dx, dy, W, *by(links, 1, x_shape[0]), out=x_shape)


def sparse_weight_gradient(x, dy, links, dW):
    """The adjoint of ``sparse_forward`` in W, added to dW."""
    first, table = by(links, 1, len(x))
    return run(sparse_conv2d_dW_add, x, dy, first, table[:, 0].copy(), table[:, 2].copy(), out=dW)


@DTYPES
@examples(30)
@given(case=tables(), seed=seeds)
def test_sparse_conv2d_sums_over_the_links_of_a_map(dtype, case, seed):
    links, g, x_shape, w_shape, y_shape = case
    x, W, b = whole(seed, dtype, x_shape, w_shape, y_shape[1:2])
    got = sparse_forward(lanes(x), W, b, links, y_shape[2:])
    same(unpacked(got), naive.sparse_conv2d(x, W, b, links, g, *y_shape[2:]))


@DTYPES
@examples(30)
@given(case=tables(), seed=seeds)
def test_sparse_conv2d_dx_sums_over_the_links_of_a_channel(dtype, case, seed):
    links, g, x_shape, w_shape, y_shape = case
    dy, W = whole(seed, dtype, y_shape, w_shape)
    got = sparse_input_gradient(lanes(dy), W, links, in_lanes(x_shape))
    same(unpacked(got), naive.sparse_conv2d_dx(dy, W, links, g, *x_shape[1:]))


@DTYPES
@examples(30)
@given(case=tables(), seed=seeds)
def test_the_weight_gradient_of_sparse_conv2d_is_added_also_by_links_that_share_a_kernel(dtype, case, seed):
    links, g, x_shape, w_shape, y_shape = case
    x, dy, dW = whole(seed, dtype, x_shape, y_shape, w_shape)
    got = sparse_weight_gradient(lanes(x), lanes(dy), links, dW)
    same(got, dW + naive.sparse_conv2d_dW(x, dy, links, g, len(dW)))


@examples(20)
@given(case=tables(), seed=seeds)
def test_sparse_conv2d_and_its_gradients_are_adjoint(case, seed):
    links, _, x_shape, w_shape, y_shape = case
    rng = np.random.default_rng(seed)
    x, W, none = rng.standard_normal(in_lanes(x_shape)), rng.standard_normal(w_shape), np.zeros(y_shape[1])
    check_adjoint(
        lambda x: sparse_forward(x, W, none, links, y_shape[2:]),
        lambda dy: sparse_input_gradient(dy, W, links, in_lanes(x_shape)),
        in_lanes(x_shape),
        in_lanes(y_shape),
    )
    check_adjoint(
        lambda W: sparse_forward(x, W, none, links, y_shape[2:]),
        lambda dy: sparse_weight_gradient(x, dy, links, np.zeros(w_shape)),
        w_shape,
        in_lanes(y_shape),
    )


@DTYPES
def test_maps_of_a_group_share_a_bias_and_add_to_its_gradient(dtype):
    group = np.array([0, 0, 2, 1, 2])
    b, dy, db = whole(0, dtype, (3,), (5, 48), (3,))
    same(run(cpu.spread, b, group, out=(5,)), b[group])
    same(run(cpu.group_sum_add, dy, group, out=db), [db[g] + dy[group == g].sum() for g in range(3)])


# --- matrix products ---

sizes = st.sampled_from((1, 3, 4, 7, 8, 9, 17))
products = st.tuples(sizes, sizes, st.sampled_from((16, 32, 80, 1, 7)))  # one column, and the columns of one image's windows

STRIDED = pytest.mark.parametrize("strided", ["none", "maps", "all"], ids="{} strided".format)
"""Which arrays are slices of columns of wider ones: none, those that may be some rows of output maps (y, dy), or all."""


def columns(array, strided):
    """The array as it is, or as a slice of columns of a wider one that is NaN elsewhere."""
    if not strided:
        return array
    wide = np.full((len(array), array.shape[1] + 24), np.nan, array.dtype)
    view = wide[:, 5 : 5 + array.shape[1]]
    view[...] = array
    return view


def unspoilt(view):
    """Whether the neighbours of a slice of columns are the NaN they were."""
    return view.base is None or np.isnan(view.base).sum() == view.base.size - view.size


@DTYPES
@STRIDED
@examples(12)
@given(product=products, seed=seeds)
def test_gemm_bias_is_a_product_and_a_bias(dtype, strided, product, seed):
    M, K, P = product
    W, x, b = whole(seed, dtype, (M, K), (K, P), (M,))
    y = columns(np.full((M, P), np.nan, dtype), strided != "none")
    cpu.gemm_bias(columns(W, strided == "all"), columns(x, strided == "all"), b, y)
    same(y, W @ x + b[:, None])
    assert unspoilt(y)


@DTYPES
@STRIDED
@examples(12)
@given(product=products, seed=seeds)
def test_gemm_tn_is_a_product_with_the_transpose(dtype, strided, product, seed):
    M, K, P = product
    W, dy = whole(seed, dtype, (M, K), (M, P))
    dx = columns(np.full((K, P), np.nan, dtype), strided == "all")
    cpu.gemm_tn(columns(W, strided == "all"), columns(dy, strided != "none"), dx)
    same(dx, W.T @ dy)
    assert unspoilt(dx)


@DTYPES
@STRIDED
@examples(12)
@given(product=products, seed=seeds)
def test_gemm_nt_is_a_product_with_the_transpose_that_is_added(dtype, strided, product, seed):
    M, K, P = product
    dy, x, start = whole(seed, dtype, (M, P), (K, P), (M, K))
    dW = columns(start.copy(), strided == "all")
    cpu.gemm_nt_add(columns(dy, strided != "none"), columns(x, strided == "all"), dW)
    same(dW, start + dy @ x.T)
    assert unspoilt(dW)


@DTYPES
@examples(12)
@given(product=products, seed=seeds)
def test_row_sums_are_added(dtype, product, seed):
    M, _, P = product
    dy, db = whole(seed, dtype, (M, P), (M,))
    same(run(cpu.row_sum_add, dy, out=db), db + dy.sum(1))


@DTYPES
@examples(15)
@given(M=st.integers(1, 20), K=st.integers(1, 40), L=images, seed=seeds)
def test_outer_products_are_added_or_written(dtype, M, K, L, seed):
    dy, x, dW = whole(seed, dtype, (M, L), (K, L), (M, K))
    buffer = np.full((L, -(-K // 32) * 32), np.nan, dtype)
    same(run(lambda dy, x, dW: outer_add(dy, x, buffer, dW), dy, x, out=dW), dW + dy @ x.T)
    same(run(lambda dy, x, dW: outer(dy, x, buffer, dW), dy, x, out=np.full_like(dW, np.nan)), dy @ x.T)


@examples(15)
@given(product=products, seed=seeds)
def test_products_are_adjoint(product, seed):
    M, K, P = product
    rng = np.random.default_rng(seed)
    W, x, none = rng.standard_normal((M, K)), rng.standard_normal((K, P)), np.zeros(M)
    pairs = [
        (lambda x: run(cpu.gemm_bias, W, x, none, out=(M, P)), lambda y: run(cpu.gemm_tn, W, y, out=(K, P)), (K, P)),
        (
            lambda W: run(cpu.gemm_bias, W, x, none, out=(M, P)),
            lambda y: run(cpu.gemm_nt_add, y, x, out=np.zeros((M, K))),
            (M, K),
        ),
        (
            lambda b: run(cpu.gemm_bias, 0 * W, x, b, out=(M, P)),
            lambda y: run(cpu.row_sum_add, y, out=np.zeros(M)),
            (M,),
        ),
    ]
    for product_with, adjoint, shape in pairs:
        check_adjoint(product_with, adjoint, shape, (M, P), seed)
