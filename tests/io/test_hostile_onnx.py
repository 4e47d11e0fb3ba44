"""Hostile ONNX graphs: each is refused in a sentence, or gives a network; little memory is taken, whatever they ask for."""

import random
import tracemalloc
import warnings

import numpy as np
import pytest
from test_load import floats, graph

from minicnn.errors import DataError
from minicnn.io.onnx import load

onnx = pytest.importorskip("onnx")
from fuzz.targets.onnx_graphs import MODELS, mutate  # noqa: E402 (which needs onnx)

MOST_BYTES = 700 << 20
"""The bound of what loading a small file takes: 2²⁴ numbers of eight bytes, a few times over."""

HUGE = {
    "huge": np.array([2**20, 2**20]),
    "line": floats(2**12, 1),
    "row": floats(1, 2**12),
    "flat": floats(2**12),
    "many": np.zeros(2**15, int),
    "half": np.array([2**23]),
    "wide": np.array([2**12, 2**13]),
    "sums": np.array([0, 0, 0, 0, 0, 2**21]),
    "two": np.float32(2),
}
OTHERS = "expected at most 16,777,216 numbers that follow from others, got "
ASKING = {
    "a = Expand(two, huge)  y = Add(x, a)": OTHERS + "1,099,511,627,776",
    "a = Expand(line, wide)  y = Add(x, a)": OTHERS + "33,554,432",
    "c = Mul(line, row)  a = Concat<axis = 0>(c, c)  y = Add(x, a)": OTHERS + "33,554,432",
    "a = Gather<axis = 1>(line, many)  y = Add(x, a)": "(node a): " + OTHERS + "134,217,728",
    "a = ConstantOfShape(huge)  y = Add(x, a)": "expected a shape of at most 16,777,216 numbers, and one value, got",
    "p = Pad(x, sums, two)  y = Relu(p)": OTHERS + "18,874,395",
    "a = AveragePool<kernel_shape = [8388608], pads = [0, 8388607]>(x)  y = Relu(a)": OTHERS + "25,165,824",
}
SUMS = "".join(f"  {b} = Add({a}, two)" for a, b in zip("cdefghij", "defghijk", strict=True))
ASKING[f"c = ConstantOfShape(half){SUMS}  y = Add(x, k)"] = (
    "expected constants and weights in proportion to those of the file, got too many that follow from others"
)
"""Nodes over an input (N, 9, 3), and what is said."""


def measured(model):
    """What loading says, nothing where it gives a network; and the largest number of bytes that it held."""
    tracemalloc.reset_peak()
    before, said = tracemalloc.get_traced_memory()[0], ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            load(model, threads=1, backend="numpy")
    except DataError as error:
        said = str(error)
    return said, tracemalloc.get_traced_memory()[1] - before


@pytest.fixture
def traced():
    tracemalloc.start(1)
    yield
    tracemalloc.stop()


@pytest.mark.parametrize("nodes", ASKING)
def test_what_asks_for_much_is_refused_before_it_is_made(nodes, traced):
    said, size = measured(graph(f"(float[N, 9, 3] x) => (float[N, 3] y) {{ {nodes} }}", **HUGE))
    assert ASKING[nodes] in said
    assert size < MOST_BYTES


def test_large_images_are_refused(traced):
    said, size = measured(graph("(float[N, 16777216, 16777216] x) => (float[N, 3] y) { y = Relu(x) }"))
    assert "expected the input x of at most 268,435,456 numbers an image, got 281,474,976,710,656; give a whole file" in said
    model = graph("(float[N, 4096, 8192] x) => (float[N, 4096, 8192] y) { y = Mul(x, rows) }", rows=floats(1, 8192))
    more, further = measured(model)
    assert OTHERS + "33,554,432" in more
    assert max(size, further) < 1 << 20


def test_slices_list_no_long_axes(traced):
    model = graph("(float[N, 8388608] x) => (float[N, 3] y) { y = Slice(x, a, b, c) }", a=[1], b=[2**24], c=[1])
    said, size = measured(model)
    assert "expected at most 1,048,576 places along an axis, got 8,388,607" in said
    assert size < 1 << 20


def test_a_graph_of_too_many_nodes_is_refused():
    model = graph("(float[N, 3] x) => (float[N, 3] y) { y = Relu(x) }")
    for number in range(10_000):
        model.graph.node.add(op_type="Relu", input=["x"], output=[f"r{number}"])
    with pytest.raises(DataError, match="expected at most 10,000 nodes, and 20,000 inputs and outputs, got 10,001 and 2; give"):
        load(model, threads=1)


def test_mutated_graphs_are_refused_in_a_sentence_or_give_a_network(request, traced):
    rng = random.Random(0)
    assert all(measured(model)[0] == "" for model in MODELS), "expected the graphs themselves to be taken"
    made, count = 0, 10_000 if request.config.getoption("full") else 300
    for number in range(count):
        changed = onnx.ModelProto()
        changed.CopyFrom(MODELS[number % len(MODELS)])
        content = None
        if rng.random() < 0.3:
            content = bytearray(changed.SerializeToString())
            for _ in range(rng.randint(1, 4)):
                content[rng.randrange(len(content))] = rng.randrange(256)
            try:
                changed = onnx.load_model_from_string(bytes(content))
            except Exception:  # protobuf's own, which is no class of a common base
                continue
        else:
            mutate(rng, changed)
        said, size = measured(changed)
        assert "\n" not in said
        assert size < MOST_BYTES, said
        made += not said
    assert made > 0.02 * count, "expected some damage to lie in numbers alone"
