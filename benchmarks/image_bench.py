"""Inference on one image and on a few: minicnn, ONNX Runtime, OpenVINO, LiteRT and PyTorch.

Every contender gets the same float32 array (N, C, H, W) and returns an array by its public call. LiteRT gets it as
(N, H, W, C), the layout of its models, made before anything is timed. The other libraries' networks are made from
minicnn's ONNX file; for LiteRT with XNNPACK from its layers in TensorFlow, converted for this number of images; and for PyTorch
from its layers, in the faster of contiguous and channels_last. Outputs are compared before anything is timed. The process is
limited to as many processors as there are threads.
Run: python benchmarks/image_bench.py [--threads N] [--networks NAME ...] [--batches N ...]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import harness
import numpy as np
from harness import ABSENT, Array, BenchmarkError, Column, Work, say

from minicnn import Conv2d, Dense, Flatten, GlobalAvgPool2d, MaxPool2d, Network, ReLU, models

BATCHES = (1, 2, 4, 8)
COLUMNS = (
    Column("network", 14),
    Column("batch", 5, "d"),
    Column("minicnn µs", 10, ".1f"),
    Column("onnx µs", 8, ".1f"),
    Column("openvino µs", 11, ".1f"),
    Column("litert µs", 9, ".1f"),
    Column("torch µs", 8, ".1f"),
    Column("/ onnx", 6, ".2f"),
    Column("/ best", 6, ".2f"),
    Column("control", 7, ".2f"),
)


def plain(filters: Sequence[int], pools: Sequence[int], size: int, **options: Any) -> Network:
    """Convolutions of 3 × 3, each with ReLU and some with maxima of 2 × 2, and one dense layer.

    Args:
        filters: of each convolution.
        pools: the convolutions that a pool follows, counted from 0.
        size: rows and columns of the colour images.
        **options: see ``Network``.
    """
    layers: list[Any] = []
    for number, count in enumerate(filters):
        layers += [Conv2d(count, 3, padding=1), ReLU(), *([MaxPool2d(2)] if number in pools else [])]
    return Network([*layers, Flatten(), Dense(10)], (3, size, size), **options)


def depthwise(**options: Any) -> Network:
    """Depthwise separable convolutions, 32 to 256 channels, on colour images of 64 × 64."""
    layers: list[Any] = [Conv2d(32, 3, stride=2, padding=1), ReLU()]
    channels = 32
    for filters, stride in ((64, 1), (128, 2), (128, 1), (256, 2)):
        layers += [Conv2d(channels, 3, stride=stride, padding=1, groups=channels), ReLU(), Conv2d(filters, 1), ReLU()]
        channels = filters
    return Network([*layers, GlobalAvgPool2d(), Dense(10)], (3, 64, 64), **options)


NETWORKS: dict[str, Callable[..., Network]] = {
    "mnist_convnet": models.mnist_convnet,
    "colour 48": lambda **options: plain((16, 32, 64, 64), range(4), 48, **options),
    "vgg 32": lambda **options: plain((32, 32, 64, 64, 128, 128), (1, 3, 5), 32, **options),
    "depthwise 64": depthwise,
    "resnet8": models.resnet8,
    "mobilenet_small": models.mobilenet_small,
    "lenet5": models.lenet5,
    "lenet5_modern": models.lenet5_modern,
}
"""Networks of the sizes that people ask for one image at a time."""


def works_of(net: Network, x: Array, threads: int) -> dict[str, Work]:
    """The timed functions, by name."""
    from peers import exported, litert

    works: dict[str, Work] = {"own": lambda: net.predict(x), "control": lambda: net.predict(x)}
    works |= exported.predicting(net, x, threads)
    works |= litert.predicting(net, x, threads)
    if harness.peer("torch") is not None:
        import torch
        from peers.torch_zoo import images_of, module_of

        for name, last in (("torch contiguous", False), ("torch last", True)):
            module, images = module_of(net, last).eval(), images_of(net, x, last)

            def work(module: Any = module, images: Any = images) -> Any:
                with torch.inference_mode():
                    return module(images).numpy()

            works[name] = work
    return works


def compare(name: str, works: dict[str, Work]) -> None:
    """Compare the outputs of all contenders.

    Raises:
        BenchmarkError: they differ.
    """
    expected: Any = works["own"]()
    for who, work in works.items():
        got: Any = work()
        worst = float(np.max(np.abs(np.asarray(got).reshape(expected.shape) - expected)) / np.max(np.abs(expected)))
        if not worst < 1e-4:
            raise BenchmarkError(f"{name}: outputs of {who} differ by {worst:.1e}; nothing was timed", code=1)


def measure(name: str, batch: int, threads: int, rounds: int, least: float) -> dict[str, Any]:
    """One row of the table."""
    net = NETWORKS[name](threads=threads, seed=1)
    x = np.random.default_rng(batch).standard_normal((batch, *net.in_shape), dtype=np.float32)
    works = works_of(net, x, threads)
    with net.inference_mode():  # the others' parameters are constants too
        compare(name, works)
        found = harness.interleaved(works, rounds, least, threads)
    us = {who: 1e6 * timing.median for who, timing in found.items()}
    peers = {who: value for who, value in us.items() if who not in ("own", "control")}
    layouts = [value for who, value in us.items() if who.startswith("torch")]
    row: dict[str, Any] = {"network": name, "batch": batch, "minicnn_us": us["own"], "onnx_us": us.get("onnx")}
    row |= {"openvino_us": us.get("openvino"), "litert_us": us.get("litert"), "torch_us": min(layouts, default=None)}
    row |= {"over_onnx": us["onnx"] / us["own"] if "onnx" in us else None}
    row |= {"over_best": min(peers.values()) / us["own"] if peers else None, "control": us["control"] / us["own"]}
    return row | {"timings": {who: timing.figures() for who, timing in found.items()}}


def benchmark(given: Sequence[str]) -> None:
    """Measure, print, write."""
    parser = harness.arguments("One image and a few: minicnn against ONNX Runtime, OpenVINO, LiteRT and PyTorch.")
    parser.add_argument("--networks", nargs="+", metavar="NAME", help="these networks alone")
    parser.add_argument("--batches", nargs="+", type=int, metavar="N", help="these numbers of images alone")
    options = parser.parse_args(given)
    harness.check_arguments(options)
    names = options.networks or [*NETWORKS][: 1 if options.quick else None]
    if unknown := [name for name in names if name not in NETWORKS]:
        raise BenchmarkError(f"expected --networks out of {'; '.join(NETWORKS)}, got {unknown[0]!r}")
    batches = options.batches or BATCHES
    if min(batches) < 1:
        raise BenchmarkError(f"expected --batches of at least 1, got {min(batches)}")
    harness.keep_to(options.threads)
    machine = harness.machine_info(options.threads, ("onnxruntime", "openvino", "ai_edge_litert", "tensorflow", "torch"))
    say(harness.machine_line(machine))
    rounds, least = options.repeats or (3 if options.quick else 11), 0.002 if options.quick else 0.03
    say(f"µs a call, float32, medians of {rounds} samples; {ABSENT}: not installed\n{harness.heading(COLUMNS)}")
    rows = []
    for name in names:
        for batch in batches:
            rows.append(measure(name, batch, options.threads, rounds, least))
            say(harness.line(COLUMNS, list(rows[-1].values())[: len(COLUMNS)]))
    say("control: minicnn against itself, 1 on a quiet machine")
    if options.json is not None:
        settings = {"threads": options.threads, "quick": options.quick, "samples": rounds, "least_s": least}
        harness.write_json(options.json, {"benchmark": "image", "machine": machine, "settings": settings, "rows": rows})


if __name__ == "__main__":
    sys.exit(harness.run("image_bench", benchmark, sys.argv[1:]))
