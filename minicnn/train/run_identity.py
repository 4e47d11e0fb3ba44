"""What identifies a training run, as JSON: everything that shapes its result, the data by a hash."""

from __future__ import annotations

from ..engine.accumulate import SLOTS
from ..engine.by_name import Losses
from ..network import Network
from ..optim import Optimizer
from ..optim.schedules import ConstantRate
from . import identity
from .document import Document, Json
from .run import Dataset, TrainingOptions


def completed(saved: Json) -> Json:
    """A saved identity with the number of slots, which files did not say while there was no choice."""
    network = saved.get("network") if isinstance(saved, dict) else None
    return saved | {"network": {"slots": SLOTS} | network} if isinstance(saved, dict) and isinstance(network, dict) else saved


def describe_run(
    net: Network,
    loss: Losses,
    optimizer: Optimizer,
    lr: float,
    run: TrainingOptions,
    train: Dataset,
    validation: Dataset | None,
) -> Document:
    """The identity of a run.

    Args:
        net: the network.
        loss: the loss.
        optimizer: the optimiser.
        lr: its rate in the first step.
        run: the options.
        train: images to train on.
        validation: images to judge epochs by.
    """
    known: Document = {"batch_size": run.batch_size, "seed": run.seed, "decay": run.decay, "lr": lr}
    known |= {"network_seed": net.seed, "network": identity.network(net)}
    known |= {"accumulate": run.accumulate} if run.accumulate > 1 else {}
    known |= {"shuffle_block": run.shuffle_block} if run.shuffle_block else {}
    parts: dict[str, object] = {"loss": loss, "optimizer": optimizer}
    for name, part in (("training", train), ("validation", validation)):
        if part is None:
            known[name] = "none"
            continue
        parts[name] = identity.examples(part.images, part.targets, part.chosen)
        if part.weight is not None:
            parts[f"{name}_weight"] = identity.weights(part.weight)
    given = {name: getattr(run, name) for name in ("plateau", "clip_norm", "clip_value")}
    parts |= {name: value for name, value in given.items() if value is not None}
    if run.schedule != ConstantRate():  # spread over all epochs, so the number of epochs matters
        known, parts = known | {"epochs": run.epochs}, parts | {"schedule": run.schedule}
    described: Document = identity.describe(parts)
    return known | described
