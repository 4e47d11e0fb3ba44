"""Checkpoints: one safetensors file for the weights of a network, or for the whole state of training. ``model_file`` writes a
third kind, weights with the network's architecture.

Tensors have PyTorch's names and layouts: ``C1.weight`` for ``C1.W``, ``C1.bias`` for ``C1.b``, and the running statistics of
batch normalisation as they are. So a weights file is the
``state_dict`` of a PyTorch module with the same layer names, and the other way round. A training checkpoint also has the
optimiser's vectors, such as ``optimizer.m``, each as long as all parameters together. The rest is one JSON document in the
header's metadata, under ``minicnn``: the version of this format, the kind, the version of minicnn, the caller's metadata, and
for training the optimiser's class, both step counts and the network's lanes and slots, which fix the order of its sums; and,
where layers were frozen, in how many steps each was.

Loading checks everything before it changes anything. The dtype must be the network's, so that a resumed run is exact. Only a
file without that document, such as PyTorch's, may be float32 for a float64 network; this conversion is exact as well.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from reprlib import repr as short

from ..arrays import Array
from ..data.outfile import StrPath
from ..errors import CheckpointError, ContractError
from ..network import Network
from ..optim import Optimizer
from ..version import __version__
from . import safetensors_file
from .document import Document

FORMAT = 2
FIRST = 1
"""The format in which the caller's metadata stood under ``facts``; it is read as well."""
KEY = "minicnn"
VECTOR = "optimizer."
CALLBACKS = f"{VECTOR}callbacks."
"""What callbacks keep; whoever reads the weights leaves it out with the optimiser's vectors."""
MISSED = "optimizer_missed"
ORDER = ("lanes", "slots")
"""What the order of sums follows from."""
MOST_DOCUMENT = 1 << 24
"""So many characters the JSON document may have."""
OTHER = "load it into a network with the same layers, names and shapes"
TORCH = {"W": "weight", "b": "bias"}
WEIGHTS = {"format": int, "kind": str, KEY: str, "metadata": dict}
TRAINING = WEIGHTS | {"optimizer": str, "optimizer_steps": int, "network_steps": int}
MODEL = WEIGHTS | {"network": dict}
FIELDS: dict[str, dict[str, type]] = {"weights": WEIGHTS, "training": TRAINING, "model": MODEL}
"""The fields of the JSON document, by the kind of checkpoint."""
WORDS = {int: "a whole number from 0 to 2^63 − 1", str: "text", dict: "a JSON object"}


def save_weights(path: StrPath, net: Network, metadata: Mapping[str, object]) -> None:
    """Save the parameters of a network.

    Args:
        path: the file; an older one stays in place until the new one is complete.
        net: the network.
        metadata: any JSON data, returned by ``read_metadata``.

    Raises:
        CheckpointError: the file cannot be written, or the metadata or the parameters' names cannot be stored.

    >>> import tempfile
    >>> from minicnn import Dense
    >>> net, other = (Network([("F1", Dense(3))], in_shape=(4,), threads=1, seed=seed) for seed in (1, 2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_weights(f"{folder}/net.safetensors", net, {"units": 3})
    ...     load_weights(f"{folder}/net.safetensors", other)
    {'units': 3}
    >>> bool((other.params.flat == net.params.flat).all())
    True
    """
    with net.atomic():  # a whole update, even if another thread trains
        tensors = {name: array.copy() for name, array in stored_arrays(path, net).items()}
    safetensors_file.write(path, tensors, document_text(path, "weights", metadata))


def load_weights(path: StrPath, net: Network) -> Document:
    """Load the parameters of a network from a checkpoint, or from another program's file with these names and shapes.

    Args:
        path: the file.
        net: the network; it is unchanged after an error.

    Returns:
        The metadata; empty for another program's file.

    Raises:
        CheckpointError: the file cannot be read, or does not match this network.

    See ``save_weights`` for an example.
    """
    metadata, params = read_weights(path, net)
    net.load_params(params)
    return metadata


