"""Losses with weights, ignored classes, targets for every class and over maps, against PyTorch; and what is refused."""

import re
import warnings

import numpy as np
import pytest
import torch

from minicnn import (
    L1,
    MSE,
    SGD,
    BCEWithLogits,
    Contrastive,
    Conv2d,
    CrossEntropy,
    DataError,
    Dense,
    Network,
    OptionError,
    ShapeError,
    Sigmoid,
    Softmax,
)
from minicnn.nn.cross_entropy import SoftCrossEntropy
from minicnn.testing import check_loss

CLASSES, RNG = 5, np.random.default_rng(0)
LABELS = RNG.integers(0, CLASSES, 37)
IMAGES = RNG.standard_normal((37, 4))
MAPS = RNG.standard_normal((19, 2, 4, 5))
CLASS_MAPS = RNG.integers(0, 3, (19, 3, 4))
WEIGHT = (0.5, 2.0, 0.0, 1.0, 3.0)
FLAT, BATCHES = Dense(CLASSES), [slice(0, 37), slice(0, 1)]
"""Groups of many images, and the kernels of one image."""


def network(layer, in_shape, dtype="float64", backend="cpu", threads=1):
    return Network([("F", layer)], in_shape, dtype=dtype, backend=backend, threads=threads, seed=3)


def agrees(net, loss, criterion, x, target, expected_target=None):
    """Loss and parameter gradients are PyTorch's."""
    x = np.asarray(x, net.dtype)
    got = net.loss_and_grads(loss, x, target)
    W, b = (torch.from_numpy(net.params[n].copy()).requires_grad_() for n in ("F.W", "F.b"))
    function = torch.nn.functional.conv2d if W.ndim == 4 else torch.nn.functional.linear
    expected = criterion(
        function(torch.from_numpy(x), W, b), torch.as_tensor(target if expected_target is None else expected_target)
    )
    expected.backward()
    close = {"rtol": 1e-5, "atol": 1e-6} if net.dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-14}
    np.testing.assert_allclose(got, expected.item(), **close)
    np.testing.assert_allclose(net.grads["F.W"], W.grad.numpy(), **close)
    np.testing.assert_allclose(net.grads["F.b"], b.grad.numpy(), **close)
    assert net.evaluate(loss, x, target).loss == got


def theirs(dtype, weight=None, **options):
    tensor = None if weight is None else torch.tensor(weight, dtype=getattr(torch, dtype))
    return torch.nn.CrossEntropyLoss(weight=tensor, **options)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("part", BATCHES, ids=["37", "1"])
@pytest.mark.parametrize("options", [{"weight": WEIGHT}, {"ignore_index": 3}, {"weight": WEIGHT, "ignore_index": -100}])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_class_weights_and_an_ignored_class_are_pytorchs(dtype, part, options, smoothing):
    labels = LABELS[part].copy()
    labels[labels == 2] = 4  # of weight 0: where it is the only class there is no mean
    labels[5:9] = options.get("ignore_index", 1)
    criterion = theirs(dtype, label_smoothing=smoothing, **options)
    agrees(network(FLAT, (4,), dtype), CrossEntropy(smoothing, **options), criterion, IMAGES[part], labels)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("part", BATCHES, ids=["37", "1"])
@pytest.mark.parametrize("options", [{}, {"weight": WEIGHT}])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_targets_for_every_class_are_pytorchs(dtype, part, options, smoothing):
    target = np.random.default_rng(1).dirichlet(np.ones(CLASSES), 37)[part].astype(dtype)
    target[0] = np.eye(CLASSES)[1]
    criterion = theirs(dtype, label_smoothing=smoothing, **options)
    agrees(network(FLAT, (4,), dtype), CrossEntropy(smoothing, **options), criterion, IMAGES[part], target)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("images", [19, 1])
