"""ONNX graphs: refused in a sentence, or a network whose outputs are those of ONNX Runtime where that takes the graph."""

import warnings

import numpy as np
import onnx
import onnxruntime

from fuzz.drawn import Drawn
from fuzz.judged import refused
from minicnn.errors import DataError
from minicnn.io.onnx import load

INPUTS, QUICK = 10_000, 300
LONGEST, MOST_BYTES, SECONDS = 256, 700 << 20, 20
READS = ("minicnn.io",)

RNG = np.random.default_rng(0)
onnxruntime.set_default_logger_severity(4)
ONE = onnxruntime.SessionOptions()
ONE.intra_op_num_threads = ONE.inter_op_num_threads = 1  # threads take longer to start than a small graph to run


def floats(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


GRAPHS = [
    """(float[N, 2, 6, 6] x) => (float[N, 3] y) { a = Conv<pads = [1, 1, 1, 1]>(x, K)  b = Relu(a)
    c = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(b)  d = Flatten(c)  y = Gemm(d, W) }""",
    """(float[N, 2, 6, 6] x) => (float[N, 3] y) { s = Shape(x)  n = Gather(s, i)
    u = Unsqueeze(n, i)  t = Concat<axis = 0>(u, m)
    q = Constant<value_floats = [1.0, 2.0]>()  e = Expand(q, two)  f = ConstantOfShape(m2)  p = Pad(x, pads)
    v = AveragePool<kernel_shape = [3, 3], strides = [2, 2], pads = [0, 0, 1, 1]>(p)  r = Resize(v, , scales)
    l = Slice(r, i1, j1, last)  g = ReduceMean(l, axes)  k = Reshape(g, t)  o = Mul(q, e)  w = Add(o, f)
    z = Add(k, w)  y = MatMul(z, V) }""",
    """(float[N, 2, 6, 6] x) => (float[N, 4, 11, 11] y) { a = ConvTranspose<strides = [2, 2], pads = [1, 1, 1, 1]>(x, T)
    b = BatchNormalization(a, g4, b4, m4, v4)  c, d = Split<axis = 1, num_outputs = 2>(b)  e = Concat<axis = 1>(d, c)
    f = PRelu(e, slope)  h = Clip(f, low, high)  k = InstanceNormalization(h, g4, b4)  l = Softmax<axis = 1>(k)
    o = Transpose<perm = [0, 2, 1, 3]>(l)  p = Transpose<perm = [0, 2, 1, 3]>(o)  y = HardSwish(p) }""",
]
ARRAYS = {
    "K": floats(4, 2, 3, 3), "W": floats(36, 3), "V": floats(2, 3), "i": np.array(0), "m": np.array([2]), "two": np.array([2]),
    "m2": np.array([2]), "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "scales": np.array([1, 1, 2, 2], np.float32),
    "i1": np.array([1]), "last": np.array([3]), "j1": np.array([9]), "axes": np.array([2, 3]),
    "T": floats(2, 4, 3, 3), "g4": floats(4), "b4": floats(4), "m4": floats(4), "v4": floats(4) ** 2 + 1,
    "slope": floats(4, 1, 1), "low": np.float32(-1), "high": np.float32(2),
}  # fmt: skip
NUMBERS = (0, -1, 1, 2, 7, 64, 2**16, 2**24, 2**24 + 1, 2**31, 2**40, 2**62, -(2**63))
OPS = (
    *("Relu", "Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "Mul", "Concat", "Gather", "Expand", "ConstantOfShape", "Pad"),
    *("Resize", "Slice", "Split", "Reshape", "Transpose", "Softmax", "MaxPool", "AveragePool", "ReduceSum", "Shape", "Cast"),
    *("Unsqueeze", "Squeeze", "Clip", "PRelu", "BatchNormalization", "Tile", "Loop", ""),
)


def graphs():
    """The graphs as models, each with the initialisers that it names."""
    found = []
    for text in GRAPHS:
        model = onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["": 18]> g {text}')
        read = {name for node in model.graph.node for name in node.input}
        for name, value in ARRAYS.items():
            if name in read:
                model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value), name))
        found.append(model)
    return found


