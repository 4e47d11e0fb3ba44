"""Networks from ONNX files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from ...engine.graph import Item
from ...errors import BackendError, DataError, MinicnnError
from ...network import Network
from ...nn import Flatten
from .reading.file import ModelFile
from .reading.graph import Graph

if TYPE_CHECKING:
    from onnx import ModelProto


def load(model: str | os.PathLike[str] | ModelProto, threads: int | None = None, backend: str = "cpu") -> Network:
    """A network whose ``predict`` gives the outputs of an ONNX graph.

    The first axis of every input and output is the batch, of any size. Nothing in a file is executed, and no other file is read
    but those in its folder that hold its weights. A graph's (N,) is (N, 1) here.

    Args:
        model: the path of a file, or a ``onnx.ModelProto``.
        threads: as of ``Network``.
        backend: as of ``Network``.

    Raises:
        DataError: the file is damaged or too large, or layers do not express an operator; the message names it and its node.
        OptionError: threads are not what they should be.
        BackendError: the backend is unknown or cannot be used.

    Source: https://onnx.ai/onnx/operators

    >>> from onnx import parser
    >>> graph = parser.parse_model('''<ir_version: 9, opset_import: ["": 20]>
    ... scaled (float[N, 3] x) => (float[N, 3] y) <float[1] two = {2}> { z = Mul(x, two)  y = Relu(z) }''')
    >>> load(graph, threads=1).predict([[1.0, -1.0, 0.5]])
    array([[2., 0., 1.]], dtype=float32)
    """
    file = ModelFile(model)
    graph = Graph(file)
    builder, outputs = graph.builder, graph.outputs
    builder.keep(outputs)
    items: list[Item] = [
        (name, item.layer if item.owner == name else item.owner, item.reads) for name, item in builder.items.items()
    ]
    shapes = {name: shape or (1,) for name, shape in builder.inputs.items()}
    inputs = shapes["input"] if list(shapes) == ["input"] else shapes
    try:
        net = Network(items, inputs, dtype=graph.dtype, threads=threads, backend=backend, outputs=outputs)
    except BackendError:
        raise
    except MinicnnError as error:
        Network([Flatten()], (1,), threads=threads, backend=backend)  # refuses what is not the file's fault
        file.refuse("a network that can be made", f"{error.who}: {error.what}")
    values = {
        f"{name}.{key}": array
        for name, item in builder.items.items()
        if item.owner == name
        for key, array in item.arrays.items()
    }
    if wrong := [name for name, array in values.items() if not np.isfinite(array).all()]:
        raise DataError(file.who, f"expected finite weights, got others of {wrong[0]}", "train it anew, or clean its weights")
    net.load_params(values)
    if frozen := [name for name, item in builder.items.items() if item.frozen]:
        net.freeze(*frozen)
    return net
