"""The other side of the comparisons: PyTorch, JAX and ONNX Runtime."""
