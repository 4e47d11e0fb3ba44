"""The contract suite: every layer of the package, every option, every message; and the figures of the three LeNets."""

import re
import sys
from dataclasses import FrozenInstanceError, asdict, fields
from math import prod

import numpy as np
import pytest
import strategies
from hypothesis import given
from strategies import STRATEGIES, examples

import minicnn as m
from minicnn import Conv2d, Dense, Flatten, Network, OptionError, ShapeError, SparseConv2d, Subsample, models
from minicnn.backends import convolution
from minicnn.nn.base import LAYERS
from minicnn.testing import check_gradient, check_layer

EXAMPLES = {m.Conv2d: 40, m.SparseConv2d: 25, m.Conv1d: 20, m.ConvTranspose2d: 30, m.ConvTranspose1d: 20}
KINDS = pytest.mark.parametrize("kind", STRATEGIES, ids=lambda kind: kind.__name__)


# --- the contract ---


@KINDS
def test_layer_keeps_the_contract_whatever_its_options(kind):
    seen = {f.name: set() for f in fields(kind)}

    @examples(EXAMPLES.get(kind, 12))
    @given(STRATEGIES[kind])
    def keeps_the_contract(case):
        layer, in_shape = case
        for name, values in seen.items():
            values.add(getattr(layer, name))
        for check in check_layer(layer, in_shape):
            check()

    keeps_the_contract()
    if strategies.SHARE == 1:
        assert [name for name, values in seen.items() if len(values) < 2] == [], "options that were never varied"


@KINDS
@pytest.mark.parametrize("lanes", [4, 8, 32])
def test_layer_keeps_the_contract_in_groups_of_other_lanes(kind, lanes):
    """Narrower than a register of this machine, in float32 or in both dtypes, as wide, or wider."""

    @examples(2)
    @given(STRATEGIES[kind])
    def keeps_the_contract(case):
        layer, in_shape = case
        for check in check_layer(layer, in_shape, lanes=(lanes,)):
            check()

    keeps_the_contract()


def test_every_layer_of_the_package_has_a_strategy():
    defined = {c for c in LAYERS if getattr(sys.modules[c.__module__], c.__name__, None) is c}
    package = {c for c in defined if c.__module__.startswith("minicnn.") and not c.__name__.startswith("_")}
    assert package == set(STRATEGIES)


@pytest.mark.parametrize(
    ("layer", "in_shape"),
    [
        (Conv2d(3, 3, padding="same", algorithm="im2col"), (2, 5, 6)),
        (Conv2d(4, (2, 3), stride=(2, 1), padding=1, groups=2, algorithm="im2col"), (4, 7, 5)),
    ],
)
def test_convolution_by_a_few_rows_of_columns_at_a_time(layer, in_shape, monkeypatch):
    whole = columns_of(layer, in_shape)
    monkeypatch.setattr(convolution, "COLUMNS", 2 * prod(whole[:3]) * whole[4])  # the columns of two rows
    assert columns_of(layer, in_shape)[3] == 2 < whole[3]
    for check in check_layer(layer, in_shape):
        check()


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("algorithm", ["auto", "direct", "im2col"])
@pytest.mark.parametrize(("groups", "channels"), [(1, 1), (1, 4), (2, 4), (1, 6), (3, 6)])
@pytest.mark.parametrize("padding", [0, 1, (2, 0)])
def test_convolutions_in_groups_with_padding_have_their_gradients(groups, channels, padding, algorithm, backend):
    layer = Conv2d(3 * groups, (3, 2), padding=padding, groups=groups, algorithm=algorithm)
    for lanes, images in ((16, 17), (1, 2)):
        net = Network([layer], (channels, 4, 5), dtype="float64", backend=backend, threads=1, lanes=lanes)
        check_gradient(net, np.random.default_rng(0).standard_normal((images, channels, 4, 5)))


def columns_of(layer, in_shape):
    """The shape of the most columns that a layer's network holds at a time, without lanes."""
    calls = Network([layer], in_shape, threads=1).program().calls
    return max(call.arrays[-1].shape[:-1] for call in calls if call.name == "im2col")


@pytest.mark.parametrize(("columns", "rows"), [(1 << 14, 4), (1, 1)])
def test_the_columns_of_a_large_map_are_bounded(columns, rows, monkeypatch):
    monkeypatch.setattr(convolution, "COLUMNS", columns)
    assert columns_of(Conv2d(8, 5, algorithm="im2col"), (4, 44, 44)) == (4, 5, 5, rows, 40)


