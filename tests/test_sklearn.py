"""scikit-learn's interface: its own checks, its tools around our estimators, and messages."""

import copy
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from minicnn import Dense, Flatten
from minicnn.errors import OptionError
from minicnn.sklearn import CNNClassifier, CNNRegressor

QUICK = {"max_iter": 60, "learning_rate_init": 0.01, "random_state": 0}


def digits(count=200):
    X, y = load_digits(return_X_y=True)
    return X[:count], y[:count]


def flat(in_shape, outputs):
    """A network that is trained fast."""
    return [Flatten(), ("F", Dense(outputs))]


@pytest.mark.parametrize("kind", [CNNClassifier, CNNRegressor])
def test_all_of_scikit_learns_checks_pass(kind):
    results = check_estimator(kind(dtype="float64", **QUICK), on_fail=None, on_skip=None)
    failed = {each["check_name"]: each["exception"] for each in results if each["status"] == "failed"}
    assert failed == {}
    assert sum(each["status"] == "passed" for each in results) > 50


@pytest.mark.parametrize("kind", [CNNClassifier, CNNRegressor])
def test_all_checks_pass_with_the_defaults_in_float64(kind):
    results = check_estimator(kind(dtype="float64"), on_fail=None, on_skip=None)
    assert [each["check_name"] for each in results if each["status"] == "failed"] == []


def test_a_pipeline_names_digits():
    X, held_X, y, held_y = train_test_split(*digits(500), test_size=100, random_state=0)
    model = make_pipeline(
        StandardScaler(), CNNClassifier(image_shape=(8, 8), max_iter=60, learning_rate_init=0.005, random_state=0)
    )
    assert model.fit(X, y).score(held_X, held_y) > 0.9


def test_a_grid_is_searched_by_two_processes():
    X, y = digits()
    search = GridSearchCV(CNNClassifier(flat, **QUICK), {"learning_rate_init": [1e-6, 0.01]}, cv=2, n_jobs=2).fit(X, y)
    assert search.best_params_ == {"learning_rate_init": 0.01}
    assert search.best_score_ > 0.85
    alone = GridSearchCV(CNNClassifier(flat, **QUICK), {"learning_rate_init": [1e-6, 0.01]}, cv=2).fit(X, y)
    assert np.array_equal(search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])


def test_cross_validation_and_clones():
    X, y = digits()
    model = CNNClassifier(flat, **QUICK)
    assert cross_val_score(model, X, y, cv=2).min() > 0.8
    model.fit(X, y)
    assert not hasattr(clone(model), "network_")
    assert clone(model).get_params() == model.get_params()


def test_copies_and_pickles_predict_the_same_bits():
    X, y = digits(60)
    model = CNNClassifier(flat, image_shape=(16, 16), max_iter=2, random_state=0)
    model = make_pipeline(FunctionTransformer(twice_as_large), model).fit(X, y)
    expected = model.predict_proba(X)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert np.array_equal(other.predict_proba(X), expected)


def twice_as_large(X):
    return X.reshape(-1, 8, 8).repeat(2, axis=1).repeat(2, axis=2).reshape(len(X), -1)


def test_an_answer_does_not_depend_on_the_batch():
    X, y = digits(40)
    model = CNNClassifier(image_shape=(8, 8), max_iter=3, random_state=0).fit(X, y)
    assert np.array_equal(np.concatenate([model.predict_proba(X[n : n + 1]) for n in range(5)]), model.predict_proba(X)[:5])


@pytest.mark.parametrize("form", ["(N, H, W)", "(N, H, W, C)", "(N, C, H, W)", "uint8"])
def test_images_may_have_their_axes(form):
    X, y = digits(60)
    rows = CNNClassifier(image_shape=(8, 8), max_iter=3, random_state=0).fit(X, y)
    images = X.reshape(-1, 8, 8)
    forms = {"(N, H, W)": images, "(N, H, W, C)": images[..., None], "(N, C, H, W)": images[:, None]}
    given = forms.get(form, images.astype(np.uint8))
    model = CNNClassifier(max_iter=3, random_state=0).fit(given, y)
    assert model.network_.in_shape == (1, 8, 8)
    assert np.array_equal(model.predict_proba(given), rows.predict_proba(X))


