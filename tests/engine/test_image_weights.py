"""Weights of images in every loss: against PyTorch, against repeated images, and what is refused."""

import re

import numpy as np
import pytest
import torch
from poisson import Poisson
from torch.nn import functional

from minicnn import (
    L1,
    MAP,
    MLE,
    MSE,
    SDLM,
    BatchNorm2d,
    BCEWithLogits,
    Contrastive,
    Conv2d,
    CrossEntropy,
    DataError,
    Dense,
    Dropout,
    Flatten,
    Huber,
    Network,
    ReLU,
    ShapeError,
    Tanh,
)
from minicnn.nn.losses import Loss

CLASSES, IMAGES = 3, 50
CLASS_WEIGHT, CHANNELS = (0.5, 2.0, 1.25), (1.0, 0.5, 3.0)
RNG = np.random.default_rng(0)
X, MAPS = RNG.standard_normal((IMAGES, 4)), RNG.standard_normal((IMAGES, 2, 3, 2))
LABELS, CLASS_MAPS = RNG.integers(0, CLASSES, IMAGES), RNG.integers(0, CLASSES, (IMAGES, 3, 2))
NUMBERS, NUMBER_MAPS = RNG.standard_normal((IMAGES, CLASSES)), RNG.standard_normal((IMAGES, CLASSES, 3, 2))
SHARES, SHARE_MAPS = RNG.random((IMAGES, CLASSES)), RNG.random((IMAGES, CLASSES, 3, 2))
BITS = (SHARES > 0.5).astype(float)
WEIGHTS = RNG.choice([0.0, 0.25, 1.0, 2.5], IMAGES)
BATCHES = {1: [7], 5: [3, 1, 40, 3, 11], 37: RNG.permutation(IMAGES)[:37]}
for _batch in BATCHES.values():
    WEIGHTS[_batch[0]] = 3.0  # at least one that counts


def per_channel(values, like):
    return torch.tensor(values, dtype=torch.float64).reshape(1, -1, *[1] * (like.ndim - 2))


def mean(each):
    """The loss of each image, of terms that are averaged within it."""
    return each.reshape(len(each), -1).mean(1), torch.ones(len(each), dtype=torch.float64)


def entropy(weight=None, ignore_index=-100, **options):
    """The loss of each image, summed over its places, and what it adds to the divisor."""

    def each(y, t):
        own = None if weight is None else torch.tensor(weight, dtype=torch.float64)
        loss = functional.cross_entropy(y, t, own, ignore_index=ignore_index, reduction="none", **options)
        counts = torch.ones_like(loss)
        if not t.is_floating_point():
            counts = (t != ignore_index) * (torch.ones(CLASSES) if own is None else own)[t.clamp(0, CLASSES - 1)]
        return loss.reshape(len(y), -1).sum(1), counts.reshape(len(y), -1).sum(1)

    return each


def one_hot(y, t, on, off):
    return off + (on - off) * functional.one_hot(t, y.shape[1]).double()


def nearest(y, t):
    return mean(y.gather(1, t[:, None]))


def rubbish(y, t):
    return mean(y.gather(1, t[:, None]) + torch.log(np.exp(-0.5) + torch.exp(-y).sum(1, keepdim=True)))


def contrastive(y, t):
    return mean(((1 - t) * y**2 + t * torch.clamp(1.5 - y, min=0) ** 2) / 2)


def binary(y, t):
    options = {"weight": per_channel(CLASS_WEIGHT, y), "pos_weight": per_channel(CHANNELS, y)[0], "reduction": "none"}
    return mean(functional.binary_cross_entropy_with_logits(y, t, **options))