def test_auto_multiplies_where_the_window_is_the_whole_map_and_convolves_elsewhere():
    def kernels(*args, **options):
        net = Network([Conv2d(4, *args, **options)], (2, 5, 5), dtype="float64", threads=1)
        group = net._runner.group(0, True, net.lanes)
        programs = [group.forward, group.backward(net._slots.take(1)[0], input_grad=True)]
        calls = [call for program in (net._preparation.of(programs), *programs) for call in program.calls]
        return {call.name for call in calls} - {"row_sum_add"}

    product = {"gemm_bias", "outer_add", "gemm_tn"}
    columns = {"im2col", "gemm_bias", "gemm_nt_add", "zero", "gemm_tn", "col2im_add"}
    packed = {"pack_filters", "conv2d", "conv2d_dW_add", "pack_channels", "conv2d_dx"}
    assert kernels(5) == product
    assert kernels(5, algorithm="im2col") == kernels(4, algorithm="im2col") == columns
    assert kernels(4) == packed
    assert kernels(5, padding=1) == packed | {"pad"}
    assert kernels(5, algorithm="direct") == {"pack_filters", "conv2d", "conv2d_dW_add", "sparse_conv2d_dx"}


@pytest.mark.parametrize(
    ("kernel", "options", "size", "product"),
    [
        ((4, 5), {}, (4, 5), True),
        ((4, 5), {}, (5, 5), False),
        ((4, 5), {"padding": (0, 1)}, (4, 5), False),
        ((1, 1), {}, (1, 1), True),
        ((1, 1), {"dilation": 2}, (1, 1), False),
    ],
)
def test_only_the_whole_undilated_map_is_multiplied(kernel, options, size, product):
    net = Network([Conv2d(4, kernel, **options)], (2, *size), dtype="float64", threads=1)
    assert any(call.name == "gemm_bias" for call in net.program(train=False).calls) == product


# --- layers are values ---


@KINDS
def test_layer_is_a_frozen_value(kind):
    @examples(8)
    @given(STRATEGIES[kind])
    def is_a_value(case):
        layer, _ = case
        again = eval(repr(layer), vars(m))
        assert again == layer
        assert hash(again) == hash(layer)
        assert list(asdict(layer)) == [f.name for f in fields(kind)]
        with pytest.raises(FrozenInstanceError):
            layer.anything = 1

    is_a_value()


def test_layers_differ_by_kind_and_by_option():
    values = [m.AvgPool2d(2), m.MaxPool2d(2), m.MaxPool2d(2, 1), m.Tanh(), m.ReLU(), Dense(2), Dense(2, bias=False), Dense(3)]
    assert len(set(values)) == len(values)
    assert Dense(2, init=m.HeNormal()) == Dense(2, init=m.HeNormal()) != Dense(2)


def test_asdict_holds_the_options():
    options = {"kernel_size": 3, "stride": 2, "padding": 0, "ceil_mode": False, "dilation": 1}
    assert asdict(m.MaxPool2d(3, stride=2)) == options
    assert asdict(Dense(2, bias=False, init=m.FanInUniform(1.5)))["init"] == {"gain": 1.5}


def test_repr_names_every_option():
    options = "kernel_size=(2, 3), stride=None, padding=0, ceil_mode=False, count_include_pad=True"
    assert repr(m.AvgPool2d((2, 3))) == f"AvgPool2d({options})"


# --- what is refused, and in which words ---


def whole(name, least, got):
    """What an option of whole numbers says."""
    example = max(least, 1)
    what = f"expected {name} as a whole number of at least {least} or a pair of them, got {got}"
    return what, f"give {name}={example} or {name}=({example}, {example})"


def counted(name, got):
    """What an option that counts says."""
    return f"expected {name} as a whole number of at least 1, got {got}", f"give {name}=1"


def padded(got):
    """What a padding says that is neither numbers nor possible."""
    return f'expected padding as numbers or "same", got {got}', 'give padding=0 or padding="same"'


def sided(got):
    """What a padding says that lists four sides in a row."""
    return f"expected padding of four sides as ((top, bottom), (left, right)), got {got}", "write the sides in that form"


def extra(got, stride, dilation):
    """What too much output_padding says."""
    what = f"expected output_padding below the stride or the dilation, got {got} with stride {stride} and dilation {dilation}"
    return what, "give less of it, or crop less with padding"


def tied(got):
    """What groups say that are not the table's three maps."""
    what = f"expected group_sizes as the sizes of groups of 3 maps in all, got {got}"
    return what, "let the sizes add up to the number of rows of the table"


def empty(got):
    """What a table says in which a map reads nothing."""
    return f"expected a table with at least one channel in every row, got {got}", "list the channels that each map reads"


def row(number, got):
    """What a row of a table says."""
    return f"expected row {number} to list channels from 0 on, each once, got {got}", "correct the row"