def save_training(
    path: StrPath,
    net: Network,
    optimizer: Optimizer,
    metadata: Mapping[str, object],
    kept: Mapping[str, Array] | None = None,
) -> None:
    """Save a network and its optimiser in the middle of training.

    Args:
        path: the file; an older one stays in place until the new one is complete.
        net: the network.
        optimizer: its optimiser. Its options are not saved: make it again from the metadata.
        metadata: any JSON data, returned by ``read_metadata``.
        kept: further arrays by name, which ``read_kept`` returns.

    Raises:
        CheckpointError: the file cannot be written, the metadata or the parameters' names cannot be stored, or the optimiser
            belongs to another network.

    >>> import tempfile
    >>> from minicnn import SGD, Dense
    >>> net, sgd = Network([("F1", Dense(3))], in_shape=(4,), threads=1), SGD(0.1)
    >>> sgd.step(net)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_training(f"{folder}/last.safetensors", net, sgd, {"epoch": 1})
    ...     again = SGD(0.1)
    ...     load_training(f"{folder}/last.safetensors", net, again), again.steps
    ({'epoch': 1}, 1)
    """
    hint = "save the optimiser with the network that it trains"
    with net.atomic():
        tensors = {name: array.copy() for name, array in stored_arrays(path, net).items()}
        for name, vector in optimizer.moments.items():
            if vector.shape != net.params.flat.shape or vector.dtype != net.dtype:
                what = f"expected optimiser vectors of {net.params.flat.size} {net.dtype}, got {vector.size} {vector.dtype}"
                raise CheckpointError(os.fspath(path), what, hint)
            tensors[VECTOR + name] = vector.copy()
        tensors |= {CALLBACKS + name: array for name, array in (kept or {}).items()}
        try:
            optimizer.check(net)
        except ContractError as error:
            raise CheckpointError(os.fspath(path), error.what, hint) from None
        more: Document = {"optimizer": _class(optimizer), "optimizer_steps": optimizer.steps, "network_steps": net.steps}
        more |= {MISSED: optimizer.missed} if optimizer.missed else {}
        more |= {name: getattr(net, name) for name in ORDER}
    safetensors_file.write(path, tensors, document_text(path, "training", metadata, **more))


def load_training(path: StrPath, net: Network, optimizer: Optimizer) -> Document:
    """Load a network and its optimiser, to resume training exactly.

    Args:
        path: the file, from ``save_training``.
        net: the network; it is unchanged after an error.
        optimizer: an optimiser of the saved class and with the same options; it is unchanged after an error.

    Returns:
        The metadata.

    Raises:
        CheckpointError: the file cannot be read, or does not match this network and optimiser.

    See ``save_training`` for an example.
    """
    document, tensors = read_document(path, own=True)
    if document["kind"] != "training":
        raise CheckpointError(os.fspath(path), "expected a training checkpoint, got weights only", "read it with load_weights")
    if document["optimizer"] != _class(optimizer):
        what = f"expected the vectors of {_class(optimizer)}, got those of {short(document['optimizer'])}"
        raise CheckpointError(os.fspath(path), what, "resume with the optimiser that was saved")
    steps = document["optimizer_steps"]
    vectors = optimizer.names if steps else ()  # before the first step there are no vectors
    names, missed = stored_names(path, net), _missed(path, net, document, steps)
    _check_order(path, net, document)
    own = {name: tensor for name, tensor in tensors.items() if not name.startswith(CALLBACKS)}
    check_tensors(path, net, own, stored_arrays(path, net) | {VECTOR + name: net.params.flat for name in vectors})
    with net.update():
        optimizer.load(steps, {name: tensors[VECTOR + name] for name in vectors}, missed)
        net.load_params({ours: tensors[name] for name, ours in names.items()})
        net.steps = document["network_steps"]
    metadata: Document = document["metadata"]
    return metadata


def read_kept(path: StrPath) -> dict[str, Array]:
    """The further arrays that ``save_training`` was given.

    Raises:
        CheckpointError: the file cannot be read, or is not a checkpoint of minicnn.
    """
    tensors = read_document(path, own=True)[1]
    return {name.removeprefix(CALLBACKS): tensor for name, tensor in tensors.items() if name.startswith(CALLBACKS)}


def read_metadata(path: StrPath) -> Document:
    """Read only the metadata, for example to make the network before loading it.

    Args:
        path: the file, from ``save_weights`` or ``save_training``.

    Raises:
        CheckpointError: the file cannot be read, or is not a checkpoint of minicnn.

    >>> import tempfile
    >>> from minicnn import Dense
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_weights(f"{folder}/net.safetensors", Network([Dense(3)], in_shape=(4,), threads=1), {"units": 3})
    ...     read_metadata(f"{folder}/net.safetensors")
    {'units': 3}
    """
    metadata: Document = read_document(path, own=True)[0]["metadata"]
    return metadata


