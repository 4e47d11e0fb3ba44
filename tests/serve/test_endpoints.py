"""The HTTP interface: answers, refusals in words, limits, and what it counts."""

import asyncio
import io
import json
import random

import httpx
import numpy as np
import pytest
from PIL import Image
from serve_models import CLASSES, trained

from minicnn.serve import Limits, service
from minicnn.serve import body as reading
from minicnn.serve import endpoints as module
from minicnn.serve.request import LARGE

PNG = {"content-type": "image/png"}


@pytest.fixture(scope="module")
def model():
    return trained()


def png(colour="red", size=(30, 20), mode="RGB"):
    file = io.BytesIO()
    Image.new(mode, size, colour).save(file, "PNG")
    return file.getvalue()


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def talk(app, speak):
    """What a conversation with the service returns."""

    async def run():
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await speak(client)

    return asyncio.run(run())


def post(app, body, kind="image/png", **options):
    return talk(app, lambda client: client.post("/predict", content=body, headers={"content-type": kind}, **options))


def test_a_picture_of_any_size_is_named(model):
    found = post(service(model), png("red"))
    assert found.status_code == 200
    said = found.json()
    assert said["class"] == "red"
    assert said["probability"] == said["classes"][0]["probability"] > 0.5
    assert [each["name"] for each in said["classes"]] == ["red", "blue"]
    assert sum(each["probability"] for each in said["classes"]) == pytest.approx(1)
    assert len(post(service(model), png("red"), params={"top": "1"}).json()["classes"]) == 1


@pytest.mark.parametrize("kind", ["jpeg", "bmp", "gif"])
def test_other_kinds_of_pictures(model, kind):
    file = io.BytesIO()
    Image.new("RGB", (9, 9), "red").save(file, kind)
    assert post(service(model), file.getvalue(), f"image/{kind}; charset=x").json()["class"] == "red"


def test_arrays_get_the_answer_of_the_classifier(model):
    image = np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    expected = model.predict_proba(image.transpose(2, 0, 1)[None])[0]
    bodies = [(json.dumps({"image": image.tolist()}).encode(), "application/json")]
    bodies += [(npy(given), "application/x-npy") for given in (image, image.transpose(2, 0, 1), image.astype(">i4"))]
    bodies.append((npy(image.astype(np.float64)), "application/x-npy"))
    for body, kind in bodies:
        found = {each["name"]: each["probability"] for each in post(service(model), body, kind).json()["classes"]}
        assert [found[name] for name in CLASSES] == [float(share) for share in expected]


def test_a_large_picture_is_decoded_in_a_thread(model, monkeypatch):
    threads = []
    plain = asyncio.to_thread
    monkeypatch.setattr(module.asyncio, "to_thread", lambda *given: (threads.append(given), plain(*given))[1])
    side = int(LARGE**0.5) + 1
    assert post(service(model), png("red", (side, side))).json()["class"] == "red"
    assert len(threads) == 2, "expected one for compiling and one for the picture"


def test_grey_models_and_models_of_floats():
    grey = trained(channels=1)
    assert post(service(grey), npy(np.zeros((8, 8), np.uint8)), "application/x-npy").json()["class"] == "blue"
    assert post(service(grey), png(255, (5, 5), "L")).json()["class"] == "red"
    floats = trained(floats=True)
    image = np.zeros((3, 8, 8))
    image[0] = 0.8
    assert post(service(floats), npy(image), "application/x-npy").json()["class"] == "red"
    found = post(service(floats), png())
    words = (
        "body: expected an array of floats, as the model was trained with, got a picture; send JSON or NPY of shape (3, 8, 8)"
    )
    assert (found.status_code, found.json()) == (400, {"error": words})


REFUSED = [
    (b"no picture", "image/png", 400, "body: expected a picture as PNG, JPEG, BMP, GIF, got something else; "),
    (png()[:60], "image/png", 400, "body: expected an intact picture, got a damaged one ("),
    (b"", "image/png", 400, "body: expected a picture, got none; send its bytes as the body"),
    (png(), "text/plain", 415, "Content-Type: expected one of image/png, image/jpeg, image/bmp, image/gif, application/json, "),
    (png(), "", 415, "Content-Type: expected one of"),
    (b"{", "application/json", 400, 'body: expected JSON, got something else; send {"image": [[0, 255, ...], ...]}'),
    (b"[" * 10_000, "application/json", 400, "body: expected JSON, got something else; "),
    (
        b'{"image": [' + b"[]," * 6000 + b"[]]}",
        "application/json",
        400,
        "body: expected at most 16,384 bytes of JSON for this network, got 18,015; send ",
    ),
    (b"[1]", "application/json", 400, 'body: expected an object with "image" and nothing else, got something else; '),
    (b'{"image": [[1], [2, 3]]}', "application/json", 400, "body: expected rows of numbers, all of one length, got "),
    (b'{"image": [["a"]]}', "application/json", 400, "body: expected rows of numbers, all of one length, got "),
    (b'{"image": [[1, 2]]}', "application/json", 400, "body: expected numbers (8, 8, 3) or (3, 8, 8), got shape (1, 2); "),
    (b"\x93NUMPY", "application/x-npy", 400, "body: expected an intact NPY file, got a broken one (no array of NPY version"),
    (npy(np.zeros((8, 8), np.uint8)), "application/x-npy", 400, "body: expected numbers (8, 8, 3) or (3, 8, 8), got |u1 of "),
    (npy(np.array([{}])), "application/x-npy", 400, "body: expected numbers (8, 8, 3) or (3, 8, 8), got |O of shape (1,); "),
    (npy(np.zeros((8, 8, 3), np.uint8))[:-1], "application/x-npy", 400, "body: expected 192 bytes for its shape (8, 8, 3) of "),
    (npy(np.full((8, 8, 3), 256)), "application/x-npy", 400, "body: expected whole numbers from 0 to 255, got others; scale"),
    (npy(np.full((8, 8, 3), 0.5)), "application/x-npy", 400, "body: expected whole numbers from 0 to 255, got others; scale"),
    (npy(np.full((8, 8, 3), np.nan)), "application/x-npy", 400, "body: expected finite numbers, got others; clean the image"),
    (
        png("red", (40, 40)) + bytes(2000),
        "image/png",
        413,
        "body: expected at most 1,500 bytes, got more; send a ",
    ),
]


