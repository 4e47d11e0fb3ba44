"""One node of a graph: its inputs and attributes as they are asked for, and how it is refused."""

from __future__ import annotations

from typing import NoReturn

import numpy as np

from ....arrays import Array
from ....errors import DataError
from .values import BATCH, MOST, Constant, Flow, Value, settled

Attribute = int | float | str | list[int] | list[float] | Array
"""What an attribute may hold; graphs and the like are refused before."""


def clean(text: str | bytes) -> str:
    """A name from a file for a message: one printable line, not too long. A name that is no text comes as bytes."""
    text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return "".join(c if c.isprintable() else " " for c in text)[:80]


class Node:
    """A node with the values that it reads.

    Args:
        op: the operator.
        name: the node's name in messages.
        opset: the version of the operators that the file was written for.
        inputs: what it reads; None for an input that is left out.
        attributes: by name.
        reads: the names of its inputs.
        outputs: the names of those outputs that somebody reads, "" for the others.
        batch: the size of the batch that the file was written for; None for any.
    """

    def __init__(
        self,
        op: str,
        name: str,
        opset: int,
        inputs: list[Value | None],
        attributes: dict[str, Attribute],
        reads: list[str],
        outputs: list[str],
        batch: int | None,
    ) -> None:
        self.op, self.name, self.opset, self.inputs, self.batch = op, name, opset, inputs, batch
        self.reads, self.outputs = reads, outputs
        self._attributes, self._asked = attributes, set[str]()

    def refuse(self, expected: str, got: str) -> NoReturn:
        """Refuse the graph because of this node.

        Raises:
            DataError: always.
        """
        raise self.error(f"expected {expected}, got {got}")

    def bound(self, size: int) -> None:
        """Refuse to make an array of more numbers than a graph may make.

        Raises:
            DataError: it is larger.
        """
        if size > MOST:
            self.refuse(f"at most {MOST:,} numbers that follow from others", f"{size:,}")

    def error(self, what: str, layer: str = "") -> DataError:
        """The refusal with what was expected and what came, as a layer says it where one is named."""
        who = f"ONNX operator {clean(self.op)} (node {clean(self.name)})" + (f" as {layer}" if layer else "")
        return DataError(who, what, "export the model without it, or build this part in code")

    def finish(self) -> None:
        """Refuse attributes that nobody asked for, as they may change what the operator means."""
        if unknown := sorted(map(clean, set(self._attributes) - self._asked)):
            self.refuse("attributes that are known of it", unknown[0])

    # --- attributes ---

    def has(self, name: str) -> bool:
        """Whether there is an attribute."""
        return name in self._attributes

    def whole(self, name: str, default: int) -> int:
        """An attribute that is a whole number."""
        found = self._take(name, default)
        if not isinstance(found, int) or abs(found) > MOST:
            self.refuse(f"the attribute {name} as a whole number of at most 2^24", repr(found)[:60])
        return found

    def real(self, name: str, default: float) -> float:
        """An attribute that is a finite number, as the file has it in single precision."""
        found = self._take(name, default)
        if not isinstance(found, int | float) or not np.isfinite(found):
            self.refuse(f"the attribute {name} as a finite number", repr(found)[:60])
        return float(found)

    def text(self, name: str, default: str, choices: tuple[str, ...] = ()) -> str:
        """An attribute that is a word; one of the choices."""
        found = self._take(name, default)
        if not isinstance(found, str) or (choices and found not in choices):
            self.refuse(f"the attribute {name} as one of {', '.join(choices)}", clean(str(found)))
        return found

    def numbers(self, name: str, default: list[int] | None) -> list[int] | None:
        """An attribute that is a list of whole numbers."""
        found = self._take(name, default)
        if found is None:
            return None
        if not isinstance(found, list) or not all(isinstance(n, int) and abs(n) <= MOST for n in found):
            self.refuse(f"the attribute {name} as whole numbers of at most 2^24", repr(found)[:60])
        return [int(n) for n in found]

    def sizes(self, name: str, count: int, default: int) -> list[int]:
        """An attribute of so many whole numbers of at least 0."""
        found = self.numbers(name, [default] * count)
        if found is None or len(found) != count or min(found, default=0) < 0:
            self.refuse(f"the attribute {name} as {count} whole numbers of at least 0", repr(found)[:60])
        return found

    def reals(self, name: str) -> list[float]:
        """An attribute that is a list of numbers."""
        found = self._take(name, [])
        return [float(each) for each in found] if isinstance(found, list) else []

    def constant_of(self, name: str) -> Array | None:
        """An attribute that is an array; numbers and lists are one too."""
        found = self._take(name, None)
        return None if found is None or isinstance(found, str) else np.asarray(found)

    def ignore(self, *names: str) -> None:
        """Attributes that change nothing here."""
        self._asked.update(names)

    def _take(self, name: str, default: Attribute | None) -> Attribute | None:
        self._asked.add(name)
        return self._attributes.get(name, default)

    # --- inputs ---

    def given(self, index: int) -> Value | None:
        """An input, if it is there."""
        return self.inputs[index] if index < len(self.inputs) else None

    def flow(self, index: int = 0, whole: bool = False, turned: bool = False) -> Flow:
        """An input that flows through the network; whole numbers only where they are moved and nothing is computed."""
        found = self.given(index)
        if not isinstance(found, Flow):
            self.refuse(f"its input {index} from the network's inputs", "a constant" if found else "none")
        if found.turned and not turned:
            self.refuse("an input whose first axis is the batch", "one whose second axis is")
        if found.whole and not whole:
            self.refuse("floating-point numbers, as the layers compute with those alone", "whole ones")
        return found

    def constant(self, index: int, name: str) -> Array:
        """An input whose numbers are known."""
        found = self.given(index)
        if not isinstance(found, Constant) or not found.known:
            self.refuse(f"its {name} as constants of the file", "numbers that depend on the input" if found else "none")
        return found.array

    def weights(self, index: int, name: str) -> Array:
        """An input of floating-point numbers that are known, as float64, with which nothing is rounded."""
        found = self.constant(index, name)
        if found.dtype.kind != "f":
            self.refuse(f"its {name} as floating-point numbers", str(found.dtype))
        return found

    def whole_numbers(self, index: int, name: str, batch: int | None = None) -> list[int]:
        """An input of a few known whole numbers; the first may be the size of the batch, where a number for that is given."""
        value = self.given(index)
        if batch is not None and isinstance(value, Constant) and value.array.shape and value.array.ravel()[0] is BATCH:
            self.inputs[index] = settled(np.array([batch, *value.array.ravel()[1:]], object))
        found = self.constant(index, name)
        if (
            found.dtype.kind not in "iu"
            or found.ndim > 1
            or found.size > 64
            or (found.size and abs(found.astype(float)).max() > MOST)
        ):
            what = f"{found.dtype} of shape {found.shape}"
            self.refuse(f"its {name} as a few whole numbers of at most 2^24", what)
        return [int(n) for n in found.ravel()]

    def optional(self, index: int) -> bool:
        """Whether an input is there."""
        return self.given(index) is not None

    def only_output(self, used: int = 1) -> None:
        """Refuse a further output that somebody reads."""
        if more := [name for name in self.outputs[used:] if name]:
            self.refuse("that only its first output is read", f"its output {clean(more[0])} read too")

    def axis(self, given: int, rank: int) -> int:
        """An axis of a value of so many axes, the batch among them, counted from the front."""
        found = given + rank if given < 0 else given
        if not 0 <= found < rank:
            self.refuse(f"an axis of {rank}", str(given))
        return found

    def own_axis(self, given: int, shape: tuple[int, ...]) -> int:
        """An axis of an image, counted without that of the batch."""
        found = self.axis(given, len(shape) + 1)
        if found == 0:
            self.refuse("an axis of the image, as the first one is the batch", "the first one")
        return found - 1
