"""The body of a request, within bounds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request

PATIENCE = 20.0
"""Seconds after which a request whose body has not come is refused."""


class Refused(Exception):  # noqa: N818 (an answer, not a fault)
    """A request that is answered with a status and a sentence."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(status, words)
        self.status, self.words = status, words


async def body_of(request: Request, most: int, hint: str) -> bytes:
    """The body of a request.

    Args:
        request: it.
        most: so many bytes it may have.
        hint: what to do about a body that is larger.

    Raises:
        Refused: it is larger, does not come in time, or breaks off.
    """
    from starlette.requests import ClientDisconnect

    content = bytearray()
    too_much = Refused(413, f"body: expected at most {most:,} bytes, got more; {hint}")
    if (said := request.headers.get("content-length", "0")).isdecimal() and int(said[:20]) > most:
        raise too_much
    try:
        async with asyncio.timeout(PATIENCE):
            async for piece in request.stream():
                content += piece
                if len(content) > most:
                    raise too_much
    except TimeoutError:
        raise Refused(408, f"body: expected all of it within {PATIENCE:g} s, got a part; send it at once") from None
    except ClientDisconnect:
        raise Refused(499, "body: expected all of it, got a part; stay connected") from None
    return bytes(content)
