"""Inference on 1, 32 and 256 images: minicnn, ONNX Runtime and PyTorch.

All get the same float32 array (N, C, H, W) and return an array (N, 10) by their public call: ``net.predict(x)``,
``session.run(None, {"x": x})``, and the module under ``inference_mode`` in the faster of contiguous and channels_last,
conversion included. Outputs are compared before timing. The process is limited to as many processors as there are threads, and
all its threads are idle before every sample. Run: python benchmarks/infer_bench.py
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import harness
import numpy as np
from harness import ABSENT, Array, BenchmarkError, Column, Work, say
from harness.cases import CASES, Case

from minicnn import Network

BATCHES = (1, 32, 256)
COLUMNS = (
    Column("network", 14),
    Column("batch", 5, "d"),
    Column("minicnn µs", 10, ".1f"),
    Column("onnx µs", 8, ".1f"),
    Column("torch µs", 8, ".1f"),
    Column("layout", 10),
    Column("/ onnx", 6, ".2f"),
    Column("/ best", 6, ".2f"),
    Column("control", 7, ".2f"),
)


def torch_works(case: Case, net: Network, x: Array) -> dict[str, Work]:
    """PyTorch in both memory formats."""
    import torch
    from peers.torch_peers import MODULES

    works: dict[str, Work] = {}
    for name, form in (("contiguous", torch.contiguous_format), ("last", torch.channels_last)):
        module: Any = MODULES[case.name](net)
        module.to(memory_format=form)

        def work(module: Any = module, form: Any = form) -> Any:
            with torch.inference_mode():
                return module(torch.from_numpy(x).contiguous(memory_format=form)).numpy()

        works[f"torch {name}"] = work
    return works


def works_of(case: Case, net: Network, x: Array, threads: int) -> dict[str, Work]:
    """The timed functions, by name."""
    works: dict[str, Work] = {"own": lambda: net.predict(x), "control": lambda: net.predict(x)}
    if harness.peer("onnxruntime") is not None and harness.peer("onnx") is not None:
        from peers import onnx_peer

        session = onnx_peer.session(net, threads)
        works["onnx"] = lambda: session.run(None, {"x": x})[0]
    if harness.peer("torch") is not None:
        works |= torch_works(case, net, x)
    return works


def compare(case: Case, works: Mapping[str, Any]) -> None:
    """Compare the outputs of all contenders.

    Raises:
        BenchmarkError: they differ.
    """
    expected = works["own"]()
    for name, work in works.items():
        worst = float(np.max(np.abs(work() - expected)) / np.max(np.abs(expected)))
        if not worst < 1e-4:
            raise BenchmarkError(f"{case.name}: outputs of {name} differ by {worst:.1e}; nothing was timed", code=1)


def measure(case: Case, batch: int, threads: int, rounds: int, least: float) -> dict[str, Any]:
    """One row of the table."""
    net = case.make(threads=threads, seed=1)
    x = np.random.default_rng(batch).standard_normal((batch, *net.in_shape), dtype=np.float32)
    works = works_of(case, net, x, threads)
    compare(case, works)
    found = harness.interleaved(works, rounds, least, threads)
    us = {name: 1e6 * timing.median for name, timing in found.items()}
    peers = {name: value for name, value in us.items() if name not in ("own", "control")}
    layout = min((name for name in peers if name.startswith("torch")), key=lambda name: us[name], default=None)
    row = {"network": case.name, "batch": batch, "minicnn_us": us["own"], "onnx_us": us.get("onnx")}
    row |= {"torch_us": layout and us[layout], "layout": layout.split()[1] if layout else ABSENT}
    row |= {"over_onnx": us["onnx"] / us["own"] if "onnx" in us else None}
    row |= {"over_best": min(peers.values()) / us["own"] if peers else None, "control": us["control"] / us["own"]}
    return row | {"timings": {name: timing.figures() for name, timing in found.items()}}


def benchmark(given: Sequence[str]) -> None:
    """Measure, print, write."""
    parser = harness.arguments("Inference: minicnn against ONNX Runtime and PyTorch.")
    options = parser.parse_args(given)
    harness.check_arguments(options)
    harness.keep_to(options.threads)
    machine = harness.machine_info(options.threads, ("torch", "onnxruntime"))
    say(harness.machine_line(machine))
    rounds, least = options.repeats or (3 if options.quick else 11), 0.002 if options.quick else 0.03
    say(f"µs a call, float32, medians of {rounds} samples\n{harness.heading(COLUMNS)}")
    cases = [case for case in CASES if case.name != "lenet5, floats"]
    rows = []
    for case in cases[:1] if options.quick else cases:
        for batch in BATCHES:
            rows.append(measure(case, batch, options.threads, rounds, least))
            say(harness.line(COLUMNS, list(rows[-1].values())[: len(COLUMNS)]))
    say("control: minicnn against itself, 1 on a quiet machine")
    if options.json is not None:
        settings = {"threads": options.threads, "quick": options.quick, "samples": rounds, "least_s": least}
        harness.write_json(options.json, {"benchmark": "infer", "machine": machine, "settings": settings, "rows": rows})


if __name__ == "__main__":
    sys.exit(harness.run("infer_bench", benchmark, sys.argv[1:]))
