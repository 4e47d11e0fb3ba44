"""The page's addresses: its files, and what it asks for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ...arrays import Array
from ...errors import need
from ...train.classifier import Classifier
from ..body import Refused, body_of
from .field import stage_size
from .frames import packed
from .guard import Guard
from .ink import PAD, PAD_BYTES, SIDE, Change, digit
from .judge import package_digits, samples, shown
from .live import MOST_STEPS, Live
from .networks import Networks, Ready
from .recipes import RECIPES
from .taken_apart import taken_apart

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

FILES = Path(__file__).with_name("static")
BUSY = 16
"""So many requests that need a network may be in hand; others are answered 503."""

RANGES = {"down": (-14, 14), "right": (-14, 14), "rotation": (-180, 180), "scale": (0.25, 4), "noise": (0, 1)}
BINARY = "application/octet-stream"
Result = TypeVar("Result")
Answering = Callable[["Request"], Awaitable["Response"]]


def page(own: tuple[Classifier, str] | None = None, service: Starlette | None = None, host: str = "localhost") -> Starlette:
    """The page as an ASGI application, with a service's addresses beside its own.

    Args:
        own: a classifier of the user, and what it is called.
        service: what ``serve.service`` gave; its addresses are answered as well.
        host: the name that the server listens on; requests to other names are refused.

    Raises:
        CheckpointError: the classifier takes no grey pictures.
        OutputError: Starlette or Pillow is not installed.
    """
    need("starlette", "PIL")
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles

    answers = Answers(Networks(own), Live())
    routes = [
        Route("/demo/networks", guarded(answers.networks)),
        Route("/demo/network", guarded(answers.network)),
        Route("/demo/digits", guarded(answers.digits)),
        Route("/demo/look", guarded(answers.look), methods=["POST"]),
        Route("/demo/field", guarded(answers.field), methods=["POST"]),
        Route("/demo/train", guarded(answers.training), methods=["GET"]),
        Route("/demo/train", guarded(answers.train), methods=["POST"]),
        Route("/demo/stop", guarded(answers.stop), methods=["POST"]),
        *(service.routes if service is not None else ()),
        Mount("/", StaticFiles(directory=FILES, html=True)),
    ]

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if service is not None:
                await stack.enter_async_context(service.router.lifespan_context(service))
            answers.start()
            stack.push_async_callback(asyncio.to_thread, answers.end)
            yield

    return Starlette(routes=routes, lifespan=lifespan, middleware=[Middleware(Guard, host=host)])


def guarded(answer: Answering) -> Answering:
    """An answer whose refusals are a status and a sentence."""

    async def answered(request: Request) -> Response:
        from starlette.responses import JSONResponse

        try:
            return await answer(request)
        except Refused as refusal:
            headers = {"Connection": "close"} | ({"Retry-After": "1"} if refusal.status == 503 else {})
            return JSONResponse({"error": refusal.words}, refusal.status, headers)

    return answered


class Answers:
    """Answers the page's requests.

    Args:
        networks: the networks to choose from.
        live: the training that one can watch.
    """

    def __init__(self, networks: Networks, live: Live) -> None:
        self._networks, self._live = networks, live
        self._in_hand = 0

    def start(self) -> None:
        """Begin to prepare the networks."""
        self._networks.start()

    def end(self) -> None:
        """End what runs in the background."""
        self._live.stop()
        self._networks.stop()

    async def networks(self, request: Request) -> Response:
        """The networks, and how far each is."""
        from starlette.responses import JSONResponse

        choices = [choice.described() for choice in self._networks.choices.values()]
        return JSONResponse({"networks": choices, "pad": PAD, "side": SIDE, "most_steps": MOST_STEPS})

    async def network(self, request: Request) -> Response:
        """A network's stages and classes, and what it was trained on."""
        from starlette.responses import JSONResponse

        ready = self._ready(request)
        judge = ready.judge
        rules = None if judge.rules is None else asdict(judge.rules)
        more = {"kind": judge.kind, "accuracy": judge.accuracy, "trained": ready.trained, "rules": rules, "run": ready.run}
        return JSONResponse(ready.viewer.described() | more)

    async def digits(self, request: Request) -> Response:
        """Sample digits, and those that the network misreads."""
        ready, digits = self._ready(request), package_digits()
        some, misread = samples(), ready.judge.misread
        chosen = [*some, *(number for number, _ in misread)]
        head = {
            "numbers": chosen,
            "labels": [int(digits.test_labels[n]) for n in chosen],
            "read": [None] * len(some) + [read for _, read in misread],
            "tested": len(digits.test_labels),
        }
        return _binary(packed(head, {"images": digits.test_images[chosen]}))

    async def look(self, request: Request) -> Response:
        """What the network makes of a drawing or an image."""
        ready, image = self._ready(request), await self._image(request)
        return _binary(await self._work(partial(_look, ready, image)))

    async def field(self, request: Request) -> Response:
        """The sum that made one number."""
        from starlette.responses import JSONResponse

        ready, image = self._ready(request), await self._image(request)
        stages = ready.viewer.stages
        number = _whole(request, "stage", len(stages) - 1)
        stage = stages[number]
        size = stage_size(stage) if len(stage.shape) == 3 else (1, 1)
        place = [_whole(request, "map", stage.shape[0] - 1), _whole(request, "row", size[0] - 1)]
        place.append(_whole(request, "column", size[1] - 1))
        return JSONResponse(await self._work(partial(taken_apart, ready.viewer, image, number, *place)))

    async def training(self, request: Request) -> Response:
        """The training as it stands."""
        after = _whole(request, "after", MOST_STEPS)
        head, arrays = await self._work(partial(self._live.snapshot, after))
        return _binary(packed(head, arrays))

    async def train(self, request: Request) -> Response:
        """Begin a training."""
        from starlette.responses import JSONResponse

        await body_of(request, 0, "send none")
        key = request.query_params.get("network", "")
        recipe = next((recipe for recipe in RECIPES if recipe.key == key), None)
        if recipe is None:
            known = ", ".join(recipe.key for recipe in RECIPES)
            raise Refused(400, f"network: expected one of {known}, got {key[:20]!r}; choose one of them")
        steps = _whole(request, "steps", MOST_STEPS, 1)
        rate = _number(request, "rate", (1e-6, 1.0))
        return JSONResponse({"run": await asyncio.to_thread(self._live.start, recipe, steps, rate)})

    async def stop(self, request: Request) -> Response:
        """End the training."""
        from starlette.responses import JSONResponse

        await body_of(request, 0, "send none")
        await asyncio.to_thread(self._live.stop)
        return JSONResponse({})

    def _ready(self, request: Request) -> Ready:
        key = request.query_params.get("network", "")
        return self._live.ready() if key == "live" else self._networks.ready(key)

    async def _image(self, request: Request) -> Array:
        """The image of a request: a drawing or grey levels, changed as it says."""
        change = Change(**{name: _number(request, name, RANGES[name], float(name == "scale")) for name in RANGES})
        hint = f"send {PAD} × {PAD} bits or {SIDE} × {SIDE} grey levels"
        body = await body_of(request, PAD_BYTES, hint)
        if len(body) == PAD_BYTES:
            return change.of(digit(body))
        if len(body) == SIDE * SIDE:
            return change.of(np.frombuffer(body, np.uint8).reshape(SIDE, SIDE))
        raise Refused(400, f"body: expected {PAD_BYTES} or {SIDE * SIDE} bytes, got {len(body)}; {hint}")

    async def _work(self, work: Callable[[], Result]) -> Result:
        """Do in a thread what would hold up others."""
        if self._in_hand >= BUSY:
            raise Refused(503, f"queue: expected fewer than {BUSY} requests in hand, got more; try again later")
        self._in_hand += 1
        try:
            return await asyncio.to_thread(work)
        finally:
            self._in_hand -= 1