def test_weights_are_those_of_repeated_images_and_of_classes():
    X, y = digits(30)
    y = y % 2
    weight = 1.0 + 2 * y
    options = {**QUICK, "dtype": "float64", "max_iter": 5}
    repeated = CNNClassifier(flat, **options).fit(X.repeat(weight.astype(int), axis=0), y.repeat(weight.astype(int)))
    for model in (
        CNNClassifier(flat, **options).fit(X, y, sample_weight=weight),
        CNNClassifier(flat, **options).fit(np.r_[X, X + 1], np.r_[y, y], sample_weight=np.r_[weight, np.zeros(30)]),
    ):
        assert np.allclose(model.predict_proba(X), repeated.predict_proba(X), rtol=0, atol=1e-10)
    by_class = CNNClassifier(flat, class_weight={1: 3.0}, **options).fit(X, y)
    by_image = CNNClassifier(flat, **options)
    by_image.fit(X, y, sample_weight=None)
    assert by_class.predict_proba(X)[:, 1].mean() > by_image.predict_proba(X)[:, 1].mean()


def test_partial_fits_and_warm_starts_go_on():
    X, y = digits(100)
    model = CNNClassifier(flat, learning_rate_init=0.01, random_state=0)
    for _ in range(12):
        model.partial_fit(X[:50], y[:50], classes=range(10)).partial_fit(X[50:], y[50:])
    assert model.n_iter_ == 24
    assert model.score(X, y) > 0.8
    warm = CNNClassifier(flat, max_iter=3, warm_start=True, random_state=0).fit(X, y)
    first = warm.network_
    assert warm.fit(X, y).network_ is first
    assert warm.n_iter_ == 6
    regressor = CNNRegressor(flat, max_iter=3, warm_start=True, random_state=0).fit(X, y)
    assert regressor.fit(X, y).n_iter_ == 6
    assert regressor.partial_fit(X, y).n_iter_ == 7


def test_training_ends_where_it_gets_no_better():
    X, y = digits(100)
    model = CNNClassifier(flat, max_iter=500, tol=0.05, n_iter_no_change=3, learning_rate_init=0.01, random_state=0).fit(X, y)
    assert 3 < model.n_iter_ < 200
    stopped = CNNClassifier(flat, max_iter=500, early_stopping=True, learning_rate_init=0.05, random_state=0).fit(X, y)
    assert 10 < stopped.n_iter_ < 500
    assert len(stopped.loss_curve_) == stopped.n_iter_


def test_several_targets_and_constant_ones():
    X, y = digits(60)
    Y = np.stack([y, 3.0 * y + 1, np.full(60, 7.0)], axis=1)
    model = CNNRegressor(flat, max_iter=300, learning_rate_init=0.02, random_state=0).fit(X, Y)
    found = model.predict(X)
    assert found.shape == (60, 3)
    assert r2_score(Y[:, :2], found[:, :2]) > 0.9
    assert np.abs(found[:, 2] - 7).max() < 2


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (
            lambda X, y: CNNClassifier(image_shape=(7, 9)).fit(X, y),
            "CNNClassifier: expected image_shape (H, W) or (C, H, W) of 64 numbers, as X has, got (7, 9); give the ",
        ),
        (
            lambda X, y: CNNClassifier("resnet9").fit(X, y),
            "CNNClassifier: expected network as one of keyword_cnn, lenet5, lenet5_1998, lenet5_modern, lenet5s, ",
        ),
        (
            lambda X, y: CNNClassifier(flat).partial_fit(X, np.arange(20) % 2).partial_fit(X, np.arange(20) % 3),
            "CNNClassifier: expected labels out of 0, 1, got 2; give all labels in the first call, as classes=",
        ),
        (
            lambda X, y: CNNClassifier(flat, warm_start=True, max_iter=1).fit(X, y).fit(X.reshape(20, 8, 8), y),
            "CNNClassifier: expected images (1, 1, 64), as in the first training, got (1, 8, 8); give images of ",
        ),
        (
            lambda X, y: CNNRegressor(flat).partial_fit(X, y).partial_fit(X, np.stack([y, y], axis=1)),
            "CNNRegressor: expected 1 numbers for each image, as in the first training, got 2; give targets of that shape",
        ),
    ],
)
def test_what_does_not_fit_is_refused(work, words):
    with pytest.raises(OptionError) as caught:
        work(*digits(20))
    assert str(caught.value).startswith(words)


