"""Networks that PyTorch exports: the nineteen, each with PyTorch's own outputs."""

import logging
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import torch_models

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
import branched
import chains
from case import Case

from minicnn.io.onnx import load

pytestmark = pytest.mark.torch
pytest.importorskip("onnxscript")
CASES = {name.lower(): case for module in (chains, branched) for name, case in vars(module).items() if isinstance(case, Case)}
LENETS = {kind.__name__.lower(): kind for kind in (torch_models.LeNet5, torch_models.LeNet5s, torch_models.LeNet5Modern)}
NETWORKS = {name: (case.theirs, case.shape) for name, case in CASES.items()}
NETWORKS |= {name: (kind, kind.in_shape) for name, kind in LENETS.items()}


def exported(net, images):
    """A network as PyTorch writes it, for batches of any size."""
    batch = tuple({0: torch.export.Dim("batch", min=1)} for _ in images)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.onnx.export(net, tuple(images), dynamo=True, dynamic_shapes=batch, verbose=False).model_proto


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_are_pytorchs(name):
    make, shape = NETWORKS[name]
    torch.manual_seed(0)
    rng, net = np.random.default_rng(1), make()
    shapes = shape.values() if isinstance(shape, dict) else [shape]
    images = [torch.from_numpy(rng.standard_normal((4, *own)).astype(np.float32)) for own in shapes]
    net.train()
    net(*images)  # lazy layers find out their size, batch normalisation some statistics
    net.eval()
    ours = load(exported(net, images), threads=1)
    for count in (4, 1, 3):
        x = [image[:count] for image in images]
        found = ours.predict_outputs(
            x[0].numpy() if len(x) == 1 else dict(zip(ours.in_shapes, (i.numpy() for i in x), strict=True))
        )
        with torch.no_grad():
            expected = net(*x)
        pairs = zip(found.values(), expected if isinstance(expected, tuple) else (expected,), strict=True)
        assert max(np.abs(y - e.numpy()).max() / np.abs(e.numpy()).max() for y, e in pairs) <= 1e-5