IGNORED, IGNORED_MAPS = np.where(LABELS == 1, -5, LABELS), np.where(CLASS_MAPS == 1, 255, CLASS_MAPS)
BOTH = {"weight": CLASS_WEIGHT, "label_smoothing": 0.2}
CASES = {
    "mse": (MSE(), X, NUMBERS, lambda y, t: mean((y - t) ** 2)),
    "mse of classes": (MSE(0.8, -0.3), X, LABELS, lambda y, t: mean((y - one_hot(y, t, 0.8, -0.3)) ** 2)),
    "mse of maps": (MSE(), MAPS, NUMBER_MAPS, lambda y, t: mean((y - t) ** 2)),
    "l1": (L1(), X, NUMBERS, lambda y, t: mean((y - t).abs())),
    "huber": (Huber(0.7), X, NUMBERS, lambda y, t: mean(functional.huber_loss(y, t, "none", 0.7))),
    "contrastive": (Contrastive(1.5), X, BITS, contrastive),
    "bce": (BCEWithLogits(), X, SHARES, lambda y, t: mean(functional.binary_cross_entropy_with_logits(y, t, reduction="none"))),
    "bce with weights": (BCEWithLogits(weight=CLASS_WEIGHT, pos_weight=CHANNELS), X, BITS, binary),
    "bce of maps": (BCEWithLogits(weight=CLASS_WEIGHT, pos_weight=CHANNELS), MAPS, SHARE_MAPS, binary),
    "mle": (MLE(), X, LABELS, nearest),
    "map": (MAP(0.5), X, LABELS, rubbish),
    "classes": (CrossEntropy(), X, LABELS, entropy()),
    "smooth classes": (CrossEntropy(0.2), X, LABELS, entropy(label_smoothing=0.2)),
    "class weights": (CrossEntropy(weight=CLASS_WEIGHT), X, LABELS, entropy(CLASS_WEIGHT)),
    "ignored": (CrossEntropy(0.2, weight=CLASS_WEIGHT, ignore_index=-5), X, IGNORED, entropy(ignore_index=-5, **BOTH)),
    "probabilities": (CrossEntropy(0.2, weight=CLASS_WEIGHT), X, SHARES, entropy(**BOTH)),
    "maps": (CrossEntropy(), MAPS, CLASS_MAPS, entropy()),
    "ignored in maps": (
        CrossEntropy(0.2, weight=CLASS_WEIGHT, ignore_index=255),
        MAPS,
        IGNORED_MAPS,
        entropy(ignore_index=255, **BOTH),
    ),
    "probabilities in maps": (CrossEntropy(weight=CLASS_WEIGHT), MAPS, SHARE_MAPS, entropy(CLASS_WEIGHT)),
}


def network(x, backend="cpu", dtype="float64", threads=1, lanes=16):
    layer = Dense(CLASSES) if x.ndim == 2 else Conv2d(CLASSES, 1)
    return Network([("F", layer)], x.shape[1:], dtype, backend, threads, seed=3, lanes=lanes)


def run(net, loss, x, target, batch=None, **options):
    """Loss, gradients and hits of a batch."""
    score = net.score_and_grads(loss, x, target, batch, **options)
    return score.loss, net.grads.flat.copy(), score.correct


def bits(result):
    return result[0], result[1].tobytes(), result[2]


def close(got, expected, size=1e-13):
    assert got[0] == pytest.approx(expected[0], rel=size, abs=size)
    np.testing.assert_allclose(got[1], expected[1], rtol=0, atol=size * max(1.0, np.abs(expected[1]).max()))


def test_every_loss_of_the_package_is_here():
    kinds = {kind.__name__ for kind in Loss.__subclasses__() if kind.__module__.startswith("minicnn.")}
    assert kinds - {"SoftCrossEntropy"} == {type(loss).__name__ for loss, *_ in CASES.values()}


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("case", CASES)
def test_the_loss_and_every_gradient_are_pytorchs_weighted_by_hand(case, backend):
    loss, x, target, each = CASES[case]
    net = network(x, backend)
    for batch in BATCHES.values():
        W, b = (torch.from_numpy(net.params[n].copy()).requires_grad_() for n in ("F.W", "F.b"))
        y = (functional.linear if x.ndim == 2 else functional.conv2d)(torch.from_numpy(x[batch]), W, b)
        losses, counts = each(y, torch.from_numpy(target[batch]))
        weights = torch.from_numpy(WEIGHTS[batch])
        if not (weights * counts).sum() > 0:
            continue
        expected = (weights * losses).sum() / (weights * counts).sum()
        if case == "probabilities in maps":  # PyTorch's mean is over places
            expected = (weights * losses).sum() / (weights.sum() * 6)
        expected.backward()
        got = net.loss_and_grads(loss, x, target, batch, weight=WEIGHTS)
        assert got == pytest.approx(expected.item(), rel=1e-10)
        for own, theirs in ((net.grads["F.W"], W.grad), (net.grads["F.b"], b.grad)):
            np.testing.assert_allclose(own, theirs.numpy(), rtol=0, atol=1e-10 * max(1, np.abs(own).max()))
        assert net.evaluate(loss, x, target, batch, weight=WEIGHTS).loss == got


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("case", CASES)
def test_equal_weights_are_none(case, backend):
    """Bit for bit; whole numbers are the images as often, and a weight of 0 leaves one out, whatever its target is."""
    loss, x, target, _ = CASES[case]
    net, batch = network(x, backend), BATCHES[37]
    plain = bits(run(net, loss, x, target, batch))
    for weight in (np.ones(IMAGES), [2.5] * IMAGES, np.full(IMAGES, 1e-320), np.full(IMAGES, 1e308)):
        assert bits(run(net, loss, x, target, batch, weight=weight)) == plain
    times = np.where(np.arange(IMAGES) % 3 == 1, 0, np.arange(IMAGES) % 4)
    given = target.copy()
    if given.dtype.kind == "f":
        given[times == 0] = np.nan
    got = run(net, loss, x, given, batch, weight=times)
    close(got, run(net, loss, x, target, np.repeat(batch, times[batch])))