def test_a_missing_package_is_named(python):
    code = """
import sys
sys.modules["sklearn"] = None
try:
    import minicnn.sklearn
except minicnn.MinicnnError as error:
    print(error)
"""
    assert python("import minicnn" + code).strip() == (
        "minicnn.sklearn: expected the package scikit-learn, got none installed; run pip install scikit-learn"
    )


OPTIONS = {
    "n_jobs": ((0, -2, 1.5, True, "2"), "expected n_jobs as a whole number of at least 1, or −1 for all processors, got {!r}"),
    "network": (
        ("c3_table", "C3_CONNECTIONS", "unet_small", "resnet", 5, ""),
        "expected network as one of keyword_cnn, lenet5, ",
    ),
    "dtype": (("float16", int, None), 'expected dtype "float32" or "float64", got {!r}; give dtype="float32"'),
    "image_shape": (
        (5, (4,), (0, 4), (2.0, 2), "22", (-2, -2)),
        "expected image_shape (H, W) or (C, H, W) of 4 numbers, as X has, got ",
    ),
}


@pytest.mark.parametrize("kind", [CNNClassifier, CNNRegressor])
@pytest.mark.parametrize("name", OPTIONS)
def test_options_that_are_none_are_refused_in_words(kind, name):
    values, words = OPTIONS[name]
    for value in values:
        made = kind(**{name: value})
        with pytest.raises(OptionError) as caught:
            made.fit(np.zeros((4, 4)), [0, 1, 0, 1])
        assert str(caught.value).startswith(f"{kind.__name__}: {words.format(value)}")
        assert vars(made) == vars(kind(**{name: value})), "expected nothing to be set"


BAD = {
    "labels of another number": {"y": [0, 1, 0]},
    "no labels": {"y": None},
    "labels that are no classes": {"y": np.linspace(0, 1, 20)},
    "a hole": {"X": np.where(np.arange(80).reshape(20, 4) == 7, np.nan, 1.0)},
    "weights of another number": {"sample_weight": [1, 2]},
    "weights below 0": {"sample_weight": -np.ones(20)},
}


@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("case", BAD)
def test_a_refused_fit_leaves_an_estimator_as_it_was(case, method, warm_start):
    good = {"X": np.random.default_rng(0).standard_normal((20, 4)), "y": np.arange(20) % 2}

    def make():
        return CNNClassifier(flat, max_iter=3, random_state=0, warm_start=warm_start)

    made, plain = make(), make()
    with pytest.raises(ValueError):  # noqa: PT011 (scikit-learn's own)
        getattr(made, method)(**(good | BAD[case]))
    assert vars(made) == vars(make())
    expected = getattr(plain, method)(**good).predict_proba(good["X"])
    assert np.array_equal(getattr(made, method)(**good).predict_proba(good["X"]), expected)
    with pytest.raises(ValueError):  # noqa: PT011
        getattr(made, method)(**(good | BAD[case]))
    assert np.array_equal(made.predict_proba(good["X"]), expected)
    assert made.n_features_in_ == 4


def test_a_network_that_is_refused_leaves_a_fitted_estimator_as_it_was():
    X, y = np.random.default_rng(0).standard_normal((20, 4)), np.arange(20) % 2
    made = CNNClassifier(flat, max_iter=3, random_state=0).fit(X, y)
    expected = made.predict_proba(X)
    made.network = lambda shape, outputs: [Flatten(), ("F", Dense(0))]
    with pytest.raises(OptionError):
        made.fit(X[:, :2], ["p", "q"] * 10)
    assert np.array_equal(made.predict_proba(X), expected)
    assert made.classes_.tolist() == [0, 1]