def rate(got):
    """What a dropout rate says."""
    return f"expected rate in [0, 1), got {got}", "give rate=0.5"


def slope(got):
    """What a slope says."""
    return f"expected negative_slope as a finite number, got {got}", "give negative_slope=0.01"


def between(name, got, interval="[0, inf)"):
    """What a number says that is not in an interval."""
    return f"expected {name} in {interval}, got {got}", f"choose {name} in that range"


def half(got):
    """What too much padding of a pool says."""
    what = f"expected padding of at most half the kernel, got {got}"
    return what, "give less padding, or every window may not meet the map"


def huge(name, got, most=2**31 - 1, least=1):
    """What a size says that no array has."""
    return f"expected {name} of at most {most}, got {got}", f"give {name}={least}, or a little more"


def truth(name, got):
    """What an option says that is True or False."""
    return f"expected {name} as True or False, got {got}", f"give {name}=True or {name}=False"


def adapted(got):
    """What a size of an output says that is neither a number nor a pair."""
    what = f"expected output_size as a whole number or a pair, in which None keeps the size, got {got}"
    return what, "give output_size=1 or output_size=(1, None)"


def shaped(got):
    """What a shape says that no image has."""
    what = f"expected shape as a tuple of whole numbers from 1 to {2**31 - 1}, of which one may be -1, got {got}"
    return what, "give shape=(16, 5, 5) or shape=(16, 5, -1)"


