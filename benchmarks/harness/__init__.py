"""Shared by all benchmarks: interleaved timing, statistics, the peak of the vector unit, machine data, tables and JSON.

``interleaved`` runs a benchmark's contenders in turn, A B C A B C …, so that other load on the machine affects all of them.
Every figure comes with its spread.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numba
import numpy as np

import minicnn
from minicnn import backends
from minicnn.backends.cpu.compile.host import HOST
from minicnn.backends.cpu.compile.jit import LOG, kernel
from minicnn.backends.cpu.compile.mode import CHECK, INTERPRET
from minicnn.backends.cpu.tiles import tile_outer, tile_store, tile_width, tile_zeros
from minicnn.backends.executor import Executor
from minicnn.backends.processors import usable_cpus
from minicnn.backends.program import Program, Task
from minicnn.cli.console import path, program
from minicnn.cli.streams import shown
from minicnn.engine.record import Recorder

Array = np.ndarray[Any, Any]
Work = Callable[[], object]

ABSENT = "–"
"""Shown in a table if there is no figure."""


class BenchmarkError(Exception):
    """A benchmark that cannot go on, in one sentence.

    Args:
        message: the sentence.
        code: the exit code: 2 for a wrong request, 1 for wrong results.
    """

    def __init__(self, message: str, code: int = 2) -> None:
        super().__init__(message)
        self.code = code


# --- timing ---


@dataclass(frozen=True)
class Timing:
    """How long one call of a contender took.

    Attributes:
        samples: mean seconds for a call, one number for each round.
        calls: the number of calls in each sample.
    """

    samples: tuple[float, ...]
    calls: int

    @property
    def median(self) -> float:
        """The middle sample."""
        return statistics.median(self.samples)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The lower and the upper quartile: half of the samples lie between them."""
        low, high = np.percentile(self.samples, [25, 75])
        return float(low), float(high)

    @property
    def spread(self) -> float:
        """The distance between the quartiles as a share of the median."""
        low, high = self.quartiles
        return (high - low) / self.median

    def figures(self) -> dict[str, Any]:
        """The figures for JSON."""
        low, high = self.quartiles
        figures = {"median_s": self.median, "quartile_1_s": low, "quartile_3_s": high}
        figures |= {"min_s": min(self.samples), "max_s": max(self.samples)}
        return {**figures, "spread": self.spread, "samples": len(self.samples), "calls": self.calls}


class Looped:
    """A contender that makes several calls in one, such as training steps inside one graph.

    Args:
        loop: makes so many of them.
    """

    def __init__(self, loop: Callable[[int], object]) -> None:
        self.loop = loop

    def __call__(self) -> object:
        """One call."""
        return self.loop(1)


def interleaved(contenders: Mapping[str, Work], rounds: int, least: float, threads: int = 1) -> dict[str, Timing]:
    """Time the contenders in turn, A B C A B C ….

    Every contender is called untimed: once to warm up, thrice to find the number of calls in a sample, and once before every
    sample, so that no sample starts with the caches of another contender.

    Args:
        contenders: the functions to call, by name.
        rounds: the number of samples for each contender.
        least: the approximate least seconds of a sample.
        threads: the number of threads the contenders use; if above 1, ``settle`` is called before every sample.
    """
    with quiet_collector():
        calls = {name: calls_for(work, least) for name, work in contenders.items()}
        samples: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(rounds):
            for name, work in contenders.items():
                if threads > 1:
                    settle()
                work()
                samples[name].append(seconds(work, calls[name]))
    return {name: Timing(tuple(samples[name]), calls[name]) for name in contenders}


def calls_for(work: Work, least: float) -> int:
    """The number of calls that take ``least`` seconds, at least one, by the fastest of three after a warm-up."""
    work()
    return max(1, math.ceil(least / max(1e-9, min(seconds(work, 1) for _ in range(3)))))


def seconds(work: Work, calls: int) -> float:
    """Mean seconds of a call over this many calls."""
    turns = range(calls)
    started = time.perf_counter()
    if isinstance(work, Looped):
        work.loop(calls)
    else:
        for _ in turns:
            work()
    return (time.perf_counter() - started) / calls


@contextmanager
def quiet_collector() -> Iterator[None]:
    """Keep Python's garbage collector out of the timing."""
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


PAUSE = 0.005
"""Seconds of one pause in ``settle``: the system updates the CPU time of threads about every 4 ms."""


def settle(pauses: int = 20) -> None:
    """Wait until all threads of this process are idle: OpenMP's helpers spin for some 10 ms after a contender has returned."""
    for _ in range(pauses):
        before = time.process_time()
        time.sleep(PAUSE)
        if time.process_time() - before < PAUSE / 10:
            return


