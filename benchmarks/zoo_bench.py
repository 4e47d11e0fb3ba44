"""Every model of the package: training against PyTorch and TensorFlow, and inference against PyTorch and ONNX Runtime.

Each model at its own shape, on the same random float32 images in memory, with the same parameters. PyTorch is the faster of
contiguous and channels_last, and with ``--compile`` also ``torch.compile``, whose compiling is not timed; it predicts under
``inference_mode``. TensorFlow trains in NHWC, with the loop over steps inside one graph. ONNX Runtime gets what PyTorch's
exporter writes, if onnx, onnxscript and onnxruntime are installed. Losses of the first steps, without dropout, what these made
of TensorFlow's parameters, and outputs are compared before anything is timed. The process is limited to as many processors as
there are threads. Run: python benchmarks/zoo_bench.py [--threads N] [--models NAME ...] [--batch N] [--compile]

With ``--memory`` it measures the peak resident size of training less that after import, each in a process of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import harness
import numpy as np
from harness import ABSENT, BenchmarkError, Column, Work, processes, say
from harness.zoo import ZOO, Model
from harness.zoo_training import BATCHES, Own, compare_training, layouts, refuse_difference, step_of, trainers

from minicnn import Network

QUICK = ("lenet5_modern", "keyword_cnn")
STEPS = 10
"""Training steps of a process whose memory is measured."""

WITH_ONNX = ("onnx", "onnxscript", "onnxruntime")

COLUMNS = (
    Column("model", 19),
    Column("what", 5),
    Column("batch", 5, "d"),
    Column("minicnn ms", 10, ".3f"),
    Column("eager ms", 9, ".3f"),
    Column("layout", 10),
    Column("compiled ms", 11, ".3f"),
    Column("tf ms", 9, ".3f"),
    Column("onnx ms", 9, ".3f"),
    Column("/ eager", 7, ".2f"),
    Column("/ best", 6, ".2f"),
    Column("control", 7, ".2f"),
)
MEMORY = (
    Column("model", 19),
    Column("batch", 5, "d"),
    Column("minicnn MB", 10, ".1f"),
    Column("torch MB", 8, ".1f"),
    Column("layout", 10),
    Column("ratio", 6, ".2f"),
)


def train(name: str, model: Model, batch: int, threads: int, compiled: bool, in_graph: bool = True) -> dict[str, Work]:
    """The timed training steps, by name."""
    x, target = model.data(BATCHES * batch)
    compare_training(name, model, x, target, batch, threads, compiled, in_graph)
    nets = [model.make(threads=threads, seed=1) for _ in range(2)]
    theirs = trainers(model, nets[0], x, target, batch, compiled, in_graph)
    ours = {who: Own(model, net, x, target, batch) for who, net in zip(("own", "control"), nets, strict=True)}
    return {who: step_of(contender) for who, contender in (ours | theirs).items()}


def infer(name: str, model: Model, batch: int, threads: int, compiled: bool) -> dict[str, Work]:
    """The timed predictions, by name."""
    x, _ = model.data(batch)
    net = model.make(threads=threads, seed=1)
    works: dict[str, Work] = {"own": lambda: net.predict(x), "control": lambda: net.predict(x)}
    if harness.peer("torch") is not None:
        works |= torch_predicting(net, x, compiled)
        if all(harness.peer(package) is not None for package in WITH_ONNX):
            from peers import onnx_zoo

            works["onnx"] = onnx_zoo.predicting(net, x, threads)
    expected = np.asarray(works["own"]())
    for who, work in works.items():
        refuse_difference(f"{name}: outputs of {who}", work(), expected, 1e-4)
    return works


def torch_predicting(net: Network, x: Any, compiled: bool) -> dict[str, Work]:
    """PyTorch's predictions in its memory formats, eager and, if asked for, compiled."""
    import torch
    from peers.torch_zoo import images_of, module_of
    from peers.train_torch import forget_compiled

    forget_compiled()
    found: dict[str, Work] = {}
    for layout in layouts(net):
        module, images = module_of(net, layout == "last").eval(), images_of(net, x, layout == "last")
        for form, ready in {"eager": module, **({"compiled": torch.compile(module)} if compiled else {})}.items():

            def work(ready: Any = ready, images: Any = images) -> Any:
                with torch.inference_mode():
                    return ready(images).numpy()

            found[f"{form} {layout}"] = work
    return found


KINDS: dict[str, Callable[..., dict[str, Work]]] = {"train": train, "infer": infer}


def measure(name: str, kind: str, batch: int, options: Any, rounds: int, least: float) -> dict[str, Any]:
    """One row of the table."""
    works = KINDS[kind](name, ZOO[name], batch, options.threads, options.compile)
    found = harness.interleaved(works, rounds, least, options.threads)
    ms = {who: 1e3 * timing.median for who, timing in found.items()}
    eager, compiled = (best(ms, form) for form in ("eager", "compiled"))
    theirs = [value for who, value in ms.items() if who not in ("own", "control")]
    row = {"model": name, "what": kind, "batch": batch, "minicnn_ms": ms["own"], "eager_ms": eager and ms[eager]}
    row |= {
        "layout": eager.split()[1] if eager else ABSENT,
        "compiled_ms": compiled and ms[compiled],
        "tensorflow_ms": ms.get("tensorflow"),
        "onnx_ms": ms.get("onnx"),
    }
    row |= {"over_eager": ms[eager] / ms["own"] if eager else None, "over_best": min(theirs) / ms["own"] if theirs else None}
    row |= {"control": ms["control"] / ms["own"]}
    return row | {"timings": {who: timing.figures() for who, timing in found.items()}}


