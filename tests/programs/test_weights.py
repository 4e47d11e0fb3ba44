"""The weights in the repository are what the documentation says of them."""

import re
from pathlib import Path

from minicnn import CrossEntropy, models
from minicnn.data import Normalise, Pixels, load_mnist
from minicnn.train import checkpoint

ROOT = Path(__file__).parents[2]
WEIGHTS = ROOT / "examples" / "lenet5_modern.safetensors"
RIGHT = 995  # of the 1,000 test images in the package


def test_the_weights_read_the_packaged_test_images_as_stated():
    net = models.lenet5_modern(threads=1, seed=1)
    metadata = checkpoint.load_weights(WEIGHTS, net)
    digits = load_mnist(source="subset", log=lambda line: None)
    pixels = Pixels(digits.test_images, Normalise(**metadata["normalise"]), metadata["size"])
    assert net.evaluate(CrossEntropy(), pixels, digits.test_labels).correct == RIGHT


def test_the_metadata_of_the_weights_are_those_in_the_table():
    metadata = checkpoint.read_metadata(WEIGHTS)
    assert (metadata["model"], metadata["augment"], metadata["seed"], metadata["learned_from"]) == ("modern", True, 0, 60000)
    stated = (ROOT / "docs" / "reproduction.md").read_text()
    row = re.search(r"`--model modern` \| (\d+) .*?\*\* \| ([\d.]+), ", stated)
    assert row is not None
    assert (int(row[1]), float(row[2])) == (metadata["epochs"], round(metadata["error"], 2))
    assert f"and {RIGHT} of the 1,000 in the package" in stated


def test_the_readmes_example_prints_their_accuracy(python):
    (block,) = [b for b in re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S) if "load_weights" in b]
    code = block.replace("examples/lenet5_modern.safetensors", str(WEIGHTS)).replace(
        "load_mnist()", 'load_mnist(source="subset")'
    )
    assert python(code).splitlines()[-1] == str(RIGHT / 1000)


def test_the_readmes_classifier_learns_the_packaged_digits_and_comes_back_from_its_file(python):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    (block,) = [b for b in blocks if 'save("digits.safetensors")' in b]
    code = block.replace("load_mnist()", 'load_mnist(source="subset")').replace("lenet5_modern()", "lenet5_modern(threads=1)")
    lines = python(code, MINICNN_CACHE=python.kept).splitlines()
    assert lines[-2].startswith("['seven' 'two' 'one'] [")
    assert float(lines[-1]) > 0.93
    assert (python.folder / "digits.safetensors").exists()
