"""The networks of the page: weights from the package, the user's cache or a training in the background at the first start."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...data.pixels import Normalise
from ...data.preprocessing import Preprocessing
from ...engine.score import Score
from ...errors import CheckpointError, DataError, MinicnnError
from ...optim.schedules import OneCycle
from ...train import checkpoint
from ...train.callbacks import Callback
from ...train.classifier import Classifier
from ...train.estimator import FitOptions
from ..body import Refused
from .ink import SIDE
from .judge import Judge, judged, package_digits
from .kept import kept_folder
from .look import Viewer
from .reading import check
from .recipes import AUGMENT, BATCH, EPOCHS, RECIPES, Recipe

if TYPE_CHECKING:
    from ...train.trainer import Trainer

WEIGHTS = "lenet5_modern.safetensors"
"""The weights that the package brings along; in a checkout they lie in its examples."""

TRAINED = "trained on 60,000 digits of MNIST with distortions"
BRIEFLY = "trained here for {epochs} epochs on the 6,000 digits in the package, moved at random; by Adam, not as published"


@dataclass(frozen=True)
class Ready:
    """A network that can be looked into.

    Attributes:
        viewer: it.
        judge: its rules of rejection.
        trained: what it was trained on, in words.
        run: the number of the training that it is in; 0 for none.
    """

    viewer: Viewer
    judge: Judge
    trained: str
    run: int = 0


class Stopped(Exception):  # noqa: N818 (a request)
    """The server ends."""


class Choice:
    """A network, and how far its preparation is.

    Args:
        key: its name in requests.
        title: its name on the page.
        about: a sentence about it.
        prepare: makes it; it is given the choice, to say how far it is.
    """

    def __init__(self, key: str, title: str, about: str, prepare: Callable[[Choice], tuple[Classifier, str]]) -> None:
        self.key, self.title, self.about, self._prepare = key, title, about, prepare
        self.state, self.share = "waiting", 0.0
        self.ready: Ready | None = None

    def prepare(self) -> None:
        """Make the network, and compile what looking into it needs."""
        try:
            self.state = "compiling"
            model, trained = self._prepare(self)
            self.state = "compiling"
            viewer, judge = Viewer(model), judged(model)
            image = package_digits().test_images[0]
            viewer.links(viewer.see(image))
            viewer.opened(image, 0)
            self.ready, self.state = Ready(viewer, judge, trained), "ready"
        except Stopped:
            self.state = "stopped"
        except MinicnnError as error:
            self.state = f"failed: {error}"
        except Exception as error:
            self.state = f"failed: {type(error).__name__}: {error}"  # the networks behind it are prepared all the same

    def described(self) -> dict[str, object]:
        """It as JSON."""
        return {"key": self.key, "title": self.title, "about": self.about, "state": self.state, "share": round(self.share, 3)}


class Networks:
    """All networks of the page. They are prepared one after another in a thread of their own.

    Args:
        own: the user's classifier, and what it is called.
    """

    def __init__(self, own: tuple[Classifier, str] | None = None) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prepare", daemon=True)
        self.choices: dict[str, Choice] = {}
        if own is not None:
            model, name = own
            check(model, name)
            self._add(Choice("own", name, "A network of your own.", lambda choice: (model, "trained by you")))
        for recipe in RECIPES:
            self._add(Choice(recipe.key, recipe.title, recipe.about, self._way(recipe)))

    def _add(self, choice: Choice) -> None:
        self.choices[choice.key] = choice

    def _way(self, recipe: Recipe) -> Callable[[Choice], tuple[Classifier, str]]:
        if recipe.key == "modern":
            return lambda choice: (packaged(), TRAINED)
        return lambda choice: (self._kept(recipe, choice), BRIEFLY.format(epochs=EPOCHS))

    def start(self) -> None:
        """Begin to prepare them."""
        self._thread.start()

    def stop(self) -> None:
        """End a preparation that runs."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(10)

    def ready(self, key: str) -> Ready:
        """A network.

        Raises:
            Refused: there is none of that name, or it is not ready.
        """
        choice = self.choices.get(key)
        if choice is None:
            raise Refused(400, f"network: expected one of {', '.join(self.choices)}, got {key[:20]!r}; choose one of them")
        if choice.ready is None:
            raise Refused(503, f"network: expected one that is ready, got {key} ({choice.state}); wait, or choose another")
        return choice.ready

    def _run(self) -> None:
        first = [key for key in ("own", "modern") if key in self.choices]  # they need no training
        for key in dict.fromkeys([*first, *self.choices]):
            self.choices[key].prepare()

    def _kept(self, recipe: Recipe, choice: Choice) -> Classifier:
        """A classifier from the cache, or trained and put there."""
        path = kept_at(recipe)
        if path is not None:
            with suppress(CheckpointError):
                return Classifier.load(path, threads=1)
        model = train(recipe, lambda share: self._tell(choice, share))
        if path is not None:
            with suppress(CheckpointError, OSError):  # it is trained again at the next start
                path.parent.mkdir(parents=True, exist_ok=True)
                model.save(path)
        return model

    def _tell(self, choice: Choice, share: float) -> None:
        if self._stop.is_set():
            raise Stopped
        choice.state, choice.share = "training", share


def kept_at(recipe: Recipe) -> Path | None:
    """The file of a recipe, named by everything that shapes it; None where nothing can be kept."""
    given = (recipe.key, repr(recipe.loss), asdict(recipe.normalise), recipe.rate, EPOCHS, BATCH, repr(AUGMENT))
    try:
        return kept_folder() / f"{recipe.key}-{hashlib.sha256(repr(given).encode()).hexdigest()[:12]}.safetensors"
    except DataError:
        return None


def train(recipe: Recipe, tell: Callable[[float], None]) -> Classifier:
    """Train a network of the page.

    Args:
        recipe: which.
        tell: called after every step with the share that is done; what it raises ends the training.
    """
    digits, model = package_digits(), recipe.classifier()
    options: FitOptions = {"epochs": EPOCHS, "batch_size": BATCH, "schedule": OneCycle(pct_start=0.15)}
    progress = _Progress(tell)
    model.fit(digits.train_images, digits.train_labels, None, None, [progress], augment=[AUGMENT], **options)
    return model


class _Progress(Callback):
    """Tells how much of a training is done."""

    def __init__(self, tell: Callable[[float], None]) -> None:
        self._tell, self._steps, self._all = tell, 0, 1

    def on_fit_start(self, trainer: Trainer) -> None:
        """Note how many steps there are."""
        self._all = trainer.run.epochs * trainer.steps_per_epoch
        self._tell(0.0)

    def on_step_end(self, score: Score) -> None:
        """Tell."""
        self._steps += 1
        self._tell(self._steps / self._all)


def packaged() -> Classifier:
    """The modern network with the weights that the package brings along.

    Raises:
        CheckpointError: they are missing or damaged.
    """
    here = Path(__file__).with_name(WEIGHTS)
    path = here if here.exists() else Path(__file__).parents[3] / "examples" / WEIGHTS
    model = RECIPES[-1].classifier()
    metadata = checkpoint.load_weights(path, model.net)
    given = metadata.get("normalise")
    if not isinstance(given, dict) or metadata.get("size") != SIDE:
        raise CheckpointError(str(path), "expected weights with their normalisation, got others", "install minicnn again")
    model.preprocessing = Preprocessing(uint8=True, normalise=Normalise(**given))
    return model