@pytest.mark.parametrize("options", [{}, {"weight": (0.5, 2.0, 1.0), "ignore_index": 255}, {"ignore_index": 0}])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_class_numbers_for_every_place_of_a_map_are_pytorchs(dtype, images, options, smoothing):
    class_map = CLASS_MAPS[:images].copy()
    class_map[:, 1:, 2] = options.get("ignore_index", 1)
    criterion = theirs(dtype, label_smoothing=smoothing, **options)
    net = network(Conv2d(3, 2), (2, 4, 5), dtype)
    agrees(net, CrossEntropy(smoothing, **options), criterion, MAPS[:images], class_map)
    counts = class_map != options.get("ignore_index", -1)
    right = int(((net.predict(MAPS[:images]).argmax(axis=1) == class_map) & counts).sum())
    score = net.evaluate(CrossEntropy(smoothing, **options), MAPS[:images], class_map)
    assert (score.correct, score.images, score.counted) == (right, images, counts.sum())
    assert score.accuracy == right / counts.sum()
    assert right > 0


@pytest.mark.parametrize("images", [19, 1])
def test_targets_for_every_class_and_place_are_pytorchs(images):
    target = np.random.default_rng(1).dirichlet(np.ones(3), (images, 3, 4)).transpose(0, 3, 1, 2)
    options = {"weight": (0.5, 2.0, 1.0), "label_smoothing": 0.1}
    agrees(network(Conv2d(3, 2), (2, 4, 5)), CrossEntropy(**options), theirs("float64", **options), MAPS[:images], target)


def test_some_images_of_many_by_index_and_class_numbers_of_any_dtype():
    net, index = network(Conv2d(3, 2), (2, 4, 5)), [3, 17, 3, 5]
    expected = net.loss_and_grads(CrossEntropy(), MAPS[index], CLASS_MAPS[index]), net.grads.flat.copy()
    for class_map in (CLASS_MAPS.astype(np.uint8), CLASS_MAPS[::-1].copy()[::-1], CLASS_MAPS.tolist()):
        assert net.loss_and_grads(CrossEntropy(), MAPS, class_map, index) == expected[0]
        np.testing.assert_array_equal(net.grads.flat, expected[1])


def test_weights_of_one_change_nothing_and_bits_do_not_depend_on_threads_or_backend():
    found = {}
    for backend, threads in (("cpu", 1), ("cpu", 2), ("numpy", 1)):
        net = network(FLAT, (4,), backend=backend, threads=threads)
        plain = net.loss_and_grads(CrossEntropy(0.1), IMAGES, LABELS)
        weighed = net.loss_and_grads(CrossEntropy(0.1, weight=(1.0,) * CLASSES), IMAGES, LABELS)
        assert plain == pytest.approx(weighed, rel=1e-13)
        found[backend, threads] = (net.loss_and_grads(CrossEntropy(weight=WEIGHT), IMAGES, LABELS), net.grads.flat.copy())
    (a, b), (c, d), (e, f) = found.values()
    assert a == c == pytest.approx(e, rel=1e-13)
    np.testing.assert_array_equal(b, d)
    np.testing.assert_allclose(b, f, rtol=0, atol=1e-14)


def test_an_ignored_image_is_never_recognised():
    net = network(FLAT, (4,))
    right = net.predict(IMAGES).argmax(axis=1)
    for images in (37, 1):
        labels = right[:images].copy()
        assert net.evaluate(CrossEntropy(ignore_index=-100), IMAGES[:images], labels).correct == images
    labels = right.copy()
    labels[4:] = -100
    labels[right == CLASSES - 1] = -100  # which the number −1 would stand for
    score = net.evaluate(CrossEntropy(ignore_index=-100), IMAGES, labels)
    assert score.correct == score.counted == (labels >= 0).sum() < 5
    assert (score.images, score.accuracy) == (37, 1)


@pytest.mark.parametrize("threads", [1, 3])
def test_places_of_maps_are_counted_by_every_thread_and_one_with_a_nan_is_wrong(threads):
    net = network(Conv2d(3, 2), (2, 4, 5), threads=threads)
    maps = np.random.default_rng(2).standard_normal((300, 2, 4, 5))
    best = net.predict(maps).argmax(axis=1)
    assert net.score_and_grads(CrossEntropy(), maps, best).accuracy == 1
    maps[7, 0, 0, 0] = np.nan  # which one window sees
    score = net.evaluate(CrossEntropy(), maps, best)
    assert (score.correct, score.counted) == (300 * 12 - 1, 300 * 12)
    assert net.evaluate(CrossEntropy(), maps, best, [7]).correct == 11


