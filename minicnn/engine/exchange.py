"""How ranks share a batch: slots are dealt to them, and what they did not add up themselves is exchanged and added in order.

Slot s belongs to rank s mod size. When all groups are done, every rank gets its part of the vector from all slots, adds the
slots in their order, as one process does, and hands its part of the sum on. So a vector crosses (slots + 1)/size times and
not slots times, the additions are shared too, and the bits are those of one process.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import Array
from ..backends.interface import Memory
from ..backends.program import Task
from ..errors import BackendError, OptionError
from .accumulate import GradientSlots
from .lots import Step, lots
from .world import Exchange, World, cut, to_all


def owner(group: int, world: World, slots: int) -> int:
    """The rank of a group, of a network with so many slots."""
    return (group % slots if world.exact else group) % world.size


def check(world: World, slots: int, memory: Memory | None) -> None:
    """Refuse ranks that cannot share a batch.

    Raises:
        OptionError: there are more than slots.
        BackendError: the kernels work in the memory of a device.
    """
    if world.exact and world.size > slots:
        hint = "start fewer ranks, give more slots, or let plain Allreduce add, by exact=False"
        what = f"expected at most {slots} ranks, as many as there are gradient slots, got {world.size}"
        raise OptionError("world", what, hint)
    if memory is not None:
        what = "expected a backend whose kernels work in the memory of the host, got one on a device"
        raise BackendError("world", what, 'give backend="cpu"')


def rows_exchange(world: World, rows: Sequence[Array], groups: int, slots: int) -> Exchange:
    """The exchange after which every rank has the measurements of all groups, each in its row.

    Args:
        world: the ranks.
        rows: arrays with a row for each group.
        groups: how many there are.
        slots: how many the network has.
    """
    of_rank = [[i for i in range(groups) if owner(i, world, slots) == rank] for rank in range(world.size)]
    by_rank = [[each[i] for i in own for each in rows] for own in of_rank]
    return to_all(world, by_rank[world.rank], by_rank)


def together(world: World, slots: GradientSlots, groups: int, threads: int, train: bool) -> list[Step]:
    """What ranks do when the groups of all are done: every one gets the loss, the hits and, in training, the gradients.

    Args:
        world: the ranks.
        slots: where this one added its groups'.
        groups: how many there are in all.
        threads: those of this rank.
        train: whether there are gradients.
    """
    return (
        _in_order(world, slots, groups, threads, train) if world.exact else _in_any_order(world, slots, groups, threads, train)
    )


def _in_order(world: World, slots: GradientSlots, groups: int, threads: int, train: bool) -> list[Step]:
    mine, used = world.rank, min(slots.count, groups)
    of_rank = [range(rank, used, world.size) for rank in range(world.size)]
    tallies = [[slots.tallies[slot] for slot in own] for own in of_rank]
    if not train:
        return [to_all(world, tallies[mine], tallies)]
    vectors = [slot.grads.memory for slot in slots.take(groups)]
    total, parts = vectors[0], cut(len(vectors[0]), world)
    others = [rank for rank in range(world.size) if rank != mine]
    sent = [(rank, vectors[slot][parts[rank]]) for rank in others for slot in of_rank[mine]]
    received = [(rank, vectors[slot][parts[mine]]) for rank in others for slot in of_rank[rank]]
    sent += [(rank, tally) for rank in others for tally in tallies[mine]]
    received += [(rank, tally) for rank in others for tally in tallies[rank]]
    sums = slots.sums(groups, threads, parts[mine : mine + 1]) if used > 1 else []
    return [world.link(sent, received), sums, to_all(world, [total[parts[mine]]], [[total[part]] for part in parts])]


def _in_any_order(world: World, slots: GradientSlots, groups: int, threads: int, train: bool) -> list[Step]:
    own = len(lots(groups, world, slots.count))
    tally = np.zeros((2, slots.tallies.shape[1]))
    totals = world.total(tally.reshape(-1))

    def add_tallies() -> None:
        tally[:] = list(zip(*slots.tally(slots.count), strict=True))
        totals()
        slots.tallies.fill(0)
        slots.tallies[0, :, 0] = tally[0].view(np.int64)
        slots.tallies[0, :, 1] = tally[1]  # whole numbers are exact up to 2^53

    steps: list[Step] = []
    if train:
        first = slots.take(groups)[0]
        local = slots.sums(own, threads) if own > 1 else []
        if not own:  # nothing was written into its gradients
            local = [Task([([first.reset], (0, 1, 1))], np.zeros(1, np.int64))]
        steps += [local, world.total(first.grads.memory)]
    return [*steps, add_tallies]