@pytest.mark.parametrize(("body", "kind", "status", "words"), REFUSED)
def test_what_is_no_picture_is_refused_in_a_sentence(model, body, kind, status, words):
    found = post(service(model, limits=Limits(bytes=1500 if status == 413 else 1 << 20)), body, kind)
    assert found.status_code == status
    assert found.json()["error"].startswith(words)


def test_a_body_of_unknown_length_is_cut_off(model):
    async def pieces():
        for _ in range(10):
            yield bytes(400)

    found = post(service(model, limits=Limits(bytes=1500)), pieces())
    assert found.status_code == 413


LENGTHS = {
    "1501": 413,
    "0" * 40 + "1501": 413,
    "9" * 5000: 413,
    "+5": 400,
    "-1": 400,
    "1e3": 400,
    "5, 6": 400,
    "²": 400,
    "": 400,
}


@pytest.mark.parametrize("length", LENGTHS, ids=lambda length: length[:9])
def test_lengths_are_read_whatever_the_server_lets_through(model, length):
    async def pieces():
        yield png()

    app, given = (
        service(model, limits=Limits(bytes=1500)),
        {"content-type": "image/png", "content-length": length.encode("latin-1")},
    )
    found = talk(app, lambda client: client.post("/predict", content=pieces(), headers=given))
    assert found.status_code == LENGTHS[length]
    if LENGTHS[length] == 400:
        words = "Content-Length: expected one whole number, got another text or several; send the number of bytes of the body"
        assert found.json() == {"error": words}


def test_a_body_that_does_not_come_is_given_up(model, monkeypatch):
    monkeypatch.setattr(reading, "PATIENCE", 0.05)

    async def slow():
        yield b"x"
        await asyncio.sleep(5)

    found = post(service(model), slow())
    assert found.status_code == 408
    assert found.json()["error"] == "body: expected all of it within 0.05 s, got a part; send it at once"


@pytest.mark.parametrize("top", ["0", "x", "-1", "9" * 5000])
def test_a_top_that_is_none_is_refused(model, top):
    found = post(service(model), png(), params={"top": top})
    assert found.status_code == 400
    assert found.json()["error"] == f"top: expected a whole number of at least 1, got {top[:20]!r}; leave it out for 5"


def test_a_full_queue_is_answered_at_once(model):
    app = service(model, limits=Limits(queue=3))

    async def speak(client):
        return await asyncio.gather(*(client.post("/predict", content=png(), headers=PNG) for _ in range(8)))

    found = talk(app, speak)
    codes = sorted(each.status_code for each in found)
    assert codes == [200] * 3 + [503] * 5
    full = next(each for each in found if each.status_code == 503)
    assert full.headers["retry-after"] == "1"
    assert full.json()["error"] == "queue: expected fewer than 3 requests in hand, got more; try again later"


def test_requests_that_wait_go_together_and_are_counted(model):
    async def speak(client):
        bodies = [png(colour) for colour in ("red", "blue")] * 8
        found = await asyncio.gather(*(client.post("/predict", content=body, headers=PNG) for body in bodies))
        await client.post("/predict", content=b"", headers=PNG)
        return [each.json()["class"] for each in found], (await client.get("/metrics")).text

    classes, text = talk(service(model), speak)
    assert classes == ["red", "blue"] * 8
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert lines['minicnn_requests_total{status="200"}'] == "16.0"
    assert lines['minicnn_requests_total{status="400"}'] == "1.0"
    assert lines["minicnn_batch_images_sum"] == "16.0"
    assert float(lines["minicnn_batch_images_count"]) < 16
    assert lines["minicnn_requests_in_hand"] == "0.0"
    assert lines["minicnn_request_seconds_count"] == "17.0"


def test_health_and_ways_that_are_none(model):
    async def speak(client):
        return [await client.get("/health"), await client.get("/predict"), await client.get("/nothing")]

    health, got, nothing = talk(service(model), speak)
    assert (health.status_code, health.text) == (200, "ok\n")
    assert (got.status_code, nothing.status_code) == (405, 404)


def test_a_thousand_mutations_of_a_request_are_refused_or_answered(model):
    rng = random.Random(0)
    good = [(png("red", (8, 8)), "image/png"), (npy(np.zeros((8, 8, 3), np.uint8)), "application/x-npy")]
    good.append((json.dumps({"image": np.zeros((8, 8, 3), int).tolist()}).encode(), "application/json"))

    def mutated(body):
        changed = bytearray(body)
        for _ in range(rng.randint(1, 4)):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        return bytes(changed[: rng.randrange(1, len(changed) + 1)] if rng.random() < 0.3 else changed)

    async def speak(client):
        codes = set()
        for _ in range(1000):
            body, kind = rng.choice(good)
            codes.add((await client.post("/predict", content=mutated(body), headers={"content-type": kind})).status_code)
        return codes

    assert talk(service(model), speak) == {200, 400}
