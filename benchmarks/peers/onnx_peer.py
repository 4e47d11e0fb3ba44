"""ONNX Runtime: a network exported with the ``onnx`` helpers from minicnn's layers, run with all optimisations."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from minicnn import Network

Array = np.ndarray[Any, Any]
OPSET, IR = 17, 8


class Graph:
    """The nodes and constants of a model under construction."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.last = "x"

    def constant(self, value: Any) -> str:
        """Add a constant and return its name."""
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name))
        return name

    def then(self, operator: str, *constants: Any, **options: Any) -> None:
        """Apply an operator to the last result and some constants."""
        out = f"n{len(self.nodes)}"
        inputs = [self.last, *(self.constant(value) for value in constants)]
        self.nodes.append(helper.make_node(operator, inputs, [out], **options))
        self.last = out

    def add(self, bound: Any, p: Any) -> None:
        """Add the operators of one of minicnn's layers."""
        layer, kind, W, b = bound.layer, type(bound.layer).__name__, p.get(f"{bound.name}.W"), p.get(f"{bound.name}.b")
        if kind == "Conv2d":
            self.then("Conv", W, b, pads=[*layer.window.padding] * 2)
        elif kind == "SparseConv2d":
            self.then("Conv", dense(layer, W), np.repeat(b, layer._sizes))
        elif kind in ("Subsample", "AvgPool2d"):
            self.then("AveragePool", kernel_shape=[2, 2], strides=[2, 2])
            if kind == "Subsample":
                self.then("Mul", 4 * W[:, None, None])
                self.then("Add", b[:, None, None])
        elif kind == "MaxPool2d":
            self.then("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
        elif kind == "ScaledTanh":
            self.then("Mul", 2 / 3)
            self.then("Tanh")
            self.then("Mul", 1.7159)
        elif kind == "Flatten":
            self.then("Flatten")
        elif kind == "Dense":
            if len(bound.in_shape) > 1:
                self.then("Flatten")
            self.then("Gemm", W, b, transB=1)
        elif kind == "ReLU":
            self.then("Relu")


def dense(layer: Any, W: Array) -> Array:
    """The kernels of a sparse convolution as an array (F, C, KH, KW), zero where there is no link."""
    full = np.zeros((len(layer.table), 1 + max(map(max, layer.table)), *W.shape[1:]), W.dtype)
    for f, c, k in layer.links:
        full[f, c] = W[k]
    return full


def session(net: Network, threads: int) -> Any:
    """A session that computes the same as the network."""
    graph = Graph()
    for bound in net.layers:
        graph.add(bound, net.params)
    graph.then("Flatten")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *net.in_shape])
    y = helper.make_tensor_value_info(graph.last, TensorProto.FLOAT, ["n", *net.out_shape])
    made = helper.make_graph(graph.nodes, "minicnn", [x], [y], graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    return started(model, threads)


def started(model: Any, threads: int) -> Any:
    """A session that runs a model, with all optimisations."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
