"""NPY files: what is accepted is what ``np.load`` makes of them, and nothing is unpickled."""

import io
import math

import numpy as np

from fuzz.judged import refused
from minicnn.data.npz import read_npy
from minicnn.errors import DataError
from minicnn.serve.request import NUMBERS

INPUTS, QUICK = 1_000_000, 6_000
LONGEST, MOST_BYTES, SECONDS = 4096, 4 << 20, 2
READS = ("minicnn.data",)
MOST = 1 << 12
"""Numbers that are taken."""


def npy(array, fortran=False):
    file = io.BytesIO()
    np.save(file, np.array(array, order="F" if fortran else "C"))
    return file.getvalue()


def seeds():
    kinds = [f"{order}{kind}" for kind in NUMBERS.split() for order in "<>"]
    found = [npy(np.arange(6).astype(kind).reshape(2, 3), fortran=at % 2 == 1) for at, kind in enumerate(kinds)]
    found += [npy(np.array(7, np.uint8)), npy(np.zeros((0, 3), np.float32)), npy(np.zeros((2, 3, 4), np.uint8))]
    found += [npy(np.array(["a"])), npy(np.array([{}]))]
    return [*found, found[0].replace(b"\x93NUMPY\x01", b"\x93NUMPY\x02"), found[0][:-1], found[0] + b"x"]


def fits(shape):
    return math.prod(shape) <= MOST


def check(data):
    try:
        found = read_npy(io.BytesIO(data), "file", NUMBERS, fits, "numbers")
    except DataError as error:
        return refused(error)
    wanted = np.load(io.BytesIO(data), allow_pickle=False)
    assert fits(found.shape)
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype.newbyteorder("=")
    assert found.dtype.kind in "iuf"
    assert found.tobytes() == np.ascontiguousarray(wanted, found.dtype).tobytes()
    assert found.flags.c_contiguous
    return True
