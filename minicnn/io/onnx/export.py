"""A network as an ONNX file: the nodes of every layer, the parameters as constants, and what a classifier adds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from reprlib import repr as short
from types import ModuleType

import numpy as np

from ...arrays import DType, Shape
from ...data.outfile import StrPath, outfile
from ...engine.bind import PlacedLayer
from ...errors import ContractError, OptionError, flag, lacking
from ...network import Network
from ...nn import LogSoftmax, Softmax
from ...train.classifier import Classifier, Regressor
from ...version import __version__
from .operators import OPERATORS, Graph, Place
from .operators.steps import Steps
from .pictures import preprocess

OPSET, IR = 21, 10
"""The versions of the operators and of the file format: ONNX Runtime takes them from its version 1.18 on."""

PROBABILITIES = "probabilities"
"""The name of the output of probabilities."""

Model = Network | Classifier | Regressor


def export(
    model: Model,
    path: StrPath,
    *,
    preprocessing: bool = False,
    probabilities: bool = False,
    layout: str | None = None,
    size: Sequence[int] | None = None,
    dtype: str | None = None,
) -> None:
    """Write a network, or that of a classifier or regressor, as an ONNX file for inference.

    Inputs and outputs have the network's names, and the first axis is the batch, of any size. A layer is the operator of ONNX
    that does the same, where there is one; dropout is nothing, and batch normalisation goes by the running statistics. The
    operators are those of opset 21, in a file of IR version 10: ONNX Runtime from 1.18 on. The file says ``producer_name``
    minicnn and its version, and its metadata ``kind``, ``"network"``, ``"classifier"`` or ``"regressor"``, and ``classes``, the
    names of the classes as JSON in the order of the outputs.

    Args:
        model: what to export.
        path: the file; an older one stays in place until the new one is complete.
        preprocessing: whether the graph begins with that of the classifier or regressor. Its input are pictures as they were
            in training then, (N, C, H, W) or in ``layout``, uint8 if those were, and floats of ``dtype`` else.
        probabilities: whether a classifier's graph has a second output ``"probabilities"`` (N, classes), as ``predict_proba``.
        layout: ``"NHW"``, ``"NHWC"`` or ``"NCHW"`` of the pictures; None for that which the classifier was given, else
            ``"NCHW"``. With ``preprocessing`` alone.
        size: rows and columns of the pictures, where they are padded or resized; None for those that the network takes. With
            ``preprocessing`` alone.
        dtype: ``"float32"`` or ``"float64"``; the network's own for None. ONNX Runtime has convolutions and means of windows
            in float32 only. Options of layers are float32 in ONNX in any case, such as the ε of a normalisation.

    Raises:
        OptionError: a layer is one of your own, or an option is not what it should be.
        ContractError: preprocessing of a classifier that was not trained.
        DataError, ShapeError: the classifier does not take pictures of this layout and size.
        OutputError: the package onnx is missing, or the file cannot be written.

    Source: https://onnx.ai/onnx/operators/

    >>> import tempfile, onnxruntime
    >>> from minicnn import Network, models
    >>> net, images = models.lenet5_modern(threads=1), np.ones((3, 1, 28, 28), np.float32)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export(net, f"{folder}/net.onnx")
    ...     session = onnxruntime.InferenceSession(f"{folder}/net.onnx")
    >>> bool(np.allclose(session.run(["output"], {"input": images})[0], net.predict(images), atol=1e-5))
    True
    """
    if not isinstance(model, Network | Classifier | Regressor):
        what = f"expected a Network, Classifier or Regressor, got {short(model)}"
        raise OptionError("export", what, "write export(model, path)")
    for name, given in (("preprocessing", preprocessing), ("probabilities", probabilities)):
        flag("export", name, given)
    net = model if isinstance(model, Network) else model.net
    own = net.dtype if dtype is None else dtype
    if str(own) not in ("float32", "float64"):
        raise OptionError("export", f"expected dtype float32 or float64, got {dtype!r}", 'give dtype="float32"')
    if not preprocessing and (layout is not None or size is not None):
        raise OptionError("export", "expected layout and size with preprocessing=True, got them without", "leave them out")
    package = _onnx()
    graph = Graph(np.dtype(own))
    with net.atomic():  # a whole update, even if another thread trains
        inputs, first = _inputs(graph, model, net, preprocessing, layout, size)
        outputs = _layers(graph, net, first)
    if probabilities:
        outputs[PROBABILITIES] = _probabilities(graph, model, net)
    content = _file(package, graph, inputs, outputs, _metadata(model))
    with outfile(path, "an ONNX model") as file:
        file.write(content)


def _onnx() -> ModuleType:
    """The onnx package, imported on first use so that other features work without it."""
    try:
        import onnx
        import onnx.helper
        import onnx.numpy_helper
    except ImportError as fault:
        raise lacking("export", "onnx", fault) from fault
    return onnx


Described = dict[str, tuple[DType, Shape]]
"""The dtype and shape, without the batch, of inputs or outputs by name."""


def _inputs(
    graph: Graph, model: Model, net: Network, preprocessing: bool, layout: str | None, size: Sequence[int] | None
) -> tuple[Described, list[str]]:
    """The inputs of the graph, and the names of the values that stand for those of the network."""
    if not preprocessing:
        return {name: (graph.dtype, shape) for name, shape in net.in_shapes.items()}, list(net.in_shapes)
    if isinstance(model, Network):
        what = "expected a Classifier or Regressor for preprocessing=True, got a Network, which has none"
        raise OptionError("export", what, "leave it out, and give the network's input to the graph")
    if model.preprocessing is None:
        what = f"expected a {type(model).__name__} that was trained, as its preprocessing is found then, got one that is not"
        raise ContractError("export", what, "call fit first, or leave out preprocessing")
    (name,) = net.in_shapes
    found = preprocess(graph, name, net, model.preprocessing, layout, size)
    return {name: (np.dtype(np.uint8) if found.uint8 else graph.dtype, found.shape)}, [found.value]


def _layers(graph: Graph, net: Network, values: list[str]) -> Described:
    """Write every layer, given the names of the network's inputs; the outputs."""
    for placed in net.layers:
        at = Place(graph, placed, [values[number] for number in placed.inputs], net)
        value = _writer(placed)(at, placed.layer)
        values.append(value if value == at.x and placed.name not in net.outputs else at.call(value, placed.name))
    return {placed.name: (graph.dtype, placed.plan.out_shape) for placed in _ends(net)}


