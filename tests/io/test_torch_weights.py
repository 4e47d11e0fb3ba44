import io
import os
import pickle
import random
import sys
import zipfile

import branched
import chains
import numpy as np
import pytest
import torch
from case import Case
from damaged import refusals, snapshot
from safetensors.torch import save_file
from torch import nn
from torch_models import LeNet5, LeNet5Modern, LeNet5s

import minicnn as m
from minicnn import models
from minicnn.errors import CheckpointError, OptionError, OutputError
from minicnn.io.torch import NAME, load, match, state_dict
from minicnn.train.checkpoint import save_weights

pytestmark = pytest.mark.torch
CASES = {name.lower(): case for module in (chains, branched) for name, case in vars(module).items() if isinstance(case, Case)}


def images(shapes, count=3, seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal((count, *shape)) for name, shape in shapes.items()}


def outputs(module, x):
    with torch.no_grad():
        y = module(*(torch.from_numpy(own) for own in x.values()))
    return [own.numpy() for own in (y if isinstance(y, tuple) else (y,))]


def apart(net, module, x):
    pairs = zip(net.predict_outputs(x).values(), outputs(module, x), strict=True)
    return max(np.abs(ours - theirs).max() / np.abs(theirs).max() for ours, theirs in pairs)


def drawn(module, x, seed):
    """A module in inference, with numbers of its own in everything that it has."""
    torch.manual_seed(seed)
    module = module.double().eval()
    outputs(module, x)  # lazy layers find out their size
    for name, value in module.state_dict().items():
        if name.endswith("num_batches_tracked"):
            value.fill_(7)
        elif value.ndim == 1:
            value.add_(torch.rand_like(value) * 0.5)
    return module


def check_both_ways(net, make):
    """Outputs are PyTorch's after loading; and PyTorch's are ours after loading it from there into another module."""
    x = images(net.in_shapes)
    module, other = drawn(make(), x, 1), drawn(make(), x, 2)
    assert apart(net, module, x) > 1e-3
    load(net, module.state_dict())
    assert apart(net, module, x) <= 1e-10
    assert all(value == 7 for name, value in net.state.items() if name.endswith("num_batches_tracked"))
    assert apart(net, other, x) > 1e-3
    other.load_state_dict(state_dict(net, match(net, other.state_dict())))
    assert apart(net, other, x) <= 1e-10


@pytest.mark.parametrize("name", CASES)
def test_each_of_the_networks_goes_both_ways(name):
    case = CASES[name]
    check_both_ways(case.network(case.shape, dtype="float64", threads=1), case.theirs)


@pytest.mark.parametrize(
    ("make", "theirs"), [(models.lenet5, LeNet5), (models.lenet5s, LeNet5s), (models.lenet5_modern, LeNet5Modern)]
)
def test_lenets_go_both_ways_by_name(make, theirs):
    net = make(dtype="float64", threads=1)
    check_both_ways(net, theirs)
    assert match(net, theirs().state_dict()) == {name: name for name in match(net, theirs().state_dict())}


