"""Classifiers and regressors: trained, saved, copied, and what they refuse. On the NumPy backend, where nothing is compiled."""

import copy
import json
import pickle
import re
import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pytest

import minicnn as m
from minicnn.data import Normalise
from minicnn.errors import CheckpointError, ContractError, DataError, MinicnnError, OptionError
from minicnn.train import checkpoint

RNG = np.random.default_rng(3)
COLOURS = np.array([[230, 30, 30], [30, 230, 30], [30, 30, 230]])
NUMBERS = np.arange(60) % 3
NAMES = np.array(["red", "green", "blue"])[NUMBERS]
PICTURES = np.clip(COLOURS[NUMBERS][:, None, None] + RNG.normal(0, 20, (60, 6, 6, 3)), 0, 255).astype(np.uint8)


def network(classes=3, in_shape=(3, 6, 6), *more, **options):
    layers = [("C", m.Conv2d(4, 3)), m.BatchNorm2d(), m.ReLU(), ("F", m.Dense(classes)), *more]
    return m.Network(layers, in_shape, threads=1, backend="numpy", **options)


def trained(**options):
    made = m.Classifier(network(), optimizer=m.Adam(0.02), **options)
    return made.fit(PICTURES, NAMES, epochs=4, batch_size=8, log=None)


@pytest.fixture(scope="module")
def classifier():
    return trained()


def same(one, other, images=PICTURES):
    """Whether two predict the same bits."""
    return one.predict_proba(images).tobytes() == other.predict_proba(images).tobytes()


# --- training and answers ---


def test_a_classifier_learns_and_answers_with_names(classifier):
    assert classifier.classes.tolist() == ["blue", "green", "red"]
    assert (classifier.predict(PICTURES) == NAMES).mean() > 0.9
    probabilities = classifier.predict_proba(PICTURES)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(classifier.classes[probabilities.argmax(axis=1)], classifier.predict(PICTURES))
    counts = classifier.confusion_matrix(PICTURES, NAMES)
    assert counts.sum(axis=1).tolist() == [20, 20, 20]
    score = classifier.evaluate(PICTURES, NAMES)
    assert score.correct == np.trace(counts) == (classifier.predict(PICTURES) == NAMES).sum()
    assert [row.epoch for row in classifier.history] == [1, 2, 3, 4]
    assert repr(classifier) == "<Classifier (3, 6, 6) → (3,), 315 parameters, 4 epochs>"


@pytest.mark.parametrize(
    "images",
    [PICTURES.transpose(0, 3, 1, 2), np.ascontiguousarray(PICTURES.transpose(0, 3, 1, 2)), list(PICTURES)],
    ids=["view", "channels first", "list"],
)
def test_every_layout_gives_the_same_answers(classifier, images):
    np.testing.assert_array_equal(classifier.predict_proba(images), classifier.predict_proba(PICTURES))


@pytest.mark.parametrize("validation", [0.2, (PICTURES[:9], NAMES[:9])], ids=["share", "pair"])
def test_a_layout_that_is_given_is_that_of_training_too(validation):
    made = m.Classifier(network(), layout="NHWC").fit(PICTURES, NAMES, validation=validation, epochs=1, log=None)
    assert made.predict(PICTURES).shape == (len(PICTURES),)