@pytest.mark.parametrize("case", CASES)
def test_groups_of_other_sizes_and_float32(case):
    loss, x, target, _ = CASES[case]
    batch = BATCHES[37]
    expected = run(network(x), loss, x, target, batch, weight=WEIGHTS)
    for lanes in (1, 32):
        close(run(network(x, lanes=lanes), loss, x, target, batch, weight=WEIGHTS), expected)
    close(run(network(x, dtype="float32"), loss, x, target, batch, weight=WEIGHTS), expected, 3e-6)


@pytest.mark.parametrize("case", [name for name, (loss, *_) in CASES.items() if loss.for_targets("labels", 3).curvature])
def test_the_curvature_is_that_of_the_images_alone_weighted(case):
    loss, x, target, each = CASES[case]
    net = network(x)
    _, counts = each(torch.from_numpy(NUMBER_MAPS if x.ndim > 2 else NUMBERS), torch.from_numpy(target))
    parts = counts.numpy() if target.dtype.kind == "i" else np.ones(IMAGES)
    weights = WEIGHTS * (parts if isinstance(loss, CrossEntropy) else 1)
    batch = [image for image in BATCHES[37] if weights[image] > 0]
    alone = [weights[image] * net.curvature(loss, x, target, [image]).flat for image in batch]
    expected = sum(alone) / weights[batch].sum()
    got = net.curvature(loss, x, target, BATCHES[37], weight=WEIGHTS).flat
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-13 * max(1, np.abs(expected).max()))


def test_sdlm_takes_weights():
    net, sdlm = network(X), SDLM(0.1, mu=0.5)
    sdlm.estimate(net, MSE(), X, LABELS, weight=WEIGHTS)
    curvature = net.curvature(MSE(), X, LABELS, weight=WEIGHTS)
    np.testing.assert_allclose(sdlm.rates(net)["F.W"], 0.1 / (0.5 + curvature["F.W"]), rtol=1e-12)


DEEP = [("C", Conv2d(3, 2)), ReLU(), Dropout(0.3), Flatten(), ("F", Dense(3))]
NORMED = [("C", Conv2d(3, 2, padding=1)), ("N", BatchNorm2d()), Tanh(), Flatten(), ("F", Dense(3))]


