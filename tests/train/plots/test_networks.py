"""Pictures of networks: gradients against differences, occlusion against a loop, receptive fields against changed pixels."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

import minicnn as m
from minicnn.errors import ContractError, DataError, OptionError
from minicnn.nn.digit_codes import DIGITS
from minicnn.train import plots

RNG = np.random.default_rng(3)


def smooth(channels=1, size=(9, 8), outputs=4, **options):
    layers = [("C", m.Conv2d(3, 3)), m.Tanh(), m.AvgPool2d(2), m.Flatten(), ("F", m.Dense(outputs))]
    return m.Network(layers, (channels, *size), "float64", backend="numpy", **options)


def picture(figure, number=1):
    return np.asarray(figure.axes[number].images[0].get_array())


# --- saliency and occlusion ---


@pytest.mark.parametrize("channels", [1, 3])
def test_saliency_is_what_differences_say(channels):
    net, x, eps = smooth(channels), RNG.normal(size=(channels, 9, 8)), 1e-5
    differences = np.empty_like(x)
    for place in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[place] = eps
        differences[place] = (net.predict((x + step)[None])[0, 2] - net.predict((x - step)[None])[0, 2]) / (2 * eps)
    strongest = np.abs(differences).argmax(axis=0)
    wanted = np.take_along_axis(differences, strongest[None], 0)[0]
    np.testing.assert_allclose(picture(plots.saliency(net, x, target=2)), wanted, atol=1e-8)


def test_the_class_of_the_highest_score_is_taken_and_named():
    net, x = smooth(), RNG.normal(size=(9, 8))
    names = ["ant", "bee", "cat", "a very long name of a dog indeed"]
    best = net.predict(x[None, None])[0].argmax()
    assert plots.saliency(net, x, classes=names).axes[1].get_title().startswith(f"gradient of the score of {names[best][:15]}")


def test_of_penalties_the_score_is_the_negative():
    centres = ((1.0, -1.0, 1.0), (-1.0, 1.0, 1.0))
    layers = [m.Flatten(), ("F", m.Dense(3)), ("output", m.RBF(centres))]
    net, x = m.Network(layers, (1, 3, 3), "float64", backend="numpy"), RNG.normal(size=(1, 3, 3))
    net.forward(x[None])
    wanted = -net.backward(np.array([[1.0, 0.0]]))[0, 0]
    np.testing.assert_allclose(picture(plots.saliency(net, x, target=0)), wanted)
    least = int(net.predict(x[None])[0].argmin())
    assert plots.saliency(net, x).axes[1].get_title() == f"gradient of the score of {least}"


def test_a_network_keeps_its_gradients_and_its_last_forward():
    net, x = smooth(), RNG.normal(size=(2, 1, 9, 8))
    net.loss_and_grads(m.CrossEntropy(), x, [1, 2])
    net.forward(x)
    grads, values, steps = net.grads.flat.copy(), net.activation("C"), net.steps
    for draw in (plots.saliency, plots.occlusion, plots.feature_maps):
        draw(net, np.ones((9, 8)))
    assert (net.grads.flat == grads).all()
    assert (net.activation("C") == values).all()
    assert net.steps == steps


@pytest.mark.parametrize("fill", [None, 0.5])
def test_occlusion_is_a_plain_loop(fill):
    net, x = smooth(3), RNG.normal(size=(3, 9, 8))
    paint = np.median(x, axis=(1, 2)) if fill is None else [fill] * 3
    before = net.predict(x[None])[0, 1]
    wanted = np.empty((4, 3))
    for row, column in np.ndindex(4, 3):
        covered = x.copy()
        for c in range(3):
            covered[c, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3] = paint[c]
        wanted[row, column] = before - net.predict(covered[None])[0, 1]
    figure = plots.occlusion(net, x, target=1, size=3, stride=2, fill=fill)
    np.testing.assert_allclose(picture(figure), wanted, atol=1e-12)
    left, right, bottom, top = figure.axes[1].images[0].get_extent()
    assert (left, right) == (0, 6), "expected the middles of the squares, 1, 3 and 5, in the middles of three fields"
    assert (top, bottom) == (0, 8)


def test_a_classifier_takes_pictures_and_names_classes():
    images = RNG.integers(0, 256, (40, 8, 8)).astype(np.uint8)
    net = m.Network([m.Flatten(), ("F", m.Dense(2))], (1, 8, 8), "float64", backend="numpy")
    model = m.Classifier(net, classes=["even", "odd"])
    with pytest.raises(ContractError, match="saliency: expected it to be trained before, got one that is not; call fit first"):
        plots.saliency(model, images[0])
    model.fit(images, np.arange(40) % 2, epochs=1, validation=None, log=None)
    figure = plots.saliency(model, images[0], target=1)
    assert figure.axes[1].get_title() == "gradient of the score of odd"
    np.testing.assert_allclose(picture(figure), net.params["F.W"][1].reshape(8, 8))
    scaled = model.preprocessing.normalise.scale * images[0] + model.preprocessing.normalise.shift
    np.testing.assert_allclose(picture(figure, 0), scaled, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target": 4}, "expected target as the number of a class from 0 to 3, got 4; leave it out for"),
        ({"target": True}, "expected target as the number of a class from 0 to 3, got True; leave it out for"),
        ({"size": 0}, "expected size as a whole number of pixels from 1 to 8, got 0; leave size out"),
        ({"size": 9}, "expected size as a whole number of pixels from 1 to 8, got 9; leave size out"),
        ({"stride": 1.5}, "expected stride as a whole number of pixels from 1 to 8, got 1.5; leave stride out"),
    ],
)
def test_options_of_occlusion_are_checked(options, words):
    with pytest.raises(OptionError) as caught:
        plots.occlusion(smooth(), np.zeros((9, 8)), **options)
    assert str(caught.value).startswith(f"occlusion: {words}")


@pytest.mark.parametrize("draw", [plots.saliency, plots.occlusion, plots.feature_maps])
def test_images_and_models_are_checked(draw):
    who = draw.__name__
    with pytest.raises(DataError) as caught:
        draw(smooth(), np.zeros((8, 8)))
    assert str(caught.value).startswith(f"{who}: expected one image (1, 9, 8), got float64 of shape (8, 8); give it as")
    with pytest.raises(DataError, match=f"{who}: expected an image of finite numbers, got one with others; clean the data"):
        draw(smooth(), np.full((9, 8), np.nan))
    with pytest.raises(OptionError, match=f"{who}: expected a Network, Classifier or Regressor, got 3; give one of these"):
        draw(3, np.zeros((9, 8)))
    flat = m.Network([m.Dense(2)], (4,), backend="numpy")
    with pytest.raises(ContractError) as caught:
        draw(flat, np.zeros(4))
    words = "expected a network from one picture (C, H, W) to one output, got inputs {'input': (4,)} and 1 outputs"
    assert str(caught.value) == f"{who}: {words}; draw another one"


# --- feature maps ---


def test_every_layer_shows_what_it_made():
    net, x = smooth(3), RNG.normal(size=(3, 9, 8))
    figure = plots.feature_maps(net, x)
    net.forward(x[None])
    assert [axes.get_ylabel() for axes in figure.axes] == ["input\n3×9×8", "C\n3×7×6", "1\n3×7×6", "2\n3×3×3", "F\n4"]
    maps = net.activation("C")[0]
    drawn = np.ma.filled(figure.axes[1].images[0].get_array(), np.nan)
    for number in range(3):
        np.testing.assert_array_equal(drawn[:, 7 * number : 7 * number + 6], maps[number])
    assert np.isnan(drawn[:, 6]).all()
    np.testing.assert_array_equal(picture(figure, 4)[0], net.activation("F")[0])


def test_of_many_maps_the_first_are_shown():
    net = m.Network([("C", m.Conv2d(40, 3)), m.Flatten(), m.Dense(2)], (1, 5, 5), backend="numpy")
    figure = plots.feature_maps(net, np.ones((5, 5)), layers=["C"])
    assert figure.axes[1].get_ylabel() == "C\n40×3×3\nthe first 32"
    assert picture(figure).shape == (7, 63)
    with pytest.raises(OptionError, match="feature_maps: expected layers out of C, 1, 2, got 'D'; name others"):
        plots.feature_maps(net, np.ones((5, 5)), layers=["D"])


# --- receptive field ---

ITEMS = {
    "lenet": [("C1", m.Conv2d(2, 3)), m.ReLU(), ("S2", m.MaxPool2d(2)), ("C3", m.Conv2d(2, 3, padding=1)), ("end", m.Tanh())],
    "dilated": [m.Conv2d(2, 3, dilation=2, stride=2), m.BatchNorm2d(), m.Sigmoid(), ("end", m.Conv2d(1, 2))],
    "graph": [
        ("a", m.Conv2d(2, 3, padding=1)),
        ("b", m.Conv2d(2, 5, padding=2), "input"),
        ("sum", m.Add(), ("a", "b")),
        ("end", m.MaxPool2d(3, 2)),
    ],
    "up": [m.AvgPool2d(2), m.Upsample(2), ("end", m.Conv2d(1, 3))],
    "corner": [("end", m.Conv2d(1, 3, stride=3, padding=1))],
    "table": [m.Conv2d(3, 3), m.Subsample(2), ("end", m.SparseConv2d(((0, 1), (2,)), 3))],
}


def changed(net, at):
    """The pixels whose change changes the value, tried one by one, in both directions and by large steps."""
    x = RNG.uniform(0.5, 1.5, (1, 1, 14, 12))
    before = net.predict(x)[(0, slice(None), *at)]
    seen = np.zeros((14, 12), bool)
    for place in np.ndindex(seen.shape):
        for step in (50.0, -50.0, 0.3):
            other = x.copy()
            other[(0, 0, *place)] += step
            seen[place] |= bool((net.predict(other)[(0, slice(None), *at)] != before).any())
    return seen


@pytest.mark.parametrize("name", ITEMS)
def test_the_receptive_field_is_the_set_of_pixels_whose_change_changes_the_value(name):
    net = m.Network(ITEMS[name], (1, 14, 12), "float64", backend="numpy", seed=2)
    with net.update():
        net.params.flat[...] = RNG.uniform(0.05, 0.2, len(net.params.flat))
    at = (0, 0) if name == "corner" else tuple(size // 2 for size in net.out_shape[1:])
    figure = plots.receptive_field(net, "end", at=at)
    seen = picture(figure, 0) > 0
    np.testing.assert_array_equal(seen, changed(net, at))
    high, wide = (np.ptp(np.flatnonzero(seen.any(axis=axis))) + 1 for axis in (1, 0))
    assert figure.axes[0].get_title() == f"end at ({at[0]}, {at[1]}) sees {high} × {wide} of 14 × 12 pixels"
    (outline,) = figure.axes[0].patches
    assert (outline.get_height(), outline.get_width()) == (high, wide)


def test_one_map_of_a_table_and_a_layer_without_places():
    net = m.models.lenet5(backend="numpy")
    assert (
        plots.receptive_field(net, "C3", at=(0, 3, 3)).axes[0].get_title() == "C3 at (0, 3, 3) sees 14 × 14 of 32 × 32 pixels"
    )
    assert plots.receptive_field(net, "F6").axes[0].get_title() == "F6 sees 32 × 32 of 32 × 32 pixels"


def test_the_field_lies_over_an_image():
    net, image = m.models.lenet5_modern(backend="numpy"), RNG.uniform(size=(28, 28))
    axes = plots.receptive_field(net, "C3", image=image).axes[0]
    assert (axes.images[0].get_array() == image).all()
    with pytest.raises(DataError) as caught:
        plots.receptive_field(net, "C3", image=image[1:])
    words = "expected an image of shape (1, 28, 28), got (27, 28); give one that the network takes"
    assert str(caught.value) == f"receptive_field: {words}"


def test_what_has_no_receptive_field_is_refused():
    net = m.models.lenet5_modern(backend="numpy")
    with pytest.raises(OptionError, match=r"receptive_field: expected layer as one of C1, .*, got 'X'; name one of these"):
        plots.receptive_field(net, "X")
    for at in ((10, 0), (1, 2, 3, 4), (-1, 0), "ab", (0.5, 1)):
        with pytest.raises(OptionError) as caught:
            plots.receptive_field(net, "C3", at=at)
        words = f"expected at as a place in {'16 × 10 × 10' if at == () else '10 × 10'}, got {at!r}"
        assert str(caught.value) == f"receptive_field: {words}; leave it out for the middle"
    with pytest.raises(ContractError) as caught:
        plots.receptive_field(m.Network([m.Dense(2)], (4,), backend="numpy"), "0")
    words = "expected a network of one input (C, H, W), got {'input': (4,)}; draw another one"
    assert str(caught.value) == f"receptive_field: {words}"
    items = [("P", m.MaxPool2d(2)), ("U", m.MaxUnpool2d(2), ("P", "input"))]
    with pytest.raises(ContractError, match="receptive_field: expected layers whose units see the same pixels of every image"):
        plots.receptive_field(m.Network(items, (1, 4, 4), backend="numpy"), "U")
    items = [("P", m.MaxPool2d(2, dilation=2))]
    with pytest.raises(ContractError, match="receptive_field: expected a pool without dilation, got dilation=2; take a layer"):
        plots.receptive_field(m.Network(items, (1, 6, 6), backend="numpy"), "P")


# --- kernels, histograms, tables ---


def test_kernels_are_on_one_scale():
    weights = RNG.normal(size=(3, 5, 5))
    drawn = plots.kernels(weights).axes[0].images[0]
    assert drawn.get_clim() == (-np.abs(weights).max(), np.abs(weights).max())
    for number in range(3):
        assert (drawn.get_array()[:, 6 * number : 6 * number + 5] == weights[number]).all()


def test_a_kernel_stands_in_the_column_of_its_map_and_the_row_of_its_channel():
    weights = RNG.normal(size=(2, 3, 5, 4))
    drawn = picture(plots.kernels(weights), 0)
    for f, c in np.ndindex(2, 3):
        assert (drawn[6 * c : 6 * c + 5, 5 * f : 5 * f + 4] == weights[f, c]).all()


@pytest.mark.parametrize("shape", [(1, 3, 3), (40, 3, 3), (2, 3, 5, 4), (6, 1, 3, 3), (70, 2, 1, 1)])
def test_kernels_of_any_number_are_all_drawn(shape):
    weights = RNG.normal(size=shape)
    figure = plots.kernels(weights)
    assert (np.sort(figure.axes[0].images[0].get_array().compressed()) == np.sort(weights.ravel())).all()
    figure._repr_png_()


@pytest.mark.parametrize("weights", [np.zeros(3), np.zeros((0, 3, 3)), [["a"]]])
def test_what_are_no_kernels_is_refused(weights):
    given = np.asarray(weights)
    with pytest.raises(DataError) as caught:
        plots.kernels(weights)
    words = f"expected kernels (F, KH, KW) or (F, C, KH, KW), got {given.dtype} of shape {given.shape}"
    assert str(caught.value) == f'kernels: {words}; give for example net.params["C1.W"]'


def test_histograms_count_every_number_and_say_what_is_wrong():
    net = smooth()
    net.loss_and_grads(m.CrossEntropy(), RNG.normal(size=(4, 1, 9, 8)), [0, 1, 2, 3])
    net.params["C.W"][0, 0, 0, 0] = np.nan
    net.grads["F.b"][...] = 0
    figure = plots.histograms(net)
    drawn = dict(zip([f"{n} {k}" for n in net.params for k in ("weights", "gradients")], figure.axes, strict=True))
    values = net.params["F.W"]
    counts, edges, _ = drawn["F.W weights"].patches[0].get_data()
    limit = np.abs(values).max()
    assert (counts == np.histogram(values, 40, (-limit, limit))[0]).all()
    assert (edges[0], edges[-1]) == (-limit, limit)
    assert drawn["F.W weights"].texts[0].get_text() == f"σ = {values.std():.2g}"
    assert drawn["C.W weights"].texts[0].get_text().endswith("\n1 not finite")
    assert drawn["F.b gradients"].texts[0].get_text() == "all 0"
    with pytest.raises(ContractError) as caught:
        plots.histograms(m.Network([m.Tanh()], (2,), backend="numpy"))
    assert str(caught.value) == "histograms: expected a network with parameters, got one without; draw another one"


def test_the_table_shows_every_link():
    table = ((0, 1), (2,), (0, 2))
    axes = plots.connections(table).axes[0]
    assert axes.images[0].get_array().tolist() == [[1, 0, 1], [1, 0, 0], [0, 1, 1]]
    assert axes.get_title() == "5 of 9 links"
    with pytest.raises(OptionError, match="expected a table with at least one channel in every row"):
        plots.connections(())


def test_codes_have_their_bits_and_units_their_distances():
    units = RNG.normal(size=84)
    figure = plots.codes(units=units, classes=list("abcdefghij"))
    np.testing.assert_array_equal(picture(figure, 0).ravel(), units)
    for number, code in enumerate(DIGITS):
        np.testing.assert_array_equal(picture(figure, number + 1).ravel(), code)
    distances = ((units - np.array(DIGITS)) ** 2).sum(axis=1)
    said = [axes.get_title().split("\n") for axes in figure.axes[1:11]]
    assert [name for name, _ in said] == list("abcdefghij")
    np.testing.assert_allclose([float(text.split()[0]) for _, text in said], distances, rtol=5e-3)
    assert [text.endswith("nearest") for _, text in said].index(True) == distances.argmin()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"columns": 5},
            "expected codes (K, D), of which D is a multiple of 5, got shape (10, 84); give columns= as the width",
        ),
        ({"units": [1.0]}, 'expected 84 units, as a code has numbers, got 1; give net.activation("f(F6)")[0]'),
        ({"centres": []}, "expected codes (K, D), of which D is a multiple of 7, got shape (0,)"),
    ],
)
def test_what_are_no_codes_is_refused(options, words):
    with pytest.raises(DataError) as caught:
        plots.codes(**options)
    assert str(caught.value).startswith(f"codes: {words}")


# --- diagram ---


def words_of(figure):
    return [text.get_text().split("\n") for text in figure.axes[0].texts]


def test_a_chain_has_a_box_for_each_layer_with_its_activation_in_it():
    net = m.models.lenet5_1998(backend="numpy")
    figure = plots.network_diagram(net)
    assert words_of(figure) == [
        ["input", "1×32×32"],
        ["C1 Conv2d 5×5", "6×28×28 · 156 parameters", "then f(C1) ScaledTanh"],
        ["S2 Subsample 2×2", "6×14×14 · 12 parameters", "then f(S2) ScaledTanh"],
        ["C3 SparseConv2d 5×5", "16×10×10 · 1,516 parameters", "then f(C3) ScaledTanh"],
        ["S4 Subsample 2×2", "16×5×5 · 32 parameters", "then f(S4) ScaledTanh"],
        ["C5 Conv2d 5×5", "120×1×1 · 48,120 parameters", "then f(C5) ScaledTanh"],
        ["F6 Dense", "84 · 10,164 parameters", "then f(F6) ScaledTanh"],
        ["output RBF", "10"],
    ]
    assert figure.get_suptitle() == "60,000 parameters"


@pytest.mark.parametrize("make", [m.models.resnet8, m.models.unet_small, m.models.squeezenet_small])
def test_every_link_of_a_graph_is_an_arrow_and_no_box_covers_another(make):
    net = make(backend="numpy")
    figure = plots.network_diagram(net)
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

    from minicnn.train.plots.diagram import boxes_of

    boxes = boxes_of(net)
    arrows = [patch for patch in figure.axes[0].patches if isinstance(patch, FancyArrowPatch)]
    assert len(arrows) == sum(len(box.reads) for box in boxes)
    places = [p.get_bbox() for p in figure.axes[0].patches if isinstance(p, FancyBboxPatch)]
    assert len(places) == len(boxes)
    for number, one in enumerate(places):
        assert not any(one.overlaps(other) for other in places[:number])
    folded = sum(len(box.lines) - 2 for box in boxes)
    assert len(boxes) + folded == 1 + len(net.layers)


def test_several_inputs_outputs_and_a_layer_once_more():
    items = [("C", m.Dense(4), "a"), ("once more", "C", "b"), ("both", m.Concat(), ("C", "once more"))]
    items += [("class", m.Dense(3), "both"), ("size", m.Dense(1), "both")]
    net = m.Network(items, {"a": (2,), "b": (2,)}, outputs=("class", "size"), backend="numpy")
    assert words_of(plots.network_diagram(net)) == [
        ["a", "2"],
        ["b", "2"],
        ["C Dense", "4 · 12 parameters"],
        ["once more Dense as C", "4"],
        ["both Concat", "8"],
        ["class Dense", "3 · 27 parameters", "output class"],
        ["size Dense", "1 · 9 parameters", "output size"],
    ]