def best(ms: Mapping[str, float], form: str) -> str | None:
    """The faster memory format of a form of PyTorch."""
    return min((who for who in ms if who.startswith(form)), key=lambda who: ms[who], default=None)


# --- memory ---


def peak() -> float:
    """The largest resident size so far, in MB; not ``ru_maxrss``, in which the process that started this one counts."""
    with open("/proc/self/status", encoding="utf-8") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def grown(name: str, who: str, batch: int, threads: int) -> float:
    """By how many MB the peak grows from the import to the end of some training steps, in this process."""
    model = ZOO[name]
    if who == "minicnn":
        before = peak()
        x, target = model.data(BATCHES * batch)
        steps = Own(model, model.make(threads=threads, seed=1), x, target, batch).step
    else:
        import torch
        from peers.torch_zoo import training

        torch.set_num_threads(threads)
        net = model.make(threads=1, seed=1)
        before = peak()
        x, target = model.data(BATCHES * batch)
        steps = training(model, net, x, target, batch, who == "last", compiled=False).step
    for _ in range(STEPS):
        steps()
    return peak() - before


CHILD = "import sys; sys.path.insert(0, sys.argv[1]); import zoo_bench as z; "
CHILD += "print(z.grown(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])))"


def memory(name: str, batch: int, threads: int, runs: int) -> dict[str, Any]:
    """One row of the table: medians over processes, which take turns, after one of each that only warms the caches."""
    contenders = ["minicnn", *(layouts(ZOO[name].make(threads=1)) if harness.peer("torch") is not None else ())]
    found: dict[str, list[float]] = {who: [] for who in contenders}
    for run in range(-1, runs):
        for who in contenders:
            command = ["-c", CHILD, str(Path(__file__).parent), name, who, str(batch), str(threads)]
            output = processes.python(command, {"OMP_NUM_THREADS": str(threads)}).output
            if run >= 0:
                found[who].append(float(output))
    mb = {who: float(np.median(values)) for who, values in found.items()}
    theirs = min(contenders[1:], key=lambda who: mb[who], default=None)
    row = {"model": name, "batch": batch, "minicnn_mb": mb["minicnn"], "torch_mb": theirs and mb[theirs]}
    row |= {"layout": theirs or ABSENT, "ratio": mb[theirs] / mb["minicnn"] if theirs else None}
    return row | {"processes": found}


# --- the command line ---


def chosen(options: Any) -> list[str]:
    """The models that are asked for.

    Raises:
        BenchmarkError: there is no such model, or no batch of that size.
    """
    if unknown := [name for name in options.models or () if name not in ZOO]:
        raise BenchmarkError(f"expected --models out of {'; '.join(ZOO)}, got {unknown[0]!r}")
    if options.batch < 2:
        raise BenchmarkError(f"expected --batch of at least 2, got {options.batch}")
    return options.models or [*(QUICK if options.quick else ZOO)]


def benchmark(given: Sequence[str]) -> None:
    """Measure, print, write."""
    parser = harness.arguments("Every model: minicnn against PyTorch, TensorFlow and ONNX Runtime.")
    parser.add_argument("--models", nargs="+", metavar="NAME", help="these models alone")
    parser.add_argument("--rounds", type=int, dest="repeats", metavar="N", help="the same as --repeats")
    parser.add_argument("--batch", type=int, default=64, metavar="N", help="images in a step (default 64)")
    parser.add_argument("--compile", action="store_true", help="also PyTorch's compiled networks")
    parser.add_argument("--memory", action="store_true", help="measure the memory of training in place of times")
    options = parser.parse_args(given)
    harness.check_arguments(options)
    names = chosen(options)
    harness.keep_to(options.threads)
    if harness.peer("tensorflow") is not None and not options.memory:
        from peers import train_tensorflow

        train_tensorflow.limit(options.threads)
    machine = harness.machine_info(options.threads, ("torch", "tensorflow", "onnxruntime"))
    say(harness.machine_line(machine))
    rounds, least = options.repeats or (3 if options.quick else 11), 0.0 if options.quick else 0.1
    rows = []
    if options.memory:
        say(f"peak resident size of {STEPS} training steps less that after import; medians of {rounds} processes")
        say(harness.heading(MEMORY))
        for name in names:
            rows.append(memory(name, options.batch, options.threads, rounds))
            say(harness.line(MEMORY, list(rows[-1].values())[: len(MEMORY)]))
    else:
        missing = [package for package in WITH_ONNX if harness.peer(package) is None]
        say(f"ms a call, float32, medians of {rounds} samples" + (f"; no ONNX without {', '.join(missing)}" if missing else ""))
        say(harness.heading(COLUMNS))
        for name in names:
            for kind, batch in (("train", options.batch), ("infer", options.batch), ("infer", 1)):
                rows.append(measure(name, kind, batch, options, rounds, least))
                say(harness.line(COLUMNS, list(rows[-1].values())[: len(COLUMNS)]))
        say("control: minicnn against itself, 1 on a quiet machine")
    if options.json is not None:
        settings = {"threads": options.threads, "quick": options.quick, "samples": rounds, "batch": options.batch}
        settings |= {"compiled": options.compile, "memory": options.memory}
        harness.write_json(options.json, {"benchmark": "zoo", "machine": machine, "settings": settings, "rows": rows})


if __name__ == "__main__":
    sys.exit(harness.run("zoo_bench", benchmark, sys.argv[1:]))
