"""Parameter groups: parameters of a network whose rate or weight decay is their own."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..errors import OptionError, Options, number

if TYPE_CHECKING:
    from ..network import Network

KINDS = ("bias", "norm")


@dataclass(frozen=True)
class ParameterGroup(Options):
    """Parameters, chosen by name or kind, with a factor on the rate or a weight decay of their own.

    Groups are given to an optimiser as ``groups``. Where several choose a parameter, the last one that gives an option counts,
    so that ``[ParameterGroup(kinds=("bias", "norm"), weight_decay=0), ParameterGroup("C1", lr_factor=0.1)]`` leaves the bias of
    C1 without weight decay. A factor stands in the place of PyTorch's rate of a group, since schedules set the one rate.

    Args:
        names: names of layers or of parameters, ``"C1"`` or ``"C1.W"``, in which ``*`` and ``?`` stand for any characters; one
            or several.
        kinds: ``"bias"`` chooses every ``b``, ``"norm"`` all parameters of normalising layers.
        lr_factor: factor on the optimiser's rate, with 0 nothing changes; None for that of the other groups, or 1.
        weight_decay: in the place of the optimiser's; None for that.

    Raises:
        OptionError: an option is outside its range, or the group chooses or changes nothing.

    >>> ParameterGroup("C1", lr_factor=0.1)
    ParameterGroup(names=('C1',), kinds=(), lr_factor=0.1, weight_decay=None)
    """

    names: str | tuple[str, ...] = ()
    _: KW_ONLY
    kinds: str | tuple[str, ...] = ()
    lr_factor: float | None = None
    weight_decay: float | None = None
    order: ClassVar[str] = "give the names as one tuple, and the options by name"

    def __post_init__(self) -> None:
        who = "ParameterGroup"
        for field, example in (("names", "C1"), ("kinds", "bias")):
            given = getattr(self, field)
            given = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, list | tuple) else None
            if given is None or not all(isinstance(name, str) and name for name in given):
                what = f"expected {field} as text or several of them, got {getattr(self, field)!r}"
                raise OptionError(who, what, f'give {field}="{example}" or leave it out')
            object.__setattr__(self, field, given)
        if unknown := [kind for kind in self.kinds if kind not in KINDS]:
            raise OptionError(who, f'expected kinds "bias" or "norm", got {unknown[0]!r}', "choose other parameters by names")
        if not self.names and not self.kinds:
            raise OptionError(who, "expected names or kinds, got neither", 'give names="C1" or kinds=("bias", "norm")')
        for field in ("lr_factor", "weight_decay"):
            if getattr(self, field) is not None:
                number(who, field, getattr(self, field), 0, math.inf)
        if self.lr_factor is None and self.weight_decay is None:
            raise OptionError(who, "expected lr_factor or weight_decay, got neither", "give one of them")

    def options(self) -> dict[str, object]:
        """The options by name, as JSON has them."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


class Span(NamedTuple):
    """A part of the vector of parameters whose updates have the same numbers.

    Attributes:
        part: which part.
        lr_factor: factor on the rate.
        weight_decay: in the place of the optimiser's; None for that.
        missed: in how many of the optimiser's steps it was frozen.
    """

    part: slice
    lr_factor: float = 1.0
    weight_decay: float | None = None
    missed: int = 0


def checked(who: str, groups: object, decays: bool) -> tuple[ParameterGroup, ...]:
    """The groups of an optimiser.

    Args:
        who: the optimiser.
        groups: what was given.
        decays: whether it has a weight decay.

    Raises:
        OptionError: they are no groups, or have a weight decay that the optimiser has not.
    """
    several = tuple(groups) if isinstance(groups, list | tuple) else None
    if several is None or not all(isinstance(group, ParameterGroup) for group in several):
        hint = 'give groups=[ParameterGroup("C1", lr_factor=0.1)]'
        raise OptionError(who, f"expected groups as a list of ParameterGroup, got {groups!r}", hint)
    if not decays and any(group.weight_decay is not None for group in several):
        what = "expected groups without weight_decay, which it has not, got one with it"
        raise OptionError(who, what, "give lr_factor alone")
    return several


def spans(who: str, net: Network, groups: Sequence[ParameterGroup], missed: Mapping[str, int]) -> list[Span]:
    """The parts of the parameters that are updated, each as long as can be; frozen layers are in none.

    Args:
        who: the optimiser.
        net: the network.
        groups: the groups.
        missed: by layer, in how many steps it was frozen.

    Raises:
        OptionError: a group names or has a kind of parameter that the network has not.
    """
    norms = {placed.name for placed in net.layers if placed.layer.normalizes}
    asked = [(words, by_kind) for group in groups for words, by_kind in ((group.names, False), (group.kinds, True))]
    for word, of_kind in ((word, by_kind) for words, by_kind in asked for word in words):
        if not any(_fits(name, word, of_kind, norms) for name in net.params):
            kind, have = "the kind " if of_kind else "", ", ".join(net.params)
            what = f"expected groups of the network's parameters ({have}), got {kind}{word!r}, of which there is none"
            raise OptionError(who, what, "correct the group or leave it out")
    found: list[Span] = []
    for name, part in places(net):
        layer = name.partition(".")[0]
        if layer in net.frozen:
            continue
        factor, decay = 1.0, None
        for group in groups:
            if any(_fits(name, p, False, norms) for p in group.names) or any(_fits(name, k, True, norms) for k in group.kinds):
                factor = factor if group.lr_factor is None else group.lr_factor
                decay = decay if group.weight_decay is None else group.weight_decay
        span = Span(part, factor, decay, missed.get(layer, 0))
        if found and found[-1][1:] == span[1:] and found[-1].part.stop == part.start:
            span = span._replace(part=slice(found.pop().part.start, part.stop))
        found.append(span)
    return found


def places(net: Network) -> Iterator[tuple[str, slice]]:
    """Where each parameter lies in the vector of all."""
    end = 0
    for name, shape in net.identity.shapes.items():
        start, end = end, end + math.prod(shape)
        yield name, slice(start, end)


def _fits(name: str, pattern: str, by_kind: bool, norms: set[str]) -> bool:
    """Whether a parameter is chosen, by a pattern or a kind."""
    layer, _, own = name.partition(".")
    if by_kind:
        return own == "b" if pattern == "bias" else layer in norms
    return fnmatchcase(name, pattern) or fnmatchcase(layer, pattern)
