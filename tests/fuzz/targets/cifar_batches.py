"""Batches of CIFAR-10, in records, in NPZ files and in archives: what is accepted is what other readers make of them."""

import gzip
import io
import random
import tarfile

import numpy as np

from fuzz.drawn import Drawn
from fuzz.judged import refused
from fuzz.targets.files import path_of
from minicnn.data.cifar import INNER, TEST, TRAINING, decode_batch, load_cifar10
from minicnn.errors import DataError

INPUTS, QUICK = 1_000_000, 2_000
LONGEST, MOST_BYTES, SECONDS = 4096, 64 << 20, 2
READS = ("minicnn.data",)

BYTES, RECORDS, NPZ, ARCHIVE = range(4)
WAYS = (BYTES, RECORDS, NPZ, ARCHIVE, BYTES, RECORDS, BYTES, RECORDS, BYTES, RECORDS)
"""By an input's first byte, modulo 10: its other bytes are the file, or say what is in it. Archives take longest."""

PIXELS = 4 * random.Random(0).randbytes(1024)
RECORD, BLOCK = 3073, 512


def seeds():
    records = [bytes([RECORDS, count, 0, *range(count), 9]) for count in range(4)]
    records += [bytes([RECORDS, 2, 1, 1, 2, 3]), bytes([RECORDS, 2, 2, 1, 2, 3]), bytes([RECORDS, 1, 0, 10])]
    arrays = [bytes([NPZ, kind, count, 1, 2, 3]) for kind in range(6) for count in range(1, 4)]
    whole = bytes([0, 0, 0, 7])
    archives = [bytes([ARCHIVE]) + bytes([0, packed]) + 7 * whole for packed in (0, 1)]
    archives += [bytes([ARCHIVE, 0, 0]) + bytes([0, 1, 0, 9]) + bytes(range(200))]
    return [bytes([BYTES]), bytes([BYTES]) + bytes(RECORD), *records, *arrays, *archives]


def records(drawn, count):
    """So many records, with labels that are drawn."""
    found = b""
    for _ in range(count):
        label, turn = drawn.choice((*range(10), 10, 255)), drawn.randrange(1024)
        found += bytes([label]) + PIXELS[turn : turn + RECORD - 1]
    return found


def check(data):
    way, drawn = WAYS[data[0] % len(WAYS)] if data else BYTES, Drawn(data[1:])
    if way == ARCHIVE:
        return check_archive(archive(drawn))
    if way == BYTES:
        content = data[1:]
    elif way == RECORDS:
        content = records(drawn, drawn.randrange(5))
        content = content[: len(content) - drawn.choice((0, 0, 1, 3072))] + bytes(drawn.choice((0, 0, 1, 3073)))
    else:
        content = npz(drawn)
    try:
        images, labels = decode_batch(io.BytesIO(content), "file")
    except DataError as error:
        assert content.startswith(b"PK") or batch_of(content) is None, f"expected a batch to be read, got {error}"
        return refused(error)
    same(images, labels, batch_of(content))
    return True


def batch_of(content):
    """Pictures and labels by another reading; None for none."""
    if content.startswith(b"PK\3\4"):
        with np.load(io.BytesIO(content), allow_pickle=False) as found:
            return found["data"].reshape(-1, 3, 32, 32), found["labels"]
    if not content or len(content) % RECORD or max(content[::RECORD]) > 9:
        return None
    pictures = b"".join(content[at + 1 : at + RECORD] for at in range(0, len(content), RECORD))
    return np.frombuffer(pictures, np.uint8).reshape(-1, 3, 32, 32), np.frombuffer(content[::RECORD], np.uint8)


def same(images, labels, wanted):
    assert wanted is not None, "expected a refusal"
    assert images.dtype == labels.dtype == np.uint8
    assert len(images) == len(labels) > 0
    assert labels.max() <= 9
    assert images.shape == wanted[0].shape
    assert images.tobytes() == np.ascontiguousarray(wanted[0], np.uint8).tobytes()
    assert labels.tolist() == wanted[1].tolist()


def npz(drawn):
    """An NPZ file of some form, perhaps damaged."""
    count = drawn.randrange(4)
    content = records(drawn, count)
    data = np.frombuffer(content, np.uint8).reshape(count, RECORD)[:, 1:]
    shape = drawn.choice(((count, 3072), (count, 3, 32, 32), (count, 32, 32, 3), (count * 3, 1024)))
    labels = np.frombuffer(content[::RECORD], np.uint8).astype(drawn.choice(("u1", "<i8", ">i4", "f4", "i1")))
    labels = labels.reshape(drawn.choice(((-1,), (-1, 1))))
    file = io.BytesIO()
    save = drawn.choice((np.savez, np.savez_compressed))
    save(
        file,
        **{drawn.choice(("data", "datum")): data.reshape(shape).astype(drawn.choice(("u1", "i1", "u2"))), "labels": labels},
    )
    found = bytearray(file.getvalue())
    for _ in range(drawn.choice((0, 0, 1, 2))):
        found[drawn.randrange(len(found))] = drawn.randrange(256)
    return bytes(found)


def archive(drawn):
    """A tar archive, perhaps packed or damaged."""
    packed, found = drawn.randrange(3), bytearray()
    for number in range(drawn.choice((7, 6, 5, 1, 0))):
        name = drawn.choice(((*TRAINING, TEST)[number % 6], TEST, "more"))
        member = tarfile.TarInfo(drawn.choice((f"{INNER}/{name}.bin", f"{name}.bin", f"{90 * 'x'}/{name}.bin", name)))
        content = records(drawn, drawn.choice((1, 1, 2, 0)))
        member.size = min(len(content) + drawn.choice((0, 0, 0, 1, -1, 10**6, 2**33)), 2**33 - 1)
        member.type = drawn.choice((tarfile.REGTYPE, tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE, tarfile.AREGTYPE))
        header = member.tobuf(drawn.choice((tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT))) if member.size >= 0 else b""
        found += header + content + bytes(-len(content) % BLOCK)
    found += bytes(drawn.choice((2, 1, 0, 20)) * BLOCK)
    for _ in range(drawn.choice((0, 0, 0, 1, 3))):
        if found:
            found[drawn.randrange(len(found))] = drawn.randrange(256)
    content = bytes(found)
    if packed:
        content = gzip.compress(content, 1, mtime=0)
        content = content[: len(content) - drawn.choice((0, 0, 0, 1, 100))]
    return content


def check_archive(content):
    try:
        loaded = load_cifar10(path_of(content))
    except DataError as error:
        return refused(error)
    with tarfile.open(fileobj=io.BytesIO(content)) as other:
        needed = [f"{name}.bin" for name in (*TRAINING, TEST)]
        plain = [each for each in other if each.isreg() and each.offset_data == each.offset + BLOCK]  # not of longer names
        found = [(name, each) for each in plain if (name := each.name.rpartition("/")[2]) in needed]
        files = dict(found)
        assert len(files) == len(found), "expected a refusal of two batches of one name"
        batches = {name: batch_of(other.extractfile(files[f"{name}.bin"]).read()) for name in (*TRAINING, TEST)}
    images, labels = (np.concatenate([batches[name][part] for name in TRAINING]) for part in (0, 1))
    same(loaded.train_images, loaded.train_labels, (images, labels))
    same(loaded.test_images, loaded.test_labels, batches[TEST])
    return True
