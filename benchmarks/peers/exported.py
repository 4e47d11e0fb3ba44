"""Libraries that run a network from the ONNX file that minicnn writes: ONNX Runtime, OpenVINO."""

from __future__ import annotations

import tempfile
from pathlib import Path

import harness
from harness import Array, Work

from minicnn import Network
from minicnn.io.onnx import export


def predicting(net: Network, x: Array, threads: int) -> dict[str, Work]:
    """Functions that predict for an array of images, by the name of the library; those that are not installed are left out.

    Args:
        net: the network.
        x: images (N, C, H, W) in float32.
        threads: how many each may use.
    """
    if harness.peer("onnx") is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "net.onnx"
        export(net, file)
        content = file.read_bytes()
    made = {"onnx": _onnxruntime, "openvino": _openvino}
    works = {name: make(content, x, threads) for name, make in made.items()}
    return {name: work for name, work in works.items() if work is not None}


def _onnxruntime(content: bytes, x: Array, threads: int) -> Work | None:
    runtime = harness.peer("onnxruntime")
    if runtime is None:
        return None
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    (name,) = [each.name for each in session.get_inputs()]
    return lambda: session.run(None, {name: x})[0]


def _openvino(content: bytes, x: Array, threads: int) -> Work | None:
    openvino = harness.peer("openvino")
    if openvino is None:
        return None
    core = openvino.Core()
    model = core.read_model(content)
    model.reshape(x.shape)
    options = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(model, "CPU", options).create_infer_request()
    return lambda: request.infer([x], share_inputs=True)[0]