@pytest.mark.parametrize("layers", [DEEP, NORMED], ids=["deep", "barriers"])
def test_bits_are_those_of_one_thread(layers):
    results = []
    batch = np.arange(200) % IMAGES  # more groups than slots
    for threads in (1, 2, 3, 8):
        net = Network(layers, (2, 3, 2), threads=threads, seed=1)
        results.append(bits(run(net, CrossEntropy(0.1), MAPS, LABELS, batch, weight=WEIGHTS)))
    assert results == results[:1] * 4


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
def test_statistics_of_the_batch_are_those_of_all_images(backend):
    """As in PyTorch: a weight of 0 takes an image out of the loss alone."""
    net = Network(NORMED, (2, 3, 2), "float64", backend, threads=2, seed=1)
    parts = [torch.nn.Conv2d(2, 3, 2, padding=1), torch.nn.BatchNorm2d(3), torch.nn.Tanh(), torch.nn.Flatten()]
    twin = torch.nn.Sequential(*parts, torch.nn.Linear(36, 3)).double()
    for parameter, value in zip(twin.parameters(), net.params.values(), strict=True):
        parameter.data[...] = torch.from_numpy(value.copy())
    batch = BATCHES[37]
    each = functional.cross_entropy(twin(torch.from_numpy(MAPS[batch])), torch.from_numpy(LABELS[batch]), reduction="none")
    weights = torch.from_numpy(WEIGHTS[batch])
    expected = (weights * each).sum() / weights.sum()
    expected.backward()
    assert net.loss_and_grads(CrossEntropy(), MAPS, LABELS, batch, weight=WEIGHTS) == pytest.approx(expected.item(), rel=1e-12)
    for own, theirs in zip(net.grads.values(), twin.parameters(), strict=True):
        np.testing.assert_allclose(own, theirs.grad.numpy(), rtol=0, atol=1e-13)
    np.testing.assert_allclose(net.state["N.running_var"], twin[1].running_var.numpy(), rtol=1e-12)


@pytest.mark.parametrize("part", [4, 5, 16, 36])
def test_parts_of_a_batch_are_divided_by_the_weights_of_all(part):
    """Parts of one image, of all weights 0, and of equal weights among them."""
    weights, loss, batch = WEIGHTS.copy(), CrossEntropy(weight=CLASS_WEIGHT), np.arange(37)
    weights[:4], weights[8:12], weights[36] = 0, 1.5, 0.75
    net, whole = (Network(NORMED, (2, 3, 2), "float64", threads=1, seed=1) for _ in range(2))
    counts = weights * np.array(CLASS_WEIGHT)[LABELS]
    value, grads = 0.0, 0.0
    for first in range(0, 37, part):
        own = batch[first : first + part]
        if weights[own].any():
            one = run(whole, loss, MAPS, LABELS, own, weight=weights)
            share = counts[own].sum() / counts[:37].sum()
            value, grads = value + share * one[0], grads + share * one[1]
    close(run(net, loss, MAPS, LABELS, batch, part=part, weight=weights), (value, grads))


ITEMS = [("F1", Dense(4)), Tanh(), ("class", Dense(3)), ("size", Dense(2), "F1")]
HEADS = {"class": CrossEntropy(weight=CLASS_WEIGHT), "size": (MSE(), 0.3)}


@pytest.mark.parametrize("backend", ["cpu", "numpy"])
@pytest.mark.parametrize("weights", ["the same", "by name", "one alone"])
def test_several_outputs(weights, backend):
    """Each is divided by the weights that count for it."""
    net = Network(ITEMS, (4,), "float64", backend, threads=1, outputs=("class", "size"), seed=2)
    target, batch = {"class": LABELS, "size": NUMBERS[:, :2]}, BATCHES[37]
    other = {"the same": WEIGHTS, "by name": WEIGHTS[::-1], "one alone": np.ones(IMAGES)}[weights]
    given = WEIGHTS if weights == "the same" else {"class": WEIGHTS, "size": other}
    score, grads = net.score_and_grads(HEADS, X, target, batch, weight=given), net.grads.flat.copy()
    singles = [net.score_and_grads(HEADS, X, target, [image]) for image in batch]
    shares = WEIGHTS[batch] * np.array(CLASS_WEIGHT)[LABELS[batch]], other[batch]
    means = [
        sum(s * one.outputs[name].loss for s, one in zip(own, singles, strict=True)) / own.sum()
        for name, own in zip(HEADS, shares, strict=True)
    ]
    assert [score.outputs[name].loss for name in HEADS] == pytest.approx(means, rel=1e-12)
    assert score.loss == pytest.approx(means[0] + 0.3 * means[1], rel=1e-12)
    expected = np.zeros_like(grads)
    for image, first, second in zip(batch, *(own / own.sum() for own in shares), strict=True):
        own = {"class": (HEADS["class"], max(first, 1e-300)), "size": (MSE(), max(0.3 * second, 1e-300))}
        net.loss_and_grads(own, X, target, [image])
        expected += net.grads.flat
    np.testing.assert_allclose(grads, expected, rtol=0, atol=1e-13)
    assert (score.correct, score.counted) == (sum(s.correct for s in singles), 37)


