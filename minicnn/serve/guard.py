"""Connections to the service: how long headers may take, how large they may be, and how many connections there are."""

from __future__ import annotations

import asyncio

SECONDS = 20.0
"""So long a client may take for its headers, from its first byte on, or from the connection."""

MOST_BYTES = 64 << 10
"""So large the request line and the headers may be; what comes in one piece with them counts only if they are not complete."""

SPARE = 64
"""So many connections more than get an answer are kept, to be answered 503; others are closed at once."""


def guarded() -> type[asyncio.Protocol]:
    """Uvicorn's connection with these limits, as its option ``http`` takes it."""
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    class Guarded(HttpToolsProtocol):
        """Uvicorn's connection, which has no such limits of its own."""

        _timer: asyncio.TimerHandle | None = None
        _bytes = 0

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            """Close it where there are too many, else wait for headers."""
            super().connection_made(transport)  # type: ignore[arg-type]  # as uvicorn's own
            most = self.limit_concurrency
            if most is not None and len(self.connections) > most + SPARE:
                self.transport.abort()
                return
            self._wait()

        def data_received(self, data: bytes) -> None:
            """Read, and refuse headers that are too long."""
            if self._timer is None and (self.cycle is None or self.cycle.response_complete):
                self._wait()
            super().data_received(data)
            if self._timer is not None:  # the headers are not complete
                self._bytes += len(data)
                if self._bytes > MOST_BYTES:
                    self._refuse(
                        b"431 Request Header Fields Too Large", b"headers: expected at most %d bytes, got more" % MOST_BYTES
                    )

        def on_headers_complete(self) -> None:
            """Wait no longer."""
            self._done()
            super().on_headers_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            """Wait no longer."""
            self._done()
            super().connection_lost(exc)

        def _wait(self) -> None:
            self._bytes = 0
            self._timer = self.loop.call_later(SECONDS, self._late)

        def _done(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _late(self) -> None:
            self._refuse(b"408 Request Timeout", b"headers: expected all of them within %g s, got a part" % SECONDS)

        def _refuse(self, status: bytes, words: bytes) -> None:
            """Answer in a sentence and close."""
            self._done()
            if not self.transport.is_closing():
                head = b"HTTP/1.1 %s\r\ncontent-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
                self.transport.write(head % (status, len(words)) + words)
                self.transport.close()

    return Guarded
