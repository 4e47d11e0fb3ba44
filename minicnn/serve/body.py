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

    content, length = bytearray(), length_of(request)
    too_much = Refused(413, f"body: expected at most {most:,} bytes, got more; {hint}")
    if length is not None and length > most:
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


def length_of(request: Request) -> int | None:
    """What a request says of the length of its body; a server need not have looked at it.

    Raises:
        Refused: it is no length.
    """
    said = {part.strip() for given in request.headers.getlist("content-length") for part in given.split(",")}
    if not said:
        return None
    first = said.pop()
    if said or not (first.isascii() and first.isdigit()):
        words = "Content-Length: expected one whole number, got another text or several"
        raise Refused(400, f"{words}; send the number of bytes of the body")
    return int(first.lstrip("0")[:20] or "0")
