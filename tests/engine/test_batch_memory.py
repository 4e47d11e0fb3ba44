"""What a batch takes of arrays: the chosen images alone, converted as they are brought, and nothing of them afterwards."""

import gc
import tracemalloc
import weakref
from types import SimpleNamespace

import numpy as np
import pytest

import minicnn.engine.batch
from minicnn import MSE, CrossEntropy, DataError, Dense, Network
from minicnn.backends.alignment import aligned
from minicnn.data import Affine, Distorted, Normalise, Pixels
from minicnn.engine.batch import STAGED_BYTES, HostStaging
from minicnn.engine.device_staging import DeviceStaging
from minicnn.engine.inputs import Arrays
from minicnn.engine.rows import borrowed, gather, readable

MANY = 20_000
SIDE = 28
SMALL = 2 << 20
"""Bytes: a whole array takes 30 times as much in float32, and 7 times in uint8."""
LABELS = np.arange(MANY) % 10
CHOSEN = np.array([MANY - 1, 3])


def mapped(folder, dtype, mode="r"):
    """Images in a file."""
    images = np.lib.format.open_memmap(folder / "images.npy", "w+", dtype, (MANY, 1, SIDE, SIDE))
    images[CHOSEN] = np.random.default_rng(0).integers(0, 256, (2, 1, SIDE, SIDE))
    images.flush()
    return np.load(folder / "images.npy", mmap_mode=mode)


FORMS = {
    "read-only float32": lambda folder: mapped(folder, "float32"),
    "writeable float32": lambda folder: mapped(folder, "float32", "r+"),
    "float64": lambda folder: mapped(folder, "float64"),
    "uint8": lambda folder: mapped(folder, "uint8"),
    "big-endian": lambda folder: mapped(folder, ">f4"),
    "strided": lambda folder: np.flip(mapped(folder, "float32"), 3),
    "Fortran": lambda folder: np.asfortranarray(mapped(folder, "float32")),
}


def network(**options):
    return Network([("F", Dense(10))], (1, SIDE, SIDE), threads=1, **options)


def vectors(x):
    """Targets as vectors in the form of the images."""
    return x[:, 0, 0, :10]


USES = {
    "predict": lambda net, x, chosen: net.predict(x, chosen),
    "evaluate": lambda net, x, chosen: net.evaluate(CrossEntropy(), x, LABELS, chosen).loss,
    "training": lambda net, x, chosen: (net.loss_and_grads(CrossEntropy(), x, LABELS, chosen), net.grads.flat.copy()),
    "vectors": lambda net, x, chosen: (net.loss_and_grads(MSE(), x, vectors(x), chosen), net.grads.flat.copy()),
    "curvature": lambda net, x, chosen: net.curvature(MSE(), x, vectors(x), chosen).flat.copy(),
    "forward": lambda net, x, chosen: net.forward(x, chosen, check_finite=True),
    "one image": lambda net, x, chosen: net.predict(x, chosen[:1]),
    "one image to learn from": lambda net, x, chosen: net.loss_and_grads(MSE(), x, vectors(x), chosen[:1]),
    "announced": lambda net, x, chosen: net.score_and_grads(CrossEntropy(), x, LABELS, chosen, then=chosen[::-1]).loss,
}


def peak(use, *arguments):
    """What a call gives, and how many bytes it took at most beside those there were."""
    gc.collect()
    tracemalloc.start()
    result = use(*arguments)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return result, most


def same(a, b):
    for one, other in zip(a, b, strict=True) if isinstance(a, tuple) else [(a, b)]:
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("form", FORMS)
def test_of_two_images_two_are_converted_and_the_array_is_not_kept(tmp_path, form):
    x = FORMS[form](tmp_path)
    few = np.ascontiguousarray(x[CHOSEN], np.float32)
    for name, use in USES.items():
        net, other = network(), network()
        plain = np.zeros((MANY, 1, SIDE, SIDE), np.float32)
        plain[CHOSEN] = few
        expected = use(other, plain, CHOSEN)  # kernels are loaded meanwhile
        result, most = peak(use, net, x, CHOSEN)
        assert most < SMALL, f"{name} took {most:,} bytes"
        same(result, expected)
        gone = weakref.ref(plain)
        del plain
        assert gone() is None, f"expected {name} to keep no array of its caller's"
        del net, other
    ends = weakref.ref(x)
    del x
    assert ends() is None


def test_a_batch_that_is_larger_than_what_stays_is_given_back():
    net, x = network(), np.random.default_rng(0).integers(0, 256, (4000, 1, SIDE, SIDE), dtype=np.uint8)
    assert 4 * x.size > STAGED_BYTES
    y = net.predict(x)
    net.predict(x.astype(np.float32))
    net.evaluate(MSE(), x, np.zeros((len(x), 10)))
    gc.collect()
    tracemalloc.start()
    np.testing.assert_array_equal(net.predict(x), y)
    net.evaluate(MSE(), x, np.zeros((len(x), 10)))
    left = tracemalloc.get_traced_memory()[0] - y.nbytes
    tracemalloc.stop()
    assert left < SMALL
    np.testing.assert_array_equal(net.forward(x[:40]), y[:40])


