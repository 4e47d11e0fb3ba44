"""The libraries that minicnn is compared with: PyTorch, JAX and ONNX Runtime."""
