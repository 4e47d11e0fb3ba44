"""What all pictures share: a figure that a notebook shows, a file, axes of the caller's, readable colours, no global state."""

import io
import re
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")
import matplotlib
from matplotlib.figure import Figure

import minicnn as m
from minicnn.data import RandomCrop
from minicnn.errors import OptionError, OutputError
from minicnn.train import EpochResult, plots
from minicnn.train.learning_rate import FoundRate
from minicnn.train.plots.style import ABOVE, BELOW, shortened

RNG = np.random.default_rng(0)
NET = m.Network([("C", m.Conv2d(2, 3)), m.ReLU(), m.Flatten(), ("F", m.Dense(3))], (1, 8, 8), backend="numpy")
IMAGE = RNG.uniform(size=(1, 8, 8))
PICTURES = RNG.integers(0, 256, (5, 8, 8)).astype(np.uint8)
SHARES = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.5, 0.4, 0.1], [0.2, 0.2, 0.6]])
LABELS = np.array([0, 1, 1, 2, 2])
COUNTS = np.array([[5, 1, 0], [2, 6, 0], [0, 1, 9]])
ROWS = [EpochResult(n, 1 / n, 1 - 0.5 / n, 1.1 / n, 1 - 0.6 / n, 1.0, 10.0) for n in (1, 2, 3)]
DRAWN = {
    "augmentations": lambda **o: plots.augmentations(PICTURES, [RandomCrop(1)], **o),
    "calibration": lambda **o: plots.calibration(SHARES, LABELS, **o),
    "codes": plots.codes,
    "confused_pairs": lambda **o: plots.confused_pairs(COUNTS, **o),
    "confusion_matrix": lambda **o: plots.confusion_matrix(COUNTS, **o),
    "connections": lambda **o: plots.connections(m.models.c3_table(), **o),
    "feature_maps": lambda **o: plots.feature_maps(NET, IMAGE, **o),
    "histograms": lambda **o: plots.histograms(NET, **o),
    "kernels": lambda **o: plots.kernels(NET.params["C.W"], **o),
    "learning_curves": lambda **o: plots.learning_curves(ROWS, **o),
    "learning_rates": lambda **o: plots.learning_rates(FoundRate(np.geomspace(0.01, 1, 5), np.arange(5.0) + 1, 0.1), **o),
    "misclassified": lambda **o: plots.misclassified(PICTURES, LABELS, SHARES, **o),
    "network_diagram": lambda **o: plots.network_diagram(NET, **o),
    "occlusion": lambda **o: plots.occlusion(NET, IMAGE, **o),
    "receptive_field": lambda **o: plots.receptive_field(NET, "C", **o),
    "rows_of_images": lambda **o: plots.rows_of_images({"row": PICTURES / 255}, **o),
    "saliency": lambda **o: plots.saliency(NET, IMAGE, **o),
}
EVERY = pytest.mark.parametrize("name", DRAWN)


def test_every_public_picture_is_tested_here():
    assert sorted(DRAWN) == sorted(set(plots.__all__) - {"blank", "calibration_bins", "save"})


@EVERY
def test_it_is_a_figure_that_a_notebook_shows_and_a_file(name, tmp_path):
    figure = DRAWN[name](path=tmp_path / "picture.svg")
    assert isinstance(figure, Figure)
    assert (tmp_path / "picture.svg").read_bytes().startswith(b"<?xml")
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


@EVERY
def test_it_draws_into_axes_of_the_callers(name):
    figure = Figure(figsize=(9, 5))
    left, right = figure.subplots(1, 2)
    assert DRAWN[name](ax=left) is figure
    drawn = [left, *left.child_axes]
    assert any(axes.images or axes.lines or axes.patches or axes.collections for axes in drawn)
    assert not right.has_data(), "expected the other axes to stay empty"
    figure.savefig(io.BytesIO(), format="png", dpi=40)


@EVERY
def test_axes_that_are_none_are_refused(name):
    with pytest.raises(OptionError) as caught:
        DRAWN[name](ax=3)
    assert str(caught.value) == "plots: expected ax as axes of matplotlib, got 3; write for example ax=figure.subplots()"