def version(path: StrPath) -> str:
    """The version of minicnn that a checkpoint says it was written by.

    Raises:
        CheckpointError: the file cannot be read, or is not a checkpoint of minicnn.
    """
    return str(read_document(path, own=True)[0][KEY])


def check_saving(path: StrPath, net: Network, metadata: Mapping[str, object]) -> None:
    """Check before training that ``save_weights`` and ``save_training`` will be able to write, as far as this can be known.

    Args:
        path: the file, which need not exist yet.
        net: the network.
        metadata: the metadata to be saved.

    Raises:
        CheckpointError: the path is a folder, or the metadata or the parameters' names cannot be stored.
    """
    if os.path.isdir(path):
        what = "expected to write a checkpoint, got a directory"
        raise CheckpointError(os.fspath(path), what, "move it away, or save elsewhere")
    stored_names(path, net)
    document_text(path, "training", metadata)


def read_weights(path: StrPath, net: Network) -> tuple[Document, dict[str, Array]]:
    """Read what ``load_weights`` would load, without changing the network: metadata and parameters by name.

    Raises:
        CheckpointError: see ``load_weights``.
    """
    metadata, tensors, foreign = read_any_weights(path)
    names = stored_names(path, net)
    check_tensors(path, net, tensors, stored_arrays(path, net), foreign)
    return metadata, {ours: tensors[name] for name, ours in names.items()}


def read_any_weights(path: StrPath) -> tuple[Document, dict[str, Array], bool]:
    """The metadata and the tensors of a file without an optimiser's vectors, and whether it is another program's.

    Raises:
        CheckpointError: the file cannot be read.
    """
    document, tensors = read_document(path)
    if document and document["kind"] == "training":
        tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith(VECTOR)}
    return document["metadata"] if document else {}, tensors, not document


def _missed(path: StrPath, net: Network, document: Document, steps: int) -> dict[str, int]:
    """By layer, in how many of the optimiser's steps it was frozen; a file says nothing where none ever was."""
    found = document.get(MISSED, {})
    layers = {name.partition(".")[0] for name in net.params} | {name.partition(".")[0] for name in net.state}
    right = isinstance(found, dict) and all(name in layers and type(n) is int and 0 <= n <= steps for name, n in found.items())
    if not right:
        what = f"{MISSED} in its metadata as numbers of at most {steps} by the names of layers"
        safetensors_file.refuse(path, what, short(found))
    return dict(found)


def _check_order(path: StrPath, net: Network, document: Document) -> None:
    """Refuse a network that sums in another order than the saved one; older files do not say.

    Raises:
        CheckpointError: lanes or slots differ.
    """
    saved = {name: document[name] for name in ORDER if name in document}
    here = {name: getattr(net, name) for name in saved}
    if saved != here:
        own, got, make = (", ".join(f"{name}={short(each[name])}" for name in each) for each in (here, saved, saved))
        what = f"expected a run with {own}, got one with {got}, whose sums have another order"
        raise CheckpointError(os.fspath(path), what, f"make the network with {make}, or load the weights alone")


def _class(optimizer: Optimizer) -> str:
    """The class name of an optimiser, with those of wrapped optimisers in brackets."""
    inside = [_class(value) for value in vars(optimizer).values() if isinstance(value, Optimizer)]
    return type(optimizer).__name__ + (f"({', '.join(inside)})" if inside else "")


def stored_names(path: StrPath, net: Network) -> dict[str, str]:
    """The names of the network's parameters and state by PyTorch's names.

    Raises:
        CheckpointError: the file cannot have these names.
    """
    names: dict[str, str] = {}
    for ours in (*net.params, *net.state):
        layer, _, param = ours.partition(".")
        name = f"{layer}.{TORCH.get(param, param)}"
        if name in names or name.startswith(VECTOR):
            what = f"expected names that differ in the file and do not start with {VECTOR!r}, got {name!r} for {ours!r}"
            raise CheckpointError(os.fspath(path), what, "rename the layer or the parameter")
        names[name] = ours
    return names