def mutate(rng, model):
    """Change a few places of a graph: sizes of inputs and initialisers, numbers, operators, attributes and names."""
    graph = model.graph
    for _ in range(rng.randint(1, 4)):
        node, tensor, way = rng.choice(graph.node), rng.choice(graph.initializer), rng.randrange(10)
        if way == 0:
            rng.choice(graph.input[0].type.tensor_type.shape.dim).dim_value = rng.choice(NUMBERS)
        elif way == 1 and tensor.dims:
            tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(NUMBERS)
        elif way == 2 and tensor.data_type == 7:
            tensor.raw_data = np.array([rng.choice(NUMBERS) for _ in range(len(tensor.raw_data) // 8)]).tobytes()
        elif way == 3:
            tensor.data_type = rng.randrange(25)
        elif way == 4:
            node.op_type = rng.choice(OPS)
        elif way == 5 and node.attribute:
            attribute = rng.choice(node.attribute)
            attribute.type, attribute.i = rng.choice((attribute.type, rng.randrange(15))), rng.choice(NUMBERS)
            attribute.ints[:] = [rng.choice(NUMBERS) for _ in range(rng.choice((len(attribute.ints), rng.randrange(70))))]
        elif way == 6:
            node.input.append(rng.choice([each.name for each in graph.initializer] + ["x", "", "nowhere"]))
        elif way == 7 and node.input:
            node.input[rng.randrange(len(node.input))] = rng.choice(rng.choice(graph.node).output)
        elif way == 8:
            graph.node.insert(rng.randrange(len(graph.node)), node)
        else:
            tensor.dims[:] = [rng.choice(NUMBERS) for _ in range(rng.randrange(70))]


MODELS = graphs()
UNCHANGED = 255
"""What an input begins with that leaves its graph as it is."""


def seeds():
    found = [bytes([UNCHANGED, number]) for number in range(len(MODELS))]
    return [*found, *(bytes([0, number, 0, 0, 0, way, 0, way]) for number in range(len(MODELS)) for way in range(10))]


def changed(data):
    """A graph with the changes that an input says; None where protobuf refuses its bytes."""
    way, rng = data[0] if data else UNCHANGED, Drawn(bytes([0]) + data[1:])
    model = onnx.ModelProto()
    model.CopyFrom(rng.choice(MODELS))
    if way < 180:
        mutate(rng, model)
    elif way < UNCHANGED:
        content = bytearray(model.SerializeToString())
        for _ in range(rng.randint(1, 4)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        try:
            return onnx.load_model_from_string(bytes(content))
        except Exception:  # protobuf's own, which is no class of a common base
            return None
    return model


def check(data):
    model = changed(data)
    if model is None:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            net = load(model, threads=1, backend="numpy")
        except DataError as error:
            return refused(error)
    same(net, model)
    return True


def same(net, model):
    """Compare with ONNX Runtime, where it takes the graph and its shapes are small."""
    shapes = list(net.in_shapes.values())
    if sum(map(np.prod, shapes)) > 1 << 12 or sum(np.prod(placed.plan.out_shape) for placed in net.layers) > 1 << 16:
        return
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), ONE, providers=["CPUExecutionProvider"])
        given = session.get_inputs()
        count = given[0].shape[0] if isinstance(given[0].shape[0], int) else 2
        if count > 64:
            return
        images = [np.random.default_rng(1).standard_normal((count, *each.shape[1:])).astype(np.float32) for each in given]
        expected = session.run(None, {each.name: x for each, x in zip(given, images, strict=True)})
    except Exception:  # the runtime's own, of several classes
        return
    with np.errstate(all="ignore"):
        found = net.predict_outputs(dict(zip(net.in_shapes, images, strict=True)))
    for y, wanted in zip(found.values(), expected, strict=True):
        assert y.shape == (wanted.shape if wanted.ndim > 1 else (*wanted.shape, 1)), f"expected {wanted.shape}, got {y.shape}"
        if np.isfinite(wanted).all():
            np.testing.assert_allclose(
                y.reshape(wanted.shape), wanted, rtol=1e-4, atol=1e-4 * max(1, np.abs(wanted).max(initial=0))
            )
