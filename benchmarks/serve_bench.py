"""Serving over HTTP with batching on and off: requests a second and their times, with clients that wait for their answers.

Run: python benchmarks/serve_bench.py [--seconds 60] [--clients 64] [--malformed 10000] [--threads 2] [--json FILE]
The services run as processes of their own beside the clients, on the same processors, and take turns of 20 seconds.
"""

from __future__ import annotations

import io
import random
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import harness
import numpy as np
from harness import Column, say
from harness.http_clients import Answers, each_once, for_a_while, request
from PIL import Image

from minicnn import Classifier, models

COLUMNS = (
    Column("model", 14),
    Column("batching", 8),
    Column("requests/s", 10, ".0f"),
    Column("median ms", 9, ".1f"),
    Column("p99 ms", 8, ".1f"),
    Column("refused", 7, "d"),
    Column("on / off", 8, ".2f"),
)
MODELS = {"lenet5_modern": (1, 28, 28), "resnet8": (3, 32, 32)}
TURN = 20.0
"""Seconds. Each turn begins with all clients connecting at once, which takes longer than what follows."""


def model_file(name: str, folder: Path) -> Path:
    """A model as ``minicnn train`` writes it, hardly trained, which takes the same time as one that is."""
    images = np.random.default_rng(0).integers(0, 256, (80, *MODELS[name]), dtype=np.uint8)
    classifier = Classifier(getattr(models, name)(), layout="NCHW")
    classifier.fit(images, np.arange(80) % 10, epochs=1, log=None)
    classifier.save(folder / f"{name}.safetensors")
    return folder / f"{name}.safetensors"


def picture(shape: tuple[int, ...]) -> bytes:
    """A PNG of the network's size."""
    image = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(image[0] if shape[0] == 1 else image.transpose(1, 2, 0)).save(file, "PNG")
    return file.getvalue()


@contextmanager
def serving(path: Path, batch: int, threads: int) -> Iterator[tuple[int, int]]:
    """A service, as its process's number and its port."""
    given = ["--port", "0", "--batch", batch, "--threads", threads]
    command = [sys.executable, "-m", "minicnn", "serve", path, *given]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        found = re.search(r":(\d+)/predict", line)
        if found is None:
            raise harness.BenchmarkError(f"expected a service that starts, got {line!r}")
        yield process.pid, int(found[1])
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()


def resident(process: int) -> int:
    """Memory of a process in MB."""
    return int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text())[0]) // 1024


def malformed(count: int, body: bytes) -> list[bytes]:
    """Requests with mutated pictures, of types that are none, without an end, and bytes that are no request."""
    rng, made = random.Random(0), []
    for n in range(count):
        changed = bytearray(body)
        changed[rng.randrange(8)] ^= 1 + rng.randrange(255)  # no longer a PNG
        kinds = {0: request(bytes(changed)), 1: request(body, "text/html"), 2: request(bytes(changed), "application/json")}
        made.append(kinds[n % 4] if n % 4 < 3 else b"POST /predict HTTP/1.1\r\nContent-Length: x\r\n\r\n")
    return made


def row(name: str, batching: str, found: Sequence[Answers], off: float | None) -> dict[str, Any]:
    """A row of the table, of all turns together."""
    times = np.sort(np.concatenate([each.times for each in found])) * 1e3
    rate = float(np.median([each.statuses.get(200, 0) / each.seconds for each in found]))
    failed = sum(number for each in found for status, number in each.statuses.items() if status != 200)
    median, p99 = (float(times[int(len(times) * share)]) for share in (0.5, 0.99))
    known = {"model": name, "batching": batching, "rate": rate, "median_ms": median, "p99_ms": p99, "failed": failed}
    return known | {"ratio": None if off is None else rate / off}


def measure(name: str, options: Any, folder: Path) -> list[dict[str, Any]]:
    """Both rows of one model."""
    path, body = model_file(name, folder), picture(MODELS[name])
    found: dict[int, list[Answers]] = {64: [], 1: []}
    with serving(path, 64, options.threads) as (_, on), serving(path, 1, options.threads) as (_, off):
        ports = {64: on, 1: off}
        for port in ports.values():
            for_a_while(port, request(body), options.clients, 1)
        turns = max(1, round(options.seconds / TURN))
        for _ in range(turns):
            for batch, port in ports.items():
                found[batch].append(for_a_while(port, request(body), options.clients, options.seconds / turns))
    without = row(name, "off", found[1], None)
    return [row(name, "on", found[64], without["rate"]), without]


def attack(options: Any, folder: Path) -> dict[str, Any]:
    """Malformed requests: their answers, and the service's memory before and after."""
    name = "lenet5_modern"
    path, body = model_file(name, folder), picture(MODELS[name])
    with serving(path, 64, options.threads) as (process, port):
        each_once(port, malformed(1000, body), options.clients)
        before = resident(process)
        found = each_once(port, malformed(options.malformed, body), options.clients)
        after = resident(process)
        good = each_once(port, [request(body)], 1)
    return {"statuses": found.statuses, "before_mb": before, "after_mb": after, "then": good.statuses}


def benchmark(given: Sequence[str]) -> None:
    """Measure, print, write."""
    parser = harness.arguments("Serving over HTTP: batching on against off.")
    parser.add_argument("--seconds", type=float, default=60, metavar="S", help="for each service, in turns (default 60)")
    parser.add_argument("--clients", type=int, default=64, metavar="N", help="clients that ask at once (default 64)")
    parser.add_argument("--malformed", type=int, default=10_000, metavar="N", help="malformed requests (default 10000)")
    options = parser.parse_args(given)
    harness.check_arguments(options)
    if options.quick:
        options.seconds, options.clients, options.malformed = 1.0, 8, 100
    machine = harness.machine_info(options.threads, peers=())
    say(f"{harness.machine_line(machine)}\n{options.clients} clients, {options.seconds:g} s each, in turns")
    say(harness.heading(COLUMNS))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in MODELS:
            rows += measure(name, options, Path(folder))
            for each in rows[-2:]:
                say(harness.line(COLUMNS, list(each.values())))
        hostile = attack(options, Path(folder))
    answers = ", ".join(f"{number} × {status}" for status, number in sorted(hostile["statuses"].items()))
    memory = f"{hostile['before_mb']} MB before, {hostile['after_mb']} MB after"
    say(f"{options.malformed} malformed requests: {answers}; memory of the service {memory}")
    if options.json is not None:
        settings = {"seconds": options.seconds, "clients": options.clients}
        report = {"benchmark": "serve", "machine": machine, "settings": settings, "rows": rows, "malformed": hostile}
        harness.write_json(options.json, report)


if __name__ == "__main__":
    sys.exit(harness.run("serve_bench", benchmark, sys.argv[1:]))