OPTIONS = {
    "Conv2d(0, 3)": counted("filters", "0"),
    "Conv2d(2.0, 3)": counted("filters", "2.0"),
    "Conv2d(True, 3)": counted("filters", "True"),
    "Conv2d(2, 3, groups=0)": counted("groups", "0"),
    "Conv2d(3, 3, groups=2)": (
        "expected filters as a multiple of groups, got 3 filters in 2 groups",
        "give groups that divide 3",
    ),
    "Conv2d(2, 3, algorithm='fft')": ("expected algorithm as one of auto, im2col, direct, got 'fft'", 'leave it at "auto"'),
    "Conv2d(2, 0)": whole("kernel_size", 1, "0"),
    "Conv2d(2, (3, 3, 3))": whole("kernel_size", 1, "(3, 3, 3)"),
    "Conv2d(2, [3, 3])": whole("kernel_size", 1, "[3, 3]"),
    "Conv2d(2, 2.5)": whole("kernel_size", 1, "2.5"),
    "Conv2d(2, True)": whole("kernel_size", 1, "True"),
    "Conv2d(2, 3, stride=(1, 0))": whole("stride", 1, "(1, 0)"),
    "Conv2d(2, 3, dilation=0)": whole("dilation", 1, "0"),
    "Conv2d(2, 3, padding=-1)": whole("padding", 0, "-1"),
    "Conv2d(2, 3, padding='valid')": padded("'valid'"),
    "Conv2d(2, 3, padding=(1, 2, 3, 4))": sided((1, 2, 3, 4)),
    "Conv2d(2, 3, padding=((1, -2), 0))": whole("padding", 0, "(1, -2)"),
    "Conv2d(2, 3, padding=(0, (1, 2, 3)))": whole("padding", 0, "(1, 2, 3)"),
    "Conv2d(2**31, 3)": huge("filters", 2**31),
    "Conv2d(2, 2**55)": huge("kernel_size", 2**55),
    "Conv2d(2, 3, stride=2**70)": huge("stride", 2**70),
    "Conv2d(2, 3, stride=(1, 2**70))": huge("stride", (1, 2**70)),
    "Conv2d(2, 3, padding=2**55)": huge("padding", 2**55, least=0),
    "Conv2d(2, 3, dilation=2**40)": huge("dilation", 2**40),
    "Conv2d(2, 3, groups=2**70)": huge("groups", 2**70),
    "Conv2d(2, 3, bias=5)": truth("bias", 5),
    "Conv1d(0, 3)": counted("filters", "0"),
    "Conv1d(2, (1, 3))": counted("kernel_size", "(1, 3)"),
    "Conv1d(2, 3, stride=0)": counted("stride", "0"),
    "Conv1d(2, 3, dilation=2**40)": huge("dilation", 2**40),
    "Conv1d(2, 3, padding='valid')": padded("'valid'"),
    "Conv1d(2, 3, padding=-1)": whole("padding", 0, "-1"),
    "Conv1d(2, 3, padding=((1, 2), 0))": whole("padding", 0, "((1, 2), 0)"),
    "Conv1d(3, 3, groups=2)": (
        "expected filters as a multiple of groups, got 3 filters in 2 groups",
        "give groups that divide 3",
    ),
    "Conv1d(2, 3, algorithm='fft')": ("expected algorithm as one of auto, im2col, direct, got 'fft'", 'leave it at "auto"'),
    "ConvTranspose2d(0, 3)": counted("filters", "0"),
    "ConvTranspose2d(2, 3, groups=0)": counted("groups", "0"),
    "ConvTranspose2d(2, 3, bias=1)": truth("bias", 1),
    "ConvTranspose2d(2, 0)": whole("kernel_size", 1, "0"),
    "ConvTranspose2d(2, 3, stride=(1, 0))": whole("stride", 1, "(1, 0)"),
    "ConvTranspose2d(2, 3, padding=-1)": whole("padding", 0, "-1"),
    "ConvTranspose2d(2, 3, padding='same')": whole("padding", 0, "'same'"),
    "ConvTranspose2d(2, 3, dilation=2**40)": huge("dilation", 2**40),
    "ConvTranspose2d(2, 3, output_padding=-1)": whole("output_padding", 0, "-1"),
    "ConvTranspose2d(2, 3, output_padding=1)": extra("1", 1, 1),
    "ConvTranspose2d(2, 3, stride=(2, 3), output_padding=2)": extra("2", (2, 3), 1),
    "ConvTranspose2d(2, 3, dilation=(3, 1), output_padding=(2, 1))": extra("(2, 1)", 1, (3, 1)),
    "ConvTranspose1d(2, (3,))": counted("kernel_size", "(3,)"),
    "ConvTranspose1d(2, 3, padding=(1, 1))": ("expected padding as a whole number of at least 0, got (1, 1)", "give padding=0"),
    "ConvTranspose1d(2, 3, stride=2, output_padding=2)": extra("2", 2, 1),
    "SparseConv2d(((0,),), 2**70)": huge("kernel_size", 2**70),
    "Subsample(2**64)": huge("window", 2**64),
    "AvgPool2d(2**15 + 1)": huge("kernel_size", 2**15 + 1, most=2**15),
    "MaxPool2d(2, stride=2**70)": huge("stride", 2**70),
    "MaxPool2d(2, padding=2**55)": huge("padding", 2**55, least=0),
    "Dense(10**12)": huge("units", 10**12),
    "Dense(10, bias=84)": truth("bias", 84),
    "RBF(((1.0,),), trainable=1)": truth("trainable", 1),
    "LeakyReLU(10**400)": slope(10**400),
    "SparseConv2d(((0,),), 0)": whole("kernel_size", 1, "0"),
    "SparseConv2d((), 3)": empty("()"),
    "SparseConv2d(((0,), ()), 3)": empty("((0,), ())"),
    "SparseConv2d(((0, -1),), 3)": row(0, "(0, -1)"),
    "SparseConv2d(((0,), (1, 2, 1)), 3)": row(1, "(1, 2, 1)"),
    "SparseConv2d(((0,), (1,), (2,)), 3, group_sizes=(2,))": tied("(2,)"),
    "SparseConv2d(((0,), (1,), (2,)), 3, group_sizes=(3, 0))": tied("(3, 0)"),
    "SparseConv2d(((0,), (1,), (2,)), 3, group_sizes=(4, -1))": tied("(4, -1)"),
    "SparseConv2d(((0, 1), (1, 2), (0,)), 3, group_sizes=(3,))": (
        "expected map 2 to read 2 channels as map 0, got 1",
        "tie only maps with equally many channels",
    ),
    "Subsample(0)": whole("window", 1, "0"),
    "AvgPool2d(0)": whole("kernel_size", 1, "0"),
    "AvgPool2d(2, 0)": whole("stride", 1, "0"),
    "AvgPool2d(2, 2, -1)": whole("padding", 0, "-1"),
    "AvgPool2d((4, 3), padding=2)": half("2 for kernel (4, 3)"),
    "MaxPool2d(0)": whole("kernel_size", 1, "0"),
    "MaxPool2d(2, (1, 0))": whole("stride", 1, "(1, 0)"),
    "MaxPool2d(2, 2, -1)": whole("padding", 0, "-1"),
    "MaxPool2d(2, padding=(1, 2))": half("(1, 2) for kernel 2"),
    "AvgPool2d(2, ceil_mode=1)": truth("ceil_mode", 1),
    "AvgPool2d(2, count_include_pad=None)": truth("count_include_pad", None),
    "MaxPool2d(2, ceil_mode='yes')": truth("ceil_mode", "'yes'"),
    "MaxPool2d(2, dilation=0)": whole("dilation", 1, "0"),
    "AvgPool1d((1, 2))": counted("kernel_size", "(1, 2)"),
    "AvgPool1d(2**15 + 1)": huge("kernel_size", 2**15 + 1, most=2**15),
    "AvgPool1d(2, 0)": counted("stride", "0"),
    "AvgPool1d(2, padding=2)": half("2 for kernel 2"),
    "AvgPool1d(2, padding=-1)": ("expected padding as a whole number of at least 0, got -1", "give padding=0"),
    "AvgPool1d(2, count_include_pad=0)": truth("count_include_pad", 0),
    "MaxPool1d(2, dilation=(1, 1))": counted("dilation", "(1, 1)"),
    "MaxPool1d(0)": counted("kernel_size", "0"),
    "MaxUnpool2d(0)": whole("kernel_size", 1, "0"),
    "MaxUnpool2d(2, padding=2)": half("2 for kernel 2"),
    "MaxUnpool1d(2, dilation=0)": counted("dilation", "0"),
    "AdaptiveAvgPool2d(0)": counted("output_size", "0"),
    "AdaptiveAvgPool2d((None, 2.0))": counted("output_size", "2.0"),
    "AdaptiveAvgPool2d(None)": adapted("None"),
    "AdaptiveAvgPool2d((1, 2, 3))": adapted("(1, 2, 3)"),
    "Upsample(0)": whole("scale_factor", 1, "0"),
    "Upsample(1.5)": whole("scale_factor", 1, "1.5"),
    "Upsample(2, mode='bicubic')": ("expected mode as one of nearest, bilinear, got 'bicubic'", 'give mode="nearest"'),
    "Upsample(2, align_corners=None)": truth("align_corners", None),
    "Upsample(2, align_corners=True)": ("expected align_corners with mode \"bilinear\", got it with 'nearest'", "leave it out"),
    "Pad2d(-1)": whole("padding", 0, "-1"),
    "Pad2d((1, 2, 3, 4))": sided((1, 2, 3, 4)),
    "Pad2d(1, mode='circular')": ("expected mode as one of zeros, reflect, replicate, got 'circular'", 'give mode="zeros"'),
    **{
        f"Permute({dims!r})": (
            f"expected dims as all axes from 0 on, of which two neighbouring runs change places, got {dims!r}",
            "give dims=(1, 2, 0), or two of these layers",
        )
        for dims in ((), (2, 1, 0), (1, 1), (1, 2), 3, (True, False))
    },
    "IndexSelect((0, -1))": (
        "expected rows as a tuple of whole numbers of at least 0, or None, got (0, -1)",
        "give rows=(0, 1)",
    ),
    "IndexSelect(None, 3)": (
        "expected columns as a tuple of whole numbers of at least 0, or None, got 3",
        "give columns=(0, 1)",
    ),
    "IndexSelect(())": ("expected rows as a tuple of whole numbers of at least 0, or None, got ()", "give rows=(0, 1)"),
    "Resize(0)": whole("size", 1, "0"),
    "GroupNorm(2, affine=1)": truth("affine", 1),
    "Resize(2, antialias=1)": truth("antialias", 1),
    "Resize(2, mode='cubic')": ("expected mode as one of nearest, linear, got 'cubic'", 'give mode="nearest"'),
    "Resize(2, nearest_mode='up')": (
        "expected nearest_mode as one of round_prefer_floor, round_prefer_ceil, floor, ceil, got 'up'",
        'give nearest_mode="round_prefer_floor"',
    ),
    "Resize(2, scales=2.0)": ("expected scales as a pair of numbers, or None, got 2.0", "leave it out"),
    "Resize(2, scales=(0, 1))": ("expected scales in (0, inf), got 0", "choose scales in that range"),
    "Reshape(())": shaped("()"),
    "Reshape(16)": shaped("16"),
    "Reshape((0, 5))": shaped("(0, 5)"),
    "Reshape((-1, -1))": shaped("(-1, -1)"),
    "Reshape((2.0,))": shaped("(2.0,)"),
    "Reshape((True,))": shaped("(True,)"),
    "Reshape((2**31,))": shaped("(2147483648,)"),
    "Dense(0)": counted("units", "0"),
    "Dropout(1)": rate("1"),
    "Dropout(-0.1)": rate("-0.1"),
    "Dropout(float('nan'))": rate("nan"),
    "Dropout(True)": rate("True"),
    "Dropout('0.5')": rate("'0.5'"),
    "LeakyReLU(float('inf'))": slope("inf"),
    "LeakyReLU(float('nan'))": slope("nan"),
    "LeakyReLU(True)": slope("True"),
    "LeakyReLU('0.1')": slope("'0.1'"),
    "Dropout2d(1)": between("p", "1", "[0, 1)"),
    "Dropout2d(-0.1)": between("p", "-0.1", "[0, 1)"),
    "ELU(-0.5)": between("alpha", "-0.5"),
    "ELU(float('inf'))": between("alpha", "inf"),
    "GELU('erf')": ("expected approximate as one of none, tanh, got 'erf'", 'leave it at "none"'),
    "GELU(True)": ("expected approximate as one of none, tanh, got True", 'leave it at "none"'),
    "PReLU(0)": counted("num_parameters", "0"),
    "PReLU(2.0)": counted("num_parameters", "2.0"),
    "PReLU(init=float('nan'))": ("expected init as a finite number, got nan", "give init=0.25"),
    "PReLU(2, '0.25')": ("expected init as a finite number, got '0.25'", "give init=0.25"),
}