def test_a_second_fit_goes_on():
    made = trained()
    before, steps = made.preprocessing, made.optimizer.steps
    assert made.fit(PICTURES[:20] // 2, NAMES[:20], epochs=2, log=None) is made
    assert made.preprocessing is before
    assert made.optimizer.steps > steps > 0
    assert [row.epoch for row in made.history] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("grey", [(60, 6, 6), (60, 6, 6, 1), (60, 1, 6, 6)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_grey_images_and_floats(grey, dtype):
    levels = (NUMBERS[:, None, None] * 100 + RNG.integers(0, 20, (60, 6, 6))).astype(dtype).reshape(grey)
    made = m.Classifier(network(in_shape=(1, 6, 6)), optimizer=m.Adam(0.02))
    made.fit(levels, NUMBERS, validation=(levels[:9], NUMBERS[:9]), epochs=4, batch_size=8, log=None)
    assert made.predict(levels).dtype.kind == "i"
    assert (made.predict(levels) == NUMBERS).mean() > 0.9
    assert made.preprocessing.uint8 == (dtype == np.uint8)


def test_lines_of_the_log_come_to_who_wants_them(capsys):
    lines = []
    made = m.Classifier(network())
    made.fit(PICTURES, NAMES, epochs=1, log=lines.append)
    assert lines[0].startswith("epoch  1  train loss")
    made.fit(PICTURES, NAMES, epochs=1, log=None)
    assert capsys.readouterr().out == ""
    made.fit(PICTURES, NAMES, epochs=1)
    assert capsys.readouterr().out.startswith("epoch  1  train loss")


@pytest.mark.parametrize(
    ("labels", "classes", "expected"),
    [
        (NUMBERS, None, [0, 1, 2]),
        (NUMBERS.astype(np.uint8), None, [0, 1, 2]),
        (NUMBERS % 2, None, [0, 1, 2]),
        (NUMBERS * 10 - 5, None, [-5, 5, 15]),
        (list(NAMES), None, ["blue", "green", "red"]),
        (NAMES.astype(object), None, ["blue", "green", "red"]),
        (NAMES, ["red", "green", "blue"], ["red", "green", "blue"]),
        (NUMBERS, ["red", "green", "blue"], ["red", "green", "blue"]),
        (NUMBERS, np.array([2, 0, 1]), [2, 0, 1]),
    ],
)
def test_classes_follow_from_the_labels_or_are_given(labels, classes, expected):
    made = m.Classifier(network(), classes=classes, optimizer=m.Adam(0.02)).fit(PICTURES, labels, epochs=1, log=None)
    assert made.classes.tolist() == expected
    assert set(made.predict(PICTURES).tolist()) <= set(expected)
    names = np.array(labels).tolist()
    if isinstance(expected[0], str) and not isinstance(names[0], str):
        names = [expected[number] for number in names]
    order = {name: number for number, name in enumerate(expected)}
    counts = made.confusion_matrix(PICTURES, labels)
    assert counts.sum(axis=1).tolist() == np.bincount([order[name] for name in names], minlength=3).tolist()


@pytest.mark.parametrize(("last", "probability"), [(m.Softmax(), lambda y: y), (m.LogSoftmax(), np.exp)])
def test_probabilities_of_a_network_that_ends_in_a_softmax(last, probability):
    made = m.Classifier(network(3, (3, 6, 6), last), m.MSE(), classes=NAMES[:3]).fit(PICTURES, NAMES, epochs=1, log=None)
    outputs = made.net.predict(made.preprocessing.source("", PICTURES, (3, 6, 6), made.net.dtype)).astype(np.float64)
    np.testing.assert_array_equal(made.predict_proba(PICTURES), probability(outputs))


def test_the_smallest_penalty_wins(tmp_path):
    centres = tuple(tuple(float(n == c) for n in range(3)) for c in range(3))
    made = m.Classifier(network(3, (3, 6, 6), m.RBF(centres)), m.MAP(), m.Adam(0.02))
    made.fit(PICTURES, NAMES, epochs=4, batch_size=8, log=None)
    probabilities = made.predict_proba(PICTURES)
    np.testing.assert_array_equal(made.predict(PICTURES), made.classes[probabilities.argmax(axis=1)])
    assert (made.predict(PICTURES) == NAMES).mean() > 0.6
    assert np.trace(made.confusion_matrix(PICTURES, NAMES)) == made.evaluate(PICTURES, NAMES).correct
    made.save(tmp_path / "model")
    assert same(m.load(tmp_path / "model", threads=1, backend="numpy"), made)


@pytest.mark.parametrize("flat", [True, False])
def test_a_regressor_learns_and_answers_in_the_shape_of_its_targets(tmp_path, flat):
    values = PICTURES[..., 0].mean(axis=(1, 2)) / 255
    targets = values if flat else values[:, None]
    made = m.Regressor(network(1), optimizer=m.Adam(0.02))
    made.fit(PICTURES, targets, epochs=15, log=None)
    assert made.predict(PICTURES).shape == targets.shape
    assert np.abs(made.predict(PICTURES) - targets).mean() < 0.15
    assert made.evaluate(PICTURES, targets).accuracy is None
    made.save(tmp_path / "model")
    found = m.load(tmp_path / "model", threads=1, backend="numpy")
    assert type(found) is m.Regressor
    np.testing.assert_array_equal(found.predict(PICTURES), made.predict(PICTURES))
    assert found.loss == m.MSE()


def test_a_regressor_of_maps():
    net = m.Network([m.Conv2d(1, 3, padding="same")], (3, 6, 6), threads=1, backend="numpy")
    made = m.Regressor(net).fit(PICTURES, PICTURES[:, None, :, :, 0] / 255, epochs=1, log=None)
    assert made.predict(PICTURES).shape == (60, 1, 6, 6)


# --- copies and files ---


@pytest.mark.parametrize("way", [copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))], ids=["deepcopy", "pickle"])
def test_copies_predict_the_same_and_train_apart(classifier, way):
    made = way(classifier)
    assert same(made, classifier)
    assert (made.classes.tolist(), made.history) == (classifier.classes.tolist(), classifier.history)
    before = classifier.predict_proba(PICTURES)
    made.fit(PICTURES, NAMES, epochs=1, log=None)
    np.testing.assert_array_equal(classifier.predict_proba(PICTURES), before)


def test_small_batches_are_predicted_without_new_programs(classifier, monkeypatch):
    expected = classifier.net.predict(
        classifier.preprocessing.source("x", PICTURES, classifier.net.in_shape, classifier.net.dtype)
    )
    sources, plain = [], m.Network.predict
    monkeypatch.setattr(m.Network, "predict", lambda net, x, index=None: (sources.append(x), plain(net, x, index))[1])
    for first, last in ((0, 5), (3, 4), (0, 16), (2, 7)):
        found = classifier.predict_proba(PICTURES[first:last])
        powers = np.exp(expected[first:last].astype(np.float64))
        np.testing.assert_allclose(found, powers / powers.sum(axis=1, keepdims=True), rtol=0, atol=1e-6)
    assert len({id(each) for each in sources}) == 1
    many = np.concatenate([PICTURES] * (300 // len(PICTURES) + 1))
    np.testing.assert_array_equal(classifier.predict_proba(many)[: len(PICTURES)], classifier.predict_proba(PICTURES))
    assert sources[-2] is not sources[-1]


def test_threads_share_small_batches(classifier):
    expected = [classifier.predict_proba(PICTURES[n : n + 3]) for n in range(8)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda n: classifier.predict_proba(PICTURES[n % 8 : n % 8 + 3]), range(64)))
    for n, each in enumerate(found):
        np.testing.assert_array_equal(each, expected[n % 8])


def test_a_file_gives_back_everything_but_the_optimiser(tmp_path, classifier):
    classifier.save(tmp_path / "model", {"author": "me"})
    found = m.load(tmp_path / "model", threads=1, backend="numpy")
    assert type(found) is m.Classifier
    assert same(found, classifier)
    for name in ("preprocessing", "history", "loss"):
        assert getattr(found, name) == getattr(classifier, name), name
    assert found.classes.tolist() == classifier.classes.tolist()
    assert checkpoint.read_metadata(tmp_path / "model") == {"author": "me"}
    assert found.fit(PICTURES, NAMES, epochs=1, log=None).history[-1].epoch == 5


def test_a_file_predicts_the_same_bits_in_another_process(tmp_path, python, classifier):
    m.save(tmp_path / "model", classifier)
    np.save(tmp_path / "pictures.npy", PICTURES)
    code = f"""
import numpy, minicnn
model = minicnn.load({str(tmp_path / "model")!r}, threads=1, backend="numpy")
pictures = numpy.load({str(tmp_path / "pictures.npy")!r})
print(model.predict_proba(pictures).tobytes().hex(), *model.predict(pictures))
"""
    bits, *names = python(code).split()
    assert bits == classifier.predict_proba(PICTURES).tobytes().hex()
    assert names == classifier.predict(PICTURES).tolist()


def test_an_untrained_one_comes_back_untrained(tmp_path):
    m.Classifier(network(), m.CrossEntropy(0.1, weight=(1, 2, 3))).save(tmp_path / "model")
    found = m.Classifier.load(tmp_path / "model", threads=1, backend="numpy")
    assert (found.classes, found.preprocessing, found.history) == (None, None, [])
    assert found.loss == m.CrossEntropy(0.1, weight=(1, 2, 3))
    found.fit(PICTURES, NAMES, epochs=1, log=None)


@dataclass(frozen=True)
class Own(m.CrossEntropy):
    """A loss of one's own."""


def test_a_loss_of_ones_own_is_needed_for_evaluation_alone(tmp_path, classifier):
    made = copy.deepcopy(classifier)
    made.loss = Own(0.25)
    made.save(tmp_path / "model")
    found = m.load(tmp_path / "model", threads=1, backend="numpy")
    assert same(found, made)
    with pytest.raises(ContractError) as caught:
        found.evaluate(PICTURES, NAMES)
    assert str(caught.value) == (
        "Classifier: expected a loss, got none, as that of the file was one of its author's own; load it "
        "with layers=[its class], "
        "or set the attribute loss"
    )
    found = m.load(tmp_path / "model", [Own], threads=1, backend="numpy")
    assert found.evaluate(PICTURES, NAMES) == made.evaluate(PICTURES, NAMES)


@pytest.mark.parametrize("kind", [m.Classifier, m.Regressor])
def test_a_file_of_another_kind_is_refused(tmp_path, kind):
    m.save(tmp_path / "model", network())
    with pytest.raises(CheckpointError) as caught:
        kind.load(tmp_path / "model")
    what = f"expected a file of a {kind.__name__}, got one of a Network"
    assert str(caught.value) == f"{tmp_path / 'model'}: {what}; load it with minicnn.load"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("kind", "regressor", "a task as a classifier or regressor with what belongs to it, got something else ("),
        ("more", 1, "a task as a classifier or regressor with what belongs to it, got something else ("),
        (
            "classes",
            ["a", "b"],
            "a classifier, got something else (Classifier: expected 3 different names of classes, text or whole ",
        ),
        ("classes", ["a", "b", 3], "a classifier, got something else (Classifier: expected 3 different names of classes"),
        ("classes", "abc", "a classifier, got something else (Classifier: expected 3 different names of classes"),
        ("classes", [1, 2, 2**63], "a classifier, got something else (Classifier: expected 3 different names of classes"),
        ("loss", {"class": "Dense", "options": {"units": 3}}, "a loss, got something else ('Dense')"),
        ("loss", 3, "a loss as a class with its options, got something else (3)"),
        ("preprocessing", {}, "preprocessing of images, got something else ({})"),
        ("history", [{}], "an object of epoch, train_loss, "),
    ],
)
def test_a_task_that_is_not_one_is_refused(tmp_path, classifier, name, value, message):
    path = tmp_path / "model"
    classifier.save(path)
    content = path.read_bytes()
    end = 8 + struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:end])
    document = json.loads(header["__metadata__"]["minicnn"])
    document["task"][name] = value
    header["__metadata__"]["minicnn"] = json.dumps(document)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[end:])
    with pytest.raises(CheckpointError) as caught:
        m.load(path, threads=1, backend="numpy")
    assert str(caught.value).startswith(f"{path}: expected {message}")
    assert "resume" not in str(caught.value)