def test_the_gradient_of_the_outputs_is_not_kept():
    net, x = Network([Dense(40)], (1, 2, 2), threads=1, lanes=4096), np.zeros((70_000, 1, 2, 2), np.float32)
    dy = np.ones((len(x), 40), np.float32)
    assert dy.nbytes > STAGED_BYTES
    net.forward(x)
    net.backward(dy)
    gone = weakref.ref(dy)
    del dy
    assert gone() is None


def test_a_large_array_is_read_where_it_is_as_long_as_it_is_the_same():
    net, x = network(), np.random.default_rng(0).standard_normal((3000, 1, SIDE, SIDE), np.float32)
    assert x.nbytes > STAGED_BYTES
    phases = net._runner._schedules
    for _ in range(3):
        net.predict(x, np.arange(32))
        x[:] += 1
        np.testing.assert_array_equal(net.predict(x, np.arange(32)), net.predict(x[:32]))
    assert len(phases) == 2, "expected one recording for the array, and one for small ones"
    for _ in range(5):  # arrays at the same address, of the same id
        x = np.random.default_rng(_).standard_normal((3000, 1, SIDE, SIDE), np.float32)
        np.testing.assert_array_equal(net.predict(x, np.arange(32)), net.predict(x[:32].copy()))


def test_the_same_memory_map_costs_one_recording(tmp_path):
    net, x = network(), mapped(tmp_path, "float32")
    for _ in range(3):
        net.predict(x, CHOSEN)
    assert len(net._runner._schedules) == 1


# --- pixels ---

PIXELS = {
    "read-only": lambda folder: mapped(folder, "uint8")[:, 0],
    "strided": lambda folder: np.flip(mapped(folder, "uint8")[:, 0], 2),
}


@pytest.mark.parametrize("form", PIXELS)
@pytest.mark.parametrize("fit", ["pad", "resize"])
def test_of_two_pixel_images_two_are_brought_and_they_are_not_kept(tmp_path, form, fit):
    images = PIXELS[form](tmp_path)
    net, greys = Network([Dense(10)], (1, 32, 32), threads=1), Normalise(scale=0.5, shift=-3.0)
    few, source = Pixels(np.ascontiguousarray(images[CHOSEN]), greys, 32, fit), Pixels(images, greys, 32, fit)
    net.loss_and_grads(CrossEntropy(), few, LABELS[CHOSEN])  # kernels are loaded meanwhile
    for use in (USES["predict"], USES["training"], USES["forward"], USES["one image"]):
        if use is not USES["training"]:
            expected = use(net, few, np.arange(2))
        result, most = peak(use, net, source, CHOSEN)
        assert most < SMALL, f"expected little memory, got {most:,} bytes"
        if use is not USES["training"]:
            same(result, expected)
    loss = net.loss_and_grads(CrossEntropy(), source, LABELS, CHOSEN)
    assert loss == net.loss_and_grads(CrossEntropy(), few, LABELS[CHOSEN])
    gone, base = weakref.ref(source), weakref.ref(images)
    del source, images
    assert gone() is None
    assert base() is None


@pytest.fixture
def same_id(monkeypatch):
    """Every source has the same id, as one that is made where another was freed may have."""
    monkeypatch.setattr(minicnn.engine.batch, "id", lambda value: 7, raising=False)


def test_another_source_of_the_same_id_is_another_source(same_id):
    images = np.random.default_rng(0).integers(0, 256, (300, SIDE, SIDE), dtype=np.uint8)
    for layout in (images, np.flip(images, 2)):
        net = network()
        for shift in range(20):
            source = Pixels(layout, Normalise(scale=1.0, shift=shift))
            expected = (layout[:2, None] + np.float32(shift)).reshape(2, -1) @ net.params["F.W"].reshape(10, -1).T
            np.testing.assert_allclose(net.predict(source, [0, 1]), expected + net.params["F.b"], rtol=1e-3, atol=1e-2)
            np.testing.assert_allclose(net.predict(source, [1])[0], (expected + net.params["F.b"])[1], rtol=1e-3, atol=1e-2)
            del source


def test_what_is_brought_to_a_device_for_a_source_is_not_for_another_at_its_address(same_id):
    backend = SimpleNamespace(pinned=aligned, to_device=lambda *arrays: None, keeps_on_device=lambda size: False)
    staging, images = DeviceStaging(backend), np.zeros((3, SIDE, SIDE), np.uint8)
    for shift in range(20):
        source = Pixels(images, Normalise(scale=1.0, shift=shift))
        assert staging.stage("in", source, CHOSEN % 3).source.normalise == source.normalise
        del source
    assert len(staging._known) <= 2, "expected no memory to be held for sources that are gone"


