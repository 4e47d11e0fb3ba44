"""Models as ONNX files (https://onnx.ai), the format that most other libraries read and write."""

from .export import export
from .load import load

__all__ = ["export", "load"]