@pytest.mark.parametrize("change", [{"uint8": 1}, {"fit": "x"}, {"layout": "HW"}, {"normalise": {"scale": "1", "shift": 0}}])
def test_preprocessing_of_another_kind_is_refused(tmp_path, classifier, change):
    from minicnn.train import estimator

    good = estimator._as_json(classifier.preprocessing)
    assert estimator._preprocessing("file", good) == classifier.preprocessing
    with pytest.raises(CheckpointError, match="file: expected preprocessing of images, got something else"):
        estimator._preprocessing("file", good | change)


# --- what is refused ---


def several():
    return m.Network([("a", m.Dense(2)), ("b", m.Dense(2), "a")], (4,), outputs=("a", "b"), threads=1, backend="numpy")


NO_NETWORK = "expected a Network, got 'net'; give for example models.lenet5_modern()"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: m.Classifier("net"), f"Classifier: {NO_NETWORK}"),
        (lambda: m.Regressor("net"), f"Regressor: {NO_NETWORK}"),
        (
            lambda: m.Classifier(several()),
            "Classifier: expected a network of one input and one output, got 1 and 2; train it with train.Trainer",
        ),
        (
            lambda: m.Classifier(network(1)),
            "Classifier: expected a network with an output for each of at least two classes, got outputs (1,); end it with "
            "Dense(number of classes)",
        ),
        (
            lambda: m.Classifier(network(), m.CrossEntropy),
            "Classifier: expected loss as a loss, got <class 'minic...CrossEntropy'>; give for example loss=CrossEntropy()",
        ),
        (
            lambda: m.Classifier(network(), optimizer=0.1),
            "Classifier: expected optimizer as an optimiser, got 0.1; give for example optimizer=Adam(0.001)",
        ),
        (
            lambda: m.Classifier(network(), normalise=0.1),
            "Classifier: expected normalise as a Normalise, got 0.1; give for example normalise=Normalise.between(0, 1)",
        ),
        (
            lambda: m.Regressor(network(), fit_size="crop"),
            'Regressor: expected fit_size "pad" or "resize", got \'crop\'; give fit_size="pad"',
        ),
        (
            lambda: m.Regressor(network(), layout="HWC"),
            "Regressor: expected layout as one of NHW, NHWC, NCHW, got 'HWC'; give layout=\"NHWC\", or leave it out",
        ),
        *(
            (
                lambda classes=classes: m.Classifier(network(), classes=classes),
                f"Classifier: expected 3 different names of classes, text or whole numbers, got {shown}; give a name "
                "for each output "
                "of the network",
            )
            for classes, shown in (
                (["a", "b"], "['a', 'b']"),
                (["a", "b", "a"], "['a', 'b', 'a']"),
                ([1.5, 2, 3], "[1.5, 2, 3]"),
            )
        ),
    ],
)
def test_a_classifier_that_cannot_be_made_says_why(make, message):
    with pytest.raises(OptionError) as caught:
        make()
    assert str(caught.value) == message


