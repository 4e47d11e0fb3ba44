"""The recipe of ``examples/train_mnist.py --fast`` in PyTorch, in a process of its own: eager, channels_last, fused Adam.

The images are loaded by minicnn's reader, so both read the same file in the same way, and are kept in memory as float32
tensors. Run: python benchmarks/peers/torch_fast.py --seed N --threads N
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
sys.path.insert(0, str(Path(__file__).parents[1]))  # not this file's folder, which Python puts first
from fast import BATCH, CYCLE, EPOCHS, NORMALISE, RATE

from minicnn import models
from minicnn.cli.console import program
from minicnn.data import load_mnist
from minicnn.data.pixels import shuffled


def module_of(seed: int) -> Any:
    """The network, with minicnn's initial weights."""
    import torch

    from peers.torch_peers import modern

    return modern(models.lenet5_modern(threads=1, seed=seed)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def tensor(images: Any) -> Any:
    """Grey levels as the network's input."""
    import torch

    values = images.astype(np.float32) * np.asarray(NORMALISE.scale, np.float32) + np.asarray(NORMALISE.shift, np.float32)
    return torch.from_numpy(values[:, None]).contiguous(memory_format=torch.channels_last)


@program("torch_fast")
def main() -> int:
    """Train, and print the accuracy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    import torch

    torch.set_num_threads(options.threads)
    module, digits = module_of(options.seed), load_mnist(log=lambda line: None)
    x, labels = tensor(digits.train_images), torch.from_numpy(digits.train_labels.astype(np.int64))
    optimizer, loss = torch.optim.Adam(module.parameters(), lr=RATE, fused=True), torch.nn.CrossEntropyLoss()
    starts = range(0, len(x), BATCH)
    step, total = 0, EPOCHS * len(starts)
    for epoch in range(1, EPOCHS + 1):
        order = shuffled(np.arange(len(x)), options.seed, epoch)
        for start in starts:
            batch = torch.from_numpy(order[start : start + BATCH])
            optimizer.param_groups[0]["lr"] = RATE * CYCLE(step, total)
            optimizer.zero_grad()
            loss(module(x[batch]), labels[batch]).backward()
            optimizer.step()
            step += 1
    with torch.inference_mode():
        right = (module(tensor(digits.test_images)).argmax(1).numpy() == digits.test_labels).mean()
    print(f"test accuracy {100 * right:.2f} %")
    return 0


if __name__ == "__main__":
    sys.exit(main())
