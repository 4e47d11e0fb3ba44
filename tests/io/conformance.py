"""ONNX's own tests of single operators, run through the importer: which are right, and why the others are refused.

``python tests/io/conformance.py`` writes the table into docs/onnx.md.
"""

import importlib
import warnings
from collections import Counter
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minicnn.errors import DataError
from minicnn.io.onnx import load

PAGE = Path(__file__).parents[2] / "docs" / "onnx.md"
BEGIN, END = "<!-- conformance: begin -->\n", "<!-- conformance: end -->\n"

FILES = {
    "Conv": "conv",
    "ConvTranspose": "convtranspose",
    "MaxPool": "maxpool",
    "AveragePool": "averagepool",
    "GlobalAveragePool": "globalaveragepool",
    "GlobalMaxPool": "globalmaxpool",
    "Gemm": "gemm",
    "MatMul": "matmul",
    "Relu": "relu",
    "LeakyRelu": "leakyrelu",
    "PRelu": "prelu",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Elu": "elu",
    "Selu": "selu",
    "Gelu": "gelu",
    "HardSigmoid": "hardsigmoid",
    "HardSwish": "hardswish",
    "Mish": "mish",
    "Softplus": "softplus",
    "BatchNormalization": "batch_normalization",
    "InstanceNormalization": "instance_normalization",
    "LayerNormalization": "layernormalization",
    "GroupNormalization": "groupnormalization",
    "Softmax": "softmax",
    "LogSoftmax": "logsoftmax",
    "Flatten": "flatten",
    "Reshape": "reshape",
    "Dropout": "dropout",
    "Add": "add",
    "Concat": "concat",
    "Pad": "pad",
    "Resize": "resize",
}
"""The operators, and the file of the package onnx that has the tests of each."""

EARLIER = {"batch_normalization": "batchnorm", "instance_normalization": "instancenorm"}
"""What two of the files are called in earlier versions, such as 1.19."""

KEEP = {"Add", "Concat"}
"""Operators whose inputs all stay inputs; of the others those after the first are weights."""

MOST = 1e-4
"""The largest difference, as a share of the largest number or of 1; some tests have four digits. ONNX itself allows 1e-3."""


class Outcome(NamedTuple):
    """What became of a test: ``refused`` is the reason, "" where it was imported."""

    operator: str
    name: str
    right: bool
    refused: str


def cases():
    """All tests of one node of the operators, in their order."""
    from onnx.backend.test.case import node

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for file in FILES.values():
            here = find_spec(f"{node.__name__}.{file}") is not None
            importlib.import_module(f"{node.__name__}.{file if here else EARLIER[file]}")
    single = [case for case in node._NodeTestCases if len(case.model.graph.node) == 1]
    return [case for op in FILES for case in single if case.model.graph.node[0].op_type == op]


def outcome(case):
    """Import a test's model, with its weights as initialisers, and compare what it predicts."""
    from onnx import ModelProto, numpy_helper

    op, model = case.model.graph.node[0].op_type, ModelProto.FromString(case.model.SerializeToString())
    ((inputs, expected),) = case.data_sets
    names = [given.name for given in model.graph.input]
    images = dict(zip(names, inputs, strict=True))
    if op not in KEEP:
        for name in names[1:]:
            model.graph.initializer.append(numpy_helper.from_array(np.asarray(images.pop(name)), name))
        del model.graph.input[1:]
    try:
        net = load(model, threads=1)
    except DataError as error:
        return Outcome(op, case.name, False, error.what)
    batches = [x[:, None] if x.ndim == 1 else x for x in images.values()]  # a graph's (N,) is (N, 1)
    found = net.predict_outputs(batches[0] if len(batches) == 1 else dict(zip(net.in_shapes, batches, strict=True)))
    pairs = list(zip(found.values(), expected, strict=True))
    return Outcome(op, case.name, all(equal(y, np.asarray(wanted)) for y, wanted in pairs), "")


def equal(y, wanted):
    """Whether the numbers are the same up to rounding, and the shape up to the axis of one that a batch of numbers has here."""
    if wanted.ndim == 1 and y.shape == (len(wanted), 1):
        y = y[:, 0]
    return y.shape == wanted.shape and bool(np.abs(y - wanted).max() <= MOST * max(1, np.abs(wanted).max()))


@cache
def outcomes():
    """What became of every test."""
    return [outcome(case) for case in cases()]


def table():
    """The rows of the page."""
    rows = ["| operator | tests | right | refused, because it expected |", "|---|--:|--:|---|"]
    for op in FILES:
        own = [each for each in outcomes() if each.operator == op]
        reasons = Counter(each.refused.removeprefix("expected ").split(", got ")[0] for each in own if each.refused)
        shown = "; ".join(f"{reason} ({count})" if count > 1 else reason for reason, count in reasons.items())
        rows.append(f"| {op} | {len(own)} | {sum(each.right for each in own)} | {shown} |")
    whole = outcomes()
    right, refused = sum(each.right for each in whole), sum(bool(each.refused) for each in whole)
    return "\n".join([*rows, f"| **all** | {len(whole)} | {right} | {refused} |", ""])


if __name__ == "__main__":
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}{table()}{END}{rest.partition(END)[2]}")
