"""The page's addresses: answers, bounds, refusals in a sentence, headers, and who may ask."""

import asyncio
import json
import re
import threading
import time
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import numpy as np
import pytest
from serve_models import trained

from minicnn import RBF, CheckpointError, Classifier, Conv2d, Dense, Flatten, GlobalAvgPool2d, MaxPool2d, Network, SparseConv2d
from minicnn.data import Normalise, load_mnist
from minicnn.data.preprocessing import Preprocessing
from minicnn.nn.rbf import reject_scores
from minicnn.serve import service
from minicnn.serve.demo import live, networks, packaged, page, stages, taken_apart
from minicnn.serve.demo.guard import HEADERS
from minicnn.serve.demo.judge import judged, package_digits
from minicnn.serve.demo.reading import read
from minicnn.serve.demo.recipes import RECIPES

FOREIGN = ["evil.example", "localhost.evil.example:8000", "127.0.0.1.evil.example", "", "[::1", "[evil]:80"]
TRAIN, KEPT_AT = networks.train, networks.kept_at  # the fixture has others
STATIC = Path(networks.__file__).with_name("static")
PAD = bytes(2048)


def arrays(content):
    """Head and arrays of an answer."""
    length = int.from_bytes(content[:4], "little")
    head, start = json.loads(content[4 : 4 + length]), 4 + length
    assert start % 8 == 0
    found = {}
    for name, (dtype, shape, place) in head.pop("arrays").items():
        count = int(np.prod(shape))
        found[name] = np.frombuffer(content, dtype, count, start + place).reshape(shape)
    return head, found


class Client:
    """Asks an application, whose life lasts as long as this."""

    def __init__(self, app, host="localhost:8000"):
        self._runner, self._stack = asyncio.Runner(), AsyncExitStack()
        self._runner.run(self._stack.enter_async_context(app.router.lifespan_context(app)))
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{host}")

    def ask(self, method, path, **given):
        return self._runner.run(self._client.request(method, path, **given))

    def get(self, path, **query):
        return self.ask("GET", path, params=query)

    def post(self, path, content=b"", headers=None, **query):
        return self.ask("POST", path, params=query, content=content, headers=headers)

    def together(self, *requests):
        async def all_of_them():
            return await asyncio.gather(*(self._client.request(method, path, **given) for method, path, given in requests))

        return self._runner.run(all_of_them())

    def close(self):
        self._runner.run(self._stack.aclose())
        self._runner.run(self._client.aclose())
        self._runner.close()

    def wait(self, key=None):
        """How the networks are once they are prepared, or one of them."""
        for _ in range(1200):
            states = {each["key"]: each["state"] for each in self.get("/demo/networks").json()["networks"]}
            if not set([states[key]] if key else states.values()) & {"waiting", "compiling", "training"}:
                return states
            time.sleep(0.05)
        raise AssertionError(states)