LAYERS = {
    "groups": ([m.Conv2d(6, 3, groups=2, bias=False)], lambda: [nn.Conv2d(4, 6, 3, groups=2, bias=False)]),
    "depthwise": ([m.Conv2d(8, 3, groups=4)], lambda: [nn.Conv2d(4, 8, 3, groups=4)]),
    "transposed": (
        [m.ConvTranspose2d(6, 3, stride=2, groups=2, output_padding=1)],
        lambda: [nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2, output_padding=1)],
    ),
    "flattened": ([m.Conv2d(3, 3), m.Flatten(), m.Dense(5)], lambda: [nn.Conv2d(4, 3, 3), nn.Flatten(), nn.LazyLinear(5)]),
    "norms": (
        [m.GroupNorm(2), m.PReLU(num_parameters=4), m.InstanceNorm2d(affine=True), m.LayerNorm()],
        lambda: [
            nn.GroupNorm(2, 4),
            nn.PReLU(4),
            nn.InstanceNorm2d(4, affine=True),
            nn.LayerNorm([4, 6, 7]),
        ],
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_go_both_ways(name):
    layers, theirs = LAYERS[name]
    check_both_ways(m.Network(layers, (4, 6, 7), dtype="float64", threads=1), lambda: nn.Sequential(*theirs()))


def small(**options):
    layers = [("C1", m.Conv2d(2, 3)), m.ReLU(), ("N1", m.BatchNorm2d()), m.Flatten(), ("F1", m.Dense(3)), ("F2", m.Dense(3))]
    return m.Network(layers, (1, 5, 5), **{"threads": 1} | options)


class Small(nn.Module):
    """The same in modules with other names."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.BatchNorm2d(2))
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(18, 3), nn.Linear(3, 3))

    def forward(self, x):
        return self.head(self.features(x))


NAMES = {"C1": "features.0", "N1": "features.2", "F1": "head.1", "F2": "head.2"}


@pytest.fixture
def module():
    return drawn(Small(), images({"x": (1, 5, 5)}), 3).float()


def test_names_are_found_and_may_be_given(module):
    net = small()
    assert match(net, module.state_dict()) == NAMES
    assert match(net, {f"module.{name}": value for name, value in module.state_dict().items()})["N1"] == "module.features.2"
    backwards = dict(reversed(module.state_dict().items()))
    with pytest.raises(CheckpointError, match="expected a module for layer 'C1'"):
        load(net, backwards)
    load(net, backwards, NAMES)
    assert np.array_equal(net.params["F2.b"], module.head[2].bias.detach().numpy())
    assert list(state_dict(net, NAMES)) == list(module.state_dict())
    state_dict(net)["C1.weight"].zero_()
    assert net.params["C1.W"].any(), "expected copies"


def test_arrays_of_numpy_do_as_well(module):
    net = small()
    load(net, {name: value.numpy() for name, value in module.state_dict().items()})
    assert np.array_equal(net.state["N1.running_var"], module.features[2].running_var.numpy())


def test_half_precision_is_exact_in_a_wider_dtype(module):
    for dtype in (torch.float16, torch.bfloat16, torch.float8_e5m2):
        weights = {name: value.to(dtype) if value.is_floating_point() else value for name, value in module.state_dict().items()}
        net = small(dtype="float64")
        load(net, weights)
        assert np.array_equal(net.params["F1.W"], weights["head.1.weight"].double().numpy())


def test_a_count_of_batches_may_be_missing(module):
    net = small()
    net.load_params({**net.params, **net.state, "N1.num_batches_tracked": np.array(4)})
    weights = {name: value for name, value in module.state_dict().items() if not name.endswith("num_batches_tracked")}
    load(net, weights)
    assert net.state["N1.num_batches_tracked"] == 0


@pytest.mark.parametrize("name", ["net.pt", "net.pth", "old.pt"])
def test_files_of_pytorch(tmp_path, module, name):
    net, other = small(), small(seed=1)
    torch.save(module.state_dict(), tmp_path / name, _use_new_zipfile_serialization=name != "old.pt")
    load(net, tmp_path / name)
    load(other, module.state_dict())
    assert snapshot(net) == snapshot(other)


def test_safetensors_of_others(tmp_path, module):
    net, other, path = small(), small(seed=1), str(tmp_path / "net.safetensors")
    save_file(module.state_dict(), path)
    message = f"{path}: expected the names of layers, or numbers that tell their order, got features, head; {NAME}"
    with pytest.raises(CheckpointError) as caught:
        load(net, path)
    assert str(caught.value) == message
    load(net, path, NAMES)
    load(other, module.state_dict())
    assert snapshot(net) == snapshot(other)


def test_safetensors_of_a_sequential_tell_the_order_by_numbers(tmp_path):
    torch.manual_seed(0)
    module, path = nn.Sequential(*(nn.Linear(2, 2) for _ in range(12))), str(tmp_path / "net.safetensors")
    net = m.Network([(f"F{n}", m.Dense(2)) for n in range(12)], (2,), threads=1)
    save_file(module.state_dict(), path)
    load(net, path)
    assert np.array_equal(net.params["F10.W"], module[10].weight.detach().numpy())


def test_a_weights_file_of_minicnn(tmp_path):
    net, other, path = small(), small(seed=1), str(tmp_path / "net.safetensors")
    save_weights(path, net, {})
    load(other, path)
    assert snapshot(net) == snapshot(other)


class Twice(nn.Module):
    """One layer under two names, used once."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.chain = nn.Sequential(self.first, nn.Linear(4, 4))

    def forward(self, x):
        return self.chain(x)


def test_a_module_with_two_names_is_one_layer(tmp_path):
    net = m.Network([("A", m.Dense(4)), ("B", m.Dense(4))], (4,), dtype="float64", threads=1)
    check_both_ways(net, Twice)
    module = Twice()
    torch.save(module.state_dict(), tmp_path / "twice.pt")
    assert match(net, tmp_path / "twice.pt") == {"A": ("first", "chain.0"), "B": "chain.1"}
    names = {"A": ["first", "chain.0"], "B": "chain.1"}
    weights = {name: value.clone() for name, value in module.state_dict().items()}
    load(net, weights, names)
    weights["chain.0.weight"] += 1
    with pytest.raises(CheckpointError) as caught:
        load(net, weights, names)
    what = "expected the numbers of 'first' in 'chain.0' too, as both are 'A', got others"
    assert str(caught.value) == f"state_dict: {what}; leave one of them out, or use two layers"


def test_a_layer_that_is_used_twice_is_one_module(tmp_path):
    items = [("a", m.Dense(4)), m.ReLU(), ("again", "a")]
    net, linear = m.Network(items, (4,), dtype="float64", threads=1), nn.Linear(4, 4)
    make = lambda: nn.Sequential(linear, nn.ReLU(), linear)  # noqa: E731
    x = images(net.in_shapes)
    module = drawn(make(), x, 1)
    load(net, module.state_dict())
    assert apart(net, module, x) <= 1e-10
    assert list(state_dict(net, match(net, module.state_dict()))) == ["0.weight", "0.bias", "2.weight", "2.bias"]


# --- what is refused ---


def changed(change):
    """A state_dict of the small module after a change."""

    def make():
        torch.manual_seed(0)
        weights = Small().state_dict()
        change(weights)
        return weights

    return make


FIT = f"load it into a network with the same layers, or {NAME}"
REFUSED = {
    "too few": (
        changed(lambda w: [w.pop(name) for name in ("head.2.weight", "head.2.bias")]),
        "expected 4 modules for the layers C1, N1, F1, F2, got 3, features.0, features.2, head.1; "
        "load it into a network with the same layers",
    ),
    "too many": (
        changed(lambda w: w.update({f"more{n}.weight": torch.ones(2) for n in range(3)})),
        "expected 4 modules for the layers C1, N1, F1, F2, got 7, features.0, features.2, head.1, head.2, more0, more1, …; "
        "load it into a network with the same layers",
    ),
    "another shape": (
        changed(lambda w: w.update({"head.1.weight": torch.ones(3, 2, 3, 3)})),
        "expected a module for layer 'F1' with weight (3, 18), bias (3,), "
        f"got 'head.1' with weight (3, 2, 3, 3), bias (3,); {FIT}",
    ),
    "without a bias": (
        changed(lambda w: w.pop("features.0.bias")),
        "expected a module for layer 'C1' with weight (2, 1, 3, 3), bias (2,), "
        f"got 'features.0' with weight (2, 1, 3, 3); {FIT}",
    ),
    "count in another layer": (
        changed(lambda w: w.update({"head.2.num_batches_tracked": torch.tensor(1)})),
        "expected a module for layer 'F2' with weight (3, 3), bias (3,), "
        f"got 'head.2' with weight (3, 3), bias (3,), num_batches_tracked (); {FIT}",
    ),
    "another layer's name": (
        changed(lambda w: w.update({f"F1.{part}": w.pop(f"head.2.{part}") for part in ("weight", "bias")})),
        "expected the module 'F1' where the layer of that name stands, got it where 'F2' stands; " + NAME,
    ),
    "double": (
        changed(lambda w: w.update({"head.1.bias": w["head.1.bias"].double()})),
        "expected 'head.1.bias' as float32 or what it holds exactly, got float64; make the network with dtype=\"float64\"",
    ),
    "whole numbers": (
        changed(lambda w: w.update({"head.1.bias": torch.ones(3, dtype=torch.int8)})),
        "expected 'head.1.bias' as float32 or what it holds exactly, got int8; convert it to float32",
    ),
    "a count in floats": (
        changed(lambda w: w.update({"features.2.num_batches_tracked": torch.tensor(1.5)})),
        "expected 'features.2.num_batches_tracked' as int64 or what it holds exactly, got float32; convert it to int64",
    ),
    "no tensor": (
        changed(lambda w: w.update({"epoch": 3})),
        "expected tensors or arrays by name, got int as 'epoch'; give module.state_dict()",
    ),
    "sparse": (
        changed(lambda w: w.update({"head.1.weight": w["head.1.weight"].to_sparse()})),
        "expected tensors or arrays by name, got Tensor as 'head.1.weight'; give module.state_dict()",
    ),
    "complex": (
        changed(lambda w: w.update({"head.1.weight": w["head.1.weight"] * 1j})),
        "expected tensors or arrays by name, got Tensor as 'head.1.weight'; give module.state_dict()",
    ),
    "without memory": (
        changed(lambda w: w.update({"head.1.weight": w["head.1.weight"].to("meta")})),
        "expected tensors or arrays by name, got Tensor as 'head.1.weight'; give module.state_dict()",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_and_changes_nothing(name):
    make, message = REFUSED[name]
    net = small()
    before = snapshot(net)
    with pytest.raises(CheckpointError) as caught:
        load(net, make())
    assert str(caught.value) == f"state_dict: {message}"
    assert snapshot(net) == before


def test_modules_that_names_leave_over_or_do_not_find_are_refused():
    net, weights = small(), Small().state_dict()
    with pytest.raises(CheckpointError) as caught:
        load(net, weights, NAMES | {"F1": "head.0"})
    what = "expected a module 'head.0' for layer 'F1', got features.0, features.2, head.1, head.2"
    assert str(caught.value) == f"state_dict: {what}; {NAME}"
    with pytest.raises(CheckpointError) as caught:
        load(net, weights | {"more.weight": torch.ones(1)}, NAMES)
    what = "expected modules for the network's layers only, got more too"
    assert str(caught.value) == f"state_dict: {what}; {NAME}"


@pytest.mark.parametrize("names", [{"C2": "features.0"}, {"C1": 0}, {"C1": ()}, {"C1": ("a", 1)}, "C1"])
def test_names_that_are_none_are_refused(names):
    for call in (lambda: load(small(), Small().state_dict(), names), lambda: state_dict(small(), names)):
        with pytest.raises(OptionError) as caught:
            call()
        what = f"expected names of modules by the names of layers (C1, N1, F1, F2), got {names!r}"
        assert str(caught.value) == f"names: {what}; {NAME}"


def test_a_module_for_two_layers_is_refused():
    with pytest.raises(OptionError) as caught:
        state_dict(small(), {"C1": "F1"})
    assert str(caught.value) == f"names: expected a module of its own for every layer, got 'F1' twice; {NAME}"


def test_what_is_neither_state_dict_nor_path_is_refused():
    with pytest.raises(OptionError) as caught:
        load(small(), Small())
    assert str(caught.value) == "weights: expected a state_dict or the path of a file, got Small; give module.state_dict()"


# --- files ---


def refused(path):
    net = small()
    before = snapshot(net)
    with pytest.raises(CheckpointError) as caught:
        load(net, path)
    assert snapshot(net) == before
    text = str(caught.value)
    assert "\n" not in text
    return text.removeprefix(f"{path}: ")


class Attack:
    def __reduce__(self):
        return os.mkdir, (os.environ["MINICNN_TEST_MADE"],)


def test_nothing_in_a_file_is_executed(tmp_path, monkeypatch):
    made = tmp_path / "made"
    monkeypatch.setenv("MINICNN_TEST_MADE", str(made))
    attack = pickle.dumps({"0.weight": Attack()}, 2)
    (tmp_path / "plain.pt").write_bytes(attack)
    torch.save({"0.weight": Attack()}, tmp_path / "zip.pt")
    torch.save(Small(), tmp_path / "module.pt")
    for name in ("plain.pt", "zip.pt", "module.pt"):
        assert refused(tmp_path / name).startswith("expected tensors alone, as torch.load(weights_only=True) reads them, got")
    assert not made.exists()
    pickle.loads(attack)
    assert made.exists(), "expected an attack that works where it is not refused"


def test_a_checkpoint_around_a_state_dict_is_named(tmp_path):
    torch.save({"epoch": 3, "model": Small().state_dict()}, tmp_path / "run.pt")
    message = "expected a state_dict of tensors, got a dict of others; give torch.load(path, weights_only=True)['model'], "
    assert refused(tmp_path / "run.pt") == message + "if that is the state_dict"
    torch.save([torch.ones(3)], tmp_path / "list.pt")
    message = "expected a state_dict of tensors, got a list of others; save module.state_dict()"
    assert refused(tmp_path / "list.pt") == message


def test_a_missing_file_is_refused(tmp_path):
    assert refused(tmp_path / "none.pt") == "expected a readable file, got no such file or directory; check the path"
    assert refused(tmp_path) == "expected a readable file, got a directory; check the path"


def test_an_archive_that_unpacks_to_more_is_refused(tmp_path):
    torch.save({"0.weight": torch.zeros(100_000)}, tmp_path / "net.pt")
    with (
        zipfile.ZipFile(tmp_path / "net.pt") as given,
        zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as made,
    ):
        for entry in given.namelist():
            made.writestr(entry, given.read(entry))
    assert refused(tmp_path / "bomb.pt").startswith("expected an archive without compression, as PyTorch writes, got something")


def test_an_expanded_tensor_takes_no_memory(tmp_path):
    torch.save(Small().state_dict() | {"head.1.bias": torch.ones(1, dtype=torch.bfloat16).expand(1 << 40)}, tmp_path / "net.pt")
    assert "got 'head.1' with weight (3, 18), bias (1099511627776,)" in refused(tmp_path / "net.pt")


def test_damaged_files_are_refused_or_hold_other_numbers(tmp_path):
    file = io.BytesIO()
    torch.save(Small().state_dict(), file)
    said = refusals(tmp_path / "net.pt", file.getvalue(), 150, random.Random(0), small, load)
    assert len(said) > 50
    assert not [text for text in said if "\n" in text]


def test_without_pytorch(tmp_path, monkeypatch):
    torch.save(Small().state_dict(), tmp_path / "net.pt")
    monkeypatch.setattr(torch, "__version__", "2.5.1+cpu")
    message = "expected PyTorch 2.6 or newer, whose weights_only is safe, got 2.5.1+cpu; "
    assert refused(tmp_path / "net.pt") == message + "run pip install -U torch, or save the weights as safetensors"
    monkeypatch.setitem(sys.modules, "torch", None)
    message = "expected the package torch, got none installed; run pip install torch"
    assert refused(tmp_path / "net.pt") == message
    with pytest.raises(OutputError) as caught:
        state_dict(small())
    assert str(caught.value) == f"state_dict: {message}"
    net, other = small(), small(seed=1)
    save_weights(str(tmp_path / "net.safetensors"), net, {})
    load(other, str(tmp_path / "net.safetensors"))
    assert snapshot(net) == snapshot(other)
