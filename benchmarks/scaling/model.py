"""A model of a training step on several ranks: computing, stragglers, and the exchange of gradients.

    step = images · c · (1 + s · z(p)) + d · (1 − (1 − q)^p) + exchange(p, n) + u

c seconds for an image, s the relative spread of a rank's computing, z(p) the expected largest of p normal numbers; one rank in
1/q is late by d; u is the update. The exchange is that of ``minicnn.engine.exchange`` up to the number of slots, and beyond
it an Allreduce by recursive halving and doubling (Rabenseifner, 2004).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

SLOTS, LANES = 8, 16


@dataclass(frozen=True)
class Machine:
    """What ranks run on.

    Attributes:
        image_s: seconds for an image, forward and backward.
        update_s: for the update of the parameters.
        latency_s: between two ranks.
        bandwidth: bytes a second between two ranks.
        spread: relative spread of a rank's computing from step to step.
        late: the share of ranks that are late in a step.
        late_s: by how much.
    """

    image_s: float
    update_s: float
    latency_s: float
    bandwidth: float
    spread: float = 0.02
    late: float = 0.0
    late_s: float = 0.0


def images_of(ranks: int, batch: int) -> int:
    """The images of the rank that has most: groups of sixteen are dealt.

    >>> images_of(3, 128), images_of(4, 32)
    (48, 16)
    """
    return LANES * math.ceil(math.ceil(batch / LANES) / ranks)


def exchange_s(ranks: int, batch: int, size: int, machine: Machine) -> float:
    """Seconds of the exchange of a gradient of so many bytes.

    >>> exchange_s(1, 128, 1000, Machine(1e-5, 0, 1e-6, 1e9))
    0.0
    """
    if ranks == 1:
        return 0.0
    if ranks <= SLOTS:
        slots = min(SLOTS, -(-batch // LANES))
        most = -(-slots // ranks)  # slots of the rank that has most
        others = slots - slots // ranks  # what a rank with fewest receives
        crossing = max(most * (ranks - 1), others) / ranks + (ranks - 1) / ranks
        return 2 * machine.latency_s + crossing * size / machine.bandwidth
    return 2 * math.ceil(math.log2(ranks)) * machine.latency_s + 2 * (ranks - 1) / ranks * size / machine.bandwidth


def largest_of(ranks: int) -> float:
    """The expected largest of so many normal numbers (Blom's approximation).

    >>> round(largest_of(2), 2), round(largest_of(1000), 1)
    (0.59, 3.2)
    """
    return NormalDist().inv_cdf((ranks - 0.375) / (ranks + 0.25)) if ranks > 1 else 0.0


def step_s(ranks: int, batch: int, size: int, machine: Machine) -> float:
    """Seconds of a step."""
    computing = images_of(ranks, batch) * machine.image_s * (1 + machine.spread * largest_of(ranks))
    waiting = machine.late_s * (1 - (1 - machine.late) ** ranks)
    return computing + waiting + exchange_s(ranks, batch, size, machine) + machine.update_s


def half_batch(ranks: int, size: int, machine: Machine) -> int:
    """The batch at which the exchange takes as long as computing; a multiple of the groups of all ranks.

    >>> half_batch(2, 247_000, Machine(1e-5, 0, 1e-6, 1e9))
    32
    """
    whole = LANES * ranks
    batch = whole
    while exchange_s(ranks, batch, size, machine) > images_of(ranks, batch) * machine.image_s:
        batch += whole
    return batch
