"""Requests that wait together go through the network together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..arrays import Array


class Batcher:
    """Answers images one by one, while it predicts as many together as wait.

    One thread predicts. Whatever arrives meanwhile waits and makes the next batch, so that a single request never waits for
    others to come.

    Args:
        predict: called with images (N, …) in a thread of its own; returns an answer (N, …) for each.
        most: so many images at most go together; 1 turns batching off.
        seen: called with the number of images of each batch.
    """

    def __init__(self, predict: Callable[[Array], Array], most: int, seen: Callable[[int], None] = lambda images: None) -> None:
        self._predict, self._most, self._seen = predict, most, seen
        self._waiting = deque[tuple[Array, asyncio.Future[Array]]]()
        self._thread = ThreadPoolExecutor(1, "predict")
        self._working: asyncio.Task[None] | None = None

    async def answer(self, image: Array) -> Array:
        """The answer for one image.

        Args:
            image: it; all images have one shape.

        Raises:
            Exception: what ``predict`` raised for the batch.
        """
        future: asyncio.Future[Array] = asyncio.get_running_loop().create_future()
        self._waiting.append((image, future))
        if self._working is None:
            self._working = asyncio.create_task(self._work())
        return await future

    async def close(self) -> None:
        """Answer what waits, and end the thread."""
        if self._working is not None:
            await self._working
        self._thread.shutdown()

    async def _work(self) -> None:
        """Predict until nothing waits."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
            batch = [each for each in batch if not each[1].done()]  # whoever has hung up needs no answer
            if not batch:
                continue
            self._seen(len(batch))
            try:
                answers = await loop.run_in_executor(self._thread, self._predict, np.stack([image for image, _ in batch]))
            except Exception as error:
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), found in zip(batch, answers, strict=True):
                if not future.done():
                    future.set_result(found)
        self._working = None
