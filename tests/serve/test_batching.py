"""Requests that wait together go together; each gets its own answer."""

import asyncio
import threading

import numpy as np
import pytest

from minicnn.serve.batching import Batcher


def answers(batcher, images):
    async def ask():
        try:
            return await asyncio.gather(*(batcher.answer(np.array([n])) for n in images), return_exceptions=True)
        finally:
            await batcher.close()

    return asyncio.run(ask())


def test_what_waits_goes_together_and_each_gets_its_own_answer():
    sizes = []
    found = answers(Batcher(lambda images: images * 2, 4, sizes.append), range(10))
    assert [int(each[0]) for each in found] == [2 * n for n in range(10)]
    assert sizes == [4, 4, 2]


def test_one_alone_does_not_wait_for_others():
    sizes = []
    assert answers(Batcher(lambda images: images, 64, sizes.append), [7])[0] == [7]
    assert sizes == [1]


def test_batching_can_be_turned_off():
    sizes = []
    answers(Batcher(lambda images: images, 1, sizes.append), range(3))
    assert sizes == [1, 1, 1]


def test_it_predicts_in_one_thread_that_is_not_the_callers():
    seen = set()
    answers(Batcher(lambda images: (seen.add(threading.get_ident()), images)[1], 2), range(6))
    assert len(seen) == 1
    assert threading.get_ident() not in seen


def test_a_fault_reaches_those_of_its_batch_and_no_others():
    def predict(images):
        if 2 in images:
            raise ValueError("two")
        return images

    found = answers(Batcher(predict, 2), range(6))
    assert [type(each) for each in found] == [np.ndarray] * 2 + [ValueError] * 2 + [np.ndarray] * 2


def test_whoever_hangs_up_is_not_predicted():
    seen, go = [], threading.Event()

    def predict(images):
        seen.append(images.ravel().tolist())
        go.wait(10)
        return images

    async def ask():
        batcher = Batcher(predict, 8)
        tasks = [asyncio.create_task(batcher.answer(np.array([n]))) for n in range(1)]
        await asyncio.sleep(0.05)
        tasks += [asyncio.create_task(batcher.answer(np.array([n]))) for n in (1, 2, 3)]
        await asyncio.sleep(0.05)
        tasks[2].cancel()
        tasks[0].cancel()  # its batch is at work: the answer is dropped
        go.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        await batcher.close()
        return found

    found = asyncio.run(ask())
    assert seen == [[0], [1, 3]]
    assert [isinstance(each, asyncio.CancelledError) for each in found] == [True, False, True, False]


def test_closing_answers_what_waits():
    async def ask():
        batcher = Batcher(lambda images: images, 1)
        tasks = [asyncio.create_task(batcher.answer(np.array([n]))) for n in range(3)]
        await asyncio.sleep(0)
        await batcher.close()
        return [int((await task)[0]) for task in tasks]

    assert asyncio.run(ask()) == [0, 1, 2]


@pytest.mark.parametrize("most", [1, 3])
def test_a_later_request_is_answered_too(most):
    async def ask():
        batcher = Batcher(lambda images: images + 1, most)
        first = await batcher.answer(np.array([1]))
        second = await batcher.answer(np.array([2]))
        await batcher.close()
        return [*first, *second]

    assert asyncio.run(ask()) == [2, 3]