def _look(ready: Ready, image: Array) -> bytes:
    """An answer about an image: its grey levels, what the network reads, every stage, every link, and the scores."""
    seen = ready.viewer.see(image)
    arrays = {"image": image, "x": seen.x.astype(np.float32)}
    for n, (stage, values) in enumerate(zip(ready.viewer.stages, seen.values, strict=True)):
        arrays[f"stage{n}"] = values.reshape(stage.shape)[: stage.maps].astype(np.float32)
    arrays |= {f"links {name}": found for name, found in ready.viewer.links(seen).items()}
    arrays["scores"] = shown(ready.judge.kind, seen.values[-1].ravel()).astype(np.float32)
    return packed({**ready.judge.answer(seen.values[-1].ravel()), "run": ready.run}, arrays)


def _binary(content: bytes) -> Response:
    from starlette.responses import Response

    return Response(content, media_type=BINARY)


def _number(request: Request, name: str, range_: tuple[float, float], default: float | None = None) -> float:
    """A number of a request."""
    low, high = range_
    text = request.query_params.get(name, "" if default is None else str(default))
    try:
        value = float(text[:40])
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise Refused(400, f"{name}: expected a number from {low:g} to {high:g}, got {text[:20]!r}; give one in that range")
    return value


def _whole(request: Request, name: str, most: int, least: int = 0) -> int:
    """A whole number of a request; 0 where it is not given."""
    text = request.query_params.get(name, "0")
    if not (text.isascii() and text.isdecimal()) or len(text) > 9 or not least <= int(text) <= most:
        what = f"expected a whole number from {least} to {most}, got {text[:20]!r}"
        raise Refused(400, f"{name}: {what}; give one in that range")
    return int(text)
