"""Networks as ONNX files (https://onnx.ai): ``load`` reads them."""

from .load import load

__all__ = ["load"]