def test_targets_that_are_no_class_numbers_have_no_accuracy():
    net, shares = network(FLAT, (4,)), np.full((37, CLASSES), 1 / CLASSES)
    for loss, target in ((CrossEntropy(), shares), (L1(), shares), (BCEWithLogits(), shares)):
        assert net.evaluate(loss, IMAGES, target).accuracy is None
        assert net.score_and_grads(loss, IMAGES[:1], target[:1]).accuracy is None
        assert not net.check(loss, IMAGES, target)
    assert net.check(CrossEntropy(), IMAGES, LABELS)


def test_a_class_of_weight_0_may_be_impossible():
    net = network(Dense(3), (1,))
    net.params.flat[...] = 0
    net.params["F.b"][1] = -np.inf
    assert net.evaluate(CrossEntropy(weight=(1, 0, 1)), np.zeros((2, 1)), [0, 2]).loss == pytest.approx(np.log(2))


def test_a_batch_in_which_nothing_counts_is_refused():
    message = (
        "target: expected a class number that counts in every batch, got only those to ignore, or of weight 0; "
        "leave these images out, or give larger batches"
    )
    for loss, labels in ((CrossEntropy(ignore_index=9), [9, 9]), (CrossEntropy(weight=WEIGHT), [2, 2])):
        with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
            network(FLAT, (4,), backend="numpy").loss_and_grads(loss, IMAGES[:2], labels)


@pytest.mark.parametrize(
    ("loss", "target", "kind", "message"),
    [
        (CrossEntropy(), [0, -100], DataError, "target: expected labels from 0 to 4, got -100 to 0; "),
        (CrossEntropy(ignore_index=-100), [5, -100], DataError, "target: expected labels from 0 to 4, got 5 to 5; "),
        (
            CrossEntropy(weight=(1, 2)),
            [0, 1],
            ShapeError,
            "CrossEntropy: expected weight of 5 numbers, one for each class, got 2; ",
        ),
        (
            CrossEntropy(),
            np.ones((2, 4)),
            DataError,
            "target: expected 2 whole class numbers, got dtype float64 and shape (2, 4)",
        ),
        (
            BCEWithLogits(pos_weight=(1, 2)),
            np.ones((2, 5)),
            ShapeError,
            "BCEWithLogits: expected pos_weight of 5 numbers, one for ",
        ),
        (BCEWithLogits(), [0, 1], ShapeError, "target: expected an array (N, 5), got (2,); "),
        (Contrastive(), [0, 1], ShapeError, "target: expected an array (N, 5), got (2,); "),
    ],
)
def test_targets_that_do_not_fit(loss, target, kind, message):
    with pytest.raises(kind, match=f"^{re.escape(message)}"):
        network(FLAT, (4,), backend="numpy").loss_and_grads(loss, IMAGES[:2], target)


def test_class_numbers_outside_the_classes_of_a_map():
    net = network(Conv2d(3, 2), (2, 4, 5), backend="numpy")
    message = "target: expected labels from 0 to 2, got 0 to 3; check the labels or the width of the last layer"
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        net.loss_and_grads(CrossEntropy(), MAPS, np.where(CLASS_MAPS == 2, 3, CLASS_MAPS))
    assert np.isfinite(
        net.evaluate(CrossEntropy(), MAPS, np.where(np.arange(19)[:, None, None] == 7, 3, CLASS_MAPS), [1, 2]).loss
    )
    message = "target: expected an array (N, 3, 4), got (19,); reshape it or build the network for its shape"
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        net.loss_and_grads(CrossEntropy(), MAPS, np.zeros(19, int))


