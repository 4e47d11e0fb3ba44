"""A discrete simulation of training steps: every rank has a clock, messages move it.

It knows no formula of ``model``: delays are drawn for each rank and step, and messages move the clocks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .model import SLOTS, Machine, images_of

Clock = np.ndarray[Any, np.dtype[np.float64]]


def simulated_step_s(ranks: int, batch: int, size: int, machine: Machine, steps: int = 60, seed: int = 0) -> float:
    """Mean seconds of a step.

    Args:
        ranks: how many.
        batch: images in a step.
        size: bytes of the gradient.
        machine: where they run.
        steps: how many are simulated.
        seed: of the delays.
    """
    rng = np.random.default_rng(seed)
    clock = np.zeros(ranks)
    for _ in range(steps):
        computing = images_of(ranks, batch) * machine.image_s
        clock = clock + computing * (1 + machine.spread * rng.standard_normal(ranks))
        clock = clock + machine.late_s * (rng.random(ranks) < machine.late)
        if ranks > SLOTS:
            clock = _halving(clock, size, machine)
        elif ranks > 1:
            clock = _direct(clock, batch, size, machine)
        clock = clock + machine.update_s
    return float(clock.max()) / steps


def _direct(clock: Clock, batch: int, size: int, machine: Machine) -> Clock:
    """Every rank sends a part of each of its slots to each other rank, one message after another; then its part of the sum."""
    ranks = len(clock)
    slots = min(SLOTS, -(-batch // 16))
    for messages in ([len(range(rank, slots, ranks)) for rank in range(ranks)], [1] * ranks):
        seconds = size / ranks / machine.bandwidth
        sent, taken = clock.copy(), clock.copy()
        for turn in range(1, ranks):
            for sender in range(ranks):
                receiver = (sender + turn) % ranks
                for _ in range(messages[sender]):
                    sent[sender] += seconds
                    taken[receiver] = max(taken[receiver] + seconds, sent[sender] + machine.latency_s)
        clock = np.maximum(sent, taken)
    return clock


def _halving(clock: Clock, size: int, machine: Machine) -> Clock:
    """Recursive halving and doubling: in each round a rank waits for its partner; half as much, then twice, crosses."""
    ranks = len(clock)
    rounds = ranks.bit_length() - 1
    if 1 << rounds != ranks:
        raise ValueError(f"expected a power of two, got {ranks} ranks")
    numbers = np.arange(ranks)
    distances = [1 << turn for turn in range(rounds)]
    for turn, distance in (*enumerate(distances), *reversed([*enumerate(distances)])):
        partner = clock[numbers ^ distance]
        clock = np.maximum(clock, partner) + machine.latency_s + size / 2 ** (turn + 1) / machine.bandwidth
    return clock
