"""LiteRT, once TensorFlow Lite, with XNNPACK: TensorFlow's form of a network, converted for a fixed number of images.

Its images are arrays in NHWC, the layout of its models.
"""

from __future__ import annotations

from typing import Any

import harness
from harness import Array, Work

from minicnn import Network


def predicting(net: Network, x: Array, threads: int) -> dict[str, Work]:
    """A function that predicts for these images, by the name ``litert``; none if TensorFlow, which converts, is not installed.

    The interpreter is that of ``ai_edge_litert``, or TensorFlow's own. Images are put into NHWC here, once.
    """
    if harness.peer("tensorflow") is None:
        return {}
    from peers.nhwc import images_of

    images, interpreter = images_of(x), _interpreter()(model_content=converted(net, len(x)), num_threads=threads)
    interpreter.allocate_tensors()
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()

    def work() -> Any:
        interpreter.set_tensor(taken["index"], images)
        interpreter.invoke()
        return interpreter.get_tensor(given["index"])

    return {"litert": work}


def converted(net: Network, batch: int) -> bytes:
    """The network as a file for so many images."""
    import tensorflow as tf

    from peers.nhwc import size_of
    from peers.tensorflow_network import TensorFlowNetwork

    network, shape = TensorFlowNetwork(net), net.in_shape
    place = (batch, *shape) if len(shape) == 1 else (batch, *size_of(shape), shape[0])
    function = tf.function(network).get_concrete_function(tf.TensorSpec(place, tf.float32))
    content: bytes = tf.lite.TFLiteConverter.from_concrete_functions([function], network).convert()
    return content


def _interpreter() -> Any:
    """The class that runs a converted network, with XNNPACK unless told otherwise."""
    own = harness.peer("ai_edge_litert.interpreter")
    return (own or harness.peer("tensorflow").lite).Interpreter  # type: ignore[union-attr]