def _ends(net: Network) -> list[PlacedLayer]:
    """The layers that give the outputs, in their order."""
    known = {placed.name: placed for placed in net.layers}
    return [known[name] for name in dict.fromkeys(net.outputs)]


def _writer(placed: PlacedLayer) -> Callable[..., str]:
    """What writes a layer."""
    found = OPERATORS.get(type(placed.layer))
    if found is None:
        what = f"expected a layer of minicnn, for which there are operators, got {type(placed.layer).__name__}, one of your own"
        raise OptionError(placed.who, what, "build it of minicnn's layers, or export a network without it")
    return found


def _probabilities(graph: Graph, model: Model, net: Network) -> tuple[DType, Shape]:
    """Write the probabilities of a classifier's classes."""
    if not isinstance(model, Classifier):
        what = f"expected a Classifier for probabilities=True, got a {type(model).__name__}"
        raise OptionError("export", what, "leave it out, or end the network with Softmax()")
    end = _ends(net)[0]
    if PROBABILITIES in {*net.in_shapes, *(placed.name for placed in net.layers)}:
        what = f"expected a network in which nothing is called {PROBABILITIES}, as the second output is, got one"
        raise OptionError("export", what, "rename the layer or the input, or leave out probabilities")
    write = Steps(graph, PROBABILITIES)
    if isinstance(end.layer, Softmax):
        value = end.name
    elif isinstance(end.layer, LogSoftmax):
        value = write.node("Exp", end.name)
    else:
        signed = write.node("Neg", end.name) if end.layer.least_wins else end.name
        value = write.node("Softmax", signed, axis=1)
    write.call(value, PROBABILITIES)
    return graph.dtype, end.plan.out_shape


def _metadata(model: Model) -> dict[str, str]:
    """What stands in the file beside the graph."""
    kind = "network" if isinstance(model, Network) else model.kind
    known = None if not isinstance(model, Classifier) else model.classes
    return {"kind": kind} | ({} if known is None else {"classes": json.dumps(known.tolist(), ensure_ascii=False)})


def _file(onnx: ModuleType, graph: Graph, inputs: Described, outputs: Described, metadata: Mapping[str, str]) -> bytes:
    """The file's content."""
    make = onnx.helper
    nodes = [make.make_node(n.operator, n.inputs, n.outputs, n.outputs[0], **n.options) for n in graph.nodes]
    constants = [onnx.numpy_helper.from_array(array, name) for name, array in graph.constants.items()]
    ends = [
        [
            make.make_tensor_value_info(name, make.np_dtype_to_tensor_dtype(dtype), ["batch", *shape])
            for name, (dtype, shape) in described.items()
        ]
        for described in (inputs, outputs)
    ]
    model = make.make_model(
        make.make_graph(nodes, "minicnn", *ends, constants),
        opset_imports=[make.make_opsetid("", OPSET)],
        ir_version=IR,
        producer_name="minicnn",
        producer_version=__version__,
    )
    make.set_model_props(model, dict(metadata))
    return bytes(model.SerializeToString())
