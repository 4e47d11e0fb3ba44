"""The lock of a folder, with processes that are killed, and with file systems that cannot lock."""

import errno
import json
import os
import re
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from minicnn import OptionError
from minicnn.data import outfile, system
from minicnn.train import folder_lock
from minicnn.train.folder_lock import LOCK, FolderLock, Holder, prepare

HOLD = """
import sys, time
from minicnn.train.folder_lock import FolderLock
with FolderLock({folder!r}):
    print("held", flush=True)
    {then}
"""


def start(python, folder, then="time.sleep(100)"):
    """A process that has the lock."""
    process = python.start(HOLD.format(folder=str(folder), then=then))
    assert process.stdout.readline() == "held\n"
    return process


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_is_made_and_left_clean(tmp_path):
    with FolderLock(tmp_path / "a" / "b"):
        assert names(tmp_path / "a" / "b") == [LOCK]
        assert json.loads((tmp_path / "a" / "b" / LOCK).read_text())["pid"] == os.getpid()
    assert names(tmp_path / "a" / "b") == []


def test_another_process_is_named_and_its_death_breaks_its_lock(python, tmp_path):
    process = start(python, tmp_path / "run")
    host = re.escape(os.uname().nodename)
    message = (
        rf"^--out: expected a folder that no other run writes to, got {tmp_path}/run, "
        rf"where process {process.pid} on '{host}' does; wait until it ends, or give another folder$"
    )
    with pytest.raises(OptionError, match=message), FolderLock(tmp_path / "run", "--out"):
        pass
    process.kill()  # and not waited for: it stays in the table of processes
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            with FolderLock(tmp_path / "run"):
                assert json.loads((tmp_path / "run" / LOCK).read_text())["pid"] == os.getpid()
            break
        except OptionError:
            time.sleep(0.01)  # the kernel is still ending it
    else:
        pytest.fail("expected a dead process's lock to be broken")
    assert names(tmp_path / "run") == []


def test_what_a_killed_process_left_half_written_goes_and_what_is_being_written_stays(python, tmp_path):
    part = "import os; from minicnn.data.outfile import outfile as o; "
    part += "os.fsync = lambda n: (print('half', flush=True), time.sleep(100)); "
    part += f"file = o({str(tmp_path / 'net')!r}, 'a net'); file.__enter__().write(b'1234'); file.__exit__(None, None, None)"
    process = start(python, tmp_path, part)
    assert process.stdout.readline() == "half\n"
    assert [bool(outfile.PART.fullmatch(name)) for name in names(tmp_path)] == [True, False]
    with pytest.raises(OptionError), FolderLock(tmp_path):
        pass
    outfile.sweep(tmp_path)  # as another program would that took the folder for its own
    assert len(names(tmp_path)) == 2
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    (tmp_path / "mine.part").touch()
    with FolderLock(tmp_path):
        assert names(tmp_path) == [LOCK, "mine.part"]


def test_processes_take_turns(python, tmp_path):
    """Each reads a number, waits, and writes the next one: without the lock some would be lost."""
    code = f"""
import os, time
from pathlib import Path
from minicnn import OptionError
from minicnn.train.folder_lock import FolderLock
done, count = 0, Path({str(tmp_path / "count")!r})
while done < 20:
    try:
        with FolderLock({str(tmp_path / "run")!r}):
            value = int(count.read_text())
            time.sleep(0.001)
            count.write_text(str(value + 1))
            done += 1
    except OptionError as error:
        assert "that no other run writes to" in str(error), error
"""
    (tmp_path / "count").write_text("0")
    for process in [python.start(code) for _ in range(3)]:
        python.finish(process)
    assert (tmp_path / "count").read_text() == "60"
    assert names(tmp_path / "run") == []


def test_the_thread_that_has_it_may_enter_again_and_no_other(tmp_path):
    with FolderLock(tmp_path), FolderLock(tmp_path / "." / ""):
        with ThreadPoolExecutor(1) as other, pytest.raises(OptionError, match=f"process {os.getpid()} on"):
            other.submit(FolderLock(tmp_path).__enter__).result()
        assert names(tmp_path) == [LOCK]
    assert names(tmp_path) == []