# --- statistics ---


def geometric_mean(values: Iterable[float]) -> float | None:
    """The geometric mean; None if there are no values.

    >>> geometric_mean([1.0, 4.0])
    2.0
    """
    logs = [math.log(v) for v in values]
    return math.exp(sum(logs) / len(logs)) if logs else None


def gflops(multiply_adds: int, timing: Timing) -> float:
    """Billions of operations per second by the median, with a multiply-add counted as two."""
    return 2e-9 * multiply_adds / timing.median


# --- the peak of the vector unit ---

PEAK_ROWS = 12 if HOST.registers >= 32 else 6
PEAK_COLUMNS = 2
PEAK_STEPS = 256
PEAK_REPEATS = 500
PEAK_SAMPLES, PEAK_SECONDS = 25, 0.005


@kernel
def multiply_add_loop(a: Array, b: Array, repeats: Array, c: Array) -> None:
    """c = repeats[0] times nothing but multiply-adds on registers: a number times two vectors, added to a tile."""
    for _ in range(repeats[0]):
        t = tile_zeros(b, PEAK_ROWS, PEAK_COLUMNS)
        for _ in range(PEAK_STEPS):
            t = tile_outer(t, a, 0, 0, 1, b, 0)  # the same operands each time, so that nothing is loaded
        tile_store(t, c, 0, PEAK_COLUMNS * tile_width(b), PEAK_ROWS)


class Peak:
    """A contender that makes as many multiply-adds per second as the project's tiles can, on every thread at once.

    Args:
        threads: the number of threads.
        dtype: the dtype of the numbers.

    Attributes:
        multiply_adds: multiply-adds of a call, over all threads.
        best: GFLOP/s of the fastest sample taken at construction, while nothing else ran.
    """

    def __init__(self, threads: int, dtype: str = "float32") -> None:
        backend = backends.get("cpu")
        self.threads, self._executor = threads, Executor(threads, backend)
        vector = PEAK_COLUMNS * HOST.width(np.dtype(dtype).itemsize)
        self.multiply_adds = threads * PEAK_REPEATS * PEAK_STEPS * PEAK_ROWS * vector
        rng = np.random.default_rng(0)
        inputs = [rng.standard_normal(n).astype(dtype) for n in (1, vector)]
        self._tasks = []
        for _ in range(threads):
            program = Program()
            output = np.empty(PEAK_ROWS * vector, dtype)
            Recorder(backend, program).call(multiply_add_loop, *inputs, np.array([PEAK_REPEATS]), output)
            self._tasks.append(Task([([program], (0, 1, 1))], np.zeros(1, np.int64)))
        samples = interleaved({"peak": self}, PEAK_SAMPLES, PEAK_SECONDS, threads)["peak"].samples
        self.best = 2e-9 * self.multiply_adds / min(samples)

    def __call__(self) -> None:
        """Run the loop once on every thread."""
        self._executor.run(self._tasks)


# --- the machine ---


def keep_to(threads: int) -> None:
    """Limit the process to as many processors as there are threads: some libraries use all they can.

    Call it before those libraries are imported. It also sets PyTorch's threads, and TensorFlow logs errors alone.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    torch = peer("torch")
    if torch is not None:
        torch.set_num_threads(threads)


def peer(name: str) -> Any | None:
    """A library to compare with, or None if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def machine_info(threads: int, peers: Sequence[str] = ("torch",)) -> dict[str, Any]:
    """The conditions of a measurement: processor, threads, vector unit and versions; None for a peer that is not installed."""
    info: dict[str, Any] = {"cpu": cpu_name(), "processors": usable_cpus(), "threads": threads, "vector_unit": HOST.name}
    versions = {"python": platform.python_version(), "numpy": np.__version__, "numba": numba.__version__}
    versions |= {"minicnn": minicnn.__version__}
    found = {name: peer(name) for name in peers}
    return info | versions | {name: getattr(module, "__version__", None) for name, module in found.items()}


def machine_line(info: Mapping[str, Any]) -> str:
    """The machine as one line of text."""
    hardware = f"{info['cpu']}, {info['vector_unit']}, {info['threads']} of {info['processors']} processors"
    known = ("cpu", "processors", "threads", "vector_unit")
    versions = (f"{name} {version or ABSENT}" for name, version in info.items() if name not in known)
    return f"{hardware}; {', '.join(versions)}"


