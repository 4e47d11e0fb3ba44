"""Inputs: every kind of array comes in whole or is refused in words, and none is ever written to."""

import re

import numpy as np
import pytest
import torch

from minicnn import MSE, CrossEntropy, DataError, Dense, Flatten, MinicnnError, Network, OptionError, ShapeError, Tanh
from minicnn.data import Affine, Distorted, Normalise, Pixels, shuffled, split

RNG = np.random.default_rng(0)
X = RNG.standard_normal((20, 2, 3)).astype(np.float32)
LABELS = RNG.integers(0, 4, 20)


def network(dtype="float32", in_shape=(2, 3)):
    return Network([Dense(4)], in_shape, dtype=dtype, threads=1)


def refused(error, message, make):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        make()


def unaligned(array):
    """The same numbers one byte off their alignment."""
    raw = np.zeros(array.nbytes + 1, np.uint8)
    view = raw[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    assert not view.flags.aligned
    return view


def read_only(array):
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def interleaved(array):
    wide = np.zeros((*array.shape, 2), array.dtype)
    wide[..., 0] = array
    return wide[..., 0]


FORMS = {
    "plain": np.copy,
    "read-only": read_only,
    "unaligned": unaligned,
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "Fortran": np.asfortranarray,
    "strided": interleaved,
    "reversed": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "list": lambda a: a.tolist(),
    "tensor": torch.from_numpy,
    "float64": lambda a: a.astype(np.float64),
    "longdouble": lambda a: a.astype(np.longdouble),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_array_of_any_form_comes_in_and_is_not_written_to(form, dtype):
    net = network(dtype)
    x, dy, targets = FORMS[form](X), FORMS[form](X[:, 0, :1].repeat(4, 1)), FORMS[form](X[:, 1, :1].repeat(4, 1))
    before = [np.asarray(a).copy() for a in (x, dy, targets)]
    plain = [a.astype(dtype) for a in before]
    np.testing.assert_array_equal(net.predict(x), net.predict(plain[0]))
    np.testing.assert_array_equal(net.forward(x), net.forward(plain[0]))
    np.testing.assert_array_equal(net.backward(dy), net.backward(plain[1]))
    assert net.loss_and_grads(MSE(), x, targets) == net.loss_and_grads(MSE(), plain[0], plain[2])
    for a, b in zip((x, dy, targets), before, strict=True):
        np.testing.assert_array_equal(np.asarray(a), b)


@pytest.mark.parametrize("dtype", ["float16", "int8", "uint8", "int64", "uint64", "bool"])
def test_any_real_numbers_come_in(dtype):
    x = (10 * RNG.random((17, 2, 3))).astype(dtype)
    np.testing.assert_array_equal(network().predict(x), network().predict(x.astype(np.float32)))


@pytest.mark.parametrize("dtype", ["object", "<U3", "complex64", "datetime64[s]", "S2"])
def test_what_is_no_real_number_is_refused(dtype):
    x = np.zeros((5, 2, 3), dtype)
    message = f"x: expected an array of numbers, got dtype {x.dtype}; convert it to float32"
    refused(DataError, message, lambda: network().predict(x))
    refused(DataError, message, lambda: network().forward(x))
    refused(DataError, message, lambda: network().loss_and_grads(CrossEntropy(), x, np.zeros(5, int)))


@pytest.mark.parametrize("x", [None, "abc", {"input": {"a": 1}}, object()])
def test_what_is_no_array_is_refused(x):
    with pytest.raises(DataError, match=r"^x(\['input'\])?: expected an array of numbers, got dtype "):
        network().predict(x)


def test_a_dict_with_another_name_is_refused():
    message = "x: expected the names input, got a; give something for each of them, and nothing else"
    refused(ShapeError, message, lambda: network().predict({"a": 1}))


def test_a_ragged_list_is_refused_in_minicnns_words():
    with pytest.raises(MinicnnError, match=r"^x: "):
        network(in_shape=(2,)).predict([[1.0, 2.0], [3.0]])


@pytest.mark.parametrize("shape", [(2, 3), (5, 3, 2), (5, 2, 3, 1), (5, 6), (), (3,), (5, 2, 4)])
def test_another_rank_or_shape_is_refused(shape):
    message = f"x: expected an array (N, 2, 3), got {shape}; reshape it or build the network for its shape"
    refused(ShapeError, message, lambda: network().predict(np.zeros(shape)))


def test_no_images_are_refused():
    message = "x: expected at least one image, got none; give an array with N of at least 1"
    for run in (network().predict, network().forward):
        refused(DataError, message, lambda run=run: run(np.zeros((0, 2, 3))))
    refused(DataError, message, lambda: network().loss_and_grads(MSE(), np.zeros((0, 2, 3)), np.zeros(0, int)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_passes_unless_asked_for(bad):
    net, x = network(), X.copy()
    x[3, 1, 2] = x[17, 0, 0] = bad
    y = net.forward(x)
    assert not np.isfinite(y[[3, 17]]).any()
    assert np.isfinite(np.delete(y, [3, 17], axis=0)).all(), "expected other images to stay finite"
    refused(
        DataError, "x: expected finite numbers, got 2 that are not; clean the data", lambda: net.forward(x, check_finite=True)
    )
    np.testing.assert_array_equal(net.forward(X, check_finite=True), net.forward(X))


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_a_number_too_large_for_float32_is_not_finite():
    refused(
        DataError,
        "x: expected finite numbers, got 1 that are not; clean the data",
        lambda: network().forward([[[1e300, 0, 0], [0, 0, 0]]], check_finite=True),
    )
    assert np.isfinite(network("float64").forward([[[1e300, 0, 0], [0, 0, 0]]], check_finite=True)).all()


# --- targets ---


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint64", ">i4"])
def test_class_numbers_of_any_whole_dtype(dtype):
    net = network()
    assert net.loss_and_grads(CrossEntropy(), X, LABELS.astype(dtype)) == net.loss_and_grads(CrossEntropy(), X, LABELS)
    assert net.loss_and_grads(CrossEntropy(), X, LABELS.tolist()) == net.loss_and_grads(CrossEntropy(), X, read_only(LABELS))


@pytest.mark.parametrize(
    "target",
    [
        *(LABELS.astype(float), LABELS[:19], LABELS[:, None], LABELS > 1, LABELS.astype(str), 3, None),
        *(np.eye(4, dtype=int)[LABELS], np.eye(4)[LABELS, :3]),  # np.eye(4)[LABELS] says how much each class weighs
    ],
)
def test_class_numbers_of_another_dtype_or_shape_are_refused(target):
    given = np.asarray(target)
    what = f"expected 20 whole class numbers, got dtype {given.dtype} and shape {given.shape}"
    message = f"target: {what}; give one label for each image"
    refused(DataError, message, lambda: network().loss_and_grads(CrossEntropy(), X, target))
    refused(DataError, message, lambda: network().evaluate(CrossEntropy(), X, target))


@pytest.mark.parametrize(("bad", "low", "high"), [(-1, -1, 3), (4, 0, 4), (2**40, 0, 2**40)])
def test_class_numbers_outside_the_classes_are_refused(bad, low, high):
    target = np.arange(20) % 4
    target[7] = bad
    message = f"target: expected labels from 0 to 3, got {low} to {high}; check the labels or the width of the last layer"
    for loss in (CrossEntropy(), MSE()):
        refused(DataError, message, lambda loss=loss: network().loss_and_grads(loss, X, target))


@pytest.mark.parametrize("shape", [(20,), (20, 3), (20, 4, 1), (20, 1)])
def test_target_vectors_of_another_shape_are_refused(shape):
    message = f"target: expected an array (N, 4), got {shape}; reshape it or build the network for its shape"
    refused(ShapeError, message, lambda: network().loss_and_grads(MSE(), X, np.zeros(shape)))


def test_target_vectors_of_another_number_are_refused():
    message = "target: expected 20 targets, one for each image, got 21; give one target for each image"
    refused(ShapeError, message, lambda: network().loss_and_grads(MSE(), X, np.zeros((21, 4))))


def test_class_numbers_need_an_output_that_is_a_vector():
    net = Network([Flatten()], (2, 3), threads=1)
    assert np.isfinite(net.loss_and_grads(MSE(), X, LABELS))
    net = Network([Tanh()], (2, 3), threads=1)
    message = "target: expected a target of shape (N, 2, 3), got (20,); class numbers need an output that is a vector"
    refused(ShapeError, message, lambda: net.loss_and_grads(MSE(), X, LABELS))


# --- index ---


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "uint64", ">i2"])
def test_an_index_of_any_whole_dtype(dtype):
    net, index = network(), np.array([3, 19, 0, 3])
    y = net.forward(X[index])
    np.testing.assert_array_equal(net.forward(X, index=index.astype(dtype)), y)
    np.testing.assert_array_equal(net.forward(X, index=index.tolist()), y)
    np.testing.assert_array_equal(net.forward(X, index=np.repeat(index, 2)[::2]), y)


RUNS = {
    "forward": lambda net, index: net.forward(X, index=index),
    "predict": lambda net, index: net.predict(X, index=index),
    "evaluate": lambda net, index: net.evaluate(CrossEntropy(), X, LABELS, index),
    "loss_and_grads": lambda net, index: net.loss_and_grads(CrossEntropy(), X, LABELS, index),
}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("index", [[0.0, 1.0], [[0, 1]], 3, [], np.zeros(20, bool), ["0"], np.zeros(0, int)])
def test_an_index_that_is_no_vector_of_whole_numbers_is_refused(run, index):
    given = np.asarray(index)
    message = (
        f"index: expected a vector of whole numbers, got dtype {given.dtype} and shape {given.shape}; "
        "give the numbers of the images of the batch"
    )
    refused(DataError, message, lambda: RUNS[run](network(), index))


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("index", [[-1, 3], [0, 20], [2**50]])
def test_an_index_out_of_range_is_refused(run, index):
    message = f"index: expected numbers from 0 to 19, got {min(index)} to {max(index)}; keep to the images there are"
    refused(DataError, message, lambda: RUNS[run](network(), index))


def test_what_was_refused_changes_nothing():
    net = network()
    net.loss_and_grads(CrossEntropy(), X, LABELS)
    y, grads, steps = net.forward(X), net.grads.flat.copy(), net.steps
    for bad in (
        lambda: net.forward(X, index=[-1]),
        lambda: net.loss_and_grads(CrossEntropy(), X, LABELS + 1),
        lambda: net.predict(0),
    ):
        with pytest.raises(MinicnnError):
            bad()
    np.testing.assert_array_equal(net.grads.flat, grads)
    np.testing.assert_array_equal(net.activation("0"), y)
    assert net.steps == steps


# --- pixels ---


PIXELS = RNG.integers(0, 256, (20, 4, 6), dtype=np.uint8)
GREYS = Normalise(scale=0.5, shift=-3.0)


def padded(images, rows, columns):
    """Normalised images with background around them."""
    extra = [(0, 0), ((rows - images.shape[1]) // 2,) * 2, ((columns - images.shape[2]) // 2,) * 2]
    return np.pad(images * 0.5 - 3.0, extra, constant_values=-3.0)[:, None]


def resized(images, rows, columns):
    """Bilinear interpolation with half-pixel centres, then the normalisation."""

    def weights(outs, ins):
        matrix = np.zeros((outs, ins))
        for o in range(outs):
            centre = min(max((o + 0.5) * ins / outs - 0.5, 0), ins - 1)
            low = int(centre)
            matrix[o, low] += 1 - (centre - low)
            matrix[o, min(low + 1, ins - 1)] += centre - low
        return matrix

    stretched = np.einsum("ah,bw,nhw->nab", weights(rows, images.shape[1]), weights(columns, images.shape[2]), images)
    return (stretched * 0.5 - 3.0)[:, None]


def seen(source):
    """What a network of views sees of a source, with an index that is out of order and leaves padding lanes."""
    index = np.array([19, 0, 3, 3, *range(1, 18)])
    net = Network([Flatten()], source.shape[1:], dtype="float64", threads=1)
    return net.forward(source, index=index).reshape(-1, *source.shape[1:]), index


def test_pixels_come_in_normalised():
    source = Pixels(PIXELS, GREYS)
    assert source.shape == (20, 1, 4, 6)
    values, index = seen(source)
    np.testing.assert_array_equal(values, padded(PIXELS, 4, 6)[index])


@pytest.mark.parametrize("size", [6, 8, 12])
def test_pixels_come_in_with_background_around_them(size):
    source = Pixels(PIXELS, GREYS, size)
    assert source.shape == (20, 1, size, size)
    values, index = seen(source)
    np.testing.assert_array_equal(values, padded(PIXELS, size, size)[index])


@pytest.mark.parametrize("size", [1, 2, 5, 6, 9, 32])
def test_pixels_come_in_resized(size):
    source = Pixels(PIXELS, GREYS, size, "resize")
    values, index = seen(source)
    np.testing.assert_allclose(values, resized(PIXELS, size, size)[index], rtol=1e-12, atol=1e-12)
    raw = torch.from_numpy(PIXELS[:, None].astype(float))
    theirs = torch.nn.functional.interpolate(raw, size=(size, size), mode="bilinear", align_corners=False).numpy()
    np.testing.assert_allclose(values, (theirs * 0.5 - 3.0)[index], rtol=1e-12, atol=1e-12)


def test_resizing_to_the_size_there_is_changes_nothing():
    square = PIXELS[:, :, :4]
    values, index = seen(Pixels(square, GREYS, 4, "resize"))
    np.testing.assert_array_equal(values, padded(square, 4, 4)[index])


@pytest.mark.parametrize("form", ["read-only", "Fortran", "strided", "reversed"])
@pytest.mark.parametrize("fit", ["pad", "resize"])
def test_pixels_of_any_layout(form, fit):
    values, _ = seen(Pixels(FORMS[form](PIXELS), GREYS, 8, fit))
    np.testing.assert_array_equal(values, seen(Pixels(PIXELS, GREYS, 8, fit))[0])


def test_a_source_trains_as_the_array_it_stands_for():
    source, array = Pixels(PIXELS, GREYS, 8), padded(PIXELS, 8, 8)
    net, single = (Network([Dense(4)], (1, 8, 8), threads=threads) for threads in (2, 1))
    assert net.loss_and_grads(CrossEntropy(), source, LABELS) == single.loss_and_grads(CrossEntropy(), array, LABELS)
    np.testing.assert_array_equal(net.grads.flat, single.grads.flat)
    np.testing.assert_array_equal(net.predict(source), single.predict(array))


def test_normalisations():
    greys = np.array([0, 255])
    paper, standard = Normalise.between(-0.1, 1.175), Normalise.standard(0.1307, 0.3081)
    np.testing.assert_allclose(greys * paper.scale + paper.shift, [-0.1, 1.175], rtol=1e-12)
    np.testing.assert_allclose(greys * standard.scale + standard.shift, (greys / 255 - 0.1307) / 0.3081, rtol=1e-12)


@pytest.mark.parametrize("images", [PIXELS.astype(np.int64), PIXELS[0], PIXELS[:, None, None], PIXELS / 255])
def test_pixels_that_are_no_images_are_refused(images):
    message = f"Pixels: expected images (N, H, W) or (N, C, H, W) of uint8, got {images.shape} of {images.dtype}; "
    refused(DataError, message + "give the grey levels as they are in the file", lambda: Pixels(images, GREYS))


COLOURS = np.random.default_rng(5).integers(0, 256, (40, 3, 4, 6), np.uint8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("images", [COLOURS, COLOURS.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2)], ids=["C", "strided"])
def test_colour_images_are_normalised_channel_by_channel(images, dtype):
    source = Pixels(images, GREYS)
    assert source.shape == (40, 3, 4, 6)
    net = Network([Flatten()], (3, 4, 6), dtype, threads=1)
    scale, shift = (np.dtype(dtype).type(number) for number in (GREYS.scale, GREYS.shift))
    expected = (images.astype(dtype) * scale + shift).reshape(40, -1)
    close = {"rtol": 1e-6, "atol": 1e-6}  # a kernel may fuse the two
    np.testing.assert_allclose(net.predict(source), expected, **close)
    np.testing.assert_allclose(net.predict(source, [7, 3]), expected[[7, 3]], **close)
    np.testing.assert_allclose(net.predict(source, [9]), expected[[9]], **close)


@pytest.mark.parametrize(
    ("options", "told"), [({"size": 8}, 'size=8, fit="pad"'), ({"fit": "resize"}, 'size=None, fit="resize"')]
)
def test_colour_images_of_another_size_are_refused(options, told):
    message = (
        f"Pixels: expected colour images as large as the input, got {told}; resize them beforehand and leave out size and fit"
    )
    refused(OptionError, message, lambda: Pixels(COLOURS, GREYS, **options))


@pytest.mark.parametrize("change", [{"rotation": 20, "shear": 0.2}, {"shift": 2}])
def test_colour_images_are_distorted_channel_by_channel(change):
    """The same for every channel: as grey images of each channel alone."""
    seen = Distorted(Pixels(COLOURS, GREYS), Affine(**change)).look([3, 8])
    alone = [Distorted(Pixels(COLOURS[:, c], GREYS), Affine(**change)).look([3, 8]) for c in range(3)]
    # places up to 6 pixels, wrong by some eps, where the image changes by at most 128 from pixel to pixel
    np.testing.assert_allclose(seen, np.stack(alone, axis=1), rtol=0, atol=16 * 6 * 128 * np.finfo(np.float32).eps)


@pytest.mark.parametrize("size", [4, 5, 7, 9])
def test_a_size_that_padding_cannot_make_is_refused(size):
    message = f'Pixels: expected a size above (4, 6) by an even number, got {size}; give another size or fit="resize"'
    refused(OptionError, message, lambda: Pixels(PIXELS, GREYS, size))


@pytest.mark.parametrize("fit", ["pad", "resize"])
@pytest.mark.parametrize("size", [0, -2, 8.0])
def test_a_size_that_is_none_is_refused(fit, size):
    with pytest.raises(OptionError, match=r"^Pixels: expected "):
        Pixels(PIXELS, GREYS, size, fit)


def test_another_fit_is_refused():
    message = 'Pixels: expected fit "pad" or "resize", got \'crop\'; give fit="pad"'
    refused(OptionError, message, lambda: Pixels(PIXELS, GREYS, 8, "crop"))


def test_a_source_of_another_shape_is_refused():
    message = (
        "x: expected images of shape (1, 8, 8), got (1, 4, 6); choose the resize or padding that the network was built for"
    )
    refused(ShapeError, message, lambda: network(in_shape=(1, 8, 8)).predict(Pixels(PIXELS, GREYS)))


@pytest.mark.parametrize("run", ["predict", "forward", "loss"])
def test_a_source_without_images_is_refused(run):
    net, empty = network(in_shape=(1, 4, 6)), Pixels(PIXELS[:0], GREYS)
    runs = {"predict": net.predict, "forward": net.forward, "loss": lambda x: net.loss_and_grads(CrossEntropy(), x, LABELS[:0])}
    with pytest.raises(DataError, match=r"^x: expected at least one image, got none; "):
        runs[run](empty)


# --- which images ---


def test_split_divides_the_images():
    train, held_out = split(100, 30, seed=1)
    assert (len(train), len(held_out)) == (70, 30)
    assert sorted([*train, *held_out]) == list(range(100))
    assert train.tolist() == sorted(train)
    assert held_out.tolist() == sorted(held_out)
    np.testing.assert_array_equal(split(100, 30, seed=1)[1], held_out)
    assert split(100, 30, seed=2)[1].tolist() != held_out.tolist()


@pytest.mark.parametrize("validation", [0, 10, 11, -1])
def test_a_split_that_leaves_nothing_is_refused(validation):
    message = f"split: expected to hold out at least 1 of 10 images and leave some, got {validation}; hold out fewer images"
    refused(OptionError, message, lambda: split(10, validation, seed=0))


def test_every_epoch_has_an_order_of_its_own_that_can_be_had_again():
    index = np.arange(5, 105)
    orders = [shuffled(index, seed, epoch).tolist() for seed in (0, 1) for epoch in (1, 2)]
    assert all(sorted(order) == index.tolist() for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    assert shuffled(index, 1, 2).tolist() == orders[3]
    assert index.tolist() == list(range(5, 105))


CUT = """
import numpy as np, os, minicnn as m
from minicnn.data import Normalise, Pixels
images = np.lib.format.open_memmap("images.npy", "w+", np.uint8, (40, 40, 40))
images[...] = 7
given = np.load("images.npy", mmap_mode="r")
net = m.Network([m.Flatten(), m.Dense(2)], (1, 40, 40), threads=1, backend="numpy")
sources = [Pixels(given, Normalise(scale=1, shift=0)), Pixels(np.asarray(given), Normalise(scale=1, shift=0)), given[:, None]]
for source in sources:
    net.predict(source, index=[39])
os.truncate("images.npy", 20_000)
for source in sources:
    try:
        net.predict(source, index=[39])
    except m.DataError as error:
        print(error)
"""


def test_a_mapped_file_that_was_cut_short_is_refused_and_the_program_goes_on(python):
    printed = python(CUT).splitlines()
    what = "expected 64,128 bytes in the mapped file, got 20,000, as it was cut short; map it anew, and let nothing write to it"
    assert [words.partition(": ")[0] for words in printed] == ["Pixels", "Pixels", "x"]
    for words in printed:
        name = words.partition(" bytes in ")[2].partition(", got")[0]
        assert name.endswith("images.npy")
        assert words.partition(": ")[2].replace(name, "the mapped file") == f"{what} meanwhile"


def test_blocks_are_shuffled_and_the_images_of_each_sixteen():
    index, block = np.arange(3, 5003), 10
    orders = [shuffled(index, 1, epoch, block) for epoch in (1, 1, 2)]
    assert np.array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0], orders[2])
    for order in orders:
        assert sorted(order) == index.tolist()
        numbers = (order - 3) // block
        windows = [numbers[first : first + 16 * block] for first in range(0, len(index), 16 * block)]
        assert {len(set(window)) for window in windows[:-1]} == {16}, "expected 16 whole blocks in a window"
        assert np.mean(np.abs(np.diff([window.min() for window in windows]))) > 10, "expected blocks from everywhere"
        assert np.mean(numbers[1:] == numbers[:-1]) < 0.12, "expected images of a block apart"


def test_the_last_block_may_be_smaller():
    assert sorted(shuffled(np.arange(25), 0, 1, 10)) == list(range(25))
    assert sorted(shuffled(np.arange(3), 0, 1, 10)) == [0, 1, 2]
