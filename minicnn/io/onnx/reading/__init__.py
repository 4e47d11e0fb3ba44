"""From the operators of an ONNX graph to layers: each file reads some of the operators."""