@pytest.mark.parametrize("loss", [MSE(), L1()])
def test_whole_numbers_are_no_classes_of_one_unit(loss):
    net = network(Dense(1), (4,), backend="numpy")
    message = (
        "target: expected numbers of shape (N, 1) for an output of one unit, got whole numbers of shape (37,); "
        "reshape them to (N, 1): one unit tells no classes apart"
    )
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        net.loss_and_grads(loss, IMAGES, LABELS)
    assert net.loss_and_grads(loss, IMAGES, LABELS[:, None]) > 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("part", BATCHES, ids=["37", "1"])
@pytest.mark.parametrize("options", [{}, {"pos_weight": 3.0}, {"weight": WEIGHT}, {"weight": 0.5, "pos_weight": WEIGHT}])
def test_binary_cross_entropy_is_pytorchs(dtype, part, options):
    target = np.random.default_rng(1).choice([0, 1, 0.25], (37, CLASSES))[part].astype(dtype)
    tensors = {n: torch.tensor(w, dtype=getattr(torch, dtype)) for n, w in options.items()}
    criterion = torch.nn.BCEWithLogitsLoss(**tensors)
    agrees(network(FLAT, (4,), dtype), BCEWithLogits(**options), criterion, IMAGES[part], target)


def test_binary_cross_entropy_of_maps_is_pytorchs():
    target = RNG.integers(0, 2, (19, 3, 3, 4))
    weight = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64).reshape(3, 1, 1)
    loss, criterion = BCEWithLogits(pos_weight=np.array([1, 2, 4])), torch.nn.BCEWithLogitsLoss(pos_weight=weight)
    agrees(network(Conv2d(3, 2), (2, 4, 5)), loss, criterion, MAPS, target, target.astype(float))


@pytest.mark.filterwarnings("ignore:overflow")  # plain Python warns of e^10000
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_binary_cross_entropy_of_huge_logits_is_finite_and_right(dtype):
    net = network(Dense(1), (1,), dtype)
    net.params.flat[...] = 1, 0
    for x, t, expected in ((1e4, 0.0, 1e4), (-1e4, 1.0, 1e4), (1e4, 1.0, 0), (-1e4, 0.0, 0)):
        assert net.loss_and_grads(BCEWithLogits(), np.array([[x]]), np.array([[t]])) == pytest.approx(expected)
        assert np.isfinite(net.grads.flat).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_l1_is_pytorchs(dtype):
    vectors = RNG.standard_normal((37, CLASSES)).astype(dtype)
    agrees(network(FLAT, (4,), dtype), L1(), torch.nn.L1Loss(), IMAGES, vectors)
    agrees(
        network(FLAT, (4,), dtype),
        L1(0.8, 0.1),
        torch.nn.L1Loss(),
        IMAGES,
        LABELS,
        np.where(np.eye(CLASSES, dtype=dtype)[LABELS] == 1, 0.8, 0.1).astype(dtype),
    )


def test_l1_pulls_nowhere_where_it_is_0():
    net = network(FLAT, (4,))
    assert net.loss_and_grads(L1(), IMAGES, net.predict(IMAGES)) == 0
    assert not net.grads.flat.any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_contrastive_is_its_papers(dtype):
    """Equation 4 of Hadsell et al. 2006, by PyTorch's autograd."""

    def criterion(y, t):
        return ((1 - t) * y**2 / 2 + t * torch.clamp(0.8 - y, min=0) ** 2 / 2).mean()

    target = RNG.integers(0, 2, (37, 1)).astype(dtype)
    agrees(network(Dense(1), (4,), dtype), Contrastive(0.8), criterion, IMAGES, target)


VARIED = [
    CrossEntropy(0.2, weight=(0.5, 2, 0.1, 1, 3)),
    CrossEntropy(weight=(0.5, 2, 0.1, 1, 3)),
    BCEWithLogits(weight=(1, 2, 3, 4, 5), pos_weight=0.3),
    Contrastive(0.3),
    L1(0.5, -2),
]


@pytest.mark.parametrize("check", [c for loss in VARIED for c in check_loss(loss)], ids=str)
def test_a_loss_with_options_keeps_the_contract(check):
    check()