PAIR = "expected validation as a pair (images, targets)"


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (
            NAMES[:5],
            {},
            "labels: expected 60 labels, text or whole numbers, got <U5 of shape (5,); give one label for each image",
        ),
        (
            NUMBERS / 2,
            {},
            "labels: expected 60 labels, text or whole numbers, got float64 of shape (60,); give one label for each image",
        ),
        (
            NUMBERS[:, None],
            {},
            "labels: expected 60 labels, text or whole numbers, got int64 of shape (60, 1); give one label for each image",
        ),
        (
            np.where(NAMES == "red", "blue", NAMES),
            {},
            "labels: expected labels of 3 classes, as the network has outputs, got 2: blue, green; end the "
            "network with 2 outputs, or "
            "give classes=",
        ),
        (
            np.arange(60),
            {},
            "labels: expected labels of 3 classes, as the network has outputs, got 60: 0, 1, 2, 3, 4, 5, 6, 7 "
            "and 52 others; end the "
            "network with 60 outputs, or give classes=",
        ),
        (
            NAMES,
            {"validation": (PICTURES[:2], ["red", "pink"])},
            "labels: expected labels from blue, green, red, got 'pink'; check the labels, or give all names as classes=",
        ),
        (
            NAMES,
            {"validation": (PICTURES[:2], [0, 3])},
            "labels: expected labels from 0, 1, 2, got 3; check the labels, or give all names as classes=",
        ),
        (
            NAMES,
            {"validation": (PICTURES[:2].astype(float), [0, 1])},
            "validation: expected images of uint8, as in training, got floats; give uint8, with numbers in the "
            "range that training had",
        ),
        (
            NAMES,
            {"validation": (PICTURES, NAMES, 1)},
            f"Classifier.fit: {PAIR}, got 3 things; write validation=(images, targets)",
        ),
        *(
            (
                NAMES,
                {"validation": share},
                f"Classifier.fit: {PAIR}, or a share between 0 and 1, got {share}; give validation=0.1",
            )
            for share in (0, 1, True)
        ),
        (
            NAMES,
            {"epoch": 3},
            "Classifier.fit: expected epochs, batch_size, seed, schedule, folder, metadata, log_every, decay, "
            "plateau, clip_norm, "
            "clip_value, accumulate, average, local_steps, shuffle_block, got epoch; use one of these names",
        ),
        (
            NAMES,
            {"epochs": 0},
            "TrainingOptions: expected epochs as a whole number of at least 1, got 0; give epochs=1 or more",
        ),
    ],
)
def test_training_that_cannot_begin_says_why_and_changes_nothing(labels, options, message):
    made = m.Classifier(network())
    with pytest.raises(MinicnnError) as caught:
        made.fit(PICTURES, labels, log=None, **options)
    assert str(caught.value) == message
    assert (made.classes, made.preprocessing, made.history, made.net.steps) == (None, None, [], 0)
    made.fit(PICTURES, NAMES, epochs=1, log=None)