FIT = "choose a smaller kernel or dilation, or more padding"
SHAPES = [
    (Conv2d(2, 3), (9,), "expected an input (C, H, W), got (9,)", "put it before Flatten and Dense layers"),
    (
        Conv2d(4, 3, groups=2),
        (3, 9, 9),
        "expected channels as a multiple of groups, got 3 channels in 2 groups",
        "give groups that divide 3",
    ),
    (
        Conv2d(2, (3, 2), padding=(1, 0), dilation=2),
        (1, 2, 9),
        "expected a map of at least 5×3, the reach of its window, got 4×9 with padding",
        FIT,
    ),
    *[
        (kind(2, 3), (2, 9, 9), "expected an input (C, W), got (2, 9, 9)", "put it before Flatten and Dense layers")
        for kind in (m.Conv1d, m.ConvTranspose1d)
    ],
    (
        m.Conv1d(2, 3, padding=(1, 0), dilation=2),
        (1, 3),
        "expected a map of at least 1×5, the reach of its window, got 1×4 with padding",
        FIT,
    ),
    (m.ConvTranspose2d(2, 3), (9,), "expected an input (C, H, W), got (9,)", "put it before Flatten and Dense layers"),
    (
        m.ConvTranspose2d(4, 3, groups=2),
        (3, 9, 9),
        "expected channels as a multiple of groups, got 3 channels in 2 groups",
        "give groups that divide 3",
    ),
    (
        m.ConvTranspose2d(2, 3, padding=(1, 3)),
        (1, 9, 4),
        "expected padding that leaves a pixel of 11×6, got (1, 3)",
        "give less padding: it is cut off on every side",
    ),
    (
        m.ConvTranspose1d(2, 3, stride=2, padding=4, output_padding=1),
        (1, 3),
        "expected padding that leaves a pixel of 1×8, got 4",
        "give less padding: it is cut off on every side",
    ),
    *[
        (
            kind(2),
            shape,
            "expected two inputs, the values and the map that was pooled, got 1",
            f'write ("up", {kind.__name__}(2), ("values", "map"))',
        )
        for kind, shape in ((m.MaxUnpool2d, (2, 4, 4)), (m.MaxUnpool1d, (2, 4)))
    ],
    (
        SparseConv2d(((0, 3),), 3),
        (3, 9, 9),
        "expected an input (4 or more channels, H, W), got (3, 9, 9)",
        "let the table list only channels that there are",
    ),
    (
        SparseConv2d(((0,),), 3),
        (9,),
        "expected an input (1 or more channels, H, W), got (9,)",
        "let the table list only channels that there are",
    ),
    (
        SparseConv2d(((0,),), (3, 5)),
        (1, 9, 4),
        "expected a map of at least 3×5, the reach of its window, got 9×4 with padding",
        FIT,
    ),
    (Subsample(2), (9,), "expected an input (C, H, W), got (9,)", "put it after a convolution"),
    (
        Subsample((3, 2)),
        (6, 27, 27),
        "window 3×2 does not tile the 27×27 map of its input (6, 27, 27)",
        "choose a kernel or padding that leaves a multiple of the window",
    ),
    *[
        case
        for kind in (m.AvgPool2d, m.MaxPool2d)
        for case in (
            (kind(2), (9,), "expected an input (C, H, W), got (9,)", "put it after a convolution"),
            (
                kind(4, padding=1),
                (2, 1, 9),
                "expected a map of at least 4×4, the reach of its window, got 3×11 with padding",
                FIT,
            ),
        )
    ],
    (
        m.PReLU(3),
        (2, 3, 3),
        "expected an input of 3 channels, got (2, 3, 3)",
        "give num_parameters=2, or 1 for one slope",
    ),
    (m.Dropout2d(), (9,), "expected an input (C, H, W), got (9,)", "put it after a convolution, or give Dropout"),
    *[
        (layer, (9,), "expected an input (C, H, W), got (9,)", "put it after a convolution")
        for layer in (m.GlobalAvgPool2d(), m.GlobalMaxPool2d(), m.AdaptiveAvgPool2d(2), m.Upsample(2))
    ],
    (m.Permute((1, 0)), (9,), "expected an input of 2 axes, got (9,)", "give an order of 1 axes"),
    (m.Resize(3), (9,), "expected an input (C, H, W), got (9,)", "put it after a convolution"),
    (m.IndexSelect((1,)), (9,), "expected an input (C, H, W), got (9,)", "put a Reshape before it"),
    (m.IndexSelect(None, (9,)), (1, 9, 9), "expected an input of more than 9 columns, got (1, 9, 9)", "give columns below 9"),
    (m.Pad2d(1), (9,), "expected an input (C, H, W), got (9,)", "put it before Flatten and Dense layers"),
    *[
        (kind(2), (2, 9, 9), "expected an input (C, W), got (2, 9, 9)", "put it after a convolution")
        for kind in (m.AvgPool1d, m.MaxPool1d)
    ],
    (
        m.MaxPool2d(2, 1, 1, dilation=3),
        (1, 2, 9),
        "expected windows that all have a tap on the 2×9 map, got dilation 3 with padding 1",
        "give less padding or less dilation",
    ),
    (
        m.MaxPool2d(4, 2, ceil_mode=True),
        (1, 2, 9),
        "expected a map of at least 4×4, the reach of its window, got 2×9 with padding",
        FIT,
    ),
    (
        m.Pad2d(((0, 3), 1), "reflect"),
        (1, 3, 9),
        "expected less padding than the 3×9 map has pixels, as they are reflected, got ((0, 3), 1)",
        'give less padding, or mode="replicate"',
    ),
    (m.Reshape((3, 4)), (2, 7), "expected an input of 12 numbers, got 2×7", "give a shape of 14 numbers"),
    (m.Reshape((3, -1)), (2, 7), "expected an input of k · 3 numbers, got 2×7", "give a shape of 14 numbers"),
]


