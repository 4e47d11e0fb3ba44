"""The page: draw a digit, and see every layer of a network."""

from .networks import packaged
from .page import page

__all__ = ["packaged", "page"]