def test_what_never_changes_and_has_room_on_a_device_is_kept_there_and_all_else_copied():
    def staged(source, room):
        backend = SimpleNamespace(pinned=aligned, to_device=lambda *arrays: None, keeps_on_device=lambda size: room)
        return DeviceStaging(backend).stage("in", source, CHOSEN % 3).source

    images = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE), dtype=np.uint8)
    pixels, array = Pixels(images, Normalise(scale=1.0, shift=0.0)), Arrays(images.astype(np.float32))
    without_rows = Distorted(pixels, Affine(shift=2))
    assert staged(pixels, True) is pixels
    assert staged(without_rows, False) is without_rows
    for source, room in ((pixels, False), (array, True), (array, False)):
        copied = staged(source, room)
        assert copied is not source
        np.testing.assert_array_equal(copied.rows[:2], source.rows[CHOSEN % 3])


def test_images_that_are_on_their_way_to_a_device_are_not_sent_again():
    sent = []
    backend = SimpleNamespace(
        pinned=aligned,
        to_device=lambda rows: sent.append(("at once", rows)),
        to_device_async=lambda rows: sent.append(("ahead", rows)),
        wait_for_transfers=lambda: sent.append(("waited", None)),
        keeps_on_device=lambda size: False,
    )
    staging, source = DeviceStaging(backend), Arrays(np.random.default_rng(0).normal(size=(5, 4)))
    for chosen, ahead in (([4, 0], None), ([1, 2], [1, 2]), ([3, 3], [3, 3]), ([2, 0], [0, 2])):
        sent.clear()
        if ahead is not None:
            staging.prefetch("in", source, np.array(ahead))
        staged = staging.stage("in", source, np.array(chosen))
        then = "waited" if ahead == chosen else "at once"
        assert [how for how, _ in sent] == (["ahead"] if ahead is not None else []) + [then]
        np.testing.assert_array_equal(staged.source.rows[:2], source.rows[chosen])
        rows = [rows for _, rows in sent if rows is not None][-1]
        assert np.shares_memory(rows, staged.source.rows)


def test_images_that_cannot_be_read_in_place_are_copied_once_for_distortions(tmp_path):
    images = mapped(tmp_path, "uint8")[:, 0]
    plain = Pixels(images, Normalise(scale=1.0, shift=0.0), 32)
    net = Network([Dense(10)], (1, 32, 32), threads=1)
    few = Distorted(Pixels(np.zeros((20, *images.shape[1:]), np.uint8), plain.normalise, 32), Affine(shift=2))
    net.predict(few)  # what compiling takes does not count
    source = Distorted(plain, Affine(shift=2))
    _, most = peak(net.predict, source, CHOSEN)
    assert most < SMALL, "expected read-only images to be read where they are"
    strided = Pixels(np.flip(images, 2), Normalise(scale=1.0, shift=0.0), 32)
    assert strided.readable is strided.readable
    np.testing.assert_array_equal(strided.readable, images[:, :, ::-1])


# --- the pieces ---


def test_rows_are_gathered_in_order_from_any_layout():
    values = np.arange(60.0).reshape(5, 3, 4)
    chosen = np.array([4, 0, 4, 2])
    for rows in (values, np.asfortranarray(values), values.astype(">f8"), np.flip(values, 2), values.astype(np.int16)):
        for dtype in (np.float32, np.float64):
            out = np.empty((4, 3, 4), dtype)
            gather(rows, chosen, out)
            np.testing.assert_array_equal(out, rows[chosen])


def test_read_only_memory_is_borrowed_and_kept_while_it_is_used():
    values = np.arange(1000.0)
    values.flags.writeable = False
    gone, view = weakref.ref(values), readable(values)
    assert view.flags.carray
    assert np.shares_memory(view, values)
    del values
    gc.collect()
    assert gone() is not None
    assert view[999] == 999
    del view
    assert gone() is None
    assert readable(values := np.arange(3)) is values


def test_what_is_borrowed_keeps_nothing():
    values = np.arange(10.0)
    gone, view = weakref.ref(values), borrowed(values)
    np.testing.assert_array_equal(view, values)
    del values
    assert gone() is None
    del view


def test_only_the_chosen_images_are_checked_to_be_finite():
    net, x = network(), np.zeros((3, 1, SIDE, SIDE))
    x[1, 0, 0, :2] = np.nan, 1e300
    net.forward(x, [0, 2], check_finite=True)
    with (
        pytest.raises(DataError, match=r"^x: expected finite numbers, got 2 that are not; clean the data$"),
        np.errstate(over="ignore"),
    ):
        net.forward(x, [2, 1], check_finite=True)


def test_buffers_are_no_larger_than_what_is_staged():
    here = HostStaging()
    images = Arrays(np.zeros((5, 3, 500, 500)), np.dtype(np.float32))
    staged = here.stage("in", images, np.array([3, 1]))
    assert staged.in_order
    assert staged.source.values.nbytes <= STAGED_BYTES