def test_the_child_of_a_fork_has_no_lock_of_its_parent(python, tmp_path):
    fork = "import os; child = os.fork(); child or time.sleep(100); print(child, flush=True)"
    process = start(python, tmp_path, fork)
    child = int(process.stdout.readline())
    process.wait(20)
    try:
        with FolderLock(tmp_path):
            os.kill(child, 0)
    finally:
        os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("content", ["", "x" * 5000, "[]", '{"pid": 1}', "null", "\x00\xff", "[" * 3000])
def test_a_lock_that_names_nobody_is_broken(tmp_path, content):
    (tmp_path / LOCK).write_text(content)
    with FolderLock(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()


def leave(folder, **changes):
    """The lock of a process that is no more, or runs elsewhere."""
    (folder / LOCK).write_text(json.dumps(vars(Holder.here()) | changes))


def test_a_lock_of_another_machine_stays(tmp_path):
    leave(tmp_path, pid=7, host="node7", boot="")
    message = "where process 7 on 'node7' does; wait until it ends, delete .lock there if it has, or give another folder"
    for _ in range(2):
        with pytest.raises(OptionError, match=message), FolderLock(tmp_path):
            pass
    leave(tmp_path, pid=7, host="node7")  # a container on this machine, which has gone
    with FolderLock(tmp_path):
        pass


def test_where_files_cannot_be_locked_the_process_that_is_named_counts(tmp_path, monkeypatch):
    def cannot(*_):
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(system.fcntl, "flock", cannot)
    leave(tmp_path)
    message = f"process {os.getpid()} on .* does; wait until it ends, delete .lock there if it has, or"
    with pytest.raises(OptionError, match=message), FolderLock(tmp_path):
        pass
    leave(tmp_path, started=1)  # another process of that number
    with FolderLock(tmp_path):
        pass
    ended = subprocess.Popen(["true"])
    leave(tmp_path, pid=ended.pid, started=folder_lock._started(ended.pid) or 1)
    ended.wait()
    with FolderLock(tmp_path):
        pass
    monkeypatch.setattr(folder_lock, "_started", lambda pid: 0)  # a system without /proc
    leave(tmp_path, pid=ended.pid)
    with FolderLock(tmp_path):
        pass
    leave(tmp_path)
    with pytest.raises(OptionError, match=message), FolderLock(tmp_path):
        pass


def test_any_number_may_look_whether_a_folder_can_be_written_to(tmp_path):
    with ThreadPoolExecutor(8) as several:
        for done in [several.submit(prepare, tmp_path / "new", "--out") for _ in range(1000)]:
            done.result()
    assert names(tmp_path / "new") == []


def words_of_python(name):
    """Why a folder of such a name cannot be, in words that are not those of every Python."""
    with pytest.raises(ValueError, match="embedded null") as caught:
        os.mkdir(name)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("file", "File exists"),
        ("file/below", "Not a directory"),
        ("nul\0", words_of_python("nul\0")),
        ("x" * 300, "File name too long"),
    ],
)
def test_a_folder_that_cannot_be(tmp_path, name, reason):
    (tmp_path / "file").touch()
    with pytest.raises(OptionError) as caught, FolderLock(tmp_path / name, "--out"):
        pass
    assert str(caught.value) == f"--out: expected a folder to write to, got {tmp_path / name}: {reason}; give another folder"


def test_a_full_disk_is_said(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(folder_lock.os, "write", full)
    with (
        pytest.raises(OptionError, match=r"expected a folder to write to, got .*: No space left on device; give"),
        FolderLock(tmp_path),
    ):
        pass
    monkeypatch.undo()
    with FolderLock(tmp_path):
        pass


def test_a_folder_that_is_removed_meanwhile(tmp_path):
    with FolderLock(tmp_path / "run"):
        (tmp_path / "run" / LOCK).unlink()
        (tmp_path / "run").rmdir()
    assert names(tmp_path) == []


def test_threads_take_turns(tmp_path):
    inside, most = [], []

    def work():
        for _ in range(50):
            try:
                with FolderLock(tmp_path):
                    inside.append(threading.get_ident())
                    most.append(len(inside))
                    inside.remove(threading.get_ident())
            except OptionError:
                pass

    with ThreadPoolExecutor(4) as several:
        for done in [several.submit(work) for _ in range(4)]:
            done.result()
    assert max(most) == 1
