"""Trains on more data than memory: ``python tests/faults/larger.py [MEGABYTES]``, of which an eighth may be in memory.

The process that reads the file is in a control group of its own whose memory, cached pages of files included, is limited; that
needs root and version 1 of control groups. Without them its own memory alone is limited. It prints how long a step takes beside
one from an array in memory, and how much memory the reader took.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import minicnn as m
from minicnn.data import ImageFolder, Normalise, Pixels, read_idx, shuffled
from minicnn.train import Dataset
from minicnn.train.read_ahead import ReadAhead

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from faults.writers import pictures

GROUPS = Path("/sys/fs/cgroup/memory")
SIDE, BATCH, STEPS = 28, 32, 400
BLOCK = 256
FORMS = ("idx", "npy", "pictures")


def write(path: Path, form: str, count: int) -> None:
    """A file of so many images, a piece at a time."""
    shape, piece = (count, SIDE, SIDE), 10_000
    with path.open("wb") as file:
        if form == "idx":
            file.write(np.array([0x0803, *shape], ">u4").tobytes())
        else:
            np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for start in range(0, count, piece):
            file.write(images(start, min(count, start + piece)).tobytes())
        file.flush()
        os.fsync(file.fileno())
    forget(path)


def forget(path: Path) -> None:
    """Let the system drop the cached pages of a file: they count where they were read first."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def images(first: int, end: int) -> np.ndarray:
    """Images by their numbers, of which no two near each other are equal."""
    numbers = np.arange(first, end, dtype=np.uint32)[:, None]
    pixels = numbers * np.uint32(2654435761) + np.arange(SIDE * SIDE, dtype=np.uint32) * np.uint32(40503)
    return (pixels >> 24).astype(np.uint8).reshape(-1, SIDE, SIDE)


def opened(path: Path, form: str) -> np.ndarray:
    """The file as an array whose elements are read as they are needed."""
    return read_idx(path, memory_map=True) if form == "idx" else np.load(path, mmap_mode="r")


class Training:
    """Steps of the classic network on shuffled images."""

    def __init__(self, given: np.ndarray, seed: int = 0) -> None:
        self.net, self.sgd, self.loss = m.models.lenet5(threads=1), m.SGD(1e-3), m.MSE(1, -1)
        fit = "pad" if given.shape[1] <= 32 else "resize"
        self.source, self.labels = Pixels(given, Normalise(scale=1 / 255, shift=0.0), 32, fit), np.arange(len(given)) % 10
        self.order = shuffled(np.arange(len(given)), seed, 0, BLOCK)
        self.ahead = ReadAhead(Dataset(given, self.labels), BLOCK)
        self.next = 0

    def steps(self, count: int) -> float:
        """So many steps; seconds for one."""
        started = time.perf_counter()
        for _ in range(count):
            self.ahead.before(self.order, self.next * BATCH % (len(self.order) // BATCH * BATCH))
            chosen, then = (np.take(self.order, self._batch(k), mode="wrap") for k in (0, 1))
            self.net.score_and_grads(self.loss, self.source, self.labels, chosen, then)
            self.sgd.step(self.net)
            self.next += 1
        return (time.perf_counter() - started) / count

    def _batch(self, ahead: int) -> np.ndarray:
        return np.arange(BATCH) + (self.next + ahead) * BATCH


@contextmanager
def limited(memory: int) -> Iterator[str]:
    """A limit for this process's memory and the cached pages of its files, or for its own alone; says which."""
    group = GROUPS / f"minicnn-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(memory))
        (group / "cgroup.procs").write_text(str(os.getpid()))
    except OSError:
        with own_limited(memory):
            yield f"its own memory limited to {memory >> 20} MB"
        return
    try:
        yield f"memory and cached pages limited to {memory >> 20} MB"
    finally:
        (GROUPS / "cgroup.procs").write_text(str(os.getpid()))
        group.rmdir()


@contextmanager
def own_limited(more: int) -> Iterator[None]:
    """This process may allocate so many bytes more; mapped files do not count."""
    old = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (own("VmData") + more, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, old)


def own(name: str) -> int:
    """Bytes of this process, by their name in its status."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status[name].split()[0]) << 10


def compare(path: Path, memory: int) -> None:
    """Print how long steps take from the file and from memory, turn by turn, and what the reader took."""
    here = Training(read_idx(path))
    forget(path)
    here.steps(20)
    reader = f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r}); from faults.larger import serve; serve()"
    command = [sys.executable, "-c", reader, str(path), "idx", str(memory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin
        assert child.stdout

        def ask(words: str) -> list[str]:
            print(words, file=child.stdin, flush=True)
            return child.stdout.readline().split("\t")

        words = ask("0")[0]
        mapped, memory_of, again = [], [], []
        for _ in range(9):
            memory_of.append(here.steps(STEPS))
            mapped.append(float(ask(str(STEPS))[0]))
            again.append(here.steps(STEPS))
        took = [int(value) for value in ask("end")]
    ratio = statistics.median(2 * file / (first + second) for first, file, second in zip(memory_of, mapped, again, strict=True))
    a, b, c = (1e3 * statistics.median(times) for times in (memory_of, mapped, again))
    print(f"{path.stat().st_size / 1e6:,.0f} MB, {words.strip()}, {9 * STEPS:,} steps of {BATCH} shuffled images:")
    print(f"a step from memory {a:.3f} ms, from the file {b:.3f} ms ({100 * (ratio - 1):+.1f} %), from memory again {c:.3f} ms")
    print(f"the reader's own memory grew by {(took[1] - took[0]) / 1e6:.1f} MB")


def serve() -> None:
    """The process that reads the file: takes steps as it is told by lines, and answers."""
    path, form, memory = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    training = Training(opened(path, form))
    training.steps(20)  # what is loaded and compiled would take the limit of the first steps otherwise
    forget(path)
    sys.stdin.readline()
    with limited(memory) as words:
        before = own("RssAnon")
        print(words, flush=True)
        for line in sys.stdin:
            if line == "end\n":
                break
            print(training.steps(int(line)), flush=True)
        print(before, own("RssAnon"), sep="\t", flush=True)


def keeps_to(folder: Path, form: str, size: int, most: int) -> tuple[int, bool]:
    """Train on a file of a form while only so many bytes may be allocated.

    Returns:
        By how much the process grew, and whether there was room to read the file into memory, which there should not be.
    """
    path = folder / "images"
    if form != "pictures":
        write(path, form, size // SIDE**2)
    warm = Training(np.zeros((64, 64, 64), np.uint8) if form == "pictures" else images(0, 640))
    warm.steps(3)  # the compiler takes more memory than the data
    before = own("RssAnon")
    with own_limited(most):
        if form == "pictures":
            side = int((size / 40) ** 0.5)
            given = ImageFolder(pictures(folder), (side, side), 1, "stretch", memory_map=folder / "pixels.npy").images
        else:
            given = opened(path, form)
        training = Training(given)
        training.steps(4 if form == "pictures" else 50)
        try:
            fits = len(np.array(given)) > 0
        except MemoryError:
            fits = False
    return own("RssAnon") - before, fits


def main() -> None:
    """Make a file, and compare."""
    size = (int(sys.argv[1]) if len(sys.argv) > 1 else 1024) << 20
    with tempfile.TemporaryDirectory() as folder:
        path, count = Path(folder, "images"), size // SIDE**2
        write(path, "idx", count)
        compare(path, max(size // 8, 32 << 20))


if __name__ == "__main__":
    main()
