"""What classifiers and regressors share: a network with its preprocessing, trained and saved as one object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import asdict, fields, replace
from reprlib import repr as short
from typing import Generic, Self, TypedDict, TypeVar, Unpack

from numpy.typing import ArrayLike

from ..arrays import Array
from ..data.augmentations import Augmentation
from ..data.from_arrays import LAYOUTS
from ..data.mixing import Mixing
from ..data.outfile import StrPath
from ..data.pixels import Normalise, Pixels, split
from ..data.preprocessing import Preprocessing, arranged, check_finite
from ..engine.score import Score
from ..engine.world import World
from ..errors import CheckpointError, ContractError, OptionError
from ..network import Network
from ..nn.losses import Loss
from ..optim import Adam, Optimizer
from ..optim.plateau import ReduceOnPlateau
from ..optim.schedules import Schedule
from . import safetensors_file
from .augmenting import augmented
from .callbacks import Callback
from .class_weights import ClassWeight
from .described import Decoder, encode
from .document import Document, Json
from .history import EpochResult, EpochResults, records
from .html import estimator_html
from .model_file import save_model
from .progress import Log, say
from .run import Dataset, TrainingOptions
from .small_batches import SmallBatches
from .trainer import Trainer

Learned = TypeVar("Learned")
"""What the targets of the first training told, such as the names of classes."""

Held = float | tuple[ArrayLike, ArrayLike] | None
"""Images and targets to validate with, or the share of those of training to hold out for that; None for no validation."""


class FitOptions(TypedDict, total=False):
    """The options of ``TrainingOptions``, of which ``epochs`` is 10 unless given."""

    epochs: int
    batch_size: int
    seed: int
    schedule: Schedule
    folder: StrPath | None
    metadata: Mapping[str, object]
    log_every: int
    decay: float
    plateau: ReduceOnPlateau | None
    clip_norm: float | None
    clip_value: float | None
    accumulate: int
    average: float | None
    local_steps: int
    shuffle_block: int | None


class Estimator(Generic[Learned]):
    """Base of ``Classifier`` and ``Regressor``.

    Attributes:
        net: the network.
        loss: the loss; None after loading, if it was one of your own that was not given.
        optimizer: the optimiser, which goes on in the next ``fit``.
        preprocessing: what is done with images; None before training.
        history: a result for each epoch so far.
    """

    kind: str
    """What it is in a file."""

    name: str
    """What a file calls what was learned."""

    def __init__(
        self,
        net: Network,
        loss: Loss,
        optimizer: Optimizer | None,
        normalise: Normalise | None,
        fit_size: str,
        layout: str | None,
    ) -> None:
        who = self._who
        if not isinstance(net, Network):
            raise OptionError(who, f"expected a Network, got {short(net)}", "give for example models.lenet5_modern()")
        if len(net.in_shapes) > 1 or len(net.outputs) > 1:
            what = f"expected a network of one input and one output, got {len(net.in_shapes)} and {len(net.outputs)}"
            raise OptionError(who, what, "train it with train.Trainer")
        if not isinstance(loss, Loss):
            raise OptionError(who, f"expected loss as a loss, got {short(loss)}", "give for example loss=CrossEntropy()")
        if not isinstance(optimizer, Optimizer | None):
            what = f"expected optimizer as an optimiser, got {short(optimizer)}"
            raise OptionError(who, what, "give for example optimizer=Adam(0.001)")
        if not isinstance(normalise, Normalise | None):
            what = f"expected normalise as a Normalise, got {short(normalise)}"
            raise OptionError(who, what, "give for example normalise=Normalise.between(0, 1)")
        if fit_size not in ("pad", "resize"):
            raise OptionError(who, f'expected fit_size "pad" or "resize", got {fit_size!r}', 'give fit_size="pad"')
        if layout is not None and layout not in LAYOUTS:
            raise _no_layout(who, layout)
        self.net, self.optimizer = net, Adam() if optimizer is None else optimizer
        self.loss: Loss | None = loss
        self.preprocessing: Preprocessing | None = None
        self.history = EpochResults()
        self._learned: Learned | None = None
        self._small = SmallBatches()
        self._normalise, self._fit_size, self._layout = normalise, fit_size, layout

    @property
    def _who(self) -> str:
        return type(self).__name__

    def fit(
        self,
        images: ArrayLike,
        targets: ArrayLike,
        validation: Held = 0.1,
        log: Log | None = say,
        callbacks: Sequence[Callback] = (),
        class_weight: ClassWeight | None = None,
        augment: Sequence[Augmentation | Mixing] = (),
        world: World | None = None,
        resume: bool = False,
        **options: Unpack[FitOptions],
    ) -> Self:
        """Train; a second call goes on from where the first one ended, for as many epochs more.

        Args:
            images: (N, H, W), (N, H, W, C) or (N, C, H, W) of uint8 or floats; see ``data.from_arrays``.
            targets: one for each image: names of classes, or for a ``Regressor`` numbers.
            validation: a pair of images and targets to judge each epoch by; or the share of the images to hold out for that;
                None for neither.
            log: called with each line of the log; None for silence.
            callbacks: as of ``train.Trainer``, for example ``[train.EarlyStopping()]``.
            class_weight: ``"balanced"``, so that rare classes count as much in training as frequent ones; or a weight for each
                class, as a dict by name or in the order of ``classes``. See ``train.class_weights``. Only for a ``Classifier``.
            augment: random changes of the images that are trained on, which are to be of uint8; see ``data.Augmented``.
            world: the ranks that train together, as of ``train.Trainer``.
            resume: go on from the checkpoint in ``folder``, as ``Trainer.fit`` does.
            **options: epochs, 10 unless given, batch_size, seed and others of ``train.TrainingOptions``.

        Returns:
            Itself. The network has the parameters of the last epoch, unless a callback or ``average`` gave it others.

        Raises:
            DataError, ShapeError: images or targets are not what they should be.
            OptionError: an option is outside its range.
        """
        known = [field.name for field in fields(TrainingOptions)]
        if unknown := [name for name in options if name not in known]:
            what = f"expected {', '.join(known)}, got {unknown[0]}"
            raise OptionError(f"{self._who}.fit", what, "use one of these names")
        run = TrainingOptions(**({"epochs": 10} | options))
        loss = self._known_loss()
        given = arranged(images, self.net.in_shape, self._layout)
        steps = self.preprocessing or Preprocessing.of(given, self._normalise, self._fit_size, self._layout)
        learned = self._learn(targets, len(given)) if self._learned is None else self._learned
        train, held_out = self._examples(steps, learned, images, targets, validation, run.seed)
        if class_weight is not None:
            train = replace(train, weight=self._weights(train, learned, class_weight))
        train = augmented(f"{self._who}.fit", train, augment, run.seed, self.net.out_shape[0])
        trainer = Trainer(self.net, loss, self.optimizer, run, train, held_out, log, callbacks, world)
        before = self.preprocessing, self._learned
        self.preprocessing, self._learned = steps, learned  # callbacks may use it
        done = len(self.history)
        try:
            trainer.fit(resume)
        finally:
            if not trainer.rows and not trainer.images_done[0]:  # refused
                self.preprocessing, self._learned = before
            self.history += [replace(row, epoch=done + row.epoch) for row in trainer.rows]
        return self

    def _examples(
        self, steps: Preprocessing, learned: Learned, images: ArrayLike, targets: ArrayLike, validation: Held, seed: int
    ) -> tuple[Dataset, Dataset | None]:
        """What to train on and to validate with."""
        x = self._finite(steps.source(self._who, images, self.net.in_shape, self.net.dtype))
        y = self._numbers(targets, x.shape[0], learned)
        if validation is None:
            return Dataset(x, y), None
        if not isinstance(validation, tuple):
            if isinstance(validation, bool) or not isinstance(validation, int | float) or not 0 < validation < 1:
                what = f"expected validation as a pair (images, targets), or a share between 0 and 1, got {short(validation)}"
                raise OptionError(f"{self._who}.fit", what, "give validation=0.1")
            chosen, held_out = split(len(y), max(1, round(validation * len(y))), seed)
            return Dataset(x, y, chosen), Dataset(x, y, held_out)
        if len(validation) != 2:
            what = f"expected validation as a pair (images, targets), got {len(validation)} things"
            raise OptionError(f"{self._who}.fit", what, "write validation=(images, targets)")
        held_x = self._finite(steps.source("validation", validation[0], self.net.in_shape, self.net.dtype))
        return Dataset(x, y), Dataset(held_x, self._numbers(validation[1], held_x.shape[0], learned))

    def with_layout(self, layout: str | None) -> Self:
        """The same model, with the same network, for images of another layout than those of training.

        Args:
            layout: as of ``Classifier``.

        Raises:
            OptionError: a layout that is none.
            ContractError: it is not trained.
        """
        if layout is not None and layout not in LAYOUTS:
            raise _no_layout(self._who, layout)
        if self.preprocessing is None:
            raise self._untrained()
        other = copy(self)
        other.preprocessing, other._small = replace(self.preprocessing, layout=layout), SmallBatches()
        return other

    @staticmethod
    def _finite(source: Pixels | Array) -> Pixels | Array:
        """Refuse images to train on that are not finite: they would spoil every weight."""
        if not isinstance(source, Pixels):
            check_finite(source)
        return source

    def evaluate(self, images: ArrayLike, targets: ArrayLike) -> Score:
        """Loss and accuracy; arguments as for ``fit``."""
        source = self._source(images)
        return self.net.evaluate(self._known_loss(), source, self._numbers(targets, source.shape[0], self._known()))

    def save(self, path: StrPath, metadata: Mapping[str, object] | None = None) -> None:
        """Save it as one file, without the optimiser; ``minicnn.load`` gives it back in any process.

        Args:
            path: the file; an older one stays in place until the new one is complete.
            metadata: any JSON data, which ``train.checkpoint.read_metadata`` returns.

        Raises:
            CheckpointError: the file cannot be written, or a layer cannot be stored.
        """
        task: Document = {"kind": self.kind, "history": [asdict(row) for row in self.history]}
        task["preprocessing"] = None if self.preprocessing is None else _as_json(self.preprocessing)
        task["loss"] = None
        with suppress(OptionError):  # a loss of your own that JSON cannot hold: predictions do not need it
            task["loss"] = None if self.loss is None else encode(self._who, self.loss)
        task[self.name] = list(self._learned) if isinstance(self._learned, tuple) else self._learned
        save_model(path, self.net, task, {} if metadata is None else metadata)

    def restore(self, path: StrPath, task: Document, decoder: Decoder) -> None:
        """Take what ``save`` wrote beside the network.

        Args:
            path: the file, for messages.
            task: what stands in it, with the names that ``save`` writes.
            decoder: makes the loss.

        Raises:
            MinicnnError: it is not what ``save`` writes.
        """
        own = task["loss"] is None or decoder.makes(task["loss"])
        self.loss = decoder.loss(task["loss"]) if own and task["loss"] is not None else None
        self.preprocessing = None if task["preprocessing"] is None else _preprocessing(path, task["preprocessing"])
        self._learned = None if task[self.name] is None else self._restored(path, task[self.name])
        try:
            self.history = EpochResults(records(path, EpochResult, task["history"]))
        except CheckpointError as error:
            raise CheckpointError(error.who, error.what, "save it again") from None

    def _learn(self, targets: ArrayLike, images: int) -> Learned:
        """What the targets of the first training tell."""
        raise NotImplementedError

    def _numbers(self, targets: ArrayLike, images: int, learned: Learned) -> Array:
        """Targets of so many images as the network takes them."""
        raise NotImplementedError

    def _weights(self, train: Dataset, learned: Learned, class_weight: ClassWeight) -> Array:
        """A weight for each image by its class."""
        what = f"expected class_weight for classes, got {short(class_weight)} for numbers"
        raise OptionError(f"{self._who}.fit", what, "leave class_weight out")

    def _restored(self, path: StrPath, found: Json) -> Learned:
        """What was learned, from a file."""
        raise NotImplementedError

    def _known(self) -> Learned:
        if self._learned is None:
            raise self._untrained()
        return self._learned

    def _untrained(self) -> ContractError:
        return ContractError(self._who, "expected it to be trained before, got one that is not", "call fit first")

    def _known_loss(self) -> Loss:
        if self.loss is None:
            what = "expected a loss, got none, as that of the file was one of its author's own"
            raise ContractError(self._who, what, "load it with layers=[its class], or set the attribute loss")
        return self.loss

    def _source(self, images: ArrayLike) -> Pixels | Array:
        if self.preprocessing is None:
            raise self._untrained()
        return self.preprocessing.source(self._who, images, self.net.in_shape, self.net.dtype)

    def _outputs(self, images: ArrayLike) -> Array:
        source = self._source(images)
        return self._small.predict(self.net, source) if isinstance(source, Pixels) else self.net.predict(source)

    def __dir__(self) -> list[str]:
        """What completion offers: the public names alone."""
        return [name for name in super().__dir__() if not name.startswith("_")]

    def _repr_html_(self) -> str:
        classes = self._learned if isinstance(self._learned, tuple) else ()
        return estimator_html(repr(self), self.net, classes, self.preprocessing, self.history)

    def __repr__(self) -> str:
        shapes = f"{self.net.in_shape} → {self.net.out_shape}"
        return f"<{self._who} {shapes}, {len(self.net.params.flat):,} parameters, {len(self.history)} epochs>"


def _no_layout(who: str, layout: str) -> OptionError:
    what = f"expected layout as one of {', '.join(LAYOUTS)}, got {layout!r}"
    return OptionError(who, what, 'give layout="NHWC", or leave it out')


def _as_json(steps: Preprocessing) -> Document:
    """Preprocessing as JSON."""
    given = {"scale": steps.normalise.scale, "shift": steps.normalise.shift}
    affine: Document = {name: list(each) if isinstance(each, tuple) else float(each) for name, each in given.items()}
    return {"uint8": steps.uint8, "normalise": affine, "fit": steps.fit, "layout": steps.layout}


def _preprocessing(path: StrPath, found: Json) -> Preprocessing:
    """Preprocessing as JSON, checked."""
    names = {"uint8", "normalise", "fit", "layout"}
    affine = found["normalise"] if isinstance(found, dict) and found.keys() == names else None
    if not isinstance(affine, dict) or affine.keys() != {"scale", "shift"}:
        safetensors_file.refuse(path, "preprocessing of images", short(found))
    lists = [each if isinstance(each, list) else [each] for each in affine.values()]
    numbers = all(type(each) in (int, float) and abs(each) < 1e300 for own in lists for each in own)
    words = found["fit"] in ("pad", "resize") and found["layout"] in (None, "NHW", "NHWC", "NCHW")
    if not numbers or not words or type(found["uint8"]) is not bool:
        safetensors_file.refuse(path, "preprocessing of images", short(found))
    given = (affine["scale"], affine["shift"])
    scale, shift = (tuple(map(float, each)) if isinstance(each, list) else float(each) for each in given)
    normalise = Normalise(scale=scale, shift=shift)
    return Preprocessing(uint8=found["uint8"], normalise=normalise, fit=found["fit"], layout=found["layout"])
