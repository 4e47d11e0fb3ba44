"""``minicnn bench``: the time and the memory of each layer of a network."""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable

import numpy as np

from ..backends.executor import Executor
from ..backends.meeting import Barrier
from ..backends.program import Call, Program, Task
from ..network import Network
from ..nn.losses import MSE
from .command import Commands, add_command, add_network, count
from .model import network
from .streams import say

EXAMPLE = """  minicnn bench model.safetensors
  minicnn bench resnet8 --batch 256"""
ROUNDS = 9


def add(commands: Commands) -> None:
    """Add the command."""
    words = "time each layer on one thread, in training; and whole batches, in training and inference, on all threads"
    parser = add_command(commands, "bench", words, EXAMPLE)
    add_network(parser)
    parser.add_argument("--batch", type=count, default=64, metavar="N", help="images in a batch (default 64)")
    parser.add_argument("--threads", type=int, metavar="N", help="threads for whole batches; all usable ones unless given")
    parser.set_defaults(run=bench)


def bench(options: argparse.Namespace) -> int:
    """Measure, and print two tables."""
    net = network(options.model, options.threads)
    rng = np.random.default_rng(0)
    x = {name: rng.standard_normal((options.batch, *shape)).astype(net.dtype) for name, shape in net.in_shapes.items()}
    y = {name: np.zeros((options.batch, *shape), net.dtype) for name, shape in net.out_shapes.items()}
    losses = dict.fromkeys(y, MSE())
    train = _shortest(lambda: net.loss_and_grads(losses, x, y))
    predict = _shortest(lambda: net.predict_outputs(x))
    seconds = layers(net)
    whole = sum(each for where, each in seconds.items() if not where.endswith("prepare"))
    print(f"{net.lanes} images on one thread, the shortest of {ROUNDS} runs: microseconds; outputs and parameters in kilobytes")
    print(f"{'layer':20}  {'forward':>9}  {'backward':>9}  {'share':>6}  {'outputs':>9}  {'parameters':>10}")
    size = net.dtype.itemsize / 1000
    for placed in net.layers:
        forward, backward = (1e6 * seconds.get(f"{placed.name} {way}", 0.0) for way in ("forward", "backward"))
        outputs = net.lanes * int(np.prod(placed.plan.out_shape)) * size
        parameters = sum(int(np.prod(net.params[name].shape)) for name in net.params if name.startswith(f"{placed.name}."))
        share = (forward + backward) / (1e6 * whole or 1)
        figures = f"{forward:9.1f}  {backward:9.1f}  {share:6.1%}  {outputs:9.1f}  {parameters * size:10.1f}"
        say(f"{placed.name[:20]:20}  {figures}")
    print(f"{options.batch} images, {net.threads} threads: loss and gradients {1e3 * train:.2f} ms", end=", ")
    print(f"prediction {1e3 * predict:.2f} ms, {options.batch / predict:,.0f} images a second")
    return 0


def layers(net: Network) -> dict[str, float]:
    """Seconds of each layer's calls for a group of images in training, by the layer and the pass, the shortest of some runs."""
    executor, found = Executor(1, net.backend), defaultdict[str, list[float]](list)
    calls = net.program().calls
    rng = np.random.default_rng(1)
    for array in {id(array): array for call in calls for array in call.arrays}.values():
        in_lanes = array.dtype == net.dtype and array.shape[-1:] == (net.lanes,)
        if in_lanes and not any(np.may_share_memory(array, own) for own in (net.params.flat, net.grads.flat)):
            array[...] = rng.standard_normal(array.shape)  # numbers as in training: with others a sum may take longer
    works = [(call.where, _work(call)) for call in calls]
    for _ in range(ROUNDS):
        took = defaultdict[str, float](float)
        for where, work in works:
            took[where] += seconds(lambda: executor.run([work]))  # noqa: B023 (called at once)
        for where, each in took.items():
            found[where].append(each)
    return {where: min(each) for where, each in found.items()}


def _work(call: Call) -> Task:
    """What one thread does for a call."""
    program = call.merge(1) if isinstance(call, Barrier) else Program([call])
    return Task([([program], (0, 1, 1))], np.zeros(1, np.int64))


def seconds(work: Callable[[], object]) -> float:
    """Seconds of a call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _shortest(work: Callable[[], object]) -> float:
    work()
    return min(seconds(work) for _ in range(ROUNDS))
