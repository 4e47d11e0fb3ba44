"""Classifier and Regressor: a network with its preprocessing and the names of its classes as one object, and as one file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from math import prod
from reprlib import repr as short
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Array
from ..data.outfile import StrPath
from ..data.pixels import Normalise
from ..errors import CheckpointError, DataError, MinicnnError, OptionError
from ..network import Network
from ..nn import LogSoftmax, Softmax
from ..nn.cross_entropy import CrossEntropy
from ..nn.losses import MSE, Loss
from ..optim import Optimizer
from . import safetensors_file
from .class_weights import ClassWeight, class_weights
from .document import Json
from .estimator import Estimator
from .metrics import confusion
from .model_file import load_model, save_model
from .run import Dataset

Class = str | int
"""The name of a class: text or a whole number."""


class Classifier(Estimator[tuple[Class, ...]]):
    """A network that names the class of an image.

    Args:
        net: a network of one input, whose output has a number for each class.
        loss: the loss.
        optimizer: the optimiser; ``Adam()`` for None.
        classes: the names of the classes, text or whole numbers, in the order of the outputs. None takes the labels of the
            first ``fit``: whole numbers from 0 to below the number of outputs as they are, others in their sorted order. Where
            the names are text, labels may be numbers of classes, too.
        normalise: as of ``data.Pixels``; measured on the images of the first ``fit`` for None.
        fit_size: ``"pad"`` or ``"resize"``, for grey uint8 images whose size is not the network's.
        layout: ``"NHW"``, ``"NHWC"`` or ``"NCHW"``; found out for None.

    Raises:
        OptionError: the network or the classes are not what they should be.

    >>> from minicnn import Adam, Classifier, Dense
    >>> images = np.repeat(np.array([0, 255], np.uint8), 20)[:, None, None] * np.ones((1, 4, 4), np.uint8)
    >>> net = Network([("F1", Dense(2))], in_shape=(1, 4, 4), threads=1)
    >>> classifier = Classifier(net, optimizer=Adam(0.1)).fit(images, ["black"] * 20 + ["white"] * 20, log=None)
    >>> classifier.predict(images[18:22]).tolist()
    ['black', 'black', 'white', 'white']
    """

    kind, name = "classifier", "classes"

    def __init__(
        self,
        net: Network,
        loss: Loss = CrossEntropy(),  # noqa: B008 (a frozen value)
        optimizer: Optimizer | None = None,
        classes: Iterable[Class] | None = None,
        normalise: Normalise | None = None,
        fit_size: str = "pad",
        layout: str | None = None,
    ) -> None:
        super().__init__(net, loss, optimizer, normalise, fit_size, layout)
        if len(net.out_shape) != 1 or net.out_shape[0] < 2:
            what = f"expected a network with an output for each of at least two classes, got outputs {net.out_shape}"
            raise OptionError(self._who, what, "end it with Dense(number of classes)")
        self._learned = None if classes is None else self._checked(classes)

    @property
    def classes(self) -> Array | None:
        """The names of the classes in the order of the outputs; None if they are not known yet."""
        return None if self._learned is None else np.array(self._learned)

    def predict(self, images: ArrayLike) -> Array:
        """The names of the classes of images (N,); arguments as for ``fit``."""
        return np.asarray(np.array(self._known())[self._predicted(images)])

    def predict_proba(self, images: ArrayLike) -> Array:
        """Probabilities (N, classes) in the order of ``classes``: the softmax of the outputs, unless the network ends in one.

        They mean as much as the loss made them: train with ``CrossEntropy``. Outputs that are penalties, as of ``RBF``, count
        with the other sign.
        """
        outputs, last = self._outputs(images).astype(np.float64), self._last
        if isinstance(last, Softmax):
            return outputs
        if isinstance(last, LogSoftmax):
            return np.asarray(np.exp(outputs))
        signed = -outputs if self._least_wins else outputs
        weights = np.exp(signed - signed.max(axis=1, keepdims=True))
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))

    def confusion_matrix(self, images: ArrayLike, labels: ArrayLike) -> Array:
        """counts[t, p]: the number of images of class t that were classified as p, in the order of ``classes``."""
        predicted = self._predicted(images)
        return confusion(predicted, self._numbers(labels, len(predicted), self._known()), self.net.out_shape[0])

    @staticmethod
    def load(path: StrPath, layers: Iterable[type] = (), threads: int | None = None, backend: str = "cpu") -> Classifier:
        """Load what ``save`` wrote; arguments and errors as for ``minicnn.load``."""
        return _of(Classifier, path, load(path, layers, threads, backend))

    def _predicted(self, images: ArrayLike) -> Array:
        """The numbers of the classes of images."""
        outputs = self._outputs(images)
        return np.asarray(outputs.argmin(axis=1) if self._least_wins else outputs.argmax(axis=1))

    @property
    def _last(self) -> object:
        return next(placed.layer for placed in self.net.layers if placed.name == self.net.outputs[0])

    @property
    def _least_wins(self) -> bool:
        return bool(getattr(self._last, "least_wins", False))

    def _checked(self, classes: Iterable[Class]) -> tuple[Class, ...]:
        """Names as a tuple."""
        given = [each.item() if isinstance(each, np.generic) else each for each in classes]
        alike = all(type(each) is str for each in given) or all(type(each) is int and abs(each) < 2**63 for each in given)
        wanted = self.net.out_shape[0]
        if isinstance(classes, str) or not alike or len(set(given)) != len(given) or len(given) != wanted:
            what = f"expected {wanted} different names of classes, text or whole numbers, got {short(given)}"
            raise OptionError(self._who, what, "give a name for each output of the network")
        return tuple(given)

    def _learn(self, targets: ArrayLike, images: int) -> tuple[Class, ...]:
        return self._found(_labels(targets, images))

    def _numbers(self, targets: ArrayLike, images: int, learned: tuple[Class, ...]) -> Array:
        """The numbers of the classes of labels."""
        given = _labels(targets, images)
        known = tuple(range(len(learned))) if given.dtype.kind in "iu" and isinstance(learned[0], str) else learned
        numbers = {name: number for number, name in enumerate(known)}
        if unknown := [label for label in np.unique(given).tolist() if label not in numbers]:
            what = f"expected labels from {_listed(known)}, got {unknown[0]!r}"
            raise DataError("labels", what, "check the labels, or give all names as classes=")
        return np.array([numbers[label] for label in given.tolist()], np.int64)

    def _weights(self, train: Dataset, learned: tuple[Class, ...], class_weight: ClassWeight) -> Array:
        """A weight for each image by its class; ``"balanced"`` counts those that are trained on."""
        numbers = np.asarray(train.targets)
        return np.asarray(class_weights(numbers[train.chosen], learned, class_weight)[numbers])

    def _found(self, labels: Array) -> tuple[Class, ...]:
        """The classes that labels tell."""
        wanted, found = self.net.out_shape[0], np.unique(labels).tolist()
        if labels.dtype.kind != "U" and found[0] >= 0 and found[-1] < wanted:
            return tuple(range(wanted))
        if len(found) != wanted:
            what = f"expected labels of {wanted} classes, as the network has outputs, got {len(found)}: {_listed(found)}"
            raise DataError("labels", what, f"end the network with {len(found)} outputs, or give classes=")
        return tuple(found)

    def _restored(self, path: StrPath, found: Json) -> tuple[Class, ...]:
        return self._checked(found if isinstance(found, list) else ())


class Regressor(Estimator[bool]):
    """A network that gives numbers for an image.

    Args:
        net: a network of one input; targets have the shape of its output, or are (N,) for one number.
        loss: the loss.
        optimizer: the optimiser; ``Adam()`` for None.
        normalise: as of ``Classifier``, and so are ``fit_size`` and ``layout``.
        fit_size: see there.
        layout: see there.

    Raises:
        OptionError: the network is not what it should be.

    >>> from minicnn import Dense, Regressor
    >>> images = np.linspace(0, 1, 40)[:, None, None] * np.ones((4, 4))
    >>> regressor = Regressor(Network([("F1", Dense(1))], in_shape=(1, 4, 4), threads=1))
    >>> regressor.fit(images, images[:, 0, 0], log=None).predict(images).shape
    (40,)
    """

    kind, name = "regressor", "flat"

    def __init__(
        self,
        net: Network,
        loss: Loss = MSE(),  # noqa: B008 (a frozen value)
        optimizer: Optimizer | None = None,
        normalise: Normalise | None = None,
        fit_size: str = "pad",
        layout: str | None = None,
    ) -> None:
        super().__init__(net, loss, optimizer, normalise, fit_size, layout)

    def predict(self, images: ArrayLike) -> Array:
        """The outputs for images, (N, …), or (N,) if the targets of training were; arguments as for ``fit``."""
        outputs = self._outputs(images)
        return outputs[:, 0] if self._known() else outputs

    @staticmethod
    def load(path: StrPath, layers: Iterable[type] = (), threads: int | None = None, backend: str = "cpu") -> Regressor:
        """Load what ``save`` wrote; arguments and errors as for ``minicnn.load``."""
        return _of(Regressor, path, load(path, layers, threads, backend))

    def _learn(self, targets: ArrayLike, images: int) -> bool:
        return np.ndim(targets) == 1 and self.net.out_shape == (1,)

    def _numbers(self, targets: ArrayLike, images: int, learned: bool) -> Array:
        """Numbers in the shape of the output."""
        given, shape = np.asarray(targets), (images, *self.net.out_shape)
        flat = given.shape == (images,) and prod(shape[1:]) == 1
        if given.dtype.kind not in "fiu" or not (flat or given.shape == shape):
            what = f"expected numbers ({', '.join(map(str, shape))}), got {given.dtype} of shape {given.shape}"
            raise DataError("targets", what, "give one target for each image")
        if not np.isfinite(given).all():
            raise DataError("targets", "expected finite numbers, got others", "leave these images out, or clean the targets")
        return np.asarray(given.reshape(shape), self.net.dtype)

    def _restored(self, path: StrPath, found: Json) -> bool:
        if type(found) is not bool or (found and self.net.out_shape != (1,)):
            safetensors_file.refuse(path, "flat as true or false", short(found))
        return found


def save(path: StrPath, model: Network | Classifier | Regressor, metadata: Mapping[str, object] | None = None) -> None:
    """Save a network with its architecture, or a classifier or regressor, as one safetensors file.

    Args:
        path: the file; an older one stays in place until the new one is complete.
        model: what to save.
        metadata: any JSON data, which ``train.checkpoint.read_metadata`` returns.

    Raises:
        CheckpointError: the file cannot be written, or a layer cannot be stored.

    >>> import tempfile
    >>> from minicnn import Dense, load, save
    >>> net = Network([("F1", Dense(3))], in_shape=(4,), threads=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/model.safetensors", net)
    ...     bool((load(f"{folder}/model.safetensors").predict(np.ones((1, 4))) == net.predict(np.ones((1, 4)))).all())
    True
    """
    if isinstance(model, Network):
        save_model(path, model, {}, {} if metadata is None else metadata)
    elif isinstance(model, Estimator):
        model.save(path, metadata)
    else:
        what = f"expected a Network, Classifier or Regressor, got {short(model)}"
        raise OptionError("save", what, "write save(path, model)")


def load(
    path: StrPath, layers: Iterable[type] = (), threads: int | None = None, backend: str = "cpu"
) -> Network | Classifier | Regressor:
    """Load what ``save`` wrote, without its source. Nothing in a file is executed.

    Args:
        path: the file.
        layers: classes of layers and losses of your own that the file may make; it names them by their import paths.
        threads: as of ``Network``.
        backend: as of ``Network``.

    Raises:
        CheckpointError: the file cannot be read, is no model file, or is that of a network that cannot be made here.
        OptionError: threads or layers are not what they should be.
        BackendError: the backend is unknown or cannot be used.

    See ``save`` for an example.
    """
    net, task, _, decoder = load_model(path, layers, threads, backend)
    if not task:
        return net
    kind = task.get("kind")
    made = Classifier if kind == Classifier.kind else Regressor if kind == Regressor.kind else None
    if made is None or task.keys() != {"kind", "preprocessing", "history", "loss", made.name}:
        safetensors_file.refuse(path, "a task as a classifier or regressor with what belongs to it", short(task))
    try:
        model = made(net)
        model.restore(path, task, decoder)
    except CheckpointError:
        raise
    except MinicnnError as error:
        safetensors_file.refuse(path, f"a {kind}", f"{error.who}: {error.what}")
    return model


Model = TypeVar("Model", Classifier, Regressor)


def _of(kind: type[Model], path: StrPath, found: Network | Classifier | Regressor) -> Model:
    """What was loaded, of the wanted kind."""
    if not isinstance(found, kind):
        what = f"expected a file of a {kind.__name__}, got one of a {type(found).__name__}"
        raise CheckpointError(os.fspath(path), what, "load it with minicnn.load")
    return found


def _labels(labels: ArrayLike, images: int) -> Array:
    """Labels of so many images as an array of text or whole numbers."""
    given = np.asarray(labels)
    if given.dtype.kind == "O" and all(isinstance(each, str) for each in given.ravel()):
        given = given.astype(str)
    if given.shape != (images,) or given.dtype.kind not in "iuU":
        what = f"expected {images} labels, text or whole numbers, got {given.dtype} of shape {given.shape}"
        raise DataError("labels", what, "give one label for each image")
    return given


def _listed(classes: Iterable[Class]) -> str:
    """Classes in words."""
    names = [str(each) for each in classes]
    return ", ".join(names[:8]) + (f" and {len(names) - 8} others" if len(names) > 8 else "")
