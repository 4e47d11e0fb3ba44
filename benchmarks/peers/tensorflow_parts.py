"""What a layer of minicnn's is in TensorFlow: a pass, and how its parameters lie there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness import BenchmarkError

from peers.nhwc import Array

Variables = dict[str, Any]
Pass = Callable[..., Any]
"""The output of a layer, given its variables by name, whether it is in training, and its inputs."""


@dataclass(frozen=True)
class Form:
    """How a parameter lies in TensorFlow.

    Attributes:
        there: makes it of minicnn's array.
        back: makes minicnn's array of it.
    """

    there: Callable[[Array], Array]
    back: Callable[[Array], Array]


@dataclass(frozen=True)
class Part:
    """A layer in TensorFlow.

    Attributes:
        work: its pass.
        forms: of its parameters; those without one lie as minicnn's.
    """

    work: Pass
    forms: Mapping[str, Form] = field(default_factory=dict)


def refuse(bound: Any, expected: str, got: object) -> BenchmarkError:
    """The error of a layer that has no form here."""
    return BenchmarkError(f"{bound.name}: expected {expected} for TensorFlow, got {got}")
