"""The HTTP interface: ``POST /predict``, ``GET /health`` and ``GET /metrics``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..arrays import Array
from ..errors import DataError, need
from ..train.classifier import Classifier
from .batching import Batcher
from .body import Refused, body_of, length_of
from .metrics import Metrics
from .request import Form

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

JSON, NPY = "application/json", "application/x-npy"
PICTURES = ("image/png", "image/jpeg", "image/bmp", "image/gif")
TOP = 5
"""An answer has so many of the most likely classes unless the request says ``?top=``."""


@dataclass(frozen=True)
class Limits:
    """What the service takes on.

    Args:
        batch: so many pictures at most go through the network together; 1 turns batching off.
        queue: so many requests at most are in hand; others are answered 503.
        bytes: so large at most may the body of a request be.
    """

    batch: int = 64
    queue: int = 256
    bytes: int = 16 << 20


def service(model: Classifier, fit: str = "crop", limits: Limits = Limits()) -> Starlette:
    """The service as an ASGI application, for any ASGI server.

    ``POST /predict`` takes a picture (PNG, JPEG, BMP, GIF), or an array as JSON ``{"image": […]}`` or NPY, and answers
    ``{"class": …, "probability": …, "classes": [{"name": …, "probability": …}, …]}``. Requests that wait go through the network
    together, which may change the last digits of an answer: sums of one image are added in another order than those of several.
    While the service runs, the parameters of the model cannot be changed (``Network.inference_mode``).

    Args:
        model: a trained classifier of pictures.
        fit: how pictures of another size get that of the network, as of ``data.read_picture``.
        limits: of batches, requests and bodies.

    Raises:
        OutputError: Starlette or prometheus-client is not installed.
    """
    need("starlette", "prometheus_client", "PIL")
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    if model.preprocessing is not None:
        model = model.with_layout("NCHW")  # that of pictures as they are read
    metrics = Metrics()
    shape, steps = model.net.in_shape, model.preprocessing
    form = Form(shape=shape, uint8=steps is None or steps.uint8, fit=fit)
    batcher = Batcher(model.predict_proba, limits.batch, metrics.batch)
    handler = _Predict([str(name) for name in np.asarray(model.classes)], form, batcher, metrics, limits)

    async def health(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def measured(request: Request) -> Response:
        return PlainTextResponse(metrics.text(), media_type="text/plain; version=0.0.4")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await asyncio.to_thread(model.predict_proba, np.zeros((1, *shape), np.uint8 if form.uint8 else np.float32))  # compile
        with model.net.inference_mode():
            yield
            await batcher.close()

    routes = [
        Route("/predict", handler.answer, methods=["POST"]),
        Route("/health", health),
        Route("/metrics", measured),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


class _Predict:
    """Answers ``POST /predict``."""

    def __init__(self, names: list[str], form: Form, batcher: Batcher, metrics: Metrics, limits: Limits) -> None:
        self._names, self._form, self._batcher = names, form, batcher
        self._metrics, self._limits = metrics, limits
        self._in_hand = 0
        kinds: dict[str, Callable[[bytes], Awaitable[Array]]] = dict.fromkeys(PICTURES, self._picture)
        self._readers = kinds | {JSON: self._json, NPY: self._npy}

    async def answer(self, request: Request) -> Response:
        """Read a picture, predict, and answer."""
        from starlette.responses import JSONResponse

        started, status, headers = time.perf_counter(), 200, {}
        self._in_hand += 1
        self._metrics.waiting(self._in_hand)
        try:
            said: object = await self._said(request)
        except Refused as refusal:
            status, said = refusal.status, {"error": refusal.words}
            headers = {"Retry-After": "1"} if status == 503 else {}
        except DataError as error:
            status, said = 400, {"error": str(error)}
        finally:
            self._in_hand -= 1
            self._metrics.waiting(self._in_hand)
        self._metrics.answered(status, time.perf_counter() - started)
        if status != 200:
            headers["Connection"] = "close"  # what is left of the body is not read
        return JSONResponse(said, status, headers)

    async def _said(self, request: Request) -> object:
        if self._in_hand > self._limits.queue:
            raise Refused(503, f"queue: expected fewer than {self._limits.queue} requests in hand, got more; try again later")
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        reader = self._readers.get(kind)
        if reader is None:
            known = ", ".join((*PICTURES, JSON, NPY))
            raise Refused(415, f"Content-Type: expected one of {known}, got {kind[:100] or 'none'}; say what the body is")
        top = self._top(request.query_params.get("top", str(TOP)))
        image = await reader(await self._body(request))
        shares = await self._batcher.answer(image)
        best = [{"name": self._names[n], "probability": float(shares[n])} for n in np.argsort(-shares, kind="stable")[:top]]
        return {"class": best[0]["name"], "probability": best[0]["probability"], "classes": best}

    def _top(self, text: str) -> int:
        if not text.isdecimal() or len(text) > 9 or int(text) < 1:
            raise Refused(400, f"top: expected a whole number of at least 1, got {text[:20]!r}; leave it out for {TOP}")
        return int(text)

    async def _body(self, request: Request) -> bytes:
        content = await body_of(request, self._limits.bytes, "send a smaller picture")
        if not content and length_of(request) is None and "transfer-encoding" not in request.headers:
            raise Refused(411, "Content-Length: expected the length of a body, got none; send a picture with its length")
        if not content:
            raise Refused(400, "body: expected a picture, got none; send its bytes as the body")
        return content

    async def _picture(self, body: bytes) -> Array:
        if self._form.is_large(body):
            return await asyncio.to_thread(self._form.picture, body)
        return self._form.picture(body)

    async def _json(self, body: bytes) -> Array:
        return self._form.from_json(body)

    async def _npy(self, body: bytes) -> Array:
        return self._form.from_npy(body)