@EVERY
def test_ink_is_dark_and_paper_white_in_a_dark_notebook_too(name):
    dark = {"text.color": "white", "axes.labelcolor": "white", "axes.edgecolor": "white", "xtick.color": "white"}
    dark |= {"ytick.color": "white", "axes.facecolor": "black", "figure.facecolor": "black"}
    with matplotlib.rc_context(dark):
        figure = DRAWN[name]()
        figure._repr_png_()  # which makes the ticks
    assert figure.get_facecolor() == (1, 1, 1, 1)
    white = []
    for axes in figure.axes:
        ticks = [label for axis in (axes.xaxis, axes.yaxis) for label in axis.get_ticklabels()]
        inside = axes.texts if name != "confusion_matrix" else []  # where white numbers stand on dark fields
        texts = [axes.title, axes.xaxis.label, axes.yaxis.label, *ticks, *inside]
        white += [text for text in texts if text.get_text() and sum(matplotlib.colors.to_rgb(text.get_color())) > 1.5]
    assert not white


@EVERY
def test_no_setting_is_changed(name):
    before, backend = dict(matplotlib.rcParams), dict.__getitem__(matplotlib.rcParams, "backend")
    DRAWN[name]()
    assert dict(matplotlib.rcParams) == before
    assert dict.__getitem__(matplotlib.rcParams, "backend") == backend, "expected none to be chosen, as asking for it would"


def test_no_window_and_no_pyplot_are_needed(python):
    code = """
import sys
from minicnn import models
from minicnn.train import plots
figure = plots.connections(models.c3_table())
print(figure._repr_png_()[:4], "matplotlib.pyplot" in sys.modules)
"""
    assert python(code, DISPLAY="", MPLBACKEND="").strip() == r"b'\x89PNG' False"


def test_another_format_than_matplotlib_knows_is_refused(tmp_path):
    with pytest.raises(OutputError) as caught:
        plots.connections(((0,),), tmp_path / "picture.xyz")
    assert str(caught.value).startswith(f"{tmp_path / 'picture.xyz'}: expected a picture as ")
    assert str(caught.value).endswith(", got xyz; give for example picture.png")
    assert list(tmp_path.iterdir()) == []


def test_a_subfigure_belongs_to_its_figure(tmp_path):
    figure = Figure()
    part = figure.subfigures(1, 2)[0]
    assert plots.connections(((0,),), tmp_path / "all.png", ax=part.subplots()) is figure


@pytest.mark.parametrize(
    ("name", "label"),
    [("x" * 30 + "0123456789", "x" * 14 + "…3456789"), ("a\nb\tc\0d", "a b c d"), ("$x$", r"\$x\$"), (7, "7"), ("", "")],
)
def test_names_become_labels(name, label):
    assert shortened(name) == label


def test_the_two_colours_of_curves_differ_in_brightness_too():
    """So that they are told apart where colours are not seen, or not printed."""
    light = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in map(matplotlib.colors.to_rgb, ("#0072b2", "#d55e00"))]
    assert abs(light[0] - light[1]) > 0.02
    first, second = plots.learning_curves(ROWS).axes[0].lines
    assert first.get_linestyle() != second.get_linestyle()
    assert first.get_marker() != second.get_marker()


@pytest.mark.parametrize(("name", "place"), [("feature_maps", 1), ("kernels", 0), ("occlusion", 1), ("saliency", 1)])
def test_signed_numbers_are_blue_above_zero_orange_below_and_white_at_zero(name, place):
    drawn = DRAWN[name]().axes[place].images[0]
    below, zero, above = drawn.to_rgba(drawn.norm.vmax * np.array([-0.5, 0.0, 0.5]))[:, :3]
    assert above[2] > above[0] + 0.4, f"expected more blue than red above zero, got {above}"
    assert below[0] > below[2] + 0.4, f"expected more red than blue below zero, got {below}"
    assert zero.tolist() == [1, 1, 1]


def test_the_colours_of_signed_numbers_are_those_of_the_page():
    text = (Path(m.__file__).parent / "serve" / "demo" / "static" / "palette.js").read_text()
    light = re.search(r"const LIGHT = \{ low: (\[\[.*?\]\]), high: (\[\[.*?\]\]) \}", text)
    low, high = ([tuple(map(int, stop)) for stop in re.findall(r"\[(\d+), (\d+), (\d+)\]", part)] for part in light.groups())
    own = [[tuple(bytes.fromhex(colour[1:])) for colour in half] for half in (BELOW, ABOVE)]
    assert own == [low[:0:-1], high[1:]]  # the first stop of each is the page's paper
