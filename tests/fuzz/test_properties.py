"""Whatever a format can hold comes back as it was, and no file that is shorter or longer is taken for it."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from strategies import examples

from fuzz.targets import npy_files
from minicnn.data.cifar import decode_batch
from minicnn.data.idx import decode_idx, write_idx
from minicnn.data.npz import read_npy, read_npz
from minicnn.errors import CheckpointError, DataError

SMALL = array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
NUMBERS = st.sampled_from([f"{order}{kind}" for kind in npy_files.NUMBERS.split() for order in "<>"])
CODED = st.sampled_from(["u1", "i1", "<i2", ">i2", "<i4", "<f4", ">f4", "<f8"])


def of(kinds, shapes=SMALL):
    return kinds.flatmap(lambda kind: arrays(np.dtype(kind), shapes))


def same(found, array):
    assert (found.shape, found.dtype) == (array.shape, array.dtype.newbyteorder("="))
    assert found.astype(array.dtype).tobytes() == np.ascontiguousarray(array).tobytes()


def only_whole(content, read, error):
    """No front of a file, and no file with more behind it, is read."""
    for other in (*(content[:size] for size in range(len(content))), content + b"x"):  # zeros may fill up a gzip file
        with pytest.raises(error):
            read(other)


@examples(300)
@given(of(CODED, array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5)), st.sampled_from(("numbers", "numbers.gz")))
def test_idx(tmp_path_factory, array, name):
    path = Path(tmp_path_factory.getbasetemp(), name)
    write_idx(path, array)
    content = path.read_bytes()
    same(decode_idx(io.BytesIO(content), "file"), array)
    if len(content) < 60:
        only_whole(content, lambda other: decode_idx(io.BytesIO(other), "file"), DataError)


@examples(300)
@given(of(NUMBERS), st.booleans())
def test_npy(array, fortran):
    def read(content):
        return read_npy(io.BytesIO(content), "file", npy_files.NUMBERS, npy_files.fits, "numbers")

    content = npy_files.npy(array, fortran)
    same(read(content), array)
    for other in (content[:-1] if array.size else content[:100], content + b"\0"):
        with pytest.raises(DataError):
            read(other)


@examples(200)
@given(of(NUMBERS), of(NUMBERS), st.sampled_from((np.savez, np.savez_compressed)))
def test_npz(one, two, save):
    file = io.BytesIO()
    save(file, one=one, two=two, three=one)
    kinds = {"one": npy_files.NUMBERS, "two": npy_files.NUMBERS}
    found = read_npz(file, "file", kinds, lambda shapes: True, "two arrays")
    assert list(found) == ["one", "two"]
    same(found["one"], one)
    same(found["two"], two)


@examples(50)
@given(arrays(np.uint8, st.integers(1, 4).map(lambda n: (n, 3, 32, 32))), st.data())
def test_cifar(images, data):
    labels = data.draw(arrays(np.uint8, len(images), elements=st.integers(0, 9)))
    content = b"".join(bytes([label]) + image.tobytes() for label, image in zip(labels, images, strict=True))
    found = decode_batch(io.BytesIO(content), "file")
    same(found[0], images)
    same(found[1], labels)
    for other in (content[:-1], content + b"\0", content[1:], b"\x0a" + content[1:]):
        with pytest.raises(DataError):
            decode_batch(io.BytesIO(other), "file")


@examples(150)
@given(
    st.dictionaries(st.text(max_size=5), of(st.sampled_from(["f4", "f8", "f2", "u1", "i8", "?"])), max_size=3),
    st.text(max_size=9),
)
def test_safetensors(tmp_path_factory, tensors, text):
    pytest.importorskip("safetensors")
    from minicnn.train.safetensors_file import read, write

    path = Path(tmp_path_factory.getbasetemp(), "tensors")
    tensors.pop("__metadata__", None)
    write(path, tensors, {"text": text})
    metadata, found = read(path)
    assert metadata == {"text": text}
    assert found.keys() == tensors.keys()
    for name, array in tensors.items():
        same(found[name], array)
    content = path.read_bytes()
    for other in (content[:-1], content + b"\0", content[:7], b""):
        path.write_bytes(other)
        with pytest.raises(CheckpointError):
            read(path)


@examples(60)
@given(arrays(np.uint8, st.sampled_from(((4, 5), (4, 5, 3), (1, 1), (17, 2, 3)))), st.sampled_from(("PNG", "BMP")))
def test_pictures_without_loss(image, kind):
    pillow = pytest.importorskip("PIL.Image")
    from minicnn.data.picture import look, read_picture

    file = io.BytesIO()
    pillow.fromarray(image).save(file, kind)
    content = file.getvalue()
    expected = image[None] if image.ndim == 2 else image.transpose(2, 0, 1)
    assert look(content)[0] == image.shape[:2]
    assert read_picture(content, channels=expected.shape[0]).tobytes() == np.ascontiguousarray(expected).tobytes()
