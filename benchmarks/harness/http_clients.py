"""Clients that each keep one connection open and ask again as soon as they have their answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field


def request(body: bytes, kind: str = "image/png") -> bytes:
    """A request as it goes over the wire."""
    head = f"POST /predict HTTP/1.1\r\nHost: bench\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@dataclass
class Answers:
    """What clients got.

    Attributes:
        times: seconds from each request to its answer.
        statuses: how many answers had each status; 0 for a connection that ended.
        seconds: how long it took in all.
    """

    times: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    seconds: float = 0.0

    def count(self, status: int) -> None:
        """Count an answer."""
        self.statuses[status] = self.statuses.get(status, 0) + 1


class Client(asyncio.Protocol):
    """One connection.

    Args:
        following: gives each request; None ends the connection.
        answers: where answers are noted.
    """

    def __init__(self, following: Callable[[], bytes | None], answers: Answers) -> None:
        self._following, self._answers = following, answers
        self._held, self._started = b"", 0.0
        self.ended = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None
        self._open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the first time."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Take a piece of an answer; ask again once it is whole."""
        self._held += data
        end = self._held.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._held[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._held) < end + 4 + length:
            return
        self._answers.times.append(time.perf_counter() - self._started)
        self._answers.count(int(self._held[9:12]))
        self._held, self._open = b"", False
        if b"connection: close" not in head:
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note an answer that did not come."""
        if self._open:
            self._answers.count(0)
        if not self.ended.done():
            self.ended.set_result(None)

    def _ask(self) -> None:
        assert self._transport is not None
        following = self._following()
        if following is None:
            self._transport.close()
            return
        self._open, self._started = True, time.perf_counter()
        self._transport.write(following)


async def _all(port: int, following: Callable[[], bytes | None], clients: int, more: Callable[[], bool]) -> Answers:
    answers, loop = Answers(), asyncio.get_running_loop()

    async def one() -> None:
        while more():
            _, client = await loop.create_connection(lambda: Client(following, answers), "127.0.0.1", port)
            await client.ended

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(clients)))
    answers.seconds = time.perf_counter() - began
    return answers


def for_a_while(port: int, content: bytes, clients: int, seconds: float) -> Answers:
    """So many clients send one request again and again."""
    end = time.perf_counter() + seconds

    def more() -> bool:
        return time.perf_counter() < end

    return asyncio.run(_all(port, lambda: content if more() else None, clients, more))


def each_once(port: int, contents: list[bytes], clients: int) -> Answers:
    """So many clients send these requests, each of them once, on connections that the service may close."""
    left = iter(contents)
    done = [False]

    def following() -> bytes | None:
        found = next(left, None)
        done[0] |= found is None
        return found

    return asyncio.run(_all(port, following, clients, lambda: not done[0]))