def stored_arrays(path: StrPath, net: Network) -> dict[str, Array]:
    """The network's parameters and state by PyTorch's names."""
    own = {**net.params, **net.state}
    return {name: own[ours] for name, ours in stored_names(path, net).items()}


def document_text(path: StrPath, kind: str, metadata: Mapping[str, object], **more: object) -> dict[str, str]:
    """The JSON document of a file of a kind, as the metadata of its header.

    Raises:
        CheckpointError: JSON would not give it back as it is.
    """
    try:
        document = {"format": FORMAT, "kind": kind, KEY: __version__, "metadata": dict(metadata), **more}
        text = json.dumps(document, allow_nan=False)
        if json.loads(text) != document:
            raise ValueError("tuples come back as lists, and keys as text")
        if len(text) > MOST_DOCUMENT:
            raise ValueError(f"{len(text):,} characters, and {MOST_DOCUMENT:,} at most")
    except (TypeError, ValueError, RecursionError) as fault:
        what = f"expected metadata that JSON gives back as it is, got others ({fault})"
        hint = "give dicts with text keys, lists, text, finite numbers, booleans and None"
        raise CheckpointError(os.fspath(path), what, hint) from fault
    return {KEY: text}


def read_document(path: StrPath, own: bool = False) -> tuple[Document, dict[str, Array]]:
    """The checked document and the tensors. The document of another program's file is empty, and an error for ``own``.

    Raises:
        CheckpointError: the file cannot be read.
    """
    metadata, tensors = safetensors_file.read(path)
    if KEY in metadata:
        return _document(path, metadata[KEY]), tensors
    if own:
        what = "expected a checkpoint of minicnn, got a file of another program"
        raise CheckpointError(os.fspath(path), what, "make the network yourself and give both to load_weights")
    return {}, tensors


def _document(path: StrPath, text: str) -> Document:
    if len(text) > MOST_DOCUMENT:
        safetensors_file.refuse(path, f"a document of at most {MOST_DOCUMENT:,} characters", f"{len(text):,}")
    found = safetensors_file.parse(path, text)
    if not isinstance(found, dict):
        safetensors_file.refuse(path, "its metadata as a JSON object", short(found))
    if type(found.get("format")) is int and found["format"] == FIRST:
        found = found | {"format": FORMAT, "metadata": found.get("facts")}
    if found.get("format") != FORMAT:
        what = f"expected checkpoint format {FORMAT}, got {short(found.get('format'))}"
        raise CheckpointError(os.fspath(path), what, "read it with the minicnn that wrote it")
    kind = found.get("kind")
    if kind not in tuple(FIELDS):
        safetensors_file.refuse(path, "weights, training or model as its kind", short(kind))
    for name, type_ in FIELDS[kind].items():
        value = found.get(name)
        if type(value) is not type_ or (isinstance(value, int) and not 0 <= value < 2**63):  # isinstance takes True for an int
            safetensors_file.refuse(path, f"{name} in its document as {WORDS[type_]}", short(value))
    return found


def check_tensors(
    path: StrPath, net: Network, tensors: Mapping[str, Array], arrays: Mapping[str, Array], foreign: bool = False
) -> None:
    """Refuse tensors whose names, shapes or dtypes differ from those of the arrays that they are for.

    Raises:
        CheckpointError: they do.
    """
    who = os.fspath(path)
    for name, array in arrays.items():
        if name not in tensors:
            raise CheckpointError(who, f"expected a tensor {name!r}, got none of that name", OTHER)
        found = tensors[name]
        if found.shape != array.shape:
            raise CheckpointError(who, f"expected {name!r} of shape {array.shape}, got {short(found.shape)}", OTHER)
        if found.dtype != array.dtype and not (foreign and array.dtype == "float64" and found.dtype == "float32"):
            float_ = found.dtype in ("float32", "float64")
            hint = f'make the network with dtype="{found.dtype}"' if float_ else f"save its tensors as {array.dtype}"
            raise CheckpointError(who, f"expected {name!r} as {array.dtype}, got {found.dtype}", hint)
    more = sorted(tensors.keys() - arrays.keys())
    if more:
        raise CheckpointError(who, f"expected the network's tensors only, got {short(more[0])} too", OTHER)