@pytest.fixture(scope="module")
def client():
    """The page, whose networks are not trained first, beside a service."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks, "kept_at", lambda recipe: None)
        patch.setattr(networks, "train", lambda recipe, tell: (tell(0.5), recipe.classifier())[1])
        patch.setattr(live, "PACE", 0.0)
        made = Client(page(("own", trained(channels=1))[::-1], service(packaged())))
        made.wait()
        yield made
        made.close()


@pytest.fixture(scope="module")
def seven():
    return package_digits().test_images[0].tobytes()


def test_the_networks_are_listed_and_described(client):
    found = client.get("/demo/networks").json()
    assert [(each["key"], each["state"]) for each in found["networks"]] == [
        ("own", "ready"),
        ("1998", "ready"),
        ("classic", "ready"),
        ("modern", "ready"),
    ]
    assert (found["pad"], found["side"], found["most_steps"]) == (128, 28, live.MOST_STEPS)
    said = client.get("/demo/network", network="1998").json()
    assert [stage["name"] for stage in said["stages"]] == ["C1", "S2", "C3", "S4", "C5", "F6", "output"]
    assert (said["parameters"], said["kind"], said["input"]) == (60000, "penalty", [32, 32])
    assert said["range"] == pytest.approx([-0.1, 1.175])
    assert sum(stage["parameters"] for stage in said["stages"]) == 60000
    assert [stage["connections"] for stage in said["stages"]] == [122304, 5880, 151600, 2000, 48120, 10164, 840]
    assert len(said["stages"][2]["links"]) == 60
    assert np.array(said["stages"][6]["codes"]).shape == (10, 84)
    own = client.get("/demo/network", network="own").json()
    assert (own["classes"], own["rules"], own["accuracy"]) == (["blue", "red"], None, None)


def test_the_modern_network_has_the_weights_of_the_package(client):
    said = client.get("/demo/network", network="modern").json()
    assert (said["kind"], said["accuracy"]) == ("probability", 0.995)
    assert said["trained"] == "trained on 60,000 digits of MNIST with distortions"
    head, found = arrays(client.get("/demo/digits", network="modern").content)
    assert found["images"].shape == (15, 28, 28)
    assert head["labels"][:10] == list(range(10))
    assert head["read"][:10] == [None] * 10
    assert len(head["read"][10:]) == 5
    assert all(read != label for read, label in zip(head["read"][10:], head["labels"][10:], strict=True))
    for n in range(10, 15):  # they are misread when they are looked at, too
        looked, _ = arrays(client.post("/demo/look", found["images"][n].tobytes(), network="modern").content)
        assert looked["best"] == head["read"][n]


@pytest.mark.parametrize("key", ["own", "1998", "classic", "modern"])
def test_a_look_has_every_layer_and_the_classifier_s_answer(client, seven, key):
    said = client.get("/demo/network", network=key).json()
    answer = client.post("/demo/look", seven, network=key)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/octet-stream")
    head, found = arrays(answer.content)
    assert (found["image"] == package_digits().test_images[0]).all()
    assert found["x"].shape == (1, *said["input"])
    for n, stage in enumerate(said["stages"]):
        assert found[f"stage{n}"].size == np.prod(stage["shape"]), stage["name"]
        if stage["links"]:
            links = found[f"links {stage['name']}"]
            assert len(links) == len(stage["links"])
            assert (links > 0).all()
    best = found["scores"].argmin() if said["kind"] == "penalty" else found["scores"].argmax()
    assert (head["best"], head["score"]) == (best, pytest.approx(float(found["scores"][best]), rel=1e-5))
    if key == "modern":
        model, image = packaged(), package_digits().test_images[:1]
        assert found["scores"] == pytest.approx(model.predict_proba(image)[0], abs=1e-5)
        assert (head["best"], head["rejected"]) == (7, "")


def test_a_drawing_is_read_as_its_image_is(client):
    ink = np.zeros((128, 128), np.uint8)
    ink[20:110, 60:72] = 1
    head, found = arrays(client.post("/demo/look", np.packbits(ink).tobytes(), network="modern").content)
    again, _ = arrays(client.post("/demo/look", found["image"].tobytes(), network="modern").content)
    assert head == again
    assert head["best"] == 1


def test_sliders_change_the_image(client, seven):
    plain = package_digits().test_images[0]
    _, found = arrays(client.post("/demo/look", seven, network="modern", down=-2, right=-1).content)
    assert (found["image"] == np.roll(plain, (-2, -1), (0, 1))).all()
    _, found = arrays(client.post("/demo/look", seven, network="modern", noise=1).content)
    assert (found["image"] == 255 - plain).all()


def test_rejection_follows_from_the_test_digits():
    model, digits = packaged(), package_digits()
    judge = judged(model)
    outputs = model.net.predict(read(model, digits.test_images))
    said = [judge.answer(each)["rejected"] for each in outputs]
    assert 0.02 <= np.mean([reason != "" for reason in said]) <= 0.03
    assert judge.answer(np.zeros(10))["rejected"] == "unlike"
    assert judge.answer(np.array([9.0, 8.9, *[0.0] * 8]))["rejected"] in ("unlike", "close")
    model = RECIPES[0].classifier()
    judge = judged(model)
    penalties = model.net.predict(np.random.default_rng(0).normal(size=(5, 1, 32, 32)))
    scores = reject_scores(penalties.astype(np.float64))
    for own, best, least, margin in zip(penalties, *scores, strict=True):
        answer = judge.answer(own)
        assert (answer["best"], answer["score"], answer["margin"]) == (best, pytest.approx(least), pytest.approx(margin))


def test_a_field_adds_up(client, seven):
    said = client.post("/demo/field", seven, network="1998", stage=2, map=5, row=3, column=4).json()
    assert sum(term["sum"] for term in said["terms"]) + said["bias"] == pytest.approx(said["sum"], abs=1e-5)
    assert said["value"] == pytest.approx(1.7159 * np.tanh(2 * said["sum"] / 3), abs=1e-5)
    assert said["fields"]["1"] == {"at": [3, 4, 8, 9], "maps": [0, 1, 5]}
    _, found = arrays(client.post("/demo/look", seven, network="1998").content)
    assert said["value"] == pytest.approx(float(found["stage2"][5, 3, 4]), abs=1e-5)


KNOWN = "network: expected one of own, 1998, classic, modern, got "
HINT = "send 128 × 128 bits or 28 × 28 grey levels"
REFUSED = [
    ("look", "network=no", PAD, f"{KNOWN}'no'; choose one of them"),
    ("look", "", PAD, f"{KNOWN}''; choose one of them"),
    ("look", "network=modern", b"", f"body: expected 2048 or 784 bytes, got 0; {HINT}"),
    ("look", "network=modern", bytes(783), f"body: expected 2048 or 784 bytes, got 783; {HINT}"),
    ("look", "network=modern", bytes(2049), f"body: expected at most 2,048 bytes, got more; {HINT}"),
    ("look", "network=modern&down=x", PAD, "down: expected a number from -14 to 14, got 'x'; give one in that range"),
    ("look", "network=modern&scale=nan", PAD, "scale: expected a number from 0.25 to 4, got 'nan'; give one in that range"),
    ("look", "network=modern&scale=0", PAD, "scale: expected a number from 0.25 to 4, got '0'; give one in that range"),
    ("look", f"network=modern&noise={'9' * 5000}", PAD, f"noise: expected a number from 0 to 1, got '{'9' * 20}'; give one in"),
    ("field", "network=modern&stage=7", PAD, "stage: expected a whole number from 0 to 6, got '7'; give one in that range"),
    ("field", "network=modern&stage=-1", PAD, "stage: expected a whole number from 0 to 6, got '-1'; give one in that range"),
    ("field", "network=modern&map=6", PAD, "map: expected a whole number from 0 to 5, got '6'; give one in that range"),
    ("field", "network=modern&row=28", PAD, "row: expected a whole number from 0 to 27, got '28'; give one in that range"),
    ("field", "network=modern&column=²", PAD, "column: expected a whole number from 0 to 27, got '²'; give one in that range"),
    ("field", "network=modern&stage=6&row=1", PAD, "row: expected a whole number from 0 to 0, got '1'; give one in that"),
    ("train", "network=own&steps=3&rate=0.1", b"", "network: expected one of 1998, classic, modern, got 'own'; choose one of"),
    ("train", "network=modern&rate=0.1", b"", "steps: expected a whole number from 1 to 1000, got '0'; give one in that"),
    ("train", "network=modern&steps=1001&rate=0.1", b"", "steps: expected a whole number from 1 to 1000, got '1001'; give"),
    ("train", "network=modern&steps=3&rate=2", b"", "rate: expected a number from 1e-06 to 1, got '2'; give one in that"),
    ("train", "network=modern&steps=3&rate=0.1", b"x", "body: expected at most 0 bytes, got more; send none"),
    ("stop", "", b"x", "body: expected at most 0 bytes, got more; send none"),
]


@pytest.mark.parametrize(("path", "query", "body", "words"), REFUSED)
def test_what_is_wrong_is_refused_in_a_sentence(client, path, query, body, words):
    answer = client.ask("POST", f"/demo/{path}?{query}", content=body)
    assert answer.json()["error"].startswith(words)
    assert answer.status_code == (413 if "at most" in words else 400)


def test_wrong_questions_about_a_training_are_refused(client):
    for after in ("-1", "x", "1001"):
        answer = client.get("/demo/train", after=after)
        assert answer.status_code == 400
        assert answer.json()["error"] == f"after: expected a whole number from 0 to 1000, got {after!r}; give one in that range"


def test_ways_that_are_none(client):
    assert client.get("/demo/look").status_code == 404
    assert client.post("/demo/networks").status_code == 405
    assert client.get("/nothing").status_code == 404
    for path in ("/../pyproject.toml", "/%2e%2e/page.py", "/..%2fpage.py", "/static/../../page.py", "//etc/passwd"):
        assert client.get(path).status_code == 404


def test_a_crowd_is_answered_that_there_is_no_room(client, seven):
    requests = [("POST", "/demo/look", {"params": {"network": "modern"}, "content": seven})] * 40
    codes = {answer.status_code for answer in client.together(*requests)}
    assert codes <= {200, 503}
    assert 200 in codes


def test_the_service_answers_beside_the_page(client):
    body = json.dumps({"image": package_digits().test_images[0].tolist()})
    answer = client.post("/predict", body.encode(), {"content-type": "application/json"})
    assert answer.json()["class"] == "7"
    assert client.get("/health").text == "ok\n"


# --- files and headers ---


def test_the_page_is_served_with_its_files(client):
    answer = client.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<h1>minicnn</h1>" in answer.text
    kinds = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".html": "text/html"}
    for file in STATIC.iterdir():
        answer = client.get(f"/{file.name}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kinds[file.suffix]), file.name


@pytest.mark.parametrize("path", ["/", "/main.js", "/demo/networks", "/demo/network?network=no", "/nothing", "/health"])
def test_every_answer_has_the_headers(client, path):
    answer = client.ask("GET", path)
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    assert "server" not in answer.headers


def test_the_policy_lets_nothing_in_from_elsewhere():
    parts = dict(part.strip().split(" ", 1) for part in HEADERS["content-security-policy"].split(";"))
    assert parts["default-src"] == "'none'"
    assert not [value for value in parts.values() if "unsafe" in value or "*" in value or "http" in value or "data:" in value]


def test_the_files_name_no_other_origin_and_set_no_markup():
    for file in STATIC.iterdir():
        text = file.read_text("utf-8").replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert not re.search(r"https?://|//[a-z]+\.[a-z]+/", text), file.name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|\bon[a-z]+=|style=\"", text), (
            file.name
        )


# --- who may ask ---


@pytest.mark.parametrize("host", FOREIGN)
def test_a_foreign_name_is_refused(client, host):
    answer = client.ask("GET", "/demo/networks", headers={"host": host})
    words = f"Host: expected an address or localhost, got {host!r}; open the page by the address that was printed"
    assert (answer.status_code, answer.json()) == (403, {"error": words})
    assert answer.headers["content-security-policy"] == HEADERS["content-security-policy"]


@pytest.mark.parametrize("host", ["127.0.0.1:8123", "localhost", "LOCALHOST:1", "[::1]:8000", "192.168.1.20:80"])
def test_addresses_are_let_through(client, host):
    assert client.ask("GET", "/demo/networks", headers={"host": host}).status_code == 200


def test_the_name_that_the_server_listens_on_is_let_through():
    made = Client(page(host="lab.example"), "lab.example:80")
    try:
        assert made.get("/main.js").status_code == 200
        assert made.ask("GET", "/main.js", headers={"host": "other.example"}).status_code == 403
    finally:
        made.close()


def test_a_page_of_another_origin_is_refused(client):
    answer = client.post("/demo/stop", headers={"origin": "http://evil.example"})
    words = "Origin: expected this page, got 'http://evil.example'; send requests from the page or without Origin"
    assert (answer.status_code, answer.json()) == (403, {"error": words})
    assert client.post("/demo/stop", headers={"origin": "http://localhost:9"}).status_code == 403
    assert client.post("/demo/stop", headers={"origin": "null"}).status_code == 403
    assert client.post("/demo/stop", headers={"origin": "http://localhost:8000"}).status_code == 200
    answer = client.ask("GET", "/demo/networks", headers={"sec-fetch-site": "cross-site"})
    assert answer.json() == {"error": "Sec-Fetch-Site: expected this page, got another site; open the page itself"}


def test_a_link_elsewhere_may_lead_to_the_page(client):
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert client.ask("GET", "/", headers=link).status_code == 200
    assert client.ask("POST", "/demo/stop", headers=link).status_code == 403
    assert client.ask("GET", "/", headers=link | {"sec-fetch-dest": "iframe"}).status_code == 403
    assert client.ask("GET", "/", headers=link | {"host": "evil.example"}).status_code == 403


# --- networks ---


def test_a_network_that_is_not_ready_is_answered_so():
    made = networks.Networks()
    words = r"network: expected one that is ready, got modern \(waiting\); wait, or choose another"
    with pytest.raises(networks.Refused, match=words) as caught:
        made.ready("modern")
    assert caught.value.status == 503


def test_a_recipe_is_trained_once_and_kept(tmp_path, monkeypatch):
    digits = package_digits()
    few = load_mnist(source="subset", log=lambda words: None)
    few = type(few)(digits.train_images[:320], digits.train_labels[:320], digits.test_images, digits.test_labels, "few", False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(networks, "EPOCHS", 1)
    monkeypatch.setattr(networks, "train", TRAIN)
    monkeypatch.setattr(networks, "kept_at", KEPT_AT)
    monkeypatch.setattr(networks, "package_digits", lambda: few)
    made, shares = networks.Networks(), []
    choice = made.choices["classic"]
    monkeypatch.setattr(made, "_tell", lambda choice, share: shares.append(share))
    choice.prepare()
    assert choice.state == "ready", choice.state
    assert shares == [n / 10 for n in range(11)]
    kept = list((tmp_path / "minicnn" / "networks").iterdir())
    assert [re.sub(r"[0-9a-f]{12}", "…", file.name) for file in kept] == ["classic-….safetensors"]
    monkeypatch.setattr(networks, "train", None)
    again = networks.Networks().choices["classic"]
    again.prepare()
    assert again.state == "ready"
    assert (again.ready.viewer.net.params.flat == choice.ready.viewer.net.params.flat).all()
    kept[0].write_bytes(b"damaged")
    third = networks.Networks().choices["classic"]
    monkeypatch.setattr(networks, "train", lambda recipe, tell: recipe.classifier())
    third.prepare()
    assert third.state == "ready"


def test_preparation_ends_with_the_server(monkeypatch):
    monkeypatch.setattr(networks, "kept_at", lambda recipe: None)
    made = networks.Networks()
    made.stop()  # not yet begun
    made.choices["1998"].prepare()
    assert made.choices["1998"].state == "stopped"


def test_missing_weights_are_said(monkeypatch, tmp_path):
    monkeypatch.setattr(networks, "WEIGHTS", "no.safetensors")
    choice = networks.Networks().choices["modern"]
    choice.prepare()
    assert choice.state.startswith("failed: ")
    assert "no.safetensors" in choice.state


def test_a_classifier_that_cannot_be_drawn_on_is_refused():
    words = r"model: expected a network that takes grey pictures \(1, H, W\), got one for inputs \(3, 8, 8\); give a model"
    with pytest.raises(CheckpointError, match=words):
        page((trained(), "model"))
    new = Classifier(Network([Flatten(), Dense(2)], (1, 8, 8), threads=1))
    words = "model: expected a trained classifier, got one that is not; train it before it is saved"
    with pytest.raises(CheckpointError, match=words):
        page((new, "model"))


@pytest.mark.parametrize("floats", [False, True])
def test_a_network_of_other_images_gets_them_resized(floats):
    model = trained(channels=1, floats=floats)
    made = Client(page((model, "own")))
    try:
        assert made.wait("own")["own"] == "ready"
        white, black = (arrays(made.post("/demo/look", bytes([level]) * 784, network="own").content) for level in (255, 0))
        assert white[1]["x"].shape == (1, 8, 8)
        assert (white[0]["best"], black[0]["best"]) == (1, 0), "expected bright to be red and dark to be blue"
    finally:
        made.close()


def own(layers, in_shape, classes=None):
    """A classifier of a user that counts as trained."""
    net = Network(layers, in_shape, threads=1, seed=1)
    made = Classifier(net, classes=range(net.out_shape[0]) if classes is None else classes)
    made.preprocessing = Preprocessing(uint8=True, normalise=Normalise.between(0, 1), layout="NHW")
    return made


@pytest.fixture
def shown():
    """Shows a classifier of a user on a page of its own."""
    made = []

    def show(model):
        made.append(Client(page((model, "own"))))
        assert made[-1].wait("own")["own"] == "ready"
        return made[-1]

    yield show
    for each in made:
        each.close()


def test_numbers_that_are_not_finite_are_answered_as_such(shown, seven):
    model = own([("C1", Conv2d(2, kernel_size=3)), ("F", Flatten()), ("O", Dense(10))], (1, 28, 28))
    with model.net.update():
        model.net.params["O.W"][...] = np.nan
    client = shown(model)
    said = client.get("/demo/network", network="own").json()
    assert (said["rules"], said["accuracy"]) == (None, pytest.approx(0.1, abs=0.05))
    head, found = arrays(client.post("/demo/look", seven, network="own").content)
    assert (head["rejected"], head["score"], head["margin"]) == ("infinite", None, None)
    assert np.isnan(found["scores"]).all()
    apart = client.post("/demo/field", seven, network="own", stage=1, map=3).json()
    assert (apart["value"], apart["sum"], apart["terms"][0]["sum"], apart["terms"][0]["weights"][0][0]) == (None,) * 4
    assert client.post("/demo/field", seven, network="own", stage=0).json()["value"] is not None


def test_a_network_that_ends_in_a_view_is_shown(shown, seven):
    layers = [("C", Conv2d(3, kernel_size=5)), ("G", GlobalAvgPool2d()), ("F", Flatten())]
    model = own(layers, (1, 28, 28), ["a", "b", "c"])
    client = shown(model)
    assert [stage["name"] for stage in client.get("/demo/network", network="own").json()["stages"]] == ["C", "G"]
    _, found = arrays(client.post("/demo/look", seven, network="own").content)
    assert found["scores"] == pytest.approx(model.predict_proba(package_digits().test_images[:1])[0], abs=1e-5)


def test_large_maps_and_sums_are_shown_in_part(shown, seven, monkeypatch):
    monkeypatch.setattr(stages, "MOST_SHOWN", 3 * 26 * 26 + 1)
    monkeypatch.setattr(taken_apart, "MOST_PRODUCTS", 9)
    layers = [("C", Conv2d(5, kernel_size=3)), ("D", Conv2d(2, kernel_size=3)), ("F", Flatten()), ("O", Dense(2))]
    client = shown(own(layers, (1, 28, 28), ["a", "b"]))
    said = client.get("/demo/network", network="own").json()["stages"]
    assert [(stage["shape"][0], stage["maps"], stage["shown"]) for stage in said] == [(5, 3, 3), (2, 2, 2), (2, 1, 2)]
    _, found = arrays(client.post("/demo/look", seven, network="own").content)
    assert [found[f"stage{n}"].shape for n in range(3)] == [(3, 26, 26), (2, 24, 24), (2,)]
    apart = client.post("/demo/field", seven, network="own", stage=0).json()
    assert (apart["products"], len(apart["terms"])) == (9, 1)
    apart = client.post("/demo/field", seven, network="own", stage=1).json()
    assert (apart["products"], apart["terms"]) == (45, None)


def test_only_table_1_is_called_so(shown):
    other = tuple((n % 6, (n + 1) % 6) for n in range(16))
    layers = [("C", Conv2d(6, kernel_size=5)), ("T", SparseConv2d(other, 5)), ("M", MaxPool2d(20)), ("F", Flatten())]
    client = shown(own([*layers, ("R", RBF(tuple((0.0,) * n + (1.0,) + (0.0,) * (15 - n) for n in range(2))))], (1, 28, 28)))
    said = client.get("/demo/network", network="own").json()["stages"]
    assert [stage["table_1"] for stage in said] == [False] * 4
    assert said[-1]["words"] == "squared distances from 2 codes"


def test_what_fails_does_not_hold_up_the_others(monkeypatch):
    monkeypatch.setattr(networks, "kept_at", lambda recipe: None)
    monkeypatch.setattr(networks, "train", lambda recipe, tell: recipe.classifier())
    made = networks.Networks((trained(channels=1), "own"))
    monkeypatch.setattr(made.choices["own"], "_prepare", lambda choice: 1 // 0)
    for choice in made.choices.values():
        choice.prepare()
    states = {key: choice.state for key, choice in made.choices.items()}
    assert states.pop("own") == "failed: ZeroDivisionError: integer division or modulo by zero"
    assert set(states.values()) == {"ready"}


# --- the training to watch ---


def finished(client):
    for _ in range(3000):
        found = arrays(client.get("/demo/train").content)
        if found[0]["state"] != "running":
            return found
        time.sleep(0.02)
    raise AssertionError(found[0])


def test_a_training_can_be_watched_and_read_with(client, seven):
    assert arrays(client.get("/demo/train").content)[0] == {"run": 0, "state": "none"}
    refused = client.post("/demo/look", seven, network="live")
    assert refused.json() == {"error": "network: expected one in training, got none; start a training first"}
    run = client.post("/demo/train", network="modern", steps=45, rate=0.003).json()["run"]
    head, found = finished(client)
    assert (head["run"], head["state"], head["step"], head["network"]) == (run, "done", 45, "modern")
    assert head["layers"] == ["C1", "C3", "C5", "F6", "output"]
    assert [step for step, _ in head["accuracies"]] == [20, 40, 45]
    assert head["accuracies"][-1][1] > 0.3
    assert len(found["losses"]) == 45
    assert found["losses"][-5:].mean() < 0.8 * found["losses"][:5].mean()
    assert found["kernels"].shape == found["grads"].shape == (6, 5, 5)
    assert (found["sizes"] > 0).all()
    later = arrays(client.get("/demo/train", after=43).content)[1]
    assert (later["losses"] == found["losses"][43:]).all()
    looked, maps = arrays(client.post("/demo/look", seven, network="live").content)
    assert looked["rejected"] == ""
    said = client.post("/demo/field", seven, network="live", stage=0, map=2, row=9, column=9).json()
    assert said["terms"][0]["weights"] == [[float(f"{v:.6g}") for v in row] for row in found["kernels"][2]]
    assert said["value"] == pytest.approx(float(maps["stage0"][2, 9, 9]), abs=1e-5)
    said = client.get("/demo/network", network="live").json()
    assert "in training on this page" in said["trained"]
    assert said["run"] == looked["run"] == run
    assert client.get("/demo/network", network="modern").json()["run"] == 0


def test_a_look_follows_the_network_in_training(client, seven):
    client.post("/demo/train", network="modern", steps=1, rate=0.003)
    finished(client)
    first = arrays(client.post("/demo/look", seven, network="live").content)[1]["stage0"]
    client.post("/demo/train", network="modern", steps=10, rate=0.003)
    finished(client)
    assert (arrays(client.post("/demo/look", seven, network="live").content)[1]["stage0"] != first).any()


def test_a_training_can_be_stopped_and_a_new_one_ends_the_one_before(client, monkeypatch):
    monkeypatch.setattr(live, "PACE", 0.05)
    first = client.post("/demo/train", network="modern", steps=1000, rate=0.003).json()["run"]
    second = client.post("/demo/train", network="modern", steps=1000, rate=0.003).json()["run"]
    assert second == first + 1
    assert client.post("/demo/stop").json() == {}
    head, _ = finished(client)
    assert (head["run"], head["state"]) == (second, "stopped")
    assert head["step"] < 1000


def test_a_training_ends_when_the_next_is_already_to_be_seen(monkeypatch):
    """A page that saw it stopped and no other would follow no more."""
    monkeypatch.setattr(live, "PACE", 0.05)
    trainings, seen = live.Live(), []

    class Told(threading.Event):
        def set(self):
            seen.append(trainings.snapshot(0)[0])
            super().set()

    trainings.start(RECIPES[0], 1000, 0.003)
    trainings._run.stop = Told()
    assert trainings.start(RECIPES[-1], 7, 0.003) == 2
    assert [(each["run"], each["state"], each["steps"]) for each in seen] == [(2, "running", 7)]
    trainings.stop()


def test_a_training_whose_loss_is_lost_says_so(client):
    client.post("/demo/train", network="classic", steps=300, rate=1)
    head, _ = finished(client)
    assert head["state"] in ("done", "failed: the loss is no longer finite; take a lower learning rate")
