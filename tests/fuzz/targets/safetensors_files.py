"""Safetensors files: what is accepted has unique names, tensors that fill the file, and the numbers that stand there."""

import json
import math
import struct

import numpy as np

from fuzz.judged import refused
from fuzz.targets.files import path_of
from minicnn.errors import CheckpointError
from minicnn.train.safetensors_file import read

INPUTS, QUICK = 1_000_000, 3_000
LONGEST, MOST_BYTES, SECONDS = 4096, 8 << 20, 2
READS = ("minicnn.train", "minicnn.data")

RAW, FRAMED = range(2)
"""An input's first byte, modulo 2: its other bytes are the file, or a number of bytes for tensors and the header in front."""

SIZES = {"BOOL": 1, "U8": 1, "I8": 1, "U16": 2, "I16": 2, "F16": 2, "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8}


def framed(header, count):
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    return bytes([FRAMED]) + struct.pack(">H", count) + text


def entry(dtype, shape, *offsets):
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def seeds():
    found = [framed({"a": entry(kind, [2], 0, 2 * size)}, 2 * size) for kind, size in SIZES.items()]
    found += [framed({"a": entry("F32", [2, 1], 0, 8), "b": entry("U8", [], 8, 9), "__metadata__": {"x": "{}"}}, 9)]
    found += [framed({}, 0), framed({"__metadata__": {"minicnn": "{}"}}, 0), framed({"a": entry("F32", [0], 0, 0)}, 0)]
    found += [framed({"a": entry("BF16", [1], 0, 2)}, 2), framed({"a": entry("F32", [2**32, 2**32], 0, 4)}, 4)]
    found += [
        framed(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1)
    ]
    found += [framed(b'{"__metadata__":{"x":"1","x":"2"}}', 0), framed(b"[" * 2000, 0), framed(b'{"a":1e999}', 0)]
    return [*found, *(bytes([RAW]) + file_of(each) for each in found[-8:])]


def file_of(data):
    """The file that an input is."""
    if not data or data[0] % 2 == RAW:
        return data[1:]
    count, header = int.from_bytes(data[1:3], "big") % 512, data[3:]
    return struct.pack("<Q", len(header)) + header + bytes(n % 251 for n in range(count))


def reading(content):
    """Metadata, and by name dtype, shape and bytes, by the format's description."""
    size = struct.unpack("<Q", content[:8])[0]
    header, numbers = json.loads(content[8 : 8 + size], object_pairs_hook=once), content[8 + size :]
    metadata, end = header.pop("__metadata__", None) or {}, 0
    for tensor in sorted(header.values(), key=lambda tensor: tensor["data_offsets"]):
        first, last = tensor["data_offsets"]
        assert first == end, "expected tensors one behind the other"
        assert last - first == math.prod(tensor["shape"]) * SIZES[tensor["dtype"]]
        end = last
    assert end == len(numbers), "expected tensors that fill the file"
    assert all(isinstance(each, str) for pair in metadata.items() for each in pair)
    return metadata, {name: (t["dtype"], tuple(t["shape"]), numbers[slice(*t["data_offsets"])]) for name, t in header.items()}


def once(pairs):
    assert len(dict(pairs)) == len(pairs), "expected unique keys"
    return dict(pairs)


def check(data):
    content = file_of(data)
    try:
        metadata, tensors = read(path_of(content))
    except CheckpointError as error:
        return refused(error)
    wanted, arrays = reading(content)
    assert metadata == wanted
    assert tensors.keys() == arrays.keys()
    for name, (dtype, shape, numbers) in arrays.items():
        kind = {"B": "b", "U": "u", "I": "i", "F": "f"}[dtype[0]]
        assert tensors[name].dtype == np.dtype("bool" if kind == "b" else f"<{kind}{SIZES[dtype]}")
        assert tensors[name].shape == shape
        assert tensors[name].tobytes() == numbers
    return True
