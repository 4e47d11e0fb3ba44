"""scikit-learn's interface: ``CNNClassifier`` and ``CNNRegressor``, for its pipelines and its searches of options."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from . import models
from .arrays import Array, Shape
from .data.from_arrays import from_arrays
from .errors import OptionError, lacking
from .models.small import small_network
from .network import Network
from .nn.cross_entropy import CrossEntropy
from .nn.losses import MSE, Loss
from .optim import Adam
from .train import Dataset, EarlyStopping, Trainer, TrainingOptions, class_weights

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.model_selection import train_test_split
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ImportError as error:
    raise lacking("minicnn.sklearn", "sklearn", error) from None

if TYPE_CHECKING:
    from .engine.graph import Item

    Builder = Callable[[Shape, int], Sequence[Item]]

__all__ = ["CNNClassifier", "CNNRegressor"]

ACCEPTED = {"ensure_2d": True, "allow_nd": True, "dtype": "numeric"}
"""What X may be, for scikit-learn's check."""


def _whole(given: object, least: int) -> bool:
    """Whether an option is a whole number of at least so much."""
    return isinstance(given, int | np.integer) and not isinstance(given, bool) and int(given) >= least


class _CNN(BaseEstimator):  # type: ignore[misc]
    """What both share. Names and defaults are those of scikit-learn's ``MLPClassifier`` wherever it has them."""

    _loss: Loss

    def __init__(
        self,
        network: str | Builder | None = None,
        *,
        image_shape: Sequence[int] | None = None,
        max_iter: int = 200,
        batch_size: int | str = "auto",
        learning_rate_init: float = 0.001,
        tol: float = 1e-4,
        n_iter_no_change: int = 10,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        warm_start: bool = False,
        random_state: Any = None,
        dtype: str = "float32",
        n_jobs: int | None = None,
    ) -> None:
        self.network, self.image_shape = network, image_shape
        self.max_iter, self.batch_size, self.learning_rate_init = max_iter, batch_size, learning_rate_init
        self.tol, self.n_iter_no_change = tol, n_iter_no_change
        self.early_stopping, self.validation_fraction = early_stopping, validation_fraction
        self.warm_start, self.random_state, self.dtype, self.n_jobs = warm_start, random_state, dtype, n_jobs

    @contextmanager
    def _unless_refused(self) -> Iterator[None]:
        """Everything that a block sets, unless it fails: then all is as it was before."""
        self._check_options()
        before = dict(self.__dict__)
        try:
            yield
        except Exception:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _check_options(self) -> None:
        """Refuse options that nothing else looks at before it works with them."""
        who, network = type(self).__name__, self.network
        if not (network is None or callable(network) or (isinstance(network, str) and network in models.CLASSIFIERS)):
            what = f"expected network as one of {', '.join(models.CLASSIFIERS)}, or a function, got {network!r:.60}"
            raise OptionError(who, what, 'give network="resnet8", or leave it out')
        if not (self.n_jobs is None or _whole(self.n_jobs, 1) or self.n_jobs == -1):
            what = f"expected n_jobs as a whole number of at least 1, or −1 for all processors, got {self.n_jobs!r}"
            raise OptionError(who, what, "give n_jobs=1, or leave it out")
        if self.dtype not in ("float32", "float64"):
            raise OptionError(who, f'expected dtype "float32" or "float64", got {self.dtype!r}', 'give dtype="float32"')

    def _images(self, X: Array) -> Array:
        """X as (N, C, H, W) of floats."""
        given = X if X.dtype == np.uint8 or X.dtype.kind == "f" else X.astype(np.float64)
        if given.ndim > 2:
            return np.asarray(from_arrays(given), np.dtype(self.dtype))
        shape = (1, given.shape[1]) if self.image_shape is None else self.image_shape
        well = isinstance(shape, Sequence) and len(shape) in (2, 3) and all(_whole(n, 1) for n in shape)
        if not well or int(np.prod(shape)) != given.shape[1]:
            what = f"expected image_shape (H, W) or (C, H, W) of {given.shape[1]} numbers, as X has, got {self.image_shape}"
            raise OptionError(type(self).__name__, what, "give the shape that the rows of X were flattened from")
        return np.asarray(given.reshape(-1, *((1,) if len(shape) == 2 else ()), *shape), np.dtype(self.dtype))

    def _scaled(self, images: Array) -> Array:
        """Images with the mean and the deviation of training as 0 and 1."""
        return np.asarray((images - images.dtype.type(self.mean_)) / images.dtype.type(self.scale_))

    def _begin(self, images: Array, outputs: int, weight: Array | None) -> None:
        """A new network for images like these."""
        rng = check_random_state(self.random_state)
        pixels = images.reshape(len(images), -1).mean(axis=1, dtype=np.float64)
        squares = (images.reshape(len(images), -1).astype(np.float64) ** 2).mean(axis=1)
        self.mean_ = float(np.average(pixels, weights=weight))
        self.scale_ = float(np.sqrt(max(0.0, np.average(squares, weights=weight) - self.mean_**2))) or 1.0
        self._seed = int(rng.randint(2**31 - 1))
        shape: Shape = tuple(images.shape[1:])
        options: dict[str, Any] = {"dtype": self.dtype, "seed": self._seed}
        options["threads"] = None if self.n_jobs == -1 else int(self.n_jobs or 1)
        if isinstance(self.network, str):
            self.network_ = getattr(models, self.network)(num_classes=outputs, in_shape=shape, **options)
        else:
            self.network_ = Network((self.network or small_network)(shape, outputs), shape, **options)
        self._optimizer, self.n_iter_ = Adam(self.learning_rate_init), 0
        self.loss_curve_: list[float] = []

    def _train(self, images: Array, y: Array, weight: Array | None, epochs: int, stopping: bool) -> None:
        """Train for some epochs; stop where it gets no better if that is asked for."""
        if weight is not None:
            images, y, weight = images[weight > 0], y[weight > 0], weight[weight > 0]
        x = self._scaled(images)
        size = min(200, len(x)) if self.batch_size == "auto" else self.batch_size
        train, validation = Dataset(x, y, None, weight), None
        monitor = "train_loss"
        if self.early_stopping and stopping:
            split = train_test_split(
                np.arange(len(x)),
                test_size=self.validation_fraction,
                random_state=self._seed,
                stratify=y if y.ndim == 1 and y.dtype.kind == "i" else None,
            )
            train, validation, monitor = Dataset(x, y, split[0], weight), Dataset(x, y, split[1], weight), "val_loss"
        run = TrainingOptions(epochs, size, self._seed + self.n_iter_)  # type: ignore[arg-type]
        callbacks = [EarlyStopping(self.n_iter_no_change, self.tol, monitor)] if stopping else []
        rows = Trainer(self.network_, self._loss, self._optimizer, run, train, validation, None, callbacks).fit()
        self.loss_curve_ += [row.train_loss for row in rows]
        self.n_iter_ += len(rows)
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else float("nan")

    def _outputs(self, X: ArrayLike) -> Array:
        """What the network gives for images."""
        check_is_fitted(self, "network_")
        x = self._scaled(self._images(validate_data(self, X, reset=False, **ACCEPTED)))
        # A few images may have kernels of their own, which round otherwise; here an answer must not depend on the batch.
        return np.asarray(self.network_.predict(np.resize(x, (max(len(x), self.network_.lanes), *x.shape[1:])))[: len(x)])

    def _shape_of_training(self, images: Array) -> None:
        if tuple(images.shape[1:]) != self.network_.in_shape:
            what = f"expected images {self.network_.in_shape}, as in the first training, got {images.shape[1:]}"
            raise OptionError(type(self).__name__, what, "give images of that shape, or fit a new estimator")

    def __sklearn_tags__(self) -> Any:
        """X may have three axes and more."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


class CNNClassifier(ClassifierMixin, _CNN):  # type: ignore[misc]
    """A classifier of images, or of any rows of numbers, in scikit-learn's interface.

    Args:
        network: the name of a model such as ``"resnet8"``; or a function that takes the shape (C, H, W) of an image and the
            number of classes and returns layers as of ``Network``; None for two small convolutions and two dense layers.
        image_shape: (H, W) or (C, H, W), for X (N, D) of flattened images; None reads each row as an image of 1 × D. X may also
            be (N, H, W), (N, H, W, C) or (N, C, H, W).
        max_iter: epochs at most.
        batch_size: images in a step; "auto" for 200, or all where there are fewer.
        learning_rate_init: Adam's rate.
        tol: training ends when ``n_iter_no_change`` epochs in a row bring the loss no further than this below its least value;
            the weights of the best epoch are kept.
        n_iter_no_change: see ``tol``.
        early_stopping: watch the loss of held-out images instead.
        validation_fraction: the share to hold out for that.
        class_weight: "balanced", or weights by class.
        warm_start: ``fit`` goes on with the network of the last one.
        random_state: of initial parameters, order and split.
        dtype: "float32" or "float64".
        n_jobs: threads; −1 for all processors.

    Attributes:
        classes_: the labels, sorted.
        network_: the ``Network``.
        loss_curve_: the training loss of each epoch.
        n_iter_: epochs trained.

    Raises:
        OptionError: from ``fit``: network, image_shape or another option is not what it should be.

    >>> import numpy as np
    >>> X = np.random.default_rng(0).standard_normal((40, 8, 8))
    >>> X[:20] += 1
    >>> y = ["bright"] * 20 + ["dark"] * 20
    >>> CNNClassifier(max_iter=20, random_state=0).fit(X, y).score(X, y)
    1.0
    """

    _loss = CrossEntropy()

    def __init__(
        self,
        network: str | Builder | None = None,
        *,
        image_shape: Sequence[int] | None = None,
        max_iter: int = 200,
        batch_size: int | str = "auto",
        learning_rate_init: float = 0.001,
        tol: float = 1e-4,
        n_iter_no_change: int = 10,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        class_weight: Any = None,
        warm_start: bool = False,
        random_state: Any = None,
        dtype: str = "float32",
        n_jobs: int | None = None,
    ) -> None:
        super().__init__(
            network,
            image_shape=image_shape,
            max_iter=max_iter,
            batch_size=batch_size,
            learning_rate_init=learning_rate_init,
            tol=tol,
            n_iter_no_change=n_iter_no_change,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            warm_start=warm_start,
            random_state=random_state,
            dtype=dtype,
            n_jobs=n_jobs,
        )
        self.class_weight = class_weight

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train.

        Args:
            X: images; see the class.
            y: a label for each.
            sample_weight: a weight for each.
        """
        with self._unless_refused():
            images, labels, weight = self._checked(X, y, sample_weight)
            again = self.warm_start and hasattr(self, "network_")
            if again:
                self._shape_of_training(images)
            else:
                self.classes_ = np.unique(labels)
                self._begin(images, len(self.classes_), weight)
            numbers = self._numbers(labels)
            self._train(images, numbers, self._weighted(numbers, weight), self.max_iter, stopping=True)
        return self

    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Train for one epoch more.

        Args:
            X: as of ``fit``.
            y: as of ``fit``.
            classes: all labels that will come; needed in the first call unless y has them all.
            sample_weight: as of ``fit``.
        """
        with self._unless_refused():
            first = not hasattr(self, "network_")
            images, labels, weight = self._checked(X, y, sample_weight, reset=first)
            if first:
                self.classes_ = np.unique(labels if classes is None else classes)
                self._begin(images, len(self.classes_), weight)
            self._shape_of_training(images)
            numbers = self._numbers(labels)
            self._train(images, numbers, self._weighted(numbers, weight), 1, stopping=False)
        return self

    def predict_proba(self, X: ArrayLike) -> Array:
        """Probabilities (N, classes), in the order of ``classes_``."""
        outputs = self._outputs(X).astype(np.float64)
        powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def predict(self, X: ArrayLike) -> Array:
        """The most likely labels (N,)."""
        numbers = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[numbers])

    def _checked(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None, reset: bool = True
    ) -> tuple[Array, Array, Array | None]:
        given, labels = validate_data(self, X, y, reset=reset, **ACCEPTED)
        check_classification_targets(labels)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, given, ensure_non_negative=True)
        return self._images(given), labels, weight

    def _numbers(self, labels: Array) -> Array:
        unknown = np.setdiff1d(labels, self.classes_)
        if len(unknown):
            what = f"expected labels out of {', '.join(map(str, self.classes_))}, got {unknown[0]}"
            raise OptionError(type(self).__name__, what, "give all labels in the first call, as classes=")
        return np.searchsorted(self.classes_, labels)

    def _weighted(self, numbers: Array, weight: Array | None) -> Array | None:
        if self.class_weight is None:
            return weight
        own = class_weights(numbers, self.classes_.tolist(), self.class_weight)[numbers]
        return own if weight is None else own * weight


class CNNRegressor(RegressorMixin, _CNN):  # type: ignore[misc]
    """A regressor of images in scikit-learn's interface; arguments as of ``CNNClassifier``, whose ``fit`` raises OptionError.

    Targets have the mean and the deviation of the first training as 0 and 1 while it trains, by mean squared error.

    >>> import numpy as np
    >>> X = np.random.default_rng(0).standard_normal((60, 6, 6))
    >>> y = X.mean(axis=(1, 2))
    >>> CNNRegressor(random_state=0).fit(X, y).score(X, y) > 0.9
    True
    """

    _loss = MSE()

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train.

        Args:
            X: images; see ``CNNClassifier``.
            y: numbers (N,) or (N, outputs).
            sample_weight: a weight for each image.
        """
        with self._unless_refused():
            images, targets, weight = self._checked(X, y, sample_weight)
            if self.warm_start and hasattr(self, "network_"):
                self._shape_of_training(images)
            else:
                self._learn(images, targets, weight)
            self._train(images, self._standardised(targets), weight, self.max_iter, stopping=True)
        return self

    def partial_fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train for one epoch more; arguments as of ``fit``."""
        with self._unless_refused():
            first = not hasattr(self, "network_")
            images, targets, weight = self._checked(X, y, sample_weight, reset=first)
            if first:
                self._learn(images, targets, weight)
            self._shape_of_training(images)
            self._train(images, self._standardised(targets), weight, 1, stopping=False)
        return self

    def predict(self, X: ArrayLike) -> Array:
        """Numbers (N,) or (N, outputs), as the targets of training were."""
        outputs = self._outputs(X).astype(np.float64) * self.y_scale_ + self.y_mean_
        return np.asarray(outputs[:, 0] if self._flat else outputs)

    def _checked(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None, reset: bool = True
    ) -> tuple[Array, Array, Array | None]:
        given, targets = validate_data(self, X, y, reset=reset, multi_output=True, y_numeric=True, **ACCEPTED)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, given, ensure_non_negative=True)
        return self._images(given), np.asarray(targets, np.float64), weight

    def _learn(self, images: Array, targets: Array, weight: Array | None) -> None:
        self._flat = targets.ndim == 1
        rows = targets.reshape(len(targets), -1)
        self.y_mean_ = np.average(rows, axis=0, weights=weight)
        self.y_scale_ = np.sqrt(np.average((rows - self.y_mean_) ** 2, axis=0, weights=weight))
        self.y_scale_[self.y_scale_ == 0] = 1.0
        self._begin(images, rows.shape[1], weight)

    def _standardised(self, targets: Array) -> Array:
        rows = targets.reshape(len(targets), -1)
        if rows.shape[1] != len(self.y_mean_):
            what = f"expected {len(self.y_mean_)} numbers for each image, as in the first training, got {rows.shape[1]}"
            raise OptionError(type(self).__name__, what, "give targets of that shape")
        return np.asarray((rows - self.y_mean_) / self.y_scale_, self.dtype)

    def __sklearn_tags__(self) -> Any:
        """Several targets are possible."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