def test_batches_with_weights_and_without_take_turns():
    """Also where a batch has to grow, and where other images have weights."""
    net, loss, x, target = network(X, threads=2), *CASES["classes"][:3]
    plain, weighted = run(net, loss, x, target), run(net, loss, x, target, weight=WEIGHTS)
    assert abs(plain[0] - weighted[0]) > 1e-3
    many = np.arange(700) % IMAGES
    for _ in range(2):
        assert bits(run(net, loss, x, target)) == bits(plain)
        assert bits(run(net, loss, x, target, weight=WEIGHTS)) == bits(weighted)
        assert run(net, loss, x, target, weight=WEIGHTS[::-1])[0] != weighted[0]
        close(run(net, loss, x, target, many, weight=WEIGHTS), weighted)


def test_a_loss_of_ones_own_takes_weights():
    net, batch = network(X), BATCHES[37]
    times = np.arange(IMAGES) % 3
    got = run(net, Poisson(), X, SHARES, batch, weight=times)
    close(got, run(net, Poisson(), X, SHARES, np.repeat(batch, times[batch])))


def changed(place, value):
    weights = np.ones(IMAGES)
    weights[place] = value
    return weights


REFUSED = [
    (DataError, np.ones(49), "expected 50 numbers, one for each image, got dtype float64 and shape (49,); give one weight"),
    (DataError, np.ones((50, 1)), "one for each image, got dtype float64 and shape (50, 1); give one weight for each image"),
    (DataError, 2.0, "expected 50 numbers, one for each image, got dtype float64 and shape (); give one weight for each image"),
    (DataError, ["1"] * 50, "expected 50 numbers, one for each image, got dtype <U1 and shape (50,); give one weight for each"),
    (DataError, [[1], [1, 2]], "weight: expected an array, got values that do not form one; give rows of equal length"),
    (DataError, changed(3, -0.5), "expected finite numbers of at least 0, got -0.5; give 0 to an image that is not to count"),
    (DataError, changed(3, np.nan), "expected finite numbers of at least 0, got nan; give 0 to an image that is not to count"),
    (DataError, changed(3, np.inf), "expected finite numbers of at least 0, got inf; give 0 to an image that is not to count"),
    (DataError, np.zeros(50), "weight: expected a weight above 0 in every batch, got only 0; leave these images out, or give"),
    (ShapeError, {"G": np.ones(50)}, "weight: expected the names F, got G; give something for each of them, and nothing else"),
]


@pytest.mark.parametrize(("error", "weight", "message"), REFUSED, ids=range(len(REFUSED)))
def test_weights_are_refused_in_one_sentence(error, weight, message):
    """By whatever takes them, before a number changes."""
    net, sdlm = network(X), SDLM()
    for call in (net.loss_and_grads, net.score_and_grads, net.evaluate, net.check, net.curvature):
        with pytest.raises(error, match=re.escape(message)) as caught:
            call(CrossEntropy(), X, LABELS, weight=weight)
        assert "\n" not in str(caught.value)
    with pytest.raises(error, match=re.escape(message)):
        sdlm.estimate(net, CrossEntropy(), X, LABELS, weight=weight)
    assert net.steps == 0


def test_only_weights_of_the_batch_count():
    net = network(X)
    net.loss_and_grads(CrossEntropy(), X, LABELS, [1, 2], weight=changed(3, -1.0))
    for batch in ([3], [2, 3]):
        with pytest.raises(DataError, match="expected finite numbers of at least 0, got -1"):
            net.loss_and_grads(CrossEntropy(), X, LABELS, batch, weight=changed(3, -1.0))
    with pytest.raises(DataError, match="expected a weight above 0 in every batch"):
        net.loss_and_grads(CrossEntropy(), X, LABELS, [3], weight=changed(3, 0.0))


def test_weights_on_ignored_images_alone_are_refused():
    weight = np.where(IGNORED < 0, 1.0, 0.0)
    message = "target: expected a class number that counts in every batch, got only those to ignore, or of weight 0; leave"
    with pytest.raises(DataError, match=re.escape(message)):
        network(X).loss_and_grads(CrossEntropy(ignore_index=-5), X, IGNORED, weight=weight)
