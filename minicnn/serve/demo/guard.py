"""Who may ask: a page on this machine must not be read or driven by pages of others, and it loads nothing from elsewhere."""

from __future__ import annotations

import ipaddress
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cache-control": "no-cache",
}
"""What every answer says."""


class Guard:
    """Answers 403 to requests whose Host is a foreign name, or that come from a page of another origin.

    A foreign page can lead its own name to 127.0.0.1 (DNS rebinding): its requests bear that name. An address cannot be led
    anywhere, so addresses and ``localhost`` are let through. A link from anywhere, such as from a notebook, may lead to the
    page: a foreign page cannot read the window that it opens, and the server acts on POST alone.

    Args:
        app: who answers the others.
        host: the name that the server was told to listen on, which is let through as well.
    """

    def __init__(self, app: ASGIApp, host: str = "localhost") -> None:
        self._app, self._host = app, host.lower()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message.get("headers", [])}
                more = [(n.encode(), v.encode()) for n, v in HEADERS.items() if n.encode() not in given]
                message = {**message, "headers": [*message.get("headers", []), *more]}
            await send(message)

        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        words = self._refusal(scope["method"], headers)
        if not words:
            await self._app(scope, receive, guarded)
            return
        content = json.dumps({"error": words}).encode()
        kind = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await guarded({"type": "http.response.start", "status": 403, "headers": [*kind, (b"connection", b"close")]})
        await guarded({"type": "http.response.body", "body": content})

    def _refusal(self, method: str, headers: dict[str, str]) -> str:
        """Why a request is refused; "" for one that is not."""
        host, origin = headers.get("host", ""), headers.get("origin", "")
        if not self._ours(host):
            return f"Host: expected an address or localhost, got {host[:60]!r}; open the page by the address that was printed"
        if origin and origin.partition("://")[2].lower() != host.lower():
            return f"Origin: expected this page, got {origin[:60]!r}; send requests from the page or without Origin"
        link = method == "GET" and headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
        if not link and headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return "Sec-Fetch-Site: expected this page, got another site; open the page itself"
        return ""

    def _ours(self, host: str) -> bool:
        """Whether a Host header has an address, or a name of ours."""
        name = host.lower()
        name = name[1:].partition("]")[0] if name.startswith("[") and "]" in name else name.partition(":")[0]
        if name in ("localhost", self._host):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True