def cpu_name() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def compile_info() -> dict[str, Any]:
    """The cost of making the kernels so far, outside all timings: seconds, all kernels, and those that no cache held."""
    return {"seconds": LOG.seconds, "kernels": LOG.bound, "compiled": len(LOG.compiled)}


def compile_line() -> str:
    """``compile_info`` as text."""
    info = compile_info()
    made = f"{info['compiled']} compiled, {info['kernels'] - info['compiled']} from the cache"
    return f"minicnn's kernels: {made}, {info['seconds']:.1f} s in all, outside of all timings"


# --- what the reader sees ---


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: the heading.
        width: the width in characters.
        form: the format of a number.
    """

    title: str
    width: int
    form: str = ""

    def cell(self, value: object) -> str:
        """A value, aligned: words to the left, numbers to the right, ``ABSENT`` for None."""
        text = shown(ABSENT if value is None else format(value, self.form if isinstance(value, int | float) else ""))
        return text.rjust(self.width) if self.form else text.ljust(self.width)


def heading(columns: Sequence[Column]) -> str:
    """The first two lines of a table."""
    known = [(shown(c.title), c) for c in columns]
    titles = "  ".join(title.rjust(c.width) if c.form else title.ljust(c.width) for title, c in known)
    return f"{titles.rstrip()}\n{'-' * len(titles)}"


def line(columns: Sequence[Column], values: Sequence[object]) -> str:
    """One row of a table."""
    return "  ".join(c.cell(v) for c, v in zip(columns, values, strict=True)).rstrip()


def say(text: str = "") -> None:
    """Print a line and flush it."""
    print(text, flush=True)


def probe(file: Path, option: str = "--json") -> None:
    """Refuse a file that cannot be written, before anything is measured.

    Raises:
        BenchmarkError: the file cannot be written.
    """
    existed = file.exists()
    try:
        file.open("a", encoding="utf-8").close()
    except OSError as error:
        raise BenchmarkError(f"cannot write {option} {file}: {(error.strerror or 'unknown error').lower()}") from None
    if not existed:
        file.unlink()


def write_json(file: Path, report: Mapping[str, Any]) -> None:
    """Write a report as JSON.

    Raises:
        BenchmarkError: the file cannot be written.
    """
    try:
        file.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise BenchmarkError(f"cannot write --json {file}: {(error.strerror or 'unknown error').lower()}") from None


# --- the command line ---


class Arguments(argparse.ArgumentParser):
    """A parser whose errors are one sentence."""

    def error(self, message: str) -> NoReturn:
        """Raise the error, so that ``run`` prints it and exits with code 2."""
        raise BenchmarkError(message)


def arguments(description: str) -> Arguments:
    """A parser with the options of every benchmark."""
    parser = Arguments(description=description)
    parser.add_argument("--json", type=path, metavar="FILE", help="write the same figures to a file")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads for every contender (default 1)")
    parser.add_argument("--quick", action="store_true", help="a small selection with few repeats")
    parser.add_argument("--repeats", type=int, metavar="N", help="samples for every figure")
    return parser


def check_arguments(options: argparse.Namespace) -> None:
    """Refuse options that cannot be measured.

    Raises:
        BenchmarkError: an option, or a mode of minicnn that makes timings meaningless.
    """
    if not 1 <= options.threads <= usable_cpus():
        limit = f"from 1 to {usable_cpus()}, the processors there are" if usable_cpus() > 1 else "1, for there is one processor"
        raise BenchmarkError(f"expected --threads {limit}, got {options.threads}")
    if options.repeats is not None and options.repeats < 1:
        raise BenchmarkError(f"expected --repeats of at least 1, got {options.repeats}")
    if INTERPRET:
        raise BenchmarkError("NUMBA_DISABLE_JIT is set, so kernels would run as plain Python; unset it to measure them")
    if CHECK:
        raise BenchmarkError("MINICNN_CHECK is set, so kernels would check their bounds; unset it to measure them")
    if options.json is not None:
        probe(options.json)


def check_one_thread(options: argparse.Namespace, what: str) -> None:
    """Refuse several threads for a benchmark of one thread.

    Raises:
        BenchmarkError: more than one thread is requested.
    """
    if options.threads > 1:
        raise BenchmarkError(f"expected --threads 1, {what} being one thread's, got {options.threads}")


def run(name: str, benchmark: Callable[[Sequence[str]], None], arguments: Sequence[str]) -> int:
    """Run a benchmark; an error becomes one sentence and an exit code."""

    @program(name)
    def main() -> int:
        try:
            benchmark(arguments)
        except BenchmarkError as error:
            print(f"{name}: {error}", file=sys.stderr)
            return error.code
        return 0

    return main()
