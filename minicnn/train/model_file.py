"""Model files: one safetensors file for a network with its architecture, from which it is made again without its source.

The tensors are those of a weights file, so ``checkpoint.load_weights`` and other programs read them too. The JSON document has
the architecture under ``network``, and under ``task`` what is done with the network's outputs, such as names of classes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..data.outfile import StrPath
from ..errors import CheckpointError, OptionError
from ..network import Network
from . import architecture, checkpoint, safetensors_file
from .described import Decoder, check_depth
from .document import Document


class Model(NamedTuple):
    """What a model file holds.

    Attributes:
        net: the network.
        task: what is done with its outputs; empty for a network alone.
        metadata: the caller's.
        decoder: makes what ``task`` describes.
    """

    net: Network
    task: Document
    metadata: Document
    decoder: Decoder


def save_model(path: StrPath, net: Network, task: Mapping[str, object], metadata: Mapping[str, object]) -> None:
    """Save a network with its architecture.

    Args:
        path: the file; an older one stays in place until the new one is complete.
        net: the network.
        task: JSON that says what is done with its outputs; empty for nothing.
        metadata: any JSON data, which ``checkpoint.read_metadata`` returns.

    Raises:
        CheckpointError: the file cannot be written, or the network, the task or the metadata cannot be stored.

    >>> import tempfile
    >>> from minicnn import Dense
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(f"{folder}/net.safetensors", Network([("F1", Dense(3))], in_shape=(4,), threads=1), {}, {})
    ...     load_model(f"{folder}/net.safetensors", threads=1).net.layers[0].layer.units
    3
    """
    with net.atomic():  # a whole update, even if another thread trains
        tensors = {name: array.copy() for name, array in checkpoint.stored_arrays(path, net).items()}
        try:
            network = architecture.describe(net)
        except OptionError as error:
            raise CheckpointError(os.fspath(path), f"{error.who}: {error.what}", error.hint) from None
    more = {"network": network} | ({"task": dict(task)} if task else {})
    header = checkpoint.document_text(path, "model", metadata, **more)
    check_depth(path, more)
    safetensors_file.write(path, tensors, header)


def load_model(path: StrPath, layers: Iterable[type] = (), threads: int | None = None, backend: str = "cpu") -> Model:
    """Make the network of a model file. Nothing in a file is executed, and no class is made but minicnn's and the given ones.

    Args:
        path: the file.
        layers: classes of layers and losses of your own that the file may make.
        threads: as of ``Network``.
        backend: as of ``Network``.

    Raises:
        CheckpointError: the file cannot be read, is no model file, or is that of a network that cannot be made here.
        OptionError: threads or layers are not what they should be.
        BackendError: the backend is unknown or cannot be used.

    See ``save_model`` for an example.
    """
    document, tensors = checkpoint.read_document(path, own=True)
    if document["kind"] != "model":
        what = f"expected a model file with the network's architecture, got {document['kind']} only"
        raise CheckpointError(os.fspath(path), what, "make the network yourself and give both to train.checkpoint.load_weights")
    check_depth(path, document)
    decoder = Decoder(path, layers)
    found = architecture.read(path, document["network"], decoder)
    there = sum(tensor.size for tensor in tensors.values())
    if found.parameters > there:
        safetensors_file.refuse(path, f"tensors of the {found.parameters:,} parameters of its network", f"{there:,} numbers")
    net = found.network(path, threads, backend)
    names = checkpoint.stored_names(path, net)
    checkpoint.check_tensors(path, net, tensors, checkpoint.stored_arrays(path, net))
    net.load_params({ours: tensors[name] for name, ours in names.items()})
    architecture.freeze(path, net, found.frozen)
    task = document.get("task", {})
    if not isinstance(task, dict):
        safetensors_file.refuse(path, "its task as an object", str(task)[:100])
    return Model(net, task, document["metadata"], decoder)