MISFITS = pytest.mark.parametrize(("layer", "in_shape", "what", "hint"), SHAPES, ids=[f"{s[0].label}: {s[2]}" for s in SHAPES])


def says(error, who, what, hint):
    assert (error.who, error.what, error.hint) == (who, what, hint)
    assert str(error) == f"{who}: {what}; {hint}"


@pytest.mark.parametrize("call", OPTIONS)
def test_option_is_refused_in_words(call):
    with pytest.raises(OptionError) as caught:
        eval(call, vars(m))
    says(caught.value, call.split("(")[0], *OPTIONS[call])


@MISFITS
def test_input_is_refused_in_words(layer, in_shape, what, hint):
    with pytest.raises(ShapeError) as caught:
        layer.plan(in_shape)
    says(caught.value, layer.label, what, hint)


@MISFITS
def test_in_a_network_the_refusal_says_where(layer, in_shape, what, hint):
    with pytest.raises(ShapeError) as caught:
        Network([m.Tanh(), ("odd one", layer)], in_shape)
    options = ", ".join(f"{f.name}={v!r}" for f in fields(layer) if (v := getattr(layer, f.name)) != f.default)
    assert str(caught.value) == (
        f'layer 1 "odd one" {layer.label}({options}): {what}\n'
        f"  chain: {in_shape} → Tanh → {in_shape} → odd one {layer.label} ✗\n"
        f"  hint: {hint}"
    )


