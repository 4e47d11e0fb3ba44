"""A trained classifier as a service over HTTP."""

from .endpoints import Limits, service

__all__ = ["Limits", "service"]
