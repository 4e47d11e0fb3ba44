"""The libraries that minicnn is compared with: PyTorch, JAX, TensorFlow and ONNX Runtime."""
