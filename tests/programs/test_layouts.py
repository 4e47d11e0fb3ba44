"""A classifier that was trained on images with their channels last takes them so, and pictures, in every way of using it."""

import asyncio
import io
import json
import re

import httpx
import numpy as np
import pytest
from PIL import Image

import minicnn as m
from minicnn import cli
from minicnn.serve import service

CLASSES = ("above", "left")


def drawn(count, channels, seed):
    """Images (N, 6, 5, C) that are bright in the upper half or in the left one, the last channel alone of colours."""
    rng, labels = np.random.default_rng(seed), np.arange(count) % 2
    images = rng.integers(0, 50, (count, 6, 5, channels), np.uint8)
    images[labels == 0, :3, :, -1] += 180
    images[labels == 1, :, :2, -1] += 180
    return images, labels


@pytest.fixture(scope="module", params=[1, 3], ids=["grey", "colour"])
def model(request, tmp_path_factory):
    """A model file, test images with labels, and a folder of the same as pictures."""
    folder, channels = tmp_path_factory.mktemp("layouts"), request.param
    images, labels = drawn(40, channels, 0)
    net = m.Network([m.Flatten(), ("F", m.Dense(2))], (channels, 6, 5), threads=1)
    made = m.Classifier(net, optimizer=m.Adam(0.05), classes=CLASSES, layout="NHWC")
    made.fit(images, labels, log=None, epochs=20).save(folder / "model")
    tests, numbers = drawn(12, channels, 1)
    for number, (image, label) in enumerate(zip(tests, numbers, strict=True)):
        (folder / "test" / CLASSES[label]).mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(image[:, :, 0] if channels == 1 else image)
        picture.save(folder / "test" / CLASSES[label] / f"{number:02}.png")
    return folder, tests, np.array(CLASSES)[numbers]


def test_python_takes_images_as_in_training(model):
    folder, images, names = model
    found = m.load(folder / "model", threads=1)
    assert found.predict(images).tolist() == names.tolist()
    assert found.evaluate(images, names).accuracy == 1
    assert found.confusion_matrix(images, names).tolist() == [[6, 0], [0, 6]]
    other = found.with_layout("NCHW")
    moved = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    assert np.array_equal(other.predict_proba(moved), found.predict_proba(images))
    assert found.predict(images).tolist() == names.tolist(), "expected the model itself to stay as it was"
    with pytest.raises(m.OptionError, match="Classifier: expected layout as one of NHW, NHWC, NCHW, got 'CHW'; give layout="):
        found.with_layout("CHW")
    with pytest.raises(m.MinicnnError, match="expected it to be trained before, got one that is not; call fit first"):
        m.Classifier(m.Network([m.Flatten(), m.Dense(2)], (1, 6, 5), threads=1)).with_layout("NCHW")


def test_commands_take_pictures(model, capsys):
    folder, images, names = model
    assert cli.main(["evaluate", str(folder / "model"), str(folder / "test"), "--threads", "1"]) == 0
    assert capsys.readouterr().out.startswith("accuracy 100.00 % of 12 pictures\n")
    assert cli.main(["predict", str(folder / "model"), str(folder / "test"), "--threads", "1"]) == 0
    said = dict(re.findall(r"(\d\d)\.png: (\w+) ", capsys.readouterr().out))
    assert [said[f"{number:02}"] for number in range(12)] == names.tolist()
    np.savez(folder / "test.npz", images=images, labels=np.arange(12) % 2)
    assert cli.main(["evaluate", str(folder / "model"), str(folder / "test.npz"), "--threads", "1"]) == 0
    assert capsys.readouterr().out.startswith("accuracy 100.00 % of 12 pictures\n")


def test_the_service_takes_pictures_and_arrays(model):
    folder, images, names = model
    found = m.load(folder / "model", threads=1)
    app = service(found)

    async def speak():
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")
        said = []
        async with app.router.lifespan_context(app), client:
            for image, name in zip(images, names, strict=True):
                npy, png = io.BytesIO(), next((folder / "test" / name).glob("*.png")).read_bytes()
                np.save(npy, image)
                bodies = {"image/png": png, "application/x-npy": npy.getvalue()}
                bodies["application/json"] = json.dumps({"image": image.tolist()}).encode()
                for kind, body in bodies.items():
                    found = await client.post("/predict", content=body, headers={"content-type": kind})
                    said.append(found.json()["class"])
        return said

    assert asyncio.run(speak()) == np.repeat(names, 3).tolist()
    assert found.predict(images).tolist() == names.tolist(), "expected the model itself to stay as it was"
