"""The page: draw a digit, and see every layer of a network."""

from .page import page

__all__ = ["page"]
