"""Callbacks that write the results of epochs for other programs: a CSV file, and TensorBoard's events."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable
from dataclasses import asdict, fields
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..data.outfile import StrPath, outfile
from ..errors import OptionError, OutputError, lacking, reason
from .callbacks import Callback
from .history import EpochResult

if TYPE_CHECKING:
    from .trainer import Trainer

COLUMNS = tuple(field.name for field in fields(EpochResult))


class CSVLog(Callback):
    """Writes a line for each epoch into a CSV file with the columns of ``EpochResult``.

    The file has the epochs of one run: a new run begins it anew, and one that is resumed or trained further goes on in it. What
    is not known, such as losses without validation, is left empty. Missing folders are made.

    Args:
        path: the file.

    Raises:
        OptionError: path is not a path. From ``Trainer.fit``: OutputError, the file cannot be written.
    """

    reports = True

    def __init__(self, path: StrPath) -> None:
        self.path = _path("CSVLog", path, "log.csv")

    def on_fit_start(self, trainer: Trainer) -> None:
        """Write the epochs so far, so that a line for each follows, whatever the file had."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise self._fault(fault) from fault
        with outfile(self.path, "a log of epochs") as file:
            file.write("".join([_line(COLUMNS), *map(_row, trainer.rows)]).encode())

    def on_epoch_end(self, result: EpochResult) -> bool | None:
        """Write a line, whole or not at all."""
        line = _row(result).encode()
        try:
            with open(self.path, "ab", buffering=0) as file:
                end = os.fstat(file.fileno()).st_size
                try:
                    while line:  # of a disk that is almost full, some bytes are taken
                        line = line[file.write(line) :]
                except OSError:
                    file.truncate(end)
                    raise
        except OSError as fault:
            raise self._fault(fault) from fault
        return None

    def _fault(self, fault: OSError) -> OutputError:
        return OutputError(
            str(self.path), f"expected to write a log of epochs, got {reason(fault)}", "give CSVLog another file"
        )


def _row(result: EpochResult) -> str:
    return _line(["" if value is None else value for value in asdict(result).values()])


def _line(cells: list[object] | tuple[object, ...]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


class Writer(Protocol):
    """The part of a ``SummaryWriter`` that is used."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> object:
        """Note a number of an epoch."""

    def flush(self) -> object:
        """Write what was noted."""

    def close(self) -> object:
        """End the file."""


class TensorBoard(Callback):
    """Writes losses, accuracies and speed of each epoch as events for TensorBoard.

    It needs the package tensorboardX, or PyTorch with tensorboard.

    Args:
        folder: the folder of the events.

    Raises:
        OptionError: folder is not a path.
        OutputError: no package is installed that writes events.
    """

    reports = True

    def __init__(self, folder: StrPath) -> None:
        self.folder = _path("TensorBoard", folder, "runs")
        self._writer: Writer | None = None
        if not (_there("torch") and _there("tensorboard")) and not _there("tensorboardX"):
            raise lacking("TensorBoard", "tensorboardX", ModuleNotFoundError())

    def on_fit_start(self, trainer: Trainer) -> None:
        """Open the events; those of epochs that a resumed run repeats are marked as void."""
        module = "torch.utils.tensorboard" if _there("torch") and _there("tensorboard") else "tensorboardX"
        writer: Callable[..., Writer] = import_module(module).SummaryWriter
        self._writer = writer(str(self.folder), purge_step=len(trainer.rows) + 1)

    def on_epoch_end(self, result: EpochResult) -> bool | None:
        """Write an epoch."""
        if self._writer is not None:
            known = {"loss/train": result.train_loss, "loss/validation": result.val_loss}
            known |= {"accuracy/train": result.train_accuracy, "accuracy/validation": result.val_accuracy}
            for tag, value in (known | {"images per second": result.images_per_second}).items():
                if value is not None:
                    self._writer.add_scalar(tag, value, result.epoch)
            self._writer.flush()
        return None

    def on_fit_end(self, finished: bool) -> None:
        """Close the events."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def __getstate__(self) -> dict[str, object]:
        return vars(self) | {"_writer": None}


def _there(package: str) -> bool:
    return find_spec(package) is not None


def _path(who: str, path: StrPath, example: str) -> Path:
    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        raise OptionError(who, f"expected a path, got {path!r}", f"write {who}({example!r})")
    return Path(path)
