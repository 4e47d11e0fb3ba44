"""NPZ files of two arrays: what is accepted is what ``np.load`` makes of them, and nothing is unpickled."""

import io
import zipfile

import numpy as np

from fuzz.judged import refused
from fuzz.targets.npy_files import fits, npy
from minicnn.data.npz import read_npz
from minicnn.errors import DataError

INPUTS, QUICK = 100_000, 2_000
LONGEST, MOST_BYTES, SECONDS = 4096, 8 << 20, 2
READS = ("minicnn.data",)

KINDS = {"data": "u1 f4", "labels": "u1 u2 u4 u8 i1 i2 i4 i8"}
WAYS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)


def seeds():
    arrays = {"data": np.arange(12, dtype=np.uint8).reshape(3, 4), "labels": np.array([1, 2, 3])}
    found = []
    for save in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        save(file, **arrays)
        found.append(b"\0" + file.getvalue())
    parts = [npy(array) for array in arrays.values()]
    found += [bytes([1 + way, len(parts[0])]) + parts[0] + parts[1] for way in range(3)]
    return [*found, bytes([4, len(parts[0])]) + parts[0] + parts[1], found[0][:-30], b"\0" + b"PK\3\4"]


def file_of(data):
    """The file that an input is: itself, or an archive of two files that are given one behind the other."""
    way, content = data[0] % 5 if data else 0, data[1:]
    if way == 0:
        return content
    size, file = content[0] if content else 0, io.BytesIO()
    with zipfile.ZipFile(file, "w", WAYS[(way - 1) % 3]) as archive:
        for name, part in (("data.npy", content[1 : 1 + size]), ("labels.npy", content[1 + size :])):
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), part, WAYS[(way - 1) % 3])
        if way == 4:
            archive.writestr(zipfile.ZipInfo("more", (1980, 1, 1, 0, 0, 0)), b"")
    return file.getvalue()


def check(data):
    content = file_of(data)
    try:
        found = read_npz(io.BytesIO(content), "file", KINDS, lambda shapes: all(map(fits, shapes.values())), "two arrays")
    except DataError as error:
        return refused(error)
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        for name, kinds in KINDS.items():
            wanted = archive[name]
            assert found[name].dtype.str[1:] in kinds.split()
            assert found[name].shape == wanted.shape
            assert found[name].tobytes() == np.ascontiguousarray(wanted, found[name].dtype).tobytes()
    assert list(found) == list(KINDS)
    return True
