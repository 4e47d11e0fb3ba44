"""CIFAR-10: batches in every form are read back, and every fault is one sentence that names the file."""

import io
import os
import re
import struct
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from minicnn import DataError
from minicnn.data import cifar as module
from minicnn.data import load_cifar10, read_batch
from minicnn.data.cifar import ARCHIVE, INNER, MOST, NAMES, TEST, TRAINING, decode_batch

RECORD, MB = 3073, 1 << 20
BATCHES = (*TRAINING, TEST)


def pictures(count, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 3, 32, 32), np.uint8), rng.integers(0, 10, count).astype(np.uint8)


def records(images, labels):
    return b"".join(bytes([label]) + image.tobytes() for image, label in zip(images, labels, strict=True))


def npz(save=np.savez, **arrays):
    content = io.BytesIO()
    save(content, **arrays)
    return content.getvalue()


def tar(files, mode="w:gz", form=tarfile.USTAR_FORMAT):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode, format=form) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return content.getvalue()


IMAGES, LABELS = pictures(3)
BINARY = records(IMAGES, LABELS)
FLAT = IMAGES.reshape(3, -1)
FILES = {f"{INNER}/{name}.bin": records(*pictures(2, seed)) for seed, name in enumerate(BATCHES)}
ARCHIVED = tar({f"{INNER}/batches.meta.txt": b"airplane\n", **FILES})


@pytest.fixture
def file(tmp_path):
    """Write bytes to a file and return its path."""

    def write(content, name="data_batch_1.bin"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def fails(read, path, message, who=None):
    """Reading this raises a DataError that begins with its name and goes on as the pattern says, on one line."""
    with pytest.raises(DataError, match=rf"^{re.escape(str(who or path))}: {message}") as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    "content",
    [
        BINARY,
        npz(data=FLAT, labels=LABELS),
        npz(data=IMAGES, labels=LABELS.astype(">i4")),
        npz(np.savez_compressed, data=np.asfortranarray(FLAT), labels=LABELS.astype(np.int64), more=np.ones(3)),
    ],
    ids=["binary", "npz", "npz of maps", "npz deflated"],
)
def test_a_batch_in_every_form(file, content):
    images, labels = read_batch(file(content))
    assert (images.dtype, labels.dtype) == (np.uint8, np.uint8)
    assert images.flags.c_contiguous
    assert images.flags.writeable
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)


def test_red_comes_first_and_rows_from_the_top(file):
    planes = bytes([9]) + bytes([200]) * 1024 + bytes(range(32)) + bytes(992) + bytes(1024)
    images, labels = read_batch(file(planes))
    assert labels.tolist() == [9]
    assert (images[0, 0] == 200).all()
    assert images[0, 1, 0].tolist() == list(range(32))
    assert not images[0, 1, 1:].any()
    assert len(NAMES) == 10