def test_the_chain_shows_every_shape_up_to_the_layer_that_does_not_fit():
    with pytest.raises(ShapeError) as caught:
        Network([("C1", Conv2d(6, 6)), m.Sigmoid(), ("S2", Subsample((2, 2))), Flatten()], (1, 32, 32))
    assert str(caught.value) == (
        'layer 2 "S2" Subsample(window=(2, 2)): window 2×2 does not tile the 27×27 map of its input (6, 27, 27)\n'
        "  chain: (1, 32, 32) → C1 Conv2d → (6, 27, 27) → Sigmoid → (6, 27, 27) → S2 Subsample ✗\n"
        "  hint: choose a kernel or padding that leaves a multiple of the window"
    )


# --- the LeNet-5 family: the figures of the paper and of the published variants ---

CLASSIC = {"C1": 156, "S2": 12, "C3": 1516, "S4": 32, "C5": 48120, "F6": 10164, "output": 850}
SHARED = {"C1": 156, "C3": 429, "C5": 48120, "F6": 10164, "output": 850}
MODERN = {"C1": 156, "C3": 2416, "C5": 48120, "F6": 10164, "output": 850}
CONNECTIONS = {"C1": 122304, "S2": 5880, "C3": 151600, "S4": 2000, "C5": 48120, "F6": 10164}

