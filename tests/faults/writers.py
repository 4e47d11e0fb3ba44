"""Every kind of file that minicnn writes: how version n of it is written, and which version a folder holds."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

import minicnn as m
from minicnn.train import checkpoint

NONE = -1
"""The version of a folder in which nothing was written yet."""


class Writer(NamedTuple):
    """A kind of file.

    Attributes:
        write: writes version n into a folder.
        read: the version that the folder holds, or ``NONE``; it raises if that is not whole.
        period: versions that differ by it are equal; ``ANY`` for a file of which every version that is whole will do.
        quiet: whether a failure is no error: what would have been kept is made anew.
    """

    write: Callable[[Path, int], None]
    read: Callable[[Path], int]
    period: int = 1 << 62
    quiet: bool = False

    def holds(self, folder: Path, *versions: int) -> bool:
        """Whether a folder holds one of these versions, whole."""
        found = self.read(folder)
        wanted = {n if n == NONE else n % (self.period or 1) for n in versions}
        return self.period == ANY or found in wanted


def filled(n: int) -> m.Network:
    """A network of 54,000 parameters, each of which is n."""
    net = network()
    net.load_params({name: np.full_like(array, n) for name, array in net.params.items()})
    return net


@cache
def network() -> m.Network:
    """The network that files are about."""
    layers = [("C", m.Conv2d(8, 3)), ("A", m.Tanh()), ("P", m.MaxPool2d(2)), ("L", m.Flatten()), ("F", m.Dense(40))]
    return m.Network(layers, (1, 28, 28), backend="numpy", threads=1)


def number(net: m.Network) -> int:
    """The number that all parameters are."""
    values = set(net.params.flat.tolist())
    assert len(values) == 1, f"expected parameters of one version, got {sorted(values)}"
    return int(values.pop())


# --- weights and checkpoints ---


@cache
def stepped() -> m.Adam:
    """An optimiser with moments, for the network."""
    adam = m.Adam(0.1)
    adam.step(network())
    return adam


def write_checkpoint(folder: Path, n: int) -> None:
    net, adam = filled(n), stepped()
    for moment in adam.moments.values():
        moment[:] = n
    checkpoint.save_training(folder / "last.safetensors", net, adam, {"n": n})


def read_checkpoint(folder: Path) -> int:
    path = folder / "last.safetensors"
    if not path.exists():
        return NONE
    net, adam = filled(0), m.Adam(0.1)
    n = checkpoint.load_training(path, net, adam)["n"]
    assert {number(net), *(v for moment in adam.moments.values() for v in set(moment.tolist()))} == {n}
    return n


def write_best(folder: Path, n: int) -> None:
    from minicnn.train.run_folder import RunFolder

    RunFolder(folder, filled(n), stepped(), (), {"n": n}).save_best()


def read_best(folder: Path) -> int:
    path = folder / "model.safetensors"
    if not path.exists():
        return NONE
    net = filled(0)
    n = checkpoint.load_weights(path, net)["n"]
    assert number(net) == n
    return n


def write_model(folder: Path, n: int) -> None:
    from minicnn.train.model_file import save_model

    save_model(folder / "net.safetensors", filled(n), {}, {"n": n})


def read_model(folder: Path) -> int:
    from minicnn.train.model_file import load_model

    path = folder / "net.safetensors"
    if not path.exists():
        return NONE
    found = load_model(path, threads=1, backend="numpy")
    assert number(found.net) == found.metadata["n"]
    return found.metadata["n"]


def write_onnx(folder: Path, n: int) -> None:
    from minicnn.io.onnx import export

    export(filled(n), folder / "net.onnx")


def read_onnx(folder: Path) -> int:
    from minicnn.io.onnx import load

    path = folder / "net.onnx"
    return number(load(path, threads=1, backend="numpy")) if path.exists() else NONE


# --- logs and results ---


def epoch(n: int) -> Any:
    """The result of an epoch."""
    from minicnn.train import EpochResult

    return EpochResult(n, 1 / n, 0.5, 2 / n, 0.25, 1.0, 1000.0)


def write_csv(folder: Path, n: int) -> None:
    """The log of a run that is resumed after n // 2 epochs and writes those up to n."""
    from minicnn.train import CSVLog

    log = CSVLog(folder / "log.csv")
    log.on_fit_start(SimpleNamespace(rows=[epoch(k) for k in range(1, n // 2 + 1)]))
    for k in range(n // 2 + 1, n + 1):
        log.on_epoch_end(epoch(k))


def read_csv(folder: Path) -> int:
    """How many epochs it has; each must be whole, and right."""
    path = folder / "log.csv"
    if not path.exists():
        return NONE
    head, *rows = path.read_text().splitlines(keepends=True)
    assert head.startswith("epoch,"), head
    assert head.endswith("\n"), head
    for k, row in enumerate(rows, 1):
        e = epoch(k)
        assert row == f"{k},{e.train_loss},0.5,{e.val_loss},0.25,1.0,1000.0\n", row
    return len(rows)


def write_result(folder: Path, n: int) -> None:
    from minicnn.train.metrics import write_json

    write_json(folder / "result.json", {"n": n, "rows": [n] * 20_000})


def read_result(folder: Path) -> int:
    path = folder / "result.json"
    if not path.exists():
        return NONE
    found = json.loads(path.read_text())
    assert found["rows"] == [found["n"]] * 20_000
    return found["n"]


@cache
def figure() -> Any:
    """A picture that is drawn again with another title."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(2, 2))
    drawn.add_subplot().plot([1, 2, 3])
    return drawn


def write_picture(folder: Path, n: int) -> None:
    from minicnn.train.plots.sheet import save

    figure().axes[0].set_title(str(n))
    save(figure(), folder / "curve.png", dpi=50 + n % 50)


def read_picture(folder: Path) -> int:
    from PIL import Image

    path = folder / "curve.png"
    if not path.exists():
        return NONE
    with Image.open(path) as picture:
        picture.load()  # refuses what is cut off
        return picture.width // 2 - 50


# --- data ---


def write_idx(folder: Path, n: int) -> None:
    from minicnn.data import write_idx

    write_idx(folder / "images", np.full((500, 28, 28), n % 256, np.uint8))


def read_idx(folder: Path) -> int:
    from minicnn.data import read_idx

    path = folder / "images"
    if not path.exists():
        return NONE
    (value,) = set(read_idx(path).reshape(-1).tolist())
    return value


SIDE = 28


@cache
def digits() -> dict[str, bytes]:
    """Four files as MNIST's are, packed, by name."""
    from minicnn.data.idx import _encode
    from minicnn.data.mnist_files import FILES

    rng, found = np.random.default_rng(0), {}
    for name in FILES:
        shape = (200, SIDE, SIDE) if "idx3" in name else (200,)
        found[name] = _encode(rng.integers(0, 10, shape).astype(np.uint8), name)
    return found


def download(folder: Path, source: str = "mirror") -> Any:
    """What ``load_mnist`` gives where the mirror serves these files and the cache is in the folder."""
    from minicnn.data import download as module
    from minicnn.data import load_mnist
    from minicnn.data.mnist_files import Published

    published = {name: Published(len(content), hashlib.sha256(content).hexdigest()) for name, content in digits().items()}

    def opened(url: str) -> Any:
        answer = io.BytesIO(gzip.compress(digits()[url.rpartition("/")[2].removesuffix(".gz")], 1))
        answer.length = None  # type: ignore[attr-defined]
        return answer

    with (
        mock.patch.dict(module.FILES, published),
        mock.patch.object(module, "open_url", opened),
        mock.patch.dict("os.environ", {"XDG_CACHE_HOME": str(folder)}),
        mock.patch("sys.stderr", io.StringIO()),
    ):
        return load_mnist(None, source, lambda line: None)


def write_download(folder: Path, n: int) -> None:
    if n % 2:  # every second time the files are there already
        for file in (folder / "minicnn" / "mnist").glob("*"):
            file.unlink()
    download(folder)


def read_download(folder: Path) -> int:
    """Any file of the cache must be whole."""
    files = [path for path in (folder / "minicnn" / "mnist").glob("*") if not path.name.startswith(".")]
    assert all(path.read_bytes() == digits()[path.name] for path in files)
    return len(files) - 1


def pictures(folder: Path) -> Path:
    """A folder of forty pictures."""
    from PIL import Image

    if not (folder / "pictures").exists():
        for n in range(40):
            path = folder / "pictures.part" / "ab"[n % 2] / f"{n}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((32, 32), n, np.uint8)).save(path)
        (folder / "pictures.part").rename(folder / "pictures")
    return folder / "pictures"


def write_pixels(folder: Path, n: int) -> None:
    from minicnn.data import ImageFolder

    ImageFolder(pictures(folder), size=(32 + n % 64, 32), channels=1, fit="stretch", memory_map=folder / "pixels.npy")


def read_pixels(folder: Path) -> int:
    path = folder / "pixels.npy"
    if not path.exists():
        return NONE
    images = np.load(path, mmap_mode="r")
    assert images.shape[0] == 40
    assert all((image == image.flat[0]).all() for image in images)
    assert sorted(int(image.flat[0]) for image in images) == list(range(40))
    return images.shape[2] - 32


# --- compiled kernels ---


def scaled(x, y):
    """The kernel."""
    for i in range(x.shape[0]):
        y[i] = 3 * x[i]


@cache
def compiled() -> Any:
    """Its machine code."""
    from numba import types

    from minicnn.backends.cpu.compile import jit

    with mock.patch.object(jit, "store") as store:
        jit._compiled(scaled, (types.float32[::1], types.float32[::1]))
    return store.call_args.args[1]


@contextmanager
def kernel_cache(folder: Path) -> Iterator[Any]:
    """The module that stores kernels, with its cache in this folder."""
    from minicnn.backends.cpu.compile import cache as module

    module._directory.cache_clear()
    with mock.patch.dict("os.environ", {"MINICNN_CACHE": str(folder)}):
        yield module
    module._directory.cache_clear()


def write_kernel(folder: Path, n: int) -> None:
    """On a disk that takes a millisecond to rename; the file would else be there for too short to be hit."""
    replace = Path.replace

    def slowly(self: Path, target: Path) -> Path:
        time.sleep(0.001)
        return replace(self, target)

    with kernel_cache(folder) as module, mock.patch.object(Path, "replace", slowly):
        module.store(scaled, compiled())


def read_kernel(folder: Path) -> int:
    """What is loaded is the whole kernel, or nothing."""
    from minicnn.backends.cpu.compile.machine import NativeCall, loaded

    with kernel_cache(folder) as module:
        found = module.find(scaled)
    if found is None:
        return NONE
    x, y = np.arange(3.0, dtype=np.float32), np.zeros(3, np.float32)
    NativeCall(loaded(found), (x, y))()
    assert y.tolist() == [0, 3, 6], y
    return 0


ANY = 0
"""The period of a file in which any version that is whole will do: it grows line by line, or is several files."""

WRITERS = {
    "checkpoint": Writer(write_checkpoint, read_checkpoint),
    "best weights": Writer(write_best, read_best),
    "model file": Writer(write_model, read_model),
    "ONNX export": Writer(write_onnx, read_onnx),
    "CSV log": Writer(write_csv, read_csv, ANY),
    "result": Writer(write_result, read_result),
    "picture": Writer(write_picture, read_picture, 50),
    "IDX file": Writer(write_idx, read_idx, 256),
    "download": Writer(write_download, read_download, ANY, quiet=True),
    "mapped pictures": Writer(write_pixels, read_pixels, 64),
    "kernel cache": Writer(write_kernel, read_kernel, 1, quiet=True),
}


def litter(folder: Path) -> list[str]:
    """Files that were not completed."""
    return [path.name for path in folder.rglob("*") if path.suffix in (".part", ".new") or ".tmp." in path.name]
