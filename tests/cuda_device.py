"""A GPU in ordinary memory, whose launches execute the kernels' PTX on the CPU."""

import re

import numpy as np

import ptx
from minicnn.backends import cuda
from minicnn.backends.cuda.mirror import mirror
from minicnn.backends.cuda.operation import Operation

OLD, NEW = (8, 0), (9, 0)


class PtxDevice:
    """Memory apart from the host's, filled with NaN, and an interpreter in place of processors.

    Args:
        capabilities: what PTX is made for. Where the texts say the same, as they do so far, one run stands for all; else all
            run and must leave the same bits.

    Attributes:
        executed: names of the kernels that were.
        uploaded: bytes that came from the host.
        downloaded: bytes that went there.
    """

    def __init__(self, *capabilities):
        self.capabilities = capabilities
        self.executed, self.uploaded, self.downloaded = set(), 0, 0

    def pinned(self, size):
        return np.zeros(size, np.uint8)

    def allocate(self, size):
        return np.full(size, 255, np.uint8)

    def upload(self, block, start, data):
        self.uploaded += data.size
        block[start : start + data.size] = data

    def download(self, block, start, data):
        self.downloaded += data.size
        data[...] = block[start : start + data.size]

    def upload_aside(self, block, data):
        self.upload(block, 0, data)

    def join(self):
        pass

    def view(self, block, start, like):
        return block[start : start + like.nbytes].view(like.dtype).reshape(like.shape)

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


KERNELS = {name: over_the_host(operation) for name, operation in vars(cuda).items() if isinstance(operation, Operation)}