def test_the_same_loss_is_recorded_once():
    net = network(FLAT, (4,), backend="numpy")
    for _ in range(2):
        net.evaluate(CrossEntropy(weight=[1, 2, 3, 4, 5]), IMAGES, LABELS)
        known = dict(net._runner._schedules)
    assert net._runner._schedules == known
    assert isinstance(CrossEntropy().for_targets("vectors", 3), SoftCrossEntropy)
    plain = CrossEntropy(0.1)
    assert plain.for_targets("labels", 3) is plain


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CrossEntropy(weight=()), "CrossEntropy: expected weight as a number for each class, got (); "),
        (
            lambda: CrossEntropy(weight=2.0),
            "CrossEntropy: expected weight as a number for each class, got 2.0; give weight=(1.0, 2.0), or leave it out",
        ),
        (
            lambda: CrossEntropy(weight=(1, -1)),
            "CrossEntropy: expected weight[1] in [0, inf), got -1; choose weight[1] in that range",
        ),
        (
            lambda: CrossEntropy(ignore_index=0.5),
            "CrossEntropy: expected ignore_index as a whole number from −2^24 to 2^24, got 0.5; ",
        ),
        (
            lambda: CrossEntropy(ignore_index=2**25),
            "CrossEntropy: expected ignore_index as a whole number from −2^24 to 2^24, got 33554432; ",
        ),
        (lambda: BCEWithLogits(weight=-1), "BCEWithLogits: expected weight in [0, inf), got -1; choose weight in that range"),
        (lambda: BCEWithLogits(pos_weight=(1, float("nan"))), "BCEWithLogits: expected pos_weight[1] in [0, inf), got nan; "),
        (lambda: BCEWithLogits(pos_weight="1"), "BCEWithLogits: expected pos_weight in [0, inf), got '1'; "),
        (lambda: Contrastive(0), "Contrastive: expected margin in (0, inf), got 0; choose margin in that range"),
        (lambda: L1(on=None), "L1: expected on in [-inf, inf), got None; choose on in that range"),
    ],
)
def test_an_option_outside_its_range(make, message):
    with pytest.raises(OptionError, match=f"^{re.escape(message)}"):
        make()


@pytest.mark.parametrize(
    ("loss", "last", "target"),
    [
        (CrossEntropy(), Softmax(), LABELS),
        (CrossEntropy(weight=WEIGHT), Softmax(), LABELS),
        (BCEWithLogits(), Sigmoid(), np.ones((37, 5))),
    ],
)
@pytest.mark.parametrize("images", [37, 1])
def test_an_activation_that_the_loss_applies_itself_is_doubted(loss, last, target, images):
    net = Network([Dense(CLASSES), last], (4,), threads=1, backend="numpy")
    who, layer = type(loss).__name__, type(last).__name__
    message = (
        f"{who}: expected logits, got the output of {layer}, which {who} applies itself; leave the last layer out of training"
    )
    target = np.where(LABELS == 2, 1, LABELS)[:images] if target is LABELS else target[:images]
    with pytest.warns(UserWarning, match=f"^{re.escape(message)}$"):
        net.loss_and_grads(loss, IMAGES[:images], target)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net.loss_and_grads(MSE(), IMAGES[:images], np.ones((images, 5)))


def test_training_on_maps_with_weights_recognises_places():
    """Which of two channels is larger, at every place: a 1 × 1 convolution learns it."""
    x = np.random.default_rng(0).standard_normal((64, 2, 4, 4))
    class_map = x.argmax(axis=1)
    class_map[:, 0, 0] = 255
    net = network(Conv2d(2, 1), (2, 4, 4), "float32", backend="numpy")
    optimizer, loss = SGD(1.0), CrossEntropy(weight=(1, 2), ignore_index=255)
    for _ in range(60):
        net.loss_and_grads(loss, x, class_map)
        optimizer.step(net)
    found = net.predict(x).argmax(axis=1)
    assert (found == class_map)[class_map != 255].mean() > 0.95