TABLE_I = """
0: 0 1 2     1: 1 2 3     2: 2 3 4     3: 3 4 5     4: 0 4 5     5: 0 1 5
6: 0 1 2 3   7: 1 2 3 4   8: 2 3 4 5   9: 0 3 4 5  10: 0 1 4 5  11: 0 1 2 5
12: 0 1 3 4  13: 1 2 4 5  14: 0 2 3 5  15: 0 1 2 3 4 5
"""


def per_layer(net, number):
    """The layers for which a number is not zero."""
    return {bound.name: n for bound in net.layers if (n := number(bound))}


@pytest.fixture(scope="module")
def classic():
    return models.lenet5(threads=1)


@pytest.mark.parametrize(
    ("make", "expected", "total"),
    [
        (models.lenet5, CLASSIC, 60_850),
        (lambda **o: models.lenet5("sigmoid", **o), CLASSIC, 60_850),
        (models.lenet5s, SHARED, 59_719),
        (models.lenet5_modern, MODERN, 61_706),
        (lambda **o: models.lenet5_modern(47, **o), MODERN | {"output": 47 * 85}, 61_706 + 37 * 85),
    ],
    ids=["classic", "sigmoid", "shared", "modern", "modern with 47 classes"],
)
def test_parameters_of_each_layer(make, expected, total):
    net = make(threads=1)
    assert per_layer(net, lambda b: sum(prod(p.shape) for p in b.plan.params.values())) == expected
    assert len(net.params.flat) == sum(expected.values()) == total


def test_connections_of_each_layer_are_the_papers(classic):
    assert per_layer(classic, lambda b: b.plan.connections) == CONNECTIONS | {"output": 850}


def test_up_to_f6_there_are_60_000_parameters_and_340_068_connections():
    del (up_to := dict(CLASSIC))["output"]
    assert sum(up_to.values()) == 60_000
    assert sum(CONNECTIONS.values()) == 340_908 - 840


def test_table_i_is_the_papers():
    rows = {int(number): tuple(map(int, maps.split())) for number, maps in re.findall(r"(\d+): ((?:\d ?)+)", TABLE_I)}
    assert dict(enumerate(models.c3_table())) == rows
    assert sum(map(len, rows.values())) == 60


@pytest.mark.parametrize("table", [models.c3_table(), models.cyclic_table()], ids=["table I", "cyclic"])
def test_every_s2_map_feeds_ten_c3_maps(table):
    assert [sum(s in row for row in table) for s in range(6)] == [10] * 6


def test_the_cyclic_tables_sets_are_table_is():
    assert sorted(map(sorted, models.cyclic_table())) == sorted(map(sorted, models.c3_table()))
    assert models.cyclic_table()[4:6] == ((4, 5, 0), (5, 0, 1))


def test_shared_kernels_are_17_in_four_groups():
    c3 = next(b for b in models.lenet5s(threads=1).layers if b.name == "C3")
    assert {name: p.shape for name, p in c3.plan.params.items()} == {"W": (17, 5, 5), "b": (4,)}
    kernels = [[k for f, _, k in c3.layer.links if f == map_] for map_ in range(16)]
    assert kernels == [[0, 1, 2]] * 6 + [[3, 4, 5, 6]] * 6 + [[7, 8, 9, 10]] * 3 + [[11, 12, 13, 14, 15, 16]]


@pytest.mark.parametrize(
    ("name", "bound"), {"C1": 0.096, "S2": 0.6, "S4": 0.6, "C5": 0.006, "F6": 0.02, "output": 2.4 / 84}.items()
)
def test_weights_start_within_the_papers_bounds(classic, name, bound):
    largest = np.abs(classic.params[f"{name}.W"]).max()
    assert 0.75 * bound < largest <= np.float32(bound)


def test_each_c3_map_starts_by_its_own_fan_in(classic):
    kernels = np.abs(classic.params["C3.W"]).max((1, 2))
    start = 0
    for row in models.c3_table():
        bound = {3: 0.032, 4: 0.024, 6: 0.016}[len(row)]
        largest = kernels[start : start + len(row)].max()
        assert 0.9 * bound < largest <= np.float32(bound)
        start += len(row)
    assert start == len(kernels)


def test_biases_of_the_classic_network_start_at_zero(classic):
    assert not any(classic.params[name].any() for name in classic.params if name.endswith(".b"))


@pytest.mark.parametrize("model", [models.lenet5, models.lenet5_1998, models.lenet5_modern], ids=lambda model: model.__name__)
@pytest.mark.parametrize("given", ["softsign", 3, ("relu",)])
def test_an_unknown_activation_is_refused_in_words(model, given):
    with pytest.raises(OptionError) as caught:
        model(activation=given)
    says(
        caught.value,
        model.__name__,
        f"expected activation as a layer or one of scaled_tanh, sigmoid, tanh, relu, got {given!r}",
        'give activation="scaled_tanh"',
    )
