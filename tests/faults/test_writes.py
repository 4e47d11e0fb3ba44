"""A disk that is full, a quota, a folder that can only be read: the file that was there stays, and words say why."""

import builtins
import errno
import os
import resource
import shutil
import subprocess
from contextlib import suppress
from unittest import mock

import pytest

from faults.writers import WRITERS, kernel_cache, litter
from minicnn.errors import MinicnnError

CODES = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


def fails(writer, folder, n, words):
    """Writing this version fails in words, or without any where what is not kept is made anew; the older one stays."""
    if writer.quiet:
        writer.write(folder, n)
    else:
        with pytest.raises(MinicnnError) as caught:
            writer.write(folder, n)
        assert words in str(caught.value), f"expected {words!r} in the message, got {caught.value}"
        assert "; " in str(caught.value), "expected a hint"
    assert writer.holds(folder, n - 1)
    assert litter(folder) == []


def room_again(writer, folder, n):
    writer.write(folder, n)
    assert writer.holds(folder, n)
    assert litter(folder) == []


@pytest.mark.parametrize("code", CODES, ids=lambda code: errno.errorcode[code])
@pytest.mark.parametrize("name", WRITERS)
def test_a_file_that_cannot_be_opened_for_writing(tmp_path, name, code):
    writer, real = WRITERS[name], builtins.open
    writer.write(tmp_path, 1)

    def opened(file, mode="r", *more, **options):
        if any(letter in mode for letter in "wxa+") and str(tmp_path) in str(file):
            raise OSError(code, os.strerror(code), str(file))
        return real(file, mode, *more, **options)

    with mock.patch.object(builtins, "open", opened):
        fails(writer, tmp_path, 2, os.strerror(code).lower())
    room_again(writer, tmp_path, 3)


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_that_may_not_become_as_large(tmp_path, name):
    """Half of it is written, as by a quota or a disk that becomes full in the middle."""
    writer = WRITERS[name]
    writer.write(tmp_path, 1)
    sizes = [path.stat().st_size for path in tmp_path.rglob("*") if path.is_file() and "pictures" not in path.parts]
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (max(1, max(sizes) // 2), old[1]))
    try:
        fails(writer, tmp_path, 2, "file too large")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    room_again(writer, tmp_path, 3)


def test_a_line_of_a_log_that_finds_room_for_a_part_of_it_is_taken_back(tmp_path):
    from faults.writers import epoch, read_csv, write_csv
    from minicnn import OutputError
    from minicnn.train import CSVLog

    write_csv(tmp_path, 3)
    log, old = CSVLog(tmp_path / "log.csv"), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "log.csv").stat().st_size + 10, old[1]))
    try:
        with pytest.raises(
            OutputError, match="expected to write a log of epochs, got file too large; give CSVLog another file"
        ):
            log.on_epoch_end(epoch(4))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert read_csv(tmp_path) == 3
    log.on_epoch_end(epoch(4))
    assert read_csv(tmp_path) == 4


# --- a file system of its own ---


@pytest.fixture
def small(tmp_path):
    """A file system of eight megabytes."""
    place = tmp_path / "small"
    place.mkdir()
    if os.geteuid() or not shutil.which("mount"):
        pytest.skip("only root may mount one")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"none can be mounted: {done.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place):
    """Take all the room that is left."""
    with suppress(OSError), open(place / "filler", "wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))
    assert shutil.disk_usage(place).free == 0


@pytest.mark.parametrize("name", WRITERS)
def test_a_disk_that_is_full(small, name):
    writer = WRITERS[name]
    writer.write(small, 1)
    fill(small)
    fails(writer, small, 2, "no space left on device")
    (small / "filler").unlink()
    room_again(writer, small, 3)


@pytest.mark.parametrize("name", WRITERS)
def test_a_disk_that_can_only_be_read(small, name):
    writer = WRITERS[name]
    writer.write(small, 1)
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    fails(writer, small, 2, "read-only file system")
    subprocess.run(["mount", "-o", "remount,rw", str(small)], check=True)
    room_again(writer, small, 3)


def test_a_kernel_cache_on_a_full_disk_is_no_error_and_gives_no_wrong_kernel(small):
    writer = WRITERS["kernel cache"]
    fill(small)
    writer.write(small, 0)
    assert writer.read(small) == -1
    assert kernel_cache(small) is None or litter(small) == []
