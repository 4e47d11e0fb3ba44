"""GPUs in ordinary memory: one whose launches execute the kernels' PTX on the CPU, and one that is idle."""

import pkgutil
import re
import weakref
from importlib import import_module

import numpy as np
import ptx

from minicnn.backends.cuda import kernels
from minicnn.backends.cuda.device.mirror import mirror
from minicnn.backends.cuda.device.operation import Operation

OLD, NEW = (8, 0), (9, 0)


class Memory:
    """A device's memory: apart from the host's, filled with NaN, and every transfer noted.

    Attributes:
        name: what it calls itself.
        log: what was asked for, in order: ("upload" | "async" | "download", bytes), ("join", 0), ("launch", 0).
    """

    name = "ordinary memory"

    def __init__(self):
        self.log, self._blocks = [], []

    def moved(self, what):
        """How many bytes went one way."""
        return sum(size for name, size in self.log if name == what)

    @property
    def used(self):
        """Bytes of memory that somebody holds."""
        self._blocks = [block for block in self._blocks if block() is not None]
        return sum(block().size for block in self._blocks)

    def pinned(self, size):
        return np.zeros(size, np.uint8)

    def allocate(self, size):
        block = np.full(size, 255, np.uint8)
        self._blocks.append(weakref.ref(block))
        return block

    def upload(self, block, start, data):
        self.log.append(("upload", data.size))
        block[start : start + data.size] = data

    def download(self, block, start, data):
        self.log.append(("download", data.size))
        data[...] = block[start : start + data.size]

    def upload_async(self, block, start, data):
        self.log.append(("async", data.size))
        block[start : start + data.size] = data

    def join(self):
        self.log.append(("join", 0))

    def view(self, block, start, like):
        return block[start : start + like.nbytes].view(like.dtype).reshape(like.shape)


class Idle(Memory):
    """A GPU that does nothing when it is asked to."""

    def prepare(self, kernel, shape, arguments, like):
        return lambda *numbers: self.log.append(("launch", 0))


class PtxDevice(Memory):
    """An interpreter of PTX in place of processors.

    Args:
        capabilities: what PTX is made for. Where the texts say the same, as they do so far, one run stands for all; else all
            run and must leave the same bits.

    Attributes:
        executed: names of the kernels that were.
    """

    def __init__(self, *capabilities):
        super().__init__()
        self.capabilities, self.executed = capabilities, set()

    def prepare(self, kernel, shape, arguments, like):
        texts = {meaning(ptx.to_ptx(kernel, *arguments, *like[len(arguments) :], cc=cc)) for cc in self.capabilities}

        def run(*numbers):
            self.executed.add(kernel.__name__)
            start = [a.copy() for a in arguments if isinstance(a, np.ndarray)] if len(texts) > 1 else []
            results = []
            for text in sorted(texts):
                for own, before in zip((a for a in arguments if isinstance(a, np.ndarray)), start, strict=False):
                    own[...] = before
                ptx.launch(text, shape.grid, shape.block, *arguments, *numbers)
                results.append([a.tobytes() for a in arguments if isinstance(a, np.ndarray)] if start else [])
            assert all(result == results[0] for result in results), "expected the same bits at every capability"

        return run


def meaning(text):
    """PTX without the names that Numba makes up and without its target."""
    text = re.sub(r"_ZN\w+_param_(\d+)", r"param_\1", re.sub(r"\.target sm_\d+", ".target sm_80", text))
    return re.sub(r"_ZN0?8?\w+", "entry", text)


def over_the_host(operation):
    """An operation as the tests of the CPU's kernels call one: over arrays of the host, at once."""

    def call(*arrays):
        mirror().push(*arrays)
        operation(*arrays)
        mirror().pull(*arrays)

    return call


FILES = [import_module(f"{kernels.__name__}.{file.name}") for file in pkgutil.iter_modules(kernels.__path__)]
KERNELS = {n: over_the_host(each) for file in FILES for n, each in vars(file).items() if isinstance(each, Operation)}