@pytest.mark.parametrize(
    "use",
    [
        lambda made: made.predict(PICTURES),
        lambda made: made.predict_proba(PICTURES),
        lambda made: made.evaluate(PICTURES, NAMES),
        lambda made: made.confusion_matrix(PICTURES, NAMES),
    ],
)
def test_one_that_is_not_trained_says_so(use):
    with pytest.raises(ContractError) as caught:
        use(m.Classifier(network()))
    assert str(caught.value) == "Classifier: expected it to be trained before, got one that is not; call fit first"


@pytest.mark.parametrize("targets", [np.zeros(5), np.zeros((60, 2)), NAMES], ids=["few", "wide", "text"])
def test_targets_of_a_regressor_are_checked(targets):
    with pytest.raises(DataError, match=re.escape("targets: expected numbers (60, 1), got ")):
        m.Regressor(network(1)).fit(PICTURES, targets, log=None)


def test_a_given_normalisation_is_used():
    made = m.Classifier(network(), normalise=Normalise.between(0, 1)).fit(PICTURES, NAMES, epochs=1, log=None)
    assert made.preprocessing.normalise == Normalise.between(0, 1)
    other = replace(made.preprocessing, normalise=Normalise.between(0, 2))
    assert other != made.preprocessing


def test_the_names_are_loaded_when_they_are_asked_for(python):
    code = (
        "import minicnn, sys; print('minicnn.train' in sys.modules); minicnn.Classifier; print('minicnn.train' in sys.modules)"
    )
    assert python(code).split() == ["False", "True"]
    assert not hasattr(m, "classify")
