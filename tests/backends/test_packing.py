"""Blocks of packed weights: as many as the filters need, and of the size that wastes least."""

import pytest

from minicnn.backends.packing import BLOCKS, blocks, filter_block


def test_blocks_round_up():
    assert [blocks(n, 8) for n in (1, 8, 9)] == [1, 1, 2]


@pytest.mark.parametrize("filters", range(1, 40))
def test_no_other_block_of_filters_wastes_less(filters):
    size = filter_block(filters)
    if filters < min(BLOCKS):
        assert size == filters
        return
    filled = {other: blocks(filters, other) * other for other in BLOCKS}
    assert size == max(other for other in BLOCKS if filled[other] == min(filled.values()))


def test_the_numbers_of_maps_that_convolutions_are_tested_with_reach_every_size_of_block():
    assert {filter_block(n) for n in range(1, 18)} == {1, 2, *BLOCKS}