WANTED = r"expected data \(N, 3072\) or \(N, 3, 32, 32\) of uint8 and labels \(N,\) of whole numbers, N from 1 to 100,000, got "
SIZES = "expected 1 to 100,000 records of 3,073 bytes, as a binary batch of CIFAR-10 has, got "
FAULTS = {
    "empty": (b"", SIZES + "0 bytes; give such a batch, or fetch it again$"),
    "short": (BINARY[:-1], SIZES + "9,218 bytes; give"),
    "long": (BINARY + b"x", SIZES + "9,220 bytes; give"),
    "CIFAR-100": (bytes(3074), SIZES + "3,074 bytes; give"),
    "a label": (
        BINARY[:RECORD] + b"\x0a" + BINARY[RECORD + 1 :],
        "expected class numbers from 0 to 9, got 10 for picture 1; give",
    ),
    "no labels": (npz(data=FLAT), WANTED + "no labels; write it again with np.savez or np.savez_compressed$"),
    "no data": (npz(labels=LABELS), WANTED + "no data; write"),
    "floats": (npz(data=FLAT / 255, labels=LABELS), WANTED + "data of dtype <f8; write"),
    "objects": (npz(data=FLAT, labels=np.array([1, None, 2])), WANTED + r"labels of dtype \|O; write"),
    "grey": (npz(data=FLAT[:, :1024], labels=LABELS), WANTED + r"data \(3, 1024\) and labels \(3,\); write"),
    "others": (npz(data=FLAT, labels=LABELS[:2]), WANTED + r"data \(3, 3072\) and labels \(2,\); write"),
    "matrix": (npz(data=FLAT, labels=LABELS[:, None]), WANTED + r"data \(3, 3072\) and labels \(3, 1\); write"),
    "none": (npz(data=FLAT[:0], labels=LABELS[:0]), WANTED + r"data \(0, 3072\) and labels \(0,\); write"),
    "number": (npz(data=FLAT, labels=np.uint8(3)), WANTED + r"data \(3, 3072\) and labels \(\); write"),
    "class −1": (npz(data=FLAT, labels=np.array([1, 2, -1])), "expected class numbers from 0 to 9, got -1 for picture 2; give"),
    "class 10": (
        npz(data=FLAT, labels=np.array([1, 10, 1], np.uint64)),
        "expected class numbers .* got 10 for picture 1; give",
    ),
    "structured": (
        npz(data=FLAT, labels=np.zeros(3, "i4,i4")),
        r"expected an intact NPZ file, got a broken one \(an NPY header",
    ),
    "no zip": (
        b"PK\x03\x04" + bytes(30),
        r"expected an intact NPZ file, got a broken one \(File is not a zip file\); write it again",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_a_batch(file, fault):
    content, message = FAULTS[fault]
    fails(read_batch, file(content), message)


def zipped(members, method=zipfile.ZIP_DEFLATED):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return content.getvalue()


def npy(array):
    content = io.BytesIO()
    np.lib.format.write_array(content, array, version=(1, 0))
    return content.getvalue()


LABELLED = {"labels.npy": npy(LABELS)}


def test_members_that_are_longer_or_shorter_than_they_say(file):
    for whole, got in ((npy(FLAT) + b"x", "more"), (npy(FLAT)[:-1], "9,215")):
        path = file(zipped({**LABELLED, "data.npy": whole}))
        words = rf"expected 9,216 bytes for its shape \(3, 3072\) of uint8, got {got}; write it again"
        fails(read_batch, path, words, who=f"{path}: data")


def test_members_that_are_packed_in_another_way_or_are_no_arrays(file):
    path = file(zipped({**LABELLED, "data.npy": npy(FLAT)}, zipfile.ZIP_LZMA))
    fails(read_batch, path, r"expected .*, stored or deflated, got data packed in another way; write")
    for wrong in (b"", b"hello, hello", b"\x93NUMPY\x02\x00" + bytes(20), npy(FLAT).replace(b"'<u1'", b"'|u1'")[:60]):
        fails(read_batch, file(zipped({**LABELLED, "data.npy": wrong})), "expected an intact NPZ file, got a broken one")
    evil = npy(FLAT).replace(b"(3, 3072)", b"(3,3*9**9)")
    fails(read_batch, file(zipped({**LABELLED, "data.npy": evil})), "expected an intact NPZ file, got .*in another form")


def test_nothing_is_unpickled(file, monkeypatch):
    monkeypatch.setattr("pickle.loads", lambda *given: pytest.fail("unpickled"))
    monkeypatch.setattr("pickle.load", lambda *given: pytest.fail("unpickled"))
    fails(read_batch, file(npz(data=np.array([print], object), labels=LABELS)), WANTED)
    fails(read_batch, file(b"\x80\x04\x95" + bytes(100)), SIZES)


def test_what_a_file_claims_takes_no_memory(file):
    huge = npy(np.zeros((1, 3072), np.uint8)).replace(b"(1, 3072)", b"(100000, 3072)".ljust(9))
    claims = [
        zipped({"data.npy": npy(FLAT), "labels.npy": npy(LABELS) + bytes(64 * MB)}),
        zipped({"data.npy": npy(FLAT) + bytes(64 * MB), **LABELLED}),
        zipped({"data.npy": huge[:60] + huge[60:].replace(b"   ", b"", 1), **LABELLED}),
    ]
    for content in claims:
        path = file(content)
        tracemalloc.start()
        with pytest.raises(DataError):
            read_batch(path)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most < 6 * MB
    path = file(b"")
    for size in ((MOST + 1) * RECORD, 1 << 40):
        os.truncate(path, size)
        fails(read_batch, path, SIZES)
    with open(path, "r+b") as sparse:
        sparse.write(b"PK\x03\x04")
    fails(read_batch, path, "expected an NPZ file of at most 1,073,741,824 bytes, got more; give a smaller file")


# --- any bytes ---

STORED, DEFLATED = npz(data=FLAT[:1], labels=LABELS[:1]), npz(np.savez_compressed, data=FLAT[:1] // 64, labels=LABELS[:1])


def one_sentence(fault, who):
    assert str(fault).startswith(f"{who}: ")
    assert "\n" not in str(fault)


def told(content):
    """What a reader makes of bytes: a batch that is one, or a DataError on one line."""
    try:
        images, labels = decode_batch(io.BytesIO(content), "bytes")
    except DataError as fault:
        one_sentence(fault, "bytes")
        return None
    assert images.shape == (len(labels), 3, 32, 32)
    assert images.dtype == labels.dtype == np.uint8
    assert labels.max() < 10
    return images, labels


@given(content=st.binary(max_size=80), start=st.sampled_from([b"", b"PK\x03\x04", STORED[:300], DEFLATED[:200]]))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_a_batch_or_a_fault(content, start):
    told(start + content)


@given(
    whole=st.sampled_from([BINARY, STORED, DEFLATED]),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4),
    ends=st.booleans(),
)
@example(whole=STORED, changes=[(0.0, 0)], ends=True)
@settings(max_examples=300, deadline=None)
def test_mutations_are_a_batch_or_a_fault(whole, changes, ends):
    """Bytes changed anywhere, or, where the headers are, near both ends."""
    content = bytearray(whole)
    for place, value in changes:
        near = int(place * 800)
        at = (near if near < 400 else len(content) - 1 - near + 400) if ends else int(place * len(content))
        content[max(0, min(at, len(content) - 1))] = value
    told(bytes(content))


@given(whole=st.sampled_from([BINARY, STORED, DEFLATED]), share=st.floats(0, 1, exclude_max=True))
@settings(max_examples=100, deadline=None)
def test_truncations_are_faults(whole, share):
    length = int(share * len(whole))
    assert told(whole[:length]) is None or (whole is BINARY and length % RECORD == 0)


HEADER = struct.pack("<H", 118)


@given(text=st.text(st.sampled_from("{}()[]'\",:0123456789abcdefrtu_|<> \n"), max_size=118))
@settings(max_examples=100, deadline=None)
def test_any_header_is_a_fault(text):
    content = b"\x93NUMPY\x01\x00" + HEADER + text.encode().ljust(118) + bytes(3072)
    told(zipped({"data.npy": content, "labels.npy": npy(LABELS[:1])}, zipfile.ZIP_STORED))


# --- the whole set ---


def laid(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def whole(loaded, source):
    images, labels = (np.concatenate(parts) for parts in zip(*(pictures(2, seed) for seed in range(5)), strict=True))
    np.testing.assert_array_equal(loaded.train_images, images)
    np.testing.assert_array_equal(loaded.train_labels, labels)
    np.testing.assert_array_equal(loaded.test_images, pictures(2, 5)[0])
    np.testing.assert_array_equal(loaded.test_labels, pictures(2, 5)[1])
    assert (loaded.source, loaded.complete) == (source, True)


BARE = {Path(name).name: content for name, content in FILES.items()}
KEPT = {
    name.replace(".bin", ".npz"): npz(data=images.reshape(2, -1), labels=labels)
    for name, (images, labels) in ((name, pictures(2, seed)) for seed, name in enumerate(BARE))
}
LAYOUTS = {
    "batches": BARE,
    "the folder above": FILES,
    "npz": KEPT,
    "both": {**BARE, **KEPT, "data_batch_1.npz": b"not looked at"},
    "some of both": {**dict(list(BARE.items())[:3]), **dict(list(KEPT.items())[3:])},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_folder_in_every_layout(tmp_path, layout):
    whole(load_cifar10(laid(tmp_path, LAYOUTS[layout])), f"the folder {tmp_path}")


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_the_archive_by_its_name_or_in_its_folder(tmp_path, form, mode):
    path = tmp_path / ARCHIVE
    path.write_bytes(tar({f"{INNER}/readme.html": b"x" * 1000, f"{INNER}/é.txt": b"", **FILES}, mode, form))
    for data in (path, str(tmp_path)):
        whole(load_cifar10(data), f"the archive {path}")
    assert os.listdir(tmp_path) == [ARCHIVE], "nothing is unpacked on the disk"


def test_a_set_that_is_not_there(tmp_path):
    hint = "; check the path and its permissions$"
    fails(load_cifar10, tmp_path / "a", f"expected the folder of CIFAR-10, got no such file or directory{hint}")
    fails(load_cifar10, "a\0b", "expected the folder of CIFAR-10, got ", who="'a\\x00b'")
    os.mkfifo(tmp_path / "pipe")
    fails(load_cifar10, tmp_path / "pipe", f"expected the folder of CIFAR-10, got not a directory{hint}")
    what = rf"expected data_batch_1\.bin and the others of CIFAR-10, or {re.escape(ARCHIVE)}, got none of them"
    fails(load_cifar10, tmp_path, f"{what}; name the folder that holds them$")
    (tmp_path / "data_batch_1").write_bytes(b"\x80")
    fails(load_cifar10, tmp_path, rf"{what} but a pickled batch, which could run a program; fetch {re.escape(ARCHIVE)}$")


def test_a_set_that_is_damaged(tmp_path):
    some = {name: content for name, content in BARE.items() if name != "data_batch_4.bin"}
    laid(tmp_path, some)
    fails(load_cifar10, tmp_path, r"expected all six batches of CIFAR-10, got no data_batch_4; add it, as \.bin or \.npz$")
    (tmp_path / "data_batch_4.bin").write_bytes(b"x")
    fails(load_cifar10, tmp_path, SIZES + "1 bytes", who=tmp_path / "data_batch_4.bin")
    (tmp_path / "data_batch_4.bin").unlink()
    os.mkfifo(tmp_path / "data_batch_4.bin")
    fails(
        load_cifar10,
        tmp_path,
        "expected a readable file of CIFAR-10, got a pipe; check the path and its permissions$",
        who=tmp_path / "data_batch_4.bin",
    )


def archived(files, **options):
    return tar({f"{INNER}/{name}": content for name, content in files.items()}, **options)


def test_faults_of_an_archive(file):
    path = file(archived({**BARE, "data_batch_2.bin": BINARY[:-3]}), ARCHIVE)
    fails(load_cifar10, path, SIZES, who=f"{path}: {INNER}/data_batch_2.bin")
    path = file(archived({name: content for name, content in BARE.items() if "5" not in name}), ARCHIVE)
    fails(load_cifar10, path, "expected all six batches of CIFAR-10, got no data_batch_5; add it")
    fails(
        load_cifar10,
        file(ARCHIVED[:-20], ARCHIVE),
        r"expected an intact gzip file, got a broken one \(.*\); fetch the file again$",
    )
    fails(
        load_cifar10,
        file(b"hello" * 200, ARCHIVE),
        rf"expected {re.escape(ARCHIVE)} or one like it, got no tar archive \(.*\); give",
    )
    raw = bytearray(tar(FILES, "w"))
    raw[124:136] = b"77777777777\0"  # the size of the first member
    raw[148:156] = b"        "
    raw[148:156] = b"%06o\0 " % sum(raw[:512])
    fails(
        load_cifar10,
        file(bytes(raw), ARCHIVE),
        "expected an archive of at most 268,435,456 bytes, got one that claims more; give",
    )
    link = tarfile.TarInfo(f"{INNER}/{TEST}.bin")
    link.type, link.linkname = tarfile.SYMTYPE, "/dev/zero"
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.addfile(link)
    fails(load_cifar10, file(content.getvalue(), ARCHIVE), "expected all six batches of CIFAR-10, got no data_batch_1")


def test_an_archive_with_two_batches_of_one_name(file):
    what = rf"expected one {TEST}.bin in the archive, got another, 'other/{TEST}.bin'; give the archive of CIFAR-10$"
    fails(load_cifar10, file(tar({**FILES, f"other/{TEST}.bin": BINARY}), ARCHIVE), what)


def test_an_archive_that_ends_early(file):
    raw = tar(FILES, "w")
    for length in (100, 512, 700, 512 + 2 * RECORD - 1, len(raw) // 2):
        path = file(raw[:length], ARCHIVE)
        with pytest.raises(DataError, match=f"^{re.escape(str(path))}"):
            load_cifar10(path)


def test_an_archive_that_ends_early_in_a_file_that_is_not_needed(file):
    raw = tar({**FILES, f"{INNER}/readme.html": b"x" * 1000}, "w")
    start = raw.index(b"x" * 1000)
    what = rf"expected 1,000 bytes of '{INNER}/readme.html', got 300; fetch the archive again, as it was cut short$"
    fails(load_cifar10, file(raw[: start + 300], ARCHIVE), what)


def test_an_archive_of_zeros_is_not_unpacked_for_ever(file, monkeypatch):
    monkeypatch.setattr(module, "_MOST_UNPACKED", MB)
    path = file(tar({"zeros": bytes(3 * MB), **FILES}), ARCHIVE)
    assert path.stat().st_size < MB
    fails(load_cifar10, path, "expected an archive of at most 1,048,576 bytes, got one that claims more")


@given(changes=st.lists(st.tuples(st.integers(0, 1023), st.integers(0, 255)), min_size=1, max_size=5))
@settings(max_examples=100, deadline=None)
def test_mutations_of_an_archive_are_a_set_or_a_fault(tmp_path_factory, changes):
    content = bytearray(tar(FILES, "w"))
    for place, value in changes:
        content[place if place < 512 else place - 512 + 7168] = value  # in the first or the second header
    path = tmp_path_factory.getbasetemp() / "mutated.tar"
    path.write_bytes(content)
    try:
        found = load_cifar10(path)
    except DataError as fault:
        one_sentence(fault, path)
        return
    assert found.train_images.shape[1:] == (3, 32, 32)
